"""The real kubectl lists, watches and changes the simulated cluster, over TLS with a token."""
from __future__ import annotations

import json
import os
import subprocess
import time
import unittest

from server import Server


class Kubectl(unittest.TestCase):
    """What people type."""

    server: Server

    @classmethod
    def setUpClass(cls) -> None:
        cls.server = Server("basic.yaml", "--tls", "--token", "secret", "--speed", "20")

    @classmethod
    def tearDownClass(cls) -> None:
        cls.server.stop()

    def start(self, *args: str) -> "subprocess.Popen[str]":
        env = dict(os.environ, HOME=self.server.folder.name)
        return subprocess.Popen(["kubectl", "--kubeconfig", str(self.server.kubeconfig), *args], stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)

    def kubectl(self, *args: str, given: str = "") -> str:
        process = self.start(*args)
        out, err = process.communicate(given, timeout=20)
        self.assertEqual(0, process.returncode, err)
        return out

    def test_lists_pods_and_deployments(self) -> None:
        lines = self.kubectl("get", "pods", "-n", "shop", "-o", "wide").splitlines()
        self.assertEqual(6, len(lines))
        self.assertIn("READINESS GATES", lines[0])
        self.assertIn("good", self.kubectl("get", "deployments", "-A"))
        doc = json.loads(self.kubectl("get", "pods", "-n", "shop", "-o", "json", "--chunk-size=2"))
        self.assertEqual(5, len(doc["items"]))
        names = self.kubectl("get", "deploy,rs,svc,endpointslices,targetgroupbindings.elbv2.k8s.aws", "-n", "shop", "-o", "name")
        self.assertIn("targetgroupbinding.elbv2.k8s.aws/bad", names.split())

    def test_waits_for_and_watches_a_rollout(self) -> None:
        self.kubectl("rollout", "status", "deployment/good", "-n", "shop", "--timeout=15s")
        watch = self.start("get", "pods", "-n", "shop", "-w", "--output-watch-events", "-l", "app=good")
        try:
            for _ in range(100):
                if "pods" in json.dumps(self.server_watches()):
                    break
                time.sleep(0.1)
            self.kubectl("set", "image", "deployment/good", "app=registry.example/shop/good:2", "-n", "shop")
            self.kubectl("rollout", "status", "deployment/good", "-n", "shop", "--timeout=18s")
        finally:
            watch.terminate()
            out, _ = watch.communicate(timeout=5)
        for event in ("ADDED", "MODIFIED", "DELETED"):
            self.assertIn(event, out)

    def server_watches(self) -> list[dict[str, str]]:
        import http.client
        import ssl
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection("127.0.0.1", self.server.port, context=context, timeout=5)
        connection.request("GET", "/_sim/state", headers={"Connection": "close"})
        return list(json.loads(connection.getresponse().read())["watches"])

    def test_applies_describes_scales_and_deletes(self) -> None:
        manifest = json.dumps({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "new", "namespace": "shop"}, "spec": {
            "replicas": 1, "selector": {"matchLabels": {"app": "new"}}, "template": {
                "metadata": {"labels": {"app": "new"}}, "spec": {"containers": [{"name": "app", "image": "registry.example/new:1"}]}}}})
        self.assertIn("created", self.kubectl("apply", "--validate=false", "-f", "-", given=manifest))
        self.assertIn("unchanged", self.kubectl("apply", "--validate=false", "-f", "-", given=manifest))
        self.assertIn("configured", self.kubectl("apply", "--validate=false", "-f", "-", given=manifest.replace("new:1", "new:2")))
        self.kubectl("scale", "deployment/new", "-n", "shop", "--replicas=2")
        self.kubectl("rollout", "status", "deployment/new", "-n", "shop", "--timeout=15s")
        self.assertIn("registry.example/new:2", self.kubectl("describe", "deployment", "new", "-n", "shop"))
        self.kubectl("delete", "deployment", "new", "-n", "shop", "--timeout=15s")
        for _ in range(100):
            if not self.kubectl("get", "pods", "-n", "shop", "-l", "app=new", "-o", "name"):
                return
            time.sleep(0.1)
        self.fail("the pods of a deleted deployment stay")


if __name__ == "__main__":
    unittest.main()
