"""Healthy life on the real programs raises no error: rollouts, restarts, scaling, drained nodes, a controller that looks
late or restarts. The thousand random rollouts are a unit test (model/cause_noise_test); this is the smaller form.
"""
from __future__ import annotations

import os
import random
import time
import unittest

from elbv2.test_elbv2 import variables
from harness import ROOT, Gatehouse, Simulator, folder, wait_until

SECONDS = 120
RESTART_SECONDS = 30  # a controller leads 18 s after its start; one that is restarted before that for a minute is no healthy one
WORKLOADS = ["lbc/web", "lbc/api", "lbc/tcp", "lbc/store", "auto/web", "auto/tcp", "auto/canary"]
NODES = [f"ip-10-0-{i + 1}-{17 + i}.eu-west-1.compute.internal" for i in range(4)]


def steps(dice: random.Random, starting: set[str]) -> list[dict]:
    """What happens next; a drained node comes back with the next drain, a starting controller is left alone."""
    workload = dice.choice(WORKLOADS)
    kind = dice.choice(["restart", "set-image", "scale", "scale", "drain", "lag", "controller"])
    if kind == "scale":
        return [{"do": "scale", "workload": workload, "replicas": dice.randint(2, 7)}]
    if kind == "drain":
        node = dice.choice(NODES)
        return [{"do": "drain", "name": n, "state": "start" if n == node else "stop"} for n in NODES]
    if kind == "lag":
        return [{"do": "controller", "family": dice.choice(["aws-lbc", "eks-auto"]), "recheck": dice.choice(["15s", "30s"])}]
    if kind == "controller":
        family = dice.choice(["aws-lbc", "eks-auto"])
        return [{"do": "controller", "family": family, "state": s} for s in ("stop", "start") if family not in starting]
    if kind == "set-image":
        return [{"do": "set-image", "workload": workload, "image": f"registry.example/app:{dice.randrange(10 ** 6)}"}]
    return [{"do": "restart", "workload": workload}]


class Noise(unittest.TestCase):
    def test_a_healthy_cluster_in_motion_raises_no_error(self) -> None:
        seed = int(os.environ.get("NOISE_SEED", random.randrange(10 ** 6)))
        print(f"NOISE_SEED={seed}", flush=True)
        dice = random.Random(seed)
        with folder("noise") as place:
            env = place / "aws.env"
            sim = Simulator(place, ROOT / "tests/sim/scenarios/noise.yaml", "--aws-env-out", str(env))
            self.addCleanup(sim.stop)
            server = Gatehouse(place, {"kubernetes": {"kubeconfig": str(sim.kubeconfig)},
                                       "aws": {"calls_per_minute": 420, "burst": 30}}, env=variables(env)[0])
            self.addCleanup(server.stop)
            wait_until("all of it is seen", lambda: len(server.get("/rollouts?limit=200")["items"]) == len(WORKLOADS), 60)
            done: list[dict] = []
            moved = set()
            started: dict[str, float] = {}
            end = time.monotonic() + SECONDS
            while time.monotonic() < end:
                now = time.monotonic()
                for step in steps(dice, {family for family, at in started.items() if now - at < RESTART_SECONDS}):
                    done.append(step)
                    if step.get("state") == "start" and "family" in step:
                        started[step["family"]] = now
                    sim.control("do", step)
                time.sleep(2)
                moved |= self.look(server, seed, done)
            self.assertGreater(len(moved), 3, "rollouts were under way")
            self.assertEqual([], sim.control("state", method="GET")["errors"])

    def look(self, server: Gatehouse, seed: int, done: list[dict]) -> set[str]:
        """Fails for any error; the rollouts that are on their way."""
        moving = set()
        heard = [("cluster", f) for f in server.get("/audit?limit=1")["cluster_findings"]]
        for space in ("lbc", "auto"):
            heard += [(space, f) for f in server.get(f"/namespaces/{space}")["findings"]]
        for item in server.get("/rollouts?limit=200")["items"]:
            name = f"{item['namespace']}/{item['name']}"
            heard += [(name, f) for f in server.rollout(item["namespace"], item["name"], item["kind"])["causes"]]
            moving |= {name} if item["state"] == "progressing" else set()
        errors = [f"{where}: {f['code']}: {f['message']}" for where, f in heard if f["severity"] == "error"]
        self.assertEqual([], errors, f"seed {seed}, after {done[-12:]}")
        return moving


if __name__ == "__main__":
    unittest.main()
