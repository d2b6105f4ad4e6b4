"""The gate controller's cache of target health.

A full read at the first pass five minutes or more after the last one; in between only targets not known
as healthy are read again. A throttled read holds one lock for all groups through ten tries (118 s).
"""
from __future__ import annotations

from typing import Any, Optional

from .clock import Clock
from .errors import ApiError
from .kinds import BY_KEY
from .store import Store
from .targets import DRAINING, Address, AwsError, LoadBalancers

Json = Any
TTL = 300.0
TRIES_SECONDS = 118.0
CHUNK = 200


class TargetCache:
    """Health by target group and address; None: registered, not read yet."""

    def __init__(self, elb: LoadBalancers, clock: Clock) -> None:
        self.elb = elb
        self.clock = clock
        self.tracked: dict[str, set[Address]] = {}
        self._groups: dict[str, tuple[dict[Address, Optional[Json]], float]] = {}
        self._held_until = 0.0
        self._trying: dict[str, float] = {}

    def clear(self) -> None:
        self._groups.clear()
        self._held_until = 0.0
        self._trying.clear()

    def held(self) -> float:
        """Seconds for which a throttled read still holds all others."""
        return max(0.0, self._held_until - self.clock.now())

    def tried_long_enough(self, action: str) -> bool:
        """Whether ten tries of a throttled call are over; starts them otherwise."""
        now = self.clock.now()
        began = self._trying.get(action)
        if began is not None and now >= began + TRIES_SECONDS - 0.001:
            del self._trying[action]
            return True
        self._trying[action] = now if began is None or now > began + 2 * TRIES_SECONDS else began
        self._held_until = self._trying[action] + TRIES_SECONDS
        return False

    def _call(self, action: str, arn: str, addresses: Optional[list[Address]]) -> list[tuple[Address, Json]]:
        answer = self.elb.call(action, arn, addresses)
        self._trying.pop(action, None)
        return answer

    def read(self, arn: str) -> dict[Address, Optional[Json]]:
        """Targets and their health, as fresh as the controller cares."""
        now = self.clock.now()
        known = self._groups.get(arn)
        if known is None or now - known[1] >= TTL:
            targets: dict[Address, Optional[Json]] = dict(self._call("DescribeTargetHealth", arn, None))
            self._groups[arn] = (targets, now)
            return dict(targets)
        targets, at = known
        doubtful = [a for a, h in targets.items() if h is None or h["state"] != "healthy"]
        if doubtful:
            for address, health in self._call("DescribeTargetHealth", arn, doubtful):
                if health["state"] == "unused" and health.get("reason") == "Target.NotRegistered":
                    targets.pop(address, None)
                else:
                    targets[address] = health
        return dict(targets)

    def register(self, arn: str, addresses: list[Address]) -> None:
        for start in range(0, len(addresses), CHUNK):
            chunk = addresses[start:start + CHUNK]
            self._call("RegisterTargets", arn, chunk)
            for address in chunk:
                self._groups[arn][0][address] = None

    def deregister(self, arn: str, addresses: list[Address]) -> None:
        for start in range(0, len(addresses), CHUNK):
            chunk = addresses[start:start + CHUNK]
            self._call("DeregisterTargets", arn, chunk)
            for address in chunk:
                self._groups[arn][0][address] = DRAINING

    def track(self, store: Store, binding: Json, addresses: list[Address]) -> None:
        """Remembers which targets of a shared group are this cluster's, in a ConfigMap as recorded."""
        meta = binding["metadata"]
        self.tracked.setdefault(meta["uid"], set()).update(addresses)
        kind, name = BY_KEY["configmaps"], f"aws-lbc-targets-{meta['name']}"
        text = ",".join(sorted(f"{a[0]}:{a[1]}" for a in self.tracked[meta["uid"]]))
        try:
            if store.item(kind, meta["namespace"], name):
                store.modify(kind, meta["namespace"], name, lambda d: d.update(data={"targets": text}))
            else:
                store.create(kind, {"metadata": {"name": name, "namespace": meta["namespace"]}, "data": {"targets": text}})
        except ApiError as err:
            raise AwsError("ConfigMap", err.message) from err
