"""What a pod's containers do, from its annotation, its image, or the defaults.

An annotation sim.gatehouse.dev/pod holds YAML such as {start: 4s, crash: 3s}; a scenario's table
`images` does the same by image. A later entry wins: defaults, image, annotation.
"""
from __future__ import annotations

import fnmatch
from dataclasses import dataclass, replace
from typing import Any, Optional

import yaml

from .util import duration

Json = Any
ANNOTATION = "sim.gatehouse.dev/pod"
NEVER = 10.0 ** 9


@dataclass(frozen=True)
class Behaviour:
    """Times in simulated seconds."""

    schedule: float = 0.02  # from creation to a node; NEVER: no node fits
    sandbox: float = 0.5  # from a node to an address
    init: float = 1.0  # how long init containers run; NEVER: they do not end
    start: float = 2.5  # from an address (and the end of init containers) to running containers
    ready: float = 0.0  # from running to ready; NEVER: the readiness probe fails
    crash: Optional[float] = None  # seconds of running before the container exits
    exit_code: int = 1
    exit_reason: str = "Error"  # or OOMKilled
    pull_error: str = ""  # the image cannot be pulled, with this message
    create_error: str = ""  # the container cannot be made, with this message
    stop: float = 2.0  # from deletion to gone, at most the grace period
    unready_after: Optional[float] = None  # once ready this long, unready …
    unready_for: float = 10.0  # … for this long, once
    container: str = ""  # the container concerned; the first one by default


TIMES = {"schedule", "sandbox", "init", "start", "ready", "crash", "stop", "unready_after", "unready_for"}


def parse(spec: Json, base: Behaviour) -> Behaviour:
    """Applies {start: 4s, ready: never, …}; ValueError names what is wrong."""
    if not isinstance(spec, dict):
        raise ValueError(f"a pod's behaviour is a mapping, not {spec!r}")
    given: dict[str, Any] = {}
    for key, value in spec.items():
        name = str(key).replace("-", "_")
        if name not in Behaviour.__dataclass_fields__:
            raise ValueError(f"a pod's behaviour has no {key!r}; it has {sorted(Behaviour.__dataclass_fields__)}")
        if name in TIMES:
            given[name] = NEVER if value == "never" else None if value is None else duration(value)
        elif name == "exit_code":
            given[name] = int(value)
        else:
            given[name] = "image not found" if value is True else str(value)
    return replace(base, **given)


class Behaviours:
    """Finds a pod's behaviour."""

    def __init__(self, base: Behaviour = Behaviour()) -> None:
        self.base = base
        self.images: list[tuple[str, Json]] = []

    def of(self, pod: Json) -> Behaviour:
        out = self.base
        for pattern, spec in self.images:
            if any(fnmatch.fnmatchcase(c.get("image", ""), pattern) for c in pod["spec"]["containers"]):
                out = parse(spec, out)
        text = (pod["metadata"].get("annotations") or {}).get(ANNOTATION)
        if text:
            try:
                out = parse(yaml.safe_load(text), out)
            except (ValueError, yaml.YAMLError):
                pass  # anybody may write annotations; the scenario's own are checked when it is read
        return out
