"""Admission as the AWS controllers' webhooks do it: gates into new pods, defaults into new bindings."""
from __future__ import annotations

from functools import partial
from typing import Any, Callable

from . import select
from .errors import ApiError
from .kinds import AUTO_BINDINGS, BINDINGS, NAMESPACES, PODS, SERVICES, SLICES, WEBHOOKS, Kind
from .store import Event, Store
from .targets import LoadBalancers

Json = Any
LEGACY = "target-health.alb.ingress.k8s.aws"
SPACE, SERVICE = "kube-system", "aws-load-balancer-webhook-service"
SERVER = f"https://{SERVICE}.{SPACE}.svc:443/mutate-v1-pod?timeout=10s"
CACHE_SECONDS = 0.03  # recorded: pods created up to 20 ms after a deletion still got its gate, none after 50 ms
FAILURES = {  # the ends of the recorded texts
    "refused": "dial tcp 10.0.171.20:9443: connect: connection refused",
    "timeout": "context deadline exceeded",
    "x509": "tls: failed to verify certificate: x509: certificate signed by unknown authority",
    "no-service": 'service "aws-load-balancer-webhook-service" not found',
    "no-endpoints": 'no endpoints available for service "aws-load-balancer-webhook-service"',
}
FAMILIES: dict[str, tuple[Kind, str]] = {
    "mpod.elbv2.k8s.aws": (BINDINGS, "target-health.elbv2.k8s.aws/"),
    "mpod.eks.amazonaws.com": (AUTO_BINDINGS, "target-health.eks.amazonaws.com/"),
}


def webhook(family: str, failure_policy: str = "Ignore") -> Json:
    """The webhook configuration that the controller of a family installs."""
    if family == "aws-lbc":
        name, hook, label = "aws-load-balancer-webhook", "mpod.elbv2.k8s.aws", "elbv2.k8s.aws/pod-readiness-gate-inject"
        objects = [{"key": "app.kubernetes.io/name", "operator": "NotIn", "values": ["aws-load-balancer-controller"]}]
        client: Json = {"service": {"namespace": "kube-system", "name": "aws-load-balancer-webhook-service",
                                    "path": "/mutate-v1-pod", "port": 443}}
    else:
        name, hook, label = "eks-load-balancing-webhook", "mpod.eks.amazonaws.com", "eks.amazonaws.com/pod-readiness-gate-inject"
        objects, client = [], {"url": "https://eks-load-balancing.internal/mutate-v1-pod"}
    return {"metadata": {"name": name}, "webhooks": [{
        "name": hook, "clientConfig": client,
        "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "scope": "*"}],
        "failurePolicy": failure_policy, "matchPolicy": "Equivalent",
        "namespaceSelector": {"matchExpressions": [{"key": label, "operator": "In", "values": ["enabled"]}]},
        "objectSelector": {"matchExpressions": objects} if objects else {},
        "sideEffects": "None", "timeoutSeconds": 10, "admissionReviewVersions": ["v1beta1", "v1"], "reinvocationPolicy": "Never"}]}


class Front:
    """The Service before the open-source controller's webhook and its slice: what stands there decides how calls fail."""

    def __init__(self, store: Store, up: Callable[[Kind], bool]) -> None:
        self.store = store
        self.up = up
        self.installed = self.ready = True

    def sync(self) -> None:
        """Makes the objects say what is so: a Service, and its address while the controller answers."""
        have = self.store.get(SERVICES, SPACE, SERVICE) is not None
        if not self.installed:
            if have:
                self.store.delete(SLICES, SPACE, f"{SERVICE}-0")
                self.store.delete(SERVICES, SPACE, SERVICE)
            return
        ends = [{"addresses": ["10.0.171.20"], "conditions": {"ready": True, "serving": True, "terminating": False}}]
        ends = ends if self.ready and self.up(BINDINGS) else []
        if not have:  # without a selector, so that no other controller looks after its slice
            self.store.create(SERVICES, {"metadata": {"name": SERVICE, "namespace": SPACE}, "spec": {
                "type": "ClusterIP", "clusterIP": "10.0.171.10", "ports": [{"port": 443, "protocol": "TCP", "targetPort": 9443}]}})
            self.store.create(SLICES, {"metadata": {"name": f"{SERVICE}-0", "namespace": SPACE, "labels": {
                "kubernetes.io/service-name": SERVICE}}, "addressType": "IPv4", "endpoints": ends,
                "ports": [{"name": "", "port": 9443, "protocol": "TCP"}]})
            return
        self.store.modify(SLICES, SPACE, f"{SERVICE}-0", lambda data: data.update(endpoints=ends))

    def failure(self) -> str:
        """How a call ends before it reaches the controller; "" = it gets there."""
        if self.store.get(SERVICES, SPACE, SERVICE) is None:
            return "no-service"
        piece = self.store.get(SLICES, SPACE, f"{SERVICE}-0")
        return "" if piece and piece["endpoints"] else "no-endpoints"


class Injection:
    """The webhooks; `up` says whether a family's server answers."""

    def __init__(self, store: Store, elb: LoadBalancers, up: Callable[[Kind], bool]) -> None:
        self.store = store
        self.elb = elb
        self.up = up
        self.front = Front(store, up)
        self.failure = "refused"
        self.broken: set[str] = set()  # binding kinds whose webhook fails although the controller runs
        self._left: dict[str, dict[str, tuple[float, Json]]] = {}  # kind, uid: deleted bindings that the webhook's cache may still hold
        for kind, _ in FAMILIES.values():
            store.listen(kind, partial(self._leaves, self._left.setdefault(kind.key, {})))
        store.admit[PODS.key].insert(0, self.admit_pod)
        store.admit[BINDINGS.key].append(self.admit_binding)

    def set_broken(self, kinds: set[str], broken: bool, failure: str) -> None:
        """Calls of these webhooks fail, or no longer; a missing Service or endpoint is one that the objects show."""
        self.failure = failure
        self.broken = self.broken | kinds if broken else self.broken - kinds
        if BINDINGS.key in kinds:
            self.front.installed = not broken or failure != "no-service"
            self.front.ready = not broken or failure != "no-endpoints"
            self.front.sync()

    def failing(self, kind: Kind) -> str:
        """How calls of a family's webhook fail, "" = they do not."""
        before = self.front.failure() if kind is BINDINGS else ""
        return before or (self.failure if kind.key in self.broken or not self.up(kind) else "")

    def admit_pod(self, pod: Json, user: str) -> None:
        """All webhook configurations in order; a failing one refuses the pod or is ignored."""
        namespace = self.store.get(NAMESPACES, "", pod["metadata"]["namespace"]) or {"metadata": {}}
        for config in self.store.list(WEBHOOKS):
            for hook in config.get("webhooks") or []:
                family = FAMILIES.get(hook["name"])
                if family is None or not self._applies(hook, namespace, pod):
                    continue
                failure = self.failing(family[0])
                if failure:
                    if hook.get("failurePolicy") == "Fail":
                        raise self.refusal(hook["name"], failure)
                    continue
                self.inject(pod, *family)

    @staticmethod
    def refusal(name: str, failure: str) -> ApiError:
        return ApiError(500, "InternalError", f'Internal error occurred: failed calling webhook "{name}": failed to call webhook: '
                                              f'Post "{SERVER}": {FAILURES[failure]}')

    @staticmethod
    def _applies(hook: Json, namespace: Json, pod: Json) -> bool:
        return (select.selector(hook.get("namespaceSelector"))(namespace["metadata"].get("labels") or {})
                and select.selector(hook.get("objectSelector"))(pod["metadata"].get("labels") or {}))

    def _leaves(self, left: dict[str, tuple[float, Json]], event: Event) -> None:
        now, binding = self.store.clock.now(), event.item.data
        if binding["metadata"].get("deletionTimestamp") or event.type == "DELETED":
            left.setdefault(binding["metadata"]["uid"], (now, binding))
            for uid in [u for u, (at, _) in left.items() if now - at > 60]:
                del left[uid]

    def _bindings(self, kind: Kind, namespace: str) -> list[Json]:
        """As the webhook's cache has them: a deletion is news to it for a moment."""
        now = self.store.clock.now()
        live = [b for b in self.store.list(kind, namespace) if not b["metadata"].get("deletionTimestamp")]
        return live + [b for at, b in self._left[kind.key].values() if now - at < CACHE_SECONDS and b["metadata"]["namespace"] == namespace]

    def inject(self, pod: Json, kind: Kind, prefix: str) -> None:
        """A gate for each ip binding whose Service selects the pod."""
        labels = pod["metadata"].get("labels") or {}
        wanted = []
        for binding in self._bindings(kind, pod["metadata"]["namespace"]):
            spec = binding["spec"]
            svc = self.store.get(SERVICES, pod["metadata"]["namespace"], (spec.get("serviceRef") or {}).get("name", ""))
            selector = (svc or {}).get("spec", {}).get("selector") or {}
            if spec.get("targetType") == "ip" and selector and selector.items() <= labels.items():
                wanted.append(prefix + binding["metadata"]["name"])
        if not wanted:
            return
        have = [g for g in pod["spec"].get("readinessGates") or [] if not g["conditionType"].startswith(LEGACY)]
        names = {g["conditionType"] for g in have}
        pod["spec"]["readinessGates"] = have + [{"conditionType": w} for w in wanted if w not in names]

    def admit_binding(self, binding: Json, user: str) -> None:
        """Fills in what the mutating webhook reads from ELBv2, refuses a second binding of one group."""
        failure = self.failing(BINDINGS)
        if failure:
            raise ApiError(500, "InternalError", 'Internal error occurred: failed calling webhook "mtargetgroupbinding.elbv2.k8s.aws": '
                           'failed to call webhook: Post "https://aws-load-balancer-webhook-service.kube-system.svc:443/'
                           f'mutate-elbv2-k8s-aws-v1beta1-targetgroupbinding?timeout=10s": {FAILURES[failure]}')
        spec = binding.setdefault("spec", {})
        group = self.elb.groups.get(spec.get("targetGroupARN", ""))
        if group is not None:
            spec.setdefault("targetType", group.target_type)
            spec.setdefault("ipAddressType", "ipv4")
            spec.setdefault("vpcID", group.vpc)
            spec.setdefault("targetGroupProtocol", group.protocol)
        for other in self.store.list(BINDINGS):
            if other["spec"].get("targetGroupARN") != spec.get("targetGroupARN"):
                continue
            if not (spec.get("multiClusterTargetGroup") and other["spec"].get("multiClusterTargetGroup")):
                where = f"{other['metadata']['namespace']}/{other['metadata']['name']}"
                raise ApiError(403, "Forbidden", 'admission webhook "vtargetgroupbinding.elbv2.k8s.aws" denied the request: '
                               f"TargetGroup {spec.get('targetGroupARN')} is already bound to following TargetGroupBindings [{where}]. "
                               "Please enable MultiCluster mode on all TargetGroupBindings referencing "
                               f"{spec.get('targetGroupARN')} or choose a different Target Group ARN.")
