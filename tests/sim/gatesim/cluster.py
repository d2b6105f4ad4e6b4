"""Puts the parts of a simulated cluster together."""
from __future__ import annotations

from typing import Any, Optional

from .behaviour import Behaviours
from .clock import Clock
from .controller import Controller
from .defaults import check_pod, fill
from .deployment import Deployments
from .endpoints import Autoscalers, Budgets, Endpoints
from .errors import ApiError
from .garbage import Garbage
from .gates import AUTO, LBC, GateController
from .injection import Injection, webhook
from .kinds import BINDINGS, NAMESPACES, NODES, PODS, WEBHOOKS, Kind
from .kubelet import Kubelet
from .recorder import Recorder
from .replicaset import ReplicaSets
from .revisions import DaemonSets, StatefulSets
from .rollout import Rollouts
from .store import Item, Store
from .targets import LoadBalancers
from .util import stamp

Json = Any


class Cluster:
    """Store, clock, load balancers and controllers."""

    def __init__(self, clock: Optional[Clock] = None, seed: int = 1) -> None:
        self.clock = clock or Clock()
        self.store = Store(self.clock, seed)
        self.quotas: dict[str, int] = {}  # pods a namespace may hold
        self.store.admit[PODS.key] += [check_pod, self._check_quota]
        self.recorder = Recorder(self.store)
        self.elb = LoadBalancers(self.clock, seed)
        self.elb.image_of = self._image_of
        self.elb.zone_of = lambda ip: (self._pod_at(ip) or {"metadata": {}})["metadata"].get("labels", {}).get("topology.kubernetes.io/zone", "")
        self.behaviours = Behaviours()
        self.kubelet = Kubelet(self.store, self.recorder, self.behaviours)
        self.lbc = GateController(self.store, self.recorder, self.elb, LBC)
        self.auto = GateController(self.store, self.recorder, self.elb, AUTO)
        self.injection = Injection(self.store, self.elb, self._webhook_up)
        self.endpoints = Endpoints(self.store, self.recorder)
        self.controllers: list[Controller] = [
            self.kubelet, ReplicaSets(self.store, self.recorder), Deployments(self.store, self.recorder),
            StatefulSets(self.store, self.recorder), DaemonSets(self.store, self.recorder),
            Rollouts(self.store, self.recorder), self.endpoints,
            Budgets(self.store, self.recorder), Autoscalers(self.store, self.recorder), Garbage(self.store, self.recorder), self.lbc, self.auto]

    def _webhook_up(self, kind: Kind) -> bool:
        """A started controller answers webhooks at once, long before it leads."""
        return self.lbc.running if kind is BINDINGS else self.auto.running

    def _check_quota(self, pod: Json, user: str) -> None:
        """Refuses a pod too many as a ResourceQuota does."""
        namespace = pod["metadata"]["namespace"]
        limit, used = self.quotas.get(namespace), len(self.store.list(PODS, namespace))
        if limit is not None and used >= limit:
            raise ApiError(403, "Forbidden", f'pods "{pod["metadata"]["name"]}" is forbidden: exceeded quota: pods, requested: pods=1, '
                                             f"used: pods={used}, limited: pods={limit}", {"name": pod["metadata"]["name"], "kind": "pods"})

    def _pod_at(self, ip: str) -> Optional[Json]:
        key = next((k for k, r in self.kubelet.runs.items() if r.ip == ip), None)
        return self.store.get(PODS, *key) if key else None

    def _image_of(self, ip: str) -> str:
        """The image of the pod that has the address, for health rules."""
        pod = self._pod_at(ip)
        return pod["spec"]["containers"][0].get("image", "") if pod else ""

    def create(self, kind: Kind, obj: Json) -> Item:
        """A new object with the API server's defaults."""
        return self.store.create(kind, fill(self.store, kind, obj), "scenario")

    def found(self, nodes: int = 3, failure_policy: str = "Ignore", families: tuple[str, ...] = ("aws-lbc", "eks-auto")) -> None:
        """What a cluster has before anything runs: namespaces, nodes, webhooks, controllers."""
        for name in ("default", "kube-system"):
            if self.store.get(NAMESPACES, "", name) is None:
                self.create(NAMESPACES, {"metadata": {"name": name}})
        for i in range(nodes):
            self.add_node(f"ip-10-0-{i + 1}-{17 + i}.eu-west-1.compute.internal", "eu-west-1" + "abc"[i % 3], f"10.0.{i + 1}.{17 + i}")
        for family in families:
            self.create(WEBHOOKS, webhook(family, failure_policy))
        if "aws-lbc" in families:
            self.lbc.on_life = self.injection.front.sync
            self.lbc.start()
        if "eks-auto" in families:
            self.auto.start(0.0)

    def add_node(self, name: str, zone: str, ip: str) -> None:
        now = stamp(self.clock.now())
        quiet = [(k, f"Kubelet{r}", t) for k, r, t in (
            ("MemoryPressure", "HasSufficientMemory", "kubelet has sufficient memory available"),
            ("DiskPressure", "HasNoDiskPressure", "kubelet has no disk pressure"),
            ("PIDPressure", "HasSufficientPID", "kubelet has sufficient PID available"))]
        conditions = [{"type": k, "status": "False", "lastHeartbeatTime": now, "lastTransitionTime": now, "reason": r, "message": t}
                      for k, r, t in quiet]
        conditions.append({"type": "Ready", "status": "True", "lastHeartbeatTime": now, "lastTransitionTime": now,
                           "reason": "KubeletReady", "message": "kubelet is posting ready status"})
        self.create(NODES, {
            "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, "topology.kubernetes.io/zone": zone,
                                                  "topology.kubernetes.io/region": zone[:-1]}},
            "spec": {"providerID": f"aws:///{zone}/i-{self.store.random.getrandbits(64):016x}"}})

        def write(data: Json) -> None:
            data["status"] = {"capacity": {"cpu": "8", "memory": "32Gi", "pods": "110"},
                              "allocatable": {"cpu": "8", "memory": "31Gi", "pods": "110"}, "conditions": conditions,
                              "addresses": [{"type": "InternalIP", "address": ip}, {"type": "Hostname", "address": name}],
                              "nodeInfo": {"kubeletVersion": "v1.36.3-eks-simulated", "osImage": "simulated",
                                           "operatingSystem": "linux", "architecture": "amd64",
                                           "containerRuntimeVersion": "containerd://2.0.0", "kernelVersion": "6.1.0"}}
        self.store.modify(NODES, "", name, write, "status")
