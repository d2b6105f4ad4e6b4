"""Clock, patches, selectors, workload controllers, kubelet, scenario files."""
from __future__ import annotations

import pathlib
import tempfile
import unittest
from typing import Any

from lab import Lab, cond
from gatesim import patching, select, targets
from gatesim.actions import Actions
from gatesim.apiserver import ApiServer
from gatesim.clock import Clock
from gatesim.cluster import Cluster
from gatesim.errors import ApiError
from gatesim.kinds import (BUDGETS, DEPLOYMENTS, EVENTS, NAMESPACES, PODS, REPLICASETS, ROLLOUTS, SERVICES, SLICES, STATEFULSETS)
from gatesim.podstatus import ready
from gatesim.scenario import Scenario, ScenarioError, load

Json = Any
SCENARIOS = pathlib.Path(__file__).resolve().parents[1] / "scenarios"


class Parts(unittest.TestCase):
    """Pure parts."""

    def test_timers_fire_in_order_at_their_own_time(self) -> None:
        clock, seen = Clock(100.0), []
        clock.call_later(5, lambda: seen.append(("b", clock.now())))
        clock.call_later(1, lambda: (seen.append(("a", clock.now())), clock.call_later(1, lambda: seen.append(("c", clock.now())))))
        clock.call_later(2, lambda: seen.append(("never", 0))).cancel()
        clock.advance(10)
        self.assertEqual([("a", 101.0), ("c", 102.0), ("b", 105.0)], seen)
        self.assertEqual(110.0, clock.now())

    def test_a_failing_timer_is_noted_and_others_go_on(self) -> None:
        clock, seen = Clock(0.0), []
        clock.call_later(1, lambda: 1 / 0)
        clock.call_later(2, lambda: seen.append(1))
        import contextlib
        import io
        with contextlib.redirect_stderr(io.StringIO()):
            clock.advance(3)
        self.assertEqual([1], seen)
        self.assertIn("ZeroDivisionError", clock.errors[0])

    def test_patches(self) -> None:
        have = {"a": 1, "conditions": [{"type": "x", "status": "False"}, {"type": "y"}], "l": [1], "m": {"k": 1}}
        merged = patching.strategic(have, {"a": None, "conditions": [{"type": "x", "status": "True"}, {"type": "z"}], "l": [2]})
        self.assertEqual({"conditions": [{"type": "z"}, {"type": "x", "status": "True"}, {"type": "y"}], "l": [2], "m": {"k": 1}}, merged)
        self.assertEqual([{"type": "y"}], patching.strategic(have, {"conditions": [{"$patch": "delete", "type": "x"}]})["conditions"])
        self.assertEqual({"a": 1, "m": {"k": 1, "n": 2}}, {k: v for k, v in patching.merge(have, {"m": {"n": 2}}).items() if k in "am"})
        ops = [{"op": "test", "path": "/a", "value": 1}, {"op": "replace", "path": "/l/0", "value": 9}, {"op": "add", "path": "/l/-", "value": 3},
               {"op": "remove", "path": "/m"}, {"op": "copy", "from": "/a", "path": "/b~1c"}]
        self.assertEqual({"a": 1, "b/c": 1, "conditions": have["conditions"], "l": [9, 3]}, patching.json_patch(have, ops))
        for bad in ([{"op": "test", "path": "/a", "value": 2}], [{"op": "remove", "path": "/nope"}], [{"op": "fly", "path": "/a"}], {"a": 1}):
            self.assertRaises(ApiError, patching.json_patch, have, bad)

    def test_selector_objects(self) -> None:
        takes = select.selector({"matchLabels": {"a": "1"}, "matchExpressions": [
            {"key": "b", "operator": "NotIn", "values": ["x"]}, {"key": "c", "operator": "Exists"}]})
        self.assertTrue(takes({"a": "1", "c": ""}))
        self.assertFalse(takes({"a": "1", "b": "x", "c": ""}))
        self.assertFalse(takes({"a": "1"}))

    def test_ready_lists_gates_in_the_order_of_the_spec(self) -> None:
        pod = {"spec": {"readinessGates": [{"conditionType": "b"}, {"conditionType": "a"}]},
               "status": {"conditions": [{"type": "a", "status": "Unknown"}]}}
        self.assertEqual(("False", "ReadinessGatesNotReady",
                          'corresponding condition of pod readiness gate "b" does not exist., '
                          'the status of pod readiness gate "a" is not "True", but Unknown'), ready(pod, ("True", "", "")))
        self.assertEqual("ContainersNotReady", ready(pod, ("False", "ContainersNotReady", "m"))[1])

    def test_health_scripts(self) -> None:
        slow = targets.script({"profile": "nlb-slow", "stretch": 0.5})
        self.assertEqual(["initial", "initial", "healthy"], [slow.at(t, 1.0)["state"] for t in (49, 51, 76)])
        flap = targets.script("flapping")
        self.assertEqual(["healthy", "unhealthy", "healthy", "unhealthy"], [flap.at(t, 1.0)["state"] for t in (20, 80, 110, 175)])
        for bad in ("nope", [], [{"after": 1}], 7):
            self.assertRaises(ValueError, targets.script, bad)

    def test_scope_new_leaves_registered_targets_alone(self) -> None:
        lab = Lab()
        lab.group.register([("10.0.0.1", 80)])
        lab.run(60)
        lab.health("code-mismatch", scope="new")
        lab.group.register([("10.0.0.2", 80)])
        lab.run(60)
        self.assertEqual({"10.0.0.1": "healthy", "10.0.0.2": "unhealthy"}, {a[0]: h["state"] for a, h in lab.group.health()})
        lab.health("healthy")
        self.assertEqual({"healthy"}, {h["state"] for _, h in lab.group.health()})


class Workloads(unittest.TestCase):
    """Controllers on a manual clock."""

    def setUp(self) -> None:
        self.lab = Lab(bind=False)

    def tearDown(self) -> None:
        self.assertEqual([], self.lab.cluster.clock.errors)

    def set_image(self, kind: Any, name: str, image: str) -> None:
        def change(data: Json) -> None:
            data["spec"]["template"]["spec"]["containers"][0]["image"] = image
        self.lab.store.modify(kind, "shop", name, change)

    def test_progress_deadline_and_recovery(self) -> None:
        self.lab.deployment("web", 2, progressDeadlineSeconds=60)
        self.lab.run(10)
        self.lab.cluster.behaviours.images.append(("*:bad", {"ready": "never"}))
        self.set_image(DEPLOYMENTS, "web", "registry.example/app:bad")
        self.lab.run(50)
        dep = lambda: self.lab.store.get(DEPLOYMENTS, "shop", "web")  # noqa: E731
        self.assertEqual("ReplicaSetUpdated", cond(dep(), "Progressing")[1])  # type: ignore[index]
        self.lab.run(30)
        self.assertEqual(("False", "ProgressDeadlineExceeded"), cond(dep(), "Progressing")[:2])  # type: ignore[index]
        self.assertIn("has timed out progressing", cond(dep(), "Progressing")[2])  # type: ignore[index,operator]
        self.set_image(DEPLOYMENTS, "web", "registry.example/app:3")
        self.lab.run(30)
        self.assertEqual(("True", "NewReplicaSetAvailable"), cond(dep(), "Progressing")[:2])  # type: ignore[index]
        self.assertEqual("3", dep()["metadata"]["annotations"]["deployment.kubernetes.io/revision"])

    def test_roll_back_reuses_the_old_set_with_a_new_revision(self) -> None:
        self.lab.deployment("web", 1)
        self.lab.run(10)
        self.set_image(DEPLOYMENTS, "web", "registry.example/app:2")
        self.lab.run(20)
        self.set_image(DEPLOYMENTS, "web", "registry.example/app:1")
        self.lab.run(20)
        sets = {s["spec"]["template"]["spec"]["containers"][0]["image"][-1]: s for s in self.lab.store.list(REPLICASETS, "shop")}
        self.assertEqual({"1": ("3", 1), "2": ("2", 0)}, {i: (s["metadata"]["annotations"]["deployment.kubernetes.io/revision"], s["spec"]["replicas"]) for i, s in sets.items()})

    def test_sick_old_pods_stay_while_new_ones_are_not_ready(self) -> None:
        self.lab.cluster.behaviours.images += [("*:sick", {"ready": "never"}), ("*:slow", {"start": "30s"})]
        self.lab.deployment("web", 3, "registry.example/app:sick", strategy={"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}})
        self.lab.run(10)
        self.set_image(DEPLOYMENTS, "web", "registry.example/app:slow")
        self.lab.run(10)
        live = [p["spec"]["containers"][0]["image"][-4:] for p in self.lab.pods() if not p["metadata"].get("deletionTimestamp")]
        self.assertEqual(["sick"] * 3 + ["slow"], sorted(live))
        self.lab.run(200)
        self.assertEqual(3, self.lab.store.get(DEPLOYMENTS, "shop", "web")["status"]["availableReplicas"])

    def test_a_paused_deployment_makes_no_new_set(self) -> None:
        self.lab.deployment("web", 2)
        self.lab.run(10)
        self.lab.store.modify(DEPLOYMENTS, "shop", "web", lambda d: d["spec"].update(paused=True))
        self.set_image(DEPLOYMENTS, "web", "registry.example/app:2")
        self.lab.run(20)
        self.assertEqual(1, len(self.lab.store.list(REPLICASETS, "shop")))
        self.assertEqual(("Unknown", "DeploymentPaused", "Deployment is paused"), cond(self.lab.store.get(DEPLOYMENTS, "shop", "web"), "Progressing"))
        self.lab.store.modify(DEPLOYMENTS, "shop", "web", lambda d: d["spec"].pop("paused"))
        self.lab.run(30)
        self.assertEqual(2, self.lab.store.get(DEPLOYMENTS, "shop", "web")["status"]["updatedReplicas"])

    def test_minimum_ready_seconds_delay_availability(self) -> None:
        self.lab.deployment("web", 1, minReadySeconds=20)
        self.lab.run(15)
        status = self.lab.store.get(DEPLOYMENTS, "shop", "web")["status"]
        self.assertEqual((1, 0), (status["readyReplicas"], status.get("availableReplicas", 0)))
        self.lab.run(15)
        self.assertEqual(1, self.lab.store.get(DEPLOYMENTS, "shop", "web")["status"]["availableReplicas"])

    def stateful(self, **strategy: Any) -> None:
        self.lab.cluster.create(STATEFULSETS, {"metadata": {"name": "db", "namespace": "shop"}, "spec": {
            "replicas": 3, "serviceName": "db", "selector": {"matchLabels": {"app": "db"}},
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": strategy},
            "template": {"metadata": {"labels": {"app": "db"}}, "spec": {"containers": [{"name": "db", "image": "db:1"}]}}}})

    def test_a_stateful_set_goes_in_order_and_stops_at_its_partition(self) -> None:
        self.stateful(partition=1)
        self.lab.run(2)
        self.assertEqual(["db-0"], [p["metadata"]["name"] for p in self.lab.pods()])
        self.lab.run(20)
        self.assertEqual(["db-0", "db-1", "db-2"], [p["metadata"]["name"] for p in self.lab.pods()])
        self.set_image(STATEFULSETS, "db", "db:2")
        self.lab.run(40)
        images = {p["metadata"]["name"]: p["spec"]["containers"][0]["image"] for p in self.lab.pods()}
        self.assertEqual({"db-0": "db:1", "db-1": "db:2", "db-2": "db:2"}, images)
        status = self.lab.store.get(STATEFULSETS, "shop", "db")["status"]
        self.assertEqual((2, 1, 3), (status["updatedReplicas"], status["currentReplicas"], status["readyReplicas"]))
        self.assertNotEqual(status["currentRevision"], status["updateRevision"])
        self.lab.store.delete(PODS, "shop", "db-0")
        self.lab.run(15)
        self.assertEqual("db:1", self.lab.get("db-0")["spec"]["containers"][0]["image"], "below the partition the old revision comes back")

    def test_a_canary_pauses_and_is_promoted(self) -> None:
        self.lab.cluster.create(ROLLOUTS, {"metadata": {"name": "ro", "namespace": "shop"}, "spec": {
            "replicas": 4, "selector": {"matchLabels": {"app": "ro"}},
            "strategy": {"canary": {"steps": [{"setWeight": 25}, {"pause": {"duration": "30s"}}, {"setWeight": 50}, {"pause": {"duration": 10}}]}},
            "template": {"metadata": {"labels": {"app": "ro"}}, "spec": {"containers": [{"name": "a", "image": "ro:1"}]}}}})
        self.lab.run(20)
        get = lambda: self.lab.store.get(ROLLOUTS, "shop", "ro")["status"]  # noqa: E731
        self.assertEqual(("Healthy", "1", 4), (get()["phase"], get()["observedGeneration"], get()["readyReplicas"]))
        self.set_image(ROLLOUTS, "ro", "ro:2")
        self.lab.run(15)
        self.assertEqual(("Paused", "CanaryPauseStep", 1), (get()["phase"], get()["message"], get()["updatedReplicas"]))
        self.assertNotEqual(get()["stableRS"], get()["currentPodHash"])
        self.lab.run(100)
        self.assertEqual(("Healthy", 4, 4), (get()["phase"], get()["updatedReplicas"], get()["replicas"]))
        self.assertEqual(get()["stableRS"], get()["currentPodHash"])

    def test_crash_loops_back_off(self) -> None:
        self.lab.cluster.behaviours.images.append(("*:crash", {"crash": "3s", "exit_code": 2}))
        self.lab.deployment("web", 1, "registry.example/app:crash")
        self.lab.run(8)
        status = self.lab.pods()[0]["status"]["containerStatuses"][0]
        self.assertEqual("CrashLoopBackOff", status["state"]["waiting"]["reason"])
        self.assertRegex(status["state"]["waiting"]["message"], r"^back-off 10s restarting failed container=app pod=web-\w+-\w+_shop\([0-9a-f-]+\)$")
        self.assertEqual((2, "Error", 1, False), (status["lastState"]["terminated"]["exitCode"], status["lastState"]["terminated"]["reason"], status["restartCount"], status["ready"]))
        self.lab.run(60)
        self.assertGreaterEqual(self.lab.pods()[0]["status"]["containerStatuses"][0]["restartCount"], 3)
        self.assertTrue(self.lab.said("BackOff", "Pod")[0].startswith("Back-off restarting failed container app in pod web-"))

    def test_unpullable_images_and_full_nodes(self) -> None:
        self.lab.cluster.behaviours.images += [("*:gone", {"pull_error": "not found"}), ("*:big", {"schedule": "never"})]
        self.lab.deployment("gone", 1, "registry.example/app:gone")
        self.lab.deployment("big", 1, "registry.example/app:big")
        self.lab.run(8)
        by_app = {p["metadata"]["labels"]["app"]: p for p in self.lab.pods()}
        waiting = by_app["gone"]["status"]["containerStatuses"][0]["state"]["waiting"]
        self.assertEqual("ImagePullBackOff", waiting["reason"])
        self.assertEqual(("False", "Unschedulable"), cond(by_app["big"], "PodScheduled")[:2])  # type: ignore[index]
        self.assertEqual("Pending", by_app["big"]["status"]["phase"])

    def test_slices_and_budgets_follow_ready(self) -> None:
        self.lab.deployment("web", 2)
        self.lab.cluster.create(BUDGETS, {"metadata": {"name": "web", "namespace": "shop"}, "spec": {
            "minAvailable": 2, "selector": {"matchLabels": {"app": "web"}}}})
        self.lab.run(10)
        status = self.lab.store.get(BUDGETS, "shop", "web")["status"]
        self.assertEqual((2, 2, 0, 2), tuple(status[k] for k in ("currentHealthy", "desiredHealthy", "disruptionsAllowed", "expectedPods")))
        victim = self.lab.pods()[0]["metadata"]["name"]
        self.lab.store.delete(PODS, "shop", victim)
        self.lab.run(0.1)
        ends = {e["targetRef"]["name"]: e["conditions"] for e in self.lab.store.list(SLICES, "shop")[0]["endpoints"]}
        self.assertEqual({"ready": False, "serving": True, "terminating": True}, ends[victim])

    def test_many_endpoints_make_several_slices(self) -> None:
        self.lab.deployment("web", 130)
        self.lab.run(10)
        pieces = self.lab.store.list(SLICES, "shop")
        self.assertEqual([100, 30], [len(s["endpoints"]) for s in sorted(pieces, key=lambda s: -len(s["endpoints"]))])
        self.lab.store.modify(DEPLOYMENTS, "shop", "web", lambda d: d["spec"].update(replicas=20))
        self.lab.run(20)
        self.assertEqual([20], [len(s["endpoints"]) for s in self.lab.store.list(SLICES, "shop")])

    def test_init_containers_run_first(self) -> None:
        self.lab.pod("a", initContainers=[{"name": "init", "image": "i:1"}])
        self.lab.run(1)
        status = self.lab.get("a")["status"]
        self.assertEqual(("False", "ContainersNotInitialized", "containers with incomplete status: [init]"), cond(self.lab.get("a"), "Initialized"))
        self.assertEqual("PodInitializing", status["containerStatuses"][0]["state"]["waiting"]["reason"])
        self.assertIn("running", status["initContainerStatuses"][0]["state"])
        self.lab.run(6)
        status = self.lab.get("a")["status"]
        self.assertEqual("Completed", status["initContainerStatuses"][0]["state"]["terminated"]["reason"])
        self.assertEqual("True", cond(self.lab.get("a"), "Ready")[0])  # type: ignore[index]

    def test_an_old_controller_looks_ever_more_rarely(self) -> None:
        self.lab.bind()
        self.lab.cluster.lbc.legacy = True
        self.lab.health("timeout")
        self.lab.pod("a")
        self.lab.run(300)
        mark = self.lab.cluster.elb.counts["DescribeTargetHealth"]
        self.lab.health("healthy")
        self.lab.run(30)
        self.assertEqual("False", cond(self.lab.get("a"), "target-health.elbv2.k8s.aws/web")[0])  # type: ignore[index]
        self.lab.run(600)
        self.assertEqual("True", cond(self.lab.get("a"), "target-health.elbv2.k8s.aws/web")[0])  # type: ignore[index]
        self.assertLess(self.lab.cluster.elb.counts["DescribeTargetHealth"] - mark, 5)

    def test_a_deleted_namespace_takes_everything_with_it(self) -> None:
        self.lab.deployment("web", 2)
        self.lab.bind()
        self.lab.run(10)
        self.lab.store.delete(NAMESPACES, "", "shop")
        self.assertEqual("Terminating", self.lab.store.get(NAMESPACES, "", "shop")["status"]["phase"])
        self.lab.run(20)
        self.assertIsNone(self.lab.store.get(NAMESPACES, "", "shop"))
        for kind in (PODS, DEPLOYMENTS, REPLICASETS, SERVICES, SLICES, EVENTS):
            self.assertEqual([], self.lab.store.list(kind, "shop"), kind.plural)


class Scenarios(unittest.TestCase):
    """Files that are shipped, and files that are wrong."""

    def build(self, doc: Json) -> Scenario:
        cluster = Cluster(Clock(1795429000.0), 1)
        api = ApiServer(cluster.store)
        scenario = Scenario(doc, cluster, Actions(cluster, api))
        scenario.populate()
        return scenario

    def test_demo_shows_what_it_promises(self) -> None:
        scenario = self.build(load(SCENARIOS / "demo.yaml"))
        cluster = scenario.cluster
        get = lambda name: cluster.store.get(DEPLOYMENTS, *name.split("/"))  # noqa: E731
        for dep in cluster.store.list(DEPLOYMENTS):
            self.assertEqual(("True", "NewReplicaSetAvailable"), cond(dep, "Progressing")[:2], dep["metadata"]["name"])  # type: ignore[index]
        scenario.begin()
        cluster.clock.advance(90)
        stuck = [p for p in cluster.store.list(PODS, "logistics") if cond(p, "target-health.elbv2.k8s.aws/tracking-api")
                 and cond(p, "target-health.elbv2.k8s.aws/tracking-api")[1] == "Target.ResponseCodeMismatch"]  # type: ignore[index]
        self.assertEqual(2, len(stuck), "stuck within two minutes")
        self.assertLess(get("logistics/tracking-api")["status"]["updatedReplicas"], 5)
        crashing = [p for p in cluster.store.list(PODS, "logistics") if p["status"]["containerStatuses"][0]["restartCount"]]
        self.assertTrue(crashing)
        self.assertTrue(get("payments/fraud-score")["spec"].get("paused"))
        self.assertFalse(any("readinessGates" in p["spec"] for p in cluster.store.list(PODS, "analytics")), "exposed")
        self.assertTrue(all("readinessGates" in p["spec"] for p in cluster.store.list(PODS, "identity") if p["metadata"]["labels"]["app"] == "login"))
        cluster.clock.advance(240)
        self.assertEqual(("True", "NewReplicaSetAvailable"), cond(get("logistics/tracking-api"), "Progressing")[:2], "repaired")  # type: ignore[index]
        before = cluster.store.rv
        cluster.clock.advance(200)
        self.assertGreater(cluster.store.rv, before + 200, "something always moves")
        self.assertEqual([], cluster.clock.errors)

    def test_each_cause_leaves_its_evidence(self) -> None:
        """scenarios/causes.yaml: what Kubernetes shows of each cause a minute after the start."""
        scenario = self.build(load(SCENARIOS / "causes.yaml"))
        cluster = scenario.cluster
        scenario.begin()
        cluster.clock.advance(60)
        self.assertEqual([], cluster.clock.errors)

        def pod(name: str) -> Json:
            found = [p for p in cluster.store.list(PODS) if p["metadata"]["labels"]["app"] == name]
            return max(found, key=lambda p: p["metadata"]["creationTimestamp"])

        def said(namespace: str, name: str) -> set[str]:
            return {e["reason"] for e in cluster.store.list(EVENTS, namespace) if e["involvedObject"]["name"].startswith(name)}

        def gate(name: str) -> tuple[Any, ...]:
            one = pod(name)
            kinds = [g["conditionType"] for g in one["spec"].get("readinessGates") or []]
            return cond(one, kinds[0]) or ("absent",) if kinds else ("none",)
        for name, want in {
                "init-running": ("absent",), "probe-failing": ("absent",), "gate-legacy-type": ("absent",), "gate-owner-unknown": ("absent",),
                "gates-not-used": ("none",), "gate-missing-wrong-label": ("none",), "gate-missing-pod-predates-binding": ("none",),
                "gate-missing-target-type": ("none",), "gate-missing-opted-out": ("none",), "register-denied": ("absent",),
                "deregister-denied": ("absent",), "register-quota-exceeded": ("absent",), "register-failed": ("absent",),
                "describe-denied": ("False", "Elb.InitialHealthChecking"), "target-group-gone": ("False", "Elb.InitialHealthChecking"),
                "gate-service-does-not-select-pod": ("False", "Elb.InitialHealthChecking"), "network-reconcile-failed": ("True",),
                "binding-cleanup-failing": ("False", "Elb.InitialHealthChecking"), "registration-in-progress": ("False", "Elb.RegistrationInProgress"),
                "initial-health-checks": ("False", "Elb.InitialHealthChecking"), "health-check-code-mismatch": ("False", "Target.ResponseCodeMismatch"),
                "health-check-timeout": ("False", "Target.Timeout"), "health-check-failed": ("False", "Target.FailedHealthChecks"),
                "health-check-internal-error": ("False", "Elb.InternalError"), "target-group-not-in-use": ("False", "Target.NotInUse"),
                "target-zone-not-enabled": ("False", "Target.NotInUse"), "target-ip-unusable": ("False", "Target.IpUnusable"),
                "target-invalid-state": ("False", "Target.InvalidState"), "target-not-registered": ("False", "Elb.RegistrationInProgress"),
                "health-checks-disabled": ("False", "Target.HealthCheckDisabled"),
                "binding-backend-not-found": ("True", None, "Target Group Binding is deleted"),
                "binding-deleted": ("True", None, "Target Group Binding is deleted"), "target-unhealthy-after-open": ("True",)}.items():
            self.assertEqual(want, gate(name)[:len(want)], name)
        self.assertEqual("False", cond(pod("unschedulable"), "PodScheduled")[0])  # type: ignore[index]
        self.assertEqual("False", cond(pod("init-running"), "Initialized")[0])  # type: ignore[index]
        self.assertIn("FailedCreate", said("quota", "pod-creation-refused"))
        self.assertIn("FailedCreate", said("start", "binding-name-too-long"))
        self.assertIn("FailedNetworkReconcile", said("register", "security-group-ambiguous"))
        self.assertIn("FailedCleanup", said("register", "binding-cleanup-failing"))
        deadline = cluster.store.get(DEPLOYMENTS, "start", "progress-deadline-exceeded")
        self.assertEqual("ProgressDeadlineExceeded", cond(deadline, "Progressing")[1])  # type: ignore[index]
        self.assertEqual("DeploymentPaused", cond(cluster.store.get(DEPLOYMENTS, "start", "rollout-paused"), "Progressing")[1])  # type: ignore[index]

    def test_every_cause_scenario_loads_and_runs_without_an_error(self) -> None:
        for path in sorted((SCENARIOS / "causes").glob("*.yaml")):
            scenario = self.build(load(path))
            scenario.begin()
            scenario.cluster.clock.advance(60)
            self.assertEqual([], scenario.cluster.clock.errors, path.name)

    def test_a_step_within_the_warm_up_happens_before_it_ends(self) -> None:
        doc: Json = {"name": "early", "warmup": "60s", "namespaces": {"shop": {"workloads": [{"name": "web", "replicas": 1}]}},
                     "steps": [{"at": "-20s", "do": "scale", "workload": "shop/web", "replicas": 3}]}
        scenario = self.build(doc)
        pods = scenario.cluster.store.list(PODS, "shop")
        self.assertEqual(3, len(pods))
        self.assertEqual(2, len({p["metadata"]["creationTimestamp"] for p in pods}))
        with self.assertRaises(ScenarioError):
            self.build(doc | {"steps": [{"at": "-70s", "do": "scale", "workload": "shop/web", "replicas": 3}]})

    def test_behind_the_webhook_stand_a_service_and_a_slice_that_tell_whether_it_answers(self) -> None:
        lab = Lab()
        service = ("kube-system", "aws-load-balancer-webhook-service")

        def ready() -> int:
            return len(lab.store.get(SLICES, "kube-system", service[1] + "-0")["endpoints"])
        self.assertEqual(1, ready())
        lab.cluster.lbc.stop()
        lab.run(1)
        self.assertEqual(0, ready())
        lab.cluster.lbc.start()
        self.assertEqual(1, ready())
        lab.cluster.injection.set_broken({"targetgroupbindings.elbv2.k8s.aws"}, True, "no-service")
        self.assertIsNone(lab.store.get(SERVICES, *service))
        lab.pod("unseen")
        self.assertNotIn("readinessGates", lab.get("unseen")["spec"])
        lab.cluster.injection.set_broken({"targetgroupbindings.elbv2.k8s.aws"}, False, "refused")
        lab.run(1)
        self.assertEqual(1, ready())
        lab.pod("seen")
        self.assertIn("readinessGates", lab.get("seen")["spec"])

    def test_a_drain_evicts_as_the_budget_allows(self) -> None:
        doc: Json = {"name": "drain", "warmup": "60s", "nodes": 2, "namespaces": {"shop": {"workloads": [
            {"name": "web", "replicas": 4, "pod": {"start": "5s"}, "pdb": {"maxUnavailable": 1}}]}}}
        scenario = self.build(doc)
        store, clock = scenario.cluster.store, scenario.cluster.clock
        node = store.list(PODS, "shop")[0]["spec"]["nodeName"]
        scenario.actions.do({"do": "drain", "name": node})
        fewest = 4
        for _ in range(80):
            clock.advance(0.5)
            fewest = min(fewest, sum((cond(p, "Ready") or ("",))[0] == "True" for p in store.list(PODS, "shop") if not p["metadata"].get("deletionTimestamp")))
        self.assertEqual(3, fewest)
        self.assertEqual([], [p for p in store.list(PODS, "shop") if p["spec"].get("nodeName") == node])

    def test_the_same_seed_gives_the_same_names(self) -> None:
        names = [[p["metadata"]["name"] for p in self.build(load(SCENARIOS / "basic.yaml")).cluster.store.list(PODS)] for _ in range(2)]
        self.assertEqual(*names)

    def test_basic_sticks_and_can_be_repaired(self) -> None:
        scenario = self.build(load(SCENARIOS / "basic.yaml"))
        cluster = scenario.cluster
        cluster.clock.advance(60)
        status = {d["metadata"]["name"]: d["status"].get("readyReplicas", 0) for d in cluster.store.list(DEPLOYMENTS)}
        self.assertEqual({"good": 3, "bad": 0}, status)
        scenario.actions.do({"do": "health", "binding": "shop/bad", "health": "alb-fast"})
        cluster.clock.advance(40)
        self.assertEqual(2, cluster.store.get(DEPLOYMENTS, "shop", "bad")["status"]["readyReplicas"])

    def test_wrong_files_say_what_is_wrong(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            for text, why in (("nmae: x", "nmae"), ("[", "expected"), ("- a", "mapping")):
                path = pathlib.Path(folder) / "s.yaml"
                path.write_text(text, encoding="utf-8")
                with self.assertRaisesRegex(ScenarioError, why):
                    load(path)
            self.assertRaises(ScenarioError, load, pathlib.Path(folder) / "absent.yaml")
        for doc, why in (({"steps": [{"do": "dance"}]}, "dance"), ({"steps": [{"do": "scale", "at": "soon"}]}, "soon"),
                         ({"namespaces": {"a": {"workloads": [{"name": "x", "colour": 1}]}}}, "colour"),
                         ({"namespaces": {"a": {"workloads": [{"name": "x", "pod": {"strat": "1s"}}]}}}, "strat"),
                         ({"namespaces": {"a": {"workloads": [{"name": "x", "binding": {"health": "great"}}]}}}, "great"),
                         ({"namespaces": {"a": {"inject": "both"}}}, "inject")):
            with self.assertRaisesRegex(ScenarioError, why):
                self.build(doc)

    def test_wrong_actions_say_what_is_wrong(self) -> None:
        actions = self.build({}).actions
        for action, why in (({"do": "fly"}, "fly"), ({"do": "scale", "workload": "a/b", "replicas": 1}, "a/b"), ({"do": "set-image"}, "workload"),
                            ({"do": "health", "binding": "a/b", "health": "alb-fast"}, "a/b"), ({"do": "delete", "object": "pods/x"}, "kind/namespace/name")):
            with self.assertRaisesRegex(ValueError, why):
                actions.do(action)


if __name__ == "__main__":
    unittest.main()
