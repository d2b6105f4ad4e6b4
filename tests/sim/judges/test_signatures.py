"""Whom the simulated AWS lets in: botocore signs well, and each way to sign badly is refused as AWS refuses it."""
from __future__ import annotations

import datetime
import time
import unittest
from typing import Any
from unittest import mock

from botocore import UNSIGNED
from botocore.config import Config
from judged import Judged

ROLE = {"RoleArn": "arn:aws:iam::210987654321:role/reader", "RoleSessionName": "judge"}


class Signatures(Judged):
    def spoiled(self, change: Any) -> Any:
        """A client whose requests are changed after they were signed."""
        elb = self.client()
        elb.meta.events.register("before-send.elastic-load-balancing-v2.*", lambda request, **_: change(request))
        return elb

    def test_a_tampered_request(self) -> None:
        def body(request: Any) -> None:
            request.body = request.body.replace("PageSize=5", "PageSize=6")

        def header(request: Any) -> None:
            request.headers["Content-Type"] = "text/plain"

        def signature(request: Any) -> None:
            given = request.headers["Authorization"].decode()
            request.headers["Authorization"] = given[:-1] + ("0" if given[-1] != "0" else "1")
        self.client().describe_target_groups(PageSize=5)
        for change in (body, header, signature):
            with self.subTest(change.__name__):
                error = self.refused(403, "SignatureDoesNotMatch", self.spoiled(change).describe_target_groups, PageSize=5)
                self.assertIn("does not match the signature you provided", str(error))

    def test_headers_that_are_missing(self) -> None:
        def drop(name: str) -> Any:
            return lambda request: request.headers.__delitem__(name)
        self.refused(400, "IncompleteSignature", self.spoiled(drop("X-Amz-Date")).describe_target_groups)
        self.refused(400, "IncompleteSignature", self.spoiled(drop("Content-Type")).describe_target_groups)
        self.refused(403, "MissingAuthenticationToken", self.spoiled(drop("Authorization")).describe_target_groups)
        unsigned = self.client(config=Config(signature_version=UNSIGNED, retries={"total_max_attempts": 1}))
        self.refused(403, "MissingAuthenticationToken", unsigned.describe_target_groups)

    def test_a_foreign_key_a_wrong_secret_and_another_scope(self) -> None:
        self.refused(403, "InvalidClientTokenId", self.client(ident="AKIAFOREIGN000000001").describe_target_groups)
        self.refused(403, "SignatureDoesNotMatch", self.client(secret="nonsense").describe_target_groups)
        self.refused(403, "SignatureDoesNotMatch", self.client(region="us-east-1").describe_target_groups)
        other = self.client()
        other.meta.events.register("before-call.elastic-load-balancing-v2.*", lambda params, **_: params["context"].update(signing={"signing_name": "s3"}))
        self.refused(403, "SignatureDoesNotMatch", other.describe_target_groups)

    def test_a_clock_that_is_off(self) -> None:
        for minutes, fine in ((-14, True), (14, True), (-16, False), (16, False)):
            with self.subTest(minutes), mock.patch("botocore.auth.get_current_datetime", lambda: datetime.datetime.now(
                    datetime.timezone.utc).replace(tzinfo=None) + datetime.timedelta(minutes=minutes)):
                if fine:
                    self.client().describe_target_groups()
                else:
                    error = self.refused(403, "SignatureDoesNotMatch", self.client().describe_target_groups)
                    self.assertIn("Signature expired", str(error))

    def test_a_session_its_token_and_its_end(self) -> None:
        sts = self.client("sts")
        session = sts.assume_role(**ROLE)
        self.assertTrue(self.with_session(session).describe_target_groups()["TargetGroups"])
        self.assertGreater(session["Credentials"]["Expiration"], datetime.datetime.now(datetime.timezone.utc))
        keys = session["Credentials"]
        for token in ("", "another"):
            self.refused(403, "InvalidClientTokenId", self.client(ident=keys["AccessKeyId"], secret=keys["SecretAccessKey"], token=token).describe_target_groups)
        self.server.sim("aws", credential_seconds=1)
        short = self.with_session(sts.assume_role(**ROLE))
        short.describe_target_groups()
        time.sleep(1.05)
        self.refused(403, "ExpiredToken", short.describe_target_groups)
        self.server.sim("aws", revoke=True)
        self.refused(403, "InvalidClientTokenId", self.with_session(session).describe_target_groups)

    def test_without_verification_anybody_may(self) -> None:
        self.server.sim("aws", verify=False)
        self.assertTrue(self.client(secret="nonsense").describe_target_groups()["TargetGroups"])


class Sts(Judged):
    def test_who_am_i(self) -> None:
        sts = self.client("sts")
        self.assertEqual(("123456789012", "arn:aws:iam::123456789012:user/simulated"), tuple(sts.get_caller_identity()[k] for k in ("Account", "Arn")))
        role = sts.assume_role(**ROLE)
        self.assertEqual("arn:aws:sts::210987654321:assumed-role/reader/judge", role["AssumedRoleUser"]["Arn"])
        self.assertEqual(role["AssumedRoleUser"]["Arn"], self.with_session(role, service="sts").get_caller_identity()["Arn"])
        self.refused(403, "SignatureDoesNotMatch", self.client("sts", secret="nonsense").get_caller_identity)
        self.refused(403, "SignatureDoesNotMatch", self.client("sts", secret="nonsense").assume_role, **ROLE)

    def test_an_external_id_is_asked_for(self) -> None:
        sts = self.client("sts")
        self.server.sim("aws", external_id="secret-handshake")
        self.refused(403, "AccessDenied", sts.assume_role, **ROLE)
        self.refused(403, "AccessDenied", sts.assume_role, **ROLE, ExternalId="guess")
        self.with_session(sts.assume_role(**ROLE, ExternalId="secret-handshake")).describe_target_groups()

    def test_web_identity_needs_no_key_but_the_token(self) -> None:
        sts = self.client("sts", config=Config(signature_version=UNSIGNED, retries={"total_max_attempts": 1}))
        with open(self.env["AWS_WEB_IDENTITY_TOKEN_FILE"], encoding="ascii") as file:
            token = file.read()
        found = sts.assume_role_with_web_identity(**ROLE, WebIdentityToken=token)
        self.assertEqual("system:serviceaccount:gatehouse:gatehouse", found["SubjectFromWebIdentityToken"])
        self.with_session(found).describe_target_groups()
        self.assertRaises(sts.exceptions.InvalidIdentityTokenException, sts.assume_role_with_web_identity, **ROLE, WebIdentityToken="forged")


if __name__ == "__main__":
    unittest.main()
