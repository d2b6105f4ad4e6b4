"""An AWS account of moto: a server on loopback that verifies signatures, session tokens and policies once it is told to."""
from __future__ import annotations

import json
import pathlib
import re
import sys
import urllib.request
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from harness import Process, wait_until

REGION = "eu-west-1"
ONCE = Config(retries={"total_max_attempts": 1})
READER = "arn:aws:iam::123456789012:role/reader"
Keys = tuple[str, str]


def allow(*actions: str, but: str = "") -> dict[str, Any]:
    """A policy of these actions, on everything."""
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": [a for a in actions if a != but], "Resource": "*"}]}


class Account(Process):
    """One moto server; nobody needs a key until lock() is called."""

    def __init__(self, folder: pathlib.Path) -> None:
        super().__init__("moto", [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"], folder)
        found = wait_until("moto listens", lambda: re.findall(r"Running on (http://127\.0\.0\.1:\d+)", self.text()), 60)
        self.url = found[0]
        self.admin: Keys = ("unchecked", "unchecked")
        self.groups: dict[str, str] = {}
        self.balancers: dict[str, str] = {}

    def client(self, service: str, keys: Keys | None = None) -> Any:
        ident, secret = keys or self.admin
        return boto3.client(service, endpoint_url=self.url, region_name=REGION, config=ONCE, aws_access_key_id=ident, aws_secret_access_key=secret)

    def add_group(self, name: str) -> str:
        """A target group of addresses behind a load balancer of its own."""
        ec2, elb = self.client("ec2"), self.client("elbv2")
        subnets = ec2.describe_subnets()["Subnets"][:2]
        arn = elb.create_target_group(Name=name, Protocol="HTTP", Port=8080, VpcId=subnets[0]["VpcId"], TargetType="ip", HealthCheckPath="/healthz",
                                      HealthCheckIntervalSeconds=15, HealthyThresholdCount=2)["TargetGroups"][0]["TargetGroupArn"]
        balancer = elb.create_load_balancer(Name=name, Subnets=[s["SubnetId"] for s in subnets])["LoadBalancers"][0]["LoadBalancerArn"]
        elb.create_listener(LoadBalancerArn=balancer, Protocol="HTTP", Port=80, DefaultActions=[{"Type": "forward", "TargetGroupArn": arn}])
        elb.modify_target_group_attributes(TargetGroupArn=arn, Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": "42"}])
        self.groups[name], self.balancers[name] = arn, balancer
        return str(arn)

    def add_user(self, name: str, policy: dict[str, Any]) -> Keys:
        """A user with that policy and a key."""
        iam = self.client("iam")
        iam.create_user(UserName=name)
        iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=json.dumps(policy))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return key["AccessKeyId"], key["SecretAccessKey"]

    def add_role(self, trusts: str, external_id: str, policy: dict[str, Any]) -> None:
        """The role READER, for one user who knows the external id."""
        iam = self.client("iam")
        trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": f"arn:aws:iam::123456789012:user/{trusts}"},
                                                        "Condition": {"StringEquals": {"sts:ExternalId": external_id}}}]}
        iam.create_role(RoleName="reader", AssumeRolePolicyDocument=json.dumps(trust))
        iam.put_role_policy(RoleName="reader", PolicyName="own", PolicyDocument=json.dumps(policy))

    def lock(self, admin: Keys) -> None:
        """From now on each call is verified; refuses to go on if a bad key still gets in."""
        request = urllib.request.Request(self.url + "/moto-api/reset-auth", data=b"0", method="POST", headers={"content-type": "text/plain"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.status == 200
        self.admin = admin
        for keys, code in ((("AKIANOBODY0000000000", "x"), "InvalidClientTokenId"), ((admin[0], "x"), "SignatureDoesNotMatch")):
            try:
                self.client("elbv2", keys).describe_target_groups()
            except ClientError as error:
                assert error.response["Error"]["Code"] == code, error
            else:
                raise AssertionError(f"moto lets {keys} in")
