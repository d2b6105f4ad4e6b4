"""Label and field selectors: parsing and matching."""
from __future__ import annotations

import re
from typing import Any, Callable

from .errors import bad_request
from .kinds import Kind

Json = Any
Match = Callable[[Json], bool]
SET = re.compile(r"^\s*([\w./-]+)\s+(in|notin)\s+\(([^)]*)\)\s*$")


def _split(text: str) -> list[str]:
    """Splits at commas outside parentheses."""
    out, depth, start = [], 0, 0
    for i, c in enumerate(text):
        depth += (c == "(") - (c == ")")
        if c == "," and depth == 0:
            out.append(text[start:i])
            start = i + 1
    out.append(text[start:])
    return [p.strip() for p in out if p.strip()]


def _term(text: str) -> Callable[[dict[str, str]], bool]:
    found = SET.match(text)
    if found:
        key, values = found[1], {v.strip() for v in found[3].split(",")}
        if found[2] == "in":
            return lambda labels: labels.get(key) in values
        return lambda labels: labels.get(key) not in values
    for op in ("!=", "==", "="):
        if op in text:
            key, value = (p.strip() for p in text.split(op, 1))
            if op == "!=":
                return lambda labels: labels.get(key) != value
            return lambda labels: labels.get(key) == value
    if text.startswith("!"):
        return lambda labels: text[1:].strip() not in labels
    if not re.fullmatch(r"[\w./-]+", text):
        raise bad_request(f'unable to parse requirement: found \'{text}\'')
    return lambda labels: text in labels


def labels(text: str) -> Match:
    """A matcher for ?labelSelector=."""
    terms = [_term(t) for t in _split(text)]
    return lambda obj: all(t(obj["metadata"].get("labels") or {}) for t in terms)


def selector(spec: Json) -> Callable[[dict[str, str]], bool]:
    """A matcher for a LabelSelector object (matchLabels, matchExpressions); empty matches all."""
    wanted = dict((spec or {}).get("matchLabels") or {})
    exprs = list((spec or {}).get("matchExpressions") or [])

    def expr(e: Json, have: dict[str, str]) -> bool:
        op, key, values = e["operator"], e["key"], e.get("values") or []
        if op == "In":
            return have.get(key) in values
        if op == "NotIn":
            return have.get(key) not in values
        return (key in have) == (op == "Exists")

    return lambda have: (all(have.get(k) == v for k, v in wanted.items())
                         and all(expr(e, have) for e in exprs))


FIELDS: dict[str, set[str]] = {
    "pods": {"spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName",
             "spec.hostNetwork", "status.phase", "status.podIP", "status.nominatedNodeName"},
    "services": {"spec.clusterIP", "spec.type"},
    "namespaces": {"status.phase"},
    "events": {"involvedObject.kind", "involvedObject.namespace", "involvedObject.name",
               "involvedObject.uid", "involvedObject.apiVersion", "involvedObject.resourceVersion",
               "involvedObject.fieldPath", "reason", "reportingComponent", "source", "type"},
    "nodes": {"spec.unschedulable"},
    "replicasets.apps": {"status.replicas"},
}


def _value(obj: Json, path: str) -> str:
    if path == "source":
        return str((obj.get("source") or {}).get("component", ""))
    for part in path.split("."):
        obj = obj.get(part) if isinstance(obj, dict) else None
    if isinstance(obj, bool):
        return str(obj).lower()
    return "" if obj is None else str(obj)


def fields(text: str, kind: Kind) -> Match:
    """A matcher for ?fieldSelector=; unknown fields are refused as the API server does."""
    terms: list[tuple[str, bool, str]] = []
    for part in _split(text):
        op = next((o for o in ("!=", "==", "=") if o in part), None)
        if op is None:
            raise bad_request(f"invalid selector: '{text}'; can't understand '{part}'")
        path, value = (p.strip() for p in part.split(op, 1))
        known = {"metadata.name"} | ({"metadata.namespace"} if kind.namespaced else set())
        if path not in known | FIELDS.get(kind.key, set()):
            raise bad_request(f'field label not supported: {path}')
        terms.append((path, op != "!=", value))
    return lambda obj: all((_value(obj, p) == v) == same for p, same, v in terms)
