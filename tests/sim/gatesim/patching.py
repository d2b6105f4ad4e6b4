"""JSON patch, merge patch, and strategic merge patch for the lists that matter here."""
from __future__ import annotations

from typing import Any

from .errors import ApiError, bad_request
from .util import jcopy

Json = Any

# Lists that a strategic merge joins by a key; all other lists are replaced.
MERGE_KEYS: dict[str, tuple[str, ...]] = {
    "conditions": ("type",), "containers": ("name",), "initContainers": ("name",), "env": ("name",),
    "volumes": ("name",), "volumeMounts": ("mountPath",), "ownerReferences": ("uid",),
    "readinessGates": ("conditionType",), "ports": ("containerPort", "port"), "podIPs": ("ip",),
    "imagePullSecrets": ("name",), "hostAliases": ("ip",), "webhooks": ("name",),
    "tolerations": (), "addresses": ("type",),
}
MERGED_SETS = {"finalizers"}


def merge(target: Json, patch: Json) -> Json:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return jcopy(patch)
    out = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            out.pop(key, None)
        else:
            out[key] = merge(out.get(key), value)
    return out


def _merge_key(name: str, items: list[Json]) -> str:
    for key in MERGE_KEYS.get(name, ()):
        if all(isinstance(i, dict) and (key in i or "$patch" in i) for i in items):
            return key
    return ""


def _merge_list(name: str, have: list[Json], patch: list[Json]) -> list[Json]:
    key = _merge_key(name, patch)
    if not key:
        return [jcopy(i) for i in patch]
    if any(i.get("$patch") == "replace" for i in patch):
        return [jcopy(i) for i in patch if "$patch" not in i]
    out = list(have)
    fresh: list[Json] = []
    for item in patch:
        at = next((n for n, h in enumerate(out) if h.get(key) == item.get(key)), None)
        if item.get("$patch") == "delete":
            if at is not None:
                del out[at]
        elif at is None:
            fresh.append(strategic({}, item))
        else:
            out[at] = strategic(out[at], item)
    return fresh + out if name == "conditions" else out + fresh  # a new condition comes first, as recorded


def strategic(target: Json, patch: Json) -> Json:
    """Kubernetes' strategic merge, by MERGE_KEYS instead of each type's own tags."""
    if not isinstance(patch, dict):
        return jcopy(patch)
    out = dict(target) if isinstance(target, dict) else {}
    if patch.get("$patch") == "replace":
        return {k: jcopy(v) for k, v in patch.items() if k != "$patch"}
    for key in patch.get("$retainKeys") and list(out) or []:
        if key not in patch["$retainKeys"]:
            del out[key]
    for key, value in patch.items():
        if key.startswith("$deleteFromPrimitiveList/"):
            name = key.split("/", 1)[1]
            out[name] = [i for i in out.get(name) or [] if i not in value]
        elif key.startswith("$"):
            continue
        elif value is None:
            out.pop(key, None)
        elif isinstance(value, list) and key in MERGED_SETS:
            out[key] = list(out.get(key) or []) + [i for i in value if i not in (out.get(key) or [])]
        elif isinstance(value, list):
            out[key] = _merge_list(key, out.get(key) or [], value)
        elif isinstance(value, dict) and isinstance(out.get(key), dict):
            out[key] = strategic(out[key], value)
        else:
            out[key] = strategic({}, value) if isinstance(value, dict) else value
    return out


def _parts(pointer: str) -> list[str]:
    if pointer == "":
        return []
    if not pointer.startswith("/"):
        raise bad_request(f"json patch: {pointer!r} is not a pointer")
    return [p.replace("~1", "/").replace("~0", "~") for p in pointer[1:].split("/")]


def _walk(doc: Json, parts: list[str]) -> Json:
    for part in parts:
        doc = doc[int(part)] if isinstance(doc, list) else doc[part]
    return doc


def _put(doc: Json, parts: list[str], value: Json, insert: bool) -> None:
    parent, last = _walk(doc, parts[:-1]), parts[-1]
    if isinstance(parent, list):
        if last == "-":
            parent.append(value)
        elif insert:
            parent.insert(int(last), value)
        else:
            parent[int(last)] = value
    else:
        if not insert and last not in parent:
            raise KeyError(last)
        parent[last] = value


def _remove(doc: Json, parts: list[str]) -> Json:
    parent, last = _walk(doc, parts[:-1]), parts[-1]
    return parent.pop(int(last)) if isinstance(parent, list) else parent.pop(last)


def json_patch(target: Json, ops: Json) -> Json:
    """RFC 6902."""
    doc = jcopy(target)
    if not isinstance(ops, list):
        raise bad_request("json patch: a list of operations is expected")
    for op in ops:
        try:
            name, parts = op["op"], _parts(op["path"])
            if name == "test":
                if _walk(doc, parts) != op.get("value"):
                    raise ApiError(422, "Invalid", f"the server rejected our request: testing value {op['path']} failed")
            elif name == "remove":
                _remove(doc, parts)
            elif name in ("add", "replace"):
                _put(doc, parts, jcopy(op["value"]), name == "add")
            elif name in ("move", "copy"):
                source = _parts(op["from"])
                value = _remove(doc, source) if name == "move" else jcopy(_walk(doc, source))
                _put(doc, parts, value, True)
            else:
                raise bad_request(f"json patch: unknown operation {name!r}")
        except (KeyError, IndexError, ValueError, TypeError, AttributeError):
            raise ApiError(422, "Invalid", f"the server rejected our request: cannot apply {op!r}") from None
    return doc


def apply(content_type: str, target: Json, patch: Json, custom: bool) -> Json:
    """The patched object for a request's Content-Type."""
    base = content_type.split(";")[0].strip()
    if base == "application/json-patch+json":
        return json_patch(target, patch)
    if not isinstance(patch, dict):
        raise bad_request("the patch is not an object")
    if base == "application/merge-patch+json":
        return merge(target, patch)
    if base == "application/strategic-merge-patch+json" and custom:
        raise ApiError(415, "UnsupportedMediaType",
                       "the body of the request was in an unknown format - accepted media types include: "
                       "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml")
    if base in ("application/strategic-merge-patch+json", "application/apply-patch+yaml"):
        return strategic(target, patch)
    raise ApiError(415, "UnsupportedMediaType", f"the body of the request was in an unknown format: {base}")
