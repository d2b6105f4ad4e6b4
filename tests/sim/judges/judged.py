"""The simulated AWS as boto3 and botocore see it: a server with a still clock, clients, and a check against botocore's model."""
from __future__ import annotations

import os
import pathlib
import sys
import tempfile
import unittest
import xml.etree.ElementTree as Xml
from typing import Any, Iterator
from unittest import mock

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "tests"))
from server import Server  # noqa: E402

REGION = "eu-west-1"
SESSION = boto3.session.Session()  # it has read its model of the services once
ONCE = Config(retries={"mode": "standard", "total_max_attempts": 1})


def variables(path: pathlib.Path) -> dict[str, str]:
    """All variables of --aws-env-out, those in comments too."""
    lines = path.read_text(encoding="ascii").replace("# ", "").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def misfits(element: Xml.Element, shape: Any, path: str = "") -> Iterator[str]:
    """What in an answer botocore's model of the service does not know, by path; a parser would drop it in silence."""
    here = f"{path}/{element.tag.split('}')[-1]}"
    if shape.type_name == "structure":
        for child in element:
            name = child.tag.split("}")[-1]
            if name in shape.members:
                yield from misfits(child, shape.members[name], here)
            else:
                yield f"{here} has no {name}"
    elif shape.type_name == "list":
        for child in element:
            yield from misfits(child, shape.member, here)
    elif len(element):
        yield f"{here} holds elements"
    elif shape.type_name == "string" and shape.enum and element.text not in shape.enum:
        yield f"{here} is {element.text!r}, not one of {shape.enum}"
    elif shape.type_name in ("integer", "long") and not (element.text or "").lstrip("-").isdigit():
        yield f"{here} is {element.text!r}, not a number"
    elif shape.type_name == "boolean" and element.text not in ("true", "false"):
        yield f"{here} is {element.text!r}, not true or false"


class Judged(unittest.TestCase):
    """One simulator for a class of tests, each of which finds it without faults."""

    server: Server
    env: dict[str, str]

    @classmethod
    def setUpClass(cls) -> None:
        cls.place = tempfile.TemporaryDirectory()
        cls.folder = pathlib.Path(cls.place.name)
        cls.server = Server(str(HERE / "judged.yaml"), "--manual-clock", "--aws-env-out", str(cls.folder / "env"))
        cls.env = variables(cls.folder / "env")
        cls.url = cls.env["AWS_ENDPOINT_URL_STS"]

    @classmethod
    def tearDownClass(cls) -> None:
        cls.server.stop()
        cls.place.cleanup()

    def setUp(self) -> None:
        self.pauses: list[float] = []  # that botocore would have made between tries
        patch = mock.patch("botocore.endpoint.time", mock.Mock(sleep=self.pauses.append))
        patch.start()
        self.addCleanup(patch.stop)
        self.environment({"HOME": str(self.folder), "AWS_EC2_METADATA_DISABLED": "true"})
        self.server.sim("aws", bucket={"capacity": 1000, "rate": 1000}, credential_seconds=3600, throttle_code="Throttling", page_size=400,
                        verify=True, indent=False, shuffle=False, unknown=False, empty_lists="self", error="A", external_id="", retry_after_ms=0)
        self.addCleanup(self._clear)

    def _clear(self) -> None:
        self.server.open("DELETE", "/_sim/faults").read()
        self.server.sim("do", do="aws-fault", clear=True)

    def environment(self, env: dict[str, str]) -> None:
        """Exactly these variables (and PATH) until the test ends."""
        patch = mock.patch.dict(os.environ, {"PATH": os.environ["PATH"], **env}, clear=True)
        patch.start()
        self.addCleanup(patch.stop)

    def client(self, service: str = "elbv2", ident: str = "", secret: str = "", token: str = "", region: str = REGION, config: Any = ONCE) -> Any:
        """A client with the simulator's long-lived key, or another one."""
        return SESSION.client(
            service, endpoint_url=self.url, region_name=region, config=config, aws_session_token=token or None,
            aws_access_key_id=ident or self.env["AWS_ACCESS_KEY_ID"], aws_secret_access_key=secret or self.env["AWS_SECRET_ACCESS_KEY"])

    def with_session(self, doc: dict[str, Any], **more: Any) -> Any:
        """A client with the temporary keys of an STS answer."""
        keys = doc["Credentials"]
        return self.client(ident=keys["AccessKeyId"], secret=keys["SecretAccessKey"], token=keys["SessionToken"], **more)

    def chain(self, **env: str) -> Any:
        """botocore's own session on these variables alone: its provider chain, its endpoints."""
        self.environment({"HOME": str(self.folder), "AWS_DEFAULT_REGION": REGION, "AWS_ENDPOINT_URL": self.url, **env})
        session = botocore.session.Session()
        session.register_component("data_loader", SESSION._session.get_component("data_loader"))
        return session

    def arn(self, name: str) -> str:
        return str(self.server.get("/_sim/targets").json()[name]["arn"])

    def fault(self, call: str, **more: Any) -> None:
        """A fault of one call of the interface: action (or status), count, code, reason, …."""
        self.server.sim("faults", resource=call, verb="call", **{"action": "status", **more})

    def count(self, action: str) -> int:
        return int(self.server.get("/_sim/aws").json()["counts"].get(action, 0))

    def refused(self, status: int, code: str, call: Any, **given: Any) -> ClientError:
        """The call raises ClientError with that HTTP status and code, with a message and a request id."""
        with self.assertRaises(ClientError) as caught:
            call(**given)
        answer = caught.exception.response
        self.assertEqual((status, code), (answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]))
        return caught.exception
