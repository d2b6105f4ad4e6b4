"""boto3 reads and changes the simulated ELBv2: every call, pages, batch limits, waiters, all ways to write XML."""
from __future__ import annotations

import datetime
import unittest
import xml.etree.ElementTree as Xml
from typing import Any

from botocore.exceptions import WaiterError
from judged import Judged, misfits

GROUPS = {"web", "web-next", "api", "stream"}
BALANCERS = {"front", "stream"}


def states(answer: Any) -> set[tuple[str, str]]:
    return {(d["TargetHealth"]["State"], d["TargetHealth"].get("Reason", "")) for d in answer["TargetHealthDescriptions"]}


class Read(Judged):
    """What is described."""

    def setUp(self) -> None:
        super().setUp()
        self.elb = self.client()

    def balancer(self, name: str) -> str:
        return str(self.elb.describe_load_balancers(Names=[name])["LoadBalancers"][0]["LoadBalancerArn"])

    def every(self, elb: Any) -> dict[str, Any]:
        """One answer of each Describe call."""
        front = elb.describe_load_balancers(Names=["front"])["LoadBalancers"][0]["LoadBalancerArn"]
        listeners = elb.describe_listeners(LoadBalancerArn=front)
        first = listeners["Listeners"][0]["ListenerArn"]
        return {"groups": elb.describe_target_groups(), "balancers": elb.describe_load_balancers(), "listeners": listeners,
                "rules": elb.describe_rules(ListenerArn=first), "tags": elb.describe_tags(ResourceArns=[self.arn("web"), front, first]),
                "group attributes": elb.describe_target_group_attributes(TargetGroupArn=self.arn("web")),
                "balancer attributes": elb.describe_load_balancer_attributes(LoadBalancerArn=front),
                "health": elb.describe_target_health(TargetGroupArn=self.arn("web-next"), Include=["All"])}

    def test_every_answer_fits_botocores_model(self) -> None:
        wrong: list[str] = []
        seen: set[str] = set()

        def look(operation_model: Any, response_dict: Any, **_: Any) -> None:
            root = Xml.fromstring(response_dict["body"])
            shape = operation_model.output_shape
            result = next(e for e in root if e.tag.endswith("}" + shape.serialization["resultWrapper"]))
            wrong.extend(misfits(result, shape))
            seen.add(operation_model.name)
            self.assertTrue(response_dict["headers"]["x-amzn-requestid"])
        self.elb.meta.events.register("before-parse.elastic-load-balancing-v2.*", look)
        self.every(self.elb)
        self.assertEqual([], wrong)
        self.assertEqual(8, len(seen), seen)

    def test_any_way_of_writing_xml_reads_the_same(self) -> None:
        def plain(answers: dict[str, Any]) -> dict[str, Any]:
            return {name: {k: v for k, v in answer.items() if k != "ResponseMetadata"} for name, answer in answers.items()}
        want = plain(self.every(self.elb))
        self.server.sim("aws", indent=True, shuffle=True, unknown=True)
        self.assertEqual(want, plain(self.every(self.elb)))

    def test_groups_balancers_listeners_rules(self) -> None:
        group = self.elb.describe_target_groups(Names=["stream"])["TargetGroups"][0]
        self.assertEqual(("TCP", "ip", "TCP", "traffic-port", 10), tuple(group[k] for k in (
            "Protocol", "TargetType", "HealthCheckProtocol", "HealthCheckPort", "HealthCheckIntervalSeconds")))
        self.assertEqual([self.balancer("stream")], group["LoadBalancerArns"])
        front = self.balancer("front")
        self.assertEqual({"web", "web-next", "api"}, {g["TargetGroupName"] for g in self.elb.describe_target_groups(LoadBalancerArn=front)["TargetGroups"]})
        whole = self.elb.describe_load_balancers(LoadBalancerArns=[front])["LoadBalancers"][0]
        self.assertEqual(("application", "active"), (whole["Type"], whole["State"]["Code"]))
        self.assertIsInstance(whole["CreatedTime"], datetime.datetime)
        listeners = {li["Port"]: li for li in self.elb.describe_listeners(LoadBalancerArn=front)["Listeners"]}
        self.assertEqual({80, 443}, set(listeners))
        self.assertEqual(self.arn("api"), listeners[443]["DefaultActions"][0]["TargetGroupArn"])
        rules = self.elb.describe_rules(ListenerArn=listeners[80]["ListenerArn"])["Rules"]
        self.assertEqual(["10", "default"], [r["Priority"] for r in rules])
        self.assertEqual([(self.arn("web"), 90), (self.arn("web-next"), 10)], [
            (g["TargetGroupArn"], g["Weight"]) for g in rules[0]["Actions"][0]["ForwardConfig"]["TargetGroups"]])
        self.assertEqual(["/shop/*"], next(c for c in rules[0]["Conditions"] if c["Field"] == "path-pattern")["PathPatternConfig"]["Values"])
        self.assertEqual("404", rules[1]["Actions"][0]["FixedResponseConfig"]["StatusCode"])
        tags = self.elb.describe_tags(ResourceArns=[self.arn("web")])["TagDescriptions"][0]["Tags"]
        self.assertIn({"Key": "ingress.k8s.aws/stack", "Value": "shop/web"}, tags)
        self.assertIn({"Key": "note", "Value": "Käse & <Brot>"}, tags)
        attributes = {a["Key"]: a["Value"] for a in self.elb.describe_target_group_attributes(TargetGroupArn=self.arn("web"))["Attributes"]}
        self.assertEqual("30", attributes["deregistration_delay.timeout_seconds"])
        attributes = {a["Key"]: a["Value"] for a in self.elb.describe_load_balancer_attributes(LoadBalancerArn=front)["Attributes"]}
        self.assertEqual("true", attributes["load_balancing.cross_zone.enabled"])

    def test_health_of_all_of_named_and_with_more(self) -> None:
        web = self.arn("web")
        every = self.elb.describe_target_health(TargetGroupArn=web)
        self.assertEqual(({("healthy", "")}, 3), (states(every), len(every["TargetHealthDescriptions"])))
        one = every["TargetHealthDescriptions"][0]
        self.assertNotIn("AnomalyDetection", one)
        self.assertEqual(str(one["Target"]["Port"]), one["HealthCheckPort"])
        self.assertEqual("no_override", one["AdministrativeOverride"]["State"])
        named = self.elb.describe_target_health(TargetGroupArn=web, Targets=[{"Id": one["Target"]["Id"], "Port": 8080}, {"Id": "10.9.9.9", "Port": 8080}])
        self.assertEqual([(one["Target"]["Id"], "healthy"), ("10.9.9.9", "unused")], [
            (d["Target"]["Id"], d["TargetHealth"]["State"]) for d in named["TargetHealthDescriptions"]])
        self.assertIn(("unused", "Target.NotRegistered"), states(named))
        more = self.elb.describe_target_health(TargetGroupArn=web, Include=["AnomalyDetection"])
        self.assertEqual({"normal"}, {d["AnomalyDetection"]["Result"] for d in more["TargetHealthDescriptions"]})
        self.assertEqual({("unhealthy", "Target.ResponseCodeMismatch")}, states(self.elb.describe_target_health(TargetGroupArn=self.arn("web-next"))))
        self.assertEqual({("unhealthy", "Target.Timeout")}, states(self.elb.describe_target_health(TargetGroupArn=self.arn("api"))))

    def pages(self, name: str, key: str, field: str, **given: Any) -> list[list[str]]:
        return [[i[field] for i in page[key]] for page in self.elb.get_paginator(name).paginate(**given)]

    def test_paginators_see_each_thing_once(self) -> None:
        front = self.balancer("front")
        listener = next(li["ListenerArn"] for li in self.elb.describe_listeners(LoadBalancerArn=front)["Listeners"] if li["Port"] == 80)
        cases = (("describe_target_groups", "TargetGroups", "TargetGroupName", {}, 4), ("describe_load_balancers", "LoadBalancers", "LoadBalancerName", {}, 2),
                 ("describe_listeners", "Listeners", "Port", {"LoadBalancerArn": front}, 2), ("describe_rules", "Rules", "Priority", {"ListenerArn": listener}, 2))
        for name, key, field, given, total in cases:
            with self.subTest(name):
                self.assertEqual([total], [len(p) for p in self.pages(name, key, field, **given)])
                asked = self.pages(name, key, field, **given, PaginationConfig={"PageSize": 1})
                self.assertEqual([1] * total, [len(p) for p in asked])
                self.assertEqual(total, len({p[0] for p in asked}))
                self.server.sim("aws", page_size=1)  # the server may give less than asked
                self.assertEqual(asked, self.pages(name, key, field, **given, PaginationConfig={"PageSize": 400}))
                self.server.sim("aws", page_size=400)
        first = self.elb.get_paginator("describe_target_groups").paginate(PaginationConfig={"PageSize": 1, "MaxItems": 3}).build_full_result()
        rest = self.elb.get_paginator("describe_target_groups").paginate(
            PaginationConfig={"PageSize": 2, "StartingToken": first["NextToken"]}).build_full_result()
        self.assertEqual(GROUPS, {g["TargetGroupName"] for g in first["TargetGroups"] + rest["TargetGroups"]})
        self.assertEqual(1, len(rest["TargetGroups"]))

    def test_refusals_are_the_models_exceptions(self) -> None:
        elb, known = self.elb, self.elb.exceptions
        for error, call, given in (
                (known.TargetGroupNotFoundException, elb.describe_target_health, {"TargetGroupArn": "arn:x"}),
                (known.TargetGroupNotFoundException, elb.describe_target_groups, {"TargetGroupArns": [self.arn("web"), "arn:x"]}),
                (known.TargetGroupNotFoundException, elb.describe_target_group_attributes, {"TargetGroupArn": "arn:x"}),
                (known.TargetGroupNotFoundException, elb.describe_tags, {"ResourceArns": [self.arn("web") + "x"]}),
                (known.LoadBalancerNotFoundException, elb.describe_load_balancers, {"Names": ["none"]}),
                (known.LoadBalancerNotFoundException, elb.describe_load_balancer_attributes, {"LoadBalancerArn": "arn:x"}),
                (known.LoadBalancerNotFoundException, elb.describe_listeners, {"LoadBalancerArn": "arn:x"}),
                (known.ListenerNotFoundException, elb.describe_rules, {"ListenerArn": "arn:x"}),
                (known.RuleNotFoundException, elb.describe_rules, {"RuleArns": ["arn:x"]})):
            with self.subTest(call.__name__):
                self.assertRaises(error, call, **given)
        many = [self.arn("web")] * 21
        for call, given in ((elb.describe_target_groups, {"TargetGroupArns": many}), (elb.describe_tags, {"ResourceArns": many}),
                            (elb.describe_load_balancers, {"LoadBalancerArns": many}), (elb.describe_target_groups, {"PageSize": 400, "Marker": "x"}),
                            (elb.describe_listeners, {}), (elb.describe_rules, {})):
            self.refused(400, "ValidationError", call, **given)
        unchecked = self.client()
        unchecked.meta.events.register("before-call.elastic-load-balancing-v2.*", lambda params, **_: params["body"].update(PageSize="401"))
        self.refused(400, "ValidationError", unchecked.describe_target_groups)

    def test_a_call_nobody_knows(self) -> None:
        self.refused(400, "InvalidAction", self.elb.describe_ssl_policies)
        old = self.client()
        old.meta.events.register("before-call.elastic-load-balancing-v2.*", lambda params, **_: params["body"].update(Version="2012-06-01"))
        self.refused(400, "InvalidAction", old.describe_target_groups)


class Change(Judged):
    """Targets registered and taken out by hand; boto3's waiters believe what they then see."""

    def test_a_target_comes_serves_drains_and_is_gone(self) -> None:
        elb, web = self.client(), self.arn("web")
        one = [{"Id": "10.9.9.9", "Port": 9090}]
        wait = {"TargetGroupArn": web, "Targets": one, "WaiterConfig": {"Delay": 0, "MaxAttempts": 2}}
        elb.register_targets(TargetGroupArn=web, Targets=one)
        self.assertEqual({("initial", "Elb.RegistrationInProgress")}, states(elb.describe_target_health(TargetGroupArn=web, Targets=one)))
        self.assertRaises(WaiterError, elb.get_waiter("target_in_service").wait, **wait)
        self.server.sim("clock", advance="10s")
        elb.get_waiter("target_in_service").wait(**wait)
        self.assertEqual(4, len(elb.describe_target_health(TargetGroupArn=web)["TargetHealthDescriptions"]))
        elb.deregister_targets(TargetGroupArn=web, Targets=one)
        self.assertEqual({("draining", "Target.DeregistrationInProgress")}, states(elb.describe_target_health(TargetGroupArn=web, Targets=one)))
        self.assertRaises(WaiterError, elb.get_waiter("target_deregistered").wait, **wait)
        self.server.sim("clock", advance="31s")
        elb.get_waiter("target_deregistered").wait(**wait)
        self.assertEqual(3, len(elb.describe_target_health(TargetGroupArn=web)["TargetHealthDescriptions"]))
        elb.get_waiter("load_balancer_available").wait(Names=["front"], WaiterConfig={"Delay": 0, "MaxAttempts": 1})


if __name__ == "__main__":
    unittest.main()
