"""How answers are written: negotiation of their form, JSON bodies, compression, errors."""
from __future__ import annotations

import asyncio
import gzip
from dataclasses import dataclass
from typing import Any, Iterable, Optional

from aiohttp import web

from .errors import ApiError
from .faults import Rule, Wire
from .util import dumps

Json = Any
GZIP_FROM = 128 * 1024
HEADERS = {"Cache-Control": "no-cache, private"}


@dataclass(frozen=True)
class Form:
    """What the client wants to see: full objects, metadata only, or a Table."""

    kind: str = ""  # "", Table, PartialObjectMetadata, APIGroupDiscoveryList
    version: str = "v1"


def accepted(request: web.Request) -> list[Form]:
    """The forms of the Accept header that we can write, best first."""
    out: list[Form] = []
    for part in request.headers.get("Accept", "*/*").split(","):
        media, *params = (p.strip() for p in part.split(";"))
        if media not in ("application/json", "application/vnd.kubernetes.protobuf", "*/*", "application/*",
                         "application/yaml"):
            continue
        given = dict(p.split("=", 1) for p in params if "=" in p)
        name = given.get("as", "")
        if name.startswith("PartialObjectMetadata"):
            name = "PartialObjectMetadata"
        if name in ("", "Table", "PartialObjectMetadata", "APIGroupDiscoveryList"):
            out.append(Form(name, given.get("v", "v1")))
    return out


def form(request: web.Request) -> Form:
    """The best form for an object or a list."""
    for one in accepted(request):
        if one.kind in ("", "PartialObjectMetadata") or (one.kind == "Table" and one.version == "v1"):
            return one
    if not accepted(request):
        raise ApiError(406, "NotAcceptable", "only the following media types are accepted: application/json")
    return Form()


def error(err: ApiError) -> web.Response:
    """The Status of an error; an unknown path is plain text, as recorded."""
    headers = dict(HEADERS)
    if err.retry_after is not None:
        headers["Retry-After"] = str(err.retry_after)
    return web.Response(status=err.code, body=dumps(err.body()) + b"\n", headers=headers,
                        content_type="application/json")


def no_such_path() -> web.Response:
    return web.Response(status=404, text="404 page not found\n", headers={"X-Content-Type-Options": "nosniff"})


def fault_status(rule: Rule) -> web.Response:
    """The answer of a status fault."""
    if rule.html:
        return web.Response(status=rule.code, content_type="text/html",
                            text=f"<html><head><title>{rule.code}</title></head><body>{rule.message}</body></html>")
    reasons = {400: "BadRequest", 403: "Forbidden", 404: "NotFound", 410: "Expired", 429: "TooManyRequests",
               500: "InternalError", 503: "ServiceUnavailable", 504: "Timeout"}
    texts = {429: "Too many requests, please try again later.", 500: "Internal error occurred: simulated",
             503: "the server is currently unable to handle the request"}
    return error(ApiError(rule.code, rule.reason or reasons.get(rule.code, ""),
                          rule.message or texts.get(rule.code, "simulated fault"), retry_after=rule.retry_after))


async def body(request: web.Request, chunks: Iterable[bytes], rule: Optional[Rule] = None, status: int = 200,
               headers: Optional[dict[str, str]] = None, compress: bool = False) -> web.StreamResponse:
    """Writes a JSON body, compressed when it is large and the client can read that."""
    data = b"".join(chunks)
    out = dict(HEADERS, **(headers or {}))
    if compress and len(data) > GZIP_FROM and "gzip" in request.headers.get("Accept-Encoding", ""):
        data = gzip.compress(data, 1)
        out["Content-Encoding"] = "gzip"
        out["Vary"] = "Accept-Encoding"
    if rule is None or rule.action not in ("cut", "drip", "hang", "garbage"):
        return web.Response(status=status, body=data, headers=out, content_type="application/json")
    response = web.StreamResponse(status=status, headers=dict(out, **{"Content-Type": "application/json"}))
    response.enable_chunked_encoding()
    await response.prepare(request)
    try:
        await Wire(request, response, rule).write(data)
        await response.write_eof()
    except (ConnectionResetError, asyncio.CancelledError):
        pass
    return response
