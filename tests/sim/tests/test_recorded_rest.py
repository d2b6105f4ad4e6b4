"""The remaining recorded steps: more bindings than one, ports, selectors, deletions, faults of others and their end."""
from __future__ import annotations

import re
import unittest
from typing import Any

from lab import cond, recorded, recorded_events
from recording import CHECKING, GATE, Recording, plain, recorded_changes
from gatesim.errors import ApiError
from gatesim.kinds import BINDINGS, DEPLOYMENTS, SERVICES
from gatesim.targets import script

Json = Any
LATER = [CHECKING, {"after": 10, "state": "healthy"}]


class Rest(Recording):
    """Step by step."""

    def bind_group(self, name: str, port: int, health: Any) -> None:
        """One more target group and binding on the lab's Service."""
        assert self.lab is not None
        group = self.lab.cluster.elb.add(name, script=script(health))
        self.lab.cluster.create(BINDINGS, {"metadata": {"name": name, "namespace": self.lab.namespace}, "spec": {
            "targetGroupARN": group.arn, "serviceRef": {"name": self.lab.name, "port": port}}})

    def said_the_same(self, step: str, reason: str) -> None:
        """Type and message of the binding's events of that reason."""
        assert self.lab is not None
        want = {(t, plain(m)) for t, r, m in recorded_events(step) if r == reason}
        self.assertTrue(want, f"{step} holds no {reason}")
        self.assertEqual(want, {(e["type"], plain(e["message"])) for e in self.lab.events() if e["reason"] == reason}, step)

    def test_14_one_pod_more_is_read_alone(self) -> None:
        lab = self.start("web2", "shop2")
        lab.health("healthy")
        lab.deployment("web2", 3)
        lab.run(10)
        old = {p["metadata"]["name"] for p in lab.pods()}
        lab.health([CHECKING, {"after": 20, "state": "healthy"}], scope="new")
        lab.cluster.elb.calls.clear()
        lab.store.modify(DEPLOYMENTS, "shop2", "web2", lambda d: d["spec"].update(replicas=4))
        lab.run(4)
        new = next(p["metadata"]["name"] for p in lab.pods() if p["metadata"]["name"] not in old)
        real = next(c["targets"][0].split(":")[0] for c in recorded("14")["elbv2_calls"] if c["action"] == "RegisterTargets")
        other = next(o["metadata"]["name"] for o in recorded("14")["objects"] if o.get("status", {}).get("podIP") == real)
        lab.run(40)
        self.same_pod("14", new, other)
        self.same_calls("14", {self.ip(new): real})
        for kind in ("Deployment", "ReplicaSet"):
            want = {(t, r, re.sub(r"web2-\w+(-\w+)?", "NAME", m)) for t, r, m in recorded_events("14", kind)}
            have = {(e["type"], e["reason"], re.sub(r"web2-\w+(-\w+)?", "NAME", e["message"])) for e in lab.events(kind)}
            self.assertLessEqual(want, have, kind)
        self.said_the_same("14", "SuccessfullyReconciled")

    def test_23_the_right_is_back(self) -> None:
        lab = self.start("denied", "denied")
        lab.health(CHECKING)
        lab.pod("two")
        lab.run(5)
        lab.cluster.elb.fault({"action": "DescribeTargetHealth", "code": "AccessDenied"})
        lab.run(60)
        self.assertEqual(("False", "Elb.InitialHealthChecking", "Initial health checks in progress"), lab.gate("two"))
        lab.cluster.elb.faults.clear()
        lab.health("healthy")
        lab.run(60)  # nothing else touched: the back-off runs out
        self.same_pod("23", "two")
        self.said_the_same("23", "SuccessfullyReconciled")

    def test_30_two_bindings_of_one_service(self) -> None:
        lab = self.start("two", "names", bind=False)
        self.bind_group("two-x", 80, "healthy")
        self.bind_group("two-y", 80, LATER)
        lab.run(2)
        lab.pod("two")
        lab.run(8)
        self.same_pod("30", "two", nth=0)
        lab.run(16)
        self.same_pod("30", "two", nth=1)
        self.said_the_same("30", "SuccessfullyReconciled")

    def test_32_a_binding_name_of_63_characters(self) -> None:
        name = "y" * 63
        lab = self.start("n63", "misc", bind=False)
        lab.bind(name)
        lab.health("healthy")
        lab.run(1)
        lab.pod("n63")
        lab.run(5)
        self.same_pod("32", "n63")
        self.said_the_same("32", "SuccessfullyReconciled")

    def test_34_two_ports_two_gates(self) -> None:
        lab = self.start("pp", "names", bind=False, service=False)
        lab.service(ports=[{"name": "a", "port": 80, "targetPort": 8080}, {"name": "b", "port": 90, "targetPort": 9090}])
        self.bind_group("pp-b", 90, [{"state": "unhealthy", "reason": "Target.FailedHealthChecks", "description": "Health checks failed"},
                                     {"after": 10, "state": "healthy"}])
        self.bind_group("pp-a", 80, "healthy")
        lab.run(2)
        lab.pod("pp")
        lab.run(8)
        self.same_pod("34", "pp", nth=0, ordered=False)  # the webhook lists bindings as its cache has them
        lab.run(16)
        self.same_pod("34", "pp", nth=1, ordered=False)
        calls = [[(c["tg"], t.split(":")[1]) for c in some if c["action"] == "RegisterTargets" for t in c["targets"]]
                 for some in (recorded("34")["elbv2_calls"], lab.cluster.elb.calls)]
        self.assertEqual(sorted(calls[0]), sorted(calls[1]), "to each group its port")

    def test_35_a_binding_of_type_instance_has_no_gate(self) -> None:
        lab = self.start("inst", "names", bind=False)
        lab.group.target_type = "instance"
        lab.bind()
        lab.run(1)
        lab.pod("inst")
        lab.run(5)
        self.same_pod("35", "inst")
        self.said_the_same("35", "SuccessfullyReconciled")

    def test_48_the_selector_moves_and_comes_back(self) -> None:
        lab = self.start("act", "life", service=False)
        lab.service(selector={"app": "act", "rev": "a"})
        lab.health("healthy")
        for rev in "ab":
            lab.pod(f"act-{rev}", labels={"app": "act", "rev": rev})
        lab.run(5)
        lab.health(CHECKING, scope="new")
        lab.cluster.elb.calls.clear()
        lab.store.modify(SERVICES, "life", "act", lambda s: s["spec"]["selector"].update(rev="b"))
        lab.run(10)
        for name in ("act-a", "act-b"):
            self.same_pod("48", name, nth=0)
        lab.store.modify(SERVICES, "life", "act", lambda s: s["spec"]["selector"].update(rev="a"))
        lab.run(10)
        for name in ("act-a", "act-b"):
            self.same_pod("48", name, nth=1)
        self.said_the_same("48", "SuccessfullyReconciled")
        real = {o["metadata"]["name"]: o["status"]["podIP"] for o in recorded("48")["objects"] if "containers" in o["spec"]}
        self.same_calls("48", {self.ip(n): a for n, a in real.items()})

    def test_50_the_group_of_an_idle_binding_is_deleted(self) -> None:
        lab = self.start("dd", "extra")
        lab.health("healthy")
        lab.pod("dd-new")
        lab.run(300)  # so that the next pass reads all
        lab.cluster.elb.remove(lab.group.arn)
        calls = len(lab.calls())
        lab.run(40)
        self.assertEqual(([], calls), (lab.said("FailedReconcile"), len(lab.calls())), "no sign anywhere")
        lab.pod("dd-next")
        lab.run(10)
        for name in ("dd-new", "dd-next"):
            self.same_pod("50", name)
        want = plain(next(m for _, r, m in recorded_events("50") if r == "FailedReconcile")).removeprefix("(combined from similar events): ")
        self.assertEqual({want}, {plain(m).removeprefix("(combined from similar events): ") for m in lab.said("FailedReconcile")})

    def test_51_a_second_binding_of_the_same_group_is_refused(self) -> None:
        name = "y" * 63
        lab = self.start("n63", "misc", bind=False)
        lab.bind(name)
        for real, more in zip(recorded("51")["objects"], ({}, {"multiClusterTargetGroup": True})):
            with self.assertRaises(ApiError) as caught:
                lab.bind("other", **more)
            arn = re.compile(r"arn:aws:elasticloadbalancing:\S+")
            self.assertEqual((real["code"], real["reason"], arn.sub("ARN", real["message"])),
                             (caught.exception.code, caught.exception.reason, arn.sub("ARN", caught.exception.message)))

    def test_55_56_security_group_rules_fail(self) -> None:
        lab = self.start("net", "misc")
        text = next(m for _, r, m in recorded_events("55") if r == "FailedNetworkReconcile")
        lab.cluster.lbc.network_errors["misc/net"] = text
        lab.health(CHECKING)
        lab.pod("net")
        lab.run(20)
        self.same_pod("55", "net")
        self.said_the_same("55", "FailedNetworkReconcile")
        self.assertEqual((1, ""), (len(lab.group.targets), lab.checkpoint()))
        lab.health("healthy")
        lab.run(16)
        self.same_pod("56", "net")
        count = sum(e["count"] for e in lab.events() if e["reason"] == "FailedNetworkReconcile")
        lab.run(30)
        self.assertEqual(count + 2, sum(e["count"] for e in lab.events() if e["reason"] == "FailedNetworkReconcile"), "every 15 s for ever")
        self.assertEqual("", lab.checkpoint())

    def test_62_killed_and_started_at_once(self) -> None:
        lab = self.start("ctl", "ctl")
        lab.health(CHECKING)
        lab.pod("waiting2")
        lab.run(5)
        lab.cluster.lbc.stop()
        lab.health("healthy")
        lab.cluster.lbc.start()
        wanted = recorded("62")["gate_open_after_start_s"]
        lab.run(wanted - 0.5)
        self.assertEqual("False", (lab.gate("waiting2") or ("",))[0])
        lab.run(1)
        self.same_pod("62", "waiting2")
        self.said_the_same("62", "SuccessfullyReconciled")

    def test_65_the_right_on_pod_status_is_back(self) -> None:
        lab = self.start("rbac", "rbac")
        lab.cluster.lbc.deny_pod_status = True
        lab.health("healthy")
        lab.pod("rbac")
        seen = self.watch("rbac", GATE + "rbac")
        lab.run(10)
        lab.cluster.lbc.deny_pod_status = False
        lab.run(20)
        other = next(o["metadata"]["name"] for o in recorded("65")["objects"] if "containers" in o["spec"])
        self.same_pod("65", "rbac", other)
        self.assertEqual(recorded_changes("65", "pods", other, GATE + "rbac"), seen[1:], "True at once, never False")
        self.said_the_same("65", "SuccessfullyReconciled")

    def test_67_throttling_of_reads_is_over(self) -> None:
        lab = self.start("thr", "thr")
        lab.health(CHECKING)
        lab.pod("thr")
        lab.run(5)
        lab.cluster.elb.fault({"action": "DescribeTargetHealth", "code": "Throttling"})
        lab.run(60)
        self.assertEqual("False", (lab.gate("thr") or ("",))[0])
        lab.cluster.elb.faults.clear()
        lab.health("healthy")
        lab.run(120)
        self.same_pod("67", "thr")
        self.said_the_same("67", "SuccessfullyReconciled")

    def test_68_register_targets_is_throttled(self) -> None:
        lab = self.start("thr", "thr")
        lab.health("healthy")
        lab.run(2)
        lab.cluster.elb.fault({"action": "RegisterTargets", "code": "Throttling"})
        lab.pod("reg")
        lab.run(110)
        self.assertEqual([], lab.said("FailedReconcile"), "ten tries say nothing for 118 s")
        lab.run(20)
        self.same_pod("68", "reg")
        self.said_the_same("68", "FailedReconcile")
        self.assertEqual("", lab.checkpoint())

    def test_73_other_states(self) -> None:
        lab = self.start("odd", "odd")
        lab.health(CHECKING)
        lab.pod("odd")
        lab.run(5)
        states = [c["answer"][0][1:] for c in recorded("73")["elbv2_calls"] if c["action"] == "DescribeTargetHealth" and c["answer"]]
        order = [s for i, s in enumerate(states) if i == 0 or s != states[i - 1]]
        pods = [o for o in recorded("73")["objects"] if o["metadata"]["name"] == "odd" and "containers" in o["spec"]]
        self.assertEqual([["unused", "Target.IpUnusable"], ["unused", "Target.InvalidState"]], [s for s in order if s[0] == "unused"])
        for nth, state in enumerate(("unused", "unused", "unhealthy.draining", "healthy")):
            gate = cond(pods[nth], GATE + "odd") or ("", None, None)
            own = state != "unhealthy.draining"  # whose reason is the controller's, for it takes the target for absent
            lab.health({"state": state, "reason": gate[1] or "" if own else "Target.Timeout", "description": gate[2] or "" if own else "Request timed out"})
            lab.run(17)
            self.same_pod("73", "odd", nth=nth)
        self.said_the_same("73", "SuccessfullyReconciled")


if __name__ == "__main__":
    unittest.main()
