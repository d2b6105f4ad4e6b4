"""get and list: selectors, paging by continue tokens, the resourceVersion rules."""
from __future__ import annotations

import base64
import json
from typing import Any, Iterator, Optional

from . import errors, select, tables
from .answer import Form
from .errors import ApiError
from .kinds import Kind
from .store import Item, Store
from .util import dumps

Json = Any
Query = dict[str, str]


def invalid_options(place: str, message: str) -> ApiError:
    return ApiError(422, "Invalid", f'ListOptions.meta.k8s.io "" is invalid: {place}: {message}',
                    {"group": "meta.k8s.io", "kind": "ListOptions",
                     "causes": [{"reason": "FieldValueForbidden", "message": message, "field": place}]})


def version_of(query: Query) -> Optional[int]:
    """resourceVersion as a number; None when it is absent or empty."""
    text = query.get("resourceVersion", "")
    if text == "":
        return None
    if not text.isdigit():
        raise errors.bad_request(f'resourceVersion: Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax')
    return int(text)


class Filter:
    """What a request selects: a namespace, labels, fields."""

    def __init__(self, kind: Kind, namespace: str, query: Query) -> None:
        self.namespace = namespace
        self.selective = bool(query.get("labelSelector") or query.get("fieldSelector"))
        self._tests: list[select.Match] = []
        if query.get("labelSelector"):
            self._tests.append(select.labels(query["labelSelector"]))
        if query.get("fieldSelector"):
            self._tests.append(select.fields(query["fieldSelector"], kind))

    def takes(self, obj: Json) -> bool:
        if self.namespace and obj["metadata"].get("namespace") != self.namespace:
            return False
        return all(t(obj) for t in self._tests)


def make_token(rv: int, start: str) -> str:
    raw = json.dumps({"v": "meta.k8s.io/v1", "rv": rv, "start": start + "\0"}, separators=(",", ":"))
    return base64.urlsafe_b64encode(raw.encode()).decode().rstrip("=")


def read_token(text: str) -> tuple[int, str]:
    try:
        doc = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        return int(doc["rv"]), str(doc["start"]).rstrip("\0")
    except (ValueError, KeyError, TypeError):
        raise errors.bad_request("continue key is not valid: illegal base64 data") from None


def place_of(item: Item, namespace: str) -> str:
    meta = item.data["metadata"]
    if namespace or "namespace" not in meta:
        return str(meta["name"])
    return f"{meta['namespace']}/{meta['name']}"


class Reader:
    """Answers lists from the store."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.token_floor = 0  # continue tokens of this resourceVersion or older have expired

    def _check(self, query: Query) -> None:
        match = query.get("resourceVersionMatch", "")
        rv = query.get("resourceVersion", "")
        if match:
            if rv == "":
                raise invalid_options("resourceVersionMatch", "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided")
            if query.get("continue"):
                raise invalid_options("resourceVersionMatch", "Forbidden: resourceVersionMatch is forbidden when continue is provided")
            if match not in ("Exact", "NotOlderThan"):
                raise invalid_options("resourceVersionMatch", f'Unsupported value: "{match}": supported values: "Exact", "NotOlderThan"')
            if match == "Exact" and rv == "0":
                raise invalid_options("resourceVersionMatch", 'Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"')
        if query.get("sendInitialEvents"):
            raise invalid_options("sendInitialEvents", "Forbidden: sendInitialEvents is forbidden for list")
        if query.get("continue") and rv not in ("", "0"):
            raise errors.bad_request("specifying resource version is not allowed when using continue")

    def _source(self, kind: Kind, query: Query) -> tuple[list[Item], int]:
        """The items a fresh list sees, and its resourceVersion."""
        rv = version_of(query)
        if rv is None or rv == 0:
            return self.store.items(kind), self.store.rv
        if rv > self.store.rv:
            raise errors.too_large(rv, self.store.rv)
        exact = query.get("resourceVersionMatch") == "Exact" or (
            not query.get("resourceVersionMatch") and int(query.get("limit") or 0) > 0)
        if exact:
            return self.store.at(kind, rv), rv
        return self.store.items(kind), self.store.rv

    def page(self, kind: Kind, namespace: str, query: Query) -> tuple[list[Item], Json]:
        """The items of one page and the list's metadata."""
        self._check(query)
        wanted = Filter(kind, namespace, query)
        limit = int(query.get("limit") or 0)
        start = ""
        if query.get("continue"):
            rv, start = read_token(query["continue"])
            if rv == -1:
                items, rv = self.store.items(kind), self.store.rv
            elif rv <= self.token_floor or rv < self.store.floor[kind.key]:
                raise errors.expired_continue(make_token(-1, start))
            else:
                items = self.store.at(kind, rv)
        else:
            items, rv = self._source(kind, query)
            if query.get("resourceVersion") == "0":
                limit = 0  # the watch cache answers whole lists
        found = [i for i in items if wanted.takes(i.data) and (not start or place_of(i, namespace) > start)]
        meta: Json = {"resourceVersion": str(rv)}
        if 0 < limit < len(found):
            meta["continue"] = make_token(rv, place_of(found[limit - 1], namespace))
            if not wanted.selective:
                meta["remainingItemCount"] = len(found) - limit
            found = found[:limit]
        return found, meta

    def encode(self, kind: Kind, version: str, items: list[Item], meta: Json, form: Form,
               include: str) -> Iterator[bytes]:
        """A list in the form that was asked for."""
        if form.kind == "Table":
            yield tables.table(kind, items, self.store.clock.now(), include, meta)
            return
        name, gv = kind.kind + "List", f"{kind.group}/{version}" if kind.group else version
        if form.kind:
            name, gv = "PartialObjectMetadataList", "meta.k8s.io/v1"
        yield b'{"kind":"%s","apiVersion":"%s","metadata":%s,"items":[' % (name.encode(), gv.encode(), dumps(meta))
        for i, item in enumerate(items):
            if i:
                yield b","
            yield encode_item(item, version, form, bare=not kind.custom)
        yield b"]}\n"


def encode_item(item: Item, version: str, form: Form, bare: bool = False) -> bytes:
    """One object as the client wants it; bare as an item of a built-in list."""
    if form.kind == "PartialObjectMetadata":
        return tables.partial(item, with_kind=not bare)
    if bare:
        return item.bare()
    if version != item.kind.version:
        head = {"kind": item.kind.kind, "apiVersion": f"{item.kind.group}/{version}"}
        return dumps(head)[:-1] + b"," + item.bare()[1:]
    return item.full()
