"""One workload a cause, on the simulated cluster: each rollout names the cause that its workload is made for.

tests/sim/scenarios/causes.yaml names every workload after its code. Primary is the cause nearest to the root; the few
codes that by their nature stand beside another one are listed with what stands before them.
"""
from __future__ import annotations

import unittest

from elbv2.test_elbv2 import variables
from harness import ROOT, Gatehouse, Simulator, folder, wait_until

SCENARIO = ROOT / "tests/sim/scenarios/causes.yaml"
# code -> the primary cause beside it (None: it is only a warning, the rollout serves)
BESIDE = {
    "autoscaler_waits": "initial_health_checks",
    "progress_deadline_exceeded": "initial_health_checks",
    "gate_missing_pod_predates_binding": "target_group_gone",  # the late binding names a group that nobody has
    "network_reconcile_failed": None,
}
# Not to be seen in one look at one time; unit tests hold their rules.
PASSING = {"container_restarted_after_open", "drain_shorter_than_deregistration", "budget_blocks_eviction"}


class Causes(unittest.TestCase):
    def test_every_workload_shows_its_cause(self) -> None:
        with folder("causes") as place:
            env = place / "aws.env"
            sim = Simulator(place, SCENARIO, "--aws-env-out", str(env))
            self.addCleanup(sim.stop)
            plain, _ = variables(env)
            server = Gatehouse(place, {
                "kubernetes": {"kubeconfig": str(sim.kubeconfig)},
                "aws": {"hot_interval": "1s", "idle_interval": "5s", "calls_per_minute": 420, "burst": 30},
                "pace": {"stuck_min": "5s", "overrides": [{"stuck_after": "40s"}]}}, env=plain)
            self.addCleanup(server.stop)

            def wrong() -> dict[str, tuple[str | None, list[str]]]:
                found = {}
                for item in server.get("/rollouts?limit=200")["items"]:
                    code = item["name"].replace("-", "_")
                    if code in PASSING:
                        continue
                    path = f"/namespaces/{item['namespace']}/rollouts/{item['kind']}/{item['name']}"
                    whole = server.get(path)
                    codes = [c["code"] for c in whole["causes"]]
                    primary = whole["cause"]["code"] if whole["cause"] else None
                    if code not in codes or primary != BESIDE.get(code, code):
                        found[code] = (primary, codes)
                    for cause in whole["causes"]:
                        self.assertTrue(cause["message"] and cause["action"] and cause["evidence"], cause)
                seen.update(wrong=found)
                return found

            seen: dict[str, dict] = {}
            try:
                wait_until("each workload shows its cause", lambda: not wrong(), 150, 5)
            except AssertionError:
                self.fail(f"code: (primary, all) of those that differ: {seen['wrong']}")


if __name__ == "__main__":
    unittest.main()
