"""The Kubernetes API over HTTP: routing, authentication, verbs."""
from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any, Optional

from aiohttp import web

from . import answer, errors, kinds
from .access import ADMIN, People, Person
from .discovery import VERSION, Discovery
from .errors import ApiError
from .faults import Faults, Rule, before
from .kinds import PODS, Kind
from .reading import Filter, Query, Reader, encode_item
from .store import Store
from .util import dumps
from .watching import Options, Watch
from .writing import Writer, parse, scale_of

Json = Any
OPEN_PATHS = {"/livez", "/readyz", "/healthz", "/version"}
REVIEWS = ("/apis/authentication.k8s.io/v1/", "/apis/authorization.k8s.io/v1/")


class Target:
    """What a request path names."""

    def __init__(self, kind: Kind, version: str, namespace: str, name: str, sub: str) -> None:
        self.kind = kind
        self.version = version
        self.namespace = namespace
        self.name = name
        self.sub = sub


def target_of(path: str) -> Optional[Target]:
    """Reads /api/v1/namespaces/NS/pods/NAME/status and its like."""
    parts = [p for p in path.split("/") if p]
    if len(parts) >= 3 and parts[0] == "api":
        group, version, rest = "", parts[1], parts[2:]
    elif len(parts) >= 4 and parts[0] == "apis":
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    namespace = ""
    if rest[0] == "namespaces" and len(rest) >= 3 and rest[2] not in ("status", "finalize"):
        namespace, rest = rest[1], rest[2:]
    kind = kinds.find(group, version, rest[0])
    if kind is None or len(rest) > 3 or (namespace and not kind.namespaced):
        return None
    return Target(kind, version, namespace, rest[1] if len(rest) > 1 else "", rest[2] if len(rest) > 2 else "")


class ApiServer:
    """Serves the store."""

    def __init__(self, store: Store, token: str = "") -> None:
        self.store = store
        self.reader = Reader(store)
        self.writer = Writer(store)
        self.discovery = Discovery()
        self.faults = Faults()
        self.options = Options()
        self.people = People(token)
        self.watches: set[Watch] = set()
        self.counts: Counter[str] = Counter()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Any request outside /_sim."""
        try:
            who = ADMIN if request.path in OPEN_PATHS else self.people.of(request.headers.get("Authorization", ""))
            if request.path.startswith(REVIEWS) and request.method == "POST":
                return await self._review(request, who)
            if request.path.startswith("/api"):
                return await self._api(request, who)
            return await self._other(request)
        except ApiError as err:
            self.counts[f"{err.code}"] += 1
            return answer.error(err)
        except ConnectionResetError:
            return web.Response()  # to nobody: a fault or the client has ended the connection

    async def _review(self, request: web.Request, who: Person) -> web.StreamResponse:
        self.counts["review"] += 1
        rule = self.faults.take("reviews", "write")
        await before(request, rule)
        if rule and rule.action == "status":
            return answer.fault_status(rule)
        body = parse(request.headers.get("Content-Type", "application/json"), await request.read())
        return await answer.body(request, [dumps(self.people.review(request.path, body, who))], rule, 201)

    async def _other(self, request: web.Request) -> web.StreamResponse:
        path = request.path.rstrip("/")
        if path in ("/livez", "/readyz", "/healthz"):
            return web.Response(text="ok")
        if path == "/version":
            return await answer.body(request, [dumps(VERSION)])
        if path == "/openapi/v2":
            if "protobuf" in request.headers.get("Accept", ""):
                return web.Response(body=b"", content_type="application/com.github.proto-openapi.spec.v2.v1.0+protobuf")
            return await answer.body(request, [dumps({"swagger": "2.0", "info": {"title": "simulated", "version": "v1.36.3"},
                                                      "paths": {}, "definitions": {}})])
        if path == "/openapi/v3":
            return await answer.body(request, [dumps(self.discovery.openapi_index())])
        if path.startswith("/openapi/v3/"):
            parts = path.split("/")[3:]
            doc = self.discovery.openapi(parts[1] if parts[0] == "apis" else "", parts[-1])
            if doc:
                return await answer.body(request, [dumps(doc)])
        return answer.no_such_path()

    async def _api(self, request: web.Request, who: Person) -> web.StreamResponse:
        target = target_of(request.path)
        if target is None or not self.discovery.serves(target.kind):
            return await self._discover(request)
        verb = self._verb(request, target)
        self.counts[f"{verb} {target.kind.key}"] += 1
        rule = self.faults.take(target.kind.key, verb if verb in ("list", "watch", "get") else "write")
        await before(request, rule)
        if rule and rule.action == "status":
            if rule.code == 403 and not rule.message and not rule.html:
                raise errors.forbidden(who.user, verb, target.kind, target.namespace)
            return answer.fault_status(rule)
        if not who.may(verb, target.kind.key, target.namespace):
            raise errors.forbidden(who.user, verb, target.kind, target.namespace)
        if verb == "watch":
            return await self._watch(request, target, rule)
        if verb in ("list", "get"):
            return await self._read(request, target, verb, rule)
        return await self._write(request, target, verb, who.user, rule)

    @staticmethod
    def _verb(request: web.Request, target: Target) -> str:
        if request.method in ("GET", "HEAD"):
            if request.query.get("watch") in ("1", "true"):
                return "watch"
            return "get" if target.name else "list"
        verbs = {"POST": "create", "PUT": "update", "PATCH": "patch",
                 "DELETE": "delete" if target.name else "deletecollection"}
        if request.method not in verbs:
            raise ApiError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
        return verbs[request.method]

    async def _discover(self, request: web.Request) -> web.StreamResponse:
        parts = [p for p in request.path.split("/") if p]
        self.counts["discovery"] += 1
        rule = self.faults.take("discovery", "discovery")
        await before(request, rule)
        if rule and rule.action == "status":
            return answer.fault_status(rule)
        doc: Optional[Json] = None
        if len(parts) == 1 and parts[0] in ("api", "apis"):
            wants = any(f.kind == "APIGroupDiscoveryList" and f.version == "v2" for f in answer.accepted(request))
            if wants and self.discovery.aggregated:
                return await self._aggregated(request, parts[0] == "api", rule)
            doc = self.discovery.api_versions() if parts[0] == "api" else self.discovery.api_groups()
        elif len(parts) == 2:
            doc = (self.discovery.resources("", parts[1]) if parts[0] == "api" else self.discovery.api_group(parts[1]))
        elif len(parts) == 3 and parts[0] == "apis":
            doc = self.discovery.resources(parts[1], parts[2])
        if doc is None:
            return answer.no_such_path()
        return await answer.body(request, [dumps(doc), b"\n"], rule)

    async def _aggregated(self, request: web.Request, core: bool, rule: Optional[Rule]) -> web.StreamResponse:
        data = self.discovery.aggregate(core)
        etag = self.discovery.etag(data)
        if request.headers.get("If-None-Match") == etag:
            return web.Response(status=304, headers={"ETag": etag})
        response = await answer.body(request, [data], rule, headers={"ETag": etag, "Vary": "Accept"})
        response.content_type = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
        return response

    async def _read(self, request: web.Request, target: Target, verb: str, rule: Optional[Rule]) -> web.StreamResponse:
        query: Query = dict(request.query)
        form = answer.form(request)
        if verb == "list":
            items, meta = self.reader.page(target.kind, target.namespace, query)
            chunks = self.reader.encode(target.kind, target.version, items, meta, form, query.get("includeObject", ""))
            return await answer.body(request, chunks, rule, compress=True)
        item = self.store.item(target.kind, target.namespace, target.name)
        if item is None:
            raise errors.not_found(target.kind, target.name)
        if target.sub == "scale" and target.kind.scale:
            return await answer.body(request, [dumps(scale_of(target.kind, item))], rule)
        if target.sub == "log" and target.kind is PODS:
            return web.Response(text=f"{target.name} writes no log: it is simulated\n")
        if target.sub not in ("", "status"):
            return answer.no_such_path()
        if form.kind == "Table":
            chunks = self.reader.encode(target.kind, target.version, [item], {"resourceVersion": str(item.rv)}, form,
                                        query.get("includeObject", ""))
            return await answer.body(request, chunks, rule)
        return await answer.body(request, [encode_item(item, target.version, form), b"\n"], rule, compress=True)

    async def _watch(self, request: web.Request, target: Target, rule: Optional[Rule]) -> web.StreamResponse:
        query: Query = dict(request.query)
        if target.name:
            query["fieldSelector"] = f"metadata.name={target.name}"
        wanted = Filter(target.kind, target.namespace, query)
        watch = Watch(self.store, self.options, target.kind, target.version, wanted, query, answer.form(request))
        self.watches.add(watch)
        try:
            return await watch.run(request, rule)
        except asyncio.CancelledError:
            raise
        finally:
            self.watches.discard(watch)

    async def _write(self, request: web.Request, target: Target, verb: str, user: str,
                     rule: Optional[Rule]) -> web.StreamResponse:
        query: Query = dict(request.query)
        if query.get("dryRun"):
            raise errors.bad_request("dryRun is not simulated")
        raw = await request.read()
        content_type = request.headers.get("Content-Type", "application/json")
        body = parse(content_type, raw) if raw else None
        kind, namespace, name = target.kind, target.namespace, target.name
        if verb == "create":
            if kind is PODS and target.sub == "eviction":
                self.writer.delete(kind, namespace, name, {}, {})
                return await answer.body(request, [dumps({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"})], rule, 201)
            return await answer.body(request, [self.writer.create(kind, namespace, body, user).full()], rule, 201)
        if verb in ("update", "patch"):
            made = False
            if verb == "update":
                item = self.writer.update(kind, namespace, name, body, target.sub, user)
            else:
                item, made = self.writer.patch(kind, namespace, name, target.sub, content_type, body, user)
            data = dumps(scale_of(kind, item)) if target.sub == "scale" else encode_item(item, target.version, answer.Form())
            return await answer.body(request, [data], rule, 201 if made else 200)
        if verb == "deletecollection":
            gone = self.writer.delete_all(kind, namespace, query, body)
            meta = {"resourceVersion": str(self.store.rv)}
            return await answer.body(request, self.reader.encode(kind, target.version, gone, meta, answer.Form(), ""), rule)
        item, is_gone = self.writer.delete(kind, namespace, name, body, query)
        if not is_gone:
            return await answer.body(request, [item.full()], rule)
        details = {"name": name, "kind": kind.plural, "uid": item.data["metadata"]["uid"]}
        if kind.group:
            details["group"] = kind.group
        return await answer.body(request, [dumps({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
                                                  "details": details})], rule)
