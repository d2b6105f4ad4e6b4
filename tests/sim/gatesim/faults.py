"""Faults on demand: rules that requests meet, and the wire that spoils their answers.

A rule names what it hits (resource, verb) and what happens. It lives for a number of hits and for a
number of real seconds; the first live rule that matches is taken.
"""
from __future__ import annotations

import asyncio
import itertools
import time
from dataclasses import dataclass, field
from typing import Any, Optional

from aiohttp import web

Json = Any
ACTIONS = ("status", "cut", "drip", "hang", "garbage", "drop", "watch_error", "delay")
GARBAGE = b'\x00\xff\xfe{"]}}\x80{{{,,"items":[[[\r\n\x1b[31m'


@dataclass
class Rule:
    """One fault. Byte counts are of the body, times are real seconds."""

    action: str
    resource: str = "*"  # pods, deployments.apps, discovery, or * for all
    verb: str = "*"  # list, watch, get, write, discovery, or *
    code: int = 503
    retry_after: Optional[int] = None
    reason: str = ""
    message: str = ""
    html: bool = False
    after_bytes: int = 0
    after_events: int = 0
    bytes_per_second: int = 1000
    seconds: float = 3600.0
    reset: bool = False  # cut with RST instead of FIN
    count: Optional[int] = None
    duration: Optional[float] = None
    id: str = ""
    hits: int = 0
    born: float = field(default_factory=time.monotonic)

    def live(self) -> bool:
        return ((self.count is None or self.hits < self.count)
                and (self.duration is None or time.monotonic() < self.born + self.duration))

    def describe(self) -> Json:
        return {k: v for k, v in vars(self).items() if k != "born"} | {"live": self.live()}


class Faults:
    """The rules in force."""

    def __init__(self) -> None:
        self.rules: list[Rule] = []
        self._ids = itertools.count(1)

    def add(self, spec: Json) -> Rule:
        """A rule from its JSON form; ValueError when it is none."""
        known = set(Rule.__dataclass_fields__) - {"hits", "born"}
        unknown = set(spec) - known
        if unknown or spec.get("action") not in ACTIONS:
            raise ValueError(f"a fault has {sorted(known)}; action is one of {ACTIONS}; got {spec}")
        rule = Rule(**spec)
        rule.id = rule.id or f"fault-{next(self._ids)}"
        self.rules = [r for r in self.rules if r.live() and r.id != rule.id] + [rule]
        return rule

    def clear(self, ident: str = "") -> None:
        self.rules = [r for r in self.rules if ident and r.id != ident]

    def take(self, resource: str, verb: str) -> Optional[Rule]:
        """The rule that this request meets; counts the hit."""
        for rule in self.rules:
            if rule.live() and rule.resource in ("*", resource) and rule.verb in ("*", verb):
                rule.hits += 1
                return rule
        return None


def gone(request: web.Request) -> bool:
    """Whether the request's client has left."""
    return request.transport is None or request.transport.is_closing()


async def nap(request: web.Request, seconds: float) -> None:
    """Waits in silence, as long as the client is there."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if gone(request):
            raise ConnectionResetError("the client has left")
        await asyncio.sleep(min(0.5, left))


class Wire:
    """Writes a body through the fault that its request met."""

    def __init__(self, request: web.Request, response: web.StreamResponse, rule: Optional[Rule]) -> None:
        self.request = request
        self.response = response
        self.rule = rule if rule and rule.action in ("cut", "drip", "hang", "garbage") else None
        self.sent = 0

    async def write(self, data: bytes) -> None:
        """Sends the bytes; ConnectionResetError once the fault has ended the connection."""
        rule = self.rule
        if rule is None:
            await self.response.write(data)
            return
        if rule.action == "drip":
            await self._drip(data, rule.bytes_per_second)
            return
        room = rule.after_bytes - self.sent
        if room >= len(data):
            await self._plain(data)
            return
        await self._plain(data[:max(room, 0)])
        if rule.action == "garbage":
            self.rule = None
            await self._plain(GARBAGE + data[max(room, 0):])
        elif rule.action == "hang":
            await nap(self.request, rule.seconds)
            self.rule = None
            await self._plain(data[max(room, 0):])
        else:
            self.end(rule.reset)

    async def _plain(self, data: bytes) -> None:
        self.sent += len(data)
        if data:
            await self.response.write(data)

    async def _drip(self, data: bytes, rate: int) -> None:
        step = max(1, rate // 10)
        for start in range(0, len(data), step):
            await self.response.write(data[start:start + step])
            await asyncio.sleep(step / rate)

    def gone(self) -> bool:
        """Whether the client has left."""
        return gone(self.request)

    def end(self, reset: bool = False) -> None:
        """Ends the connection inside the body."""
        transport = self.request.transport
        if transport is not None:
            if reset:
                transport.abort()
            else:
                transport.close()
        raise ConnectionResetError("cut by a fault")


async def before(request: web.Request, rule: Optional[Rule]) -> None:
    """Faults that act before any answer: a closed connection, a silent peer, a late answer."""
    if rule is None:
        return
    if rule.action == "drop":
        if request.transport is not None:
            request.transport.abort() if rule.reset else request.transport.close()
        raise ConnectionResetError("dropped by a fault")
    if rule.action == "delay" or (rule.action == "hang" and rule.after_bytes == 0):
        await nap(request, rule.seconds)
