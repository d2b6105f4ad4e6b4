"""Changes of all sorts at a real API server, by several threads, for as long as a test wants; seeded, so that a run can
be told apart from another. Requests that fail since the server is away are part of the test."""
from __future__ import annotations

import random
import threading
import time
import urllib.error
from typing import Any

import objects
from control_plane import ControlPlane

NAMESPACES = ("churn-a", "churn-b", "churn-c")
APPS = [f"app{i}" for i in range(5)]


def path_of(obj: dict[str, Any], name: bool = True) -> str:
    plural = {"TargetGroupBinding": "targetgroupbindings", "PodDisruptionBudget": "poddisruptionbudgets"}
    group = obj["apiVersion"]
    root = f"/api/{group}" if "/" not in group else f"/apis/{group}"
    kind = plural.get(obj["kind"], obj["kind"].lower() + "s")
    return f"{root}/namespaces/{obj['metadata']['namespace']}/{kind}" + (f"/{obj['metadata']['name']}" if name else "")


class Churn:
    def __init__(self, plane: ControlPlane, seed: int, workers: int = 3) -> None:
        self.plane = plane
        self.done = {"ok": 0, "refused": 0}
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._work, args=(random.Random(seed * 100 + i),), daemon=True)
                         for i in range(workers)]
        self._steps = (self._restart, self._restart, self._scale, self._kill_pod, self._kill_pod, self._flip_service,
                       self._flip_binding, self._flip_budget, self._relabel, self._event, self._flip_workload)

    def __enter__(self) -> Churn:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(60)

    @staticmethod
    def setup(plane: ControlPlane) -> None:
        plane.apply(*(objects.namespace(ns) for ns in NAMESPACES))
        plane.apply(*(o for ns in NAMESPACES for i, app in enumerate(APPS)
                      for o in objects.gated(ns, app, replicas=2 + i % 2, kind=Churn.kind(app), node=f"node-{i % 2}")))

    @staticmethod
    def kind(app: str) -> str:
        return {"app3": "StatefulSet", "app4": "DaemonSet"}.get(app, "Deployment")

    def _work(self, dice: random.Random) -> None:
        while not self._ended.wait(dice.uniform(0.02, 0.15)):
            try:
                dice.choice(self._steps)(dice)
                self.done["ok"] += 1
            except urllib.error.HTTPError as error:
                assert error.code in (404, 409, 422, 429, 500, 503), f"{error.code} {error.read()[:300]!r}"
                self.done["refused"] += 1
            except (OSError, urllib.error.URLError):
                self.done["refused"] += 1
                time.sleep(0.2)

    def _workload(self, dice: random.Random) -> dict[str, Any]:
        app = dice.choice(APPS)
        return objects.workload(dice.choice(NAMESPACES), app, kind=self.kind(app))

    def _patch(self, path: str, body: dict[str, Any]) -> None:
        self.plane.api("PATCH", path, body, content="application/merge-patch+json")

    def _flip(self, obj: dict[str, Any]) -> None:
        """Deletes it, or makes it when it is not there."""
        try:
            self.plane.api("DELETE", path_of(obj))
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
            self.plane.api("POST", path_of(obj, name=False), obj)

    def _restart(self, dice: random.Random) -> None:
        version = f"v{dice.randrange(10**9)}"
        self._patch(path_of(self._workload(dice)),
                    {"spec": {"template": {"metadata": {"annotations": {"version": version}}}}})

    def _scale(self, dice: random.Random) -> None:
        workload = self._workload(dice)
        if "replicas" in workload["spec"]:
            self._patch(path_of(workload), {"spec": {"replicas": dice.randrange(0, 4)}})

    def _kill_pod(self, dice: random.Random) -> None:
        ns = dice.choice(NAMESPACES)
        pods = self.plane.api("GET", f"/api/v1/namespaces/{ns}/pods?resourceVersion=0")["items"]
        if pods:
            name = dice.choice(pods)["metadata"]["name"]
            self.plane.api("DELETE", f"/api/v1/namespaces/{ns}/pods/{name}?gracePeriodSeconds={dice.choice((0, 1))}")

    def _flip_service(self, dice: random.Random) -> None:
        self._flip(objects.service(dice.choice(NAMESPACES), dice.choice(APPS)))

    def _flip_binding(self, dice: random.Random) -> None:
        family = dice.choice((objects.LBC, objects.AUTO))
        self._flip(objects.binding(dice.choice(NAMESPACES), dice.choice(APPS), family))

    def _flip_budget(self, dice: random.Random) -> None:
        self._flip(objects.budget(dice.choice(NAMESPACES), dice.choice(APPS), 1))

    def _flip_workload(self, dice: random.Random) -> None:
        self._flip(self._workload(dice))

    def _relabel(self, dice: random.Random) -> None:
        value = dice.choice(("enabled", None, "disabled"))
        self._patch(f"/api/v1/namespaces/{dice.choice(NAMESPACES)}",
                    {"metadata": {"labels": {"elbv2.k8s.aws/pod-readiness-gate-inject": value}}})

    def _event(self, dice: random.Random) -> None:
        ns, app = dice.choice(NAMESPACES), dice.choice(APPS)
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self.plane.api("POST", f"/api/v1/namespaces/{ns}/events", {
            "apiVersion": "v1", "kind": "Event",
            "metadata": {"namespace": ns, "name": f"{app}.{dice.randrange(16**12):x}"},
            "involvedObject": {"kind": "Service", "namespace": ns, "name": app, "apiVersion": "v1"},
            "type": dice.choice(("Warning", "Warning", "Normal")), "reason": "FailedReconcile",
            "message": f"with \"quotes\", emoji 😀, a tab\t and number {dice.randrange(100)}",
            "firstTimestamp": stamp, "lastTimestamp": stamp, "count": 1, "source": {"component": "churn"}})
