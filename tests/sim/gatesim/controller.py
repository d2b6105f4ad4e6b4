"""The base of all controllers: a queue of keys with one pending pass each, and back-off after errors."""
from __future__ import annotations

from typing import Callable, Iterable, Optional

from .clock import Timer
from .errors import ApiError
from .kinds import Kind
from .recorder import Recorder
from .store import Event, Json, Store
from .util import controlled_by, owner_of

Key = tuple[str, str]  # namespace, name


def key_of(obj: Json) -> Key:
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


class Controller:
    """Passes over keys; a pass reads the store and writes what is missing."""

    name = "controller"
    latency = 0.01  # seconds from a change to the pass that sees it

    def __init__(self, store: Store, recorder: Recorder) -> None:
        self.store = store
        self.clock = store.clock
        self.recorder = recorder
        self._pending: dict[Key, Timer] = {}
        self._failures: dict[Key, int] = {}

    def follow(self, kind: Kind, keys: Callable[[Event], Iterable[Key]]) -> None:
        """Passes over keys(event) after each change of the kind."""
        def changed(event: Event) -> None:
            for key in keys(event):
                self.enqueue(key)
        self.store.listen(kind, changed)

    def follow_owned(self, kind: Kind, owner: Kind) -> None:
        """Passes over the controlling owner after each change of what it owns."""
        def keys(event: Event) -> list[Key]:
            ref = owner_of(event.item.data)
            if ref and ref.get("kind") == owner.kind and ref.get("apiVersion") == owner.gv:
                return [(event.item.data["metadata"].get("namespace", ""), ref["name"])]
            return []
        self.follow(kind, keys)

    def enqueue(self, key: Key, delay: Optional[float] = None) -> None:
        """A pass no later than in that many seconds."""
        wait = self.latency if delay is None else delay
        due = self.clock.now() + wait
        timer = self._pending.get(key)
        if timer is not None:
            if timer.due <= due:
                return
            timer.cancel()
        self._pending[key] = self.clock.call_later(wait, lambda: self._pass(key))

    def _pass(self, key: Key) -> None:
        self._pending.pop(key, None)
        before = self._failures.get(key)
        try:
            self.reconcile(key)
            if self._failures.get(key) == before:  # no failure that reconcile() has taken care of itself
                self._failures.pop(key, None)
        except ApiError as err:
            self.failed(key, err)

    def failed(self, key: Key, err: Exception) -> None:
        """Tries again after 5 ms, 10 ms, … 1,000 s."""
        count = self._failures.get(key, 0)
        self._failures[key] = count + 1
        self.enqueue(key, min(0.005 * 2 ** min(count, 30), 1000.0))

    def reconcile(self, key: Key) -> None:
        """One pass; an ApiError is tried again."""
        raise NotImplementedError

    def owned(self, kind: Kind, owner: Json) -> list[Json]:
        """Objects that the owner controls."""
        uid = owner["metadata"]["uid"]
        return [o for o in self.store.list(kind, owner["metadata"].get("namespace", "")) if controlled_by(o, uid)]
