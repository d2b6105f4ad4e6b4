"""Scheduler and kubelets: a pod gets a node, an address, running containers, and its Ready by rule.

A Run is what happens to one pod; timers move it, and each pass writes the status that follows from it.
"""
from __future__ import annotations

import fnmatch
from typing import Any, Optional

from . import podstatus
from .behaviour import NEVER, Behaviour, Behaviours
from .controller import Controller, Key, key_of
from .errors import ApiError
from .kinds import NODES, PODS
from .recorder import Recorder
from .store import Event, Store
from .util import condition, is_true, stamp

Json = Any
GATE_LATENCY = 0.1  # from a gate's change to Ready, as recorded


class Run:
    """One pod's life on its node."""

    def __init__(self, uid: str, behaviour: Behaviour) -> None:
        self.uid = uid
        self.behaviour = behaviour
        self.bound = False
        self.ip = ""
        self.initialized = False
        self.running_since: Optional[float] = None
        self.ready = False
        self.forced: Optional[bool] = None  # readiness by the control interface
        self.restarts = 0
        self.waiting: tuple[str, str] = ("ContainerCreating", "")
        self.last: Json = {}
        self.stopping = False


class Kubelet(Controller):
    """All nodes' kubelets and the scheduler."""

    name = "kubelet"

    def __init__(self, store: Store, recorder: Recorder, behaviours: Behaviours) -> None:
        super().__init__(store, recorder)
        self.behaviours = behaviours
        self.runs: dict[Key, Run] = {}
        self.frozen: set[Key] = set()  # namespace and pattern of pods whose status stays as it is
        self.addresses: set[str] = set()
        self._next_ip = 0
        self._load: dict[str, int] = {}
        store.listen(PODS, self._changed)

    # What wakes it

    def _changed(self, event: Event) -> None:
        pod = event.item.data
        key = key_of(pod)
        if event.type == "DELETED":
            run = self.runs.pop(key, None)
            if run:
                self.addresses.discard(run.ip)
            node = pod["spec"].get("nodeName", "")
            self._load[node] = max(0, self._load.get(node, 0) - 1)
            return
        run = self.runs.get(key)
        if run is None or run.uid != pod["metadata"]["uid"]:
            run = self.runs[key] = Run(pod["metadata"]["uid"], self.behaviours.of(pod))
            wait = run.behaviour.schedule if not pod["spec"].get("nodeName") else 0.0
            self._later(key, 1.0 if wait >= NEVER else wait, lambda r: self._schedule(key, r))
            return
        if pod["metadata"].get("deletionTimestamp"):
            self._stop(key, pod, run)
        elif run.ip:
            self.enqueue(key, GATE_LATENCY)

    def _later(self, key: Key, delay: float, step: Any) -> None:
        """Runs a step of the pod that has the key now, if it is still there then."""
        run = self.runs[key]

        def go() -> None:
            if self.runs.get(key) is run and not run.stopping:
                step(run)
                self.enqueue(key, 0.0)
        if delay < NEVER:
            self.clock.call_later(delay, go)

    # The steps of a pod's life

    def _schedule(self, key: Key, run: Run) -> None:
        pod = self.store.get(PODS, *key)
        if pod is None:
            return
        node = pod["spec"].get("nodeName") or self._choose(run)
        now = self.clock.now()
        if not node:
            total = len(self.store.list(NODES))
            message = f"0/{total} nodes are available: {total} Insufficient cpu. preemption: 0/{total} nodes are available: " \
                      f"{total} No preemption victims found for incoming pod."
            self.store.modify(PODS, *key, lambda p: podstatus.set_pod_conditions(
                p, {"PodScheduled": ("False", "Unschedulable", message)}, now), "status")
            self.recorder.warning(PODS, pod, "FailedScheduling", message, "default-scheduler")
            return
        self._load[node] = self._load.get(node, 0) + 1
        run.bound = True

        def bind(p: Json) -> None:
            p["spec"]["nodeName"] = node
            zone = self._zone(node)
            if zone:
                p["metadata"].setdefault("labels", {})["topology.kubernetes.io/zone"] = zone
        if not pod["spec"].get("nodeName"):
            self.store.modify(PODS, *key, bind, "binding")
        self.store.modify(PODS, *key, lambda p: podstatus.set_pod_conditions(
            p, {"PodScheduled": ("True", "", "")}, now), "status")
        self.recorder.normal(PODS, pod, "Scheduled", f"Successfully assigned {key[0]}/{key[1]} to {node}", "default-scheduler")
        self._later(key, run.behaviour.sandbox, lambda r: self._sandbox(key, r))

    def _choose(self, run: Run) -> str:
        if run.behaviour.schedule >= NEVER:
            return ""
        ready = [n["metadata"]["name"] for n in self.store.list(NODES) if is_true(n, "Ready") and not n["spec"].get("unschedulable")]
        return min(ready, key=lambda n: (self._load.get(n, 0), n), default="")

    def _zone(self, node: str) -> str:
        obj = self.store.get(NODES, "", node)
        return ((obj or {}).get("metadata", {}).get("labels") or {}).get("topology.kubernetes.io/zone", "")

    def _address(self) -> str:
        """The next free address; freed ones come round again."""
        for _ in range(65000):
            self._next_ip = self._next_ip % 65000 + 1
            ip = f"10.244.{self._next_ip // 250}.{self._next_ip % 250 + 1}"
            if ip not in self.addresses:
                self.addresses.add(ip)
                return ip
        raise RuntimeError("no pod address is free")

    def _sandbox(self, key: Key, run: Run) -> None:
        run.ip = self._address()
        pod = self.store.get(PODS, *key)
        if pod and pod["spec"].get("initContainers"):
            run.waiting = ("PodInitializing", "")
            self._later(key, run.behaviour.init, lambda r: self._initialized(key, r))
        else:
            self._initialized(key, run)

    def _initialized(self, key: Key, run: Run) -> None:
        run.initialized = True
        if run.behaviour.create_error:
            self._later(key, run.behaviour.start, lambda r: self._refuse(key, r))
        elif run.behaviour.pull_error:
            self._later(key, run.behaviour.start, lambda r: self._pull(key, r, 10.0))
        else:
            self._later(key, run.behaviour.start, lambda r: self._start(key, r))

    def _refuse(self, key: Key, run: Run) -> None:
        """A container that its node cannot make, such as one whose Secret is missing."""
        run.waiting = ("CreateContainerConfigError", run.behaviour.create_error)
        pod = self.store.get(PODS, *key)
        if pod:
            self.recorder.warning(PODS, pod, "Failed", f"Error: {run.behaviour.create_error}", "kubelet")

    def _pull(self, key: Key, run: Run, wait: float) -> None:
        pod = self.store.get(PODS, *key)
        if pod is None:
            return
        image = self._container(pod, run)["image"]
        text = f'failed to pull and unpack image "{image}": {run.behaviour.pull_error}'
        run.waiting = ("ErrImagePull", text)
        self.recorder.warning(PODS, pod, "Failed", f'Failed to pull image "{image}": {text}', "kubelet")

        def back_off(r: Run) -> None:
            r.waiting = ("ImagePullBackOff", f'Back-off pulling image "{image}": ErrImagePull: {text}')
            self.recorder.warning(PODS, pod, "Failed", "Error: ImagePullBackOff", "kubelet")
        self._later(key, 2.0, back_off)
        self._later(key, wait, lambda r: self._pull(key, r, min(wait * 2, 300.0)))

    def _start(self, key: Key, run: Run) -> None:
        b = run.behaviour
        run.running_since = self.clock.now()
        pod = self.store.get(PODS, *key)
        if pod:
            self.recorder.normal(PODS, pod, "Started", f"Container started: {self._container(pod, run)['name']}", "kubelet")
        if b.ready <= 0:
            self._set_ready(key, run)
        elif b.ready < NEVER:
            self._later(key, b.ready, lambda r: self._set_ready(key, r))
        else:
            self._later(key, 10.0, lambda r: self._probe(key, r))
        if b.crash is not None:
            self._later(key, b.crash, lambda r: self._crash(key, r))

    def _set_ready(self, key: Key, run: Run) -> None:
        if run.running_since is None:
            return
        run.ready = True
        b = run.behaviour
        if b.unready_after is not None and run.restarts == 0:
            def unready(r: Run) -> None:
                r.ready = False
                self._later(key, b.unready_for, lambda again: setattr(again, "ready", True))
            self._later(key, b.unready_after, unready)

    def _probe(self, key: Key, run: Run) -> None:
        pod = self.store.get(PODS, *key)
        if pod is None or run.ready or run.forced:
            return
        self.recorder.warning(PODS, pod, "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503", "kubelet")
        self._later(key, 30.0, lambda r: self._probe(key, r))

    def _crash(self, key: Key, run: Run) -> None:
        pod = self.store.get(PODS, *key)
        if pod is None or run.running_since is None:
            return
        b, now = run.behaviour, self.clock.now()
        run.last = {"terminated": {"exitCode": b.exit_code, "reason": b.exit_reason, "startedAt": stamp(run.running_since),
                                   "finishedAt": stamp(now), "containerID": f"containerd://{run.uid.replace('-', '')}{run.restarts}"}}
        run.running_since, run.ready = None, False
        wait = min(10.0 * 2 ** run.restarts, 300.0)
        run.restarts += 1
        name = self._container(pod, run)["name"]
        run.waiting = ("CrashLoopBackOff",
                       f"back-off {_go_duration(wait)} restarting failed container={name} pod={key[1]}_{key[0]}({run.uid})")
        self.recorder.warning(PODS, pod, "BackOff", f"Back-off restarting failed container {name} in pod {key[1]}_{key[0]}({run.uid})", "kubelet")
        self._later(key, wait, lambda r: self._start(key, r))

    def _stop(self, key: Key, pod: Json, run: Run) -> None:
        if run.stopping:
            return
        run.stopping = True
        grace = pod["metadata"].get("deletionGracePeriodSeconds", 30)

        def gone() -> None:
            if self.runs.get(key) is run:
                try:
                    self.store.delete(PODS, key[0], key[1], 0)
                except ApiError:
                    pass  # somebody was faster
        if not run.bound:
            grace = 0
        self.clock.call_later(min(run.behaviour.stop, grace), gone)

    def force(self, key: Key, ready: Optional[bool]) -> None:
        """Readiness of a running pod's containers by hand; None gives it back to its behaviour."""
        run = self.runs[key]
        run.forced = ready
        self.enqueue(key, 0.0)

    def freeze(self, pattern: Key, frozen: bool) -> None:
        """Nothing of these pods is written any more, or again."""
        self.frozen = self.frozen | {pattern} if frozen else self.frozen - {pattern}
        for key in self.runs:
            self.enqueue(key, 0.0)

    def _silent(self, key: Key, pod: Json) -> bool:
        node = condition(self.store.get(NODES, "", pod["spec"]["nodeName"]) or {}, "Ready")
        return ((node is not None and node["status"] == "Unknown")
                or any(key[0] == space and fnmatch.fnmatchcase(key[1], name) for space, name in self.frozen))

    # Writing the status

    @staticmethod
    def _container(pod: Json, run: Run) -> Json:
        containers = pod["spec"]["containers"]
        return next((c for c in containers if c["name"] == run.behaviour.container), containers[0])

    def _statuses(self, pod: Json, run: Run) -> list[Json]:
        out = []
        main = self._container(pod, run)
        for c in pod["spec"]["containers"]:
            own = c is main
            broken = bool(run.waiting[1]) and not own  # the others run on while one is crashing or pulling
            running = run.running_since is not None or (broken and run.ip != "")
            is_ready = (run.ready if run.forced is None else run.forced) if own else running
            since = run.running_since if run.running_since is not None else self.clock.now()
            waiting: Json = {"reason": run.waiting[0]}
            if run.waiting[1]:
                waiting["message"] = run.waiting[1]
            old: Json = next((s for s in pod["status"].get("containerStatuses") or [] if s["name"] == c["name"]), {})
            if running and not own and old.get("state", {}).get("running"):
                state = old["state"]
            elif running:
                state = {"running": {"startedAt": stamp(since)}}
            else:
                state = {"waiting": waiting}
            out.append({"name": c["name"], "state": state, "lastState": run.last if own else {},
                        "ready": bool(running and is_ready), "restartCount": run.restarts if own else 0,
                        "image": c["image"], "imageID": "", "started": running})
        return out

    @staticmethod
    def _init_statuses(pod: Json, run: Run, now: float) -> list[Json]:
        old = {s["name"]: s for s in pod["status"].get("initContainerStatuses") or []}
        out = []
        for c in pod["spec"]["initContainers"]:
            have = old.get(c["name"], {})
            began = have.get("state", {}).get("running", {}).get("startedAt") or stamp(now)
            state = {"running": {"startedAt": began}}
            if run.initialized:
                state = have["state"] if "terminated" in have.get("state", {}) else {"terminated": {
                    "exitCode": 0, "reason": "Completed", "startedAt": began, "finishedAt": stamp(now), "containerID": f"containerd://{run.uid}"}}
            out.append({"name": c["name"], "state": state, "lastState": {}, "ready": run.initialized, "restartCount": 0,
                        "image": c["image"], "imageID": "", "started": not run.initialized})
        return out

    def reconcile(self, key: Key) -> None:
        run = self.runs.get(key)
        pod = self.store.get(PODS, *key)
        if run is None or pod is None or not run.ip or run.stopping or self._silent(key, pod):
            return
        now = self.clock.now()
        node = pod["spec"]["nodeName"]

        def write(p: Json) -> None:
            status = p["status"]
            statuses = self._statuses(pod, run)
            containers = podstatus.containers_ready(p, statuses, status.get("phase", "Pending"))
            started = run.running_since is not None or run.restarts > 0
            status["phase"] = "Running" if started else "Pending"
            inits = [c["name"] for c in p["spec"].get("initContainers") or []]
            if inits:
                status["initContainerStatuses"] = self._init_statuses(p, run, now)
            podstatus.set_pod_conditions(p, {
                "PodReadyToStartContainers": ("True", "", ""), "Initialized": ("True", "", "") if run.initialized else
                ("False", "ContainersNotInitialized", f"containers with incomplete status: [{' '.join(inits)}]"),
                "Ready": podstatus.ready(p, containers), "ContainersReady": containers}, now)
            status["hostIP"] = self._host_ip(node)
            status["podIP"] = run.ip
            status["podIPs"] = [{"ip": run.ip}]
            status.setdefault("startTime", stamp(now))
            status["containerStatuses"] = statuses
        self.store.modify(PODS, *key, write, "status")

    def _host_ip(self, node: str) -> str:
        obj = self.store.get(NODES, "", node) or {}
        return next((a["address"] for a in obj.get("status", {}).get("addresses") or [] if a["type"] == "InternalIP"), "")


def _go_duration(seconds: float) -> str:
    """10s, 1m20s, 5m0s."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
