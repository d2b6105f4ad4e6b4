"""Pod conditions by kubelet's rules, with kubelet's reasons and messages. Pure functions."""
from __future__ import annotations

from typing import Any, Optional

from .util import condition, stamp

Json = Any
ORDER = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
Verdict = tuple[str, str, str]  # status, reason, message


def containers_ready(pod: Json, statuses: list[Json], phase: str) -> Verdict:
    """Kubernetes pkg/kubelet/status/generate.go GenerateContainersReadyCondition."""
    if not statuses:
        return "False", "UnknownContainerStatuses", ""
    if phase == "Succeeded":
        return "False", "PodCompleted", ""
    if phase == "Failed":
        return "False", "PodFailed", ""
    by_name = {s["name"]: s for s in statuses}
    unknown = [c["name"] for c in pod["spec"]["containers"] if c["name"] not in by_name]
    unready = [c["name"] for c in pod["spec"]["containers"] if c["name"] in by_name and not by_name[c["name"]]["ready"]]
    messages = []
    if unknown:
        messages.append(f"containers with unknown status: [{' '.join(unknown)}]")
    if unready:
        messages.append(f"containers with unready status: [{' '.join(unready)}]")
    return ("False", "ContainersNotReady", ", ".join(messages)) if messages else ("True", "", "")


def ready(pod: Json, containers: Verdict) -> Verdict:
    """generate.go GeneratePodReadyCondition: containers first, then each gate in the order of the spec."""
    if containers[0] != "True":
        return "False", containers[1], containers[2]
    messages = []
    for gate in pod["spec"].get("readinessGates") or []:
        kind = gate["conditionType"]
        have = condition(pod, kind)
        if have is None:
            messages.append(f'corresponding condition of pod readiness gate "{kind}" does not exist.')
        elif have.get("status") != "True":
            messages.append(f'the status of pod readiness gate "{kind}" is not "True", but {have.get("status")}')
    return ("False", "ReadinessGatesNotReady", ", ".join(messages)) if messages else ("True", "", "")


def set_condition(conditions: list[Json], kind: str, verdict: Verdict, now: float, probe: bool = True,
                  front: bool = False) -> None:
    """Puts a condition in place; lastTransitionTime moves with the status only."""
    status, reason, message = verdict
    at: Optional[int] = next((i for i, c in enumerate(conditions) if c.get("type") == kind), None)
    since = stamp(now)
    if at is not None and conditions[at].get("status") == status:
        since = conditions[at].get("lastTransitionTime") or since
    new: Json = {"type": kind, "status": status}
    if probe:
        new["lastProbeTime"] = None
    new["lastTransitionTime"] = since
    if reason:
        new["reason"] = reason
    if message:
        new["message"] = message
    if at is not None:
        conditions[at] = new
    elif front:
        conditions.insert(0, new)
    else:
        conditions.append(new)


def set_pod_conditions(pod: Json, verdicts: dict[str, Verdict], now: float) -> None:
    """Kubelet's own conditions, in kubelet's order; those of others are left alone."""
    conditions = pod["status"].setdefault("conditions", [])
    for kind in ORDER:
        if kind in verdicts:
            set_condition(conditions, kind, verdicts[kind], now)
    own = {k: i for i, k in enumerate(ORDER)}
    conditions.sort(key=lambda c: own.get(c["type"], -1))
