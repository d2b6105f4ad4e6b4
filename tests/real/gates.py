"""Plays the AWS controller's part that matters here: opens and closes readiness gates by patching pods/status."""
from __future__ import annotations

import datetime
import threading
import time
import urllib.error
from collections.abc import Callable
from typing import Any

from control_plane import ControlPlane


def now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def condition(pod: dict[str, Any], kind: str) -> dict[str, Any] | None:
    return next((c for c in pod["status"].get("conditions", []) if c["type"] == kind), None)


class GateController(threading.Thread):
    """Each pod's gates go to False (registering) at once and to True `delay` seconds after its containers are ready,
    unless hold(pod) says no: such gates stay False with the reason a failing health check has."""

    def __init__(self, plane: ControlPlane, delay: float = 1.0) -> None:
        super().__init__(daemon=True)
        self.plane, self.delay = plane, delay
        self.hold: Callable[[dict[str, Any]], bool] = lambda pod: False
        self._ended = threading.Event()
        self._ready_at: dict[str, float] = {}
        self.patched = 0

    def stop(self) -> None:
        self._ended.set()
        self.join(10)

    def run(self) -> None:
        while not self._ended.wait(0.25):
            try:
                for pod in self.plane.api("GET", "/api/v1/pods?resourceVersion=0")["items"]:
                    self._look(pod)
            except (OSError, urllib.error.URLError):
                continue  # the API server is away: a fault of the test

    def _look(self, pod: dict[str, Any]) -> None:
        gates = [g["conditionType"] for g in pod["spec"].get("readinessGates", [])]
        ready = condition(pod, "ContainersReady")
        if not gates or pod["metadata"].get("deletionTimestamp") or ready is None or ready["status"] != "True":
            return
        since = self._ready_at.setdefault(pod["metadata"]["uid"], time.monotonic())
        open_now = not self.hold(pod) and time.monotonic() - since >= self.delay
        reason, message = ("Elb.InitialHealthChecking", "Target health checks in progress")
        if self.hold(pod):
            reason, message = ("Target.FailedHealthChecks", "Health checks failed")
        want = {"status": "True"} if open_now else {"status": "False", "reason": reason, "message": message}
        wrong = [g for g in gates if not self._same(condition(pod, g), want)]
        if wrong:
            self._patch(pod, [{"type": g, "lastTransitionTime": now(), "reason": None, "message": None, **want}
                              for g in wrong])

    @staticmethod
    def _same(have: dict[str, Any] | None, want: dict[str, str]) -> bool:
        return have is not None and all(have.get(k) == v for k, v in want.items())

    def _patch(self, pod: dict[str, Any], conditions: list[dict[str, Any]]) -> None:
        meta = pod["metadata"]
        try:
            self.plane.api("PATCH", f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}/status",
                           {"metadata": {"uid": meta["uid"]}, "status": {"conditions": conditions}},
                           content="application/strategic-merge-patch+json")
            self.patched += 1
        except urllib.error.HTTPError as error:
            if error.code not in (404, 409):
                raise
