"""`gatehouse refresh`: what ELBv2 says when it is asked now, and what is said when it does not answer."""
from __future__ import annotations

import json
import os
import subprocess
import threading
import unittest
from http.server import BaseHTTPRequestHandler, HTTPServer

from elbv2 import test_elbv2
from harness import BINARY, Gatehouse, quick, wait_until

FINE, FAILED, USAGE, TIMEOUT, SUPERSEDED, UNREACHABLE = range(6)
PLAN = {"hot_interval": "5m", "idle_interval": "5m"}  # nothing is asked for by itself while a test runs


class Refresh(unittest.TestCase):
    base = test_elbv2.Elbv2  # the simulated AWS, without its tests
    setUp, serve, source, wait_source = base.setUp, base.serve, staticmethod(base.source), base.wait_source

    @staticmethod
    def wait_gates(server: Gatehouse) -> None:
        """The controller opens gates by what it asks itself; that the targets are healthy is not known here by then."""
        wait_until("the gates are open", lambda: server.rollout("shop", "good")["gates"]["open"] == 3, 60)

    def call(self, server: Gatehouse, code: int, *words: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run([str(BINARY), "refresh", *words], capture_output=True, text=True, timeout=60,
                              env={**os.environ, "GATEHOUSE_SERVER": server.url})
        self.assertEqual(done.returncode, code, (words, done.stdout, done.stderr))
        return done

    def test_the_answer_is_shown_and_the_next_one_waits_for_its_turn(self) -> None:
        server = self.serve(self.plain, **PLAN)
        self.wait_gates(server)
        self.assertEqual(self.call(server, FINE, "shop/good").stdout,
                         "shop/good: ELBv2 was asked\n  good: 3 of 3 targets healthy\n")
        self.sim.control("do", {"do": "health", "binding": "shop/good", "health": quick("timeout"), "scope": "all"})

        def worse() -> bool:
            done = self.call(server, FINE, "-n", "shop", "good")
            said.append(done.stderr)
            return "good: 0 of 3 targets healthy" in done.stdout

        said: list[str] = []
        wait_until("the targets' new health is shown", worse, 60)
        self.assertRegex(said[0], r"^asked for a moment ago: asking again in [1-5]s\n$")
        too_soon = self.call(server, TIMEOUT, "shop/good", "-t", "10ms")
        self.assertIn("answers 429", too_soon.stderr)
        found = json.loads(self.call(server, FINE, "shop/deploy/good", "-o", "json").stdout)
        self.assertEqual([(g["name"], g["answered"], g["now"]["healthy"]) for g in found["target_groups"]], [("good", True, 0)])

    def test_missing_rights_and_credentials_are_said(self) -> None:
        server = self.serve(self.plain, **PLAN)
        self.wait_gates(server)
        self.call(server, FINE, "shop/good")
        self.sim.control("faults", {"action": "status", "resource": "DescribeTargetHealth", "verb": "call", "code": 403,
                                    "reason": "AccessDenied", "duration": 600})
        denied = self.call(server, UNREACHABLE, "shop/good").stdout
        self.assertRegex(denied, r"  good: no answer: AWS is denied: .*elasticloadbalancing:DescribeTargetHealth")
        self.sim.control("faults", method="DELETE")
        self.assertIn("3 of 3 targets healthy", self.call(server, FINE, "shop/good").stdout)
        server.stop()
        none = self.serve({**self.endpoints, "AWS_EC2_METADATA_DISABLED": "true"}, name="none")
        self.wait_source(none, "absent")
        self.wait_gates(none)
        self.assertIn("no AWS credentials", self.call(none, UNREACHABLE, "shop/good").stderr)
        none.stop()
        off = self.serve(self.plain, name="off", mode="off")
        self.wait_gates(off)
        self.assertIn("aws.mode", self.call(off, FAILED, "shop/good").stderr)
        self.assertIn("no such rollout", self.call(off, FAILED, "shop/none").stderr)
        for words in ((), ("shop",), ("shop/good", "-t", "soon"), ("shop/good", "--for", "x")):
            self.call(off, USAGE, *words)
        self.assertIn("Usage: gatehouse refresh", self.call(off, FINE, "--help").stdout)

    def test_an_answer_that_is_none_of_ours_is_no_success(self) -> None:
        class Proxy(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.send_response(202)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *_: object) -> None:
                pass

        with HTTPServer(("127.0.0.1", 0), Proxy) as proxy:
            threading.Thread(target=proxy.serve_forever, daemon=True).start()
            done = subprocess.run([str(BINARY), "refresh", "shop/deploy/good"], capture_output=True, text=True, timeout=60,
                                  env={**os.environ, "GATEHOUSE_SERVER": f"http://127.0.0.1:{proxy.server_port}"})
            proxy.shutdown()
        self.assertEqual((done.returncode, done.stdout), (UNREACHABLE, ""), done.stderr)
        self.assertIn("does not answer as gatehouse does", done.stderr)


if __name__ == "__main__":
    unittest.main()
