"""Objects for the real cluster: gated workloads with their Service and TargetGroupBinding."""
from __future__ import annotations

from typing import Any

LBC = "target-health.elbv2.k8s.aws"
AUTO = "target-health.eks.amazonaws.com"
PADDING = "x" * 2000  # pods of real clusters are larger than what tests need


def gate_name(name: str, family: str = LBC) -> str:
    return f"{family}/{name}"


def namespace(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": name, "labels": {"elbv2.k8s.aws/pod-readiness-gate-inject": "enabled"}}}


def service(ns: str, name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"namespace": ns, "name": name},
            "spec": {"selector": {"app": name}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]}}


def binding(ns: str, name: str, family: str = LBC) -> dict[str, Any]:
    lbc = family == LBC
    arn = f"arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/{ns}-{name}/0123456789abcdef"
    return {"apiVersion": "elbv2.k8s.aws/v1beta1" if lbc else "eks.amazonaws.com/v1", "kind": "TargetGroupBinding",
            "metadata": {"namespace": ns, "name": name},
            "spec": {"targetGroupARN": arn, "targetType": "ip", "serviceRef": {"name": name, "port": 80}}}


def _template(name: str, gates: list[str], version: str, node: str) -> dict[str, Any]:
    containers = [{"name": c, "image": f"registry.invalid/{name}/{c}:{version}",
                   "ports": [{"containerPort": 8080}], "env": [{"name": "PADDING", "value": PADDING}]}
                  for c in ("app", "sidecar")]
    return {"metadata": {"labels": {"app": name}, "annotations": {"version": version}},
            "spec": {"nodeName": node, "terminationGracePeriodSeconds": 1, "containers": containers,
                     "readinessGates": [{"conditionType": g} for g in gates]}}


def workload(ns: str, name: str, *, kind: str = "Deployment", replicas: int = 3, gates: list[str] | None = None,
             version: str = "v1", node: str = "node-0") -> dict[str, Any]:
    gates = [gate_name(name)] if gates is None else gates
    spec: dict[str, Any] = {"selector": {"matchLabels": {"app": name}},
                            "template": _template(name, gates, version, node)}
    if kind == "DaemonSet":
        # its pods are placed by a scheduler, which is not there: one node, named in the template, is what a
        # DaemonSet is here; nobody takes the taint from new nodes either
        spec["template"]["spec"]["nodeSelector"] = {"kubernetes.io/hostname": node}
        spec["template"]["spec"]["tolerations"] = [{"operator": "Exists"}]
    else:
        spec["replicas"] = replicas
    if kind == "StatefulSet":
        spec["serviceName"] = name
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"namespace": ns, "name": name}, "spec": spec}


def budget(ns: str, name: str, least: int) -> dict[str, Any]:
    return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"namespace": ns, "name": name},
            "spec": {"minAvailable": least, "selector": {"matchLabels": {"app": name}}}}


def gated(ns: str, name: str, **options: Any) -> list[dict[str, Any]]:
    """A workload with everything around it."""
    return [service(ns, name), binding(ns, name), workload(ns, name, **options)]
