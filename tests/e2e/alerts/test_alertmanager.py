"""A real Alertmanager (Debian's): it takes our alerts, keeps them firing, and passes on their end."""
from __future__ import annotations

import json
import pathlib
import shutil
import socket
import unittest
import urllib.request
from typing import Any

import harness
from alerts.podcluster import PodCluster
from alerts.receiver import Receiver

PROGRAM = shutil.which("prometheus-alertmanager")


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


class Alertmanager(harness.Process):
    def __init__(self, folder: pathlib.Path, name: str, port: int, sink: str) -> None:
        config = folder / f"{name}.yml"
        config.write_text(json.dumps({
            "route": {"receiver": "sink", "group_by": ["rollout"], "group_wait": "0s", "group_interval": "1s",
                      "repeat_interval": "1h"},
            "receivers": [{"name": "sink", "webhook_configs": [{"url": sink, "send_resolved": True}]}]}))
        assert PROGRAM is not None, "prometheus-alertmanager is missing: config/deps e2e"
        super().__init__(name, [PROGRAM, f"--config.file={config}", f"--storage.path={folder / name}",
                                f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="], folder)
        self.url = f"http://127.0.0.1:{port}"
        harness.wait_until("Alertmanager is ready", lambda: self.get("/-/ready"), 20)

    def get(self, path: str) -> bytes:
        with urllib.request.urlopen(self.url + path, timeout=5) as answer:
            return answer.read() or b"OK"

    def alerts(self) -> list[dict[str, Any]]:
        return json.loads(self.get("/api/v2/alerts"))


class WithAlertmanager(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = self.enterContext(harness.folder("alertmanager"))
        self.cluster = PodCluster()
        self.addCleanup(self.cluster.close)
        self.sink = Receiver()
        self.addCleanup(self.sink.close)
        self.port = free_port()

    def start_alertmanager(self, name: str) -> Alertmanager:
        manager = Alertmanager(self.folder, name, self.port, self.sink.url)
        self.addCleanup(manager.stop)
        return manager

    def start_gatehouse(self, name: str = "gatehouse") -> harness.Gatehouse:
        server = harness.Gatehouse(self.folder, {
            "external_url": "https://gate.example", "cluster": "prod", "db": str(self.folder / "gatehouse.db"),
            "kubernetes": {"kubeconfig": self.cluster.write_kubeconfig(self.folder / "kubeconfig")},
            "aws": {"mode": "off"},
            "alerts": {"receivers": [{"name": "am", "format": "alertmanager", "allow_private": True,
                                      "url": f"http://127.0.0.1:{self.port}"}]}}, name=name)
        self.addCleanup(server.stop)
        return server

    def notified(self, status: str) -> list[dict[str, Any]]:
        return [m.json for m in list(self.sink.messages) if m.json["status"] == status]

    def test_an_alert_fires_and_ends(self) -> None:
        manager = self.start_alertmanager("am")
        self.cluster.pod("lone", ready=False)
        self.start_gatehouse()
        alert = harness.wait_until("the alert is there", manager.alerts, 30)[0]
        severity = alert["labels"].pop("severity")
        self.assertIn(severity, ("warning", "critical"))
        self.assertEqual(alert["labels"], {"alertname": "RolloutStuck", "cluster": "prod", "namespace": "shop",
                                           "kind": "Pod", "rollout": "lone"})
        self.assertEqual(alert["status"]["state"], "active")
        self.assertEqual(alert["generatorURL"], "https://gate.example/r/shop/Pod/lone")
        self.assertIn("lone", alert["annotations"]["summary"])
        firing = harness.wait_until("it is passed on", lambda: self.notified("firing"), 20)[0]
        self.cluster.pod("lone", ready=True)
        resolved = harness.wait_until("its end is passed on", lambda: self.notified("resolved"), 20)[0]
        self.assertEqual(resolved["alerts"][0]["fingerprint"], firing["alerts"][0]["fingerprint"])
        self.assertEqual(resolved["alerts"][0]["startsAt"], firing["alerts"][0]["startsAt"])
        self.assertEqual(manager.alerts(), [])

    def test_a_firing_alert_is_told_again_to_one_that_forgot(self) -> None:
        manager = self.start_alertmanager("am-1")
        self.cluster.pod("lone", ready=False)
        server = self.start_gatehouse()
        harness.wait_until("the alert is there", manager.alerts, 30)
        harness.wait_until("its delivery is booked", lambda: [
            d for d in server.get("/deliveries")["items"] if d["state"] == "delivered"], 10)
        server.stop()
        manager.stop()
        fresh = self.start_alertmanager("am-2")  # with nothing in its memory
        self.assertEqual(fresh.alerts(), [])
        server = self.start_gatehouse("gatehouse-2")
        alert = harness.wait_until("the alert is there again", fresh.alerts, 30)[0]
        self.assertEqual(alert["labels"]["rollout"], "lone")
        self.assertEqual(len(server.get("/deliveries")["items"]), 1)  # a repeat is no delivery

    def test_one_that_is_down_gets_it_later(self) -> None:
        self.cluster.pod("lone", ready=False)
        server = self.start_gatehouse()
        harness.wait_until("a try has failed", lambda: [
            d for d in server.get("/deliveries")["items"] if d["attempts"] > 0], 20)
        manager = self.start_alertmanager("am")
        harness.wait_until("the alert is there", manager.alerts, 60)


if __name__ == "__main__":
    unittest.main()
