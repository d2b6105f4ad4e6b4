"""ReplicaSets: keep the number of pods, tell why a pod could not be made."""
from __future__ import annotations

from typing import Any

from .controller import Controller, Key
from .errors import ApiError
from .kinds import PODS, REPLICASETS
from .recorder import Recorder
from .store import Store
from .util import is_true, jcopy, stamp, condition, unstamp

Json = Any
COMPONENT = "replicaset-controller"


def active(pods: list[Json]) -> list[Json]:
    """Pods that count: not being deleted, not finished."""
    return [p for p in pods if not p["metadata"].get("deletionTimestamp")
            and p.get("status", {}).get("phase") not in ("Succeeded", "Failed")]


def available(pod: Json, min_ready: float, now: float) -> bool:
    """Ready for minReadySeconds."""
    cond = condition(pod, "Ready")
    if cond is None or cond["status"] != "True":
        return False
    return min_ready <= 0 or now >= unstamp(cond.get("lastTransitionTime")) + min_ready


def next_available(pods: list[Json], min_ready: float, now: float) -> float:
    """Seconds until the next ready pod becomes available; 0 when none is waiting."""
    waits = [unstamp((condition(p, "Ready") or {}).get("lastTransitionTime")) + min_ready - now
             for p in pods if is_true(p, "Ready")]
    later = [w for w in waits if w > 0]
    return min(later) + 0.01 if later else 0.0


def pod_from(template: Json, owner: Json, kind: Any, namespace: str) -> Json:
    """A new pod of a template, owned by the workload."""
    meta = jcopy(template.get("metadata") or {})
    meta["namespace"] = namespace
    meta["ownerReferences"] = [{"apiVersion": kind.gv, "kind": kind.kind, "name": owner["metadata"]["name"],
                                "uid": owner["metadata"]["uid"], "controller": True, "blockOwnerDeletion": True}]
    spec = jcopy(template["spec"])
    spec.setdefault("tolerations", [{"key": f"node.kubernetes.io/{k}", "operator": "Exists", "effect": "NoExecute",
                                     "tolerationSeconds": 300} for k in ("not-ready", "unreachable")])
    for key, value in (("priority", 0), ("enableServiceLinks", True), ("preemptionPolicy", "PreemptLowerPriority")):
        spec.setdefault(key, value)
    return {"metadata": meta, "spec": spec, "status": {"phase": "Pending", "qosClass": "BestEffort"}}


def refusal(err: ApiError) -> str:
    """A create error as client-go prints it."""
    return err.message


class ReplicaSets(Controller):
    """Follows replicasets and their pods."""

    name = "replicaset"

    def __init__(self, store: Store, recorder: Recorder) -> None:
        super().__init__(store, recorder)
        self.follow(REPLICASETS, lambda e: [(e.item.data["metadata"]["namespace"], e.item.data["metadata"]["name"])])
        self.follow_owned(PODS, REPLICASETS)

    def reconcile(self, key: Key) -> None:
        rs = self.store.get(REPLICASETS, *key)
        if rs is None:
            return
        error = None
        if not rs["metadata"].get("deletionTimestamp"):
            error = self._scale(rs)
        self._status(key, error)
        if error:
            raise error

    def _scale(self, rs: Json) -> ApiError | None:
        namespace = rs["metadata"]["namespace"]
        pods = active(self.owned(PODS, rs))
        want = rs["spec"].get("replicas", 1)
        for _ in range(want - len(pods)):
            pod = pod_from(rs["spec"]["template"], rs, REPLICASETS, namespace)
            pod["metadata"]["generateName"] = rs["metadata"]["name"] + "-"
            try:
                made = self.store.create(PODS, pod, "system:serviceaccount:kube-system:replicaset-controller")
            except ApiError as err:
                self.recorder.warning(REPLICASETS, rs, "FailedCreate", f"Error creating: {refusal(err)}", COMPONENT)
                return err
            self.recorder.normal(REPLICASETS, rs, "SuccessfulCreate", f"Created pod: {made.data['metadata']['name']}", COMPONENT)
        for pod in self._victims(pods, len(pods) - want):
            self.store.delete(PODS, namespace, pod["metadata"]["name"])
            self.recorder.normal(REPLICASETS, rs, "SuccessfulDelete", f"Deleted pod: {pod['metadata']['name']}", COMPONENT)
        return None

    @staticmethod
    def _victims(pods: list[Json], count: int) -> list[Json]:
        """Unscheduled, then pending, then unready, then the youngest first."""
        def rank(p: Json) -> tuple[Any, ...]:
            return (bool(p["spec"].get("nodeName")), p["status"].get("phase") == "Running", is_true(p, "Ready"),
                    -unstamp(p["metadata"]["creationTimestamp"]), p["metadata"]["name"])
        return sorted(pods, key=rank)[:max(count, 0)]

    def _status(self, key: Key, error: ApiError | None) -> None:
        rs = self.store.get(REPLICASETS, *key)
        if rs is None:
            return
        now = self.clock.now()
        mine = self.owned(PODS, rs)
        pods = active(mine)
        min_ready = float(rs["spec"].get("minReadySeconds") or 0)
        ready = [p for p in pods if is_true(p, "Ready")]
        status: Json = {"replicas": len(pods), "fullyLabeledReplicas": len(pods)}
        if ready:
            status["readyReplicas"] = len(ready)
        usable = sum(available(p, min_ready, now) for p in ready)
        if usable:
            status["availableReplicas"] = usable
        status["terminatingReplicas"] = sum(bool(p["metadata"].get("deletionTimestamp")) for p in mine)
        status["observedGeneration"] = rs["metadata"]["generation"]
        if error is not None:
            # the first failure's text stays: a new one each time would wake this controller for ever
            status["conditions"] = [condition(rs, "ReplicaFailure") or {
                "type": "ReplicaFailure", "status": "True", "lastTransitionTime": stamp(now), "reason": "FailedCreate",
                "message": refusal(error)}]
        wait = next_available(ready, min_ready, now) if min_ready else 0.0
        if wait:
            self.enqueue(key, wait)
        if status == rs.get("status"):
            return

        def write(data: Json) -> None:
            data["status"] = status
        self.store.modify(REPLICASETS, key[0], key[1], write, "status")
