"""Events as client-go's recorder writes them: counted, combined when similar, dropped when too many."""
from __future__ import annotations

from typing import Any, Optional

from .errors import ApiError
from .kinds import EVENTS, Kind
from .store import Store
from .util import stamp

Json = Any
SIMILAR = 10  # messages of one kind in ten minutes before they are combined
BURST, REFILL = 25, 300.0  # events per object and type; one more each five minutes


class Recorder:
    """Writes events for all controllers."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._messages: dict[tuple[Any, ...], tuple[set[str], float]] = {}
        self._names: dict[tuple[Any, ...], tuple[str, str]] = {}
        self._tokens: dict[tuple[Any, ...], tuple[float, float]] = {}
        self._emitted = 0

    def _forget(self, now: float) -> None:
        """Drops what is about objects long gone, so that a simulator can run for days."""
        self._messages = {k: v for k, v in self._messages.items() if now - v[1] < 3600}
        self._tokens = {k: v for k, v in self._tokens.items() if now - v[1] < BURST * REFILL}
        self._names = {k: v for k, v in self._names.items() if self.store.item(EVENTS, *v)}

    def normal(self, kind: Kind, obj: Json, reason: str, message: str, component: str) -> None:
        self.emit(kind, obj, "Normal", reason, message, component)

    def warning(self, kind: Kind, obj: Json, reason: str, message: str, component: str) -> None:
        self.emit(kind, obj, "Warning", reason, message, component)

    def emit(self, kind: Kind, obj: Json, type_: str, reason: str, message: str, component: str) -> None:
        """One event on the object."""
        meta = obj["metadata"]
        about = (component, kind.key, meta.get("namespace", ""), meta["name"], meta["uid"], type_)
        similar = about + (reason,)
        now = self.store.clock.now()
        self._emitted += 1
        if self._emitted % 1000 == 0:
            self._forget(now)
        seen, last = self._messages.get(similar, (set(), now))
        if now - last > 600:
            seen = set()
        seen.add(message)
        self._messages[similar] = (seen, now)
        combined = len(seen) >= SIMILAR
        if combined:
            seen.discard(next(iter(seen - {message}), message))
            message = "(combined from similar events): " + message
        if not self._allowed(about, now):
            return
        self._write(kind, obj, type_, reason, message, component, similar if combined else similar + (message,))

    def _allowed(self, about: tuple[Any, ...], now: float) -> bool:
        tokens, at = self._tokens.get(about, (float(BURST), now))
        tokens = min(float(BURST), tokens + (now - at) / REFILL)
        self._tokens[about] = (max(0.0, tokens - 1), now) if tokens >= 1 else (tokens, now)
        return tokens >= 1

    def _write(self, kind: Kind, obj: Json, type_: str, reason: str, message: str, component: str,
               key: tuple[Any, ...]) -> None:
        now = self.store.clock.now()
        known = self._names.get(key)
        if known and self.store.item(EVENTS, *known):
            def again(event: Json) -> None:
                event["count"] += 1
                event["message"] = message
                event["lastTimestamp"] = stamp(now)
            self.store.modify(EVENTS, known[0], known[1], again)
            return
        meta = obj["metadata"]
        on: Json = {"kind": kind.kind, "namespace": meta.get("namespace", ""), "name": meta["name"], "uid": meta["uid"],
                    "apiVersion": kind.gv, "resourceVersion": meta["resourceVersion"]}
        if not on["namespace"]:
            del on["namespace"]
        namespace = meta.get("namespace") or "default"
        name = f"{meta['name']}.{int(now * 1e9) + self.store.random.randrange(1000):x}"
        event = {"metadata": {"name": name, "namespace": namespace}, "involvedObject": on, "reason": reason,
                 "message": message, "source": {"component": component}, "firstTimestamp": stamp(now),
                 "lastTimestamp": stamp(now), "count": 1, "type": type_, "eventTime": None,
                 "reportingComponent": "" if message.startswith("(combined") else component, "reportingInstance": ""}
        try:
            self.store.create(EVENTS, event)
        except ApiError:
            return  # the namespace is gone; a real recorder logs and drops it too
        self._names[key] = (namespace, name)


def latest(store: Store, namespace: str, reason: str, name: str = "") -> Optional[Json]:
    """The newest event of a reason (and object); for tests and the control interface."""
    found = [e for e in store.list(EVENTS, namespace)
             if e["reason"] == reason and (not name or e["involvedObject"]["name"] == name)]
    return max(found, key=lambda e: int(e["metadata"]["resourceVersion"])) if found else None
