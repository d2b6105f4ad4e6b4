"""The audit of a cluster in which nobody waits, yet much is wrong."""
from __future__ import annotations

import json
import unittest

from harness import Gatehouse, Simulator, folder, wait_until

SCENARIO = """
name: audit
seed: 1
nodes: 2
namespaces:
  plain:
    workloads:
      - {name: web, replicas: 2, pod: {start: 1s}, binding: {name: web, health: healthy}}
  fine:
    inject: aws-lbc
    workloads:
      - {name: web, replicas: 1, pod: {start: 1s}, pre_stop: 20, binding: {name: shielded, health: healthy}}
  quiet:
    workloads:
      - {name: batch, replicas: 1, pod: {start: 1s}}
  old:
    inject: aws-lbc
    workloads:
      - {name: legacy, replicas: 1, pod: {start: 1s}, gates: [target-health.alb.ingress.k8s.aws/web_web_80]}
"""


class Audit(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = cls.enterClassContext(folder("audit"))
        scenario = cls.folder / "audit.yaml"
        scenario.write_text(SCENARIO)
        cls.sim = Simulator(cls.folder, scenario)
        cls.addClassCleanup(cls.sim.stop)
        cls.server = Gatehouse(cls.folder, {"kubernetes": {"kubeconfig": str(cls.sim.kubeconfig)}, "aws": {"mode": "off"}})
        cls.addClassCleanup(cls.server.stop)

    def test_each_namespace_says_what_is_wrong_with_it(self) -> None:
        found: dict = {}

        def check() -> bool:
            found.update({n["namespace"]: n for n in self.server.get("/audit")["items"]})
            workloads = [f["workload"] for f in found["plain"]["ungated"]]
            return bool({"kind": "Deployment", "name": "web"} in workloads and found["old"]["orphan_gates"] and found["fine"]["drain"])

        wait_until("the audit has seen it all", check, 40)
        self.assertEqual({f["code"] for f in found["plain"]["ungated"]}, {"gates_not_used"})
        self.assertIn(None, [f["workload"] for f in found["plain"]["ungated"]])  # the namespace itself
        self.assertEqual(found["plain"]["injection"], "missing")
        self.assertEqual([f["code"] for f in found["old"]["orphan_gates"]], ["gate_legacy_type"])
        self.assertEqual(found["fine"]["ungated"], [])
        self.assertEqual([d["pre_stop_seconds"] for d in found["fine"]["drain"]], [20])
        self.assertEqual(found["plain"]["drain"][0]["deregistration_delay_known"], False)
        self.assertNotIn("quiet", found)

    def test_the_webhook_and_the_pages(self) -> None:
        page = wait_until("the webhook is known", lambda: (p := self.server.get("/audit?limit=1"))["webhooks"] and p["next"] and p)
        self.assertEqual(page["webhooks"][0]["family"], "aws-lbc")
        self.assertEqual(len(page["items"]), 1)
        self.behind_the_webhook("none", True, 1)
        self.behind_the_webhook("no-endpoints", True, 0)
        self.behind_the_webhook("no-service", False, None)
        self.behind_the_webhook("none", True, 1)
        rest = self.server.get(f"/audit?limit=1&cursor={page['next']}")
        self.assertNotEqual(rest["items"][0]["namespace"], page["items"][0]["namespace"])
        status, headers, _ = self.server.request("/api/v1/audit?namespace=fine")
        again, _, _ = self.server.request("/api/v1/audit?namespace=fine", {"If-None-Match": headers["etag"]})
        self.assertEqual((status, again), (200, 304))
        status, _, body = self.server.request("/api/v1/audit?nonsense=1")
        self.assertEqual((status, json.loads(body)["errors"][0]["parameter"]), (400, "nonsense"))

    def behind_the_webhook(self, failure: str, exists: bool, ready: int | None) -> None:
        self.sim.control("do", {"do": "webhook", "family": "aws-lbc", "broken": failure != "none", "failure": failure})

        def shown() -> bool:
            hook = self.server.get("/audit?limit=1")["webhooks"][0]
            return (hook["service_exists"], hook["ready_endpoints"]) == (exists, ready)

        wait_until(f"the audit tells of {failure}", shown, 20)


if __name__ == "__main__":
    unittest.main()
