"""Turns a scenario's short form of workloads into Kubernetes objects and target groups."""
from __future__ import annotations

from typing import Any

import yaml

from . import targets
from .behaviour import ANNOTATION, Behaviour, parse
from .cluster import Cluster
from .kinds import (AUTO_BINDINGS, BINDINGS, BUDGETS, BY_KEY, DAEMONSETS, DEPLOYMENTS, NAMESPACES, ROLLOUTS, SERVICES,
                    STATEFULSETS, by_name)

Json = Any
INJECT = {"aws-lbc": "elbv2.k8s.aws/pod-readiness-gate-inject", "eks-auto": "eks.amazonaws.com/pod-readiness-gate-inject"}
WORKLOAD_KEYS = {"name", "kind", "replicas", "image", "strategy", "partition", "labels", "annotations", "pod", "sidecars",
                 "min_ready", "progress_deadline", "grace", "steps", "paused", "service", "binding", "ingress", "pdb", "hpa",
                 "probe", "pre_stop", "blue_green", "history", "init", "gates"}


def check_keys(what: str, given: Json, known: set[str]) -> None:
    """ValueError for a key that nobody reads."""
    if not isinstance(given, dict):
        raise ValueError(f"{what}: a mapping is expected, not {given!r}")
    unknown = set(given) - known
    if unknown:
        raise ValueError(f"{what}: there is no {sorted(unknown)}; there are {sorted(known)}")


def namespace(cluster: Cluster, name: str, spec: Json) -> None:
    """A namespace and all that the scenario puts into it."""
    check_keys(f"namespace {name}", spec, {"inject", "labels", "annotations", "workloads", "objects", "quota"})
    labels = dict(spec.get("labels") or {})
    if spec.get("inject"):
        if spec["inject"] not in INJECT:
            raise ValueError(f"namespace {name}: inject is one of {sorted(INJECT)}")
        labels[INJECT[spec["inject"]]] = "enabled"
    if "quota" in spec:
        cluster.quotas[name] = int(spec["quota"])
    if cluster.store.get(NAMESPACES, "", name) is None:
        cluster.create(NAMESPACES, {"metadata": {"name": name, "labels": labels, "annotations": spec.get("annotations")}})
    for obj in spec.get("objects") or []:
        manifest(cluster, name, obj)
    for one in spec.get("workloads") or []:
        workload(cluster, name, one)


def manifest(cluster: Cluster, space: str, obj: Json) -> None:
    """A plain Kubernetes object."""
    from .kinds import by_gvk
    kind = by_gvk(obj["apiVersion"], obj["kind"])
    if kind.namespaced:
        obj = dict(obj, metadata=dict({"namespace": space}, **obj["metadata"]))
    cluster.create(kind, obj)


def workload(cluster: Cluster, space: str, spec: Json) -> None:
    """A workload with its Service, bindings, budget, autoscaler and Ingress."""
    what = f"workload {space}/{spec.get('name')}"
    check_keys(what, spec, WORKLOAD_KEYS)
    name = spec["name"]
    if spec.get("service", "binding" in spec):
        _service(cluster, space, name, spec.get("service"))
    bindings = spec.get("binding") or []
    for one in bindings if isinstance(bindings, list) else [bindings]:
        binding(cluster, space, name, one)
    _extras(cluster, space, name, spec)
    kind = by_name(spec.get("kind", "Deployment"))
    cluster.create(kind, _object(kind.kind, space, name, spec, what))


def _template(name: str, spec: Json, what: str) -> Json:
    annotations = dict(spec.get("annotations") or {})
    if spec.get("pod"):
        parse(spec["pod"], Behaviour())  # refuses what it does not know, here and not later
        annotations[ANNOTATION] = yaml.safe_dump(spec["pod"], default_flow_style=True).strip()
    container: Json = {"name": "app", "image": spec.get("image", f"registry.example/{name}:1.0"),
                       "ports": [{"name": "http", "containerPort": 8080}],
                       "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}}}
    if spec.get("probe", True):
        container["readinessProbe"] = {"httpGet": {"path": spec.get("probe") if isinstance(spec.get("probe"), str) else "/healthz", "port": "http"},
                                       "periodSeconds": 5}
    if spec.get("pre_stop"):
        container["lifecycle"] = {"preStop": {"exec": {"command": ["sleep", str(spec["pre_stop"])]}}}
    pod: Json = {}
    if spec.get("init"):
        pod["initContainers"] = [{"name": "init", "image": spec["init"]}]
    if spec.get("gates"):
        pod["readinessGates"] = [{"conditionType": g} for g in spec["gates"]]
    pod |= {"containers": [container] + [{"name": s["name"], "image": s["image"]} for s in spec.get("sidecars") or []]}
    if spec.get("grace") is not None:
        pod["terminationGracePeriodSeconds"] = int(spec["grace"])
    meta: Json = {"labels": {"app": name} | (spec.get("labels") or {})}
    if annotations:
        meta["annotations"] = annotations
    return {"metadata": meta, "spec": pod}


def _object(kind: str, space: str, name: str, spec: Json, what: str) -> Json:
    body: Json = {"selector": {"matchLabels": {"app": name}}, "template": _template(name, spec, what)}
    if kind != "DaemonSet":
        body["replicas"] = spec.get("replicas", 1)
    if spec.get("min_ready"):
        body["minReadySeconds"] = int(spec["min_ready"])
    if spec.get("progress_deadline"):
        body["progressDeadlineSeconds"] = int(spec["progress_deadline"])
    if spec.get("paused"):
        body["paused"] = True
    strategy = spec.get("strategy")
    if "history" in spec:
        body["revisionHistoryLimit"] = int(spec["history"])
    if kind == DEPLOYMENTS.kind and strategy:
        body["strategy"] = {"type": "Recreate"} if strategy == "Recreate" else {"type": "RollingUpdate", "rollingUpdate": strategy}
    elif kind == STATEFULSETS.kind:
        body["serviceName"] = name
        body["updateStrategy"] = {"type": "RollingUpdate", "rollingUpdate": {"partition": spec.get("partition", 0)}}
    elif kind == DAEMONSETS.kind and strategy:
        body["updateStrategy"] = {"type": "RollingUpdate", "rollingUpdate": strategy}
    elif kind == ROLLOUTS.kind:
        body["strategy"] = {"blueGreen": {"activeService": name}} if spec.get("blue_green") else {"canary": {"steps": spec.get("steps") or []}}
    return {"metadata": {"name": name, "namespace": space, "labels": {"app": name} | (spec.get("labels") or {})}, "spec": body}


def _service(cluster: Cluster, space: str, name: str, spec: Json) -> None:
    given = spec if isinstance(spec, dict) else {}
    check_keys(f"service {space}/{name}", given, {"port", "target_port", "headless", "publish_not_ready", "name"})
    body: Json = {"selector": {"app": name}, "ports": [
        {"name": "http", "port": given.get("port", 80), "targetPort": given.get("target_port", 8080)}]}
    if given.get("headless"):
        body["clusterIP"] = "None"
    if given.get("publish_not_ready"):
        body["publishNotReadyAddresses"] = True
    cluster.create(SERVICES, {"metadata": {"name": given.get("name", name), "namespace": space}, "spec": body})


def binding(cluster: Cluster, space: str, service: str, spec: Json) -> None:
    """A TargetGroupBinding and its target group."""
    check_keys(f"binding of {space}/{service}", spec, {"family", "name", "health", "rules", "lb", "port", "type", "attached",
                                                       "drain", "check", "service", "group", "arn", "multi_cluster", "balancer", "listener", "rule"})
    name = spec.get("name", f"k8s-{space[:8]}-{service[:8]}-{abs(hash_of(space, service, spec.get('family', ''))):010x}"[:32].replace("_", ""))
    nlb = spec.get("lb", "alb") == "nlb"
    group = cluster.elb.add(spec.get("group", name), spec.get("arn", ""), protocol="TCP" if nlb else "HTTP", target_type=spec.get("type", "ip"),
                            lb_type="network" if nlb else "application", attached=spec.get("attached", True),
                            script=targets.script(spec.get("health", "nlb-fast" if nlb else "alb-fast")),
                            rules=[(p, targets.script(h)) for p, h in (spec.get("rules") or {}).items()])
    group.attributes["deregistration_delay.timeout_seconds"] = str(int(spec.get("drain", 30)))
    group.check.update(spec.get("check") or {})
    route(group, spec)
    kind = AUTO_BINDINGS if spec.get("family") == "eks-auto" else BINDINGS
    body: Json = {"targetGroupARN": group.arn, "serviceRef": {"name": spec.get("service", service), "port": spec.get("port", 80)}}
    if kind is AUTO_BINDINGS:
        body |= {"targetType": spec.get("type", "ip"), "targetGroupProtocol": group.protocol, "ipAddressType": "ipv4", "vpcID": group.vpc}
    if spec.get("multi_cluster"):
        body["multiClusterTargetGroup"] = True
    stack = "service" if nlb else "ingress"
    group.tags = {f"{stack}.k8s.aws/stack": f"{space}/{service}", f"{stack}.k8s.aws/resource": f"{space}/{service}:{spec.get('port', 80)}"}
    domain = "eks.amazonaws.com" if kind is AUTO_BINDINGS else "k8s.aws"
    cluster.create(kind, {"metadata": {"name": name, "namespace": space, "labels": {
        f"{stack}.{domain}/stack-namespace": space, f"{stack}.{domain}/stack-name": service}}, "spec": body})


def route(group: targets.TargetGroup, spec: Json) -> None:
    """Where traffic comes from: a load balancer's name, its listener, a rule of it."""
    check_keys(f"listener of {group.name}", spec.get("listener") or {}, {"port", "protocol"})
    check_keys(f"rule of {group.name}", spec.get("rule") or {}, {"priority", "host", "path", "weight"})
    group.balancer = spec.get("balancer", group.balancer)
    group.listener = dict(spec.get("listener", group.listener) or {})
    group.rule = dict(spec.get("rule", group.rule) or {})


def hash_of(*parts: str) -> int:
    """A number that depends on the text only (hash() does not)."""
    import zlib
    return zlib.crc32("/".join(parts).encode()) * 257 % (1 << 40)


def _extras(cluster: Cluster, space: str, name: str, spec: Json) -> None:
    kind = by_name(spec.get("kind", "Deployment"))
    if spec.get("pdb"):
        cluster.create(BUDGETS, {"metadata": {"name": name, "namespace": space},
                                 "spec": {"selector": {"matchLabels": {"app": name}}} | spec["pdb"]})
    if spec.get("hpa"):
        cluster.create(BY_KEY["horizontalpodautoscalers.autoscaling"], {
            "metadata": {"name": name, "namespace": space},
            "spec": {"scaleTargetRef": {"kind": kind.kind, "name": name, "apiVersion": kind.gv},
                     "minReplicas": spec["hpa"].get("min", 1), "maxReplicas": spec["hpa"].get("max", 10)}})
    if spec.get("ingress"):
        cluster.create(BY_KEY["ingresses.networking.k8s.io"], {
            "metadata": {"name": name, "namespace": space, "annotations": {"alb.ingress.kubernetes.io/target-type": "ip"}},
            "spec": {"ingressClassName": "alb", "rules": [{"host": spec["ingress"], "http": {"paths": [
                {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": name, "port": {"number": 80}}}}]}}]}})
