"""The gate controller and the kubelet against what the real ones wrote, step by step."""
from __future__ import annotations

import re
import unittest
from typing import Any

from lab import Lab, cond, recorded, recorded_events, recorded_pods
from gatesim.kinds import BINDINGS, DEPLOYMENTS, PODS, REPLICASETS, SERVICES, WEBHOOKS
from gatesim.targets import AwsError

Json = Any
SHOWN = ("Ready", "ContainersReady")


class Recorded(unittest.TestCase):
    """Conditions equal field by field: status, reason, message, and which of them are absent."""

    def setUp(self) -> None:
        self.maxDiff = None

    def tearDown(self) -> None:
        lab = getattr(self, "lab", None)
        if lab is not None:
            self.assertEqual([], lab.cluster.clock.errors)

    def same_pod(self, lab: Lab, name: str, step: str, other: str = "") -> None:
        """The pod's gates, Ready and ContainersReady are the recorded ones."""
        pod, want = lab.get(name), recorded_pods(step)[other or name]
        gates = [g["conditionType"] for g in want["spec"].get("readinessGates") or []]
        self.assertEqual(len(gates), len(pod["spec"].get("readinessGates") or []), f"{step}: gates of {name}")
        for gate in gates:
            mine = "target-health.elbv2.k8s.aws/" + lab.name if gate.startswith("target-health.elbv2") and len(gates) == 1 else gate
            self.assertEqual(cond(want, gate), cond(pod, mine), f"{step}: gate of {name}")
        for kind in SHOWN:
            want_cond = cond(want, kind)
            if want_cond and want_cond[2]:
                for gate in gates:
                    want_cond = (want_cond[0], want_cond[1], (want_cond[2] or "").replace(gate, "target-health.elbv2.k8s.aws/" + lab.name))
            self.assertEqual(want_cond, cond(pod, kind), f"{step}: {kind} of {name}")

    def said_as_recorded(self, lab: Lab, step: str, reason: str) -> None:
        """Type and message of the events with that reason, request ids, names and groups apart."""
        def plain(text: str) -> str:
            text = re.sub(r"RequestID: [0-9a-f-]+", "RequestID: ID", text)
            text = re.sub(r"arn:aws:elasticloadbalancing:[^\s,]+", "ARN", text)
            return re.sub(r"127\.0\.0\.1:\d+", "HOST", text)
        want = {(t, plain(m)) for t, r, m in recorded_events(step) if r == reason}
        have = {(e["type"], plain(e["message"])) for e in lab.events() if e["reason"] == reason}
        self.assertTrue(want, f"{step} holds no {reason}")
        self.assertEqual(want, have, step)

    def lab_with(self, *pods: str, health: Any = "never-registers", **settings: Any) -> Lab:
        lab = Lab(**settings)
        self.lab = lab
        lab.health(health)
        for name in pods:
            lab.pod(name)
        lab.run(5)
        return lab

    def test_01_a_pod_older_than_its_binding_has_no_gate_and_is_registered(self) -> None:
        lab = self.lab = Lab(bind=False)
        lab.health("never-registers")
        lab.pod("early")
        lab.run(5)
        lab.bind()
        lab.run(5)
        self.same_pod(lab, "early", "01")
        have, want = lab.binding(), next(o for o in recorded("01")["objects"] if o.get("kind") == "TargetGroupBinding")
        self.assertEqual(set(want["spec"]), set(have["spec"]))
        self.assertEqual(want["metadata"]["finalizers"], have["metadata"]["finalizers"])
        self.assertEqual(set(want["metadata"]["annotations"]), set(have["metadata"]["annotations"]))
        self.assertEqual(want["status"], have["status"])
        self.assertRegex(lab.checkpoint() or "", r"^[\w-]{43}/[\w-]{43}$")
        self.assertEqual([c["action"] for c in recorded("01")["elbv2_calls"] if c["action"] != "DescribeTargetGroups"], lab.calls())
        self.said_as_recorded(lab, "01", "SuccessfullyReconciled")
        event, real = lab.events()[0], recorded("01")["events"][0]
        self.assertEqual(set(real), set(event) | {"kind", "apiVersion"})
        for key in ("source", "reportingComponent", "reportingInstance", "eventTime", "count", "type"):
            self.assertEqual(real[key], event[key], key)

    def test_02_03_absent_until_containers_are_ready_then_registration_in_progress(self) -> None:
        lab = self.lab = Lab()
        lab.health("never-registers")
        lab.pod("a")
        lab.run(1)
        lab.hold("a", False)
        lab.run(6)
        self.assertIsNone(lab.gate("a"))
        self.same_pod(lab, "a", "02", next(iter(recorded_pods("02"))))
        first = lab.checkpoint()
        self.assertNotEqual("", first)
        lab.hold("a", None)
        lab.run(1)
        self.same_pod(lab, "a", "03", next(iter(recorded_pods("03"))))
        self.assertEqual("", lab.checkpoint())
        mark = lab.cluster.elb.counts["DescribeTargetHealth"]
        lab.run(15.2)
        self.assertEqual(mark + 1, lab.cluster.elb.counts["DescribeTargetHealth"], "one re-check in 15 s")

    def test_04_to_12_each_state_is_copied_at_the_next_look(self) -> None:
        lab = self.lab_with("a")
        since = (lab.get("a")["status"]["conditions"][0])["lastTransitionTime"]
        for step in ("04", "05", "06", "07", "08", "09", "10", "11"):
            want = recorded_pods(step)
            name = next(iter(want))
            status, reason, message = cond(want[name], "target-health.elbv2.k8s.aws/web")  # type: ignore[misc]
            state = next(c["answer"][0][1] for c in reversed(recorded(step)["elbv2_calls"]) if c["action"] == "DescribeTargetHealth")
            lab.health({"state": state, "reason": reason, "description": message})
            lab.run(16)
            self.same_pod(lab, "a", step, name)
            self.assertEqual("", lab.checkpoint(), step)
        self.assertEqual(since, lab.get("a")["status"]["conditions"][0]["lastTransitionTime"], "moves with the status only")
        lab.health("healthy")
        lab.run(16)
        self.same_pod(lab, "a", "12", next(iter(recorded_pods("12"))))
        self.assertNotEqual("", lab.checkpoint())
        self.assertNotEqual(since, lab.get("a")["status"]["conditions"][0]["lastTransitionTime"])

    def test_13_17_18_open_gates_stay_until_a_full_read(self) -> None:
        lab = self.lab_with("a", "b", health="healthy")
        full = lab.cluster.clock.now()
        lab.health("timeout", scope="age")
        lab.run(45)
        self.same_pod(lab, "a", "13", next(iter(recorded_pods("13"))))
        calls = len(lab.calls())
        lab.health({"state": "unhealthy", "reason": "Target.Timeout", "description": "Request timed out"})
        lab.run(200)
        self.assertEqual(calls, len(lab.calls()), "an idle binding is not read")
        lab.pod("c")
        lab.run(10)
        self.assertEqual("True", (lab.gate("a") or ("",))[0], "17: within five minutes healthy ones are not read again")
        lab.run(max(0.0, full + 305 - lab.cluster.clock.now()))
        lab.run(20)
        self.assertEqual(("False", "Target.Timeout"), (lab.gate("a") or ())[:2], "18: the full read closes serving pods")
        want = next(p for p in recorded_pods("18").values() if (cond(p, p["spec"]["readinessGates"][0]["conditionType"]) or ("",))[0] == "False")
        self.assertEqual(cond(want, "Ready")[1], cond(lab.get("a"), "Ready")[1])  # type: ignore[index]
        lab.health("healthy")
        lab.run(16)
        self.assertEqual(("True", None, None), lab.gate("a"), "19")

    def test_15_a_deleted_pod_is_deregistered_at_once_and_drains(self) -> None:
        lab = self.lab_with("a", "b", health="healthy")
        before = lab.checkpoint()
        lab.store.delete(PODS, "shop", "a")
        lab.run(0.1)
        self.assertEqual("DeregisterTargets", lab.calls()[-1])
        self.assertNotIn(lab.checkpoint(), ("", before))
        self.assertEqual({"draining", "healthy"}, {h["state"] for _, h in lab.group.health()})
        lab.run(20)
        self.assertIsNone(lab.get("a"))
        self.assertEqual(["healthy"], [h["state"] for _, h in lab.group.health()])

    def test_16_a_rolling_update_waits_for_each_gate(self) -> None:
        lab = self.lab = Lab()
        lab.health("healthy")
        lab.deployment("web", 3)
        lab.run(10)
        lab.health([{"state": "initial", "reason": "Elb.InitialHealthChecking", "description": "Initial health checks in progress"},
                    {"after": 20, "state": "healthy"}], scope="new")
        seen: list[str] = []
        lab.store.listen(PODS, lambda e: seen.append(cond(e.item.data, "target-health.elbv2.k8s.aws/web")[1] or "")  # type: ignore[index]
                         if cond(e.item.data, "target-health.elbv2.k8s.aws/web") else None)

        def change(data: Json) -> None:
            data["spec"]["template"]["spec"]["containers"][0]["image"] = "registry.example/app:2"
        lab.store.modify(DEPLOYMENTS, "shop", "web", change)
        lab.run(25)
        counts = lab.store.get(DEPLOYMENTS, "shop", "web")["status"]
        self.assertEqual((1, 3), (counts["updatedReplicas"], counts["readyReplicas"]), "one new pod waits, three old ones serve")
        self.assertIn("Elb.InitialHealthChecking", seen)
        lab.run(100)
        status = lab.store.get(DEPLOYMENTS, "shop", "web")["status"]
        self.assertEqual((3, 3, 3), (status["replicas"], status["updatedReplicas"], status["availableReplicas"]))
        said = lab.said("ScalingReplicaSet", "Deployment")
        want = [m for _, r, m in recorded_events("16", "Deployment") if r == "ScalingReplicaSet"]
        have = sorted(re.sub(r"web-\w+", "RS", m) for m in said)
        have.remove("Scaled up replica set RS from 0 to 3")  # the first revision, before the recorded step
        self.assertEqual(sorted(re.sub(r"web2?-\w+", "RS", m) for m in want), have)

    def test_20_21_register_denied_leaves_no_condition_and_recovers_by_back_off(self) -> None:
        lab = self.lab = Lab("denied", "denied")
        lab.cluster.elb.fault({"action": "RegisterTargets", "code": "AccessDenied"})
        lab.pod("one")
        lab.run(3.5)
        self.said_as_recorded_prefix(lab, "20")
        lab.run(50)
        self.same_pod(lab, "one", "20")
        combined = [m for m in lab.said("FailedReconcile") if m.startswith("(combined from similar events): ")]
        self.assertEqual(1, len(combined))
        self.assertEqual(10, len(lab.said("FailedReconcile")), "nine plain events, then one combined")
        tries = [c for c in lab.calls() if c == "RegisterTargets"]
        self.assertLess(len(tries), 20, "the back-off doubles")
        lab.cluster.elb.faults.clear()
        lab.health("never-checked")
        lab.run(60)
        self.assertEqual(("False", "Elb.InitialHealthChecking", "Initial health checks in progress"), lab.gate("one"))

    def said_as_recorded_prefix(self, lab: Lab, step: str) -> None:
        def plain(text: str) -> str:
            return re.sub(r"RequestID: [\w-]+", "RequestID: ID", text).split(" on resource")[0]
        self.assertEqual(plain(next(m for _, r, m in recorded_events(step) if r == "FailedReconcile")), plain(lab.said("FailedReconcile")[0]))

    def test_22_describe_denied_freezes_the_gate_and_events_dry_up(self) -> None:
        lab = self.lab_with("a")
        lab.cluster.elb.fault({"action": "DescribeTargetHealth", "code": "AccessDenied"})
        frozen = lab.gate("a")
        lab.health("healthy")
        for i in range(60):
            lab.store.modify(BINDINGS, "shop", "web", lambda b: b["metadata"].update(labels={"touch": str(i)}))
            lab.run(2)
        self.assertEqual(frozen, lab.gate("a"))
        self.assertGreater(lab.cluster.elb.counts["DescribeTargetHealth"], 60)
        total = sum(e["count"] for e in lab.events() if e["reason"] == "FailedReconcile")
        self.assertEqual(25, total, "stops at the 25th although the failures go on")
        lab.cluster.elb.faults.clear()
        lab.store.modify(BINDINGS, "shop", "web", lambda b: b["metadata"].update(labels={"touch": "last"}))
        lab.run(2)
        self.assertEqual("True", lab.gate("a")[0])  # type: ignore[index]

    def test_31_a_name_of_70_characters_refuses_the_pod(self) -> None:
        name = "long-" + "x" * 65
        lab = self.lab = Lab("lng", "names", bind=False)
        lab.bind(name)
        lab.run(1)
        lab.deployment("lng", 1)
        lab.run(3)
        want = next(m for _, r, m in recorded_events("31", "ReplicaSet") if r == "FailedCreate" and not m.startswith("(combined"))
        have = next(m for m in lab.said("FailedCreate", "ReplicaSet") if not m.startswith("(combined"))
        self.assertEqual(re.sub(r'"lng-\w+-\w+"', '"POD"', want), re.sub(r'"lng-\w+-\w+"', '"POD"', have))
        dep = lab.store.get(DEPLOYMENTS, "names", "lng")
        real = next(o for o in recorded("31")["objects"] if o.get("kind") == "Deployment")
        for kind in ("ReplicaFailure", "Available"):
            self.assertEqual(cond(real, kind)[:2], cond(dep, kind)[:2], kind)  # type: ignore[index]

    def test_33_a_true_gate_can_keep_the_old_reason(self) -> None:
        lab = self.lab = Lab(leftovers="always")
        lab.health("healthy")
        lab.pod("a")
        lab.run(5)
        self.assertEqual(("True", "Elb.RegistrationInProgress", "Target registration is in progress"), lab.gate("a"))
        self.assertEqual(("True", None, None), cond(lab.get("a"), "Ready"))

    def test_40_41_label_moved_away_and_back(self) -> None:
        lab = self.lab_with("a", health="healthy")
        lab.store.modify(PODS, "shop", "a", lambda p: p["metadata"].update(labels={"app": "other"}))
        lab.run(5)
        self.assertEqual(("True", None, None), lab.gate("a"), "40: frozen")
        self.assertEqual("DeregisterTargets", lab.calls()[-1])
        lab.health("never-registers")
        lab.store.modify(PODS, "shop", "a", lambda p: p["metadata"].update(labels={"app": "web"}))
        lab.run(1)
        self.assertEqual(("False", "Elb.RegistrationInProgress", "Target registration is in progress"), lab.gate("a"), "41")
        self.assertEqual("ReadinessGatesNotReady", cond(lab.get("a"), "Ready")[1])  # type: ignore[index]

    def test_42_43_service_deleted_and_back(self) -> None:
        lab = self.lab = Lab("lab", "life")
        lab.health("healthy")
        lab.pod("lab-open")
        lab.run(5)
        lab.health("never-checked", scope="new")
        lab.pod("lab-third")
        lab.run(5)
        lab.store.delete(SERVICES, "life", "lab")
        lab.run(3)
        self.same_pod(lab, "lab-open", "42")
        self.same_pod(lab, "lab-third", "42")
        self.said_as_recorded(lab, "42", "BackendNotFound")
        self.assertEqual("", lab.checkpoint())
        lab.pod("lab-late")
        lab.run(5)
        lab.health("never-checked")
        lab.service()
        lab.run(20)
        for name in ("lab-open", "lab-third", "lab-late"):
            self.same_pod(lab, name, "43")

    def test_44_a_missing_port_is_noticed_at_the_next_pass_only(self) -> None:
        lab = self.lab = Lab("lab", "life")
        lab.health("healthy")
        lab.pod("lab-open")
        lab.run(5)
        lab.store.modify(SERVICES, "life", "lab", lambda s: s["spec"]["ports"][0].update(port=81))
        lab.run(20)
        self.assertEqual([], lab.said("BackendNotFound"))
        lab.store.modify(BINDINGS, "life", "lab", lambda b: b["metadata"].update(labels={"touch": "1"}))
        lab.run(2)
        self.said_as_recorded(lab, "44", "BackendNotFound")
        self.same_pod(lab, "lab-open", "44")
        self.assertEqual("", lab.checkpoint())

    def test_45_binding_deleted_opens_every_gate(self) -> None:
        lab = self.lab = Lab("bye", "life")
        lab.health("healthy")
        lab.pod("bye-open")
        lab.run(5)
        lab.health({"state": "unhealthy", "reason": "Target.Timeout", "description": "Request timed out"}, scope="new")
        lab.pod("bye-closed")
        lab.run(2)
        lab.pod("bye-held")
        lab.run(1)
        lab.hold("bye-held", False)
        lab.run(4)
        lab.store.delete(BINDINGS, "life", "bye")
        lab.run(1)
        self.assertIsNone(lab.binding())
        lab.pod("bye-after")
        lab.run(5)
        for name in ("bye-open", "bye-closed", "bye-held", "bye-after"):
            self.same_pod(lab, name, "45")
        self.said_as_recorded(lab, "45", "FailedRemoveFinalizer")

    def test_46_47_target_group_deleted(self) -> None:
        lab = self.lab_with("a")
        frozen = lab.gate("a")
        lab.cluster.elb.remove(lab.group.arn)
        lab.run(20)
        self.assertEqual(frozen, lab.gate("a"))
        self.said_as_recorded_prefix(lab, "46")
        lab.store.delete(BINDINGS, "shop", "web")
        lab.run(60)
        self.assertEqual(("True", None, "Target Group Binding is deleted"), lab.gate("a"))

    def test_49_a_port_that_never_existed_opens_the_gate_before_there_is_an_address(self) -> None:
        lab = self.lab = Lab("np", "extra", bind=False)
        lab.bind(serviceRef={"name": "np", "port": 99})
        lab.run(1)
        lab.pod("np")
        lab.run(0.1)
        self.assertNotIn("podIP", lab.get("np")["status"])
        self.assertEqual(("True", None, "Target Group Binding is deleted"), lab.gate("np"))
        lab.run(5)
        self.same_pod(lab, "np", "49")
        self.said_as_recorded(lab, "49", "BackendNotFound")
        self.assertIsNone(lab.checkpoint())

    def test_52_containers_not_ready_for_a_moment_close_an_open_gate(self) -> None:
        lab = self.lab = Lab("blip", "misc")
        lab.health("healthy")
        lab.pod("blip")
        lab.run(5)
        lab.hold("blip", False)
        lab.run(1)
        self.assertEqual(("True", None, None), lab.gate("blip"))
        self.assertEqual("ContainersNotReady", cond(lab.get("blip"), "Ready")[1])  # type: ignore[index]
        self.assertEqual("DeregisterTargets", lab.calls()[-1])
        lab.health("never-checked", scope="new")
        lab.run(9)
        lab.hold("blip", True)
        lab.run(17)
        self.same_pod(lab, "blip", "52")

    def test_57_58_a_failing_clean_up_says_so_without_back_off(self) -> None:
        lab = self.lab_with("a")
        lab.cluster.elb.fault({"action": "DeregisterTargets", "code": "AccessDenied"})
        lab.store.delete(BINDINGS, "shop", "web")
        lab.run(25)
        real = next(o for o in recorded("57")["objects"] if o.get("kind") == "TargetGroupBinding")
        self.assertEqual(cond(real, "Ready")[:2], cond(lab.binding(), "Ready")[:2])  # type: ignore[index]
        self.assertAlmostEqual(120, lab.cluster.elb.counts["DeregisterTargets"], delta=10, msg="4.8 a second, as recorded")
        self.assertEqual("False", lab.gate("a")[0])  # type: ignore[index]
        lab.cluster.elb.faults.clear()
        lab.run(1)
        self.assertIsNone(lab.binding())
        self.assertEqual(("True", None, "Target Group Binding is deleted"), lab.gate("a"))

    def test_59_publish_not_ready_addresses_registers_unready_pods(self) -> None:
        lab = self.lab = Lab(service=False, bind=False)
        lab.service(publishNotReadyAddresses=True)
        lab.bind()
        lab.health("healthy")
        lab.run(1)
        lab.pod("a")
        lab.run(1)
        self.assertEqual("True", lab.gate("a")[0])  # type: ignore[index]
        self.assertEqual("False", cond(lab.get("a"), "ContainersReady")[0])  # type: ignore[index]

    def test_60_61_a_stopped_controller_freezes_gates_and_injects_none(self) -> None:
        lab = self.lab = Lab("ctl", "ctl")
        lab.health("healthy")
        lab.pod("open")
        lab.run(5)
        lab.health([{"state": "initial", "reason": "Elb.InitialHealthChecking", "description": "Initial health checks in progress"}], scope="new")
        lab.pod("waiting")
        lab.run(5)
        lab.cluster.lbc.stop()
        lab.health("healthy")
        lab.pod("during")
        lab.run(60)
        for name in ("open", "waiting", "during"):
            self.same_pod(lab, name, "60")
        lab.cluster.lbc.start()
        lab.run(17)
        self.assertEqual("False", lab.gate("waiting")[0])  # type: ignore[index]
        lab.run(3)
        self.assertEqual("True", lab.gate("waiting")[0])  # type: ignore[index]

    def test_63_texts_of_a_failing_webhook(self) -> None:
        want = [m for _, r, m in recorded_events("63", "ReplicaSet") if r == "FailedCreate"]
        for failure, end in (("refused", "connection refused"), ("timeout", "context deadline exceeded"), ("x509", "unknown authority"),
                             ("no-service", "not found"), ("no-endpoints", "no endpoints available")):
            lab = self.lab = Lab(failure_policy="Fail")
            lab.cluster.injection.set_broken({BINDINGS.key}, True, failure)
            lab.deployment("web", 1)
            lab.run(3)
            have = lab.said("FailedCreate", "ReplicaSet")[0]
            real = next(m for m in want if end in m)
            start = 'Error creating: Internal error occurred: failed calling webhook "mpod.elbv2.k8s.aws": failed to call webhook: Post "https://'
            self.assertTrue(real.startswith(start) and have.startswith(start), have)
            tail = re.sub(r"\d+\.\d+\.\d+\.\d+:\d+", "HOST", real.split('timeout=10s": ')[1])
            self.assertEqual(tail, re.sub(r"\d+\.\d+\.\d+\.\d+:\d+", "HOST", have.split('timeout=10s": ')[1]))
            rs = lab.store.list(REPLICASETS, "shop")[0]
            self.assertEqual(("True", "FailedCreate"), cond(rs, "ReplicaFailure")[:2])  # type: ignore[index]

    def test_64_no_right_on_pod_status(self) -> None:
        lab = self.lab = Lab()
        lab.cluster.lbc.deny_pod_status = True
        lab.health("healthy")
        lab.pod("x")
        lab.run(10)
        self.assertIsNone(lab.gate("x"))
        self.assertEqual(1, len(lab.group.targets))
        want = next(m for _, r, m in recorded_events("64") if r == "FailedReconcile")
        have = lab.said("FailedReconcile")[0]
        self.assertEqual(re.sub(r'pods "[^"]+"|namespace "[^"]+"', "N", want), re.sub(r'pods "[^"]+"|namespace "[^"]+"', "N", have))

    def test_66_one_throttled_read_holds_up_all_bindings(self) -> None:
        lab = self.lab_with("a")
        other = lab.cluster.elb.add("other")
        lab.cluster.create(SERVICES, {"metadata": {"name": "other", "namespace": "shop"}, "spec": {
            "selector": {"app": "other"}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]}})
        lab.cluster.create(BINDINGS, {"metadata": {"name": "other", "namespace": "shop"}, "spec": {
            "targetGroupARN": other.arn, "serviceRef": {"name": "other", "port": 80}}})
        lab.run(1)
        lab.cluster.elb.fault({"action": "DescribeTargetHealth", "code": "Throttling", "group": "web"})
        lab.run(16)
        began = lab.cluster.clock.now()
        lab.pod("b", labels={"app": "other"})
        lab.run(60)
        self.assertIsNone(cond(lab.get("b"), "target-health.elbv2.k8s.aws/other"))
        self.assertEqual([], lab.said("FailedReconcile"))
        lab.run(80)
        self.assertTrue(lab.said("FailedReconcile")[0].startswith("Failed reconcile due to operation error Elastic Load Balancing v2: "
                        "DescribeTargetHealth, exceeded maximum number of attempts, 10, https response error StatusCode: 400"))
        self.assertGreater(lab.cluster.clock.now() - began, 118)

    def test_69_a_denied_deregistration_blocks_registration(self) -> None:
        lab = self.lab_with("a", health="healthy")
        lab.cluster.elb.fault({"action": "DeregisterTargets", "code": "AccessDenied"})
        lab.store.delete(PODS, "shop", "a")
        lab.pod("b")
        lab.run(10)
        self.assertIsNone(lab.gate("b"))
        self.assertEqual(1, lab.cluster.elb.counts["RegisterTargets"])

    def test_72_not_registered_is_registered_again_for_ever(self) -> None:
        lab = self.lab = Lab("odd", "odd")
        lab.health("not-registered")
        lab.pod("odd")
        lab.run(50)
        self.same_pod(lab, "odd", "72")
        self.assertGreaterEqual(lab.cluster.elb.counts["RegisterTargets"], 3)

    def test_76_one_forced_pass_half_an_hour_after_a_start(self) -> None:
        lab = self.lab_with("a", "b", health="healthy")
        lab.cluster.lbc.stop()
        lab.cluster.lbc.start()
        lab.run(60)
        lab.health({"state": "unhealthy", "reason": "Target.Timeout", "description": "Request timed out"})
        lab.run(1700)
        self.assertEqual("True", lab.gate("a")[0])  # type: ignore[index]
        lab.run(1000)
        self.assertEqual("False", lab.gate("a")[0])  # type: ignore[index]

    def test_an_error_of_the_model_prints_without_api_error(self) -> None:
        lab = self.lab = Lab()
        lab.cluster.elb.fault({"action": "RegisterTargets", "code": "TooManyTargets", "message": "You have exceeded the limit"})
        lab.pod("a")
        lab.run(4)
        self.assertRegex(lab.said("FailedReconcile")[0], r"StatusCode: 400, RequestID: [\d-]+, TooManyTargets: You have exceeded")
        self.assertRaises(AwsError, lab.cluster.elb.call, "RegisterTargets", "arn:none/x/y", [])

    def test_37_no_label_no_gate(self) -> None:
        lab = self.lab = Lab()
        lab.health("healthy")
        lab.pod("skipped", labels={"app": "web", "app.kubernetes.io/name": "aws-load-balancer-controller"})
        lab.run(5)
        self.assertNotIn("readinessGates", lab.get("skipped")["spec"])
        self.assertEqual(1, len(lab.group.targets), "registered all the same")
        self.assertEqual(1, len(lab.store.list(WEBHOOKS)))


if __name__ == "__main__":
    unittest.main()
