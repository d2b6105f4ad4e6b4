"""The AWS side judged by a server that others wrote: gatehouse reads target groups of moto, which verifies signatures and policies.

The pods and bindings are the simulated cluster's; their target groups, load balancers, users and roles are moto's, made with
boto3. moto knows few states (a registered address is healthy, a deregistered one gone) and neither pages nor throttling.
"""
from __future__ import annotations

import json
import pathlib
import tempfile
import unittest
from typing import Any

from harness import ROOT, Gatehouse, Simulator, wait_until
from judges.account import READER, REGION, Account, Keys, allow

POLICY = json.loads((ROOT / "config/iam-policy.json").read_text(encoding="ascii"))
ACTIONS = POLICY["Statement"][0]["Action"]
HEALTH = "elasticloadbalancing:DescribeTargetHealth"
ALWAYS = [HEALTH, *("elasticloadbalancing:Describe" + what for what in ("TargetGroups", "LoadBalancers"))]  # the rest only when a finding asks
FAST = {"hot_interval": "1s", "idle_interval": "5s", "calls_per_minute": 6000, "burst": 100}


def scenario(arns: dict[str, str]) -> str:
    return json.dumps({"name": "judged", "seed": 1, "nodes": 2, "namespaces": {"shop": {"inject": "aws-lbc", "workloads": [
        {"name": name, "replicas": 2, "pod": {"start": "1s"}, "binding": {"name": name, "health": "healthy", "arn": arn}} for name, arn in arns.items()]}}})


class Moto(unittest.TestCase):
    account: Account
    sim: Simulator

    @classmethod
    def setUpClass(cls) -> None:
        place = tempfile.TemporaryDirectory(prefix="gatehouse-judges-")
        cls.addClassCleanup(place.cleanup)
        cls.folder = pathlib.Path(place.name)
        cls.account = Account(cls.folder)
        cls.addClassCleanup(cls.account.stop)
        for name in ("web", "api"):
            cls.account.add_group(name)
        admin = cls.account.add_user("admin", allow("*"))
        cls.keys = cls.account.add_user("gatehouse", POLICY)
        cls.blind = {a: cls.account.add_user("no-" + a.split(":")[1], allow(*ACTIONS, but=a)) for a in ALWAYS}
        cls.assumer = cls.account.add_user("assumer", allow("sts:AssumeRole"))
        cls.account.add_role("assumer", "handshake", POLICY)
        cls.account.lock(admin)
        cls.elb = cls.account.client("elbv2")
        path = cls.folder / "scenario.yaml"
        path.write_text(scenario(cls.account.groups), encoding="ascii")
        cls.sim = Simulator(cls.folder, path)
        cls.addClassCleanup(cls.sim.stop)
        cls.addresses = wait_until("both pods of each workload are targets", cls.registered, 60, 0.2)
        for name, found in cls.addresses.items():
            cls.elb.register_targets(TargetGroupArn=cls.account.groups[name], Targets=found)

    @classmethod
    def registered(cls) -> dict[str, list[dict[str, Any]]] | None:
        """What the cluster's controller registered, for moto to know, too."""
        found = {n: [{"Id": t["id"], "Port": t["port"]} for t in g["targets"]] for n, g in cls.sim.control("targets", method="GET").items()}
        return found if all(len(t) == 2 for t in found.values()) else None

    def serve(self, keys: Keys, name: str, **env: str) -> Gatehouse:
        server = Gatehouse(self.folder, {"kubernetes": {"kubeconfig": str(self.sim.kubeconfig)}, "aws": FAST, "pace": {"stale_after": "15s"}}, name=name,
                           env={"AWS_ENDPOINT_URL_ELASTIC_LOAD_BALANCING_V2": self.account.url, "AWS_ENDPOINT_URL_STS": self.account.url, "AWS_REGION": REGION,
                                "AWS_ACCESS_KEY_ID": keys[0], "AWS_SECRET_ACCESS_KEY": keys[1], **env})
        self.addCleanup(server.stop)
        return server

    def source(self, server: Gatehouse, state: str, *parts: str) -> dict[str, Any]:
        """AWS as a whole, or the one account, once it is in that state and says all of that."""
        def look() -> Any:
            found = [s for s in server.get("/summary")["sources"] if s["name"].startswith("aws")]
            seen.append(found)
            return next((s for s in found if s["state"] == state and all(p in s["message"] for p in parts)), None)
        seen: list[Any] = []
        try:
            return wait_until(f"aws is {state} with {parts}", look, 60, 0.2)
        except AssertionError as error:
            raise AssertionError(f"{error}; last: {seen[-1:]}\n{server.text()[-2000:]}") from None

    @staticmethod
    def pods(server: Gatehouse, name: str = "web") -> list[dict[str, Any]]:
        return server.get(f"/namespaces/shop/rollouts/deployment/{name}/pods")["items"]

    def healthy(self, server: Gatehouse, name: str = "web") -> None:
        def look() -> bool:
            pods = self.pods(server, name)
            return len(pods) == 2 and all(p["truth"]["elb"] == "yes" and [t["state"] for t in p["targets"]] == ["healthy"] for p in pods)
        wait_until(f"every pod of {name} has a healthy target", look, 60, 0.2)

    def test_it_is_let_in_with_the_rights_it_asks_for_and_sees_what_is_there(self) -> None:
        server = self.serve(self.keys, "plain")
        for name in self.account.groups:
            self.healthy(server, name)
        self.assertEqual("", self.source(server, "ok")["message"])
        server.wait_state("shop", "web", "serving")

        def group() -> Any:
            return next((g for g in server.get("/targetgroups")["items"] if g["name"] == "web" and g["load_balancer"]), None)
        found = wait_until("the group and its load balancer are known", group, 60, 0.2)
        self.assertEqual((self.account.groups["web"], self.account.balancers["web"], "HTTP", 8080, "ip", 2, 2),
                         tuple(found[k] for k in ("arn", "load_balancer", "protocol", "port", "target_type", "targets", "healthy")))
        self.assertEqual(("/healthz", 15, 2), tuple(found["health_check"][k] for k in ("path", "interval_seconds", "healthy_threshold")))
        self.assertEqual({(t["Id"], t["Port"]) for t in self.addresses["web"]},
                         {(t["ip"], t["port"]) for p in self.pods(server) for t in p["targets"]})

    def test_a_target_that_is_taken_out_and_back(self) -> None:
        server = self.serve(self.keys, "steered")
        self.healthy(server, "api")
        one, arn = self.addresses["api"][:1], self.account.groups["api"]
        self.elb.deregister_targets(TargetGroupArn=arn, Targets=one)
        self.addCleanup(self.elb.register_targets, TargetGroupArn=arn, Targets=one)
        server.wait_state("shop", "api", "exposed", seconds=60)
        seen = {p["ip"]: p["truth"]["elb"] for p in self.pods(server, "api")}
        self.assertEqual("no", seen[one[0]["Id"]])
        self.assertEqual(["no", "yes"], sorted(seen.values()))
        self.elb.register_targets(TargetGroupArn=arn, Targets=one)
        self.healthy(server, "api")

    def test_a_bad_key_is_said_by_its_name(self) -> None:
        wrong = self.serve((self.keys[0], "nonsense"), "wrong")
        self.source(wrong, "denied", "SignatureDoesNotMatch")
        self.assertEqual({"unknown"}, {p["truth"]["elb"] for p in self.pods(wrong)})
        wrong.stop()
        nobody = self.serve(("AKIANOBODY0000000000", "nonsense"), "nobody")
        self.source(nobody, "denied", "InvalidClientTokenId")

    def test_a_right_that_is_missing_is_said_by_its_name(self) -> None:
        servers = {action: self.serve(keys, action.split(":")[1]) for action, keys in self.blind.items()}
        for action, server in servers.items():
            with self.subTest(action):
                if action == HEALTH:
                    self.source(server, "denied", "AccessDenied", action)
                    self.assertEqual({"unknown"}, {p["truth"]["elb"] for p in self.pods(server)})
                else:  # costs its own columns and nothing else
                    self.healthy(server)
                    self.source(server, "ok", "enied", action)

    def bind(self, spec: dict[str, Any]) -> None:
        for name in self.account.groups:
            self.sim.control("do", {"do": "patch", "object": f"targetgroupbindings.elbv2.k8s.aws/shop/{name}", "patch": {"spec": spec}})

    def test_a_role_that_the_binding_names(self) -> None:
        self.bind({"iamRoleArnToAssume": READER, "assumeRoleExternalId": "handshake"})
        self.addCleanup(self.bind, {"iamRoleArnToAssume": None, "assumeRoleExternalId": None})
        server = self.serve(self.assumer, "assumer")  # may assume the role and nothing else
        for name in self.account.groups:
            self.healthy(server, name)
        self.assertEqual("", self.source(server, "ok")["message"])
        server.stop()
        self.bind({"assumeRoleExternalId": "guess"})
        self.source(self.serve(self.assumer, "guesser"), "denied", "AccessDenied")

    def test_a_role_of_a_profile(self) -> None:
        path = self.folder / "config"
        path.write_text(f"[profile base]\naws_access_key_id = {self.assumer[0]}\naws_secret_access_key = {self.assumer[1]}\n"
                        f"[profile role]\nrole_arn = {READER}\nsource_profile = base\nexternal_id = handshake\n", encoding="ascii")
        server = self.serve(("", ""), "profile", AWS_CONFIG_FILE=str(path), AWS_PROFILE="role")
        self.healthy(server)


if __name__ == "__main__":
    unittest.main()
