"""Argo Rollouts, as much as a status gateway sees: canary steps with pauses, and blue-green by selector.

Weights become replica counts; there is no traffic routing. Without steps a canary is a rolling update.
"""
from __future__ import annotations

from typing import Any, Optional

from .controller import Controller, Key
from .deployment import bare_template
from .kinds import PODS, REPLICASETS, ROLLOUTS, SERVICES
from .recorder import Recorder
from .replicaset import active
from .store import Store
from .util import condition, duration, is_true, jcopy, safe_hash, stamp, unstamp

Json = Any
HASH = "rollouts-pod-template-hash"
REVISION = "rollout.argoproj.io/revision"
COMPONENT = "rollouts-controller"


class Rollouts(Controller):
    """Follows rollouts and their replicasets."""

    name = "rollout"

    def __init__(self, store: Store, recorder: Recorder) -> None:
        super().__init__(store, recorder)
        self.follow(ROLLOUTS, lambda e: [(e.item.data["metadata"]["namespace"], e.item.data["metadata"]["name"])])
        self.follow_owned(REPLICASETS, ROLLOUTS)

    def reconcile(self, key: Key) -> None:
        ro = self.store.get(ROLLOUTS, *key)
        if ro is None or ro["metadata"].get("deletionTimestamp"):
            return
        digest = safe_hash(bare_template(ro["spec"]["template"], HASH))
        status = jcopy(ro.get("status") or {})
        if status.get("currentPodHash") != digest:
            status |= {"currentPodHash": digest, "currentStepIndex": 0, "pauseConditions": [], "abort": False,
                       "progressSince": stamp(self.clock.now())}
            status.setdefault("stableRS", digest)
        sets = {str((s["metadata"].get("labels") or {}).get(HASH)): s for s in self.owned(REPLICASETS, ro)}
        if digest not in sets:
            sets[digest] = self._make(ro, digest, len(sets) + 1)
        self._scale(ro, status, sets)
        self._write(key, ro, status)

    def _make(self, ro: Json, digest: str, revision: int) -> Json:
        meta = ro["metadata"]
        template = jcopy(ro["spec"]["template"])
        labels = template.setdefault("metadata", {}).setdefault("labels", {})
        labels[HASH] = digest
        selector = jcopy(ro["spec"]["selector"])
        selector.setdefault("matchLabels", {})[HASH] = digest
        made = self.store.create(REPLICASETS, {
            "metadata": {"name": f"{meta['name']}-{digest}", "namespace": meta["namespace"], "labels": dict(labels),
                         "annotations": {REVISION: str(revision)}, "ownerReferences": [
                             {"apiVersion": ROLLOUTS.gv, "kind": "Rollout", "name": meta["name"], "uid": meta["uid"],
                              "controller": True, "blockOwnerDeletion": True}]},
            "spec": {"replicas": 0, "selector": selector, "template": template}, "status": {"replicas": 0}}).data

        def note(data: Json) -> None:
            data["metadata"].setdefault("annotations", {})[REVISION] = str(revision)
        self.store.modify(ROLLOUTS, meta["namespace"], meta["name"], note)
        self.recorder.normal(ROLLOUTS, ro, "RolloutUpdated", f"Rollout updated to revision {revision}", COMPONENT)
        return made

    # How many pods each revision should have

    def _scale(self, ro: Json, status: Json, sets: dict[str, Json]) -> None:
        want = ro["spec"].get("replicas", 1)
        new, stable = sets[status["currentPodHash"]], sets.get(status["stableRS"])
        if stable is None or stable is new:
            self._resize(ro, new, want)
            self._promote(ro, status, sets, want)
            return
        if status.get("abort") or (ro["status"].get("abort") if ro.get("status") else False):
            self._resize(ro, new, 0)
            self._resize(ro, stable, want)
            status["abort"] = True
            return
        if ro["spec"].get("paused"):
            return
        if "blueGreen" in ro["spec"].get("strategy", {}):
            self._blue_green(ro, status, sets, want)
            return
        weight = self._weight(ro, status, new)
        target = -(-want * weight // 100)
        self._resize(ro, new, target)
        ready = sum(is_true(p, "Ready") for p in active(self.owned(PODS, new)))
        self._resize(ro, stable, max(0, want - min(ready, target)))
        if weight >= 100 and ready >= want:
            self._promote(ro, status, sets, want)

    def _weight(self, ro: Json, status: Json, new: Json) -> int:
        """The weight of the present step; walks on over finished steps and pauses."""
        steps = ((ro["spec"].get("strategy") or {}).get("canary") or {}).get("steps") or []
        want = ro["spec"].get("replicas", 1)
        index, weight = status.get("currentStepIndex", 0), 0
        for step in steps[:index]:
            weight = step.get("setWeight", weight)
        while index < len(steps):
            step = steps[index]
            if "setWeight" in step:
                weight = int(step["setWeight"])
                self._resize(ro, new, -(-want * weight // 100))
                if sum(is_true(p, "Ready") for p in active(self.owned(PODS, new))) < -(-want * weight // 100):
                    break
            elif "pause" in step and not self._paused_enough(ro, status, step["pause"] or {}):
                break
            index += 1
        status["currentStepIndex"] = index
        return 100 if index >= len(steps) else weight

    def _paused_enough(self, ro: Json, status: Json, pause: Json) -> bool:
        now = self.clock.now()
        waits = status.get("pauseConditions") or []
        if not waits:
            status["pauseConditions"] = [{"reason": "CanaryPauseStep", "startTime": stamp(now)}]
            status["controllerPause"] = True
            waits = status["pauseConditions"]
        if "duration" not in pause:
            return False
        text = pause["duration"]
        left = unstamp(waits[0]["startTime"]) + duration(int(text) if str(text).isdigit() else text) - now
        if left > 0:
            self.enqueue((ro["metadata"]["namespace"], ro["metadata"]["name"]), left + 0.1)
            return False
        status["pauseConditions"] = []
        status["controllerPause"] = False
        return True

    def _blue_green(self, ro: Json, status: Json, sets: dict[str, Json], want: int) -> None:
        new = sets[status["currentPodHash"]]
        self._resize(ro, new, want)
        if sum(is_true(p, "Ready") for p in active(self.owned(PODS, new))) >= want:
            self._switch(ro, status["currentPodHash"])
            self._promote(ro, status, sets, want)

    def _switch(self, ro: Json, digest: str) -> None:
        """The active Service selects the new revision."""
        name = (ro["spec"]["strategy"]["blueGreen"] or {}).get("activeService")

        def write(data: Json) -> None:
            data["spec"].setdefault("selector", {})[HASH] = digest
        if name:
            self.store.modify(SERVICES, ro["metadata"]["namespace"], name, write)

    def _promote(self, ro: Json, status: Json, sets: dict[str, Json], want: int) -> None:
        """The new revision is stable once all its pods are ready; old ones go."""
        new = sets[status["currentPodHash"]]
        if sum(is_true(p, "Ready") for p in active(self.owned(PODS, new))) < want:
            return
        if "blueGreen" in ro["spec"].get("strategy", {}):
            self._switch(ro, status["currentPodHash"])
        status["stableRS"] = status["currentPodHash"]
        for digest, rs in sets.items():
            if digest != status["currentPodHash"]:
                self._resize(ro, rs, 0)

    def _resize(self, ro: Json, rs: Json, count: int) -> None:
        now = self.store.get(REPLICASETS, rs["metadata"]["namespace"], rs["metadata"]["name"])
        if now is None or now["spec"].get("replicas", 0) == count:
            return
        old = now["spec"].get("replicas", 0)

        def change(data: Json) -> None:
            data["spec"]["replicas"] = count
        self.store.modify(REPLICASETS, rs["metadata"]["namespace"], rs["metadata"]["name"], change)
        way = "up" if count > old else "down"
        self.recorder.normal(ROLLOUTS, ro, "ScalingReplicaSet", f"Scaled {way} ReplicaSet {rs['metadata']['name']} from {old} to {count}", COMPONENT)

    # Status

    def _write(self, key: Key, ro: Json, status: Json) -> None:
        fresh = self.store.get(ROLLOUTS, *key)
        if fresh is None:
            return
        sets = self.owned(REPLICASETS, fresh)
        pods = [p for s in sets for p in active(self.owned(PODS, s))]
        new = [p for p in pods if (p["metadata"].get("labels") or {}).get(HASH) == status["currentPodHash"]]
        want = fresh["spec"].get("replicas", 1)
        ready = sum(is_true(p, "Ready") for p in pods)
        status |= {"replicas": len(pods), "updatedReplicas": len(new), "readyReplicas": ready, "availableReplicas": ready,
                   "HPAReplicas": len(pods), "observedGeneration": str(fresh["metadata"]["generation"]),
                   "selector": ",".join(f"{k}={v}" for k, v in (fresh["spec"]["selector"].get("matchLabels") or {}).items())}
        if "blueGreen" in fresh["spec"].get("strategy", {}):
            status["blueGreen"] = {"activeSelector": status["stableRS"]}
        done = status["stableRS"] == status["currentPodHash"] and len(new) == len(pods) == want and ready == want
        status["phase"], status["message"] = self._phase(fresh, status, done)
        if not status["message"]:
            del status["message"]
        self._conditions(fresh, status, done)
        if status == fresh.get("status"):
            return

        def write(data: Json) -> None:
            data["status"] = status
        self.store.modify(ROLLOUTS, key[0], key[1], write, "status")

    def _phase(self, ro: Json, status: Json, done: bool) -> tuple[str, str]:
        if status.get("abort"):
            return "Degraded", f"RolloutAborted: Rollout aborted update to revision {ro['metadata'].get('annotations', {}).get(REVISION, '?')}"
        if ro["spec"].get("paused"):
            return "Paused", "manually paused"
        if status.get("pauseConditions"):
            return "Paused", "CanaryPauseStep"
        if done:
            return "Healthy", ""
        left = unstamp(status.get("progressSince")) + ro["spec"].get("progressDeadlineSeconds", 600) - self.clock.now()
        if left <= 0:
            return "Degraded", f'ProgressDeadlineExceeded: ReplicaSet "{ro["metadata"]["name"]}-{status["currentPodHash"]}" has timed out progressing.'
        self.enqueue((ro["metadata"]["namespace"], ro["metadata"]["name"]), left + 1)
        return "Progressing", "more replicas need to be updated"

    def _conditions(self, ro: Json, status: Json, done: bool) -> None:
        now = stamp(self.clock.now())
        enough = status["availableReplicas"] >= ro["spec"].get("replicas", 1)
        wanted = {"Available": ("True" if enough else "False", "AvailableReason", "Rollout has minimum availability" if enough else "Rollout does not have minimum availability"),
                  "Completed": ("True" if done else "False", "RolloutCompleted", "")}
        out: list[Json] = []
        for kind, (value, reason, message) in wanted.items():
            old: Optional[Json] = condition(ro, kind)
            since = old["lastTransitionTime"] if old and old["status"] == value else now
            out.append({"type": kind, "status": value, "lastUpdateTime": since, "lastTransitionTime": since, "reason": reason, "message": message})
        status["conditions"] = out
