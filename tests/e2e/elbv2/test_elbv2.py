"""The third truth on the simulated AWS: every way to get credentials, every pod's target, and what happens when ELBv2 fails.

The simulator verifies each signature, session token and expiry.
"""
from __future__ import annotations

import json
import pathlib
import unittest
from typing import Any

from harness import QUICK, ROOT, Gatehouse, Simulator, folder, quick, wait_until

BASIC = ROOT / "tests/sim/scenarios/basic.yaml"
FAST = {"hot_interval": "1s", "idle_interval": "5s", "calls_per_minute": 6000, "burst": 100}


def variables(path: pathlib.Path) -> tuple[dict[str, str], dict[str, str]]:
    """What is set, and what stands in comments as the other ways."""
    plain: dict[str, str] = {}
    others: dict[str, str] = {}
    for line in path.read_text().splitlines():
        key, equals, value = line.removeprefix("# ").partition("=")
        if equals and key.startswith("AWS_"):
            (others if line.startswith("# ") else plain)[key] = value
    return plain, others


class Elbv2(unittest.TestCase):
    def setUp(self) -> None:
        context = folder("elbv2")
        self.folder = context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)
        env_file = self.folder / "aws.env"
        self.sim = Simulator(self.folder, BASIC, "--aws-env-out", str(env_file))
        self.addCleanup(self.sim.stop)
        self.plain, self.others = variables(env_file)
        self.endpoints = {k: v for k, v in self.plain.items() if "KEY" not in k}

    def serve(self, env: dict[str, str], name: str = "gatehouse", **aws: Any) -> Gatehouse:
        server = Gatehouse(self.folder, {"kubernetes": {"kubeconfig": str(self.sim.kubeconfig)}, "aws": {**FAST, **aws},
                                         "pace": {**QUICK, "stale_after": "15s"}}, name=name,
                           env={"AWS_EC2_METADATA_DISABLED": "", **env})
        self.addCleanup(server.stop)
        return server

    @staticmethod
    def source(server: Gatehouse, name: str = "aws") -> dict[str, Any]:
        return next((s for s in server.get("/summary")["sources"] if s["name"] == name), {"state": "none", "message": ""})

    def wait_source(self, server: Gatehouse, *states: str, part: str = "") -> dict[str, Any]:
        return wait_until(f"aws is {states} with {part!r}",
                          lambda: (s := self.source(server))["state"] in states and part in s["message"] and s, 45, 0.3)

    @staticmethod
    def pods(server: Gatehouse, name: str = "good") -> list[dict[str, Any]]:
        return server.get(f"/namespaces/shop/rollouts/deployment/{name}/pods")["items"]

    @staticmethod
    def faults(server: Gatehouse) -> dict[str, dict[str, Any]]:
        return {f["code"]: f for f in server.get("/audit")["cluster_findings"] if f["object"] == "Source/aws"}

    def healthy(self, server: Gatehouse) -> None:
        def all_healthy() -> bool:
            pods = self.pods(server)
            return len(pods) == 3 and all(p["truth"]["elb"] == "yes" and p["targets"] for p in pods)

        wait_until("every pod's target is healthy", all_healthy, 60, 0.3)

    def test_each_credentials_provider(self) -> None:
        one = {"keys": {k: v for k, v in self.plain.items() if "KEY" in k},
               "web-identity": {k: v for k, v in self.others.items() if "ROLE" in k or "IDENTITY" in k},
               "container": {k: v for k, v in self.others.items() if "CONTAINER" in k},
               "imds": {k: v for k, v in self.others.items() if "METADATA" in k}}
        line = self.folder / "token-line"  # as a person writes it: one line end is no part of the token
        line.write_text(pathlib.Path(one["container"]["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"]).read_text() + "\n")
        one["container-line"] = {**one["container"], "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(line)}
        for name, env in one.items():
            with self.subTest(name):
                self.assertTrue(env, f"the simulator offers nothing for {name}")
                server = self.serve({**self.endpoints, **env}, name=name)
                self.healthy(server)
                self.assertEqual(self.wait_source(server, "ok")["message"], "")
                server.stop()

    def test_the_instance_names_the_region_when_nobody_else_does(self) -> None:
        lost = {k: v for k, v in self.endpoints.items() if "REGION" not in k}
        lost.update({k: v for k, v in self.others.items() if "METADATA" in k})
        node = self.serve(lost, name="node")  # the node's role: nothing needs a region but the target group's own
        self.healthy(node)
        self.assertEqual(self.wait_source(node, "ok")["message"], "")
        node.stop()
        profile = self.folder / "config"
        profile.write_text("[default]\nrole_arn = arn:aws:iam::123456789012:role/gatehouse\ncredential_source = Ec2InstanceMetadata\n")
        lost["AWS_CONFIG_FILE"] = str(profile)
        role = self.serve(lost, name="role")  # the simulator refuses a signature of another region
        self.healthy(role)
        self.assertEqual(self.wait_source(role, "ok")["message"], "")
        role.stop()
        identity = {k: v for k, v in self.others.items() if "ROLE" in k or "IDENTITY" in k or "METADATA" in k}
        identity["AWS_ENDPOINT_URL_ELASTIC_LOAD_BALANCING_V2"] = lost["AWS_ENDPOINT_URL_ELASTIC_LOAD_BALANCING_V2"]
        self.sim.control("faults", {"action": "status", "resource": "imds", "verb": "call", "code": 503, "duration": 600})
        web = self.serve(identity, name="web")
        web.wait_state("shop", "good", "serving")  # by its conditions alone
        said = self.wait_source(web, "failing", part="STS needs a region: set AWS_REGION")["message"]
        self.assertIn("placement/region: HTTP 503", said)

    def test_open_but_unhealthy_is_exposed(self) -> None:
        server = self.serve(self.plain)
        self.healthy(server)
        server.wait_state("shop", "good", "serving")
        self.sim.control("do", {"do": "health", "binding": "shop/good", "health": quick("timeout"), "scope": "all"})
        server.wait_state("shop", "good", "exposed", seconds=40)
        wait_until("the targets are unhealthy", lambda: all(p["targets"][0]["state"] == "unhealthy" for p in self.pods(server)), 60)
        codes = wait_until("its cause is named", lambda: [c["code"] for c in server.rollout("shop", "good")["causes"]], 5)
        self.assertTrue(set(codes) & {"health_check_timeout", "target_unhealthy_after_open", "load_balancer_fail_open"}, codes)
        pod = next(p for p in self.pods(server) if p["state"] == "exposed")
        self.assertEqual((pod["truth"]["kubelet"], pod["truth"]["gate"], pod["truth"]["elb"]), ("yes", "yes", "no"))
        self.assertIn(pod["contradiction"], ("open_but_unhealthy", "fail_open"))
        self.assertEqual(pod["targets"][0]["reason"], "Target.Timeout")
        groups = {g["name"] for g in server.get("/targetgroups")["items"]}
        self.assertEqual(groups, {"good", "bad"})

    def test_failures_keep_rows_say_why_and_recover(self) -> None:
        server = self.serve(self.plain)
        self.healthy(server)
        denied = {"action": "status", "resource": "DescribeTargetHealth", "verb": "call", "code": 403, "reason": "AccessDenied",
                  "duration": 600}
        self.sim.control("faults", denied)
        self.wait_source(server, "denied", part="elasticloadbalancing:DescribeTargetHealth")
        self.assertTrue(all(p["targets"] for p in self.pods(server)), "rows stay")
        found = wait_until("its cause is named", lambda: self.faults(server).get("aws_denied"), 10)
        self.assertEqual((found["object"], found["severity"]), ("Source/aws", "warning"))
        self.assertIn("elasticloadbalancing:DescribeTargetHealth", found["message"])
        self.assertIn("IAM policy", found["action"])
        server.wait_state("shop", "good", "serving")  # by its conditions alone
        self.sim.control("faults", method="DELETE")
        self.wait_source(server, "ok")
        wait_until("no cause is left", lambda: self.faults(server) == {}, 10)
        for fault in ({"action": "cut", "after_bytes": 200}, {"action": "status", "code": 502, "html": True},
                      {"action": "status", "code": 400, "reason": "Throttling"}, {"action": "garbage"}):
            with self.subTest(str(fault)):
                self.sim.control("faults", {**fault, "resource": "DescribeTargetHealth", "verb": "call", "duration": 600})
                self.wait_source(server, "failing", "unreachable", "throttled")
                self.sim.control("faults", method="DELETE")
                self.wait_source(server, "ok")
                self.healthy(server)
        self.sim.control("aws", {"indent": True, "shuffle": True, "unknown": True, "empty_lists": "absent"})
        self.healthy(server)
        self.assertEqual(self.source(server)["state"], "ok")

    def test_a_wrong_secret_and_no_credentials_are_said_and_the_rest_goes_on(self) -> None:
        wrong = self.serve({**self.plain, "AWS_SECRET_ACCESS_KEY": "nonsense"}, name="wrong")
        wrong.wait_state("shop", "good", "serving")  # from the gates alone
        self.wait_source(wrong, "denied", part="SignatureDoesNotMatch")
        self.assertEqual({p["truth"]["elb"] for p in self.pods(wrong)}, {"unknown"})
        wrong.stop()
        none = self.serve({**self.endpoints, "AWS_EC2_METADATA_DISABLED": "true"}, name="none")
        none.wait_state("shop", "good", "serving")
        self.wait_source(none, "absent", part="no AWS credentials")

    def test_a_refresh_by_hand_does_not_wait_for_the_poll_plan(self) -> None:
        server = self.serve(self.plain, hot_interval="5m", idle_interval="5m")
        path = "/api/v1/namespaces/shop/rollouts/deployment/{}/refresh"

        def ask_until(state: str) -> None:
            def there() -> bool:
                server.request(path.format("good"), method="POST")  # refused most times
                targets = [t for p in self.pods(server) for t in p["targets"]]
                return len(targets) == 3 and all(t["state"] == state for t in targets)

            wait_until(f"asked again, the targets are {state}", there, 60, 1)

        ask_until("healthy")
        before = server.get("/targetgroups?q=good")["items"][0]["health_at"]
        answer = json.loads(wait_until("it may be asked again", lambda: (r := server.request(path.format("good"), method="POST"))[0] == 202
                                       and r[2], 10))
        self.assertEqual([(g["name"], g["started"]) for g in answer["target_groups"]], [("good", True)])
        group = answer["target_groups"][0]["id"]
        wait_until("the same answer has a newer time", lambda: server.get(f"/targetgroups/{group}")["health_at"] > before, 10)
        status, headers, body = server.request(path.format("good"), method="POST")
        self.assertEqual((status, json.loads(body)["type"]), (429, "/problems/too_soon"))
        self.assertIn(int(headers["retry-after"]), range(1, 6))
        self.sim.control("do", {"do": "health", "binding": "shop/good", "health": quick("timeout"), "scope": "all"})
        ask_until("unhealthy")
        self.assertEqual(server.request(path.format("none"), method="POST")[0], 404)
        status, _, _ = server.request(path.format("good"), {"origin": "https://evil.example"}, "POST")
        self.assertEqual(status, 403)
        server.stop()
        off = self.serve(self.plain, name="off", mode="off")
        wait_until("the rollout is known", lambda: off.request(path.format("good").removesuffix("/refresh"))[0] == 200, 30)
        status, _, body = off.request(path.format("good"), method="POST")
        self.assertEqual((status, json.loads(body)["type"]), (409, "/problems/conflict"))

    def calls(self, action: str) -> int:
        """How often the simulator was asked that."""
        count: int = self.sim.control("aws", method="GET")["counts"].get(action, 0)
        return count

    @staticmethod
    def group(server: Gatehouse, name: str) -> dict[str, Any]:
        """The target group with everything that is known of it."""
        row = next(g for g in server.get("/targetgroups")["items"] if g["name"] == name)
        whole: dict[str, Any] = server.get(f"/targetgroups/{row['id']}")
        return whole

    def test_attributes_are_read_when_a_finding_needs_them(self) -> None:
        self.sim.control("do", {"do": "health", "binding": "shop/bad", "health": quick("alb-fast")})
        self.sim.control("do", {"do": "group", "binding": "shop/good", "drain": "20s"})
        server = self.serve(self.plain)
        self.healthy(server)
        server.wait_state("shop", "good", "serving")
        server.wait_state("shop", "bad", "serving")
        self.assertEqual((self.calls("DescribeTargetGroupAttributes"), self.group(server, "good")["attributes"]), (0, None))
        self.sim.control("do", {"do": "set-image", "workload": "shop/good", "image": "registry.example/shop/good:2"})
        found = wait_until("targets drain: its attributes are there", lambda: self.group(server, "good")["attributes"], 60)
        self.assertEqual(found["deregistration_delay.timeout_seconds"], "20")
        self.assertEqual(self.group(server, "bad")["attributes"], None)
        self.assertEqual(self.calls("DescribeTargetGroupAttributes"), 1)
        self.assertEqual(self.calls("DescribeListeners"), 0)

    def causes(self, server: Gatehouse, code: str, name: str = "good") -> dict[str, Any] | None:
        return next((c for c in server.rollout("shop", name)["causes"] if c["code"] == code), None)

    def test_listeners_and_rules_are_read_when_a_group_is_not_in_use(self) -> None:
        place = {"balancer": "front", "listener": {"port": 443, "protocol": "HTTPS"}}
        self.sim.control("do", {"do": "group", "binding": "shop/good", **place, "rule": {"priority": 10, "host": "a.example"}})
        self.sim.control("do", {"do": "group", "binding": "shop/bad", **place, "rule": {"priority": 20, "host": "b.example", "weight": 7}})
        server = self.serve(self.plain)
        self.healthy(server)
        server.wait_state("shop", "good", "serving")
        self.assertEqual((self.calls("DescribeListeners"), self.group(server, "good")["routing"]), (0, None))
        self.sim.control("faults", {"action": "status", "resource": "DescribeRules", "verb": "call", "code": 403, "reason": "AccessDenied",
                                    "duration": 600})
        self.sim.control("do", {"do": "group", "binding": "shop/good", "attached": False})
        self.sim.control("do", {"do": "set-image", "workload": "shop/good", "image": "registry.example/shop/good:2"})
        wait_until("what is not allowed is said", lambda: "elasticloadbalancing:DescribeRules" in self.source(server)["message"], 60, 0.3)
        self.assertEqual(self.source(server)["state"], "ok", "health is read all the same")
        routing = wait_until("the listeners are there", lambda: self.group(server, "good")["routing"], 30)
        self.assertEqual([(li["protocol"], li["port"], li["rules"]) for li in routing["listeners"]], [("HTTPS", 443, None)])
        self.assertIn("aws_denied", [c["code"] for c in server.get("/audit")["cluster_findings"]])
        self.sim.control("faults", method="DELETE")
        path = "/api/v1/namespaces/shop/rollouts/deployment/good/refresh"
        wait_until("it may be asked again", lambda: server.request(path, method="POST")[0] == 202, 10)
        self.wait_source(server, "ok")
        wait_until("rules are there", lambda: self.group(server, "good")["routing"]["listeners"][0]["rules"] == 1, 30)
        wait_until("nothing is denied", lambda: self.source(server)["message"] == "", 30)
        cause = wait_until("its cause is named", lambda: self.causes(server, "target_group_not_in_use"), 90)
        evidence = {(e["object"], e["field"]): e["value"] for e in cause["evidence"]}
        listener = next(v for (o, f), v in evidence.items() if (o, f) == ("LoadBalancer/front", "listener HTTPS:443"))
        self.assertEqual(listener, "fixed-response; rule 20 to bad with weight 7")
        self.assertTrue([v for (o, f), v in evidence.items() if o == "LoadBalancer/front" and f.startswith("listeners and rules")
                         and v == "1 and 1: none forwards here"], evidence)
        self.assertEqual(cause["confidence"], "certain")
        before, looks = self.calls("DescribeListeners"), self.calls("DescribeTargetHealth")
        wait_until("health is read some times more", lambda: self.calls("DescribeTargetHealth") > looks + 3, 30)
        self.assertEqual(self.calls("DescribeListeners"), before, "what was read is good for minutes")
        self.sim.control("do", {"do": "group", "binding": "shop/good", "attached": True})
        server.wait_state("shop", "good", "serving", seconds=90)
        self.assertLessEqual(self.calls("DescribeListeners"), before + 1)


if __name__ == "__main__":
    unittest.main()
