"""How a kubeconfig is followed on the wire, with kubectl as the judge: one server, which notes what it is asked and by whom."""
from __future__ import annotations

import base64
import contextlib
import http.server
import json
import pathlib
import ssl
import subprocess
import threading
import unittest
from typing import Any

from harness import Gatehouse, folder, wait_until

DENIED = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": "not for you",
          "reason": "Forbidden", "code": 403}
PLUGIN = """#!/bin/sh
echo '{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1beta1","status":{"token":"from-'"$WHO"'"}}'
"""


class Server:
    """Refuses everybody. `asked`: request line and headers of each request; `names`: what TLS clients called it."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.asked: list[tuple[str, dict[str, list[str]]]] = []
        self.names: list[str | None] = []
        asked = self.asked

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                headers: dict[str, list[str]] = {}
                for name, value in self.headers.items():
                    headers.setdefault(name.lower(), []).append(value)
                asked.append((self.requestline, headers))
                body = json.dumps(DENIED).encode()
                self.send_response(403)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        class Quiet(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                pass  # a client that does not like our certificate

        self._server = Quiet(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        if tls is not None:
            tls.sni_callback = lambda _socket, name, _context: self.names.append(name)
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def certificate(where: pathlib.Path, name: str) -> tuple[pathlib.Path, pathlib.Path]:
    """A certificate for one DNS name, signed by itself, and its key."""
    cert, key = where / f"{name}.crt", where / f"{name}.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}", "-keyout", str(key), "-out", str(cert)],
                   check=True, capture_output=True)
    return cert, key


def data(path: pathlib.Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def impersonation(headers: dict[str, list[str]]) -> dict[str, list[str]]:
    return {name: sorted(values) for name, values in headers.items() if name.startswith(("impersonate-", "authorization"))}


class Kubeconfig(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = self.enterContext(folder("kubeconfig"))

    def server(self, tls: ssl.SSLContext | None = None) -> Server:
        server = Server(tls)
        self.addCleanup(server.stop)
        return server

    def config(self, name: str, cluster: dict[str, Any] | None, user: dict[str, Any] | None) -> pathlib.Path:
        """A kubeconfig with what is given; the context stands in each."""
        path = self.folder / name
        path.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
            "clusters": [] if cluster is None else [{"name": "k", "cluster": cluster}],
            "users": [] if user is None else [{"name": "u", "user": user}]}))
        return path

    def kubectl(self, *files: pathlib.Path) -> None:
        env = {"PATH": "/usr/bin:/bin", "HOME": str(self.folder), "KUBECONFIG": ":".join(map(str, files)), "NO_PROXY": "*"}
        done = subprocess.run(["kubectl", "get", "--raw", "/version"], env=env, capture_output=True, text=True, timeout=30)
        self.assertIn("not for you", done.stderr)

    @contextlib.contextmanager
    def gatehouse(self, *files: pathlib.Path) -> Any:
        env = {"KUBECONFIG": ":".join(map(str, files)), "NO_PROXY": "*"}
        gate = Gatehouse(self.folder, {"aws": {"mode": "off"}}, files[0].name, env)
        try:
            yield gate
        finally:
            gate.stop()

    def message(self, gate: Gatehouse, state: str) -> str:
        """What the Kubernetes source says once it is in that state."""
        found = wait_until(f"the source is {state}", lambda: next(
            (s for s in gate.get("/summary")["sources"] if s["name"] == "kubernetes" and s["state"] == state), None), 20)
        return str(found["message"])

    def both(self, server: Server, *files: pathlib.Path) -> list[tuple[str, dict[str, list[str]]]]:
        """The last request of kubectl (some builds ask for the version first), the last of gatehouse."""
        self.kubectl(*files)
        last = server.asked[-1]
        server.asked.clear()
        with self.gatehouse(*files) as gate:
            self.message(gate, "denied")
        return [last, server.asked[-1]]

    def test_impersonation_asks_as_kubectl_does(self) -> None:
        server = self.server()
        path = self.config("as", {"server": f"http://127.0.0.1:{server.port}"}, {
            "as": "alice", "as-groups": ["ops", "dev"], "as-user-extra": {"scopes": ["view", "edit"], "odd/key": ["x"]}})
        kubectl, ours = self.both(server, path)
        self.assertEqual(impersonation(ours[1]), impersonation(kubectl[1]))
        self.assertEqual(ours[1]["impersonate-user"], ["alice"])

    def test_a_proxy_is_used_whatever_no_proxy_says(self) -> None:
        server = self.server()
        path = self.config("proxy", {"server": "http://kube.example.invalid:6443", "proxy-url": f"http://127.0.0.1:{server.port}"}, {})
        kubectl, ours = self.both(server, path)
        self.assertTrue(kubectl[0].startswith("GET http://kube.example.invalid:6443/version"), kubectl[0])
        self.assertTrue(ours[0].startswith("GET http://kube.example.invalid:6443/"), ours[0])

    def test_a_server_with_another_name_is_known_by_that_name_only(self) -> None:
        cert, key = certificate(self.folder, "kubernetes.default")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        server = self.server(context)
        cluster = {"server": f"https://127.0.0.1:{server.port}", "certificate-authority-data": data(cert)}
        with self.gatehouse(self.config("without", cluster, {})) as gate:
            self.assertRegex(self.message(gate, "unreachable"), "certificate")
        self.assertEqual(server.asked, [], "nothing is told to a server that is not known")
        server.names.clear()
        self.both(server, self.config("with", {**cluster, "tls-server-name": "kubernetes.default"}, {"token": "t"}))
        self.assertEqual(set(server.names), {"kubernetes.default"})
        self.assertTrue(all(headers["authorization"] == ["Bearer t"] for _, headers in server.asked))

    def test_files_are_merged_and_a_plugin_gives_the_token_where_no_certificate_says_who_asks(self) -> None:
        cert, key = certificate(self.folder, "kubernetes.default")
        mine, my_key = certificate(self.folder, "gatehouse")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        server = self.server(context)
        plugin = self.folder / "plugin"
        plugin.write_text(PLUGIN)
        plugin.chmod(0o755)
        first = self.config("one", {"server": f"https://127.0.0.1:{server.port}", "certificate-authority": cert.name,
                                    "tls-server-name": "kubernetes.default"}, None)
        user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1beta1", "command": "./plugin",
                         "env": [{"name": "WHO", "value": "plugin"}]}}
        by_plugin = self.config("two", {"server": "https://nobody.example.invalid"}, user)
        kubectl, ours = self.both(server, first, by_plugin)
        self.assertEqual(impersonation(ours[1]), impersonation(kubectl[1]))
        self.assertEqual(ours[1]["authorization"], ["Bearer from-plugin"])
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(mine)
        by_certificate = self.config("three", None, {
            "client-certificate-data": data(mine), "client-key-data": data(my_key), **user})
        kubectl, ours = self.both(server, by_certificate, first)
        self.assertEqual(impersonation(ours[1]), impersonation(kubectl[1]))
        self.assertNotIn("authorization", ours[1])


if __name__ == "__main__":
    unittest.main()
