"""schema/openapi.yaml as validators: an answer must fit, and must not hold what the document does not name."""
from __future__ import annotations

import copy
import json
import re
from typing import Any

import jsonschema
import referencing
import yaml
from harness import ROOT

TEXT = (ROOT / "schema/openapi.yaml").read_text()
DOCUMENT: dict[str, Any] = yaml.safe_load(TEXT)


def strict(node: Any, part_of_all: bool = False) -> Any:
    """A copy in which no object schema takes members that it does not name (parts of an allOf are judged as a whole)."""
    if isinstance(node, list):
        return [strict(item, part_of_all) for item in node]
    if not isinstance(node, dict):
        return node
    result: dict[str, Any] = {}
    for key, value in node.items():
        if key in ("properties", "patternProperties", "schemas", "$defs"):
            result[key] = {name: strict(schema) for name, schema in value.items()}
        else:
            result[key] = strict(value, part_of_all=key == "allOf")
    closed = "properties" in result or "allOf" in result or "$ref" in result
    if closed and not part_of_all and "additionalProperties" not in result:
        result["unevaluatedProperties"] = False
    return result


def _strict_document() -> dict[str, Any]:
    document = copy.deepcopy(DOCUMENT)
    # a component is open (it may be part of an allOf); whoever refers to it closes it
    document["components"]["schemas"] = {
        name: {k: v for k, v in strict(schema).items() if k != "unevaluatedProperties" or "additionalProperties" in schema}
        for name, schema in document["components"]["schemas"].items()}
    return document


URI = "urn:gatehouse:openapi"
REGISTRY = referencing.Registry().with_resource(
    URI, referencing.Resource(contents=_strict_document(), specification=referencing.jsonschema.DRAFT202012))
CHECKER = jsonschema.Draft202012Validator.FORMAT_CHECKER


def absolute(node: Any) -> Any:
    """References into this document, so that a schema can be used outside of it."""
    if isinstance(node, list):
        return [absolute(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {k: URI + v if k == "$ref" and v.startswith("#") else absolute(v) for k, v in node.items()}


def fits(value: Any, schema: dict[str, Any]) -> list[str]:
    """What is wrong with it, one line each."""
    validator = jsonschema.Draft202012Validator(absolute(strict(schema)), registry=REGISTRY, format_checker=CHECKER)
    return [f"{error.json_path}: {error.message[:300]}" for error in validator.iter_errors(value)]


def component(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def resolve(node: dict[str, Any]) -> dict[str, Any]:
    """The thing itself where a reference stands (responses, parameters)."""
    while "$ref" in node:
        target: Any = DOCUMENT
        for step in node["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        node = target
    return node


def operation_of(method: str, path: str) -> tuple[str, dict[str, Any]]:
    """The operation of a path below /api/v1, as sent."""
    path = path.split("?")[0]
    for template, item in sorted(DOCUMENT["paths"].items(), key=lambda pair: pair[0].count("{")):
        if re.fullmatch(re.sub(r"\\?\{[^}]*\}", "[^/]+", template.replace(".", r"\.")), path) and method.lower() in item:
            return template, item[method.lower()]
    raise AssertionError(f"{method} {path} is not in the contract")


def problems_of(method: str, path: str, status: int, content_type: str, body: bytes) -> list[str]:
    """What is wrong with an answer, by the contract."""
    template, operation = operation_of(method, path)
    responses = operation["responses"]
    answer = responses.get(str(status)) or responses.get("default")
    if answer is None:
        return [f"{template}: status {status} is not in the contract"]
    content = resolve(answer).get("content", {})
    if not content:
        return [f"{template}: {status} has a body and should have none"] if body else []
    media = content_type.split(";")[0]
    if media not in content:
        return [f"{template}: {status} has content type {content_type!r}, not one of {sorted(content)}"]
    if not media.endswith("json"):
        return []
    return [f"{template} {status} {line}" for line in fits(json.loads(body), content[media]["schema"])]
