"""A client that fills its share of the API server, so that whoever shares it is told to come back later.

Priority and fairness gives the smallest priority level there is, with one short queue, to two users: gatehouse's and
the crowd's, each by a FlowSchema of its own, so that the server counts their requests apart. The crowd asks for a long
list and does not read it: the request keeps its seat until the connection closes.
"""
from __future__ import annotations

import re
import select
import socket
import ssl
import threading
from typing import Any

from control_plane import NARROW_TOKEN, ControlPlane

FLOW = "flowcontrol.apiserver.k8s.io/v1"
NAMES = {"gatehouse": "gatehouse", "narrow": "crowd"}  # user: flow schema


def _schema(user: str, name: str) -> dict[str, Any]:
    return {"apiVersion": FLOW, "kind": "FlowSchema", "metadata": {"name": name},
            "spec": {"priorityLevelConfiguration": {"name": "crowded"}, "matchingPrecedence": 100,
                     "rules": [{"subjects": [{"kind": "User", "user": {"name": user}}],
                                "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"],
                                                   "namespaces": ["*"], "clusterScope": True}],
                                "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}]}]}}


def _objects() -> list[dict[str, Any]]:
    level = {"apiVersion": FLOW, "kind": "PriorityLevelConfiguration", "metadata": {"name": "crowded"},
             "spec": {"type": "Limited",
                      "limited": {"nominalConcurrencyShares": 1, "lendablePercent": 0, "borrowingLimitPercent": 0,
                                  "limitResponse": {"type": "Queue", "queuing": {
                                      "queues": 1, "handSize": 1, "queueLengthLimit": 2}}}}}
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "crowd"},
            "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]}]}
    bind = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "crowd"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "crowd"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "narrow"}]}
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "crowd"}}
    return [level, *(_schema(user, name) for user, name in NAMES.items()), role, bind, space]


class Crowd(threading.Thread):
    """Holds every seat and place in the queue while `pressing` is set."""

    CLIENTS, LONG = 8, 12  # more than seats and places in the queue; MB, more than socket buffers take

    def __init__(self, plane: ControlPlane) -> None:
        super().__init__(daemon=True)
        self.plane = plane
        self.pressing = threading.Event()
        self.seats = 0  # lists that are being answered
        self._ended = threading.Event()
        self._open: list[ssl.SSLSocket] = []
        self._seated: set[ssl.SSLSocket] = set()

    def __enter__(self) -> Crowd:
        self.plane.apply(*_objects())
        for n in range(self.LONG):
            self.plane.api("POST", "/api/v1/namespaces/crowd/configmaps", {
                "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"long-{n}"}, "data": {"text": "x" * 10**6}})
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self.join(10)
        for obj in reversed(_objects()):
            self.plane.kubectl("delete", "--wait=false", obj["kind"].lower(), obj["metadata"]["name"])

    def counted(self, user: str) -> dict[str, float]:
        """What the server has made of that user's requests: let through, and told to come back."""
        text = self.plane.api("GET", "/metrics", raw=True).decode()
        return {what: sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines()
                          if re.match(rf'apiserver_flowcontrol_{what}_requests_total{{.*flow_schema="{NAMES[user]}"', line))
                for what in ("dispatched", "rejected")}

    def run(self) -> None:
        while not self._ended.wait(0.1):
            if self.pressing.is_set():
                self._press()
            else:
                self._leave()
        self._leave()

    def _press(self) -> None:
        for connection in select.select(self._open, [], [], 0)[0]:
            self._look(connection)
        while len(self._open) < self.CLIENTS:
            self._open.append(self._ask())
        self.seats = len(self._seated)

    def _look(self, connection: ssl.SSLSocket) -> None:
        """The first bytes say whether it has a seat; it reads no further, or its list would end."""
        if connection in self._seated:
            return
        try:
            head = connection.recv(32)
        except (ssl.SSLWantReadError, TimeoutError):  # a session ticket, no answer yet
            return
        except OSError:
            head = b""
        if head.startswith(b"HTTP/1.1 200"):
            self._seated.add(connection)
        else:  # refused at once, or after its time in the queue
            self._open.remove(connection)
            connection.close()

    def _ask(self) -> ssl.SSLSocket:
        raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.connect(("127.0.0.1", self.plane.port))
        connection = self.plane.tls.wrap_socket(raw, server_hostname="127.0.0.1")
        connection.settimeout(0.05)
        connection.sendall(b"GET /api/v1/namespaces/crowd/configmaps HTTP/1.1\r\nHost: crowd\r\n"
                           b"Authorization: Bearer " + NARROW_TOKEN.encode() + b"\r\n\r\n")
        return connection

    def _leave(self) -> None:
        for connection in self._open:
            connection.close()
        self._open.clear()
        self._seated.clear()
        self.seats = 0
