"""Table and metadata-only forms, enough for kubectl to print."""
from __future__ import annotations

from typing import Any, Callable

from .kinds import Kind
from .store import Item
from .util import dumps, is_true, unstamp

Json = Any
Row = Callable[[Json, float], list[Any]]


def age(obj: Json, now: float) -> str:
    """kubectl's short age."""
    left = max(0, int(now - unstamp(obj["metadata"].get("creationTimestamp"))))
    if left < 120:
        return f"{left}s"
    if left < 600:
        return f"{left // 60}m{left % 60}s" if left % 60 else f"{left // 60}m"
    if left < 3 * 3600:
        return f"{left // 60}m"
    return f"{left // 3600}h" if left < 2 * 86400 else f"{left // 86400}d"


def _pod_status(pod: Json) -> str:
    if pod["metadata"].get("deletionTimestamp"):
        return "Terminating"
    for st in pod.get("status", {}).get("containerStatuses") or []:
        state = st.get("state") or {}
        for key in ("waiting", "terminated"):
            if state.get(key, {}).get("reason"):
                return str(state[key]["reason"])
    return str(pod.get("status", {}).get("phase", "Unknown"))


def _pod(pod: Json, now: float) -> list[Any]:
    status = pod.get("status", {})
    states = status.get("containerStatuses") or []
    gates = pod["spec"].get("readinessGates") or []
    shown = f"{sum(is_true(pod, g['conditionType']) for g in gates)}/{len(gates)}" if gates else "<none>"
    return [pod["metadata"]["name"], f"{sum(bool(s.get('ready')) for s in states)}/{len(pod['spec']['containers'])}",
            _pod_status(pod), sum(s.get("restartCount", 0) for s in states), age(pod, now),
            status.get("podIP", "<none>"), pod["spec"].get("nodeName", "<none>"),
            status.get("nominatedNodeName", "<none>"), shown]


def _deployment(o: Json, now: float) -> list[Any]:
    st = o.get("status", {})
    return [o["metadata"]["name"], f"{st.get('readyReplicas', 0)}/{o['spec'].get('replicas', 1)}",
            st.get("updatedReplicas", 0), st.get("availableReplicas", 0), age(o, now)]


def _replicaset(o: Json, now: float) -> list[Any]:
    st = o.get("status", {})
    return [o["metadata"]["name"], o["spec"].get("replicas", 0), st.get("replicas", 0),
            st.get("readyReplicas", 0), age(o, now)]


def _statefulset(o: Json, now: float) -> list[Any]:
    return [o["metadata"]["name"], f"{o.get('status', {}).get('readyReplicas', 0)}/{o['spec'].get('replicas', 1)}",
            age(o, now)]


def _service(o: Json, now: float) -> list[Any]:
    spec = o["spec"]
    ports = ",".join(f"{p['port']}/{p.get('protocol', 'TCP')}" for p in spec.get("ports") or []) or "<none>"
    return [o["metadata"]["name"], spec.get("type", ""), spec.get("clusterIP", "<none>"), "<none>", ports, age(o, now)]


def _namespace(o: Json, now: float) -> list[Any]:
    return [o["metadata"]["name"], o.get("status", {}).get("phase", ""), age(o, now)]


def _node(o: Json, now: float) -> list[Any]:
    info = o.get("status", {}).get("nodeInfo", {})
    return [o["metadata"]["name"], "Ready" if is_true(o, "Ready") else "NotReady", "<none>", age(o, now),
            info.get("kubeletVersion", "")]


def _event(o: Json, now: float) -> list[Any]:
    on = o.get("involvedObject", {})
    seen = {"metadata": {"creationTimestamp": o.get("lastTimestamp")}}
    return [age(seen, now), o.get("type", ""), o.get("reason", ""), f"{on.get('kind', '').lower()}/{on.get('name', '')}",
            o.get("message", "")]


def _binding(o: Json, now: float) -> list[Any]:
    ref = o["spec"].get("serviceRef", {})
    return [o["metadata"]["name"], ref.get("name", ""), str(ref.get("port", "")), o["spec"].get("targetType", ""), age(o, now)]


def _slice(o: Json, now: float) -> list[Any]:
    ports = ",".join(str(p.get("port")) for p in o.get("ports") or []) or "<unset>"
    ips = ",".join(a for e in o.get("endpoints") or [] for a in e["addresses"]) or "<unset>"
    return [o["metadata"]["name"], o.get("addressType", ""), ports, ips, age(o, now)]


WIDE_FROM = {"pods": 5}
LAYOUTS: dict[str, tuple[list[str], Row]] = {
    "pods": (["Name", "Ready", "Status", "Restarts", "Age", "IP", "Node", "Nominated Node", "Readiness Gates"], _pod),
    "deployments.apps": (["Name", "Ready", "Up-to-date", "Available", "Age"], _deployment),
    "replicasets.apps": (["Name", "Desired", "Current", "Ready", "Age"], _replicaset),
    "statefulsets.apps": (["Name", "Ready", "Age"], _statefulset),
    "services": (["Name", "Type", "Cluster-IP", "External-IP", "Port(s)", "Age"], _service),
    "namespaces": (["Name", "Status", "Age"], _namespace),
    "nodes": (["Name", "Status", "Roles", "Age", "Version"], _node),
    "events": (["Last Seen", "Type", "Reason", "Object", "Message"], _event),
    "targetgroupbindings.elbv2.k8s.aws": (["Name", "Service-Name", "Service-Port", "Target-Type", "Age"], _binding),
    "targetgroupbindings.eks.amazonaws.com": (["Name", "Service-Name", "Service-Port", "Target-Type", "Age"], _binding),
    "endpointslices.discovery.k8s.io": (["Name", "AddressType", "Ports", "Endpoints", "Age"], _slice),
}


def partial(item: Item, with_kind: bool = True) -> bytes:
    """PartialObjectMetadata."""
    head: Json = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"} if with_kind else {}
    return dumps(head | {"metadata": item.data["metadata"]})


def table(kind: Kind, items: list[Item], now: float, include: str, meta: Json) -> bytes:
    """A Table of these objects."""
    names, row = LAYOUTS.get(kind.key, (["Name", "Age"], lambda o, n: [o["metadata"]["name"], age(o, n)]))
    wide = WIDE_FROM.get(kind.key, len(names))
    columns = [{"name": n, "type": "string", "format": "name" if n == "Name" else "", "description": n,
                "priority": int(i >= wide)} for i, n in enumerate(names)]
    rows: list[Json] = []
    for item in items:
        one: Json = {"cells": row(item.data, now)}
        if include == "Object":
            one["object"] = {"kind": kind.kind, "apiVersion": kind.gv} | item.data
        elif include != "None":
            one["object"] = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
                             "metadata": item.data["metadata"]}
        rows.append(one)
    return dumps({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": meta,
                  "columnDefinitions": columns, "rows": rows})
