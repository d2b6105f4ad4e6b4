"""Faults on demand, as a client meets them."""
from __future__ import annotations

import http.client
import json
import pathlib
import socket
import time
import unittest
from typing import Any

from server import Server

PODS = "/api/v1/pods"
RECORDED = pathlib.Path(__file__).resolve().parents[2] / "fixtures" / "kubernetes"


class Faults(unittest.TestCase):
    """Each rule hits what it names, as often as it says, and leaves the rest alone."""

    server: Server

    @classmethod
    def setUpClass(cls) -> None:
        cls.server = Server("basic.yaml", "--manual-clock")
        cls.server.sim("clock", advance="10s")

    @classmethod
    def tearDownClass(cls) -> None:
        cls.server.stop()

    def tearDown(self) -> None:
        self.server.open("DELETE", "/_sim/faults").read()

    def fault(self, **rule: Any) -> None:
        self.server.sim("faults", **rule)

    def test_429_with_retry_after_twice_then_well(self) -> None:
        self.fault(action="status", resource="pods", verb="list", code=429, retry_after=1, count=2)
        replies = [self.server.get(PODS) for _ in range(3)]
        self.assertEqual([429, 429, 200], [r.status for r in replies])
        self.assertEqual("1", replies[0].headers["Retry-After"])
        self.assertEqual("TooManyRequests", replies[0].json()["reason"])

    def test_a_fault_hits_only_its_resource_and_verb(self) -> None:
        self.fault(action="status", resource="services", verb="list", code=500)
        self.assertEqual(200, self.server.get(PODS).status)
        self.assertEqual(500, self.server.get("/api/v1/services").status)
        self.assertEqual(200, self.server.get("/api/v1/namespaces/shop/services/good").status)

    def test_403_reads_as_recorded(self) -> None:
        self.fault(action="status", resource="pods", code=403)
        mine, real = self.server.get(PODS).json(), json.loads((RECORDED / "status-403.json").read_text(encoding="utf-8"))
        self.assertEqual(real["message"].replace("gateway", "admin"), mine["message"])
        self.assertEqual({k: v for k, v in real.items() if k != "message"}, {k: v for k, v in mine.items() if k != "message"})

    def test_a_duration_ends_by_itself(self) -> None:
        self.fault(action="status", code=503, duration=0.3)
        self.assertEqual(503, self.server.get(PODS).status)
        time.sleep(0.35)
        self.assertEqual(200, self.server.get(PODS).status)

    def test_html_of_a_load_balancer(self) -> None:
        self.fault(action="status", code=502, html=True, message="Bad Gateway", count=1)
        reply = self.server.get(PODS)
        self.assertEqual((502, "text/html"), (reply.status, reply.headers["Content-Type"].split(";")[0]))

    def test_cut_in_mid_body_is_no_complete_answer(self) -> None:
        self.fault(action="cut", resource="pods", verb="list", after_bytes=1000, count=1)
        with self.assertRaises(http.client.IncompleteRead) as caught:
            self.server.get(PODS)
        self.assertEqual(1000, len(caught.exception.partial))

    def test_garbage_spoils_the_json(self) -> None:
        self.fault(action="garbage", resource="pods", verb="list", after_bytes=50, count=1)
        reply = self.server.get(PODS)
        self.assertEqual(200, reply.status)
        self.assertRaises(ValueError, lambda: json.loads(reply.raw))

    def test_a_silent_peer_sends_nothing(self) -> None:
        self.fault(action="hang", resource="pods", verb="list", count=1)
        self.assertRaises(socket.timeout, lambda: self.server.open("GET", PODS, timeout=0.4).read())

    def test_a_peer_that_stops_in_mid_stream(self) -> None:
        self.fault(action="hang", resource="pods", verb="watch", after_bytes=10, count=1)
        response = self.server.open("GET", PODS + "?watch=1", timeout=0.4)
        self.assertEqual(10, len(response.read(10)))
        self.assertRaises(socket.timeout, lambda: response.read(1))
        response.close()

    def test_dropped_connection(self) -> None:
        self.fault(action="drop", count=1)
        self.assertRaises((ConnectionError, http.client.BadStatusLine), lambda: self.server.get(PODS))

    def test_drip_is_slow_and_whole(self) -> None:
        size = len(self.server.get("/api/v1/namespaces").raw)
        self.fault(action="drip", resource="namespaces", bytes_per_second=size * 2, count=1)
        began = time.monotonic()
        self.assertEqual(size, len(self.server.get("/api/v1/namespaces").raw))
        self.assertGreater(time.monotonic() - began, 0.3)

    def test_errors_inside_a_watch(self) -> None:
        self.fault(action="watch_error", resource="pods", verb="watch", code=429, retry_after=2, count=1)
        stream = self.server.watch(PODS)
        events = list(stream)
        self.assertEqual(["ADDED"] * 5 + ["ERROR"], [e["type"] for e in events])
        self.assertEqual((429, 2), (events[-1]["object"]["code"], events[-1]["object"]["details"]["retryAfterSeconds"]))

    def test_open_watches_can_be_made_to_misbehave(self) -> None:
        self.server.quiet()
        first, second = self.server.watch(PODS), self.server.watch("/api/v1/namespaces/shop/services")
        first.take(5)
        second.take(2)
        self.assertEqual({"watches": 1}, self.server.sim("watches", action="error", code=410, resource="pods"))
        self.assertEqual(410, next(first)["object"]["code"])
        self.assertEqual({"watches": 1}, self.server.sim("watches", action="close", resource="services"))
        self.assertEqual([], list(second))

    def test_cut_watch_is_a_broken_stream(self) -> None:
        stream = self.server.watch(PODS)
        stream.take(5)
        self.server.sim("watches", action="cut")
        self.assertEqual(b"", stream.response.readline())
        self.server.quiet()

    def test_a_slow_reader_is_cut_off_with_a_normal_end(self) -> None:
        path = "/api/v1/namespaces/shop/configmaps"
        self.server.sim("options", buffer=5)
        stream = self.server.watch(path)
        for i in range(18):  # more than the socket buffers hold, and nobody reads
            self.server.send("POST", path, {"metadata": {"name": f"slow-{i}"}, "data": {"x": "y" * 800_000}})
        time.sleep(0.2)
        seen = [e["type"] for e in stream]
        self.server.sim("options", buffer=1000)
        self.assertEqual({"ADDED"}, set(seen))
        self.assertLess(len(seen), 18, "what it had not been sent is lost; it watches again from its last version")
        self.server.send("DELETE", path, {})

    def test_a_huge_object(self) -> None:
        name = self.server.get(PODS).json()["items"][0]["metadata"]["name"]
        self.server.sim("huge", object=f"pods/shop/{name}", bytes=1_500_000)
        self.assertGreater(len(self.server.get(f"/api/v1/namespaces/shop/pods/{name}").raw), 1_500_000)

    def test_a_wrong_rule_is_refused(self) -> None:
        for rule in ({"action": "explode"}, {"action": "cut", "colour": "red"}):
            reply = self.server.send("POST", "/_sim/faults", rule)
            self.assertEqual(400, reply.status)
            self.assertIn("action is one of", reply.json()["error"])
        self.assertEqual(404, self.server.send("POST", "/_sim/nothing", {}).status)


if __name__ == "__main__":
    unittest.main()
