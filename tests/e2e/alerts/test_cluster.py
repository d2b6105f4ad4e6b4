"""A gated rollout of the simulated cluster: its webhook names the cause, and a new revision ends the alert."""
from __future__ import annotations

import json
import pathlib
import unittest

import harness
import jsonschema
from alerts.receiver import SECRET, Message, Receiver
from standardwebhooks import Webhook

SCHEMA = json.loads((pathlib.Path(__file__).resolve().parents[3] / "schema/webhook.rollout.schema.json").read_text())
SCENARIO = """
name: alerts
seed: 1
warmup: 0s
nodes: 2
families: [aws-lbc]
namespaces:
  shop:
    inject: aws-lbc
    workloads:
      - {name: web, replicas: 2, image: "registry.example/shop/web:1", pod: {start: 1s}, service: {port: 80},
         binding: {family: aws-lbc, lb: alb, health: code-mismatch, rules: {"*:2": alb-fast}}}
steps:
  - {at: 18s, do: set-image, workload: shop/web, image: "registry.example/shop/web:2"}
"""


class Cluster(unittest.TestCase):
    def setUp(self) -> None:
        context = harness.folder("alerts")
        self.folder = context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)
        self.receiver = Receiver()
        self.addCleanup(self.receiver.close)

    def wait_message(self, kind: str, seconds: float) -> dict:
        message: Message = harness.wait_until(kind, lambda: self.receiver.of_type(kind), seconds)[0]
        body = Webhook(SECRET).verify(message.body, message.headers)
        jsonschema.Draft202012Validator(
            SCHEMA, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER).validate(body)
        return body["data"]

    def test_stuck_names_its_cause_and_a_new_revision_supersedes_it(self) -> None:
        scenario = self.folder / "scenario.yaml"
        scenario.write_text(SCENARIO)
        simulator = harness.Simulator(self.folder, scenario)
        self.addCleanup(simulator.stop)
        server = harness.Gatehouse(self.folder, {
            "cluster": "sim", "kubernetes": {"kubeconfig": str(simulator.kubeconfig)}, "aws": {"mode": "off"},
            "pace": {"overrides": [{"namespace": "shop", "stuck_after": "4s", "runbook": "https://wiki.example/shop"}]},
            "alerts": {"receivers": [self.receiver.options()]}})
        self.addCleanup(server.stop)
        stuck = self.wait_message("rollout.stuck", 25)
        self.assertEqual((stuck["kind"], stuck["name"], stuck["state"]), ("Deployment", "web", "stuck"))
        self.assertEqual(stuck["gates"]["open"], 0)
        self.assertEqual(stuck["links"], {"runbook": "https://wiki.example/shop"})
        self.assertTrue(stuck["cause"]["message"] and stuck["cause"]["action"] and stuck["cause"]["evidence"])
        recovered = self.wait_message("rollout.recovered", 60)
        self.assertEqual(recovered["alert"]["reason"], "superseded")
        self.assertEqual(recovered["alert"]["key"], "sim/shop/Deployment/web")
        self.assertEqual(recovered["alert"]["cause"], "health_check_code_mismatch")  # what it came to, in the end
        self.assertNotEqual(recovered["revision_hash"], recovered["alert"]["revision_hash"])
        server.wait_state("shop", "web", "serving", seconds=90)
        # Each pod of the new revision takes longer than four seconds: that is one alert, not one a pod.
        harness.wait_until("no alert fires", lambda: all(
            a["ended_at"] for a in server.get("/alerts")["items"]), 30)
        self.assertLessEqual(len(server.get("/alerts")["items"]), 2)


if __name__ == "__main__":
    unittest.main()
