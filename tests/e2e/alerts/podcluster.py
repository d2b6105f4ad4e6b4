"""The smallest Kubernetes API that gatehouse watches: bare pods in one namespace, listed and watched as JSON.

A pod here was created twenty minutes ago; while it is not ready it is past every limit, so its rollout is stuck at
once and the tests need not wait. Whole clusters, gates and faults are the business of tests/sim.
"""
from __future__ import annotations

import datetime
import json
import pathlib
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KINDS = {"namespaces": "Namespace", "nodes": "Node", "services": "Service", "events": "Event", "pods": "Pod"}


def minutes_ago(minutes: float) -> str:
    then = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=minutes)
    return then.strftime("%Y-%m-%dT%H:%M:%SZ")


def pod_object(name: str, ready: bool, version: int, annotations: dict[str, str] | None) -> dict[str, Any]:
    since = minutes_ago(0 if ready else 20)
    conditions = [{"type": kind, "status": "True" if ready or kind == "PodScheduled" else "False",
                   "lastTransitionTime": since} for kind in ("PodScheduled", "ContainersReady", "Ready")]
    return {"kind": "Pod", "apiVersion": "v1",
            "metadata": {"name": name, "namespace": "shop", "uid": f"uid-{name}", "resourceVersion": str(version),
                         "creationTimestamp": minutes_ago(20), "annotations": annotations or {}},
            "spec": {"containers": [{"name": "app", "image": "example/app:1"}]},
            "status": {"phase": "Running", "podIP": "10.0.0.1", "conditions": conditions}}


class PodCluster:
    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.pods: dict[str, dict[str, Any]] = {}
        self.version = 100
        self.events: list[tuple[int, dict[str, Any]]] = []
        cluster = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                cluster.answer(self)

            def log_message(self, format: str, *args: Any) -> None:
                """Quiet."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                """Clients that are killed leave broken connections."""

        self.server = Server(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def pod(self, name: str, ready: bool, annotations: dict[str, str] | None = None) -> None:
        """Creates or changes a pod."""
        with self.changed:
            self.version += 1
            kind = "MODIFIED" if name in self.pods else "ADDED"
            self.pods[name] = pod_object(name, ready, self.version, annotations)
            self.events.append((self.version, {"type": kind, "object": self.pods[name]}))
            self.changed.notify_all()

    def remove(self, name: str) -> None:
        with self.changed:
            self.version += 1
            gone = self.pods.pop(name)
            gone = {**gone, "metadata": {**gone["metadata"], "resourceVersion": str(self.version)}}
            self.events.append((self.version, {"type": "DELETED", "object": gone}))
            self.changed.notify_all()

    def write_kubeconfig(self, path: pathlib.Path) -> str:
        server = f"http://127.0.0.1:{self.server.server_port}"
        path.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "pods",
            "clusters": [{"name": "pods", "cluster": {"server": server}}],
            "users": [{"name": "pods", "user": {}}],
            "contexts": [{"name": "pods", "context": {"cluster": "pods", "user": "pods"}}]}))
        return str(path)

    # ---- the API ----

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        url = urllib.parse.urlparse(request.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        name = url.path.removeprefix("/api/v1/")
        if url.path == "/api":
            self.send(request, 200, {"kind": "APIVersions", "versions": ["v1"]})
        elif url.path == "/apis":
            self.send(request, 200, {"kind": "APIGroupList", "apiVersion": "v1", "groups": []})
        elif url.path == "/api/v1":
            self.send(request, 200, {"kind": "APIResourceList", "groupVersion": "v1", "resources": [
                {"name": n, "kind": k, "namespaced": n not in ("namespaces", "nodes"), "singularName": "",
                 "verbs": ["get", "list", "watch"]} for n, k in KINDS.items()]})
        elif name not in KINDS:
            self.fail(request, 404, "NotFound")
        elif "sendInitialEvents" in query:
            self.fail(request, 422, "Invalid")
        elif "watch" in query:
            self.watch(request, name, int(query.get("resourceVersion") or 0))
        else:
            self.list(request, name)

    def list(self, request: BaseHTTPRequestHandler, name: str) -> None:
        with self.changed:
            items = list(self.pods.values()) if name == "pods" else []
            version = self.version
        if name == "namespaces":
            items = [{"metadata": {"name": "shop", "uid": "uid-shop", "resourceVersion": "1"}}]
        self.send(request, 200, {"kind": f"{KINDS[name]}List", "apiVersion": "v1",
                                 "metadata": {"resourceVersion": str(version)}, "items": items})

    def watch(self, request: BaseHTTPRequestHandler, name: str, since: int) -> None:
        request.send_response(200)
        request.send_header("content-type", "application/json")
        request.send_header("transfer-encoding", "chunked")
        request.end_headers()
        try:
            while True:
                with self.changed:
                    fresh = [(v, e) for v, e in self.events if v > since] if name == "pods" else []
                    if not fresh:
                        self.changed.wait(5)
                        continue
                for since, event in fresh:
                    line = json.dumps(event).encode() + b"\n"
                    request.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
        except OSError:
            request.close_connection = True  # the reader has left

    @staticmethod
    def send(request: BaseHTTPRequestHandler, code: int, value: Any) -> None:
        body = json.dumps(value).encode()
        request.send_response(code)
        request.send_header("content-type", "application/json")
        request.send_header("content-length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    def fail(self, request: BaseHTTPRequestHandler, code: int, reason: str) -> None:
        self.send(request, code, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason,
                                  "message": reason, "code": code})
