"""More recorded steps: gates by hand, races, a reused address, errors of RegisterTargets, foreign hands, shared target groups."""
from __future__ import annotations

import re
import unittest
from typing import Any

from lab import Lab, recorded, recorded_events
from recording import CHECKING, GATE, Recording, plain, recorded_changes
from gatesim.kinds import BINDINGS, BY_KEY, EVENTS, PODS
from gatesim.targets import script

Json = Any


class Hands(Recording):
    """Step by step."""

    def test_36_gates_written_by_hand(self) -> None:
        lab = self.start("nmd", "names")
        lab.health("healthy")
        for name, labels in (("handmade", {"app": "nobody"}), ("legacy-kept", {"app": "nobody"}), ("legacy-cut", {"app": "nmd"})):
            gate = {"handmade": GATE + "none-such"}.get(name, "target-health.alb.ingress.k8s.aws/ing_svc_80")
            more = [{"conditionType": "example.com/other"}] if name == "legacy-cut" else []
            lab.pod(name, labels=labels, readinessGates=[{"conditionType": gate}, *more])
        mark = self.watch("legacy-cut", GATE + "nmd")
        lab.cluster.elb.calls.clear()
        lab.run(30)
        for name in ("handmade", "legacy-kept", "legacy-cut"):
            self.same_pod("36", name)
        self.assertEqual(recorded_changes("36", "pods", "legacy-cut", GATE + "nmd"), mark[1:])
        self.same_calls("36", {self.ip("legacy-cut"): "10.244.0.18"})
        self.assertEqual({m for _, r, m in recorded_events("36")}, {e["message"] for e in lab.events()})

    def test_38_pods_made_while_their_binding_comes_or_goes(self) -> None:
        lab = self.start("front", "race")
        step = recorded("38")
        for entry in step["after_binding_create"]:
            name = entry["gates"][0].removeprefix(GATE)
            self.other_binding(lab, name)
            lab.run(entry["wait_after_binding_create_s"])
            lab.pod(name, labels={"app": name})
            self.assertEqual(entry["gates"], [g["conditionType"] for g in lab.get(name)["spec"]["readinessGates"]], name)
        lab.run(10)
        outcomes = {(bool(e["gates"]), self.outcome(list(e["condition_after_25_s"].values()), e["ready"], e["pod"])) for e in step["after_binding_delete"]}
        seen = set()
        for entry in step["after_binding_delete"]:
            name = entry["pod"].removesuffix("-late")
            lab.store.delete(BINDINGS, "race", name)
            lab.run(entry["wait_after_binding_delete_s"])
            lab.pod(entry["pod"], labels={"app": name})
            pod = lab.get(entry["pod"])
            self.assertEqual(entry["gates"], [g["conditionType"] for g in pod["spec"].get("readinessGates") or []], entry["pod"])
        lab.run(25)
        for entry in step["after_binding_delete"]:
            conditions = lab.get(entry["pod"])["status"]["conditions"]
            gates = [c for c in conditions if c["type"].startswith(GATE)]
            seen.add((bool(entry["gates"]), self.outcome(gates, next(c for c in conditions if c["type"] == "Ready"), entry["pod"])))
        self.assertEqual(outcomes, seen, "with a gate: open for good, or never a condition; without: ready")
        self.same_pod("38", "rc0-late")
        messages = {m for _, r, m in recorded_events("38") if r == "FailedRemoveFinalizer"}
        self.assertLessEqual(messages, set(lab.said("FailedRemoveFinalizer")))
        self.assertEqual({m for _, r, m in recorded_events("38") if r == "SuccessfullyReconciled"}, set(lab.said("SuccessfullyReconciled")))

    @staticmethod
    def outcome(gates: list[Json], ready: Json, pod: str) -> Any:
        """Gate and Ready of a pod after a race, its name apart."""
        name = pod.removesuffix("-late")
        return tuple((c["status"], c.get("reason"), (c.get("message") or "").replace(name, "NAME")) for c in (*gates, ready))

    def test_39_an_address_reused_while_the_controller_is_held_up(self) -> None:
        lab = self.start("reuse", "reuse")
        lab.health("healthy")
        lab.pod("first")
        self.other_binding(lab, "thr")
        lab.pod("thr", labels={"app": "thr"})
        lab.run(5)
        self.same_pod("39", "first")
        address = self.ip("first")
        lab.cluster.elb.fault({"action": "DescribeTargetHealth", "code": "Throttling", "group": "thr"})
        lab.cluster.elb.groups[lab.cluster.elb.arn("thr")].steer(script("never-checked"))
        lab.pod("thr-2", labels={"app": "thr"})
        lab.run(5)  # thr's read is throttled and holds all others
        lab.store.delete(PODS, "reuse", "first", 0)
        lab.cluster.elb.calls.clear()
        lab.run(1)
        lab.cluster.kubelet._next_ip = int(address.rsplit(".", 1)[1]) - 2  # the address comes round at once
        lab.health({"state": "unhealthy", "reason": "Target.FailedHealthChecks", "description": "Health checks failed"}, scope="new")
        lab.pod("second")
        seen, half = self.watch("second", GATE + "reuse"), self.watch_checkpoint(lab)
        lab.run(5)
        self.assertEqual((address, None), (self.ip("second"), lab.gate("second")))
        lab.cluster.elb.faults.clear()
        lab.run(135)
        self.same_pod("39", "second")
        self.assertEqual(recorded_changes("39", "pods", "second", GATE + "reuse"), seen[1:], "never wrongly True")
        self.same_calls("39", {address: "10.244.0.96"})
        want = [t["change"]["annotations"]["elbv2.k8s.aws/checkpoint"].split("/")[0] for t in recorded("39")["timeline"] if t["kind"] == "targetgroupbindings"]
        self.assertEqual(want, half, "emptied, set for no endpoints at all, emptied")
        self.assertEqual({(t, r, m) for t, r, m in recorded_events("39")}, {(e["type"], e["reason"], e["message"]) for e in self.events_of(lab, "reuse")})

    def test_what_comes_while_a_pass_is_held_up_is_not_lost(self) -> None:
        lab = self.start()
        lab.health("healthy")
        lab.pod("a")
        self.other_binding(lab, "thr")
        lab.run(5)
        lab.cluster.elb.fault({"action": "DescribeTargetHealth", "code": "Throttling", "group": "thr"})
        lab.pod("thr-1", labels={"app": "thr"})
        lab.run(5)
        lab.store.modify(BINDINGS, "shop", "web", lambda b: b["metadata"].update(labels={"touch": "1"}))
        lab.run(1)  # a pass that has seen one pod and nothing to do
        lab.pod("b")
        lab.run(5)
        lab.cluster.elb.faults.clear()
        lab.run(118)
        self.assertEqual(("True", None, None), lab.gate("b"))

    @staticmethod
    def watch_checkpoint(lab: Lab) -> list[str]:
        """The first half (endpoints) of each checkpoint of the lab's binding from now on."""
        seen: list[str] = []
        last = [lab.checkpoint()]

        def changed(event: Any) -> None:
            meta = event.item.data["metadata"]
            now = (meta.get("annotations") or {}).get("elbv2.k8s.aws/checkpoint")
            if meta["name"] == lab.name and now != last[0]:
                last[0] = now
                seen.append((now or "").split("/")[0])
        lab.store.listen(BINDINGS, changed)
        return seen

    def test_53_errors_of_register_targets_in_events(self) -> None:
        lab = self.start("errs", "misc")
        events = [t["change"]["message"] for t in recorded("53")["timeline"] if t["kind"] == "events" and t["name"].endswith("/errs")]
        errors: list[tuple[str, str]] = []  # in the recording's order
        for text in events:
            code, message = re.search(r"RequestID: [0-9a-f-]+, (?:api error )?(\w+): (.*)$", text, re.DOTALL).groups()  # type: ignore[union-attr]
            if not errors or errors[-1][0] != code:
                errors.append((code, message))
        self.assertEqual(["TooManyTargets", "InvalidTarget", "TargetGroupNotFound", "ValidationError", "TooManyRegistrationsForTargetId"], [c for c, _ in errors])
        seen: list[str] = []
        lab.store.listen(EVENTS, lambda e: seen.append(e.item.data["message"]) if e.item.data["reason"] == "FailedReconcile" else None)
        for number, (code, message) in enumerate(errors):
            lab.cluster.elb.faults.clear()
            lab.cluster.elb.fault({"action": "RegisterTargets", "code": code, "message": message})
            if number == 0:
                lab.pod("errs")
                lab.run(6)  # ten tries: 5 ms, doubled each time
                continue
            lab.store.modify(BINDINGS, "misc", "errs", lambda b: b["metadata"].update(labels={"touch": code}))
            lab.run(0.1)
        self.assertEqual([plain(e) for e in events], [plain(e) for e in seen])
        self.same_pod("53", "errs")
        self.assertEqual("", lab.checkpoint())
        final = {(t, r, plain(m)) for t, r, m in recorded_events("53") if r == "FailedReconcile"}
        self.assertEqual(final, {(e["type"], e["reason"], plain(e["message"])) for e in lab.events() if e["reason"] == "FailedReconcile"})
        calls = [c.get("error") for c in recorded("53")["elbv2_calls"]]
        self.assertEqual(calls, [c.get("error") for c in lab.cluster.elb.calls if c["action"] == "RegisterTargets"])

    def foreign_hands(self, lab: Lab) -> None:
        """Two serving pods; somebody else takes out the target of the first and puts in a stranger."""
        lab.health("healthy")
        lab.pod("a")
        lab.pod("b")
        lab.run(5)
        lab.health(CHECKING, scope="new")
        lab.group.deregister([(self.ip("a"), 8080)])
        lab.group.register([("10.244.99.99", 8080)])

    def test_70_foreign_hands_on_an_idle_binding(self) -> None:
        lab = self.start("ext", "ext")
        self.foreign_hands(lab)
        before, calls = lab.binding(), len(lab.calls())
        lab.run(35)
        self.same_pod("70", "a")
        self.assertEqual(([], []), (recorded("70")["elbv2_calls"], lab.calls()[calls:]))
        self.assertEqual(([], []), (recorded("70")["timeline"], [] if before == lab.binding() else [lab.binding()]))
        self.assertEqual(["10.244.99.99", self.ip("b")], sorted((a[0] for a, _ in lab.group.health()), reverse=True), "nobody puts it right")

    def test_71_the_next_full_read_undoes_them_and_closes_a_serving_gate(self) -> None:
        lab = self.start("ext", "ext")
        full = lab.cluster.clock.now()
        self.foreign_hands(lab)
        lab.run(35)
        lab.cluster.elb.calls.clear()
        lab.pod("c")
        gate, waiting = self.watch("a", GATE + "ext"), self.watch("c", GATE + "ext")
        lab.run(full + 290 - lab.cluster.clock.now())
        lab.health("healthy", scope="new")
        self.assertEqual([("True", None, None)], gate)
        lab.run(30)
        self.same_pod("71", "a")
        self.assertEqual(recorded_changes("71", "pods", "a", GATE + "ext"), gate[1:])
        # Ready False for 0.1 s is not compared: the recording's kubelet writes by what it saw 0.1 s before, the simulated one by what is there
        self.assertEqual(recorded_changes("71", "pods", "c", GATE + "ext"), waiting[1:])
        self.same_calls("71", {self.ip("a"): "10.244.0.85", self.ip("b"): "10.244.0.86", self.ip("c"): "10.244.0.88", "10.244.99.99": "10.244.99.99"})
        self.assertEqual("", lab.checkpoint())
        self.assertEqual([], recorded_events("71"))

    def test_74_a_target_group_shared_with_another_cluster(self) -> None:
        lab = self.start("multi", "odd", bind=False)
        lab.health("healthy")
        lab.cluster.elb.calls.clear()
        lab.bind(multiClusterTargetGroup=True)
        lab.run(2)
        lab.group.register([("10.244.99.98", 8080)])
        lab.pod("multi")
        seen = self.watch("multi", GATE + "multi")
        lab.run(8)
        self.same_pod("74", "multi")
        self.assertEqual(recorded_changes("74", "pods", "multi", GATE + "multi"), seen[1:])
        self.same_calls("74", {self.ip("multi"): "10.244.0.89"})
        real = next(o for o in recorded("74")["objects"] if o["kind"] == "ConfigMap")
        have = lab.store.get(BY_KEY["configmaps"], "odd", real["metadata"]["name"])
        self.assertEqual(real["data"]["targets"].replace("10.244.0.89", self.ip("multi")), have["data"]["targets"])
        self.assertEqual(set(real["data"]), set(have["data"]))
        events = [(e["type"], e["reason"], e["message"], e["count"]) for e in self.events_of(lab, "multi")]
        self.assertEqual([(e["type"], e["reason"], e["message"], e["count"]) for e in recorded("74")["events"]], events)
        before = len(lab.calls())
        lab.run(300)
        lab.pod("multi-2")
        lab.run(5)  # a full read shows it the stranger, which the recording did not wait for
        self.assertIn(("10.244.99.98", 8080), lab.group.targets, "and it is left alone")
        self.assertNotIn("DeregisterTargets", lab.calls()[before:])


if __name__ == "__main__":
    unittest.main()
