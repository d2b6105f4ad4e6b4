"""What scenario steps and POST /_sim/do can do to a running cluster."""
from __future__ import annotations

import fnmatch
from typing import Any, Callable, Optional

from . import build, patching, select, targets
from .apiserver import ApiServer
from .cluster import Cluster
from .errors import ApiError
from .gates import GateController
from .injection import FAMILIES
from .kinds import AUTO_BINDINGS, BINDINGS, BUDGETS, NODES, PODS, WEBHOOKS, Kind, by_gvk, by_name
from .targets import TargetGroup
from .util import duration, owner_of, stamp

Json = Any
WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "Rollout")


class Actions:
    """The verbs of the scenario language."""

    def __init__(self, cluster: Cluster, api: ApiServer) -> None:
        self.cluster = cluster
        self.store = cluster.store
        self.api = api
        self.verbs: dict[str, Callable[[Json], None]] = {
            "set-image": self._set_image, "scale": self._scale, "restart": self._restart, "pause": self._pause,
            "resume": self._resume, "patch": self._patch, "delete": self._delete, "apply": self._apply, "health": self._health,
            "controller": self._controller, "webhook": self._webhook, "fault": self._fault, "aws-fault": self._aws_fault,
            "deregister": self._deregister, "ready": self._ready, "node": self._node, "crd": self._crd, "group": self._group, "workload": self._workload,
            "binding": self._binding, "endpoints": self._endpoints, "kubelet": self._kubelet, "event": self._event, "drain": self._drain, "watches": self._watches}

    def do(self, action: Json) -> None:
        """Runs {"do": verb, …}; ValueError or ApiError say what is wrong."""
        verb = action.get("do")
        if verb not in self.verbs:
            raise ValueError(f"there is no action {verb!r}; there are {sorted(self.verbs)}")
        try:
            self.verbs[verb](action)
        except KeyError as err:
            raise ValueError(f"action {verb}: {err} is missing or unknown") from None

    # Finding things

    def _object(self, text: str) -> tuple[Kind, str, str]:
        """kind/namespace/name, or kind/name for what has no namespace."""
        parts = text.split("/")
        kind = by_name(parts[0])
        if len(parts) == 2 and not kind.namespaced:
            return kind, "", parts[1]
        if len(parts) != 3:
            raise ValueError(f"{text!r}: kind/namespace/name is expected")
        return kind, parts[1], parts[2]

    def _workload_of(self, text: str) -> tuple[Kind, str, str]:
        """namespace/name of any workload kind."""
        if text.count("/") == 2:
            return self._object(text)
        namespace, _, name = text.partition("/")
        for label in WORKLOADS:
            kind = by_name(label)
            if self.store.item(kind, namespace, name):
                return kind, namespace, name
        raise ValueError(f"there is no workload {text!r}")

    def _change(self, where: tuple[Kind, str, str], change: Callable[[Json], None]) -> None:
        if self.store.modify(where[0], where[1], where[2], change) is None:
            raise ValueError(f"there is no {where[0].kind} {where[1]}/{where[2]}")

    def group_of(self, text: str) -> TargetGroup:
        """The target group of namespace/binding, of namespace/service, or by its own name."""
        namespace, _, name = text.partition("/")
        for kind in (BINDINGS, AUTO_BINDINGS):
            for one in self.store.list(kind, namespace):
                if name in (one["metadata"]["name"], (one["spec"].get("serviceRef") or {}).get("name")):
                    found = self.cluster.elb.groups.get(one["spec"].get("targetGroupARN", ""))
                    if found:
                        return found
        for group in self.cluster.elb.groups.values():
            if text in (group.name, group.arn):
                return group
        raise ValueError(f"there is no target group for {text!r}")

    def _controllers(self, family: str) -> list[GateController]:
        all_ = {"aws-lbc": self.cluster.lbc, "eks-auto": self.cluster.auto}
        if family not in (*all_, ""):
            raise ValueError(f"family is one of {sorted(all_)}")
        return [c for n, c in all_.items() if family in ("", n)]

    # Verbs

    def _set_image(self, a: Json) -> None:
        def change(data: Json) -> None:
            data["spec"]["template"]["spec"]["containers"][0]["image"] = a["image"]
        self._change(self._workload_of(a["workload"]), change)

    def _scale(self, a: Json) -> None:
        def change(data: Json) -> None:
            data["spec"]["replicas"] = int(a["replicas"])
        self._change(self._workload_of(a["workload"]), change)

    def _restart(self, a: Json) -> None:
        def change(data: Json) -> None:
            data["spec"]["template"].setdefault("metadata", {}).setdefault("annotations", {})[
                "kubectl.kubernetes.io/restartedAt"] = stamp(self.store.clock.now())
        self._change(self._workload_of(a["workload"]), change)

    def _pause(self, a: Json) -> None:
        def change(data: Json) -> None:
            data["spec"]["paused"] = True
        self._change(self._workload_of(a["workload"]), change)

    def _resume(self, a: Json) -> None:
        def change(data: Json) -> None:
            data["spec"].pop("paused", None)
        self._change(self._workload_of(a["workload"]), change)

    def _patch(self, a: Json) -> None:
        """A merge patch on an object, or on its status with sub: status."""
        kind, namespace, name = self._object(a["object"])
        item = self.store.item(kind, namespace, name)
        if item is None:
            raise ValueError(f"there is no {a['object']}")
        self.store.update(kind, namespace, name, patching.merge(item.data, a["patch"]), a.get("sub", ""))

    def _delete(self, a: Json) -> None:
        """An object; the name may be a pattern."""
        kind, namespace, pattern = self._object(a["object"])
        for obj in self.store.list(kind, namespace):
            if fnmatch.fnmatchcase(obj["metadata"]["name"], pattern):
                self.store.delete(kind, namespace, obj["metadata"]["name"], a.get("grace"))
                if not a.get("all", pattern != obj["metadata"]["name"]) or a.get("one"):
                    return

    def _apply(self, a: Json) -> None:
        """Creates a manifest, or merges it into what is there."""
        obj = a["manifest"]
        kind = by_gvk(obj["apiVersion"], obj["kind"])
        namespace, name = obj["metadata"].get("namespace", ""), obj["metadata"]["name"]
        item = self.store.item(kind, namespace, name)
        if item is None:
            self.cluster.create(kind, obj)
        else:
            self.store.update(kind, namespace, name, patching.strategic(item.data, obj))

    def _workload(self, a: Json) -> None:
        build.workload(self.cluster, a["namespace"], a["spec"])

    def _binding(self, a: Json) -> None:
        build.binding(self.cluster, a["namespace"], a["service"], a["spec"])

    def _health(self, a: Json) -> None:
        """Steers a target group (scope: all, new, age), or targets of it (pod: its name, ip, or targets: how many)."""
        if a.get("scope", "all") not in ("all", "new", "age"):
            raise ValueError("scope is all, new or age")
        group = self.group_of(a["binding"])
        script = targets.script(a["health"])
        ip = a.get("ip", "")
        if a.get("pod"):
            run = self.cluster.kubelet.runs.get((a["binding"].split("/")[0], a["pod"]))
            ip = run.ip if run else ""
        if not ip and not a.get("pod") and "targets" not in a:
            group.steer(script, scope=a.get("scope", "all"))
        for address in [t for t in group.targets if ip and t[0] == ip] or sorted(group.targets)[:int(a.get("targets", 0))]:
            group.steer(script, address)

    def _deregister(self, a: Json) -> None:
        """A foreign hand takes targets out: all, or the one of a pod or ip."""
        group = self.group_of(a["binding"])
        group.deregister([t for t in group.targets if a.get("ip", t[0]) == t[0]])

    def _controller(self, a: Json) -> None:
        for one in self._controllers(a.get("family", "")):
            state = a.get("state")
            if state == "stop":
                one.stop()
            elif state == "start":
                one.start(duration(a["wait"]) if "wait" in a else None)
            if "network_error" in a:
                namespace, _, name = a["binding"].partition("/")
                one.network_errors[f"{namespace}/{name}"] = a["network_error"]
            if "ignores" in a:
                key = tuple(a["binding"].split("/"))
                one.ignored = one.ignored | {key} if a["ignores"] else one.ignored - {key}
            for key in ("recheck", "legacy", "leftovers", "deny_pod_status"):
                if key in a:
                    setattr(one, key, duration(a[key]) if key == "recheck" else a[key])

    def _webhook(self, a: Json) -> None:
        """{broken: true, failure: refused|timeout|…} makes calls of the webhook fail although the controller runs."""
        kinds = {c.family.kind.key for c in self._controllers(a.get("family", ""))}
        inject = self.cluster.injection
        inject.set_broken(kinds, bool(a["broken"]), a.get("failure", inject.failure))
        for key in ("namespaceSelector", "objectSelector"):
            if key in a:
                self._reselect(kinds, key, a[key])

    def _reselect(self, kinds: set[str], key: str, selector: Json) -> None:
        """Other selectors than the documented ones, as Helm values may set them."""
        for config in self.store.list(WEBHOOKS):
            def write(data: Json) -> None:
                for hook in data["webhooks"]:
                    if FAMILIES[hook["name"]][0].key in kinds:
                        hook[key] = selector
            self.store.modify(WEBHOOKS, "", config["metadata"]["name"], write)

    def _event(self, a: Json) -> None:
        """A Warning that some controller writes about an object."""
        kind, namespace, name = self._object(a["object"])
        found = self.store.get(kind, namespace, name)
        if found is None:
            raise ValueError(f"there is no {a['object']}")
        self.cluster.recorder.warning(kind, found, a["reason"], a["message"], a.get("component", "ingress"))

    def _endpoints(self, a: Json) -> None:
        """state: stop freezes the slices of a Service, start lets them follow again."""
        key = tuple(a["service"].split("/"))
        frozen = self.cluster.endpoints.frozen
        self.cluster.endpoints.frozen = frozen | {key} if a["state"] == "stop" else frozen - {key}
        self.cluster.endpoints.enqueue((key[0], key[1]))

    def _fault(self, a: Json) -> None:
        self.api.faults.add(a["fault"])

    def _watches(self, a: Json) -> None:
        """What POST /_sim/watches does to open streams."""
        for watch in list(self.api.watches):
            watch.throw({"action": a["action"]})

    def _aws_fault(self, a: Json) -> None:
        if a.get("clear"):
            self.cluster.elb.faults.clear()
        if a.get("fault"):
            self.cluster.elb.fault(a["fault"])

    def _ready(self, a: Json) -> None:
        """Container readiness of pods by hand: ready true, false, or null to let go. pod: namespace/pattern."""
        namespace, _, pattern = a["pod"].partition("/")
        for key in list(self.cluster.kubelet.runs):
            if key[0] == namespace and fnmatch.fnmatchcase(key[1], pattern):
                self.cluster.kubelet.force(key, a["ready"])

    def _node(self, a: Json) -> None:
        now = stamp(self.store.clock.now())
        status = {True: "True", False: "False"}.get(a["ready"], "Unknown")

        def change(data: Json) -> None:
            for cond in data["status"]["conditions"]:
                if cond["type"] == "Ready" and cond["status"] != status:
                    cond.update(status=status, lastTransitionTime=now,
                                reason="KubeletReady" if status == "True" else "NodeStatusUnknown",
                                message="kubelet is posting ready status" if status == "True" else "Kubelet stopped posting node status.")
        if self.store.modify(NODES, "", a["name"], change, "status") is None:
            raise ValueError(f"there is no node {a['name']!r}")
        for pod in self.store.list(PODS):
            if pod["spec"].get("nodeName") != a["name"]:
                continue
            if status == "True":
                self.cluster.kubelet.enqueue((pod["metadata"]["namespace"], pod["metadata"]["name"]))
            else:  # what the node lifecycle controller does
                self._unready(pod, now)

    def _unready(self, pod: Json, now: str) -> None:
        def write(data: Json) -> None:
            for cond in data["status"].get("conditions") or []:
                if cond["type"] == "Ready" and cond["status"] == "True":
                    cond.update(status="False", lastTransitionTime=now)
        self.store.modify(PODS, pod["metadata"]["namespace"], pod["metadata"]["name"], write, "status")

    def _kubelet(self, a: Json) -> None:
        """state: stop freezes the status of pods (namespace/pattern), start lets it follow again."""
        space, _, pattern = a["pod"].partition("/")
        self.cluster.kubelet.freeze((space, pattern), a["state"] == "stop")

    def _drain(self, a: Json) -> None:
        """Takes a node out of service as kubectl drain does: no new pods, the old ones go one by one as budgets allow."""
        name = a["name"]
        if a.get("state", "start") == "stop":
            self.store.modify(NODES, "", name, lambda n: n["spec"].pop("unschedulable", None))
            return
        if self.store.modify(NODES, "", name, lambda n: n["spec"].update(unschedulable=True)) is None:
            raise ValueError(f"there is no node {name!r}")
        self._evict(name)

    def _evict(self, name: str) -> None:
        node = self.store.get(NODES, "", name)
        pods = [p for p in self.store.list(PODS) if p["spec"].get("nodeName") == name and not p["metadata"].get("deletionTimestamp")
                and (owner_of(p) or {}).get("kind") != "DaemonSet"]
        if node is None or not node["spec"].get("unschedulable") or not pods:
            return
        for pod in pods:
            if self._may_go(pod):
                self.store.delete(PODS, pod["metadata"]["namespace"], pod["metadata"]["name"])
        self.cluster.clock.call_later(1.0, lambda: self._evict(name))

    def _may_go(self, pod: Json) -> bool:
        """The eviction rule of budgets; the status is counted down at once, as the API server does."""
        space, labels = pod["metadata"]["namespace"], pod["metadata"].get("labels") or {}
        budgets = [b for b in self.store.list(BUDGETS, space) if select.selector(b["spec"].get("selector"))(labels)]
        if not all(b.get("status", {}).get("disruptionsAllowed", 0) > 0 for b in budgets):
            return False
        for b in budgets:
            def less(data: Json) -> None:
                data["status"]["disruptionsAllowed"] -= 1
            self.store.modify(BUDGETS, space, b["metadata"]["name"], less, "status")
        return True

    def _crd(self, a: Json) -> None:
        self.set_group(a["group"], bool(a["present"]))

    def set_group(self, group: str, present: bool) -> None:
        """Installs or removes a custom group: paths answer 404 and its watches end."""
        have = self.api.discovery.present
        if present:
            have.add(group)
            return
        have.discard(group)
        for watch in list(self.api.watches):
            if watch.kind.group == group:
                watch.throw({"action": "close"})

    def _group(self, a: Json) -> None:
        """Deletes a target group, or changes how a load balancer uses it."""
        group = self.group_of(a["binding"])
        if a.get("delete"):
            self.cluster.elb.remove(group.arn)
        if "drain" in a:
            group.attributes["deregistration_delay.timeout_seconds"] = str(int(duration(a["drain"])))
        group.attached = bool(a.get("attached", group.attached))
        group.lb_state = a.get("lb_state", group.lb_state)
        group.attributes |= {k: str(v) for k, v in (a.get("attributes") or {}).items()}
        build.route(group, a)


def safely(run: Callable[[], None], report: Callable[[str], None]) -> Optional[str]:
    """Runs an action whose failure is news, not the end."""
    try:
        run()
    except (ValueError, ApiError) as err:
        report(str(err))
        return str(err)
    return None
