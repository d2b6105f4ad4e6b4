"""The interface is what schema/openapi.yaml says: every answer of a living cluster, by a validator that is not ours, and
what generated requests bring to light. Also the rules that hold for every path: HEAD, methods, ETags, unknown parameters."""
from __future__ import annotations

import gzip
import http.client
import json
import unittest
import urllib.parse
import xml.dom.minidom
from typing import Any

import hypothesis
import jsonschema
import openapi_spec_validator
import schemathesis
import yaml
from alerts.receiver import Receiver
from contract import document
from harness import QUICK, ROOT, Gatehouse, Simulator, folder, quick, wait_until

schemathesis.checks.load_all_checks()
CHECKS = schemathesis.checks.CHECKS.get_by_names(["status_code_conformance", "content_type_conformance", "response_schema_conformance"])
WEBHOOK = json.loads((ROOT / "schema/webhook.rollout.schema.json").read_text())
SCENARIO = """
name: contract
seed: 1
nodes: 2
recheck: 3s
namespaces:
  shop:
    inject: aws-lbc
    workloads:
      - {name: good, replicas: 2, image: "registry.example/shop/good:1", pod: {start: 1s}, binding: {name: good, health: healthy}}
      - {name: bad, replicas: 2, image: "registry.example/shop/bad:1", pod: {start: 1s}, binding: {name: bad, health: code-mismatch}}
      - {name: set, kind: StatefulSet, replicas: 1, pod: {start: 1s}, binding: {name: set, health: healthy}}
      - {name: plain, kind: DaemonSet, pod: {start: 1s}}
  free:
    workloads:
      - {name: ungated, replicas: 1, pod: {start: 1s}, binding: {name: ungated, health: healthy}}
"""
MANIFEST = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: new, namespace: free}
spec:
  replicas: 2
  selector: {matchLabels: {app: ungated}}
  template:
    metadata: {labels: {app: ungated}}
    spec: {terminationGracePeriodSeconds: 1, containers: [{name: web, image: "x:1", ports: [{containerPort: 8080}]}]}
"""
ROLLOUT = "/namespaces/shop/rollouts/deployment/bad"


class Contract(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = cls.enterClassContext(folder("contract"))
        scenario = cls.folder / "contract.yaml"
        scenario.write_text(SCENARIO)
        env_file = cls.folder / "aws.env"
        cls.sim = Simulator(cls.folder, scenario, "--aws-env-out", str(env_file))
        cls.addClassCleanup(cls.sim.stop)
        env = dict(line.split("=", 1) for line in env_file.read_text().splitlines() if line.startswith("AWS_"))
        cls.receiver = Receiver()
        cls.addClassCleanup(cls.receiver.close)
        cls.server = Gatehouse(cls.folder, {
            "kubernetes": {"kubeconfig": str(cls.sim.kubeconfig)},
            "aws": {"hot_interval": "1s", "idle_interval": "5s", "calls_per_minute": 6000, "burst": 100},
            "pace": {**QUICK, "stuck_min": "2s", "overrides": [{"namespace": "shop", "workload": "bad", "stuck_after": "4s",
                                                       "runbook": "https://wiki.example/bad"}]},
            "alerts": {"receivers": [cls.receiver.options()]}}, env={"AWS_EC2_METADATA_DISABLED": "", **env})
        cls.addClassCleanup(cls.server.stop)
        cls.server.wait_state("shop", "good", "serving")
        cls.sim.control("do", {"do": "set-image", "workload": "shop/good", "image": "registry.example/shop/good:2"})
        wait_until("good's second revision serves", lambda: len(cls.server.get("/namespaces/shop/rollouts/deploy/good/history")["items"])
                   == 2 and cls.server.rollout("shop", "good")["state"] == "serving", 60)
        cls.server.wait_state("shop", "bad", "stuck")
        wait_until("the alert was delivered", lambda: cls.server.get("/deliveries?state=delivered")["items"], 20)
        wait_until("bad's cause rests on its targets", lambda: cls.server.rollout("shop", "bad")["cause"]["evidence"], 20)

    def ask(self, path: str, method: str = "GET", headers: dict[str, str] | None = None, body: bytes | None = None,
            status: int | None = 200) -> tuple[int, dict[str, str], bytes]:
        """One request; the answer must fit the contract."""
        found, answer, content = self.server.request("/api/v1" + path, headers, method, body)
        if status is not None:
            self.assertEqual(found, status, (method, path, content[:400]))
        self.assertEqual(document.problems_of(method, path, found, answer.get("content-type", ""), content), [], (method, path))
        self.assertTrue(answer["x-request-id"])
        return found, answer, content

    def get(self, path: str) -> Any:
        return json.loads(self.ask(path)[2])

    def paths(self) -> list[str]:
        """A path of each GET operation that answers at once, with what is really there."""
        group = self.get("/targetgroups")["items"][0]["id"]
        delivery = self.get("/deliveries")["items"][0]["id"]
        pod = self.get(ROLLOUT + "/pods")["items"][0]["name"]
        values = {"{namespace}": "shop", "{kind}": "deployment", "{name}": "bad"}
        found = []
        for template, item in document.DOCUMENT["paths"].items():
            if "get" not in item or template == "/events":
                continue
            path = template.replace("/pods/{name}", f"/pods/{pod}")
            path = path.replace("{id}", str(group if path.startswith("/targetgroups") else delivery))
            for name, value in values.items():
                path = path.replace(name, value)
            found.append(path + ("?for=change&index=0" if path.endswith("/wait") else ""))
        return found

    def test_1_the_document_is_openapi_and_is_what_is_served(self) -> None:
        openapi_spec_validator.validate(document.DOCUMENT)

        def empty(node: Any, at: str) -> list[str]:
            if node is None:
                return [at]
            items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
            return [place for key, value in items for place in empty(value, f"{at}/{key}")]

        self.assertEqual(empty(document.DOCUMENT, ""), [], "a comma in a text without quotes makes a key of its rest")
        self.assertEqual(self.server.request("/api/v1/openapi.yaml")[2].decode(), document.TEXT)
        self.assertEqual(self.get("/openapi.json"), yaml.safe_load(document.TEXT))

    def test_2_every_answer_of_a_living_cluster_fits(self) -> None:
        seen = []
        for path in self.paths():
            if not path.endswith("/gate"):
                seen.append(self.ask(path)[1])
        self.ask(ROLLOUT + "/gate", status=503)
        for namespace in [n["namespace"] for n in self.get("/namespaces")["items"]]:
            self.ask(f"/namespaces/{namespace}")
            for r in self.get(f"/namespaces/{namespace}/rollouts")["items"]:
                base = f"/namespaces/{namespace}/rollouts/{r['kind']}/{r['name']}"
                for part in ("", "/pods", "/timeline", "/history", "/explain", "/wait?for=change&index=0"):
                    self.ask(base + part)
                for past in self.get(base + "/history")["items"]:
                    self.ask(f"{base}?revision={past['revision'] or past['revision_hash']}")
                for pod in self.get(base + "/pods")["items"]:
                    self.ask(f"/namespaces/{namespace}/pods/{pod['name']}")
        for group in self.get("/targetgroups")["items"]:
            self.ask(f"/targetgroups/{group['id']}")
        for delivery in self.get("/deliveries")["items"]:
            self.ask(f"/deliveries/{delivery['id']}")
            self.ask(f"/deliveries/{delivery['id']}/redeliver", "POST", status=202)
        for namespace in ("shop", "free"):
            self.ask(f"/audit?namespace={namespace}")
        self.ask(ROLLOUT + "/refresh", "POST", status=None)  # 202, or 429 where it was asked just now
        found = json.loads(self.ask("/preflight", "POST", body=MANIFEST.encode())[2])
        self.assertTrue(found["findings"] and found["workloads"][0]["gates"], found)
        text = self.ask(ROLLOUT + "/explain", headers={"accept": "text/plain"})[2].decode()
        cause = self.get(ROLLOUT)["cause"]
        self.assertIn(f"{cause['title']} ({cause['code']})", text)
        self.assertEqual(cause["runbook"], "https://wiki.example/bad")
        for path in ("/rollouts?nonsense=1", "/rollouts?limit=0", "/rollouts?limit=501", "/rollouts?cursor=xyz", "/rollouts?state=odd",
                     "/rollouts?labelSelector=a+in", "/rollouts?q=%ff%zz", "/alerts?state=odd", "/deliveries?alert=x", f"{ROLLOUT}/wait?timeout=601",
                     f"{ROLLOUT}/wait?for=ever", f"{ROLLOUT}/gate?generation=0", "/events?since=x", "/rollouts?cluster=a&cluster=b"):
            errors = json.loads(self.ask(path, status=400)[2])
            self.assertTrue(errors.get("errors") or errors["type"] == "/problems/cursor_invalid", (path, errors))
        for path in ("/namespaces/none", "/namespaces/shop/rollouts/deployment/none", "/namespaces/shop/pods/none", "/targetgroups/999999",
                     "/targetgroups/x", "/deliveries/999999", "/rollouts?cluster=none"):
            self.ask(path, status=404)

    def test_3_rules_for_every_path(self) -> None:
        for path in self.paths():
            with self.subTest(path):
                plain = path.split("?")[0]
                joint = "&" if "?" in path else "?"
                status, headers, body = self.ask(path, status=None)
                _, head, nothing = self.server.request("/api/v1" + path, method="HEAD")
                self.assertEqual(nothing, b"")
                moving = {"date", "x-request-id", "content-length", "connection"}
                if path.endswith(("/wait?for=change&index=0", "/gate")):
                    moving.add("content-length")
                self.assertEqual({k: v for k, v in head.items() if k not in moving}, {k: v for k, v in headers.items() if k not in moving})
                self.ask(path + joint + "nonsense=1", status=400)
                refused, answer, content = self.server.request("/api/v1" + plain, method="PUT")
                self.assertEqual((refused, answer["content-type"]), (405, "application/problem+json"))
                self.assertEqual(document.fits(json.loads(content), document.component("Problem")), [])
                methods = {m.upper() for m in document.DOCUMENT["paths"][document.operation_of("GET", plain)[0]]}
                self.assertEqual(set(answer["allow"].split(", ")), methods | {"HEAD"})
                if "etag" in headers:
                    self.assertRegex(headers["etag"], r'^"[^"]+"$')  # strong
                    same = {"if-none-match": headers["etag"]}
                    again, answer, content = self.server.request("/api/v1" + path, same)
                    if again == 200 and json.loads(content).get("now"):  # it has changed meanwhile: once more
                        again, answer, content = self.server.request("/api/v1" + path, {"if-none-match": answer["etag"]})
                    self.assertEqual((again, content), (304, b""))
                    self.assertEqual(answer["etag"].replace("-g", ""), answer["etag"])
                else:
                    self.assertTrue(path.endswith(("/wait?for=change&index=0", "/gate")), f"{path} has no ETag")
                if len(body) > 4096:
                    _, answer, packed = self.server.request("/api/v1" + path, {"accept-encoding": "gzip"})
                    self.assertEqual(answer.get("content-encoding"), "gzip")
                    self.assertLess(len(packed), len(body))
                    self.assertTrue(gzip.decompress(packed))

        status, headers, picture = self.server.request("/badge/shop/deploy/good.svg")
        self.assertEqual((status, headers["content-type"], headers["cross-origin-resource-policy"]), (200, "image/svg+xml", "cross-origin"))
        self.assertIn("title>good: serving 2/2<", picture.decode())
        self.assertTrue(xml.dom.minidom.parseString(picture))

    def test_4_events_and_streamed_waits_carry_what_the_contract_names(self) -> None:
        sent = {"rollout": document.component("Rollout"), "namespace": document.component("Namespace"),
                "source": document.component("Source")}
        events = self.stream("/events?namespace=shop&kind=deployment&name=good", until="rollout", also=lambda: self.sim.control(
            "do", {"do": "set-image", "workload": "shop/good", "image": "registry.example/shop/good:3"}))
        for kind, data in events:
            if kind in sent and not data.get("deleted") and not data.get("left"):
                self.assertEqual(document.fits(data, sent[kind]), [], kind)
            elif kind == "pod" and "pod" in data:
                self.assertEqual(document.fits(data["pod"], document.component("Pod")), [])
        steps = self.stream(ROLLOUT + "/wait?timeout=1", until="result")
        self.assertEqual((steps[0][0], steps[-1][0]), ("progress", "result"))
        for _, data in steps:
            self.assertEqual(document.fits(data, document.component("Wait")), [])
        self.assertEqual(steps[-1][1]["verdict"], "timeout")
        status, headers, _ = self.ask("/namespaces/shop/rollouts/deployment/none/wait", headers={"accept": "text/event-stream"}, status=404)

        self.repair()  # takes effect while the next test runs

    def repair(self) -> None:
        self.sim.control("do", {"do": "health", "binding": "shop/bad", "health": quick("alb-fast")})

    def stream(self, path: str, until: str, also: Any = None) -> list[tuple[str, dict[str, Any]]]:
        """The events of a stream up to the first of that name."""
        address = urllib.parse.urlparse(self.server.url)
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)
        self.addCleanup(connection.close)
        connection.request("GET", "/api/v1" + path, headers={"accept": "text/event-stream"})
        answer = connection.getresponse()
        self.assertEqual((answer.status, answer.headers["content-type"], answer.headers["cache-control"]),
                         (200, "text/event-stream", "no-store"))
        if also is not None:
            also()
        found: list[tuple[str, dict[str, Any]]] = []
        kind = ""
        while not found or found[-1][0] != until:
            line = answer.readline().decode().rstrip("\n")
            if line.startswith("event: "):
                kind = line[7:]
            elif line.startswith("data: "):
                found.append((kind, json.loads(line[6:])))
        return found

    def test_5_generated_requests_never_break_it(self) -> None:
        known = {"namespace": ["shop", "free"], "kind": ["deploy", "StatefulSet", "ds"], "name": ["good", "bad", "set"], "id": [1, 2]}
        contract = schemathesis.openapi.from_dict(document.DOCUMENT)
        contract.config.update(base_url=self.server.url + "/api/v1")
        runs = 0
        for item in contract.get_all_operations():
            operation = item.ok()
            if operation.path in ("/events", "/deliveries/{id}/redeliver"):
                continue  # a stream has no end; the other is for the receiver's tests
            for mode in schemathesis.GenerationMode:
                if mode == schemathesis.GenerationMode.NEGATIVE and operation.path.startswith("/openapi"):
                    continue  # nothing to get wrong
                runs += self.generated(operation, mode, known)
        self.assertGreater(runs, 200)

    def generated(self, operation: Any, mode: Any, known: dict[str, list[Any]]) -> int:
        """Requests for one operation; how many."""
        count = 0
        most = 3 if operation.path.endswith("/wait") else 10  # a wait for what does not come takes a second

        @hypothesis.settings(max_examples=most, derandomize=True, database=None, deadline=None,
                             suppress_health_check=list(hypothesis.HealthCheck), phases=[hypothesis.Phase.generate])
        @hypothesis.given(case=operation.as_strategy(generation_mode=mode), pick=hypothesis.strategies.integers(0, 11))
        def one(case: Any, pick: int) -> None:
            nonlocal count
            count += 1
            if pick % 4 != 3:  # mostly something that is there
                for name in case.path_parameters or {}:
                    case.path_parameters[name] = known[name][pick % len(known[name])]
            if operation.path.endswith("/wait") and case.query is not None:
                case.query["timeout"] = 1
                case.query["for"] = "change"
                case.query["index"] = 0
            answer = case.call(timeout=20)
            status = answer.status_code
            if not (status == 503 and operation.path.endswith("/gate")):
                self.assertLess(status, 500, (case.as_curl_command(), answer.text[:300]))
            case.validate_response(answer, checks=CHECKS)

        one()
        return count

    def test_6_webhook_bodies_fit_both_documents(self) -> None:
        self.repair()
        wait_until("bad has recovered and it was told", lambda: self.receiver.of_type("rollout.recovered"), 60)
        schema = document.DOCUMENT["webhooks"]["notification"]["post"]["requestBody"]["content"]["application/json"]["schema"]
        for message in self.receiver.messages:
            checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
            jsonschema.Draft202012Validator(WEBHOOK, format_checker=checker).validate(message.json)
            self.assertEqual(document.fits(message.json, schema), [])


if __name__ == "__main__":
    unittest.main()
