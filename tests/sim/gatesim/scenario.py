"""Scenario files: what a cluster holds and what happens to it over time. README.md has the language."""
from __future__ import annotations

import pathlib
import sys
from typing import Any

import yaml

from . import build
from .actions import Actions, safely
from .behaviour import Behaviour, parse
from .cluster import Cluster
from .util import duration

Json = Any
TOP = {"name", "about", "seed", "speed", "warmup", "nodes", "families", "failure_policy", "images", "namespaces", "steps",
       "crds", "recheck", "expect"}  # expect: for tests (tests/e2e/causes), nothing here reads it


class ScenarioError(Exception):
    """The file cannot be used; the text says where."""


def load(path: pathlib.Path) -> Json:
    """Reads and checks the file's outline."""
    try:
        doc = yaml.safe_load(path.read_text(encoding="utf-8"))
        build.check_keys(str(path), doc, TOP)
    except (OSError, yaml.YAMLError, ValueError) as err:
        raise ScenarioError(f"{path}: {err}") from None
    return doc


class Scenario:
    """A loaded scenario on a cluster."""

    def __init__(self, doc: Json, cluster: Cluster, actions: Actions) -> None:
        self.doc = doc
        self.cluster = cluster
        self.actions = actions

    def populate(self) -> None:
        """Puts the objects in and lets them settle for the warm-up, on a manual clock."""
        doc = self.doc
        families = tuple(doc.get("families", ["aws-lbc", "eks-auto"]))
        try:
            for pattern, spec in (doc.get("images") or {}).items():
                parse(spec, Behaviour())
                self.cluster.behaviours.images.append((pattern, spec))
            if "crds" in doc:
                self.actions.api.discovery.present = set(doc["crds"])
            self.cluster.found(int(doc.get("nodes", 3)), doc.get("failure_policy", "Ignore"), families)
            if "recheck" in doc:
                self.cluster.lbc.recheck = self.cluster.auto.recheck = duration(doc["recheck"])
            self.cluster.clock.advance(5.0)
            for name, spec in (doc.get("namespaces") or {}).items():
                build.namespace(self.cluster, name, spec or {})
            for i, step in enumerate(doc.get("steps") or []):
                self._check(i, step)
        except (ValueError, KeyError, TypeError) as err:
            raise ScenarioError(f"scenario {doc.get('name', '')}: {err}") from err
        warmup = duration(doc.get("warmup", 0))
        for step in doc.get("steps") or []:
            if _before(step):
                self._plan(step, warmup - duration(str(step["at"])[1:]), 1)
        self.cluster.clock.advance(warmup)

    def _check(self, i: int, step: Json) -> None:
        if not isinstance(step, dict) or step.get("do") not in self.actions.verbs:
            raise ValueError(f"steps[{i}]: `do` is one of {sorted(self.actions.verbs)}, got {step!r}")
        early = duration(str(step["at"])[1:]) if _before(step) else 0.0
        duration(0 if early else step.get("at", 0))
        duration(step.get("every", 0))
        if early > duration(self.doc.get("warmup", 0)) or (early and "every" in step):
            raise ValueError(f"steps[{i}]: `at` is before the warm-up, or repeats from within it: {step!r}")

    def begin(self) -> None:
        """Starts the steps' times."""
        for step in self.doc.get("steps") or []:
            if not _before(step):
                self._plan(step, duration(step.get("at", 0)), 1)

    def _plan(self, step: Json, wait: float, turn: int) -> None:
        def go() -> None:
            values = step.get("values")
            words = {"n": str(turn), "v": str(values[(turn - 1) % len(values)]) if values else ""}
            plain = {k: v for k, v in step.items() if k not in ("at", "every", "times", "values")}
            safely(lambda: self.actions.do(_filled(plain, words)), lambda text: print(f"scenario: {text}", file=sys.stderr, flush=True))
            if step.get("every") and turn < int(step.get("times", 10 ** 9)):
                self._plan(step, duration(step["every"]), turn + 1)
        self.cluster.clock.call_later(wait, go)


def _before(step: Json) -> bool:
    """Is the step's time in the warm-up, counted back from its end?"""
    return str(step.get("at", 0)).startswith("-")


def _filled(value: Json, words: dict[str, str]) -> Json:
    """Replaces {n} and {v} in all texts."""
    if isinstance(value, dict):
        return {k: _filled(v, words) for k, v in value.items()}
    if isinstance(value, list):
        return [_filled(v, words) for v in value]
    if isinstance(value, str):
        for key, text in words.items():
            value = value.replace("{" + key + "}", text)
    return value
