"""All objects, one resourceVersion counter, and a history that watches replay.

An object is a dict without kind and apiVersion that nobody changes once it is stored. Every change
makes an Event with the state before and after; watches and controllers live on those. Events older
than the window are dropped, and asking for them answers 410, as a real API server's cache does.
"""
from __future__ import annotations

import random
import uuid
from bisect import bisect_right
from typing import Any, Callable, Optional

from . import errors
from .clock import Clock
from .kinds import EVENTS, KINDS, NAMESPACES, PODS, Kind
from .util import SAFE, dumps, jcopy, stamp

Json = Any
FIRST_RV = 300


class Item:
    """One stored state of an object, with its encoding made once."""

    __slots__ = ("kind", "data", "rv", "_raw")

    def __init__(self, kind: Kind, data: Json, rv: int) -> None:
        self.kind = kind
        self.data = data
        self.rv = rv
        self._raw: Optional[bytes] = None

    def bare(self) -> bytes:
        """As an item of a built-in kind's list."""
        if self._raw is None:
            self._raw = dumps(self.data)
        return self._raw

    def full(self) -> bytes:
        """With kind and apiVersion."""
        return (b'{"kind":"%s","apiVersion":"%s",' % (self.kind.kind.encode(), self.kind.gv.encode())
                + self.bare()[1:])


class Event:
    """One change: ADDED, MODIFIED or DELETED."""

    __slots__ = ("type", "item", "prev", "rv", "at")

    def __init__(self, type_: str, item: Item, prev: Optional[Item], at: float) -> None:
        self.type = type_
        self.item = item
        self.prev = prev
        self.rv = item.rv
        self.at = at


Admit = Callable[[Json, str], None]
Items = list[Item]
Events = list[Event]


class Store:
    """The cluster's objects."""

    def __init__(self, clock: Clock, seed: int = 1, window: float = 300.0, keep: int = 100) -> None:
        self.clock = clock
        self.random = random.Random(seed)
        self.window = window
        self.keep = keep
        self.rv = FIRST_RV
        self.tables: dict[str, dict[str, dict[str, Item]]] = {k.key: {} for k in KINDS}
        self.history: dict[str, list[Event]] = {k.key: [] for k in KINDS}
        self.floor: dict[str, int] = {k.key: FIRST_RV for k in KINDS}
        self.listeners: dict[str, list[Callable[[Event], None]]] = {k.key: [] for k in KINDS}
        self.admit: dict[str, list[Admit]] = {k.key: [] for k in KINDS}  # by kind; may change or refuse

    # Reading

    def item(self, kind: Kind, namespace: str, name: str) -> Optional[Item]:
        return self.tables[kind.key].get(namespace, {}).get(name)

    def get(self, kind: Kind, namespace: str, name: str) -> Optional[Json]:
        """The object's data, not to be changed; None when there is none."""
        item = self.item(kind, namespace, name)
        return item.data if item else None

    def items(self, kind: Kind, namespace: str = "") -> list[Item]:
        """Items in etcd's order: by namespace, then name."""
        table = self.tables[kind.key]
        spaces = [namespace] if namespace else sorted(table)
        return [table[ns][n] for ns in spaces if ns in table for n in sorted(table[ns])]

    def list(self, kind: Kind, namespace: str = "") -> list[Json]:
        return [i.data for i in self.items(kind, namespace)]

    def at(self, kind: Kind, rv: int) -> Items:
        """All items of a kind as they were at that resourceVersion; 410 when it is too old."""
        if rv < self.floor[kind.key]:
            raise errors.expired_exact()
        state = {(i.data["metadata"].get("namespace", ""), i.data["metadata"]["name"]): i
                 for i in self.items(kind)}
        for event in reversed(self.history[kind.key]):
            if event.rv <= rv:
                break
            meta = event.item.data["metadata"]
            key = (meta.get("namespace", ""), meta["name"])
            state.pop(key, None)
            if event.prev is not None:
                state[key] = event.prev
        return [state[k] for k in sorted(state)]

    def since(self, kind: Kind, rv: int) -> Events:
        """Events newer than that resourceVersion; 410 when some are gone."""
        if rv < self.floor[kind.key]:
            raise errors.expired_watch(rv, self.floor[kind.key])
        events = self.history[kind.key]
        return events[bisect_right(events, rv, key=lambda e: e.rv):]

    # Watching

    def listen(self, kind: Kind, call: Callable[[Event], None]) -> Callable[[], None]:
        """Calls back after each change of the kind; returns what ends it."""
        self.listeners[kind.key].append(call)
        return lambda: self.listeners[kind.key].remove(call)

    def compact(self, kind: Optional[Kind] = None) -> None:
        """Forgets history: older versions answer 410."""
        for key in [kind.key] if kind else list(self.history):
            self.history[key].clear()
            self.floor[key] = self.rv

    def _record(self, event: Event) -> None:
        key = event.item.kind.key
        history = self.history[key]
        history.append(event)
        limit = event.at - self.window
        if len(history) > 2 * self.keep and history[0].at < limit:
            drop = 0
            while len(history) - drop > self.keep and history[drop].at < limit:
                drop += 1
            self.floor[key] = history[drop - 1].rv
            del history[:drop]
        for call in list(self.listeners[key]):
            call(event)

    def _next(self) -> int:
        self.rv += 1
        return self.rv

    def _put(self, kind: Kind, data: Json, prev: Optional[Item]) -> Item:
        rv = self._next()
        meta = data["metadata"]
        meta["resourceVersion"] = str(rv)
        item = Item(kind, data, rv)
        self.tables[kind.key].setdefault(meta.get("namespace", ""), {})[meta["name"]] = item
        self._record(Event("MODIFIED" if prev else "ADDED", item, prev, self.clock.now()))
        return item

    # Writing

    def suffix(self, length: int = 5) -> str:
        return "".join(self.random.choice(SAFE) for _ in range(length))

    def uid(self) -> str:
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))

    def create(self, kind: Kind, data: Json, user: str = "") -> Item:
        """Stores a new object; fills in what the API server fills in."""
        data = {k: jcopy(v) for k, v in data.items() if k not in ("kind", "apiVersion")}
        given = data.setdefault("metadata", {})
        if not given.get("name"):
            if not given.get("generateName"):
                raise errors.invalid(kind, "", "metadata.name",
                                     "Required value: name or generateName is required")
            given["name"] = given["generateName"] + self.suffix()
        name, namespace = given["name"], given.get("namespace", "") if kind.namespaced else ""
        if kind.namespaced and self.get(NAMESPACES, "", namespace) is None:
            raise errors.not_found(NAMESPACES, namespace)
        if self.item(kind, namespace, name):
            raise errors.exists(kind, name)
        for admit in self.admit[kind.key]:
            admit(data, user)
        meta: Json = {"name": name}
        if given.get("generateName"):
            meta["generateName"] = given["generateName"]
        if kind.namespaced:
            meta["namespace"] = namespace
        meta["uid"] = self.uid()
        meta["resourceVersion"] = ""
        if kind.generation:
            meta["generation"] = 1
        meta["creationTimestamp"] = stamp(self.clock.now())
        for key in ("labels", "annotations", "ownerReferences", "finalizers"):
            if given.get(key):
                meta[key] = given[key]
        return self._put(kind, {"metadata": meta} | {k: v for k, v in data.items() if k != "metadata"}, None)

    def update(self, kind: Kind, namespace: str, name: str, data: Json, sub: str = "") -> Item:
        """Replaces an object (or its status); a stale resourceVersion is a conflict."""
        prev = self.item(kind, namespace, name)
        if prev is None:
            raise errors.not_found(kind, name)
        given = data.get("metadata", {})
        if given.get("resourceVersion") not in (None, "", prev.data["metadata"]["resourceVersion"]):
            raise errors.conflict(kind, name)
        if given.get("uid") not in (None, "", prev.data["metadata"]["uid"]):
            raise errors.conflict(kind, name)
        new = self._merged(kind, prev.data, data, sub)
        if new == prev.data:
            return prev
        if kind.generation and sub not in ("status", "binding") and any(
                new.get(k) != prev.data.get(k) for k in (set(new) | set(prev.data)) - {"metadata", "status"}):
            new["metadata"]["generation"] = prev.data["metadata"].get("generation", 0) + 1
        meta = new["metadata"]
        held = meta.get("finalizers") or (kind is NAMESPACES and new.get("spec", {}).get("finalizers"))
        if meta.get("deletionTimestamp") and not held and kind is not PODS:
            return self._remove(kind, prev, new)
        return self._put(kind, new, prev)

    def _merged(self, kind: Kind, old: Json, data: Json, sub: str) -> Json:
        if sub == "status":
            out = dict(old)
            out["metadata"] = dict(old["metadata"])
            if "status" in data:
                out["status"] = jcopy(data["status"])
            return out
        out = {k: jcopy(v) for k, v in data.items() if k not in ("kind", "apiVersion", "metadata")}
        if kind.status:
            out.pop("status", None)
            if "status" in old:
                out["status"] = old["status"]
        given, meta = data.get("metadata", {}), dict(old["metadata"])
        for key in ("labels", "annotations", "ownerReferences", "finalizers"):
            if given.get(key):
                meta[key] = jcopy(given[key])
            else:
                meta.pop(key, None)
        return {"metadata": meta} | out

    def modify(self, kind: Kind, namespace: str, name: str, change: Callable[[Json], Any],
               sub: str = "") -> Optional[Item]:
        """Changes a copy and stores it; change() returning False leaves all as it was."""
        prev = self.item(kind, namespace, name)
        if prev is None:
            return None
        data = jcopy(prev.data)
        if change(data) is False:
            return prev
        return self.update(kind, namespace, name, data, sub)

    def delete(self, kind: Kind, namespace: str, name: str, grace: Optional[float] = None) -> Item:
        """Deletes, or marks as being deleted where finalizers or a grace period ask for it."""
        prev = self.item(kind, namespace, name)
        if prev is None:
            raise errors.not_found(kind, name)
        meta = prev.data["metadata"]
        if kind is PODS:
            spec = prev.data.get("spec", {})
            left = spec.get("terminationGracePeriodSeconds", 30) if grace is None else grace
            if left > 0 and spec.get("nodeName"):
                if meta.get("deletionTimestamp") and meta.get("deletionGracePeriodSeconds", 0) <= left:
                    return prev
                return self._mark(kind, prev, int(left))
        if meta.get("finalizers") or (kind is NAMESPACES and prev.data.get("spec", {}).get("finalizers")):
            return prev if meta.get("deletionTimestamp") else self._mark(kind, prev, 0)
        if kind is PODS and meta.get("deletionGracePeriodSeconds") != 0 and prev.data["spec"].get("nodeName"):
            prev = self._mark(kind, prev, 0)
        return self._remove(kind, prev, dict(prev.data, metadata=dict(prev.data["metadata"])))

    def _mark(self, kind: Kind, prev: Item, grace: int) -> Item:
        meta: Json = {}
        for key, value in prev.data["metadata"].items():
            if key in ("deletionTimestamp", "deletionGracePeriodSeconds"):
                continue
            meta[key] = value
            if key == "creationTimestamp":
                meta["deletionTimestamp"] = stamp(self.clock.now() + grace)
                meta["deletionGracePeriodSeconds"] = grace
        if "generation" in meta and not prev.data["metadata"].get("deletionTimestamp"):
            meta["generation"] += 1
        data = dict(prev.data, metadata=meta)
        if kind is NAMESPACES:
            data["status"] = {"phase": "Terminating"}
        return self._put(kind, data, prev)

    def _remove(self, kind: Kind, prev: Item, last: Json) -> Item:
        meta = last["metadata"]
        rv = self._next()
        meta["resourceVersion"] = str(rv)
        item = Item(kind, last, rv)
        space = self.tables[kind.key][meta.get("namespace", "")]
        del space[meta["name"]]
        if not space:
            del self.tables[kind.key][meta.get("namespace", "")]
        self._record(Event("DELETED", item, prev, self.clock.now()))
        return item

    def expire_events(self, age: float = 3600.0) -> None:
        """Drops event objects older than that, as etcd's lease does."""
        limit = stamp(self.clock.now() - age)
        for obj in self.list(EVENTS):
            seen = obj.get("lastTimestamp") or obj["metadata"]["creationTimestamp"]
            if seen < limit:
                self.delete(EVENTS, obj["metadata"]["namespace"], obj["metadata"]["name"])
