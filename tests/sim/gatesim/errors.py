"""Errors of the API as Status objects, with the texts of a real API server."""
from __future__ import annotations

from typing import Any, Optional

from .kinds import Kind

Json = Any


class ApiError(Exception):
    """An answer other than success; body() is its Status."""

    def __init__(self, code: int, reason: str, message: str, details: Optional[Json] = None,
                 meta: Optional[Json] = None, retry_after: Optional[int] = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details
        self.meta = meta or {}
        self.retry_after = retry_after

    def body(self) -> Json:
        out: Json = {"kind": "Status", "apiVersion": "v1", "metadata": self.meta, "status": "Failure",
                     "message": self.message}
        if self.reason:
            out["reason"] = self.reason
        if self.details:
            out["details"] = self.details
        out["code"] = self.code
        return out


def _about(kind: Kind, name: str) -> Json:
    out: Json = {"name": name}
    if kind.group:
        out["group"] = kind.group
    out["kind"] = kind.plural
    return out


def unauthorized() -> ApiError:
    return ApiError(401, "Unauthorized", "Unauthorized")


def forbidden(user: str, verb: str, kind: Kind, namespace: str) -> ApiError:
    where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
    details: Json = {"group": kind.group, "kind": kind.plural} if kind.group else {"kind": kind.plural}
    return ApiError(403, "Forbidden",
                    f'{kind.key} is forbidden: User "{user}" cannot {verb} resource "{kind.plural}" '
                    f'in API group "{kind.group}" {where}', details)


def not_found(kind: Kind, name: str) -> ApiError:
    return ApiError(404, "NotFound", f'{kind.key} "{name}" not found', _about(kind, name))


def exists(kind: Kind, name: str) -> ApiError:
    return ApiError(409, "AlreadyExists", f'{kind.key} "{name}" already exists', _about(kind, name))


def conflict(kind: Kind, name: str) -> ApiError:
    return ApiError(409, "Conflict",
                    f'Operation cannot be fulfilled on {kind.key} "{name}": the object has been modified; '
                    "please apply your changes to the latest version and try again", _about(kind, name))


def bad_request(message: str) -> ApiError:
    return ApiError(400, "BadRequest", message)


def invalid(kind: Kind, name: str, place: str, message: str) -> ApiError:
    details = _about(kind, name) | {"kind": kind.kind, "causes": [
        {"reason": "FieldValueInvalid", "message": message, "field": place}]}
    return ApiError(422, "Invalid", f'{kind.kind} "{name}" is invalid: {place}: {message}', details)


def expired_watch(asked: int, floor: int) -> ApiError:
    return ApiError(410, "Expired", f"too old resource version: {asked} ({floor})")


def expired_exact() -> ApiError:
    return ApiError(410, "Expired", "The resourceVersion for the provided list is too old.")


def expired_continue(token: str) -> ApiError:
    return ApiError(
        410, "Expired",
        "The provided continue parameter is too old to display a consistent list result. You can start a new "
        "list without the continue parameter, or use the continue token in this response to retrieve the "
        "remainder of the results. Continuing with the provided token results in an inconsistent list - "
        "objects that were created, modified, or deleted between the time the first chunk was returned and "
        "now may show up in the list.", meta={"continue": token})


def too_large(asked: int, current: int) -> ApiError:
    return ApiError(504, "Timeout", f"Timeout: Too large resource version: {asked}, current: {current}",
                    {"causes": [{"reason": "ResourceVersionTooLarge",
                                 "message": "Too large resource version"}], "retryAfterSeconds": 1},
                    retry_after=1)


def too_many(retry_after: int) -> ApiError:
    return ApiError(429, "TooManyRequests", "Too many requests, please try again later.",
                    {"retryAfterSeconds": retry_after}, retry_after=retry_after)
