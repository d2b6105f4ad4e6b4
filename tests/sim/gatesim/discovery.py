"""Discovery in both forms, the version, and the least of OpenAPI that kubectl asks for."""
from __future__ import annotations

import hashlib
from typing import Any, Optional

from .kinds import VERBS, Kind, groups
from .util import dumps

Json = Any
VERSION = {"major": "1", "minor": "36", "emulationMajor": "1", "emulationMinor": "36", "minCompatibilityMajor": "1",
           "minCompatibilityMinor": "35", "gitVersion": "v1.36.3", "gitCommit": "simulated", "gitTreeState": "clean",
           "buildDate": "1970-01-01T00:00:00Z", "goVersion": "none", "compiler": "none", "platform": "linux/amd64"}


class Discovery:
    """What the API says about itself; custom groups come and go."""

    def __init__(self) -> None:
        self.present = {"elbv2.k8s.aws", "eks.amazonaws.com", "argoproj.io"}
        self.stale: set[str] = set()
        self.aggregated = True

    def _groups(self) -> dict[str, list[Kind]]:
        return groups(self.present)

    def serves(self, kind: Kind) -> bool:
        return not kind.custom or kind.group in self.present

    # Aggregated (apidiscovery.k8s.io/v2)

    @staticmethod
    def _resource(kind: Kind) -> Json:
        out: Json = {"resource": kind.plural, "responseKind": {"group": "", "version": "", "kind": kind.kind},
                     "scope": "Namespaced" if kind.namespaced else "Cluster", "singularResource": kind.singular,
                     "verbs": VERBS}
        if kind.short:
            out["shortNames"] = list(kind.short)
        if kind.all:
            out["categories"] = ["all"]
        subs = []
        if kind.scale:
            subs.append({"subresource": "scale", "responseKind": {"group": "autoscaling", "version": "v1", "kind": "Scale"},
                         "verbs": ["get", "patch", "update"]})
        if kind.status:
            subs.append({"subresource": "status", "responseKind": {"group": "", "version": "", "kind": kind.kind},
                         "verbs": ["get", "patch", "update"]})
        if subs:
            out["subresources"] = subs
        return out

    def aggregate(self, core: bool) -> bytes:
        """GET /api or /apis as an APIGroupDiscoveryList."""
        items = []
        for group, kinds in self._groups().items():
            if (group == "") != core:
                continue
            versions = [kinds[0].version, *kinds[0].also]
            items.append({"metadata": {"name": group} if group else {}, "versions": [
                {"version": v, "resources": [self._resource(k) for k in kinds],
                 "freshness": "Stale" if group in self.stale else "Current"} for v in versions]})
        return dumps({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {},
                      "items": items}) + b"\n"

    @staticmethod
    def etag(body: bytes) -> str:
        return '"' + hashlib.sha512(body).hexdigest().upper() + '"'

    # Plain

    @staticmethod
    def _group(group: str, kinds: list[Kind]) -> Json:
        versions = [{"groupVersion": f"{group}/{v}", "version": v} for v in (kinds[0].version, *kinds[0].also)]
        return {"name": group, "versions": versions, "preferredVersion": versions[0]}

    @staticmethod
    def api_versions() -> Json:
        return {"kind": "APIVersions", "versions": ["v1"],
                "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1"}]}

    def api_groups(self) -> Json:
        return {"kind": "APIGroupList", "apiVersion": "v1",
                "groups": [self._group(g, k) for g, k in self._groups().items() if g]}

    def api_group(self, group: str) -> Optional[Json]:
        kinds = self._groups().get(group)
        return {"kind": "APIGroup", "apiVersion": "v1"} | self._group(group, kinds) if group and kinds else None

    def resources(self, group: str, version: str) -> Optional[Json]:
        """GET /api/v1 or /apis/G/V."""
        kinds = [k for k in self._groups().get(group, []) if version in (k.version, *k.also)]
        if not kinds:
            return None
        out = []
        for kind in kinds:
            one: Json = {"name": kind.plural, "singularName": kind.singular, "namespaced": kind.namespaced,
                         "kind": kind.kind, "verbs": VERBS}
            if kind.short:
                one["shortNames"] = list(kind.short)
            if kind.all:
                one["categories"] = ["all"]
            out.append(one)
            if kind.scale:
                out.append({"name": kind.plural + "/scale", "singularName": "", "namespaced": True, "group": "autoscaling",
                            "version": "v1", "kind": "Scale", "verbs": ["get", "patch", "update"]})
            if kind.status:
                out.append({"name": kind.plural + "/status", "singularName": "", "namespaced": kind.namespaced,
                            "kind": kind.kind, "verbs": ["get", "patch", "update"]})
        return {"kind": "APIResourceList", "apiVersion": "v1",
                "groupVersion": f"{group}/{version}" if group else version, "resources": out}

    # OpenAPI

    def openapi_index(self) -> Json:
        """GET /openapi/v3: one document a group version."""
        paths = {}
        for group, kinds in self._groups().items():
            for version in (kinds[0].version, *kinds[0].also):
                path = f"apis/{group}/{version}" if group else f"api/{version}"
                paths[path] = {"serverRelativeURL": f"/openapi/v3/{path}?hash=1"}
        return {"paths": paths}

    def openapi(self, group: str, version: str) -> Optional[Json]:
        """Paths with the parameter fieldValidation, so that kubectl leaves validation to the server."""
        kinds = [k for k in self._groups().get(group, []) if version in (k.version, *k.also)]
        if not kinds:
            return None
        prefix = f"/apis/{group}/{version}" if group else f"/api/{version}"
        paths = {}
        for kind in kinds:
            where = f"{prefix}/namespaces/{{namespace}}/{kind.plural}/{{name}}" if kind.namespaced else f"{prefix}/{kind.plural}/{{name}}"
            paths[where] = {"patch": {
                "parameters": [{"name": "fieldValidation", "in": "query", "schema": {"type": "string"}}],
                "responses": {"200": {"description": "OK"}},
                "x-kubernetes-group-version-kind": {"group": group, "version": version, "kind": kind.kind}}}
        return {"openapi": "3.0.0", "info": {"title": "simulated", "version": "v1.36.3"}, "paths": paths,
                "components": {"schemas": {}}}
