"""Standard Webhooks as the official library and the published schema see them."""
from __future__ import annotations

import json
import pathlib
import time
import unittest

import harness
import jsonschema
from alerts.podcluster import PodCluster
from alerts.receiver import SECRET, Message, Receiver
from standardwebhooks import Webhook, WebhookVerificationError

SCHEMA = json.loads((pathlib.Path(__file__).resolve().parents[3] / "schema/webhook.rollout.schema.json").read_text())


class StandardWebhooks(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = self.enterContext(harness.folder("webhooks"))
        self.cluster = PodCluster()
        self.addCleanup(self.cluster.close)
        self.receiver = Receiver()
        self.addCleanup(self.receiver.close)

    def start(self, *receivers: dict) -> harness.Gatehouse:
        server = harness.Gatehouse(self.folder, {
            "external_url": "https://gate.example",
            "kubernetes": {"kubeconfig": self.cluster.write_kubeconfig(self.folder / "kubeconfig")},
            "aws": {"mode": "off"},
            "alerts": {"receivers": list(receivers)}})
        self.addCleanup(server.stop)
        return server

    def wait_message(self, kind: str, count: int = 1, seconds: float = 30) -> Message:
        return harness.wait_until(f"{count} {kind}", lambda: len(self.receiver.of_type(kind)) >= count
                                  and self.receiver.of_type(kind)[count - 1], seconds)

    def verify(self, message: Message) -> dict:
        body = Webhook(SECRET).verify(message.body, message.headers)
        checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
        jsonschema.Draft202012Validator(SCHEMA, format_checker=checker).validate(body)
        return body

    def test_stuck_and_recovered_verify(self) -> None:
        self.cluster.pod("lone", ready=False, annotations={"gatehouse.dev/runbook": "https://wiki.example/lone"})
        self.start(self.receiver.options())
        stuck = self.verify(self.wait_message("rollout.stuck"))
        self.assertEqual(stuck["data"]["name"], "lone")
        self.assertEqual(stuck["data"]["state"], "stuck")
        self.assertEqual(stuck["data"]["links"], {"rollout": "https://gate.example/r/shop/Pod/lone",
                                                  "runbook": "https://wiki.example/lone"})
        self.cluster.pod("lone", ready=True)
        recovered = self.verify(self.wait_message("rollout.recovered"))
        self.assertEqual(recovered["data"]["alert"]["key"], stuck["data"]["alert"]["key"])
        self.assertEqual(recovered["data"]["alert"]["started_at"], stuck["data"]["alert"]["started_at"])
        self.assertIsNotNone(recovered["data"]["alert"]["ended_at"])
        self.assertEqual(len(self.receiver.messages), 2)
        self.assertNotEqual(self.receiver.messages[0].id, self.receiver.messages[1].id)

    def test_a_changed_byte_does_not_verify(self) -> None:
        self.cluster.pod("lone", ready=False)
        self.start(self.receiver.options())
        message = self.wait_message("rollout.stuck")
        self.verify(message)
        with self.assertRaises(WebhookVerificationError):
            Webhook(SECRET).verify(message.body.replace(b"lone", b"lame"), message.headers)
        with self.assertRaises(WebhookVerificationError):
            Webhook(SECRET).verify(message.body, {**message.headers, "webhook-id": "msg_other"})

    def test_a_refusal_is_tried_again_with_the_same_id_and_bytes(self) -> None:
        self.receiver.answers = [500]
        self.cluster.pod("lone", ready=False)
        server = self.start(self.receiver.options())
        self.wait_message("rollout.stuck", 2)
        first, second = self.receiver.of_type("rollout.stuck")[:2]
        self.assertEqual(first.id, second.id)
        self.assertEqual(first.body, second.body)
        self.assertGreater(int(second.headers["webhook-timestamp"]), int(first.headers["webhook-timestamp"]))
        self.verify(second)

        def delivery() -> dict:
            return server.get("/deliveries")["items"][0]

        harness.wait_until("the delivery is booked", lambda: delivery()["state"] == "delivered", 10)
        self.assertEqual(delivery()["attempts"], 2)

    def test_redelivery_sends_the_same_message_again(self) -> None:
        self.cluster.pod("lone", ready=False)
        server = self.start(self.receiver.options())
        first = self.wait_message("rollout.stuck")
        item = harness.wait_until("the delivery is listed", lambda: server.get("/deliveries")["items"], 10)[0]
        status, _, body = server.request(f"/api/v1/deliveries/{item['id']}/redeliver", method="POST", body=b"")
        self.assertIn(status, (200, 202), body)
        second = self.wait_message("rollout.stuck", 2)
        self.assertEqual(first.id, second.id)
        self.assertEqual(first.body, second.body)

    def test_alerts_off_and_private_addresses(self) -> None:
        other = Receiver()
        self.addCleanup(other.close)
        self.cluster.pod("quiet", ready=False, annotations={"gatehouse.dev/alerts": "off"})
        self.cluster.pod("loud", ready=False)
        server = self.start(self.receiver.options(), other.options(name="careful", allow_private=False))
        self.wait_message("rollout.stuck")
        harness.wait_until("the refusal is booked", lambda: [
            d for d in server.get("/deliveries")["items"] if d["receiver"] == "careful" and d["attempts"] > 0], 20)
        self.assertEqual(other.messages, [])
        self.assertEqual({m.json["data"]["name"] for m in self.receiver.messages}, {"loud"})

    def test_a_reload_brings_a_receiver(self) -> None:
        self.cluster.pod("lone", ready=False)
        server = self.start()
        harness.wait_until("the alert fires", lambda: server.get("/alerts")["items"], 20)
        config = json.loads(server.config_path.read_text())
        config["alerts"] = {"receivers": [self.receiver.options()]}
        server.config_path.write_text(json.dumps(config))
        server.popen.send_signal(1)
        harness.wait_until("the reload is through", lambda: "reload" in server.text(), 10)
        time.sleep(0.5)
        self.cluster.pod("later", ready=False)
        self.assertEqual(self.wait_message("rollout.stuck").json["data"]["name"], "later")


if __name__ == "__main__":
    unittest.main()
