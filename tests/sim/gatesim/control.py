"""The control interface under /_sim/: state, clock, faults, actions. README.md documents it."""
from __future__ import annotations

import json
from typing import Any, Callable

from aiohttp import web

from .access import People, person
from .actions import Actions
from .apiserver import ApiServer
from .awsserver import AwsServer
from .cluster import Cluster
from .errors import ApiError
from .kinds import by_name
from .util import duration, micro

Json = Any


class Control:
    """Answers /_sim/; no authentication, loopback only."""

    def __init__(self, cluster: Cluster, api: ApiServer, actions: Actions, aws: AwsServer,
                 on_token: Callable[[str], None]) -> None:
        self.cluster = cluster
        self.api = api
        self.actions = actions
        self.aws = aws
        self.on_token = on_token
        self.posts: dict[str, Callable[[Json], Json]] = {
            "clock": self._clock, "do": self._do, "faults": self._fault, "watches": self._watches, "compact": self._compact,
            "expire-tokens": self._expire, "options": self._options, "crds": self._crds, "token": self._token, "people": self._people, "huge": self._huge,
            "aws": aws.options}
        self.gets: dict[str, Callable[[], Json]] = {
            "state": self._state, "clock": self._time, "faults": lambda: [r.describe() for r in api.faults.rules],
            "calls": lambda: list(cluster.elb.calls), "targets": self._targets,
            "aws": lambda: aws.options({})}

    async def handle(self, request: web.Request) -> web.StreamResponse:
        name, _, rest = request.match_info["rest"].partition("/")
        try:
            if request.method == "GET" and name in self.gets:
                return self._json(self.gets[name]())
            if request.method == "DELETE" and name == "faults":
                self.api.faults.clear(rest)
                return self._json({})
            if request.method == "POST" and name in self.posts:
                raw = await request.read()
                return self._json(self.posts[name](json.loads(raw) if raw else {}))
        except (ValueError, KeyError, TypeError, ApiError) as err:
            return self._json({"error": str(err)}, 400)
        return self._json({"error": f"there is no {request.method} /_sim/{name}; GET {sorted(self.gets)}, POST {sorted(self.posts)}"}, 404)

    @staticmethod
    def _json(doc: Json, status: int = 200) -> web.Response:
        return web.Response(status=status, text=json.dumps(doc, indent=1) + "\n", content_type="application/json")

    # GET

    def _time(self) -> Json:
        clock = self.cluster.clock
        return {"now": micro(clock.now()), "seconds": clock.now(), "mode": "manual" if clock.manual else "live", "speed": clock.speed}

    def _targets(self) -> Json:
        return {g.name: {"arn": g.arn, "targets": [{"id": a[0], "port": a[1]} | h for a, h in g.health()]}
                for g in self.cluster.elb.groups.values()}

    def _state(self) -> Json:
        store = self.cluster.store
        return {"clock": self._time(), "resourceVersion": store.rv, "requests": dict(self.api.counts),
                "objects": {k: sum(len(s) for s in t.values()) for k, t in store.tables.items() if t},
                "watches": [{"resource": w.kind.key, "namespace": w.wanted.namespace, "rv": w.rv, "events": w.events} for w in self.api.watches],
                "controllers": {c.family.name: {"running": c.running, "leads": c.running and self.cluster.clock.now() >= c.leader_at}
                                for c in (self.cluster.lbc, self.cluster.auto)},
                "aws_calls": dict(self.cluster.elb.counts), "crds": sorted(self.api.discovery.present),
                "faults": [r.describe() for r in self.api.faults.rules if r.live()], "errors": self.cluster.clock.errors}

    # POST

    def _clock(self, doc: Json) -> Json:
        clock = self.cluster.clock
        if "speed" in doc:
            clock.set_speed(float(doc["speed"]))
        if "advance" in doc:
            clock.jump(duration(doc["advance"]))
        return self._time()

    def _do(self, doc: Json) -> Json:
        for action in doc if isinstance(doc, list) else [doc]:
            self.actions.do(action)
        return {"done": True}

    def _fault(self, doc: Json) -> Json:
        return self.api.faults.add(doc).describe()

    def _watches(self, doc: Json) -> Json:
        """Throws a fault into open streams: {"action": close|error|cut|garbage|hang, "resource": …}."""
        hit = [w for w in self.api.watches if doc.get("resource", "*") in ("*", w.kind.key)]
        for watch in hit:
            watch.throw(doc)
        return {"watches": len(hit)}

    def _compact(self, doc: Json) -> Json:
        self.cluster.store.compact(by_name(doc["resource"]) if doc.get("resource") else None)
        return {"resourceVersion": self.cluster.store.rv}

    def _expire(self, doc: Json) -> Json:
        self.api.reader.token_floor = self.cluster.store.rv
        return {"resourceVersion": self.cluster.store.rv}

    def _options(self, doc: Json) -> Json:
        options, discovery = self.api.options, self.api.discovery
        for key, value in doc.items():
            if key == "aggregated":
                discovery.aggregated = bool(value)
            elif key == "stale":
                discovery.stale = set(value)
            elif key == "history_seconds":
                self.cluster.store.window = float(value)
            elif key in vars(options):
                setattr(options, key, value)
            else:
                raise ValueError(f"there is no option {key!r}; there are {sorted([*vars(options), 'aggregated', 'stale', 'history_seconds'])}")
        return vars(options) | {"aggregated": discovery.aggregated, "stale": sorted(discovery.stale)}

    def _crds(self, doc: Json) -> Json:
        self.actions.set_group(doc["group"], bool(doc["present"]))
        return {"present": sorted(self.api.discovery.present)}

    def _token(self, doc: Json) -> Json:
        """Only this token is good from now on; the kubeconfig file is rewritten unless asked otherwise."""
        token = str(doc["token"] or "")
        self.api.people = People(token)
        if doc.get("kubeconfig", True):
            self.on_token(token)
        return {}

    def _people(self, doc: Json) -> Json:
        """Adds accounts: {TOKEN: {user, groups, namespaces, verbs, resources}}."""
        self.api.people.tokens |= {str(token): person(spec) for token, spec in doc.items()}
        return {"users": sorted(p.user for p in self.api.people.tokens.values())}

    def _huge(self, doc: Json) -> Json:
        """Gives an object an annotation of that many bytes."""
        kind, namespace, name = self.actions._object(doc["object"])
        size = int(doc.get("bytes", 1 << 20))

        def grow(data: Json) -> None:
            data["metadata"].setdefault("annotations", {})["sim.gatehouse.dev/huge"] = "x" * size
        item = self.cluster.store.modify(kind, namespace, name, grow)
        if item is None:
            raise ValueError(f"there is no {doc['object']}")
        return {"resourceVersion": item.rv}
