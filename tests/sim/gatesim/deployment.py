"""Deployments: revisions as ReplicaSets, rolling updates, the progress deadline, conditions."""
from __future__ import annotations

from typing import Any, Optional

from .controller import Controller, Key
from .kinds import DEPLOYMENTS, PODS, REPLICASETS
from .podstatus import Verdict
from .recorder import Recorder
from .store import Store
from .util import condition, jcopy, percent, safe_hash, stamp, unstamp

Json = Any
REVISION = "deployment.kubernetes.io/revision"
COMPONENT = "deployment-controller"


def bare_template(template: Json, label: str = "pod-template-hash") -> Json:
    """The template without its hash label, for comparing."""
    out = jcopy(template)
    (out.get("metadata") or {}).get("labels", {}).pop(label, None)
    return out


def limits(dep: Json) -> tuple[int, int]:
    """maxSurge and maxUnavailable as numbers."""
    want = dep["spec"].get("replicas", 1)
    rolling = (dep["spec"].get("strategy") or {}).get("rollingUpdate") or {}
    surge = percent(rolling.get("maxSurge", "25%"), want, True)
    down = percent(rolling.get("maxUnavailable", "25%"), want, False)
    return surge, (1 if surge == 0 and down == 0 else down)


class Deployments(Controller):
    """Follows deployments and their replicasets."""

    name = "deployment"

    def __init__(self, store: Store, recorder: Recorder) -> None:
        super().__init__(store, recorder)
        self.follow(DEPLOYMENTS, lambda e: [(e.item.data["metadata"]["namespace"], e.item.data["metadata"]["name"])])
        self.follow_owned(REPLICASETS, DEPLOYMENTS)

    def reconcile(self, key: Key) -> None:
        dep = self.store.get(DEPLOYMENTS, *key)
        if dep is None or dep["metadata"].get("deletionTimestamp"):
            return
        sets = self.owned(REPLICASETS, dep)
        new = self._new_set(dep, sets)
        if dep["spec"].get("paused"):
            self._proportional(dep, sets)
        else:
            if new is None:
                new = self._make_set(dep, sets)
            dep = self._note_revision(key, new)
            if (dep["spec"].get("strategy") or {}).get("type") == "Recreate":
                self._recreate(dep, new)
            else:
                self._roll(dep, new)
            self._tidy(dep)
        self._status(key)

    # Revisions

    def _new_set(self, dep: Json, sets: list[Json]) -> Optional[Json]:
        want = bare_template(dep["spec"]["template"])
        found = [s for s in sets if bare_template(s["spec"]["template"]) == want]
        return min(found, key=lambda s: (s["metadata"]["creationTimestamp"], s["metadata"]["name"])) if found else None

    @staticmethod
    def _revision(obj: Json) -> int:
        text = (obj["metadata"].get("annotations") or {}).get(REVISION, "0")
        return int(text) if text.isdigit() else 0

    def _make_set(self, dep: Json, sets: list[Json]) -> Json:
        meta = dep["metadata"]
        digest = safe_hash(bare_template(dep["spec"]["template"]))
        template = jcopy(dep["spec"]["template"])
        labels = template.setdefault("metadata", {}).setdefault("labels", {})
        labels["pod-template-hash"] = digest
        selector = jcopy(dep["spec"]["selector"])
        selector.setdefault("matchLabels", {})["pod-template-hash"] = digest
        annotations = {k: v for k, v in (meta.get("annotations") or {}).items()
                       if not k.startswith("kubectl.kubernetes.io/") and k != REVISION}
        annotations |= self._sizes(dep) | {REVISION: str(max([self._revision(s) for s in sets], default=0) + 1)}
        surge, _ = limits(dep)
        total = sum(s["spec"].get("replicas", 0) for s in sets)
        want = dep["spec"].get("replicas", 1)
        first = max(0, min(want, want + surge - total))
        spec: Json = {"replicas": first, "selector": selector, "template": template}
        if dep["spec"].get("minReadySeconds"):
            spec["minReadySeconds"] = dep["spec"]["minReadySeconds"]
        made = self.store.create(REPLICASETS, {
            "metadata": {"name": f"{meta['name']}-{digest}", "namespace": meta["namespace"], "labels": dict(labels),
                         "annotations": annotations, "ownerReferences": [
                             {"apiVersion": "apps/v1", "kind": "Deployment", "name": meta["name"], "uid": meta["uid"],
                              "controller": True, "blockOwnerDeletion": True}]},
            "spec": spec, "status": {"replicas": 0}}).data
        if first:
            self._say(dep, made, 0, first)
        self._progress(dep, ("True", "NewReplicaSetCreated", f'Created new replica set "{made["metadata"]["name"]}"'))
        return made

    def _sizes(self, dep: Json) -> Json:
        want = dep["spec"].get("replicas", 1)
        surge = limits(dep)[0] if (dep["spec"].get("strategy") or {}).get("type") != "Recreate" else 0
        return {"deployment.kubernetes.io/desired-replicas": str(want),
                "deployment.kubernetes.io/max-replicas": str(want + surge)}

    def _note_revision(self, key: Key, new: Json) -> Json:
        """The new set has the highest revision, and the deployment carries it."""
        dep = self.store.get(DEPLOYMENTS, *key)
        top = max((self._revision(s) for s in self.owned(REPLICASETS, dep) if s["metadata"]["uid"] != new["metadata"]["uid"]), default=0)
        revision = max(self._revision(new), top + 1)
        sizes = self._sizes(dep) | {REVISION: str(revision)}

        def note(data: Json) -> None:
            data["metadata"]["annotations"] = (data["metadata"].get("annotations") or {}) | sizes
        self.store.modify(REPLICASETS, key[0], new["metadata"]["name"], note)

        def carry(data: Json) -> None:
            data["metadata"].setdefault("annotations", {})[REVISION] = str(revision)
        item = self.store.modify(DEPLOYMENTS, key[0], key[1], carry)
        return item.data if item else dep

    def _tidy(self, dep: Json) -> None:
        """Deletes old empty sets beyond revisionHistoryLimit."""
        sets = sorted(self.owned(REPLICASETS, dep), key=self._revision)[:-1]
        spare = [s for s in sets if s["spec"].get("replicas", 0) == 0 and s.get("status", {}).get("replicas", 0) == 0]
        for old in spare[:max(0, len(spare) - dep["spec"].get("revisionHistoryLimit", 10))]:
            self.store.delete(REPLICASETS, old["metadata"]["namespace"], old["metadata"]["name"])

    # Scaling

    def _say(self, dep: Json, rs: Json, old: int, new: int) -> None:
        way = "up" if new > old else "down"
        self.recorder.normal(DEPLOYMENTS, dep, "ScalingReplicaSet",
                             f"Scaled {way} replica set {rs['metadata']['name']} from {old} to {new}", COMPONENT)

    def _resize(self, dep: Json, rs: Json, count: int) -> None:
        old = rs["spec"].get("replicas", 0)
        if old == count:
            return

        def change(data: Json) -> None:
            data["spec"]["replicas"] = count
        self.store.modify(REPLICASETS, rs["metadata"]["namespace"], rs["metadata"]["name"], change)
        self._say(dep, rs, old, count)

    def _split(self, dep: Json, new: Json) -> tuple[Json, list[Json]]:
        sets = self.owned(REPLICASETS, dep)
        fresh = next(s for s in sets if s["metadata"]["uid"] == new["metadata"]["uid"])
        old = [s for s in sets if s is not fresh and s["spec"].get("replicas", 0) > 0]
        return fresh, sorted(old, key=lambda s: (s["metadata"]["creationTimestamp"], self._revision(s)))

    def _roll(self, dep: Json, new: Json) -> None:
        """Kubernetes pkg/controller/deployment/rolling.go."""
        fresh, old = self._split(dep, new)
        want = dep["spec"].get("replicas", 1)
        surge, down = limits(dep)
        have = fresh["spec"].get("replicas", 0)
        if have > want:
            self._resize(dep, fresh, want)
            return
        total = have + sum(s["spec"].get("replicas", 0) for s in old)
        if have < want and total < want + surge:
            self._resize(dep, fresh, have + min(want + surge - total, want - have))
            return
        self._shrink_old(dep, fresh, old, want, total, down)

    def _shrink_old(self, dep: Json, fresh: Json, old: list[Json], want: int, total: int, down: int) -> None:
        fresh_missing = fresh["spec"].get("replicas", 0) - fresh.get("status", {}).get("availableReplicas", 0)
        budget = total - (want - down) - fresh_missing
        if budget <= 0:
            return
        sizes = {s["metadata"]["name"]: s["spec"].get("replicas", 0) for s in old}
        for rs in old:  # unhealthy pods of old sets go first
            name = rs["metadata"]["name"]
            sick = sizes[name] - rs.get("status", {}).get("availableReplicas", 0)
            cut = max(0, min(sick, budget))
            sizes[name] -= cut
            budget -= cut
        usable = sum(s.get("status", {}).get("availableReplicas", 0) for s in [fresh, *old])
        spare = usable - (want - down)
        for rs in old:
            name = rs["metadata"]["name"]
            cut = max(0, min(sizes[name], spare))
            sizes[name] -= cut
            spare -= cut
        for rs in old:
            self._resize(dep, rs, sizes[rs["metadata"]["name"]])

    def _recreate(self, dep: Json, new: Json) -> None:
        fresh, old = self._split(dep, new)
        for rs in old:
            self._resize(dep, rs, 0)
        uid = fresh["metadata"]["uid"]
        mine = {s["metadata"]["uid"] for s in self.owned(REPLICASETS, dep)} - {uid}
        for pod in self.store.list(PODS, dep["metadata"]["namespace"]):
            if any(r.get("uid") in mine for r in pod["metadata"].get("ownerReferences") or []):
                self.enqueue((dep["metadata"]["namespace"], dep["metadata"]["name"]), 0.5)
                return
        self._resize(dep, fresh, dep["spec"].get("replicas", 1))

    def _proportional(self, dep: Json, sets: list[Json]) -> None:
        """A paused deployment follows its replicas only while a single set has pods."""
        live = [s for s in sets if s["spec"].get("replicas", 0) > 0]
        if len(live) == 1:
            self._resize(dep, live[0], dep["spec"].get("replicas", 1))

    # Status

    def _progress(self, dep: Json, verdict: Verdict) -> None:
        now = self.clock.now()

        def write(data: Json) -> None:
            put(data.setdefault("status", {}).setdefault("conditions", []), "Progressing", verdict, now, touch=True)
        self.store.modify(DEPLOYMENTS, dep["metadata"]["namespace"], dep["metadata"]["name"], write, "status")

    def _status(self, key: Key) -> None:
        dep = self.store.get(DEPLOYMENTS, *key)
        if dep is None:
            return
        sets = self.owned(REPLICASETS, dep)
        new = self._new_set(dep, sets)
        now = self.clock.now()
        old = dep.get("status") or {}
        status = self._counts(dep, sets, new)
        conditions = jcopy(old.get("conditions") or [])
        want = dep["spec"].get("replicas", 1)
        enough = status.get("availableReplicas", 0) >= want - limits(dep)[1]
        put(conditions, "Available", ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.") if enough
            else ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability."), now)
        self._judge(dep, new, old, status, conditions, now)
        failures = [c for c in (condition(s, "ReplicaFailure") for s in ([new] if new else sets)) if c]
        conditions = [c for c in conditions if c["type"] != "ReplicaFailure"] + (failures[:1] and [dict(
            failures[0], lastUpdateTime=failures[0]["lastTransitionTime"])])
        status["conditions"] = conditions
        if status == old:
            return

        def write(data: Json) -> None:
            data["status"] = status
        self.store.modify(DEPLOYMENTS, key[0], key[1], write, "status")

    def _counts(self, dep: Json, sets: list[Json], new: Optional[Json]) -> Json:
        def total(field: str) -> int:
            return sum(s.get("status", {}).get(field, 0) for s in sets)
        status: Json = {"observedGeneration": dep["metadata"]["generation"]}
        usable, want = total("availableReplicas"), sum(s["spec"].get("replicas", 0) for s in sets)
        counts = {"replicas": total("replicas"), "updatedReplicas": new.get("status", {}).get("replicas", 0) if new else 0,
                  "readyReplicas": total("readyReplicas"), "availableReplicas": usable, "unavailableReplicas": max(0, want - usable)}
        status |= {k: v for k, v in counts.items() if v}
        status["terminatingReplicas"] = total("terminatingReplicas")
        return status

    def _judge(self, dep: Json, new: Optional[Json], old: Json, status: Json, conditions: list[Json], now: float) -> None:
        """The Progressing condition: pkg/controller/deployment/progress.go."""
        current = next((c for c in conditions if c["type"] == "Progressing"), None)
        if dep["spec"].get("paused"):
            if current is None or current["reason"] != "DeploymentPaused":
                put(conditions, "Progressing", ("Unknown", "DeploymentPaused", "Deployment is paused"), now, touch=True)
            return
        if current and current["reason"] == "DeploymentPaused":
            put(conditions, "Progressing", ("Unknown", "DeploymentResumed", "Deployment is resumed"), now, touch=True)
            current = next(c for c in conditions if c["type"] == "Progressing")
        want, name = dep["spec"].get("replicas", 1), new["metadata"]["name"] if new else ""
        complete = (status.get("updatedReplicas", 0) == want and status.get("replicas", 0) == want
                    and status.get("availableReplicas", 0) == want)
        if complete:
            put(conditions, "Progressing", ("True", "NewReplicaSetAvailable", f'ReplicaSet "{name}" has successfully progressed.'), now,
                touch=current is None or current["reason"] != "NewReplicaSetAvailable")
            return
        moved = (status.get("updatedReplicas", 0) > old.get("updatedReplicas", 0)
                 or status.get("readyReplicas", 0) > old.get("readyReplicas", 0)
                 or status.get("availableReplicas", 0) > old.get("availableReplicas", 0)
                 or status.get("replicas", 0) - status.get("updatedReplicas", 0) < old.get("replicas", 0) - old.get("updatedReplicas", 0))
        if moved:
            put(conditions, "Progressing", ("True", "ReplicaSetUpdated", f'ReplicaSet "{name}" is progressing.'), now, touch=True)
            current = next(c for c in conditions if c["type"] == "Progressing")
        self._deadline(dep, name, current, conditions, now)

    def _deadline(self, dep: Json, name: str, current: Optional[Json], conditions: list[Json], now: float) -> None:
        if current is None or current["reason"] in ("NewReplicaSetAvailable", "ProgressDeadlineExceeded"):
            return
        left = unstamp(current.get("lastUpdateTime")) + dep["spec"].get("progressDeadlineSeconds", 600) - now
        if left <= 0:
            put(conditions, "Progressing", ("False", "ProgressDeadlineExceeded", f'ReplicaSet "{name}" has timed out progressing.'), now, touch=True)
        else:
            self.enqueue((dep["metadata"]["namespace"], dep["metadata"]["name"]), left + 1)


def put(conditions: list[Json], kind: str, verdict: Verdict, now: float, touch: bool = False) -> None:
    """A deployment's condition: lastTransitionTime moves with the status, lastUpdateTime when touched or changed."""
    status, reason, message = verdict
    old = next((c for c in conditions if c["type"] == kind), None)
    if old and (old["status"], old["reason"]) == (status, reason) and not touch:
        return
    since = old["lastTransitionTime"] if old and old["status"] == status else stamp(now)
    conditions[:] = [c for c in conditions if c["type"] != kind] + [
        {"type": kind, "status": status, "lastUpdateTime": stamp(now), "lastTransitionTime": since,
         "reason": reason, "message": message}]
