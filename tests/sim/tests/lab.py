"""A small simulated cluster on a manual clock, and the recorded steps to hold it to."""
from __future__ import annotations

import json
import pathlib
import sys
from typing import Any, Optional

HERE = pathlib.Path(__file__).resolve()
sys.path.insert(0, str(HERE.parents[1]))

from gatesim.behaviour import Behaviour  # noqa: E402
from gatesim.clock import Clock  # noqa: E402
from gatesim.cluster import Cluster  # noqa: E402
from gatesim.kinds import BINDINGS, DEPLOYMENTS, EVENTS, NAMESPACES, PODS, SERVICES  # noqa: E402
from gatesim.targets import TargetGroup, script  # noqa: E402
from gatesim.util import condition  # noqa: E402

Json = Any
RECORDED = HERE.parents[2] / "fixtures" / "aws-lbc"
START = 1795429000.0
Cond = Optional[tuple[str, Optional[str], Optional[str]]]


def recorded(step: str) -> Json:
    """One recorded step by the start of its file name."""
    return json.loads(next(RECORDED.glob(step + "-*.json")).read_text(encoding="utf-8"))


def cond(obj: Json, kind: str) -> Cond:
    """Status, reason and message of a condition; absent fields are None."""
    have = condition(obj, kind)
    return (have["status"], have.get("reason"), have.get("message")) if have else None


def recorded_pods(step: str) -> dict[str, Json]:
    """The step's pods by name, in their last state."""
    return {o["metadata"]["name"]: o for o in recorded(step)["objects"] if "containers" in o.get("spec", {})}


def recorded_events(step: str, kind: str = "TargetGroupBinding") -> list[tuple[str, str, str]]:
    """Type, reason and message of the step's events on a kind."""
    return [(e["type"], e["reason"], e["message"]) for e in recorded(step)["events"] if e["involvedObject"]["kind"] == kind]


class Lab:
    """The recording's set-up: one namespace, pods ready 3 s after creation, gone 6 s after deletion."""

    def __init__(self, name: str = "web", namespace: str = "shop", leftovers: str = "never", **settings: Any) -> None:
        self.name, self.namespace = name, namespace
        self.cluster = Cluster(Clock(START), 1)
        self.store = self.cluster.store
        self.cluster.behaviours.base = Behaviour(sandbox=0.5, start=2.5, stop=6.0)
        self.cluster.found(1, settings.pop("failure_policy", "Ignore"), ("aws-lbc",))
        self.cluster.lbc.leftovers = leftovers
        self.cluster.create(NAMESPACES, {"metadata": {"name": namespace, "labels": {"elbv2.k8s.aws/pod-readiness-gate-inject": "enabled"}}})
        self.group: TargetGroup = self.cluster.elb.add(name)
        self.group.attributes["deregistration_delay.timeout_seconds"] = "20"
        self.run(5)
        if settings.get("service", True):
            self.service()
        if settings.get("bind", True):
            self.bind()
        self.run(2)

    def run(self, seconds: float) -> None:
        self.cluster.clock.advance(seconds)

    def service(self, **spec: Any) -> None:
        self.cluster.create(SERVICES, {"metadata": {"name": self.name, "namespace": self.namespace}, "spec": {
            "selector": {"app": self.name}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]} | spec})

    def bind(self, name: str = "", **spec: Any) -> None:
        self.cluster.create(BINDINGS, {"metadata": {"name": name or self.name, "namespace": self.namespace}, "spec": {
            "targetGroupARN": self.group.arn, "serviceRef": {"name": self.name, "port": 80}} | spec})

    def health(self, spec: Any, **where: Any) -> None:
        self.group.steer(script(spec), **where)

    def pod(self, name: str, **spec: Any) -> None:
        self.cluster.create(PODS, {"metadata": {"name": name, "namespace": self.namespace, "labels": spec.pop("labels", {"app": self.name})},
                                   "spec": {"containers": [{"name": "app", "image": "registry.example/app:1",
                                                            "ports": [{"name": "http", "containerPort": 8080}]}]} | spec})

    def deployment(self, name: str, replicas: int, image: str = "registry.example/app:1", **spec: Any) -> None:
        self.cluster.create(DEPLOYMENTS, {"metadata": {"name": name, "namespace": self.namespace}, "spec": {
            "replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": {
                "metadata": {"labels": {"app": name}}, "spec": {"containers": [
                    {"name": "app", "image": image, "ports": [{"name": "http", "containerPort": 8080}]}]}}} | spec})

    def hold(self, name: str, ready: Optional[bool]) -> None:
        self.cluster.kubelet.force((self.namespace, name), ready)

    def get(self, name: str) -> Json:
        return self.store.get(PODS, self.namespace, name)

    def pods(self) -> list[Json]:
        return self.store.list(PODS, self.namespace)

    def gate(self, name: str) -> Cond:
        return cond(self.get(name), "target-health.elbv2.k8s.aws/" + self.name)

    def binding(self) -> Json:
        return self.store.get(BINDINGS, self.namespace, self.name)

    def checkpoint(self) -> Optional[str]:
        return (self.binding()["metadata"].get("annotations") or {}).get("elbv2.k8s.aws/checkpoint")

    def events(self, kind: str = "TargetGroupBinding") -> list[Json]:
        return [e for e in self.store.list(EVENTS, self.namespace) if e["involvedObject"]["kind"] == kind]

    def said(self, reason: str, kind: str = "TargetGroupBinding") -> list[str]:
        return [e["message"] for e in self.events(kind) if e["reason"] == reason]

    def calls(self) -> list[str]:
        return [c["action"] for c in self.cluster.elb.calls]
