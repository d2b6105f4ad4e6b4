"""Load balancers and target groups as ELBv2 has them: no controller, no wire format.

A target's health is a function of its script and of the time since its registration, so nothing ticks.
The gate controller and the ELBv2 interface stand on the same model.
"""
from __future__ import annotations

import fnmatch
import hashlib
import random
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any, Callable, Iterable, Optional

from .clock import Clock
from .util import duration, stamp

Json = Any
Address = tuple[str, int]  # id, port
ACCOUNT, REGION = "123456789012", "eu-west-1"
PREFIX = f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}"
REGISTERING = {"state": "initial", "reason": "Elb.RegistrationInProgress", "description": "Target registration is in progress"}
CHECKING = {"state": "initial", "reason": "Elb.InitialHealthChecking", "description": "Initial health checks in progress"}
HEALTHY = {"state": "healthy"}
UNREGISTERED = {"state": "unused", "reason": "Target.NotRegistered", "description": "Target is not registered to the target group"}
DRAINING = {"state": "draining", "reason": "Target.DeregistrationInProgress", "description": "Target deregistration is in progress"}


def _bad(state: str, reason: str, text: str) -> list[Json]:
    return [REGISTERING, CHECKING | {"after": 1}, {"after": 11, "state": state, "reason": reason, "description": text}]


PROFILES: dict[str, list[Json]] = {
    "healthy": [HEALTHY],
    "alb-fast": [REGISTERING, CHECKING | {"after": 1}, HEALTHY | {"after": 9}],
    "nlb-fast": [REGISTERING, CHECKING | {"after": 15}, HEALTHY | {"after": 35}],
    "nlb-slow": [REGISTERING, CHECKING | {"after": 100}, HEALTHY | {"after": 150}],
    "never-registers": [REGISTERING],
    "never-checked": [REGISTERING, CHECKING | {"after": 1}],
    "code-mismatch": _bad("unhealthy", "Target.ResponseCodeMismatch", "Health checks failed with these codes: [503]"),
    "timeout": _bad("unhealthy", "Target.Timeout", "Request timed out"),
    "failed-checks": _bad("unhealthy", "Target.FailedHealthChecks", "Health checks failed"),
    "internal-error": _bad("unhealthy", "Elb.InternalError", "Health checks failed due to an internal error"),
    "not-in-use": [{"state": "unused", "reason": "Target.NotInUse",
                    "description": "Target group is not configured to receive traffic from the load balancer"}],
    "checks-disabled": [{"state": "unavailable", "reason": "Target.HealthCheckDisabled", "description": "Health checks are disabled"}],
    "unavailable": [{"state": "unavailable", "reason": "Elb.InternalError", "description": "Target health is unavailable due to an internal error"}],
    "not-registered": [UNREGISTERED],
    "draining": [DRAINING],
    "flapping": [REGISTERING, HEALTHY | {"after": 10}, {"after": 70, "state": "unhealthy", "reason": "Target.Timeout",
                                                        "description": "Request timed out"}, {"after": 100, "repeat_from": 10}],
}


class AwsError(Exception):
    """An error answer of ELBv2; modelled errors print without "api error"."""

    MODELLED = {"TargetGroupNotFound", "TooManyTargets", "InvalidTarget", "TooManyRegistrationsForTargetId", "HealthUnavailable"}

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.action = ""


@dataclass(frozen=True)
class Script:
    """A timeline of healths; times are seconds since registration, stretched by a factor."""

    steps: tuple[Json, ...]
    stretch: float = 1.0
    jitter: float = 0.0

    def at(self, since: float, factor: float) -> Json:
        scale = self.stretch * factor
        out = self.steps[0]
        for step in self.steps:
            if step.get("after", 0) * scale > since:
                break
            if "repeat_from" in step:
                first, length = step["repeat_from"], step["after"] - step["repeat_from"]
                return self.at((first + (since / scale - first) % length) * scale, factor)
            out = step
        return {k: out[k] for k in ("state", "reason", "description") if k in out}


def script(spec: Any) -> Script:
    """From a profile's name, a list of steps, or {profile|steps, stretch, jitter}; ValueError otherwise."""
    options: Json = {}
    if isinstance(spec, dict) and "state" not in spec:
        options = {k: float(v) for k, v in spec.items() if k in ("stretch", "jitter")}
        spec = spec.get("profile", spec.get("steps"))
    if isinstance(spec, str):
        if spec not in PROFILES:
            raise ValueError(f"there is no target health profile {spec!r}; there are {sorted(PROFILES)}")
        return Script(tuple(PROFILES[spec]), **options)
    if isinstance(spec, dict):
        spec = [spec]
    if not isinstance(spec, list) or not spec or not all(isinstance(s, dict) and ("state" in s or "repeat_from" in s) for s in spec):
        raise ValueError(f"target health is a profile or a list of {{after, state, reason, description}}, not {spec!r}")
    return Script(tuple(dict(s, after=duration(s.get("after", 0))) for s in spec), **options)


@dataclass
class Target:
    """One registration."""

    address: Address
    zone: str
    since: float
    factor: float
    drained_at: Optional[float] = None  # set by deregistration: gone from then on
    own: Optional[Script] = None  # overrides the group's script …
    own_since: float = 0.0  # … from here


@dataclass
class TargetGroup:
    """One target group and its load balancer."""

    arn: str
    name: str
    clock: Clock
    random: random.Random
    protocol: str = "HTTP"
    port: int = 80
    target_type: str = "ip"
    vpc: str = "vpc-55b2f7a70566a2b40"
    lb_type: str = "application"
    attached: bool = True  # a load balancer sends traffic to it
    balancer: str = ""  # its name; "": one of the group's own
    lb_state: str = "active"
    listener: Json = field(default_factory=dict)  # port, protocol
    rule: Json = field(default_factory=dict)  # priority, host, path, weight; without priority: the listener's default
    tags: dict[str, str] = field(default_factory=dict)
    check: Json = field(default_factory=dict)  # path, port, interval, timeout, healthy, unhealthy, matcher
    attributes: dict[str, str] = field(default_factory=lambda: {"deregistration_delay.timeout_seconds": "30"})
    script: Script = field(default_factory=lambda: script("alb-fast"))
    rules: list[tuple[str, Script]] = field(default_factory=list)  # image pattern -> script
    targets: dict[Address, Target] = field(default_factory=dict)
    image_of: Callable[[str], str] = lambda ip: ""
    zone_of: Callable[[str], str] = lambda ip: ""

    def _prune(self) -> None:
        now = self.clock.now()
        for address in [a for a, t in self.targets.items() if t.drained_at is not None and now >= t.drained_at]:
            del self.targets[address]

    def register(self, addresses: Iterable[Address]) -> None:
        """Registers; a draining target starts anew, a registered one stays as it is."""
        self._prune()
        for address in addresses:
            have = self.targets.get(address)
            if have is None or have.drained_at is not None:
                jitter = self.script.jitter
                factor = self.random.uniform(1 - jitter, 1 + jitter) if jitter else 1.0
                self.targets[address] = Target(address, self.zone_of(address[0]), self.clock.now(), factor)

    def deregister(self, addresses: Iterable[Address]) -> None:
        """Starts draining."""
        delay = float(self.attributes.get("deregistration_delay.timeout_seconds", "300"))
        for address in addresses:
            have = self.targets.get(address)
            if have is not None and have.drained_at is None:
                have.drained_at = self.clock.now() + delay

    def _health(self, target: Target) -> Json:
        now = self.clock.now()
        if target.drained_at is not None:
            return DRAINING
        if not self.attached:
            return PROFILES["not-in-use"][0]
        if target.own is not None:
            return target.own.at(now - target.own_since, 1.0)
        image = self.image_of(target.address[0])
        chosen = next((s for pattern, s in self.rules if fnmatch.fnmatchcase(image, pattern)), self.script)
        return chosen.at(now - target.since, target.factor)

    def health(self, addresses: Optional[Iterable[Address]] = None) -> list[tuple[Address, Json]]:
        """Health of the named targets, or of all known ones."""
        self._prune()
        wanted = list(self.targets) if addresses is None else list(addresses)
        return [(a, self._health(self.targets[a]) if a in self.targets else UNREGISTERED) for a in wanted]

    def steer(self, new: Script, address: Optional[Address] = None, scope: str = "all") -> None:
        """Changes the script: of one target, or of the group.

        Scope all: everything registered starts on it now, as if registered this moment. Scope age: it counts
        from each registration. Scope new: only later registrations follow it.
        """
        now = self.clock.now()
        if address is None and scope == "new":
            for target in self.targets.values():
                if target.own is None:
                    target.own, target.own_since = self.script, target.since
            self.script = new
            return
        if address is None:
            self.script = new
            self.rules = []
        for target in self.targets.values():
            if address is None or target.address == address:
                target.own, target.own_since = (None, 0.0) if scope == "age" and not address else (new, now)


@dataclass
class AwsFault:
    """Refusals of one action, for a group or for all."""

    action: str
    code: str
    message: str = ""
    status: int = 400
    group: str = ""
    who: str = ""  # controller, api (other clients), or both
    count: Optional[int] = None
    until: Optional[float] = None


class LoadBalancers:
    """The account: target groups by ARN, faults, and a log of calls."""

    def __init__(self, clock: Clock, seed: int = 1) -> None:
        self.clock = clock
        self.random = random.Random(seed)
        self.groups: dict[str, TargetGroup] = {}
        self.faults: list[AwsFault] = []
        self.calls: deque[Json] = deque(maxlen=2000)
        self.counts: Counter[str] = Counter()
        self.image_of: Callable[[str], str] = lambda ip: ""
        self.zone_of: Callable[[str], str] = lambda ip: ""

    @staticmethod
    def arn(name: str) -> str:
        return f"{PREFIX}:targetgroup/{name}/{hashlib.sha256(name.encode()).hexdigest()[:16]}"

    def add(self, name: str, arn: str = "", **settings: Any) -> TargetGroup:
        """A new target group; with an ARN of its own where another server has it, too."""
        group = TargetGroup(arn or self.arn(name), name, self.clock, self.random, **settings)
        group.image_of = lambda ip: self.image_of(ip)
        group.zone_of = lambda ip: self.zone_of(ip)
        self.groups[group.arn] = group
        return group

    def remove(self, arn: str) -> None:
        self.groups.pop(arn, None)

    def fault(self, spec: Json) -> AwsFault:
        """{"action": "RegisterTargets", "code": "AccessDenied", "count"|"duration": …}."""
        spec = dict(spec)
        if "duration" in spec:
            spec["until"] = self.clock.now() + duration(spec.pop("duration"))
        out = AwsFault(**spec)
        if out.code == "AccessDenied" and not out.message:
            out.status = 403
        self.faults.append(out)
        return out

    def refuse(self, action: str, group: Optional[TargetGroup], who: str) -> None:
        """Raises what a fault wants for this call."""
        now = self.clock.now()
        self.faults = [f for f in self.faults if (f.count is None or f.count > 0) and (f.until is None or now < f.until)]
        for fault in self.faults:
            if fault.action in ("*", action) and fault.group in ("", group.name if group else "") and fault.who in ("", who):
                if fault.count is not None:
                    fault.count -= 1
                message = fault.message or (
                    f"User: arn:aws:sts::{ACCOUNT}:assumed-role/controller-role/1795429000 is not authorized to perform: "
                    f"elasticloadbalancing:{action} on resource: {group.arn if group else '*'}" if fault.code == "AccessDenied" else
                    "Rate exceeded" if fault.code.startswith("Throttling") else f"simulated {fault.code}")
                raise AwsError(fault.code, message, fault.status)

    def call(self, action: str, arn: str, addresses: Optional[list[Address]] = None) -> list[tuple[Address, Json]]:
        """RegisterTargets, DeregisterTargets or DescribeTargetHealth; AwsError when refused."""
        self.counts[action] += 1
        entry: Json = {"t": stamp(self.clock.now()), "action": action, "tg": arn.split("/")[1] if "/" in arn else arn,
                       "targets": "all" if addresses is None else [f"{a[0]}:{a[1]}" for a in addresses], "status": 200}
        self.calls.append(entry)
        try:
            group = self.groups.get(arn)
            if group is None:
                raise AwsError("TargetGroupNotFound", "One or more target groups not found")
            self.refuse(action, group, "controller")
        except AwsError as err:
            err.action = action
            entry["status"] = err.status
            entry["error"] = err.code
            raise
        if action == "DescribeTargetHealth":
            answer = group.health(addresses)
            entry["answer"] = [[f"{a[0]}:{a[1]}", h["state"], h.get("reason")] for a, h in answer]
            return answer
        if action == "RegisterTargets":
            group.register(addresses or [])
        elif action == "DeregisterTargets":
            group.deregister(addresses or [])
        return []
