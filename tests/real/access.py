"""More scenarios of tests/real/run: a server that sends us away, and the account of a pod whose token is renewed."""
from __future__ import annotations

import base64
import json
import os
import pathlib
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import objects
from churn import Churn
from compare import Informer, wait_equal
from control_plane import ControlPlane
from crowd import Crowd
from gates import GateController
from harness import Gatehouse, wait_until
from scenarios import Stage, all_ok, end, sources

# ---- a crowded server ----


def limits(stage: Stage) -> None:
    """A crowded API server answers 429: gatehouse says so, asks seldom, syncs in the gaps, and goes on watching."""
    plane = stage.plane
    gates = GateController(plane, delay=1.0)
    gates.start()
    with Crowd(plane) as crowd:
        plane.apply(objects.namespace("crowded"), *objects.gated("crowded", "web", replicas=2))
        _press(crowd)
        gate = stage.gatehouse()
        try:
            _sent_away(stage, crowd, gate)
            _synced_in_the_gaps(stage, crowd, gate)
            _still_watching(stage, crowd, gate)
            end(gate)
            gate = stage.gatehouse()
            _started_again(stage, crowd, gate)
        finally:
            gates.stop()
            end(gate)
            plane.api("DELETE", "/api/v1/namespaces/crowded")


def _press(crowd: Crowd) -> None:
    before = crowd.counted("narrow")["rejected"]
    crowd.pressing.set()
    wait_until("the server is full", lambda: crowd.seats > 0 and crowd.counted("narrow")["rejected"] > before, 20)


def _throttled(gate: Gatehouse) -> dict[str, str]:
    return {s["name"]: s["message"] for s in sources(gate) if s["state"] == "throttled"}


def _sent_away(stage: Stage, crowd: Crowd, gate: Gatehouse) -> None:
    began = time.monotonic()
    told = wait_until("gatehouse says that it is sent away", lambda: _throttled(gate), 30)
    text = told.get("kubernetes", "")
    assert "HTTP 429" in text and "asks to wait" in text, told
    time.sleep(max(0.0, 12 - (time.monotonic() - began)))
    asked, seconds = crowd.counted("gatehouse"), time.monotonic() - began
    assert asked["rejected"] > 1, f"the server must have refused it: {asked}"
    assert sum(asked.values()) <= seconds, f"more than a request a second at a full server: {asked} in {seconds:.0f} s"
    stage.say(f"   full server: {sum(asked.values()):.0f} requests in {seconds:.0f} s; says: {text}")


def _synced_in_the_gaps(stage: Stage, crowd: Crowd, gate: Gatehouse) -> None:
    """The crowd goes for a while and comes again: everything comes in, bit by bit."""
    before, began = crowd.counted("gatehouse"), time.monotonic()
    for _ in range(15):
        crowd.pressing.clear()
        time.sleep(2.5)
        _press(crowd)
        if all_ok(gate):
            break
    assert all_ok(gate), f"not synced: {_throttled(gate)}"
    asked = {what: n - before[what] for what, n in crowd.counted("gatehouse").items()}
    gate.wait_state("crowded", "web", "serving", seconds=20)
    assert sum(asked.values()) < 300, f"a storm: {asked}"
    stage.say(f"   synced in the gaps within {time.monotonic() - began:.0f} s: {asked['dispatched']:.0f} requests served, "
              f"{asked['rejected']:.0f} refused")


def _still_watching(stage: Stage, crowd: Crowd, gate: Gatehouse) -> None:
    assert crowd.seats > 0, "the server is full"
    stage.plane.api("PATCH", "/apis/apps/v1/namespaces/crowded/deployments/web", {"spec": {"replicas": 3}},
                    content="application/merge-patch+json")
    began = time.monotonic()
    wait_until("a change is seen", lambda: gate.rollout("crowded", "web")["pods"]["desired"] == 3, 5)
    stage.say(f"   full again: a change came by the open watches after {time.monotonic() - began:.1f} s")


def _started_again(stage: Stage, crowd: Crowd, gate: Gatehouse) -> None:
    """At a full server it shows what it knew, and follows everything once there is room."""
    assert crowd.seats > 0, "the server is full"
    wait_until("gatehouse says that it is sent away", lambda: _throttled(gate), 30)
    assert gate.rollout("crowded", "web")["pods"]["desired"] == 3
    crowd.pressing.clear()
    wait_until("everything is followed again", lambda: all_ok(gate), 40)
    stage.say("   started again at a full server: shows what it knew; follows everything once there is room")


# ---- the account of a pod ----


def account(stage: Stage) -> None:
    """In a cluster: the mounted account's token is read again when it is replaced and when the server refuses it."""
    plane = stage.plane
    name = {"namespace": "gatehouse-account", "name": "gatehouse"}
    plane.apply(objects.namespace(name["namespace"]),
                {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": name},
                {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
                 "metadata": {"name": "gatehouse-account"},
                 "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "gatehouse"},
                 "subjects": [{"kind": "ServiceAccount", **name}]})
    mount = Mount(stage.folder / "account", plane)
    old = _token(plane, "first")
    mount.put(old)
    gate = _in_cluster(stage, mount)
    try:
        wait_until("all sources are ok with the account", lambda: all_ok(gate), 30)
        new = _token(plane, "second")
        mount.put(new)
        plane.api("DELETE", f"/api/v1/namespaces/{name['namespace']}/secrets/first")
        wait_until("the server refuses the old token", lambda: _answer(plane, old) == 401, 30)
        assert _answer(plane, new) == 200
        stage.say("   token replaced in its file, the server refuses the old one")
        plane.apiserver.stop()  # every watch has to be opened anew, with a token that is read anew
        plane.start_apiserver()
        began = time.monotonic()
        plane.apply(*objects.gated(name["namespace"], "web", replicas=1))
        wait_until("a change after that is seen", lambda: gate.rollout(name["namespace"], "web"), 40)
        wait_until("all sources are ok again", lambda: all_ok(gate), 40)
        stage.say(f"   followed again {time.monotonic() - began:.1f} s after the server was back, with the new token")
        _refused_for_good(stage, gate, name["namespace"], mount)
        end(gate)
        mount.put(short := _expiring(plane, "fourth"))
        gate = _in_cluster(stage, mount)
        _expired_by_time(stage, gate, name["namespace"], mount, short)
    finally:
        end(gate)
        plane.api("DELETE", f"/api/v1/namespaces/{name['namespace']}")
        plane.kubectl("delete", "clusterrolebinding", "gatehouse-account")


def _refused_for_good(stage: Stage, gate: Gatehouse, ns: str, mount: Mount) -> None:
    """No token that holds: it says so, keeps its rows, and is back as soon as one is there."""
    plane = stage.plane
    plane.api("DELETE", f"/api/v1/namespaces/{ns}/secrets/second")
    told = wait_until("gatehouse says that it is refused", lambda: [
        s["message"] for s in sources(gate) if s["name"] == "kubernetes" and s["state"] == "denied"], 40)
    assert gate.rollout(ns, "web")["pods"]["desired"] == 1, "rows stay"
    mount.put(_token(plane, "third"))
    began = time.monotonic()
    wait_until("the server takes a third token", lambda: all_ok(gate) and "ok" in [
        s["state"] for s in sources(gate) if s["name"] == "kubernetes"], 40)
    stage.say(f"   no valid token: {told[0]}; with a third one ok after {time.monotonic() - began:.1f} s")


def _expired_by_time(stage: Stage, gate: Gatehouse, ns: str, mount: Mount, short: str) -> None:
    """A token whose hour has come, while no newer one is there: first only the watches that are open go on, then nothing."""
    plane = stage.plane
    wait_until("all sources are ok with the short token", lambda: all_ok(gate), 30)
    assert _answer(plane, short) == 200, "expired before it was used"
    began = time.monotonic()
    wait_until("the server calls it expired", lambda: _answer(plane, short) == 401, 120, 0.5)
    told = wait_until("gatehouse says that it is refused", lambda: _refused(gate), 30)
    assert told.startswith("HTTP 401: the API server does not accept the credentials"), told
    plane.apply(*objects.gated(ns, "late", replicas=1))
    wait_until("an open watch outlives its token", lambda: gate.rollout(ns, "late"), 10)
    stage.say(f"   expired {time.monotonic() - began:.0f} s on: {told}; open watches go on")
    plane.apiserver.stop()
    plane.start_apiserver()  # every watch is opened anew, and refused
    Churn.setup(plane)
    with Churn(plane, 11):
        plane.api("DELETE", f"/apis/apps/v1/namespaces/{ns}/deployments/late")
        plane.apply(*objects.gated(ns, "later", replicas=2))
        old = wait_until("what is shown is called old", lambda: (r := gate.rollout(ns, "late"))["stale"] and r, 40)
        assert old["pods"]["desired"] == 1, "rows stay"
        assert _refused(gate), sources(gate)
        assert gate.request(f"/api/v1/namespaces/{ns}/rollouts/deployment/later")[0] == 404, "nobody can have told it"
        time.sleep(3)
    informer = Informer(plane, stage.folder)
    try:
        mount.put(_token(plane, "fifth"))
        began = time.monotonic()
        wait_until("all sources are ok again", lambda: all_ok(gate) and not _refused(gate), 60)
        took = time.monotonic() - began
        wait_until("and nothing is called old", lambda: not gate.rollout(ns, "later")["stale"], 20)
        n, _ = wait_equal(plane, stage.database(), informer, 60, None)
    finally:
        informer.stop()
    stage.say(f"   a new token is there: ok after {took:.1f} s, {n} rows equal the informer's")


def _refused(gate: Gatehouse) -> str:
    """What it says of a connection that is not let in, "" while it is."""
    return next((s["message"] for s in sources(gate) if s["name"] == "kubernetes" and s["state"] == "denied"), "")


class Mount:
    """A folder as kubelet mounts it: names are links through one that is swapped, so that all change at once."""

    def __init__(self, folder: pathlib.Path, plane: ControlPlane) -> None:
        self.folder, self.ca, self.swaps = folder, (plane.folder / "ca.crt").read_text(), 0
        folder.mkdir()
        for name in ("token", "ca.crt"):
            (folder / name).symlink_to(f"..data/{name}")

    def put(self, token: str) -> None:
        self.swaps += 1
        fresh = self.folder / f"..{self.swaps}"
        fresh.mkdir()
        (fresh / "token").write_text(token)
        (fresh / "ca.crt").write_text(self.ca)
        (self.folder / "..new").symlink_to(fresh.name)
        os.replace(self.folder / "..new", self.folder / "..data")


def _token(plane: ControlPlane, secret: str) -> str:
    """From the real TokenRequest, bound to a Secret and valid as long as that is there (and ten minutes at most: the
    server gives none shorter)."""
    root = "/api/v1/namespaces/gatehouse-account"
    made = plane.api("POST", f"{root}/secrets", {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": secret}})
    bound = {"kind": "Secret", "apiVersion": "v1", "name": secret, "uid": made["metadata"]["uid"]}
    answer = plane.api("POST", f"{root}/serviceaccounts/gatehouse/token", {
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
        "spec": {"expirationSeconds": 600, "boundObjectRef": bound}})
    token: str = answer["status"]["token"]
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    assert claims["exp"] - claims["iat"] == 600 and claims["kubernetes.io"]["secret"]["name"] == secret, claims
    return token


def _expiring(plane: ControlPlane, secret: str, seconds: int = 5) -> str:
    """A token as the server issues it, but for its end, which it lets no one ask for: in `seconds` from now, plus the
    minute's grace that the server gives to clocks. Signed by the server's own key."""
    head, body, _ = _token(plane, secret).split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    claims["exp"] = int(time.time()) + seconds
    text = f"{head}.{_base64url(json.dumps(claims).encode())}"
    done = subprocess.run(["openssl", "dgst", "-sha256", "-sign", str(plane.folder / "sa.key")], input=text.encode(),
                          capture_output=True, check=True)
    return f"{text}.{_base64url(done.stdout)}"


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _answer(plane: ControlPlane, token: str) -> int:
    request = urllib.request.Request(plane.url + "/api/v1/namespaces", headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request, context=plane.tls, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def _in_cluster(stage: Stage, mount: Mount) -> Gatehouse:
    """gatehouse as in a pod: no kubeconfig, the service's address in the environment, and the account where Kubernetes
    mounts it, in a mount namespace of its own."""
    at = "/run/secrets/kubernetes.io"  # /var/run is a link to /run
    within = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c",
              f'mount -t tmpfs run /run && mkdir -p {at} && ln -s "$0" {at}/serviceaccount && exec "$@"', str(mount.folder))
    env = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(stage.plane.port), "KUBECONFIG": ""}
    return Gatehouse(stage.folder, {"kubernetes": {"discovery_interval": "2s"}, "aws": {"mode": "off"},
                                      "pace": {"stale_after": "15s"}}, "gatehouse", env, within)


SCENARIOS: dict[str, Callable[[Any], None]] = {"limits": limits, "account": account}
