"""The main job on the simulated cluster: rollouts that serve, one that sticks and is repaired, over REST and SSE."""
from __future__ import annotations

import json
import threading
import unittest
import urllib.request

from harness import QUICK, ROOT, Gatehouse, Simulator, folder, quick, wait_until

PACE = {**QUICK, "stuck_min": "2s", "overrides": [{"namespace": "shop", "workload": "bad", "stuck_after": "8s"}]}
BASIC = ROOT / "tests/sim/scenarios/basic.yaml"


class Stream(threading.Thread):
    """Reads /api/v1/events and keeps (type, data) pairs."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.answer = urllib.request.urlopen(url, timeout=60)
        self.events: list[tuple[str, dict]] = []
        self.ids: list[int] = []
        self.start()

    def run(self) -> None:
        kind = ""
        try:
            for raw in self.answer:
                line = raw.decode().rstrip("\n")
                if line.startswith("event:"):
                    kind = line[6:].strip()
                elif line.startswith("id:"):
                    self.ids.append(int(line[3:]))
                elif line.startswith("data:"):
                    self.events.append((kind, json.loads(line[5:])))
        except (OSError, ValueError):
            """The stream ended with its test."""


class Rollouts(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = cls.enterClassContext(folder("spine"))
        cls.sim = Simulator(cls.folder, BASIC)
        cls.addClassCleanup(cls.sim.stop)
        cls.server = Gatehouse(cls.folder, {"kubernetes": {"kubeconfig": str(cls.sim.kubeconfig)}, "pace": PACE,
                                            "aws": {"mode": "off"}})
        cls.addClassCleanup(cls.server.stop)

    def test_1_good_serves_and_a_new_revision_is_followed_live(self) -> None:
        self.server.wait_state("shop", "good", "serving")
        stream = Stream(self.server.url + "/api/v1/events")
        self.sim.control("do", {"do": "set-image", "workload": "shop/good", "image": "registry.example/shop/good:2"})
        self.server.wait_state("shop", "good", "progressing", seconds=20)
        found = self.server.wait_state("shop", "good", "serving", seconds=90)
        self.assertEqual(found["images"], ["registry.example/shop/good:2"])
        self.assertEqual(found["pods"]["ready"], 3)
        self.assertEqual((found["gates"]["total"], found["gates"]["open"]), (3, 3))
        timeline = self.server.get("/namespaces/shop/rollouts/deployment/good/timeline")["items"]
        self.assertTrue(any(t["what"] == "gate" and t["to"] == "open" for t in timeline), timeline[:5])
        history = self.server.get("/namespaces/shop/rollouts/deploy/good/history")["items"]
        self.assertEqual(len(history), 2)
        wait_until("the stream tells that good serves again",
                   lambda: [d for k, d in stream.events if k == "rollout" and d["name"] == "good" and d["state"] == "serving"])
        states = [d["state"] for k, d in stream.events if k == "rollout" and d["name"] == "good"]
        self.assertIn("progressing", states)
        self.assertEqual(stream.ids, sorted(stream.ids))

    def test_2_bad_sticks_with_its_cause_and_recovers(self) -> None:
        stuck = self.server.wait_state("shop", "bad", "stuck", seconds=60)
        self.assertEqual(stuck["cause"]["code"], "health_check_code_mismatch")
        self.assertTrue(stuck["cause"]["evidence"])
        self.assertTrue(stuck["cause"]["commands"])
        worst = self.server.get("/rollouts")["items"][0]
        self.assertEqual(worst["name"], "bad")
        pods = self.server.get("/namespaces/shop/rollouts/deployment/bad/pods")["items"]
        self.assertEqual({p["state"] for p in pods if p["is_new"]}, {"failing"})
        self.assertEqual(pods[0]["truth"]["gate"], "no")
        self.sim.control("do", {"do": "health", "binding": "shop/bad", "health": quick("alb-fast")})
        found = self.server.wait_state("shop", "bad", "serving", seconds=90)
        self.assertIsNone(found["cause"])

    def test_3_etags_conditions_and_errors(self) -> None:
        status, headers, _ = self.server.request("/api/v1/namespaces/shop/rollouts/deployment/good")
        self.assertEqual(status, 200)
        again, _, body = self.server.request("/api/v1/namespaces/shop/rollouts/Deployment/good",
                                             {"If-None-Match": headers["etag"]})
        self.assertEqual((again, body), (304, b""))
        for path, want in (("/api/v1/rollouts?nonsense=1", 400), ("/api/v1/namespaces/shop/rollouts/deployment/none", 404),
                           ("/api/v1/rollouts?cursor=xyz", 400), ("/api/v1/rollouts?limit=0", 400)):
            status, headers, body = self.server.request(path)
            self.assertEqual(status, want, (path, body))
            self.assertEqual(headers["content-type"].split(";")[0], "application/problem+json")
            self.assertIn("request_id", json.loads(body))
        status, headers, _ = self.server.request("/api/v1/rollouts", method="DELETE")
        self.assertEqual(status, 405)
        self.assertIn("GET", headers["allow"])
        status, _, body = self.server.request("/api/v1/summary", method="HEAD")
        self.assertEqual((status, body), (200, b""))


if __name__ == "__main__":
    unittest.main()
