"""Garbage collection of owned objects, namespace deletion, expiry of events."""
from __future__ import annotations

from .controller import Controller, Key
from .errors import ApiError
from .kinds import EVENTS, KINDS, NAMESPACES, PODS
from .recorder import Recorder
from .store import Event, Store


class Garbage(Controller):
    """Deletes what a deleted owner leaves, and what a terminating namespace holds."""

    name = "garbage"
    latency = 0.05

    def __init__(self, store: Store, recorder: Recorder) -> None:
        super().__init__(store, recorder)
        self.follow(NAMESPACES, lambda e: [("", e.item.data["metadata"]["name"])])
        for kind in KINDS:
            if kind is not EVENTS:
                store.listen(kind, self._orphaned)
        self._expire()

    def _expire(self) -> None:
        self.store.expire_events()
        self.clock.call_later(300.0, self._expire)

    def _orphaned(self, event: Event) -> None:
        if event.type != "DELETED":
            return
        meta = event.item.data["metadata"]
        uid, namespace = meta["uid"], meta.get("namespace", "")
        self.clock.call_later(self.latency, lambda: self._collect(uid, namespace))
        if namespace and (self.store.get(NAMESPACES, "", namespace) or {}).get("status", {}).get("phase") == "Terminating":
            self.enqueue(("", namespace))

    def _collect(self, uid: str, namespace: str) -> None:
        for kind in KINDS:
            if not kind.namespaced:
                continue
            for obj in self.store.list(kind, namespace):
                if any(r.get("uid") == uid for r in obj["metadata"].get("ownerReferences") or []):
                    try:
                        self.store.delete(kind, obj["metadata"]["namespace"], obj["metadata"]["name"])
                    except ApiError:
                        pass  # gone meanwhile

    def reconcile(self, key: Key) -> None:
        space = self.store.get(NAMESPACES, "", key[1])
        if space is None or not space["metadata"].get("deletionTimestamp"):
            return
        left = 0
        for kind in KINDS:
            if not kind.namespaced:
                continue
            for obj in self.store.list(kind, key[1]):
                left += 1
                if not obj["metadata"].get("deletionTimestamp"):
                    self.store.delete(kind, key[1], obj["metadata"]["name"], 1.0 if kind is PODS else None)
        if left:
            self.enqueue(key, 0.5)
            return

        def finalize(data: dict) -> None:  # type: ignore[type-arg]
            data["spec"]["finalizers"] = []
        self.store.modify(NAMESPACES, "", key[1], finalize)
