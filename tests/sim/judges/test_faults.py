"""What goes wrong on the simulated AWS goes wrong for botocore as on the real one: shapes, codes, and what it tries again."""
from __future__ import annotations

import unittest
from typing import Any

from botocore.config import Config
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError
from botocore.parsers import ResponseParserError
from judged import Judged

STANDARD = Config(retries={"mode": "standard", "total_max_attempts": 4})
LEGACY = Config(retries={"mode": "legacy", "total_max_attempts": 4})


class Retries(Judged):
    """botocore's own retries, without its pauses."""

    def healthy(self, elb: Any) -> int:
        """A call that is answered in the end; how often it was tried again."""
        before = self.count("DescribeTargetHealth")
        answer = elb.describe_target_health(TargetGroupArn=self.arn("web"))
        self.assertEqual(3, len(answer["TargetHealthDescriptions"]))
        again = int(answer["ResponseMetadata"]["RetryAttempts"])
        self.assertEqual(again, self.count("DescribeTargetHealth") - before - 1, "as many as the server counted")
        return again

    def test_throttling_is_tried_again_in_each_spelling_and_shape(self) -> None:
        for config in (STANDARD, LEGACY):
            for code in ("Throttling", "ThrottlingException"):
                for shape in "ABR":
                    with self.subTest(f"{config.retries} {code} {shape}"):
                        self.server.sim("aws", error=shape)
                        self.fault("DescribeTargetHealth", code=400, reason=code, message="Rate exceeded", count=2)
                        self.assertEqual(2, self.healthy(self.client(config=config)))

    def test_throttling_that_lasts_is_said(self) -> None:
        self.fault("DescribeTargetHealth", code=400, reason="Throttling", message="Rate exceeded")
        error = self.refused(400, "Throttling", self.client(config=STANDARD).describe_target_health, TargetGroupArn=self.arn("web"))
        self.assertEqual((3, True), tuple(error.response["ResponseMetadata"][k] for k in ("RetryAttempts", "MaxAttemptsReached")))
        self.assertEqual("Rate exceeded", error.response["Error"]["Message"])

    def test_the_bucket_of_describe_calls(self) -> None:
        elb = self.client()
        self.server.sim("aws", bucket={"capacity": 2, "rate": 0.001}, throttle_code="ThrottlingException")
        elb.describe_target_groups()
        elb.describe_tags(ResourceArns=[self.arn("web")])
        self.refused(400, "ThrottlingException", elb.describe_load_balancers)
        elb.register_targets(TargetGroupArn=self.arn("stream"), Targets=[{"Id": "10.8.8.8", "Port": 1}])  # not of this bucket
        elb.deregister_targets(TargetGroupArn=self.arn("stream"), Targets=[{"Id": "10.8.8.8", "Port": 1}])
        self.client("sts").get_caller_identity()

    def test_how_long_to_wait_is_believed(self) -> None:
        self.server.sim("aws", bucket={"capacity": 0.5, "rate": 0.0001}, retry_after_ms=3500)
        self.refused(400, "Throttling", self.client(config=STANDARD).describe_target_groups)
        self.assertEqual(3, len(self.pauses))
        self.assertTrue(all(3.5 <= w <= 8.5 for w in self.pauses), self.pauses)

    def test_a_server_in_trouble_is_tried_again(self) -> None:
        for fault in ({"code": 500}, {"code": 503}, {"code": 502, "html": True}, {"code": 500, "reason": "HealthUnavailable"}, {"action": "drop"},
                      {"code": 503, "reason": "ServiceUnavailable"}):
            with self.subTest(str(fault)):
                self.fault("DescribeTargetHealth", **fault, count=1)
                self.assertEqual(1, self.healthy(self.client(config=STANDARD)))

    def test_what_cannot_help_is_not_tried_again(self) -> None:
        elb = self.client(config=STANDARD)
        for status, code in ((403, "AccessDenied"), (400, "ValidationError"), (400, "TargetGroupNotFound"), (403, "ExpiredToken")):
            self.fault("DescribeTargetHealth", code=status, reason=code, count=1)
            error = self.refused(status, code, elb.describe_target_health, TargetGroupArn=self.arn("web"))
            self.assertEqual(0, error.response["ResponseMetadata"]["RetryAttempts"])


class Answers(Judged):
    """One try each."""

    def health(self, **given: Any) -> Any:
        return self.client().describe_target_health(TargetGroupArn=self.arn("web"), **given)

    def test_an_error_has_code_message_and_status_in_every_shape(self) -> None:
        for shape in "ABR":
            with self.subTest(shape):
                self.server.sim("aws", error=shape)
                self.fault("DescribeTargetHealth", code=403, reason="AccessDenied", message="not <authorized> & so on", count=1)
                error = self.refused(403, "AccessDenied", self.health)
                self.assertEqual("not <authorized> & so on", error.response["Error"]["Message"])
                if shape != "R":  # botocore reads no RequestID
                    self.assertRegex(error.response["ResponseMetadata"]["RequestId"], r"^[0-9a-f-]{36}$")

    def test_bodies_that_are_no_xml(self) -> None:
        bodies: list[bytes] = []
        elb = self.client()
        elb.meta.events.register("before-parse.elastic-load-balancing-v2.*", lambda response_dict, **_: bodies.append(response_dict["body"]))
        self.fault("DescribeTargetHealth", code=502, html=True, count=1)
        self.refused(502, "502", elb.describe_target_health, TargetGroupArn=self.arn("web"))
        self.assertIn(b"<html>", bodies[0])
        self.fault("DescribeTargetHealth", code=503, count=1)
        self.refused(503, "503", self.health)

    def test_one_group_whose_health_is_not_to_be_had(self) -> None:
        self.server.sim("do", do="aws-fault", fault={"action": "DescribeTargetHealth", "code": "HealthUnavailable", "status": 500, "group": "web", "who": "api"})
        elb = self.client()
        self.assertRaises(elb.exceptions.HealthUnavailableException, elb.describe_target_health, TargetGroupArn=self.arn("web"))
        self.assertTrue(elb.describe_target_health(TargetGroupArn=self.arn("api"))["TargetHealthDescriptions"])

    def test_a_right_that_is_missing_names_the_action(self) -> None:
        self.server.sim("do", do="aws-fault", fault={"action": "DescribeTargetHealth", "code": "AccessDenied", "who": "api", "count": 1})
        error = self.refused(403, "AccessDenied", self.health)
        self.assertRegex(error.response["Error"]["Message"], r"^User: arn:aws:\S+ is not authorized to perform: elasticloadbalancing:DescribeTargetHealth on resource: ")

    def test_a_connection_that_breaks(self) -> None:
        for fault, error in (({"action": "cut", "after_bytes": 200}, ResponseParserError), ({"action": "drop"}, ConnectionClosedError)):
            with self.subTest(str(fault)):
                self.fault("DescribeTargetHealth", **fault, count=1)
                self.assertRaises(error, self.health)
        self.fault("DescribeTargetHealth", action="hang", seconds=5, count=1)
        hasty = self.client(config=Config(read_timeout=0.3, retries={"total_max_attempts": 1}))
        self.assertRaises(ReadTimeoutError, hasty.describe_target_health, TargetGroupArn=self.arn("web"))


if __name__ == "__main__":
    unittest.main()
