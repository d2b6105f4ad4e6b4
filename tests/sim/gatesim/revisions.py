"""Workloads with ControllerRevisions: StatefulSets (ordered, partition) and DaemonSets."""
from __future__ import annotations

from typing import Any

from .controller import Controller, Key
from .errors import ApiError
from .kinds import DAEMONSETS, NODES, PODS, REVISIONS, STATEFULSETS, Kind
from .recorder import Recorder
from .replicaset import active, available, next_available, pod_from
from .store import Store
from .util import is_true, jcopy, percent, safe_hash

Json = Any
HASH = "controller-revision-hash"


class Revisioned(Controller):
    """What both have in common: one ControllerRevision a template."""

    kind: Kind

    def __init__(self, store: Store, recorder: Recorder) -> None:
        super().__init__(store, recorder)
        self.follow(self.kind, lambda e: [(e.item.data["metadata"]["namespace"], e.item.data["metadata"]["name"])])
        self.follow_owned(PODS, self.kind)

    def revision(self, obj: Json, full_name: bool) -> str:
        """The hash label of the present template; its ControllerRevision is made, or raised to the newest."""
        meta = obj["metadata"]
        digest = safe_hash(obj["spec"]["template"])
        name = f"{meta['name']}-{digest}"
        mine = self.owned(REVISIONS, obj)
        top = max((r["revision"] for r in mine), default=0)
        have = next((r for r in mine if r["metadata"]["name"] == name), None)
        if have is None:
            self.store.create(REVISIONS, {
                "metadata": {"name": name, "namespace": meta["namespace"],
                             "labels": dict((obj["spec"]["template"].get("metadata") or {}).get("labels") or {}) | {HASH: name if full_name else digest},
                             "ownerReferences": [{"apiVersion": "apps/v1", "kind": self.kind.kind, "name": meta["name"],
                                                  "uid": meta["uid"], "controller": True, "blockOwnerDeletion": True}]},
                "data": {"spec": {"template": dict(obj["spec"]["template"], **{"$patch": "replace"})}}, "revision": top + 1})
        elif have["revision"] != top:
            def newest(data: Json) -> None:
                data["revision"] = top + 1
            self.store.modify(REVISIONS, meta["namespace"], name, newest)
        return name if full_name else digest

    def write_status(self, key: Key, status: Json) -> None:
        def write(data: Json) -> None:
            data["status"] = status
        self.store.modify(self.kind, key[0], key[1], write, "status")

    def make(self, obj: Json, pod: Json, component: str) -> None:
        try:
            made = self.store.create(PODS, pod)
        except ApiError as err:
            self.recorder.warning(self.kind, obj, "FailedCreate", f"create Pod {pod['metadata'].get('name', '')} in {self.kind.kind} "
                                  f"{obj['metadata']['name']} failed error: {err.message}", component)
            raise
        name = made.data["metadata"]["name"]
        text = f"create Pod {name} in StatefulSet {obj['metadata']['name']} successful" if self.kind is STATEFULSETS else f"Created pod: {name}"
        self.recorder.normal(self.kind, obj, "SuccessfulCreate", text, component)


class StatefulSets(Revisioned):
    """One pod at a time, in order; updates from the highest ordinal down to the partition."""

    name = "statefulset"
    kind = STATEFULSETS
    COMPONENT = "statefulset-controller"

    def reconcile(self, key: Key) -> None:
        obj = self.store.get(STATEFULSETS, *key)
        if obj is None or obj["metadata"].get("deletionTimestamp"):
            return
        update = self.revision(obj, True)
        current = obj.get("status", {}).get("currentRevision") or update
        try:
            self._act(obj, update, current)
        finally:
            self._status(key, update, current)

    def _pods(self, obj: Json) -> dict[int, Json]:
        prefix = obj["metadata"]["name"] + "-"
        return {int(p["metadata"]["name"][len(prefix):]): p for p in self.owned(PODS, obj)
                if p["metadata"]["name"].startswith(prefix) and p["metadata"]["name"][len(prefix):].isdigit()}

    def _template(self, obj: Json, revision: str) -> Json:
        rev = self.store.get(REVISIONS, obj["metadata"]["namespace"], revision)
        if rev is None:
            return obj["spec"]["template"]
        template = jcopy(rev["data"]["spec"]["template"])
        template.pop("$patch", None)
        return template

    def _new_pod(self, obj: Json, ordinal: int, revision: str) -> Json:
        name = f"{obj['metadata']['name']}-{ordinal}"
        pod = pod_from(self._template(obj, revision), obj, STATEFULSETS, obj["metadata"]["namespace"])
        pod["metadata"]["name"] = name
        pod["metadata"]["generateName"] = obj["metadata"]["name"] + "-"
        pod["metadata"].setdefault("labels", {}).update({
            "apps.kubernetes.io/pod-index": str(ordinal), HASH: revision, "statefulset.kubernetes.io/pod-name": name})
        pod["spec"]["hostname"] = name
        if obj["spec"].get("serviceName"):
            pod["spec"]["subdomain"] = obj["spec"]["serviceName"]
        return pod

    def _act(self, obj: Json, update: str, current: str) -> None:
        pods = self._pods(obj)
        want = obj["spec"].get("replicas", 1)
        ordered = obj["spec"].get("podManagementPolicy") != "Parallel"
        strategy = obj["spec"].get("updateStrategy") or {}
        partition = (strategy.get("rollingUpdate") or {}).get("partition", 0)
        min_ready = float(obj["spec"].get("minReadySeconds") or 0)
        now = self.clock.now()
        for n in range(want):
            pod = pods.get(n)
            if pod is None:
                old = current != update and n < partition and strategy.get("type") != "OnDelete"
                self.make(obj, self._new_pod(obj, n, current if old else update), self.COMPONENT)
                if ordered:
                    return
            elif ordered and (pod["metadata"].get("deletionTimestamp") or not available(pod, min_ready, now)):
                if not self._replaceable(pod, update, n, partition, strategy):
                    return
                break
        for n in sorted((n for n in pods if n >= want), reverse=True):
            if not pods[n]["metadata"].get("deletionTimestamp"):
                self._delete(obj, pods[n])
            if ordered:
                return
        if strategy.get("type") == "OnDelete":
            return
        for n in range(want - 1, max(partition, 0) - 1, -1):
            pod = pods.get(n)
            if pod is None or pod["metadata"].get("deletionTimestamp"):
                return
            if (pod["metadata"].get("labels") or {}).get(HASH) != update:
                self._delete(obj, pod)
                return
            if not available(pod, min_ready, now):
                return

    @staticmethod
    def _replaceable(pod: Json, update: str, n: int, partition: int, strategy: Json) -> bool:
        """An unready pod of an old revision does not hold up its own replacement."""
        return (strategy.get("type") != "OnDelete" and n >= partition and not pod["metadata"].get("deletionTimestamp")
                and (pod["metadata"].get("labels") or {}).get(HASH) != update)

    def _delete(self, obj: Json, pod: Json) -> None:
        self.store.delete(PODS, pod["metadata"]["namespace"], pod["metadata"]["name"])
        self.recorder.normal(STATEFULSETS, obj, "SuccessfulDelete",
                             f"delete Pod {pod['metadata']['name']} in StatefulSet {obj['metadata']['name']} successful", self.COMPONENT)

    def _status(self, key: Key, update: str, current: str) -> None:
        obj = self.store.get(STATEFULSETS, *key)
        if obj is None:
            return
        now = self.clock.now()
        min_ready = float(obj["spec"].get("minReadySeconds") or 0)
        pods = active(list(self._pods(obj).values()))
        hashes = [(p["metadata"].get("labels") or {}).get(HASH) for p in pods]
        want = obj["spec"].get("replicas", 1)
        ready = [p for p in pods if is_true(p, "Ready")]
        if hashes.count(update) == want == len(pods) and len(ready) == want:
            current = update
        counts = {"replicas": len(pods), "readyReplicas": len(ready), "currentReplicas": hashes.count(current),
                  "updatedReplicas": hashes.count(update)}
        status: Json = {"observedGeneration": obj["metadata"]["generation"], "replicas": len(pods)}
        status |= {k: v for k, v in counts.items() if v}
        status |= {"currentRevision": current, "updateRevision": update, "collisionCount": 0,
                   "availableReplicas": sum(available(p, min_ready, now) for p in ready)}
        wait = next_available(ready, min_ready, now) if min_ready else 0.0
        if wait:
            self.enqueue(key, wait)
        self.write_status(key, status)


class DaemonSets(Revisioned):
    """One pod a node; updates by maxUnavailable."""

    name = "daemonset"
    kind = DAEMONSETS
    COMPONENT = "daemonset-controller"

    def __init__(self, store: Store, recorder: Recorder) -> None:
        super().__init__(store, recorder)
        self.follow(NODES, lambda e: [(o["metadata"]["namespace"], o["metadata"]["name"]) for o in store.list(DAEMONSETS)])

    def reconcile(self, key: Key) -> None:
        obj = self.store.get(DAEMONSETS, *key)
        if obj is None or obj["metadata"].get("deletionTimestamp"):
            return
        update = self.revision(obj, False)
        nodes = [n["metadata"]["name"] for n in self.store.list(NODES)]
        pods = self.owned(PODS, obj)
        by_node = {p["spec"].get("nodeName"): p for p in pods}
        for node in nodes:
            if node not in by_node:
                pod = pod_from(obj["spec"]["template"], obj, DAEMONSETS, key[0])
                pod["metadata"]["generateName"] = key[1] + "-"
                pod["metadata"].setdefault("labels", {})[HASH] = update
                pod["spec"]["nodeName"] = node
                self.make(obj, pod, self.COMPONENT)
        self._roll(obj, [p for p in pods if p["spec"].get("nodeName") in nodes], update, len(nodes))
        self._status(key, update, len(nodes))

    def _roll(self, obj: Json, pods: list[Json], update: str, total: int) -> None:
        strategy = obj["spec"].get("updateStrategy") or {}
        if strategy.get("type") == "OnDelete":
            return
        down = max(1, percent((strategy.get("rollingUpdate") or {}).get("maxUnavailable", 1), total, True))
        missing = total - sum(is_true(p, "Ready") and not p["metadata"].get("deletionTimestamp") for p in pods)
        for pod in active(pods):
            if (pod["metadata"].get("labels") or {}).get(HASH) == update:
                continue
            if is_true(pod, "Ready"):
                if missing >= down:
                    continue
                missing += 1
            self.store.delete(PODS, pod["metadata"]["namespace"], pod["metadata"]["name"])
            self.recorder.normal(DAEMONSETS, obj, "SuccessfulDelete", f"Deleted pod: {pod['metadata']['name']}", self.COMPONENT)

    def _status(self, key: Key, update: str, total: int) -> None:
        obj = self.store.get(DAEMONSETS, *key)
        if obj is None:
            return
        now = self.clock.now()
        pods = active(self.owned(PODS, obj))
        min_ready = float(obj["spec"].get("minReadySeconds") or 0)
        ready = [p for p in pods if is_true(p, "Ready")]
        usable = sum(available(p, min_ready, now) for p in ready)
        status: Json = {"currentNumberScheduled": len(pods), "numberMisscheduled": 0, "desiredNumberScheduled": total,
                        "numberReady": len(ready), "observedGeneration": obj["metadata"]["generation"]}
        counts = {"updatedNumberScheduled": sum((p["metadata"].get("labels") or {}).get(HASH) == update for p in pods),
                  "numberAvailable": usable, "numberUnavailable": total - usable}
        status |= {k: v for k, v in counts.items() if v}
        self.write_status(key, status)
