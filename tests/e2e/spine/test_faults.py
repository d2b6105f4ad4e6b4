"""A source that misbehaves in every way we know of: what gatehouse shows ends up as what the cluster holds."""
from __future__ import annotations

import contextlib
import json
import resource
import signal
import subprocess
import unittest
import urllib.request

from harness import BINARY, QUICK, ROOT, Gatehouse, Simulator, folder, wait_until

BASIC = ROOT / "tests/sim/scenarios/basic.yaml"

# name, faults (each for a bounded number of hits)
FAULTS = [
    ("500s", [{"action": "status", "code": 500, "count": 6}]),
    ("429 with Retry-After", [{"action": "status", "code": 429, "retry_after": 1, "count": 6}]),
    ("HTML from a proxy", [{"action": "status", "code": 502, "html": True, "count": 4}]),
    ("answers cut in the middle", [{"action": "cut", "after_bytes": 900, "count": 8}]),
    ("answers reset in the middle", [{"action": "cut", "after_bytes": 300, "reset": True, "count": 8}]),
    ("garbage", [{"action": "garbage", "count": 6}]),
    ("expired versions inside a watch", [{"action": "watch_error", "code": 410, "count": 6}]),
]


class Faults(unittest.TestCase):
    def setUp(self) -> None:
        context = folder("faults")
        self.folder = context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)
        self.sim = Simulator(self.folder, BASIC)
        self.addCleanup(self.sim.stop)

    def config(self, **more: object) -> dict:
        return {"kubernetes": {"kubeconfig": str(self.sim.kubeconfig), **more}, "aws": {"mode": "off"}, "pace": QUICK}

    def held(self) -> set[tuple[str, str]]:
        """What the API server itself holds: (pod, ip) of every namespace."""
        token = json.dumps(self.sim.kubeconfig.read_text())
        found = [part for part in token.split("token: ")[1:]]
        secret = found[0].split("\\n")[0].strip('"\\ ') if found else ""
        request = urllib.request.Request(f"{self.sim.url}/api/v1/pods", headers={"Authorization": f"Bearer {secret}"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            items = json.load(answer)["items"]
        return {(p["metadata"]["name"], p["status"].get("podIP", "")) for p in items}

    @staticmethod
    def shown(server: Gatehouse) -> set[tuple[str, str]]:
        pods: set[tuple[str, str]] = set()
        for rollout in server.get("/rollouts")["items"]:
            path = f"/namespaces/{rollout['namespace']}/rollouts/{rollout['kind']}/{rollout['name']}/pods"
            pods |= {(p["name"], p["ip"] or "") for p in server.get(path)["items"]}
        return pods

    def converges(self, server: Gatehouse, what: str) -> None:
        """Once the faults have been met (or nobody meets them any more), what is shown is what is held."""
        with contextlib.suppress(AssertionError):
            wait_until("the faults are met", lambda: not any(r["live"] for r in self.sim.control("faults", method="GET")), 6)
        met = sum(r["hits"] for r in self.sim.control("faults", method="GET"))
        self.sim.control("faults", method="DELETE")
        self.assertTrue(met > 0 or what == "without faults", f"{what}: the server met no fault")
        wait_until(f"{what}: shown equals held", lambda: self.shown(server) == self.held() != set(), 60, 0.3)
        self.assertTrue(server.alive(), server.text())

    def test_every_fault_at_the_start_and_while_watching(self) -> None:
        server = Gatehouse(self.folder, self.config())
        self.addCleanup(server.stop)
        self.converges(server, "without faults")
        for number, (name, rules) in enumerate(FAULTS):
            with self.subTest(name):
                for rule in rules:
                    self.sim.control("faults", rule)
                self.sim.control("watches", {})
                self.sim.control("do", {"do": "set-image", "workload": "shop/good",
                                        "image": f"registry.example/shop/good:f{number}"})
                self.converges(server, name)
        server.stop()
        for rule in (rule for _, rules in FAULTS[:4] for rule in rules):
            self.sim.control("faults", {**rule, "count": 2})
        fresh = Gatehouse(self.folder, self.config(watch_list=False, page_size=2), name="fresh")
        self.addCleanup(fresh.stop)
        self.converges(fresh, "faults during the first lists in pages of two")

    def test_killed_and_started_again_it_goes_on_where_it_stood(self) -> None:
        server = Gatehouse(self.folder, self.config())
        server.wait_state("shop", "good", "serving")
        before = server.rollout("shop", "good")
        server.stop(signal.SIGKILL)
        again = Gatehouse(self.folder, self.config())
        self.addCleanup(again.stop)
        after = again.rollout("shop", "good")
        self.assertEqual(after["since"], before["since"])
        self.assertEqual(after["state"], "serving")
        wait_until("it is ready", lambda: again.request("/readyz")[0] == 200)
        _, _, metrics = again.request("/metrics")
        lists = [line for line in metrics.decode().splitlines() if line.startswith("gatehouse_kube_lists_total")]
        self.assertEqual(lists, ["gatehouse_kube_lists_total 0"])  # resumed by watches alone
        self.sim.control("do", {"do": "set-image", "workload": "shop/good", "image": "registry.example/shop/good:9"})
        again.wait_state("shop", "good", "progressing", seconds=20)

    @staticmethod
    def sources_at_fault(server: Gatehouse) -> dict[str, dict]:
        return {f["code"]: f for f in server.get("/audit")["cluster_findings"] if f["object"] == "Source/kubernetes"}

    def test_a_source_that_is_gone_leaves_its_rows_and_says_so(self) -> None:
        server = Gatehouse(self.folder, {**self.config(), "pace": {**QUICK, "stale_after": "15s"}})
        self.addCleanup(server.stop)
        server.wait_state("shop", "good", "serving")
        self.assertEqual(self.sources_at_fault(server), {})
        self.sim.popen.send_signal(signal.SIGSTOP)  # connections stay, nothing comes
        found = wait_until("the cluster's data is called stale", lambda: self.sources_at_fault(server).get("data_stale"), 40)
        self.assertEqual((found["object"], found["severity"]), ("Source/kubernetes", "warning"))
        self.assertIn("no sign of life", found["message"])
        self.assertIn("state ok", found["evidence"][0]["value"])
        self.sim.popen.send_signal(signal.SIGCONT)
        wait_until("it is fresh again", lambda: self.sources_at_fault(server) == {} and not server.rollout("shop", "good")["stale"], 40)
        self.sim.stop(signal.SIGKILL)
        wait_until("the API server is called unreachable", lambda: "kubernetes_unreachable" in self.sources_at_fault(server), 40)
        stale = wait_until("the rollout is marked stale",
                           lambda: (r := server.rollout("shop", "good")) and r["stale"] and r, 40)
        self.assertEqual(stale["pods"]["desired"], 3)
        source = wait_until("the source is not fine", lambda: next(
            (s for s in server.get("/summary")["sources"] if s["name"] == "kubernetes" and s["state"] != "ok"), None), 40)
        self.assertTrue(source["message"])

    def test_a_store_that_takes_no_writes_is_named_beside_the_sources_until_it_does(self) -> None:
        server = Gatehouse(self.folder, self.config())
        self.addCleanup(server.stop)
        server.wait_state("shop", "good", "serving")
        status = [str(BINARY), "status", "shop/good", "--server", server.url]
        self.assertEqual(subprocess.run(status, capture_output=True).returncode, 0)

        def store() -> dict | None:
            return next((s for s in server.rollout("shop", "good")["sources"] if s["name"] == "store"), None)

        self.assertIsNone(store())
        path = "/api/v1/namespaces/shop/rollouts/deployment/good"
        etag = server.request(path)[1]["etag"]
        resource.prlimit(server.popen.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))  # as a full disk does
        self.sim.control("do", {"do": "set-image", "workload": "shop/good", "image": "registry.example/shop/good:full"})
        source = wait_until("the store is named", store, 20)
        self.assertEqual(source["state"], "failing")
        self.assertIn("COMMIT", source["message"])
        self.assertEqual(source["ok_at"], source["since"])
        self.assertEqual(server.request(path, {"if-none-match": etag})[0], 200)
        done = subprocess.run(status, capture_output=True, text=True)
        self.assertEqual(done.returncode, 5, done.stdout + done.stderr)
        resource.prlimit(server.popen.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        wait_until("the store is not named any more", lambda: store() is None, 20)
        wait_until("shown equals held", lambda: self.shown(server) == self.held() != set(), 60, 0.3)


if __name__ == "__main__":
    unittest.main()
