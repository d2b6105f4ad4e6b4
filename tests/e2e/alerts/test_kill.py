"""kill -9 of the real program at random points: each committed alert still arrives, under its one id."""
from __future__ import annotations

import collections
import random
import sqlite3
import threading
import time
import unittest

import harness
from alerts.podcluster import PodCluster
from alerts.receiver import Receiver

KILLS = 12


class Kill(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = self.enterContext(harness.folder("kill"))
        self.cluster = PodCluster()
        self.addCleanup(self.cluster.close)
        self.receiver = Receiver()
        self.addCleanup(self.receiver.close)
        self.committed: dict[str, tuple[str, str]] = {}
        self.churning = True

    def churn(self) -> None:
        """Pods get stuck and recover, whoever looks."""
        number = 0
        while self.churning:
            self.cluster.pod(f"pod-{number % 40}", ready=number // 40 % 2 == 1)
            number += 1
            time.sleep(0.02)

    def start(self) -> harness.Gatehouse:
        return harness.Gatehouse(self.folder, {
            "kubernetes": {"kubeconfig": self.cluster.write_kubeconfig(self.folder / "kubeconfig")},
            "aws": {"mode": "off"}, "alerts": {"receivers": [self.receiver.options()]}})

    def rows(self, sql: str) -> list[tuple]:
        with sqlite3.connect(self.folder / "gatehouse.db", timeout=10) as db:
            return db.execute(sql).fetchall()

    def note_committed(self) -> None:
        for webhook_id, kind, body in self.rows("SELECT webhook_id, type, body FROM delivery"):
            before = self.committed.setdefault(webhook_id, (kind, body))
            self.assertEqual(before, (kind, body), "a committed delivery has changed")

    def test_each_committed_alert_arrives(self) -> None:
        churn = threading.Thread(target=self.churn, daemon=True)
        churn.start()
        for _ in range(KILLS):
            server = self.start()
            time.sleep(random.uniform(0.05, 0.8))
            server.popen.kill()
            server.stop()
            self.note_committed()
        self.churning = False
        churn.join()
        for name in list(self.cluster.pods):
            self.cluster.remove(name)  # what comes and goes would be held on to, were it well
        server = self.start()
        self.addCleanup(server.stop)
        harness.wait_until("no alert fires and nothing is pending", lambda: self.rows(
            "SELECT (SELECT count(*) FROM alert WHERE ended_at = 0) + (SELECT count(*) FROM delivery WHERE state = 0)"
        ) == [(0,)], 60)
        self.note_committed()
        self.assertGreater(len(self.committed), 20)
        bodies = collections.defaultdict(set)
        order: list[str] = []
        for message in self.receiver.messages:
            bodies[message.id].add(message.body.decode())
            order.append(message.id)
        self.assertEqual(set(bodies), set(self.committed))
        for webhook_id, (_, body) in self.committed.items():
            self.assertEqual(bodies[webhook_id], {body})
        for alert, stuck, recovered in self.rows(
                "SELECT a.alert_id, a.webhook_id, b.webhook_id FROM delivery a JOIN delivery b USING (alert_id)"
                " WHERE a.type = 'rollout.stuck' AND b.type = 'rollout.recovered'"):
            self.assertLess(order.index(stuck), order.index(recovered), f"alert {alert}")


if __name__ == "__main__":
    unittest.main()
