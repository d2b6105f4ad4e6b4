"""Each way to get credentials from the simulated AWS, walked by botocore's own provider chain, and used."""
from __future__ import annotations

import datetime
import pathlib
import shlex
import sys
import unittest
from typing import Any
from unittest import mock

from botocore.exceptions import CredentialRetrievalError, MetadataRetrievalError, NoCredentialsError
from botocore.utils import ContainerMetadataFetcher
from judged import ONCE, Judged

PROCESS = """
import json, sys, urllib.request
request = urllib.request.Request(sys.argv[1], headers={"Authorization": open(sys.argv[2]).read().strip()})
found = json.load(urllib.request.urlopen(request, timeout=5))
print(json.dumps({"Version": 1, "AccessKeyId": found["AccessKeyId"], "SecretAccessKey": found["SecretAccessKey"],
                  "SessionToken": found["Token"], "Expiration": found["Expiration"]}))
"""


class Chain(Judged):
    def setUp(self) -> None:
        super().setUp()
        hasty = mock.patch.object(ContainerMetadataFetcher, "SLEEP_TIME", 0)
        hasty.start()
        self.addCleanup(hasty.stop)

    def arn_of(self, session: Any) -> str:
        """Who the session is, by STS; and ELBv2 lets it in."""
        self.assertTrue(session.create_client("elbv2", config=ONCE).describe_target_groups()["TargetGroups"])
        return str(session.create_client("sts", config=ONCE).get_caller_identity()["Arn"])

    def pick(self, *words: str) -> dict[str, str]:
        return {k: v for k, v in self.env.items() if any(w in k for w in words)}

    def settings(self, text: str) -> dict[str, str]:
        path = self.folder / "config"
        path.write_text(text, encoding="ascii")
        return {"AWS_CONFIG_FILE": str(path)}

    def test_environment(self) -> None:
        session = self.chain(**self.pick("ACCESS_KEY"))
        self.assertEqual("env", session.get_credentials().method)
        self.assertEqual("arn:aws:iam::123456789012:user/simulated", self.arn_of(session))

    def test_nothing_is_an_error_before_any_call(self) -> None:
        before = self.count("DescribeTargetGroups")
        session = self.chain(AWS_EC2_METADATA_DISABLED="true")
        self.assertRaises(NoCredentialsError, session.create_client("elbv2").describe_target_groups)
        self.assertEqual(before, self.count("DescribeTargetGroups"))

    def test_web_identity(self) -> None:
        session = self.chain(**self.pick("ROLE", "IDENTITY"), AWS_ROLE_SESSION_NAME="judge")
        self.assertEqual("assume-role-with-web-identity", session.get_credentials().method)
        self.assertEqual("arn:aws:sts::123456789012:assumed-role/gatehouse/judge", self.arn_of(session))

    def test_a_role_of_a_profile(self) -> None:
        self.server.sim("aws", external_id="handshake")
        keys = self.pick("ACCESS_KEY")
        text = "\n".join(["[profile base]", *(f"{k.lower()} = {v}" for k, v in keys.items()), "[profile role]", "source_profile = base",
                          "role_arn = arn:aws:iam::210987654321:role/reader", "role_session_name = judge", "external_id = {}", ""])
        session = self.chain(AWS_PROFILE="role", **self.settings(text.format("handshake")))
        self.assertEqual("assume-role", session.get_credentials().method)
        self.assertEqual("arn:aws:sts::210987654321:assumed-role/reader/judge", self.arn_of(session))
        wrong = self.chain(AWS_PROFILE="role", **self.settings(text.format("guess")))
        self.refused(403, "AccessDenied", wrong.create_client("elbv2").describe_target_groups)

    def test_container_credentials_with_a_token_file_that_is_read_anew(self) -> None:
        token = self.folder / "rotating"
        token.write_text(pathlib.Path(self.env["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"]).read_text(encoding="ascii"), encoding="ascii")
        self.addCleanup(self.server.sim, "aws", container_token=token.read_text(encoding="ascii").strip())
        self.server.sim("aws", credential_seconds=60)  # so near their end that each use asks for new ones
        session = self.chain(AWS_CONTAINER_CREDENTIALS_FULL_URI=self.env["AWS_CONTAINER_CREDENTIALS_FULL_URI"],
                             AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=str(token))
        self.assertEqual("container-role", session.get_credentials().method)
        self.assertEqual("arn:aws:iam::123456789012:role/gatehouse/pod", self.arn_of(session))
        before = self.count("container-credentials")
        self.server.sim("aws", container_token="the-next-one")
        token.write_text("the-next-one", encoding="ascii")
        first, second = (session.get_credentials().get_frozen_credentials() for _ in range(2))
        self.assertEqual(2, self.count("container-credentials") - before)
        self.assertNotEqual(first.access_key, second.access_key)
        token.write_text("the-last-one", encoding="ascii")
        self.assertRaises((CredentialRetrievalError, MetadataRetrievalError), session.get_credentials().get_frozen_credentials)

    def test_a_container_without_the_token_is_refused(self) -> None:
        session = self.chain(AWS_CONTAINER_CREDENTIALS_FULL_URI=self.env["AWS_CONTAINER_CREDENTIALS_FULL_URI"])
        self.assertRaises((CredentialRetrievalError, MetadataRetrievalError), session.get_credentials)

    def imds(self, **more: str) -> Any:
        return self.chain(AWS_EC2_METADATA_SERVICE_ENDPOINT=self.env["AWS_EC2_METADATA_SERVICE_ENDPOINT"], **more)

    def test_instance_metadata_version_2(self) -> None:
        before = self.count("imds-token")
        session = self.imds(AWS_EC2_METADATA_V1_DISABLED="true")
        found = session.get_credentials()
        self.assertEqual("iam-role", found.method)
        self.assertEqual("arn:aws:sts::123456789012:assumed-role/node-role/i-0123456789", self.arn_of(session))
        self.assertGreater(self.count("imds-token"), before)
        self.assertGreater(found._expiry_time, datetime.datetime.now(datetime.timezone.utc))

    def test_instance_metadata_version_1_is_not_served(self) -> None:
        self.fault("imds-token", code=404)  # botocore goes on without a token
        before = self.count("imds")
        self.assertIsNone(self.imds().get_credentials())
        self.assertGreater(self.count("imds"), before)

    def test_instance_metadata_that_fails_for_a_moment(self) -> None:
        self.fault("imds", code=500, count=1)
        session = self.imds(AWS_METADATA_SERVICE_NUM_ATTEMPTS="3")
        self.assertEqual("iam-role", session.get_credentials().method)

    def test_a_process_hands_them_out(self) -> None:
        script = self.folder / "process.py"
        script.write_text(PROCESS, encoding="ascii")
        words = (sys.executable, str(script), self.env["AWS_CONTAINER_CREDENTIALS_FULL_URI"], self.env["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"])
        session = self.chain(**self.settings(f"[default]\ncredential_process = {shlex.join(words)}\n"))
        self.assertEqual("custom-process", session.get_credentials().method)
        self.assertEqual("arn:aws:iam::123456789012:role/gatehouse/pod", self.arn_of(session))


if __name__ == "__main__":
    unittest.main()
