"""The aws command, as an operator types it."""
from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import unittest

from judged import REGION, Judged

AWS = str(pathlib.Path(sys.executable).parent / "aws")


class Command(Judged):
    def aws(self, *words: str, ends: int = 0, **env: str) -> str:
        """What the command prints (on failure: its complaint)."""
        keys = {k: v for k, v in self.env.items() if "ACCESS_KEY" in k}
        done = subprocess.run([AWS, *words], env={**os.environ, "AWS_DEFAULT_REGION": REGION, "AWS_PAGER": "", **keys, **env},
                              capture_output=True, text=True, timeout=60)
        self.assertEqual(ends, done.returncode, done.stderr)
        return done.stderr if ends else done.stdout

    def test_target_health_by_endpoint_url(self) -> None:
        words = ("--endpoint-url", self.url, "elbv2", "describe-target-health", "--target-group-arn", self.arn("web-next"))
        found = json.loads(self.aws(*words))["TargetHealthDescriptions"]
        self.assertEqual([("unhealthy", "Target.ResponseCodeMismatch", "Health checks failed with these codes: [503]")] * 2,
                         [tuple(d["TargetHealth"][k] for k in ("State", "Reason", "Description")) for d in found])
        named = json.loads(self.aws(*words, "--targets", "Id=10.9.9.9,Port=1"))["TargetHealthDescriptions"]
        self.assertEqual(["Target.NotRegistered"], [d["TargetHealth"]["Reason"] for d in named])

    def test_identity_and_pages_by_environment(self) -> None:
        self.assertEqual("arn:aws:iam::123456789012:user/simulated", json.loads(self.aws("sts", "get-caller-identity", AWS_ENDPOINT_URL=self.url))["Arn"])
        own = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_ENDPOINT_URL_ELASTIC_LOAD_BALANCING_V2": self.url}
        before = self.count("DescribeTargetGroups")
        self.server.sim("aws", page_size=1)
        names = self.aws("elbv2", "describe-target-groups", "--query", "TargetGroups[].TargetGroupName", "--output", "text", **own)
        self.assertEqual({"web", "web-next", "api", "stream"}, set(names.split()))
        self.assertEqual(4, self.count("DescribeTargetGroups") - before)

    def test_a_refusal_is_told_with_its_code(self) -> None:
        words = ("--endpoint-url", self.url, "elbv2", "describe-target-health", "--target-group-arn")
        said = self.aws(*words, self.arn("web"), ends=255, AWS_SECRET_ACCESS_KEY="nonsense")
        self.assertIn("An error occurred (SignatureDoesNotMatch) when calling the DescribeTargetHealth operation", said)
        self.assertIn("(TargetGroupNotFound)", self.aws(*words, self.arn("web") + "0", ends=255))


if __name__ == "__main__":
    unittest.main()
