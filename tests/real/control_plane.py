#!/usr/bin/python3
"""A real Kubernetes control plane on loopback for tests: etcd, kube-apiserver, kube-controller-manager and kwok.

    with ControlPlane(folder) as plane:
        plane.kubectl("apply", "-f", "...")

Binaries come from tests/real/build. Ports are free ones, everything lives in the given folder, every process is
stopped by pid. Two kubeconfigs are written: admin.conf (everything) and gatehouse.conf, whose user has the rights of
config/kubernetes.yaml and no more. As a program it starts a control plane and keeps it until a signal:

    tests/real/control_plane.py FOLDER
"""
from __future__ import annotations

import base64
import json
import os
import pathlib
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from types import TracebackType
from typing import Any

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
ADMIN_TOKEN = "admin-token"
GATEWAY_TOKEN = "gateway-token"
NARROW_TOKEN = "narrow-token"
CONTROLLERS = ("deployment-controller", "replicaset-controller", "statefulset-controller", "daemonset-controller",
               "endpointslice-controller", "namespace-controller", "serviceaccount-controller", "disruption-controller",
               "horizontal-pod-autoscaler-controller", "garbage-collector-controller", "job-controller")


def binaries() -> pathlib.Path:
    """Builds what is missing; its folder."""
    out = subprocess.run([HERE / "build"], check=True, stdout=subprocess.PIPE, text=True)
    return pathlib.Path(out.stdout.strip())


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def wait_for(what: str, check: Callable[[], Any], seconds: float) -> Any:
    deadline = time.monotonic() + seconds
    last: Any = None
    while time.monotonic() < deadline:
        try:
            last = check()
            if last:
                return last
        except (OSError, urllib.error.URLError) as error:
            last = error
        time.sleep(0.1)
    raise AssertionError(f"not within {seconds:.0f} s: {what}; last seen: {last!r}")


class Service:
    """One program that can be stopped, killed, held and started again with the same arguments."""

    def __init__(self, name: str, argv: list[str], folder: pathlib.Path, env: dict[str, str] | None = None) -> None:
        self.name, self.argv, self.env = name, argv, {**os.environ, **(env or {})}
        self.log = folder / f"{name}.log"
        self.popen: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.popen = subprocess.Popen(self.argv, stdout=log, stderr=log, env=self.env, cwd=self.log.parent)

    def alive(self) -> bool:
        return self.popen is not None and self.popen.poll() is None

    def send(self, sig: int) -> None:
        assert self.popen is not None
        self.popen.send_signal(sig)

    def stop(self, sig: int = signal.SIGTERM, seconds: float = 10) -> None:
        if self.popen is None:
            return
        if self.popen.poll() is None:
            self.popen.send_signal(sig)
        try:
            self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
        self.popen = None

    def tail(self, lines: int = 15) -> str:
        text = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join(line[:220] for line in text[-lines:])


class ControlPlane:
    def __init__(self, folder: pathlib.Path, *, controllers: bool = True, kwok: bool = True, nodes: int = 2,
                 apiserver_flags: tuple[str, ...] = ()) -> None:
        self.folder = folder
        self.bin = binaries()
        self.informer = (self.bin / "informer").resolve()  # another checkout may put its own there
        self.nodes = nodes
        self.with_controllers, self.with_kwok = controllers, kwok
        self.port, self.etcd_port, self.peer_port = free_port(), free_port(), free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self.admin = folder / "admin.conf"
        self.gateway = folder / "gatehouse.conf"
        self.narrow = folder / "narrow.conf"  # a user without any right until a test gives it some
        folder.mkdir(parents=True, exist_ok=True)
        self._certificates()
        self._configs()
        self.tls = ssl.create_default_context(cafile=str(folder / "ca.crt"))
        self.etcd = self._etcd()
        self.apiserver = self._apiserver(apiserver_flags)
        self.manager = self._manager()
        self.kwok = self._kwok()

    # ---- files ----

    def _openssl(self, *args: str) -> None:
        subprocess.run(["openssl", *args], cwd=self.folder, check=True, capture_output=True)

    def _certificates(self) -> None:
        names = "subjectAltName=DNS:localhost,DNS:kubernetes.default,IP:127.0.0.1,IP:10.0.0.1"
        (self.folder / "san.ext").write_text(names)
        self._openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=test-ca",
                      "-keyout", "ca.key", "-out", "ca.crt")
        self._openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=kube-apiserver", "-keyout", "srv.key",
                      "-out", "srv.csr")
        self._openssl("x509", "-req", "-in", "srv.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
                      "-days", "30", "-extfile", "san.ext", "-out", "srv.crt")
        self._openssl("genrsa", "-out", "sa.key", "2048")

    def _kubeconfig(self, path: pathlib.Path, user: str, token: str) -> None:
        ca = base64.b64encode((self.folder / "ca.crt").read_bytes()).decode()
        path.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "real",
            "clusters": [{"name": "real", "cluster": {"server": self.url, "certificate-authority-data": ca}}],
            "users": [{"name": user, "user": {"token": token}}],
            "contexts": [{"name": "real", "context": {"cluster": "real", "user": user}}]}, indent=1))
        path.chmod(0o600)

    def _configs(self) -> None:
        (self.folder / "tokens.csv").write_text(
            f'{ADMIN_TOKEN},admin,1,"system:masters"\n{GATEWAY_TOKEN},gatehouse,2,"gateways"\n'
            f'{NARROW_TOKEN},narrow,3,"narrow"\n')
        self._kubeconfig(self.admin, "admin", ADMIN_TOKEN)
        self._kubeconfig(self.gateway, "gatehouse", GATEWAY_TOKEN)
        self._kubeconfig(self.narrow, "narrow", NARROW_TOKEN)
        stages = (self.bin / "node-stages.yaml").read_text()
        (self.folder / "kwok.yaml").write_text(
            stages + "\n---\n" + (HERE / "kwok" / "gated-pods-stages.yaml").read_text())

    # ---- programs ----

    def _etcd(self) -> Service:
        client, peer = f"http://127.0.0.1:{self.etcd_port}", f"http://127.0.0.1:{self.peer_port}"
        return Service("etcd", [
            str(self.bin / "etcd"), "--name=node0", f"--data-dir={self.folder / 'etcd'}", "--log-level=warn",
            f"--listen-client-urls={client}", f"--advertise-client-urls={client}", f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}", f"--initial-cluster=node0={peer}", "--unsafe-no-fsync",
            "--quota-backend-bytes=8589934592"], self.folder)

    def _apiserver(self, flags: tuple[str, ...]) -> Service:
        at = self.folder
        return Service("kube-apiserver", [
            str(self.bin / "kube-apiserver"), f"--etcd-servers=http://127.0.0.1:{self.etcd_port}",
            "--etcd-prefix=/registry", "--allow-privileged=true", "--endpoint-reconciler-type=none",
            "--authorization-mode=Node,RBAC", f"--token-auth-file={at / 'tokens.csv'}",
            f"--client-ca-file={at / 'ca.crt'}", f"--tls-cert-file={at / 'srv.crt'}",
            f"--tls-private-key-file={at / 'srv.key'}", "--bind-address=127.0.0.1", f"--secure-port={self.port}",
            "--service-cluster-ip-range=10.0.0.0/16", f"--cert-dir={at / 'certs'}",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            f"--service-account-key-file={at / 'sa.key'}", f"--service-account-signing-key-file={at / 'sa.key'}",
            "--disable-admission-plugins=ServiceAccount", *flags], self.folder)

    def _manager(self) -> Service:
        at = self.folder
        return Service("kube-controller-manager", [
            str(self.bin / "kube-controller-manager"), f"--kubeconfig={self.admin}", "--leader-elect=false",
            f"--root-ca-file={at / 'ca.crt'}", f"--service-account-private-key-file={at / 'sa.key'}",
            "--kube-api-qps=500", "--kube-api-burst=1000", "--bind-address=127.0.0.1", f"--secure-port={free_port()}",
            f"--cert-dir={at / 'kcm-certs'}", f"--controllers={','.join(CONTROLLERS)}"], self.folder)

    def _kwok(self) -> Service:
        return Service("kwok", [
            str(self.bin / "kwok"), f"--kubeconfig={self.admin}", f"--config={self.folder / 'kwok.yaml'}",
            "--manage-all-nodes=true", "--cidr=10.244.0.0/16", "--node-ip=10.0.0.1",
            "--node-lease-duration-seconds=40"], self.folder, {"HOME": str(self.folder)})

    def services(self) -> list[Service]:
        return [self.kwok, self.manager, self.apiserver, self.etcd]

    def __enter__(self) -> ControlPlane:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        self.etcd.start()
        wait_for("etcd listens", lambda: socket.create_connection(("127.0.0.1", self.etcd_port), 1).close() or True, 20)
        self.start_apiserver()
        self.kubectl("apply", "-f", str(HERE / "crd" / "targetgroupbindings.yaml"))
        self._grant()
        if self.with_controllers:
            self.manager.start()
        if self.with_kwok:
            self.kwok.start()
            self._add_nodes()

    def start_apiserver(self) -> None:
        self.apiserver.start()
        try:
            wait_for("kube-apiserver is ready", self._ready, 120)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.apiserver.tail()}") from None

    def _ready(self) -> bool:
        if not self.apiserver.alive():
            raise AssertionError(f"kube-apiserver ended:\n{self.apiserver.tail()}")
        try:
            return self.api("GET", "/readyz", raw=True) == b"ok"
        except urllib.error.HTTPError:
            return False

    def _grant(self) -> None:
        """The rights of the project's own manifest, for the user of gatehouse.conf."""
        text = (ROOT / "config" / "kubernetes.yaml").read_text()
        roles = [d for d in text.split("\n---\n") if "\nkind: ClusterRole\n" in "\n" + d]
        assert len(roles) == 1, "config/kubernetes.yaml has one ClusterRole"
        self.kubectl("apply", "-f", "-", text=roles[0])
        self.apply({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
                    "metadata": {"name": "gatehouse-test"},
                    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "gatehouse"},
                    "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "gatehouse"}]})

    def _add_nodes(self) -> None:
        for i in range(self.nodes):
            self.apply({"apiVersion": "v1", "kind": "Node", "metadata": {
                "name": f"node-{i}", "labels": {"topology.kubernetes.io/zone": "abc"[i % 3],
                                                "kubernetes.io/hostname": f"node-{i}"}}})
        wait_for("nodes are ready", self._nodes_ready, 60)

    def _nodes_ready(self) -> bool:
        items = self.api("GET", "/api/v1/nodes")["items"]
        ready = [n for n in items for c in n["status"].get("conditions", [])
                 if c["type"] == "Ready" and c["status"] == "True"]
        return len(ready) == self.nodes

    def stop(self) -> None:
        for service in self.services():
            service.stop()

    # ---- talking to it ----

    def kubectl(self, *args: str, text: str | None = None) -> str:
        done = subprocess.run([str(self.bin / "kubectl"), f"--kubeconfig={self.admin}", *args], input=text, text=True,
                              capture_output=True, env={**os.environ, "HOME": str(self.folder)})
        if done.returncode != 0:
            raise AssertionError(f"kubectl {' '.join(args)}: {done.stderr.strip()}")
        return done.stdout

    def apply(self, *objects: dict[str, Any]) -> None:
        self.kubectl("apply", "-f", "-", text=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}))

    def api(self, method: str, path: str, body: Any = None, *, content: str = "application/json",
            accept: str = "application/json", raw: bool = False, seconds: float = 20) -> Any:
        request = urllib.request.Request(self.url + path, method=method,
                                         data=None if body is None else json.dumps(body).encode(),
                                         headers={"Authorization": f"Bearer {ADMIN_TOKEN}", "Content-Type": content,
                                                  "Accept": accept})
        with urllib.request.urlopen(request, context=self.tls, timeout=seconds) as answer:
            data = answer.read()
        return data if raw else json.loads(data)

    def compact(self) -> None:
        """Compacts etcd to its newest revision: every older resourceVersion is gone."""
        def call(path: str, body: dict[str, Any]) -> Any:
            request = urllib.request.Request(f"http://127.0.0.1:{self.etcd_port}{path}", json.dumps(body).encode(),
                                             {"Content-Type": "application/json"})
            with urllib.request.urlopen(request, timeout=10) as answer:
                return json.loads(answer.read())
        key = base64.b64encode(b"/registry").decode()
        revision = call("/v3/kv/range", {"key": key, "limit": "1"})["header"]["revision"]
        call("/v3/kv/compaction", {"revision": revision, "physical": True})


def main() -> int:
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda _number, _frame: sys.exit(0))
    with ControlPlane(pathlib.Path(sys.argv[1]).resolve()) as plane:
        print(f"KUBECONFIG={plane.admin}\ngatehouse --kubeconfig {plane.gateway}\nkubectl: {plane.bin / 'kubectl'}",
              flush=True)
        while True:
            signal.pause()


if __name__ == "__main__":
    sys.exit(main())
