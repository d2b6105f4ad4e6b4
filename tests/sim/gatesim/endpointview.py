"""Which pods the gate controller takes for targets: its view of Service and EndpointSlices."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .kinds import NODES, PODS, SERVICES, SLICES
from .store import Store
from .targets import Address
from .util import is_true

Json = Any


class NotFound(Exception):
    """The Service, or its port, is missing."""


@dataclass(frozen=True)
class Endpoint:
    """A pod and its target address."""

    address: Address
    pod: Json


def _service_port(svc: Json, namespace: str, wanted: Any) -> Json:
    for port in svc["spec"].get("ports") or []:
        if wanted in (port.get("port"), port.get("name")):
            return port
    raise NotFound(f"unable to find port {wanted} on service {namespace}/{svc['metadata']['name']}")


def _takes(store: Store, end: Json, pod: Json) -> bool:
    """Ready endpoints, and unready ones whose containers are ready on a ready node."""
    conditions = end["conditions"]
    if conditions.get("ready") is not False:
        return True
    node = store.get(NODES, "", end.get("nodeName", ""))
    return is_true(pod, "ContainersReady") and node is not None and is_true(node, "Ready") and not conditions.get("terminating")


def endpoints_of(store: Store, binding: Json) -> list[Endpoint]:
    """Targets that the binding should have; NotFound when its Service or port is missing."""
    namespace = binding["metadata"]["namespace"]
    ref = binding["spec"].get("serviceRef") or {}
    svc = store.get(SERVICES, namespace, ref.get("name", ""))
    if svc is None:
        raise NotFound(f'Service "{ref.get("name", "")}" not found')
    port = _service_port(svc, namespace, ref.get("port"))
    out: list[Endpoint] = []
    for piece in store.list(SLICES, namespace):
        if (piece["metadata"].get("labels") or {}).get("kubernetes.io/service-name") != svc["metadata"]["name"]:
            continue
        number = next((p["port"] for p in piece.get("ports") or [] if p.get("name", "") == port.get("name", "")), None)
        if number is None:
            continue
        for end in piece.get("endpoints") or []:
            pod = store.get(PODS, namespace, end["targetRef"]["name"])
            if pod is not None and pod["metadata"]["uid"] == end["targetRef"]["uid"] and _takes(store, end, pod):
                out.extend(Endpoint((ip, number), pod) for ip in end["addresses"])
    return out
