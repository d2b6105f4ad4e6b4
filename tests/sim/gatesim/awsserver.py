"""The AWS side over HTTP on one port: ELBv2 and STS (POST /), container credentials, IMDSv2."""
from __future__ import annotations

import json
import secrets
import time
from collections import Counter
from typing import Any, Optional
from urllib.parse import parse_qsl

from aiohttp import web

from . import answer, awsauth
from .awsauth import Vault
from .awsxml import ELB, STS, Style, Writer
from .elbv2 import Elbv2
from .faults import Faults, Rule, Wire, before
from .targets import ACCOUNT, REGION, AwsError, LoadBalancers
from .util import stamp

Json = Any
ROLE = f"arn:aws:iam::{ACCOUNT}:role/gatehouse"


class Bucket:
    """The account's token bucket of Describe calls, in real time."""

    def __init__(self, capacity: float = 40.0, rate: float = 10.0) -> None:
        self.capacity, self.rate = capacity, rate
        self._tokens, self._at = capacity, time.monotonic()

    def take(self) -> bool:
        now = time.monotonic()
        self._tokens = min(self.capacity, self._tokens + (now - self._at) * self.rate)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class AwsServer:
    """Everything a client finds at its AWS endpoints."""

    def __init__(self, elb: LoadBalancers, faults: Faults) -> None:
        self.elbv2 = Elbv2(elb)
        self.vault = Vault()
        self.faults = faults
        self.style = Style()
        self.writer = Writer(self.style)
        self.bucket = Bucket()
        self.verify = True
        self.throttle_code = "Throttling"
        self.retry_after_ms = 0
        self.container_token = secrets.token_urlsafe(24)
        self.web_identity = secrets.token_urlsafe(48)
        self.external_id = ""
        self.counts: Counter[str] = Counter()
        self._imds: dict[str, float] = {}

    def options(self, doc: Json) -> Json:
        """Changes what tests change; returns all."""
        own = ("verify", "throttle_code", "retry_after_ms", "container_token", "web_identity", "external_id")
        for key, value in doc.items():
            if key in own:
                setattr(self, key, value)
            elif key in vars(self.style):
                setattr(self.style, key, value)
            elif key == "bucket":
                self.bucket = Bucket(float(value["capacity"]), float(value["rate"]))
            elif key == "page_size":
                self.elbv2.page_size = int(value)
            elif key == "credential_seconds":
                self.vault.seconds = float(value)
            elif key == "revoke" and value:
                self.vault.revoke()
            else:
                raise ValueError(f"there is no option {key!r}; there are {[*own, *vars(self.style), 'bucket', 'page_size', 'credential_seconds', 'revoke']}")
        self.style.check()
        return vars(self.style) | {k: getattr(self, k) for k in own} | {
            "key": self.vault.long.ident, "secret": self.vault.long.secret, "role": ROLE, "counts": dict(self.counts)}

    async def handle(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        form = dict(parse_qsl(raw.decode("utf-8", "replace"), keep_blank_values=True)) if request.method == "POST" else {}
        name = form.get("Action") or self._endpoint(request)
        self.counts[name] += 1
        rule = self.faults.take(name, "call")
        try:
            await before(request, rule)
            if rule and rule.action == "status":
                return self._fault(rule)
            if request.method == "POST" and request.path == "/":
                return await self._send(request, self._call(request, form, raw), 200, rule)
            return await self._credentials(request, rule)
        except AwsError as err:
            namespace = STS if name in ("AssumeRole", "AssumeRoleWithWebIdentity", "GetCallerIdentity") else ELB
            headers = {"x-amz-retry-after": str(self.retry_after_ms)} if self.retry_after_ms and err.code.startswith("Thrott") else None
            return await self._send(request, self.writer.error(err.code, err.message, err.status, namespace), err.status, rule, headers)
        except ConnectionResetError:
            return web.Response()

    @staticmethod
    def _endpoint(request: web.Request) -> str:
        if request.path.startswith("/latest/"):
            return "imds-token" if request.path.endswith("/api/token") else "imds"
        return "container-credentials" if "credentials" in request.path else "other"

    async def _send(self, request: web.Request, body: bytes, status: int, rule: Optional[Rule],
                    headers: Optional[dict[str, str]] = None) -> web.StreamResponse:
        given = {"Content-Type": "text/xml", "x-amzn-RequestId": secrets.token_hex(16)} | (headers or {})
        if rule is None or rule.action not in ("cut", "drip", "hang", "garbage"):
            return web.Response(status=status, body=body, headers=given)
        response = web.StreamResponse(status=status, headers=given)
        response.content_length = len(body) if rule.action != "garbage" else None
        await response.prepare(request)
        try:
            await Wire(request, response, rule).write(body)
            await response.write_eof()
        except ConnectionResetError:
            pass
        return response

    def _fault(self, rule: Rule) -> web.Response:
        if rule.html:
            return answer.fault_status(rule)
        headers = {"Content-Type": "text/xml"} | ({"x-amz-retry-after": str(rule.retry_after)} if rule.retry_after is not None else {})
        body = self.writer.error(rule.reason, rule.message, rule.code) if rule.reason else rule.message.encode()
        return web.Response(status=rule.code, body=body, headers=headers)

    # Signed calls

    def _call(self, request: web.Request, form: dict[str, str], raw: bytes) -> bytes:
        action = form.get("Action", "")
        if action == "AssumeRoleWithWebIdentity":
            return self.writer.answer(action, self._web_identity(form), STS)
        sts = action in ("AssumeRole", "GetCallerIdentity")
        arn = ""
        if self.verify:
            headers = {k.lower(): v for k, v in request.headers.items()}
            key = awsauth.check(self.vault, request.method, request.path, request.query_string, headers, raw, "sts" if sts else "elasticloadbalancing")
            arn = key.arn
        if action == "GetCallerIdentity":
            return self.writer.answer(action, {"Arn": arn, "UserId": "AIDASIMULATED", "Account": ACCOUNT}, STS)
        if action == "AssumeRole":
            return self.writer.answer(action, self._assume(form), STS)
        if action.startswith("Describe") and not self.bucket.take():
            raise AwsError(self.throttle_code, "Rate exceeded")
        return self.writer.answer(action, self.elbv2.call(form), ELB)

    def _session(self, form: dict[str, str]) -> Json:
        role, name = form.get("RoleArn", ""), form.get("RoleSessionName", "")
        if not role or not 2 <= len(name) <= 64:
            raise AwsError("ValidationError", "RoleArn and RoleSessionName (2 to 64 characters) must be given")
        arn = role.replace(":iam:", ":sts:").replace(":role/", ":assumed-role/") + "/" + name
        seconds = float(form.get("DurationSeconds", self.vault.seconds))
        key = self.vault.temporary(arn, min(seconds, self.vault.seconds))
        return {"Credentials": {"AccessKeyId": key.ident, "SecretAccessKey": key.secret, "SessionToken": key.token, "Expiration": stamp(key.expires)},
                "AssumedRoleUser": {"AssumedRoleId": f"AROASIMULATED:{name}", "Arn": arn}}

    def _assume(self, form: dict[str, str]) -> Json:
        if self.external_id and form.get("ExternalId") != self.external_id:
            raise AwsError("AccessDenied", f"User is not authorized to perform: sts:AssumeRole on resource: {form.get('RoleArn', '')}", 403)
        return self._session(form)

    def _web_identity(self, form: dict[str, str]) -> Json:
        if form.get("WebIdentityToken") != self.web_identity:
            raise AwsError("InvalidIdentityToken", "The ID Token provided is not a valid JWT.", 400)
        return self._session(form) | {"SubjectFromWebIdentityToken": "system:serviceaccount:gatehouse:gatehouse"}

    # Credential endpoints

    async def _credentials(self, request: web.Request, rule: Optional[Rule]) -> web.StreamResponse:
        path, now = request.path, time.monotonic()
        if path == "/v1/credentials" or path.startswith("/v2/credentials"):
            if path == "/v1/credentials" and request.headers.get("Authorization") != self.container_token:
                return web.Response(status=400, text=json.dumps({"code": "InvalidToken", "message": "the authorization token is wrong"}))
            return await answer.body(request, [json.dumps(self.vault.temporary(ROLE + "/pod").document()).encode()], rule)
        if path == "/latest/api/token" and request.method == "PUT":
            ttl = request.headers.get("X-aws-ec2-metadata-token-ttl-seconds", "")
            if not ttl.isdigit() or not 1 <= int(ttl) <= 21600:
                return web.Response(status=400)
            token = secrets.token_urlsafe(32)
            self._imds[token] = now + int(ttl)
            return web.Response(text=token, headers={"X-aws-ec2-metadata-token-ttl-seconds": ttl})
        if path.startswith("/latest/"):
            if self._imds.get(request.headers.get("X-aws-ec2-metadata-token", ""), 0.0) < now:
                return web.Response(status=401)
            return await self._metadata(request, path.removeprefix("/latest/"), rule)
        return web.Response(status=404)

    async def _metadata(self, request: web.Request, name: str, rule: Optional[Rule]) -> web.StreamResponse:
        folder = "meta-data/iam/security-credentials/"
        if name == "meta-data/placement/region":
            return web.Response(text=REGION)
        if name.rstrip("/") + "/" == folder:
            return web.Response(text="node-role")
        if name == folder + "node-role":
            doc = {"Code": "Success", "Type": "AWS-HMAC", "LastUpdated": stamp(time.time())} | self.vault.temporary(
                f"arn:aws:sts::{ACCOUNT}:assumed-role/node-role/i-0123456789").document()
            return await answer.body(request, [json.dumps(doc).encode()], rule)
        return web.Response(status=404)
