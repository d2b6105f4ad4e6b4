"""What the API server fills in on creation, and the few refusals that matter."""
from __future__ import annotations

from typing import Any

from . import errors
from .kinds import (DAEMONSETS, DEPLOYMENTS, NAMESPACES, NODES, PODS, REPLICASETS, ROLLOUTS, SERVICES,
                    STATEFULSETS, WEBHOOKS, BUDGETS, Kind)
from .store import Store
from .util import jcopy

Json = Any


def _container(c: Json) -> Json:
    out = dict(c)
    for port in out.get("ports") or []:
        port.setdefault("protocol", "TCP")
    out.setdefault("resources", {})
    if isinstance(out.get("readinessProbe"), dict):
        for key, value in {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1,
                           "failureThreshold": 3}.items():
            out["readinessProbe"].setdefault(key, value)
    out.setdefault("terminationMessagePath", "/dev/termination-log")
    out.setdefault("terminationMessagePolicy", "File")
    out.setdefault("imagePullPolicy", "IfNotPresent")
    return out


def pod_spec(spec: Json) -> Json:
    """A pod spec with the API server's defaults."""
    out = dict(spec)
    for key in ("initContainers", "containers"):
        if out.get(key):
            out[key] = [_container(c) for c in out[key]]
    out.setdefault("restartPolicy", "Always")
    out.setdefault("terminationGracePeriodSeconds", 30)
    out.setdefault("dnsPolicy", "ClusterFirst")
    out.setdefault("securityContext", {})
    out.setdefault("schedulerName", "default-scheduler")
    return out


def _workload(kind: Kind, spec: Json) -> None:
    if isinstance(spec.get("template"), dict) and isinstance(spec["template"].get("spec"), dict):
        spec["template"]["spec"] = pod_spec(spec["template"]["spec"])
        meta = spec["template"].get("metadata") or {}
        spec["template"] = {"metadata": {k: v for k, v in meta.items() if v}, "spec": spec["template"]["spec"]}
    if kind is not DAEMONSETS:
        spec.setdefault("replicas", 1)
    if kind is DEPLOYMENTS:
        strategy = spec.setdefault("strategy", {"type": "RollingUpdate"})
        strategy.setdefault("type", "RollingUpdate")
        if strategy["type"] == "RollingUpdate":
            rolling = strategy.setdefault("rollingUpdate", {})
            rolling.setdefault("maxUnavailable", "25%")
            rolling.setdefault("maxSurge", "25%")
        spec.setdefault("revisionHistoryLimit", 10)
        spec.setdefault("progressDeadlineSeconds", 600)
    elif kind is STATEFULSETS:
        spec.setdefault("podManagementPolicy", "OrderedReady")
        update = spec.setdefault("updateStrategy", {"type": "RollingUpdate"})
        if update.setdefault("type", "RollingUpdate") == "RollingUpdate":
            update.setdefault("rollingUpdate", {}).setdefault("partition", 0)
        spec.setdefault("revisionHistoryLimit", 10)
        spec.setdefault("persistentVolumeClaimRetentionPolicy", {"whenDeleted": "Retain", "whenScaled": "Retain"})
    elif kind is DAEMONSETS:
        update = spec.setdefault("updateStrategy", {"type": "RollingUpdate"})
        if update.setdefault("type", "RollingUpdate") == "RollingUpdate":
            update.setdefault("rollingUpdate", {"maxUnavailable": 1, "maxSurge": 0})
        spec.setdefault("revisionHistoryLimit", 10)


def _service(store: Store, spec: Json) -> None:
    for port in spec.get("ports") or []:
        port.setdefault("protocol", "TCP")
        port.setdefault("targetPort", port.get("port"))
    kind = spec.setdefault("type", "ClusterIP")
    spec.setdefault("sessionAffinity", "None")
    if kind == "ExternalName":
        return
    if not spec.get("clusterIP"):
        spec["clusterIP"] = f"10.0.{store.random.randint(1, 250)}.{store.random.randint(1, 250)}"
    spec["clusterIPs"] = [spec["clusterIP"]]
    spec.setdefault("ipFamilies", ["IPv4"])
    spec.setdefault("ipFamilyPolicy", "SingleStack")
    spec.setdefault("internalTrafficPolicy", "Cluster")


def fill(store: Store, kind: Kind, obj: Json) -> Json:
    """A copy of a new object with defaults; a status the client sent is dropped where there is a subresource."""
    out = jcopy(obj)
    spec = out.get("spec")
    if kind.status:
        out.pop("status", None)
    if kind is PODS:
        out["spec"] = pod_spec(spec or {})
        out["spec"].setdefault("priority", 0)
        out["spec"].setdefault("enableServiceLinks", True)
        out["spec"].setdefault("preemptionPolicy", "PreemptLowerPriority")
        out["status"] = {"phase": "Pending", "qosClass": "BestEffort"}
    elif kind is NAMESPACES:
        labels = out["metadata"].setdefault("labels", {})
        labels.setdefault("kubernetes.io/metadata.name", out["metadata"].get("name", ""))
        out["spec"] = {"finalizers": ["kubernetes"]}
        out["status"] = {"phase": "Active"}
    elif kind is SERVICES:
        _service(store, out.setdefault("spec", {}))
        out["status"] = {"loadBalancer": {}}
    elif kind in (DEPLOYMENTS, REPLICASETS, STATEFULSETS, DAEMONSETS, ROLLOUTS) and isinstance(spec, dict):
        _workload(kind, spec)
        out["status"] = {}
    elif kind is BUDGETS:
        out["status"] = {"disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0}
    elif kind is WEBHOOKS:
        for hook in out.get("webhooks") or []:
            hook.setdefault("failurePolicy", "Fail")
            hook.setdefault("matchPolicy", "Equivalent")
            hook.setdefault("timeoutSeconds", 10)
            hook.setdefault("reinvocationPolicy", "Never")
    elif kind is NODES:
        out.setdefault("status", {})
    return out


def check_pod(pod: Json, user: str) -> None:
    """Refuses what the API server refuses about gates."""
    for i, gate in enumerate(pod.get("spec", {}).get("readinessGates") or []):
        name = str(gate.get("conditionType", ""))
        if len(name.rpartition("/")[2]) > 63:
            raise errors.invalid(PODS, pod["metadata"]["name"], f"spec.readinessGates[{i}].conditionType",
                                 f'Invalid value: "{name}": name part must be no more than 63 bytes')
