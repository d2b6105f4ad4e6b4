"""Watch streams: history, initial events, bookmarks, time-outs, and faults thrown into open streams."""
from __future__ import annotations

import asyncio
import gzip
import random
import time
from collections import deque
from typing import Any, Optional

from aiohttp import web

from . import errors, tables
from .answer import HEADERS, Form
from .errors import ApiError
from .faults import GARBAGE, Rule, Wire, nap
from .kinds import PODS, Kind
from .reading import Filter, Query, encode_item, invalid_options, version_of
from .store import Event, Item, Store
from .util import dumps

Json = Any
END = "k8s.io/initial-events-end"
LOOK_SECONDS = 2.0  # how often an idle stream looks whether its client is still there


class Options:
    """What tests change about watches."""

    def __init__(self) -> None:
        self.watch_list = True
        self.watch_gzip = False  # 1.37 compresses WatchList streams, one gzip member a flush
        self.bookmark_seconds = 60.0
        self.buffer = 1000  # events a slow reader may lag behind


class Watch:
    """One open stream."""

    def __init__(self, store: Store, options: Options, kind: Kind, version: str, wanted: Filter, query: Query,
                 form: Form) -> None:
        self.store = store
        self.options = options
        self.kind = kind
        self.version = version
        self.wanted = wanted
        self.query = query
        self.form = form
        self.rv = 0
        self.wake = asyncio.Event()
        self.queue: deque[Event] = deque()
        self.thrown: list[Json] = []  # faults for this stream, by the control interface
        self.initial = query.get("sendInitialEvents") == "true"
        self.bookmarks = query.get("allowWatchBookmarks") in ("true", "1")
        self.zip = False
        self.events = 0
        self.rule: Optional[Rule] = None

    def throw(self, what: Json) -> None:
        """Makes the stream misbehave: {"action": close|error|hang|garbage, "code": 410}."""
        self.thrown.append(what)
        self.wake.set()

    def check(self) -> None:
        """Refusals that come as an HTTP status."""
        match = self.query.get("resourceVersionMatch", "")
        if "sendInitialEvents" in self.query:
            if not self.options.watch_list:
                raise invalid_options("sendInitialEvents", "Forbidden: sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled")
            if match != "NotOlderThan":
                raise invalid_options("resourceVersionMatch", "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan")
        elif match:
            raise invalid_options("resourceVersionMatch", "Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided")
        rv = version_of(self.query)
        if self.initial and rv is not None and rv > self.store.rv:
            raise errors.too_large(rv, self.store.rv)

    def _frame(self, kind: str, item: Item) -> bytes:
        if self.form.kind == "Table":
            body = tables.table(self.kind, [item], self.store.clock.now(), self.query.get("includeObject", ""),
                                {"resourceVersion": str(item.rv)})
        else:
            body = encode_item(item, self.version, self.form)
        return b'{"type":"%s","object":%s}\n' % (kind.encode(), body)

    def _translate(self, event: Event) -> bytes:
        """The event as this stream's selectors see it; empty when it does not concern it."""
        now = event.type != "DELETED" and self.wanted.takes(event.item.data)
        before = event.prev is not None and self.wanted.takes(event.prev.data)
        if now:
            return self._frame("MODIFIED" if before else "ADDED", event.item)
        if not before or event.prev is None:
            return b""
        last = event.item
        if event.type != "DELETED":  # it left the selector: its last matching state, with the new version
            data = dict(event.prev.data)
            data["metadata"] = dict(data["metadata"], resourceVersion=str(event.rv))
            last = Item(event.item.kind, data, event.rv)
        return self._frame("DELETED", last)

    def _bookmark(self, end: bool = False) -> bytes:
        meta: Json = {"resourceVersion": str(self.rv)}
        if end:
            meta["annotations"] = {END: "true"}
        obj: Json = {"kind": self.kind.kind, "apiVersion": self.kind.gv, "metadata": meta}
        if self.form.kind == "PartialObjectMetadata":
            obj = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": meta}
        elif self.kind is PODS:
            obj |= {"spec": {"containers": None}, "status": {}}
        return b'{"type":"BOOKMARK","object":%s}\n' % dumps(obj)

    def _start(self) -> list[bytes]:
        """Initial events; an expired version raises."""
        rv = version_of(self.query)
        if rv is None or rv == 0 or self.initial:
            self.rv = self.store.rv
            out = [self._frame("ADDED", i) for i in self.store.items(self.kind) if self.wanted.takes(i.data)]
            if self.query.get("sendInitialEvents") == "false":
                out = []
            if self.initial and self.bookmarks:
                out.append(self._bookmark(end=True))
            return out
        self.queue.extend(self.store.since(self.kind, rv))
        self.rv = rv
        return []

    def _take(self, event: Event) -> None:
        self.queue.append(event)
        self.wake.set()

    def pending(self) -> list[bytes]:
        """Frames for events since the last call."""
        out = []
        while self.queue:
            event = self.queue.popleft()
            self.rv = event.rv
            frame = self._translate(event)
            if frame:
                out.append(frame)
        self.events += len(out)
        return out

    async def run(self, request: web.Request, rule: Optional[Rule]) -> web.StreamResponse:
        """Serves the stream until its time is over, the client leaves, or a fault ends it."""
        self.check()
        self.rule = rule
        headers = dict(HEADERS, **{"Content-Type": "application/json"})
        self.zip = (self.options.watch_gzip and self.initial
                    and "gzip" in request.headers.get("Accept-Encoding", ""))
        if self.zip:
            headers["Content-Encoding"] = "gzip"
        response = web.StreamResponse(headers=headers)
        response.enable_chunked_encoding()
        await response.prepare(request)
        wire = Wire(request, response, rule)
        stop = None
        try:
            first = self._start()
            stop = self.store.listen(self.kind, self._take)
            await self._send(wire, first)
            await self._serve(wire)
            await response.write_eof()
        except ApiError as err:
            await self._send(wire, [self._error(err)])
            await response.write_eof()
        except ConnectionResetError:
            pass
        finally:
            if stop:
                stop()
        return response

    @staticmethod
    def _error(err: ApiError) -> bytes:
        return b'{"type":"ERROR","object":%s}\n' % dumps(err.body())

    async def _send(self, wire: Wire, frames: list[bytes]) -> None:
        if frames:
            data = b"".join(frames)
            await wire.write(gzip.compress(data, 1) if self.zip else data)

    async def _serve(self, wire: Wire) -> None:
        seconds = float(self.query.get("timeoutSeconds") or random.uniform(1800, 3600))
        end = time.monotonic() + seconds
        mark = time.monotonic() + self.options.bookmark_seconds
        while True:
            self.wake.clear()
            if self.thrown and await self._misbehave(wire, self.thrown.pop(0)):
                return
            began = time.monotonic()
            frames = self.pending()
            await self._send(wire, frames)
            self._fault_event()
            now = time.monotonic()
            if now - began > 0.1 and len(self.queue) > self.options.buffer:
                return  # a slow reader is cut off; it looks like a normal end
            if now >= end:
                return
            if self.bookmarks and not self.queue and (now >= mark or now >= end - 2):
                self.rv = max(self.rv, self.store.rv)
                await self._send(wire, [self._bookmark()])
                mark = now + (1.0 if now >= end - 2 else self.options.bookmark_seconds)
            until = min(end, mark if self.bookmarks else end, end - 2 if self.bookmarks and now < end - 2 else end)
            try:
                await asyncio.wait_for(self.wake.wait(), min(LOOK_SECONDS, max(0.0, until - now)))
            except asyncio.TimeoutError:
                if wire.gone():
                    return

    def _fault_event(self) -> None:
        rule = self.rule
        if rule and rule.action == "watch_error" and self.events >= rule.after_events:
            raise ApiError(rule.code, rule.reason or {410: "Expired", 429: "TooManyRequests"}.get(rule.code, "InternalError"),
                           rule.message or f"simulated watch error {rule.code}",
                           {"retryAfterSeconds": rule.retry_after} if rule.retry_after else None)

    async def _misbehave(self, wire: Wire, what: Json) -> bool:
        action = what.get("action", "close")
        if action == "close":
            return True
        if action == "error":
            code = int(what.get("code", 410))
            raise (errors.expired_watch(self.rv, self.store.rv) if code == 410 else
                   ApiError(code, "TooManyRequests" if code == 429 else "InternalError", "simulated watch error"))
        if action == "cut":
            wire.end(bool(what.get("reset")))
        if action == "garbage":
            await wire.write(GARBAGE + b"\n")
        if action == "hang":
            await nap(wire.request, float(what.get("seconds", 3600)))
        return False
