"""EndpointSlices of Services, and the status of PodDisruptionBudgets."""
from __future__ import annotations

from typing import Any, Optional

from . import select
from .controller import Controller, Key
from .kinds import AUTOSCALERS, BUDGETS, NODES, PODS, SERVICES, SLICES, by_name
from .recorder import Recorder
from .replicaset import active
from .store import Event, Store
from .util import condition, is_true, percent, stamp

Json = Any
SLICE = 100  # endpoints a slice
MANAGER, MANAGED = "endpointslice.kubernetes.io/managed-by", "endpointslice-controller.k8s.io"  # slices of others are left alone


class Endpoints(Controller):
    """Slices of a Service, of at most 100 endpoints each."""

    name = "endpointslice"
    latency = 0.008

    def __init__(self, store: Store, recorder: Recorder) -> None:
        super().__init__(store, recorder)
        self.frozen: set[Key] = set()  # Services whose slices stay as they are
        self.follow(SERVICES, lambda e: [(e.item.data["metadata"]["namespace"], e.item.data["metadata"]["name"])])
        self.follow(PODS, self._services_of)

    def _services_of(self, event: Event) -> list[Key]:
        pod = event.item.data
        labels = pod["metadata"].get("labels") or {}
        before = (event.prev.data["metadata"].get("labels") or {}) if event.prev else labels
        out = []
        for svc in self.store.list(SERVICES, pod["metadata"]["namespace"]):
            wanted = svc["spec"].get("selector") or {}
            if wanted and (wanted.items() <= labels.items() or wanted.items() <= before.items()):
                out.append((svc["metadata"]["namespace"], svc["metadata"]["name"]))
        return out

    def _endpoint(self, pod: Json, open_early: bool) -> Json:
        dying = bool(pod["metadata"].get("deletionTimestamp"))
        serving = is_true(pod, "Ready")
        node = pod["spec"].get("nodeName", "")
        out: Json = {"addresses": [pod["status"]["podIP"]],
                     "conditions": {"ready": open_early or (serving and not dying), "serving": serving, "terminating": dying},
                     "targetRef": {"kind": "Pod", "namespace": pod["metadata"]["namespace"], "name": pod["metadata"]["name"],
                                   "uid": pod["metadata"]["uid"]}, "nodeName": node}
        labels = ((self.store.get(NODES, "", node) or {}).get("metadata", {}).get("labels") or {})
        if labels.get("topology.kubernetes.io/zone"):
            out["zone"] = labels["topology.kubernetes.io/zone"]
        return out

    @staticmethod
    def _port(target: Any, pods: list[Json]) -> Optional[int]:
        if isinstance(target, int):
            return target
        for pod in pods:
            for c in pod["spec"]["containers"]:
                for port in c.get("ports") or []:
                    if port.get("name") == target:
                        return int(port["containerPort"])
        return None

    def reconcile(self, key: Key) -> None:
        if key in self.frozen:
            return
        svc = self.store.get(SERVICES, *key)
        mine = [s for s in self.store.list(SLICES, key[0])
                if {"kubernetes.io/service-name": key[1], MANAGER: MANAGED}.items() <= (s["metadata"].get("labels") or {}).items()]
        if svc is None or not svc["spec"].get("selector"):
            for old in mine:
                self.store.delete(SLICES, key[0], old["metadata"]["name"])
            return
        wanted = svc["spec"]["selector"]
        pods = [p for p in self.store.list(PODS, key[0])
                if wanted.items() <= (p["metadata"].get("labels") or {}).items() and p["status"].get("podIP")
                and p["status"].get("phase") not in ("Succeeded", "Failed")]
        early = bool(svc["spec"].get("publishNotReadyAddresses"))
        ends = [self._endpoint(p, early) for p in pods]
        ports = [{"name": p.get("name", ""), "protocol": p.get("protocol", "TCP"), "port": self._port(p["targetPort"], pods)}
                 for p in svc["spec"].get("ports") or []]
        ports = [p for p in ports if p["port"] is not None]
        pieces = [ends[i:i + SLICE] for i in range(0, len(ends), SLICE)] or [[]]
        for i, piece in enumerate(pieces):
            body = {"addressType": "IPv4", "endpoints": piece, "ports": ports}
            if i < len(mine):
                self._change(mine[i], body)
            else:
                self._make(svc, body)
        for old in mine[len(pieces):]:
            self.store.delete(SLICES, key[0], old["metadata"]["name"])

    def _change(self, have: Json, body: Json) -> None:
        def write(data: Json) -> Any:
            if all(data.get(k) == v for k, v in body.items()):
                return False
            data.update(body)
            data["metadata"].setdefault("annotations", {})["endpoints.kubernetes.io/last-change-trigger-time"] = stamp(self.clock.now())
            return True
        self.store.modify(SLICES, have["metadata"]["namespace"], have["metadata"]["name"], write)

    def _make(self, svc: Json, body: Json) -> None:
        meta = svc["metadata"]
        labels = {MANAGER: MANAGED, "kubernetes.io/service-name": meta["name"]}
        if svc["spec"].get("clusterIP") == "None":
            labels["service.kubernetes.io/headless"] = ""
        self.store.create(SLICES, {"metadata": {
            "generateName": meta["name"] + "-", "namespace": meta["namespace"], "labels": labels, "ownerReferences": [
                {"apiVersion": "v1", "kind": "Service", "name": meta["name"], "uid": meta["uid"], "controller": True,
                 "blockOwnerDeletion": True}]}} | body)


class Budgets(Controller):
    """PodDisruptionBudget status."""

    name = "disruption"
    latency = 0.1

    def __init__(self, store: Store, recorder: Recorder) -> None:
        super().__init__(store, recorder)
        self.follow(BUDGETS, lambda e: [(e.item.data["metadata"]["namespace"], e.item.data["metadata"]["name"])])
        self.follow(PODS, lambda e: [(b["metadata"]["namespace"], b["metadata"]["name"])
                                     for b in store.list(BUDGETS, e.item.data["metadata"]["namespace"])])

    def reconcile(self, key: Key) -> None:
        pdb = self.store.get(BUDGETS, *key)
        if pdb is None:
            return
        takes = select.selector(pdb["spec"].get("selector"))
        pods = active([p for p in self.store.list(PODS, key[0]) if takes(p["metadata"].get("labels") or {})])
        healthy = sum(is_true(p, "Ready") for p in pods)
        if "maxUnavailable" in pdb["spec"]:
            desired = max(0, len(pods) - percent(pdb["spec"]["maxUnavailable"], len(pods), True))
        else:
            desired = percent(pdb["spec"].get("minAvailable", 1), len(pods), True)
        allowed = max(0, healthy - desired)
        verdict = ("True", "SufficientPods") if allowed else ("False", "InsufficientPods")
        old = condition(pdb, "DisruptionAllowed")
        since = old["lastTransitionTime"] if old and old["status"] == verdict[0] else stamp(self.clock.now())
        generation = pdb["metadata"]["generation"]

        def write(data: Json) -> None:
            data["status"] = {"observedGeneration": generation, "disruptionsAllowed": allowed, "currentHealthy": healthy,
                              "desiredHealthy": desired, "expectedPods": len(pods), "conditions": [
                                  {"type": "DisruptionAllowed", "status": verdict[0], "observedGeneration": generation,
                                   "lastTransitionTime": since, "reason": verdict[1], "message": ""}]}
        self.store.modify(BUDGETS, key[0], key[1], write, "status")


class Autoscalers(Controller):
    """HorizontalPodAutoscaler status; it never scales, since nothing here has a load."""

    name = "autoscaler"
    latency = 0.1

    def __init__(self, store: Store, recorder: Recorder) -> None:
        super().__init__(store, recorder)
        self.follow(AUTOSCALERS, lambda e: [(e.item.data["metadata"]["namespace"], e.item.data["metadata"]["name"])])

    def reconcile(self, key: Key) -> None:
        hpa = self.store.get(AUTOSCALERS, *key)
        if hpa is None:
            return
        self.enqueue(key, 15.0)
        ref = hpa["spec"]["scaleTargetRef"]
        target = self.store.get(by_name(ref["kind"]), key[0], ref["name"])
        now, have = stamp(self.clock.now()), target is not None
        count = (target or {}).get("status", {}).get("replicas", 0)
        wanted = {"AbleToScale": ("True", "ReadyForNewScale", "recommended size matches current size") if have else
                  ("False", "FailedGetScale", f'the HPA controller was unable to get the target\'s current scale: {ref["name"]} not found'),
                  "ScalingActive": ("True", "ValidMetricFound", "the HPA was able to successfully calculate a replica count from cpu resource utilization"),
                  "ScalingLimited": ("False", "DesiredWithinRange", "the desired count is within the acceptable range")}
        conditions = []
        for kind, (status, reason, message) in wanted.items():
            old = condition(hpa, kind)
            conditions.append({"type": kind, "status": status, "lastTransitionTime": old["lastTransitionTime"] if old and old["status"] == status else now,
                               "reason": reason, "message": message})

        def write(data: Json) -> None:
            data["status"] = {"currentReplicas": count, "desiredReplicas": (target or {}).get("spec", {}).get("replicas", 0), "currentMetrics": None,
                              "conditions": conditions}
        self.store.modify(AUTOSCALERS, key[0], key[1], write, "status")
