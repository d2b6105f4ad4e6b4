"""Credentials that the simulator hands out, and the check of Signature Version 4 on every call.

The check is written from AWS's description, not from any client's code, and is strict: a header that is
listed as signed must be there, scope and session token must fit, the time must be within 15 minutes.
"""
from __future__ import annotations

import calendar
import hashlib
import hmac
import re
import secrets
import time
from dataclasses import dataclass
from typing import Mapping, Optional
from urllib.parse import quote, unquote

from .targets import ACCOUNT, REGION, AwsError
from .util import stamp

SKEW = 900.0
PARTS = re.compile(r"^AWS4-HMAC-SHA256\s+Credential=([^,\s]+),\s*SignedHeaders=([^,\s]+),\s*Signature=([0-9a-f]{64})$")


@dataclass
class Key:
    """One access key."""

    ident: str
    secret: str
    token: str = ""
    expires: float = 0.0  # real Unix seconds; 0: never
    arn: str = ""

    def document(self) -> dict[str, str]:
        """As credential endpoints hand it out."""
        return {"AccessKeyId": self.ident, "SecretAccessKey": self.secret, "Token": self.token, "Expiration": stamp(self.expires)}


class Vault:
    """All keys that are good."""

    def __init__(self) -> None:
        self.keys: dict[str, Key] = {}
        self.seconds = 3600.0  # life of temporary keys
        self.long = self.add(Key("AKIASIMULATED0000001", secrets.token_urlsafe(30), arn=f"arn:aws:iam::{ACCOUNT}:user/simulated"))

    def add(self, key: Key) -> Key:
        self.keys[key.ident] = key
        return key

    def temporary(self, arn: str, seconds: Optional[float] = None) -> Key:
        """A new session."""
        life = self.seconds if seconds is None else seconds
        return self.add(Key("ASIA" + secrets.token_hex(8).upper(), secrets.token_urlsafe(30), secrets.token_urlsafe(400),
                            time.time() + life, arn))

    def revoke(self) -> None:
        """All temporary keys are unknown from now on."""
        self.keys = {k: v for k, v in self.keys.items() if not v.token}


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def signature(secret: str, scope: str, when: str, canonical: str) -> str:
    """The hex signature of a canonical request."""
    date, region, service, _ = scope.split("/")
    key = _hmac(_hmac(_hmac(_hmac(b"AWS4" + secret.encode(), date), region), service), "aws4_request")
    text = f"AWS4-HMAC-SHA256\n{when}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def _canonical_query(query: str) -> str:
    pairs = [p.partition("=") for p in query.split("&") if p]
    coded = sorted((quote(unquote(n), safe="-_.~"), quote(unquote(v), safe="-_.~")) for n, _, v in pairs)
    return "&".join(f"{n}={v}" for n, v in coded)


def check(vault: Vault, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes, service: str) -> Key:
    """The key that signed the request; AwsError as AWS refuses it. Header names are lower case."""
    given = headers.get("authorization", "")
    if not given:
        raise AwsError("MissingAuthenticationToken", "Request is missing Authentication Token", 403)
    found = PARTS.match(given)
    scope = found[1].split("/", 1) if found else []
    if found is None or len(scope) != 2 or scope[1].count("/") != 3:
        raise AwsError("IncompleteSignature", "Authorization header requires 'Credential', 'Signature' and 'SignedHeaders' parameters.", 400)
    when = headers.get("x-amz-date", "")
    if not re.fullmatch(r"\d{8}T\d{6}Z", when):
        raise AwsError("IncompleteSignature", "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.", 400)
    names = found[2].split(";")
    missing = [n for n in names if n not in headers]
    if missing or "host" not in names or names != sorted(names):
        raise AwsError("IncompleteSignature", f"'{';'.join(missing) or 'host'}' must be a 'SignedHeader' that is sent with the request.", 400)
    key = vault.keys.get(scope[0])
    if key is None:
        raise AwsError("InvalidClientTokenId", "The security token included in the request is invalid.", 403)
    if key.token != headers.get("x-amz-security-token", ""):
        raise AwsError("InvalidClientTokenId", "The security token included in the request is invalid.", 403)
    date, region, name, last = scope[1].split("/")
    if last != "aws4_request" or name != service or region != REGION or not when.startswith(date):
        raise AwsError("SignatureDoesNotMatch", f"Credential should be scoped to a valid region and to correct service: '{service}'.", 403)
    off = abs(time.time() - calendar.timegm(time.strptime(when, "%Y%m%dT%H%M%SZ")))
    if off > SKEW:
        raise AwsError("SignatureDoesNotMatch", f"Signature expired: {when} is now {int(off)} s off (15 min. limit)", 403)
    listed = "".join(f"{n}:{' '.join(headers[n].split())}\n" for n in names)
    content = headers.get("x-amz-content-sha256") if "x-amz-content-sha256" in names else hashlib.sha256(body).hexdigest()
    canonical = f"{method}\n{quote(unquote(path), safe='/-_.~')}\n{_canonical_query(query)}\n{listed}\n{found[2]}\n{content}"
    if not hmac.compare_digest(signature(key.secret, scope[1], when, canonical), found[3]):
        raise AwsError("SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided. Check your "
                       "AWS Secret Access Key and signing method.", 403)
    if key.expires and time.time() > key.expires:
        raise AwsError("ExpiredToken", "The security token included in the request is expired", 403)
    return key
