"""The scenarios of tests/real/run. Each gets a Stage and raises when something is not as it must be."""
from __future__ import annotations

import contextlib
import copy
import dataclasses
import pathlib
import signal
import sqlite3
import time
from collections.abc import Callable
from typing import Any

import compare
import objects
from churn import NAMESPACES, Churn
from compare import Informer, wait_equal
from control_plane import ControlPlane
from gates import GateController
from harness import Gatehouse, wait_until


@dataclasses.dataclass
class Stage:
    plane: ControlPlane
    folder: pathlib.Path
    say: Callable[[str], None]

    def gatehouse(self, name: str = "gatehouse", *, kubernetes: dict[str, Any] | None = None,
                  **config: Any) -> Gatehouse:
        kube = {"kubeconfig": str(self.plane.gateway), "discovery_interval": "2s", **(kubernetes or {})}
        return Gatehouse(self.folder, {"kubernetes": kube, "aws": {"mode": "off"}, **config}, name)

    def database(self, name: str = "gatehouse") -> pathlib.Path:
        return self.folder / f"{name}.db"


def all_ok(gate: Gatehouse) -> bool:
    """Every kind is followed with the least rights, or is not there."""
    states = {s["name"]: s["state"] for s in sources(gate)}
    kinds = [n for n in states if n.startswith("kubernetes/")]
    bad = {n: states[n] for n in kinds if states[n] not in ("ok", "absent")}
    absent = [n for n in kinds if states[n] == "absent"]
    return not bad and len(kinds) == 19 and absent == ["kubernetes/rollouts.argoproj.io"]


def end(gate: Gatehouse) -> None:
    """It must still be there, and end when told to."""
    alive, code = gate.alive(), gate.stop()
    assert alive and code == 0, f"gatehouse {'ended' if alive else 'had ended'} with {code}"


def sources(gate: Gatehouse) -> list[dict[str, Any]]:
    return gate.get("/summary")["sources"]


def metric(gate: Gatehouse, name: str) -> float:
    _, _, body = gate.request("/metrics")
    found = [line for line in body.decode().splitlines() if line.startswith(name)]
    assert found, f"/metrics has no {name}"
    return sum(float(line.rsplit(" ", 1)[1]) for line in found)


# ---- rollouts on gates ----


def rollouts(stage: Stage) -> None:
    """Gated rollouts: progressing, serving, stuck with its cause, recovered; three kinds, two gate families."""
    plane, say = stage.plane, stage.say
    gates = GateController(plane, delay=1.5)
    gate = stage.gatehouse(pace={"overrides": [{"namespace": "shop", "workload": "web", "stuck_after": "12s"}]})
    gates.start()
    try:
        wait_until("all sources are ok", lambda: all_ok(gate), 30)
        say("   19 kinds followed with the rights of config/kubernetes.yaml")
        auto = [objects.service("shop", "auto"), objects.binding("shop", "auto", objects.AUTO),
                objects.workload("shop", "auto", gates=[objects.gate_name("auto", objects.AUTO)])]
        plane.apply(objects.namespace("shop"), *objects.gated("shop", "web"), *auto,
                    *objects.gated("shop", "db", kind="StatefulSet", replicas=2),
                    *objects.gated("shop", "agent", kind="DaemonSet"))
        web = gate.wait_state("shop", "web", "progressing", seconds=10)
        assert web["gates"]["total"] == 3 and web["gates"]["open"] == 0, web["gates"]
        say("   progressing: 3 gates, none open")
        for name, kind in (("web", "deployment"), ("auto", "deployment"), ("db", "statefulset"), ("agent", "daemonset")):
            done = gate.wait_state("shop", name, "serving", kind=kind)
            assert done["gates"]["open"] == done["gates"]["total"] == done["pods"]["desired"] > 0, done
            say(f"   {kind} {name}: serving, {done['gates']['open']} gates open")
        _stuck_and_back(stage, gate, gates, gate.rollout("shop", "web")["revision_hash"])
        plane.api("PATCH", "/apis/apps/v1/namespaces/shop/deployments/auto", {"spec": {"replicas": 0}},
                  content="application/merge-patch+json")
        gate.wait_state("shop", "auto", "idle", seconds=20)
        say("   scaled to zero: idle")
        plane.api("DELETE", "/api/v1/namespaces/shop")
        wait_until("the namespace's rollouts are gone",
                   lambda: gate.request("/api/v1/namespaces/shop/rollouts/deployment/web")[0] == 404, 60)
        say("   namespace deleted: rollouts gone")
    finally:
        gates.stop()
        end(gate)


def _moved(web: dict[str, Any], old_hash: str) -> bool:
    return web["state"] == "progressing" and web["revision_hash"] not in ("", old_hash)


def _stuck_and_back(stage: Stage, gate: Gatehouse, gates: GateController, old_hash: str) -> None:
    gates.hold = lambda pod: pod["metadata"]["annotations"].get("version") == "v2"
    stage.plane.apply(objects.workload("shop", "web", version="v2"))
    wait_until("the new revision is on its way", lambda: _moved(gate.rollout("shop", "web"), old_hash), 20)
    began = time.monotonic()
    web = gate.wait_state("shop", "web", "stuck", seconds=60)
    assert web["pods"]["old"] >= 2, f"old pods go on: {web['pods']}"
    assert web["cause"] is not None, "a stuck rollout names its cause"
    stage.say(f"   stuck after {time.monotonic() - began:.0f} s, cause {web['cause']['code']}: "
              f"{web['cause'].get('message', '')[:90]}")
    listed = gate.get("/rollouts?state=stuck")["items"]
    assert [(r["namespace"], r["name"]) for r in listed] == [("shop", "web")], listed
    gates.hold = lambda pod: False
    gate.wait_state("shop", "web", "serving")
    stage.say("   gates open: serving again")


# ---- rights ----


def rights(stage: Stage) -> None:
    """Missing rights: the kinds concerned are shown as denied, a rollout is judged from the others."""
    plane = stage.plane
    read = ["get", "list", "watch"]

    def role(*apps: str) -> dict[str, Any]:
        return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "narrow"},
                "rules": [{"apiGroups": [""], "resources": ["pods", "namespaces"], "verbs": read},
                          {"apiGroups": [""], "resources": ["services"], "verbs": ["list"]},  # may not watch
                          {"apiGroups": ["apps"], "resources": list(apps), "verbs": read}]}

    plane.apply(
        role("deployments", "replicasets"),
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "narrow"},
         "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "narrow"},
         "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "narrow"}]})
    gates = GateController(plane, delay=1.0)
    gate = stage.gatehouse(kubernetes={"kubeconfig": str(plane.narrow)})
    gates.start()
    try:
        plane.apply(objects.namespace("narrow"), *objects.gated("narrow", "web", replicas=2))
        done = gate.wait_state("narrow", "web", "serving", seconds=40)
        assert done["gates"]["open"] == 2, done["gates"]
        fine = {"kubernetes", "kubernetes/pods", "kubernetes/namespaces", "kubernetes/deployments.apps",
                "kubernetes/replicasets.apps", "kubernetes/rollouts.argoproj.io"}
        wait_until("what may not be read is denied, the rest is not", lambda: _denied(gate) == {
            s["name"] for s in sources(gate) if s["name"].startswith("kubernetes")} - fine, 60)
        stage.say(f"   serving, with {len(_denied(gate))} kinds denied and 4 followed")
        plane.apply(role("deployments"))
        blind = stage.gatehouse(name="blind", kubernetes={"kubeconfig": str(plane.narrow)})
        try:
            seen = blind.wait_state("narrow", "web", "serving", seconds=40)
            assert (seen["gates"]["open"], seen["revision_hash"]) == (2, done["revision_hash"]), seen
            assert "kubernetes/replicasets.apps" in _denied(blind)
            stage.say("   serving without ReplicaSets, too: pods are joined by their names")
        finally:
            end(blind)
    finally:
        gates.stop()
        end(gate)
        plane.api("DELETE", "/api/v1/namespaces/narrow")


def _denied(gate: Gatehouse) -> set[str]:
    return {s["name"] for s in sources(gate) if s["state"] == "denied"}


# ---- the differential test ----


def _equal(stage: Stage, informer: Informer, what: str, name: str = "gatehouse", only: set[str] | None = None) -> None:
    began = time.monotonic()
    n, behind = wait_equal(stage.plane, stage.database(name), informer, 120, only)
    stage.say(f"   {what}: {n} objects equal; the store was behind for {behind:.1f} s, "
              f"all was quiet and compared after {time.monotonic() - began:.1f} s")


def _churn(stage: Stage, seed: int, seconds: float) -> None:
    with Churn(stage.plane, seed) as churn:
        time.sleep(seconds)
    stage.say(f"   churn: {churn.done['ok']} changes, {churn.done['refused']} refused")


def _check_the_comparison(stage: Stage, informer: Informer) -> None:
    """It must see each sort of difference, or all that follows says nothing."""
    rows = informer.rows()
    pod = next(k for k, v in rows.items() if k.startswith("pods ") and v[2]["status"].get("podIP"))
    uid, version, good = rows[pod]

    def changed(path: str, value: Any) -> dict[str, compare.Row]:
        bad = copy.deepcopy(good)
        *parents, last = path.split(".")
        at = bad
        for key in parents:
            at = at[key]
        at[last] = value
        return {**rows, pod: (uid, version, bad)}

    database = stage.database()
    cases = {"a missing row": {**rows, "pods x/y": (uid, version, good)},
             "a row too many": {k: v for k, v in rows.items() if k != pod},
             "another version": {**rows, pod: (uid, version + "1", good)},
             "another uid": {**rows, pod: ("other", version, good)},
             "another address": changed("status.podIP", "10.9.9.9"),
             "another gate state": changed("status.conditions", [{"type": "Ready", "status": "Unknown"}]),
             "other labels": changed("metadata.labels", {"app": "other"})}
    for what, wrong in cases.items():
        assert compare.differences(database, wrong), f"the comparison does not see {what}"
    stage.say(f"   the comparison sees {len(cases)} sorts of differences")


def differential(stage: Stage) -> None:
    """Rows equal informers after churn, a killed apiserver, a stopped and a killed gatehouse, compaction, lost CRDs."""
    plane = stage.plane
    gates = GateController(plane, delay=1.0)
    informer = Informer(plane, stage.folder)
    gate = stage.gatehouse()
    gates.start()
    try:
        Churn.setup(plane)
        _equal(stage, informer, "set up")
        _check_the_comparison(stage, informer)
        _churn(stage, 1, 15)
        _equal(stage, informer, "churn")
        _apiserver_dies(stage, informer)
        _gatehouse_is_held(stage, informer, gate)
        gate = _gatehouse_dies(stage, informer, gate)
        _crd_goes_and_comes(stage, informer)
        repaired = metric(gate, "gatehouse_kube_decode_errors_total")
        assert repaired == 0, f"{repaired} objects could not be read"
    finally:
        gates.stop()
        informer.stop()
        end(gate)


def _apiserver_dies(stage: Stage, informer: Informer) -> None:
    with Churn(stage.plane, 2) as churn:
        for how in (signal.SIGKILL, signal.SIGTERM):
            time.sleep(5)
            stage.plane.apiserver.stop(how)
            stage.say(f"   kube-apiserver stopped by {how.name}")
            time.sleep(3)
            stage.plane.start_apiserver()
        time.sleep(5)
    stage.say(f"   churn: {churn.done['ok']} changes, {churn.done['refused']} refused")
    _equal(stage, informer, "apiserver killed and restarted")


def _gatehouse_is_held(stage: Stage, informer: Informer, gate: Gatehouse) -> None:
    """SIGSTOP while much changes, history is compacted and the apiserver forgets its own: watches end in 410."""
    before = metric(gate, "gatehouse_kube_relists_expired_total")
    gate.popen.send_signal(signal.SIGSTOP)
    _churn(stage, 3, 10)
    stage.plane.compact()
    stage.plane.apiserver.stop()
    stage.plane.start_apiserver()
    _churn(stage, 4, 3)
    stale = len(compare.differences(stage.database(), informer.rows()))
    assert stale > 20, f"a held gatehouse must fall behind: {stale} differences"
    gate.popen.send_signal(signal.SIGCONT)
    _equal(stage, informer, "gatehouse held, history compacted")
    relists = metric(gate, "gatehouse_kube_relists_expired_total") - before
    assert relists > 0, "a compacted history must have made lists"
    stage.say(f"   {relists:.0f} watches had expired")


def _gatehouse_dies(stage: Stage, informer: Informer, gate: Gatehouse) -> Gatehouse:
    with Churn(stage.plane, 5):
        time.sleep(4)
        gate.stop(signal.SIGKILL)
        time.sleep(4)
        gate = stage.gatehouse()
        time.sleep(4)
    _equal(stage, informer, "gatehouse killed, resumed")
    lists = metric(gate, "gatehouse_kube_lists_total")
    stage.say(f"   {lists:.0f} of 18 kinds were listed anew, the others went on from the store")
    assert lists < 18, "a quick restart resumes"
    with Churn(stage.plane, 6):
        time.sleep(3)
        gate.stop(signal.SIGKILL)
        time.sleep(5)
    stage.plane.compact()
    stage.plane.apiserver.stop(signal.SIGKILL)
    stage.plane.start_apiserver()
    gate = stage.gatehouse()
    _equal(stage, informer, "gatehouse killed, history compacted meanwhile")
    return gate


def _crd_goes_and_comes(stage: Stage, informer: Informer) -> None:
    plane = stage.plane
    kind = "targetgroupbindings.eks.amazonaws.com"
    plane.kubectl("delete", "crd", kind)

    def left() -> bool:
        return not [k for k in compare.stored(stage.database()) if k.startswith(kind + " ")]

    wait_until("the rows of a deleted CRD are gone", left, 30)
    stage.say(f"   CRD {kind} deleted: its rows are gone")
    plane.kubectl("apply", "-f", str(pathlib.Path(__file__).parent / "crd" / "targetgroupbindings.yaml"))
    wait_until("the CRD is served again", lambda: plane.api("GET", "/apis/eks.amazonaws.com/v1"), 30)
    plane.apply(*(objects.binding(ns, "app0", objects.AUTO) for ns in NAMESPACES))
    _equal(stage, informer, "CRD installed again")


def forms(stage: Stage) -> None:
    """Fresh starts in every form: protobuf and JSON, streamed and paged, compressed, named namespaces, no WatchList."""
    plane = stage.plane
    gates = GateController(plane, delay=1.0)
    informer = Informer(plane, stage.folder)
    gates.start()
    try:
        Churn.setup(plane)
        received: dict[str, float] = {}
        for name, kube in {"protobuf-streamed": {}, "json-streamed": {"protobuf": False},
                           "protobuf-paged": {"watch_list": False, "page_size": 7, "compress": True},
                           "json-paged": {"protobuf": False, "watch_list": False, "page_size": 7, "compress": True},
                           "protobuf-streamed-packed": {"compress": True},
                           "json-streamed-packed": {"compress": True, "protobuf": False},
                           "verifying": {"verify_interval": "4s", "page_size": 20}}.items():
            received[name] = _fresh(stage, informer, name, kube)
        _packed(stage, received)
        _verified(stage)
        two = set(NAMESPACES[:2])
        _fresh(stage, informer, "two-namespaces", {"namespaces": sorted(two)}, two)
        _fresh(stage, informer, "two-namespaces", {})  # the same database, now for all: must not be resumed
        plane.apiserver.stop()
        plane.apiserver.argv.append("--feature-gates=WatchList=false")
        plane.start_apiserver()
        _fresh(stage, informer, "server-without-watchlist", {"page_size": 7})
    finally:
        gates.stop()
        informer.stop()
        if plane.apiserver.argv[-1].startswith("--feature-gates"):
            plane.apiserver.argv.pop()
            plane.apiserver.stop()
            plane.start_apiserver()


def _fresh(stage: Stage, informer: Informer, name: str, kube: dict[str, Any], only: set[str] | None = None) -> float:
    """The bytes a row that were received."""
    gate = stage.gatehouse(name, kubernetes=kube)
    try:
        _churn(stage, sum(map(ord, name)), 6)
        _equal(stage, informer, name, name, only)
        return metric(gate, "gatehouse_kube_received_bytes_total") / metric(gate, "gatehouse_kube_events_total")
    finally:
        end(gate)


def _packed(stage: Stage, received: dict[str, float]) -> None:
    """A server from 1.37 on packs what it streams, for whoever offers to unpack it; an older one does not."""
    minor = int(stage.plane.api("GET", "/version")["minor"].rstrip("+"))
    for form in ("protobuf", "json"):
        plain, packed = received[f"{form}-streamed"], received[f"{form}-streamed-packed"]
        stage.say(f"   {form} streamed by 1.{minor}: {plain:.0f} bytes an event, {packed:.0f} where gzip is offered")
        assert (packed < plain * 0.7) == (minor >= 37), received


def _verified(stage: Stage) -> None:
    """Verifications under churn must find nothing: what they repair would be our fault."""
    with contextlib.closing(sqlite3.connect(f"file:{stage.database('verifying')}?mode=ro", uri=True)) as db:
        verified, repaired = db.execute("SELECT count(*) FILTER (WHERE verified_at > 0), sum(repaired) FROM sync").fetchone()
    assert verified >= 17 and repaired == 0, f"{verified} kinds verified, {repaired} rows repaired"
    stage.say(f"   {verified} kinds were verified under churn, no row had to be repaired")


SCENARIOS: dict[str, Callable[[Stage], None]] = {"rollouts": rollouts, "rights": rights,
                                                "differential": differential, "forms": forms}
