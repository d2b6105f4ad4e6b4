"""Who may do what: bearer tokens, rights by namespace, TokenReview and SubjectAccessReview."""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Optional

from . import errors
from .errors import ApiError

Json = Any
READ = ("get", "list", "watch")


@dataclass(frozen=True)
class Person:
    """An account. Without namespaces it may do everything; with them, only inside them."""

    user: str
    groups: tuple[str, ...] = ("system:authenticated",)
    namespaces: Optional[tuple[str, ...]] = None
    verbs: tuple[str, ...] = ()  # empty: all
    resources: tuple[str, ...] = field(default=())  # empty: all

    def may(self, verb: str, resource: str, namespace: str) -> bool:
        if self.verbs and verb not in self.verbs:
            return False
        if self.resources and resource not in self.resources:
            return False
        return self.namespaces is None or namespace in self.namespaces


ADMIN = Person("admin", ("system:masters", "system:authenticated"))


def person(spec: Json) -> Person:
    """From {user, groups, namespaces, verbs, resources}; ValueError when it is none."""
    unknown = set(spec) - {"user", "groups", "namespaces", "verbs", "resources"}
    if unknown or "user" not in spec:
        raise ValueError(f"a person has user, groups, namespaces, verbs, resources; got {spec}")
    spaces = spec.get("namespaces")
    return Person(str(spec["user"]), tuple(spec.get("groups", ["system:authenticated"])),
                  None if spaces is None else tuple(spaces), tuple(spec.get("verbs", [])), tuple(spec.get("resources", [])))


class People:
    """All accounts by token; with none at all the API is open."""

    def __init__(self, token: str = "") -> None:
        self.tokens: dict[str, Person] = {token: ADMIN} if token else {}

    def of(self, authorization: str) -> Person:
        """The account of an Authorization header; 401 when there is none."""
        if not self.tokens:
            return ADMIN
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or token not in self.tokens:
            raise errors.unauthorized()
        return self.tokens[token]

    def review(self, path: str, body: Json, who: Person) -> Json:
        """Answers a review; 404 for a path that is none."""
        spec = body.get("spec") or {} if isinstance(body, dict) else {}
        if path == "/apis/authentication.k8s.io/v1/tokenreviews":
            found = self.tokens.get(str(spec.get("token", "")))
            status: Json = {"authenticated": found is not None, "user": {}}
            if found:
                status["user"] = {"username": found.user, "uid": found.user, "groups": list(found.groups)}
            else:
                status["error"] = "[invalid bearer token, token lookup failed]"
        elif path in ("/apis/authorization.k8s.io/v1/subjectaccessreviews", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"):
            self_review = path.endswith("/selfsubjectaccessreviews")
            status = self._access(spec, who.user if self_review else str(spec.get("user", "")), who if self_review else None)
        else:
            raise ApiError(404, "NotFound", "the server could not find the requested resource")
        return dict(body, status=status)

    def _access(self, spec: Json, user: str, who: Optional[Person]) -> Json:
        wanted = spec.get("resourceAttributes") or {}
        resource = wanted.get("resource", "") + ("." + wanted["group"] if wanted.get("group") else "")
        found = who or next((p for p in self.tokens.values() if p.user == user), None)
        if found and found.may(wanted.get("verb", ""), resource, wanted.get("namespace", "")):
            return {"allowed": True, "reason": "RBAC: allowed by the scenario"}
        return {"allowed": False}
