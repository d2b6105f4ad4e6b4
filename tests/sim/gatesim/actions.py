"""What scenario steps and POST /_sim/do can do to a running cluster."""
from __future__ import annotations

import fnmatch
from typing import Any, Callable, Optional

from . import build, patching, targets
from .apiserver import ApiServer
from .cluster import Cluster
from .errors import ApiError
from .gates import GateController
from .kinds import AUTO_BINDINGS, BINDINGS, NODES, Kind, by_gvk, by_name
from .targets import TargetGroup
from .util import duration, stamp

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
            "deregister": self._deregister, "ready": self._ready, "node": self._node, "crd": self._crd, "group": self._group, "workload": self._workload}

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

    def _health(self, a: Json) -> None:
        """Steers a target group (scope: all, new, age), or one target of it (pod: its name, or ip)."""
        if a.get("scope", "all") not in ("all", "new", "age"):
            raise ValueError("scope is all, new or age")
        group = self.group_of(a["binding"])
        script = targets.script(a["health"])
        ip = a.get("ip", "")
        if a.get("pod"):
            run = self.cluster.kubelet.runs.get((a["binding"].split("/")[0], a["pod"]))
            ip = run.ip if run else ""
        if not ip and not a.get("pod"):
            group.steer(script, scope=a.get("scope", "all"))
        for address in [t for t in group.targets if ip and t[0] == ip]:
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
            for key in ("recheck", "legacy", "leftovers", "deny_pod_status"):
                if key in a:
                    setattr(one, key, duration(a[key]) if key == "recheck" else a[key])

    def _webhook(self, a: Json) -> None:
        """{failure: refused|timeout|…, broken: true} makes calls of the webhook fail although the controller runs."""
        inject = self.cluster.injection
        inject.failure = a.get("failure", inject.failure)
        if "broken" in a:
            kinds = {c.family.kind.key for c in self._controllers(a.get("family", ""))}
            inject.broken = inject.broken | kinds if a["broken"] else inject.broken - kinds

    def _fault(self, a: Json) -> None:
        self.api.faults.add(a["fault"])

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
