"""The table of kinds that the simulated API serves, and how requests name them."""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Iterable, Optional

VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]


@dataclass(frozen=True)
class Kind:
    """One resource of the API."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    short: tuple[str, ...] = ()
    status: bool = True
    scale: bool = False
    custom: bool = False  # a CRD: may be absent, items of its lists carry kind and apiVersion
    generation: bool = True
    all: bool = False  # member of kubectl's category "all"
    also: tuple[str, ...] = field(default=())  # other served versions

    @property
    def key(self) -> str:
        """pods, deployments.apps: unique over all groups."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def gv(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def singular(self) -> str:
        return self.kind.lower()


KINDS: tuple[Kind, ...] = (
    Kind("", "v1", "configmaps", "ConfigMap", short=("cm",), status=False, generation=False),
    Kind("", "v1", "events", "Event", short=("ev",), status=False, generation=False),
    Kind("", "v1", "namespaces", "Namespace", namespaced=False, short=("ns",), generation=False),
    Kind("", "v1", "nodes", "Node", namespaced=False, short=("no",), generation=False),
    Kind("", "v1", "pods", "Pod", short=("po",), all=True),
    Kind("", "v1", "services", "Service", short=("svc",), generation=False, all=True),
    Kind("apps", "v1", "controllerrevisions", "ControllerRevision", status=False, generation=False),
    Kind("apps", "v1", "daemonsets", "DaemonSet", short=("ds",), all=True),
    Kind("apps", "v1", "deployments", "Deployment", short=("deploy",), scale=True, all=True),
    Kind("apps", "v1", "replicasets", "ReplicaSet", short=("rs",), scale=True, all=True),
    Kind("apps", "v1", "statefulsets", "StatefulSet", short=("sts",), scale=True, all=True),
    Kind("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", short=("hpa",),
         generation=False, all=True),
    Kind("networking.k8s.io", "v1", "ingresses", "Ingress", short=("ing",)),
    Kind("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", short=("pdb",)),
    Kind("admissionregistration.k8s.io", "v1", "mutatingwebhookconfigurations",
         "MutatingWebhookConfiguration", namespaced=False, status=False),
    Kind("coordination.k8s.io", "v1", "leases", "Lease", status=False, generation=False),
    Kind("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", status=False),
    Kind("elbv2.k8s.aws", "v1beta1", "targetgroupbindings", "TargetGroupBinding", short=("tgb",),
         custom=True, also=("v1alpha1",)),
    Kind("eks.amazonaws.com", "v1", "targetgroupbindings", "TargetGroupBinding", custom=True),
    Kind("argoproj.io", "v1alpha1", "rollouts", "Rollout", short=("ro",), scale=True, custom=True),
)
BY_KEY: dict[str, Kind] = {k.key: k for k in KINDS}

PODS, SERVICES, EVENTS = BY_KEY["pods"], BY_KEY["services"], BY_KEY["events"]
NAMESPACES, NODES = BY_KEY["namespaces"], BY_KEY["nodes"]
DEPLOYMENTS, REPLICASETS = BY_KEY["deployments.apps"], BY_KEY["replicasets.apps"]
STATEFULSETS, DAEMONSETS = BY_KEY["statefulsets.apps"], BY_KEY["daemonsets.apps"]
REVISIONS = BY_KEY["controllerrevisions.apps"]
SLICES, LEASES = BY_KEY["endpointslices.discovery.k8s.io"], BY_KEY["leases.coordination.k8s.io"]
AUTOSCALERS = BY_KEY["horizontalpodautoscalers.autoscaling"]
BUDGETS = BY_KEY["poddisruptionbudgets.policy"]
WEBHOOKS = BY_KEY["mutatingwebhookconfigurations.admissionregistration.k8s.io"]
BINDINGS = BY_KEY["targetgroupbindings.elbv2.k8s.aws"]
AUTO_BINDINGS = BY_KEY["targetgroupbindings.eks.amazonaws.com"]
ROLLOUTS = BY_KEY["rollouts.argoproj.io"]


def find(group: str, version: str, plural: str) -> Optional[Kind]:
    """The kind that a request path names, or None."""
    kind = BY_KEY.get(f"{plural}.{group}" if group else plural)
    if kind and (version == kind.version or version in kind.also):
        return kind
    return None


def by_name(name: str, group: str = "") -> Kind:
    """The kind that a person names: Deployment, deploy, pods, targetgroupbindings.eks.amazonaws.com."""
    low = name.lower()
    for kind in KINDS:
        if group and kind.group != group:
            continue
        if low in (kind.key, kind.plural, kind.singular, *kind.short):
            return kind
    raise KeyError(f"there is no kind {name!r}")


def by_gvk(api_version: str, kind_name: str) -> Kind:
    """The kind of a manifest."""
    group, _, version = api_version.rpartition("/")
    for kind in KINDS:
        if kind.group == group and kind.kind == kind_name and version in (kind.version, *kind.also):
            return kind
    raise KeyError(f"there is no kind {kind_name} in {api_version}")


def groups(present: Iterable[str]) -> dict[str, list[Kind]]:
    """Kinds by group, core first; custom groups only when present."""
    have = set(present)
    out: dict[str, list[Kind]] = {}
    for kind in KINDS:
        if not kind.custom or kind.group in have:
            out.setdefault(kind.group, []).append(kind)
    return out
