"""create, update, patch, delete and the subresources."""
from __future__ import annotations

import json
from typing import Any

import yaml

from . import defaults, errors, patching
from .errors import ApiError
from .kinds import PODS, SERVICES, Kind
from .reading import Filter, Query
from .store import Item, Store
from .util import jcopy

Json = Any


def parse(content_type: str, raw: bytes) -> Json:
    """A request's body."""
    base = content_type.split(";")[0].strip()
    if base == "application/vnd.kubernetes.protobuf":
        raise ApiError(415, "UnsupportedMediaType", "the simulator takes JSON and YAML, not protobuf")
    try:
        if base in ("application/yaml", "application/apply-patch+yaml"):
            return yaml.safe_load(raw)
        return json.loads(raw)
    except (ValueError, yaml.YAMLError) as exc:
        raise errors.bad_request(f"couldn't get version/kind; json parse error: {exc}") from None


def _manifest(kind: Kind, namespace: str, obj: Json) -> Json:
    if not isinstance(obj, dict):
        raise errors.bad_request("the body is not an object")
    if obj.get("kind") not in (None, kind.kind):
        raise errors.bad_request(f'{obj.get("kind")} in version "{obj.get("apiVersion")}" cannot be handled as a {kind.kind}')
    out = dict(obj)
    out["metadata"] = dict(out.get("metadata") or {})
    if kind.namespaced:
        given = out["metadata"].setdefault("namespace", namespace)
        if given != namespace:
            raise errors.bad_request("the namespace of the provided object does not match the namespace sent on the request")
    return out


class Writer:
    """Changes the store on behalf of requests."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def create(self, kind: Kind, namespace: str, obj: Json, user: str) -> Item:
        made = defaults.fill(self.store, kind, _manifest(kind, namespace, obj))
        return self.store.create(kind, made, user)

    def update(self, kind: Kind, namespace: str, name: str, obj: Json, sub: str, user: str) -> Item:
        obj = _manifest(kind, namespace, obj)
        if sub == "scale":
            return self._scale(kind, namespace, name, obj)
        if obj["metadata"].get("name", name) != name:
            raise errors.bad_request("the name of the object does not match the name on the URL")
        self._fixed(kind, namespace, name, obj, sub)
        return self.store.update(kind, namespace, name, self._kept(kind, namespace, name, obj), sub)

    def patch(self, kind: Kind, namespace: str, name: str, sub: str, content_type: str, patch: Json,
              user: str) -> tuple[Item, bool]:
        """The patched object, and whether it is new (server-side apply creates)."""
        item = self.store.item(kind, namespace, name)
        if item is None:
            if content_type.startswith("application/apply-patch") and not sub:
                obj = dict(patch, metadata=dict(patch.get("metadata") or {}, name=name))
                return self.create(kind, namespace, obj, user), True
            raise errors.not_found(kind, name)
        if sub == "scale":
            scaled = patching.apply(content_type, scale_of(kind, item), patch, True)
            return self._scale(kind, namespace, name, scaled), False
        target = {"kind": kind.kind, "apiVersion": kind.gv} | item.data
        new = patching.apply(content_type, target, patch, kind.custom)
        if not isinstance(new, dict) or not isinstance(new.get("metadata"), dict):
            raise errors.bad_request("the patched object has no metadata")
        self._fixed(kind, namespace, name, new, sub)
        return self.store.update(kind, namespace, name, self._kept(kind, namespace, name, new), sub), False

    def _kept(self, kind: Kind, namespace: str, name: str, obj: Json) -> Json:
        """Defaults for what a full update may leave out."""
        old = self.store.get(kind, namespace, name)
        if kind in (PODS, SERVICES) or old is None or "spec" not in obj:
            return obj
        filled = defaults.fill(self.store, kind, obj)
        if "status" in obj:
            filled["status"] = jcopy(obj["status"])
        return filled

    def _fixed(self, kind: Kind, namespace: str, name: str, obj: Json, sub: str) -> None:
        """Refuses changes of what cannot be changed."""
        old = self.store.get(kind, namespace, name)
        if old is None or kind is not PODS or sub:
            return
        mine = obj.get("spec") or {}
        for key, value in old["spec"].items():
            if key in ("containers", "initContainers", "activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds"):
                continue
            if mine.get(key) != value:
                raise errors.invalid(kind, name, "spec", "Forbidden: pod updates may not change fields other than "
                                     "`spec.containers[*].image`,`spec.initContainers[*].image`,"
                                     "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
                                     "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)")
        if "readinessGates" in mine and "readinessGates" not in old["spec"]:
            raise errors.invalid(kind, name, "spec", "Forbidden: pod updates may not change fields other than `spec.containers[*].image`")

    def _scale(self, kind: Kind, namespace: str, name: str, obj: Json) -> Item:
        replicas = (obj.get("spec") or {}).get("replicas", 0)
        if not isinstance(replicas, int) or replicas < 0:
            raise errors.bad_request("spec.replicas: must be a number of at least 0")

        def change(data: Json) -> None:
            data["spec"]["replicas"] = replicas
        item = self.store.modify(kind, namespace, name, change)
        if item is None:
            raise errors.not_found(kind, name)
        return item

    def delete(self, kind: Kind, namespace: str, name: str, options: Json, query: Query) -> tuple[Item, bool]:
        """The object, and whether it is gone."""
        grace = (options or {}).get("gracePeriodSeconds")
        if grace is None and query.get("gracePeriodSeconds"):
            grace = int(query["gracePeriodSeconds"])
        wanted = ((options or {}).get("preconditions") or {}).get("uid")
        have = self.store.get(kind, namespace, name)
        if have and wanted and wanted != have["metadata"]["uid"]:
            raise errors.conflict(kind, name)
        policy = (options or {}).get("propagationPolicy") or query.get("propagationPolicy")
        if policy == "Orphan":
            self._orphan(have)
        item = self.store.delete(kind, namespace, name, grace)
        return item, self.store.item(kind, namespace, name) is None

    def _orphan(self, owner: Json) -> None:
        if owner is None:
            return
        uid = owner["metadata"]["uid"]
        for table in list(self.store.tables.values()):
            for space in list(table.values()):
                for item in list(space.values()):
                    refs = item.data["metadata"].get("ownerReferences") or []
                    if any(r.get("uid") == uid for r in refs):
                        meta = item.data["metadata"]
                        self.store.modify(item.kind, meta.get("namespace", ""), meta["name"], lambda d: d["metadata"].update(
                            ownerReferences=[r for r in d["metadata"]["ownerReferences"] if r.get("uid") != uid]))

    def delete_all(self, kind: Kind, namespace: str, query: Query, options: Json) -> list[Item]:
        wanted = Filter(kind, namespace, query)
        out = []
        for item in self.store.items(kind, namespace):
            if wanted.takes(item.data):
                meta = item.data["metadata"]
                out.append(self.delete(kind, meta.get("namespace", ""), meta["name"], options, query)[0])
        return out


def scale_of(kind: Kind, item: Item) -> Json:
    """The autoscaling/v1 Scale of a workload."""
    data = item.data
    labels = (data["spec"].get("selector") or {}).get("matchLabels") or {}
    meta = {k: data["metadata"][k] for k in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")}
    return {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": meta,
            "spec": {"replicas": data["spec"].get("replicas", 0)},
            "status": {"replicas": data.get("status", {}).get("replicas", 0),
                       "selector": ",".join(f"{k}={v}" for k, v in sorted(labels.items()))}}
