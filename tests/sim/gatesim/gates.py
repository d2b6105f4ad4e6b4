"""The gate controller: what the AWS Load Balancer Controller does with bindings, targets and gates.

Held to the recordings: order of calls, conditions, reasons, messages, annotations, finalizer, events,
re-check after 15 s, back-off after errors, lease. It works with its cache of target health and with the
endpoints of the moment; that cache is what makes a gate say True long after its target went bad.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Optional

from . import podstatus
from .controller import Controller, Key
from .endpointview import Endpoint, NotFound, endpoints_of
from .errors import ApiError
from .kinds import AUTO_BINDINGS, BINDINGS, LEASES, NAMESPACES, PODS, SLICES, Kind
from .recorder import Recorder
from .store import Event, Store
from .targets import REGISTERING, Address, AwsError, LoadBalancers
from .targetcache import TargetCache
from .util import b64sha, condition, dumps, micro

Json = Any
DELETED = "Target Group Binding is deleted"
COMPONENT = "targetGroupBinding"
LEASE_SECONDS, RENEW_SECONDS, START_SECONDS = 15.0, 2.0, 3.0
CLEANUP_SECONDS = 0.21  # between tries of a failing clean-up: held only by the client's own limit
STALE_CACHE_SECONDS = 0.05  # a patch made against a cached pod this old leaves old reasons behind


@dataclass(frozen=True)
class Family:
    """One of the two AWS controllers."""

    name: str
    kind: Kind
    gate: str
    finalizer: str
    checkpoint: str = ""  # annotation; "" when the family is not known to have one
    lease: str = ""


LBC = Family("aws-lbc", BINDINGS, "target-health.elbv2.k8s.aws/", "elbv2.k8s.aws/resources", "elbv2.k8s.aws/checkpoint",
             "aws-load-balancer-controller-leader")
AUTO = Family("eks-auto", AUTO_BINDINGS, "target-health.eks.amazonaws.com/", "eks.amazonaws.com/resources")


class Requeue(Exception):
    """The pass is not over: look again in 15 s."""

    def __init__(self, starting: bool) -> None:
        super().__init__()
        self.starting = starting  # some target is new or initial


@dataclass
class Held:
    """A pass that a throttled read holds up."""

    ends: Optional[list[Endpoint]]  # as it saw them when it began; None: it found no Service
    woken: bool = False  # something changed since


class GateController(Controller):
    """One controller process of one family."""

    name = "gates"
    latency = 0.012

    def __init__(self, store: Store, recorder: Recorder, elb: LoadBalancers, family: Family) -> None:
        super().__init__(store, recorder)
        self.elb = elb
        self.family = family
        self.cache = TargetCache(elb, self.clock)
        self.recheck = 15.0
        self.legacy = False  # up to v2.9.0: back-off up to 16m40s once no target is initial any more
        self.leftovers = "sometimes"  # a True that keeps the reason of the False before it: never, always
        self.deny_pod_status = False
        self.network_errors: dict[str, str] = {}  # namespace/binding: text of a failing security group rule
        self.ignored: set[Key] = set()  # bindings it leaves alone without a word
        self.running = False
        self.on_life: Callable[[], None] = lambda: None  # called when it starts or stops
        self.leader_at = 0.0
        self._generation = 0
        self._passed: set[Key] = set()
        self._held: dict[Key, Held] = {}
        self._forced: set[Key] = set()
        self._not_before: dict[Key, float] = {}
        self._written: dict[tuple[Key, str], float] = {}
        self.follow(family.kind, lambda e: [(e.item.data["metadata"]["namespace"], e.item.data["metadata"]["name"])])
        self.follow(SLICES, self._by_slice)
        self.follow(PODS, self._by_pod)

    # Process life

    def start(self, wait: Optional[float] = None) -> None:
        """Starts the process; it writes once it holds the lease (18 s after a former one, by the recordings)."""
        if self.running:
            return
        self.running = True
        self._generation += 1
        mine = self._generation
        if wait is None:
            wait = LEASE_SECONDS + START_SECONDS if self.leader_at else START_SECONDS
        self.leader_at = self.clock.now() + wait
        self.cache.clear()
        self._passed.clear()
        self._forced.clear()
        self._failures.clear()
        self._held.clear()
        self.on_life()

        def lead() -> None:
            if self.running and self._generation == mine:
                self._renew(mine)
                for binding in self.store.list(self.family.kind):
                    self.enqueue((binding["metadata"]["namespace"], binding["metadata"]["name"]), 0.0)
        self.clock.call_later(wait, lead)

    def stop(self) -> None:
        """SIGTERM: the lease is not given back."""
        self.ignored: set[Key] = set()  # bindings it leaves alone without a word
        self.running = False
        self.on_life()

    def _renew(self, generation: int) -> None:
        if not self.running or generation != self._generation:
            return
        if self.family.lease and self.store.get(NAMESPACES, "", "kube-system"):
            now = self.clock.now()
            spec = {"holderIdentity": f"aws-load-balancer-controller-7d8f6c9b5-{generation}_sim", "leaseDurationSeconds": 15,
                    "acquireTime": micro(self.leader_at), "renewTime": micro(now), "leaseTransitions": generation - 1}
            if self.store.item(LEASES, "kube-system", self.family.lease):
                def write(data: Json) -> None:
                    data["spec"] = spec
                self.store.modify(LEASES, "kube-system", self.family.lease, write)
            else:
                self.store.create(LEASES, {"metadata": {"name": self.family.lease, "namespace": "kube-system"}, "spec": spec})
        self.clock.call_later(RENEW_SECONDS, lambda: self._renew(generation))

    # What wakes it

    def _by_slice(self, event: Event) -> list[Key]:
        meta = event.item.data["metadata"]
        service = (meta.get("labels") or {}).get("kubernetes.io/service-name")
        return [(b["metadata"]["namespace"], b["metadata"]["name"])
                for b in self.store.list(self.family.kind, meta["namespace"])
                if (b["spec"].get("serviceRef") or {}).get("name") == service]

    def _by_pod(self, event: Event) -> list[Key]:
        pod = event.item.data
        return [(pod["metadata"]["namespace"], g["conditionType"][len(self.family.gate):])
                for g in pod["spec"].get("readinessGates") or [] if g["conditionType"].startswith(self.family.gate)]

    # One pass

    def reconcile(self, key: Key) -> None:
        if not self.running or self.clock.now() < self.leader_at or key in self.ignored:
            return
        binding = self.store.get(self.family.kind, *key)
        if binding is None:
            return
        wait = max(self.cache.held(), self._not_before.get(key, 0.0) - self.clock.now())
        if wait > 0:  # one throttled read holds up the reads of all bindings
            self._hold(key, binding)
            self.enqueue(key, wait)
            return
        held = self._held.pop(key, None)
        try:
            if binding["metadata"].get("deletionTimestamp"):
                self._finalize(binding)
            else:
                self._pass_over(key, binding, held.ends if held else None)
        except Requeue as again:
            if self.legacy and not again.starting:
                self.failed(key, again)
                return
            self._failures.pop(key, None)
            self.enqueue(key, self.recheck)
        except AwsError as err:
            self._refused(key, err)
        except ApiError as err:
            if err.reason == "Conflict":
                raise
            self._say(key, "Warning", "FailedReconcile", f"Failed reconcile due to {err.message}")
            raise
        finally:
            if held and held.woken:
                self.enqueue(key)

    def _hold(self, key: Key, binding: Json) -> None:
        """A pass that waits has looked at the endpoints already; what wakes it in the meantime is for the next one."""
        if key in self._held:
            self._held[key].woken = True
            return
        try:
            self._held[key] = Held(endpoints_of(self.store, binding))
        except NotFound:
            self._held[key] = Held(None)

    def _refused(self, key: Key, err: AwsError) -> None:
        if err.code.startswith("Throttling") and not self.cache.tried_long_enough(err.action):
            self.enqueue(key, self.cache.held())
            return
        self._say(key, "Warning", "FailedReconcile", f"Failed reconcile due to {aws_text(err, self.clock.now())}")
        self.failed(key, err)

    def _say(self, key: Key, type_: str, reason: str, message: str) -> None:
        binding = self.store.get(self.family.kind, *key)
        if binding is not None:
            self.recorder.emit(self.family.kind, binding, type_, reason, message, COMPONENT)

    def _pass_over(self, key: Key, binding: Json, seen: Optional[list[Endpoint]]) -> None:
        if self.family.finalizer not in (binding["metadata"].get("finalizers") or []):
            def add(data: Json) -> None:
                data["metadata"].setdefault("finalizers", []).append(self.family.finalizer)
            binding = self.store.modify(self.family.kind, key[0], key[1], add).data  # type: ignore[union-attr]
        if binding["spec"].get("targetType", "ip") == "ip":
            checkpoint = self._pods(key, binding, seen)
            if checkpoint is None:
                return
            self._checkpoint(key, checkpoint)
        generation = binding["metadata"].get("generation", 1)

        def observed(data: Json) -> None:
            data["status"] = dict(data.get("status") or {}, observedGeneration=generation)
        self.store.modify(self.family.kind, key[0], key[1], observed, "status")
        self._passed.add(key)
        self._say(key, "Normal", "SuccessfullyReconciled", "Successfully reconciled")

    def _pods(self, key: Key, binding: Json, seen: Optional[list[Endpoint]]) -> Optional[str]:
        """Targets and gates of an ip binding; the new checkpoint, or None when the pass was skipped."""
        gate = self.family.gate + key[1]
        arn = binding["spec"].get("targetGroupARN", "")
        try:
            ends = endpoints_of(self.store, binding) if seen is None else seen
        except NotFound as err:
            self._say(key, "Warning", "BackendNotFound", f"backend not found: {err}")
            self._clean_up(binding, gate)
            return ""
        checkpoint = f"{b64sha(endpoints_text(ends))}/{b64sha(dumps(binding['spec']).decode())}"
        waiting = any((condition(e.pod, gate) or {"status": "True"})["status"] != "True" for e in ends)
        if not waiting and self._known(binding) == checkpoint and key not in self._forced:
            self._defer(key)
            return None
        self._forced.discard(key)
        targets = self.cache.read(arn)
        live = {a: h for a, h in targets.items() if h is None or h["state"] not in ("draining", "unhealthy.draining")}
        matched = [(e, live[e.address]) for e in ends if e.address in live]
        fresh = [e for e in ends if e.address not in live]
        surplus = [a for a in live if a not in {e.address for e in ends} and self._ours(binding, a)]
        network = self.network_errors.get(f"{key[0]}/{key[1]}", "")
        if network:
            self._say(key, "Warning", "FailedNetworkReconcile", network)
        probing = any(h is None or h["state"] != "healthy" for e, h in matched if has_gate(e.pod, gate))
        if fresh or surplus or probing or network:
            self._checkpoint(key, "")
        if surplus:
            self.cache.deregister(arn, surplus)
        if fresh:
            self.cache.register(arn, [e.address for e in fresh])
            self._track(binding, [e.address for e in ends])
        again = [self._open_or_close(e.pod, gate, health or REGISTERING) for e, health in matched]
        again += [self._open_or_close(e.pod, gate, REGISTERING) for e in fresh]
        if any(again) or network:
            raise Requeue(bool(fresh) or any(h is None or h["state"] == "initial" for _, h in matched))
        return checkpoint

    def _defer(self, key: Key) -> None:
        """An unchanged binding gets one full pass 30 to 45 minutes after the start, unless it had one."""
        if key in self._passed:
            return
        self._passed.add(key)
        wait = max(0.0, self.leader_at - self.clock.now()) + self.store.random.uniform(1800, 2700)
        mine = self._generation

        def force() -> None:
            if self._generation == mine:
                self._forced.add(key)
                self.enqueue(key, 0.0)
        self.clock.call_later(wait, force)

    # Gates

    def _open_or_close(self, pod: Json, gate: str, health: Json) -> bool:
        """Writes the condition that the health asks for; whether to look again."""
        if not has_gate(pod, gate):
            return False
        healthy = health["state"] == "healthy"
        self._write(pod, gate, ("True" if healthy else "False", health.get("reason", ""), health.get("description", "")))
        return not healthy

    def _write(self, pod: Json, gate: str, verdict: podstatus.Verdict) -> None:
        key = (pod["metadata"]["namespace"], pod["metadata"]["name"])
        have = condition(pod, gate)
        if have and (have["status"], have.get("reason", ""), have.get("message", "")) == verdict:
            return
        if self.deny_pod_status:
            raise ApiError(403, "Forbidden", f'pods "{key[1]}" is forbidden: User "system:serviceaccount:kube-system:aws-load-balancer-controller" '
                                             f'cannot patch resource "pods/status" in API group "" in the namespace "{key[0]}"')
        now = self.clock.now()
        wrote = self._written.get((key, gate), 0.0)
        if have and verdict == ("True", "", "") and have["status"] != "True" and now - wrote < STALE_CACHE_SECONDS:
            if self.leftovers == "always" or (self.leftovers == "sometimes" and self.store.random.random() < 0.5):
                verdict = ("True", have.get("reason", ""), have.get("message", ""))
        self._written[(key, gate)] = now
        if len(self._written) > 5000:
            self._written = {k: t for k, t in self._written.items() if now - t < STALE_CACHE_SECONDS}
        self.store.modify(PODS, key[0], key[1], lambda p: podstatus.set_condition(
            p["status"].setdefault("conditions", []), gate, verdict, now, front=True), "status")

    # Clean-up

    def _clean_up(self, binding: Json, gate: str) -> None:
        """No target any more, and every gate of the name open."""
        arn = binding["spec"].get("targetGroupARN", "")
        try:
            targets = self.cache.read(arn)
            gone = [a for a in targets if self._ours(binding, a)]
            if gone:
                self.cache.deregister(arn, gone)
        except AwsError as err:
            if err.code != "TargetGroupNotFound":
                raise
        for pod in self.store.list(PODS, binding["metadata"]["namespace"]):
            if has_gate(pod, gate):
                self._write(pod, gate, ("True", "", DELETED))

    def _finalize(self, binding: Json) -> None:
        meta = binding["metadata"]
        key = (meta["namespace"], meta["name"])
        try:
            self._clean_up(binding, self.family.gate + meta["name"])
        except AwsError as err:
            text = aws_text(err, self.clock.now())
            self._say(key, "Warning", "FailedCleanup", f"Failed cleanup due to {text}")

            def failed(data: Json) -> None:
                conditions = data.setdefault("status", {}).setdefault("conditions", [])
                podstatus.set_condition(conditions, "Ready", ("False", "FailedCleanup", text), self.clock.now(), probe=False)
            self.store.modify(self.family.kind, key[0], key[1], failed, "status")
            self._not_before[key] = self.clock.now() + CLEANUP_SECONDS  # no back-off: its own status write wakes it
            self.enqueue(key, CLEANUP_SECONDS)
            return

        def release(data: Json) -> None:
            data["metadata"]["finalizers"] = [f for f in data["metadata"].get("finalizers") or [] if f != self.family.finalizer]
        self.store.modify(self.family.kind, key[0], key[1], release)
        name = f"{self.family.kind.kind}.{self.family.kind.group}"
        self.recorder.emit(self.family.kind, binding, "Warning", "FailedRemoveFinalizer",
                           f'Failed remove finalizer due to {name} "{meta["name"]}" not found', COMPONENT)

    # Checkpoint and multi-cluster bookkeeping

    def _known(self, binding: Json) -> str:
        if not self.family.checkpoint:
            return getattr(self, "_memory", {}).get(binding["metadata"]["uid"], "")
        return (binding["metadata"].get("annotations") or {}).get(self.family.checkpoint, "")

    def _checkpoint(self, key: Key, value: str) -> None:
        binding = self.store.get(self.family.kind, *key)
        if binding is None or self._known(binding) == value:
            return
        if not self.family.checkpoint:
            memory: dict[str, str] = self.__dict__.setdefault("_memory", {})
            memory[binding["metadata"]["uid"]] = value
            return

        def write(data: Json) -> None:
            data["metadata"].setdefault("annotations", {}).update({
                self.family.checkpoint: value, self.family.checkpoint + "-timestamp": str(int(self.clock.now()))})
        self.store.modify(self.family.kind, key[0], key[1], write)

    def _ours(self, binding: Json, address: Address) -> bool:
        """Whether a target without endpoint is ours to deregister."""
        if not binding["spec"].get("multiClusterTargetGroup"):
            return True
        return address in self.cache.tracked.get(binding["metadata"]["uid"], set())

    def _track(self, binding: Json, addresses: list[Address]) -> None:
        if binding["spec"].get("multiClusterTargetGroup"):
            self.cache.track(self.store, binding, addresses)


def has_gate(pod: Json, gate: str) -> bool:
    return any(g["conditionType"] == gate for g in pod["spec"].get("readinessGates") or [])


def endpoints_text(ends: list[Endpoint]) -> str:
    """What the checkpoint's first half is a hash of; empty without endpoints, as recorded."""
    return "".join(sorted(f"{e.address[0]}:{e.address[1]}:{e.pod['metadata']['creationTimestamp']};" for e in ends))


def aws_text(err: AwsError, now: float) -> str:
    """An error as the AWS SDK for Go prints it; the request id makes each one new."""
    tries = "exceeded maximum number of attempts, 10, " if err.code.startswith("Throttling") else ""
    kind = "" if err.code in AwsError.MODELLED else "api error "
    if err.code == "NoCredentials":  # the call was not even sent
        return f"operation error Elastic Load Balancing v2: {err.action}, get identity: get credentials: {err.message}"
    return (f"operation error Elastic Load Balancing v2: {err.action}, {tries}https response error StatusCode: {err.status}, "
            f"RequestID: 00000000-0000-0000-0000-{int(now * 1000) % 10 ** 12:012d}, {kind}{err.code}: {err.message}")
