"""Preflight by server and by database: the same answer, places in the file, exit codes for pipelines."""
from __future__ import annotations

import contextlib
import http.client
import json
import subprocess
import unittest

from client.test_client import FAILED, FINE, UNREACHABLE, USAGE, run
from harness import ROOT, Gatehouse, Simulator, folder, wait_until

BASIC = ROOT / "tests/sim/scenarios/basic.yaml"
# What helm template or kustomize build would print: comments, an empty document, a list.
GOOD = """\
# Source: shop/templates/config.yaml
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
---
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: good
  namespace: shop
spec:
  replicas: 6
  template:
    metadata: {labels: {app: good}}
    spec:
      terminationGracePeriodSeconds: 330
      containers:
      - name: good
        image: registry.example/shop/good:3
        ports: [{name: http, containerPort: 8080}]
        lifecycle: {preStop: {exec: {command: ["sh", "-c", "sleep 20"]}}}
"""
BAD = GOOD + """\
---
apiVersion: v1
kind: List
items:
- apiVersion: elbv2.k8s.aws/v1beta1
  kind: TargetGroupBinding
  metadata: {name: lost, namespace: shop}
  spec: {targetType: ip, serviceRef: {name: nowhere, port: 80}}
"""
# A workload whose binding the controller makes of its Ingress, later.
NEW = GOOD.replace("good", "new") + """\
---
apiVersion: v1
kind: Service
metadata: {name: new, namespace: shop}
spec: {selector: {app: new}, ports: [{port: 80, targetPort: http}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: front, namespace: shop, annotations: {alb.ingress.kubernetes.io/target-type: ip}}
spec: {ingressClassName: alb, defaultBackend: {service: {name: new, port: {number: 80}}}}
"""


class Preflight(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = cls.enterClassContext(folder("preflight"))
        cls.sim = Simulator(cls.folder, BASIC)
        cls.addClassCleanup(cls.sim.stop)
        cls.server = Gatehouse(cls.folder, {"kubernetes": {"kubeconfig": str(cls.sim.kubeconfig)}, "aws": {"mode": "off"}})
        cls.addClassCleanup(cls.server.stop)
        wait_until("binding and webhook are known", lambda: cls.server.get("/bindings?q=shop/good")["items"]
                   and cls.server.get("/audit")["webhooks"] and cls.server.get("/targetgroups") and
                   cls.server.rollout("shop", "good")["pods"]["desired"] == 3)
        (cls.folder / "good.yaml").write_text(GOOD)
        (cls.folder / "bad.yaml").write_text(BAD)

    def call(self, code: int, *words: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        done = run("preflight", *words, server=self.server.url, stdin=stdin)
        self.assertEqual(done.returncode, code, (words, done.stdout, done.stderr))
        return done

    def test_1_a_good_manifest_names_gate_webhook_and_time(self) -> None:
        text = self.call(FINE, "-f", str(self.folder / "good.yaml")).stdout
        self.assertIn("shop/good Deployment\n  gate  target-health.elbv2.k8s.aws/good: injected by ", text)
        self.assertIn("rollout of 6 pods in ", text)
        self.assertIn("2 objects: 0 errors, 0 warnings, 0 notes", text)
        found = json.loads(self.call(FINE, "-f", "-", "-o", "json", stdin=GOOD).stdout)
        self.assertEqual(found["verdict"], "fine")
        gate = found["workloads"][0]["gates"][0]
        self.assertEqual((gate["injected"], gate["binding"]), ("yes", "good"))
        self.assertTrue(gate["target_group"].startswith("arn:"), gate)
        self.assertEqual((found["ignored"], found["workloads"][0]["line"]), (1, 7))

    def test_2_a_bad_one_fails_with_its_place(self) -> None:
        path = str(self.folder / "bad.yaml")
        text = self.call(FAILED, "-f", path).stdout
        self.assertIn(f"{path}:27:3: shop TargetGroupBinding/lost\n  error binding_backend_not_found: ", text)
        warned = GOOD.replace("sleep 20", "sleep 600")
        self.call(FINE, "-f", "-", stdin=warned)
        self.assertIn("warning drain_shorter", self.call(FAILED, "-f", "-", "--fail-on", "warning", stdin=warned).stdout)

    def test_2_a_binding_that_comes_later_is_told_once(self) -> None:
        text = self.call(FINE, "-f", "-", stdin=NEW).stdout
        self.assertIn("shop/new Deployment: no binding takes its pods yet\n", text)
        self.assertIn("makes the binding of Ingress/front only after", text)
        alone = self.call(FINE, "-f", "-", stdin=NEW[:NEW.rindex("---")]).stdout
        self.assertIn("shop/new Deployment: no binding takes its pods\n", alone)

    def test_3_the_database_gives_the_same_answer(self) -> None:
        path, database = str(self.folder / "bad.yaml"), str(self.folder / "gatehouse.db")
        asked = json.loads(self.call(FAILED, "-f", path, "-o", "json").stdout)

        def same() -> bool:
            done = run("preflight", "-f", path, "-o", "json", "--db", database, "--server", "http://127.0.0.1:1")
            self.assertEqual(done.returncode, FAILED, done.stderr)
            offline = json.loads(done.stdout)
            return all(offline[k] == asked[k] for k in ("cluster", "verdict", "counts", "workloads", "findings"))

        wait_until("both say the same", same, 10)
        self.assertEqual(run("preflight", "-f", path, "--db", str(self.folder / "none.db")).returncode, UNREACHABLE)
        self.assertEqual(run("preflight", "-f", path, "--db", database, "--cluster", "x").returncode, USAGE)

    def test_4_mistakes_say_where(self) -> None:
        said = self.call(USAGE, "-f", "-", stdin="kind: Pod\n  a: b\n").stderr
        self.assertTrue(said.startswith("gatehouse preflight: standard input:2:"), said)
        path = self.folder / "template.yaml"
        path.write_text("a: {{ .Values.x }}\n")
        said = self.call(USAGE, "-f", str(path)).stderr
        self.assertTrue(said.startswith(f"gatehouse preflight: {path}:1:"), said)
        self.call(USAGE)
        self.call(USAGE, "-f", "/nowhere/x.yaml")
        self.call(USAGE, "-f", "-", "--fail-on", "info", stdin=GOOD)
        self.assertEqual(run("preflight", "-f", "-", "--server", "http://127.0.0.1:1", stdin=GOOD).returncode, UNREACHABLE)

    def test_5_the_route_takes_a_mebibyte_and_others_do_not(self) -> None:
        big = (GOOD + "# filler\n" * 100000).encode()
        self.assertLess(len(big), 1 << 20)
        status, headers, body = self.server.request("/api/v1/preflight", method="POST", body=big)
        self.assertEqual((status, headers["cache-control"]), (200, "no-store"), body[:300])
        self.assertEqual(json.loads(body)["verdict"], "fine")
        self.assertIn("now", json.loads(body))
        with contextlib.closing(http.client.HTTPConnection(self.server.url.split("//")[1], timeout=10)) as raw:
            raw.putrequest("POST", "/api/v1/preflight")  # the length alone is enough to be refused
            raw.putheader("content-length", str((1 << 20) + 1))
            raw.endheaders()
            self.assertEqual(raw.getresponse().status, 413)
        status, _, body = self.server.request("/api/v1/deliveries/1/redeliver", method="POST", body=big)
        self.assertEqual((status, json.loads(body)["type"]), (413, "/problems/too_large"))
        status, headers, _ = self.server.request("/api/v1/preflight")
        self.assertEqual((status, headers["allow"]), (405, "POST"))
        status, _, body = self.server.request("/api/v1/preflight", method="POST", body=b"a: b")
        self.assertEqual((status, json.loads(body)["errors"][0]["parameter"]), (400, "body"))


if __name__ == "__main__":
    unittest.main()
