"""Scenario files as cases: what each workload is expected to say, one run of the real programs, and what differed.

A workload that is named after a code (with dashes) must show that code as its primary cause, and no other finding on it
may be of severity error. A file's `expect` says where that is otherwise, by NAMESPACE/NAME:

    primary      the primary cause instead; none: there is none
    with         further codes that must be there
    also         further codes that may be errors
    state        the rollout's state
    confidence   of the primary cause
    says         a part of the primary cause's evidence
    in: audit    its own code stands in the audit, not on the rollout
    alone        all of this again, as it is without any rights in AWS

`cluster` lists the findings on the whole cluster (none unless said), `config` is merged into gatehouse's configuration.
"""
from __future__ import annotations

import json
import pathlib
import subprocess
import time
from typing import Any

import yaml

from elbv2.test_elbv2 import variables
from harness import BINARY, Gatehouse, Simulator

Json = Any
KEYS = {"primary", "with", "also", "state", "confidence", "says", "in", "alone"}
KINDS = ("Deployment", "StatefulSet", "DaemonSet", "Rollout", "Pod")


def catalogue() -> set[str]:
    """The codes that the program knows."""
    text = subprocess.run([BINARY, "causes"], capture_output=True, text=True, timeout=20, check=True).stdout
    return {line.split()[0] for line in text.splitlines()}


class Case:
    """One scenario file; with_aws: gatehouse may read ELBv2."""

    def __init__(self, path: pathlib.Path, codes: set[str], with_aws: bool = True) -> None:
        self.path = path
        self.with_aws = with_aws
        self.name = path.stem + ("" if with_aws else " (Kubernetes alone)")
        doc = yaml.safe_load(path.read_text())
        expect = dict(doc.get("expect") or {})
        self.config: Json = {"pace": {"recheck": doc.get("recheck", "15s")}}
        for section, values in expect.pop("config", {}).items():
            self.config[section] = {**self.config.get(section, {}), **values}
        self.cluster = set(expect.pop("cluster", []))
        self.wanted: dict[tuple[str, str, str], Json] = {}
        for space, spec in doc["namespaces"].items():
            workloads = [(w.get("kind", "Deployment"), w["name"]) for w in spec.get("workloads") or []]
            workloads += [(o["kind"], o["metadata"]["name"]) for o in spec.get("objects") or [] if o["kind"] in KINDS]
            for kind, name in workloads:
                self.wanted[space, kind, name] = self._want(name.replace("-", "_"), expect.pop(f"{space}/{name}", None), codes)
        assert not expect, f"{path}: expect names what is not there: {sorted(expect)}"

    def _want(self, code: str, given: Json, codes: set[str]) -> Json:
        assert code in codes or given is not None, f"{self.path}: {code} is no code, so `expect` must tell of it"
        want = dict(given or {})
        assert set(want) <= KEYS, f"{self.path}: {code}: unknown keys {sorted(set(want) - KEYS)}"
        alone = want.pop("alone", {})
        want |= {} if self.with_aws else alone
        want.setdefault("primary", code)
        want["with"] = set(want.get("with") or []) | ({code} & codes if "in" not in want else set())
        assert want["primary"] in codes | {"none"}, f"{self.path}: {want['primary']} is no code"
        want["code"] = code if code in codes else ""
        return want

    def proves(self) -> set[str]:
        """The codes that this case asserts."""
        out = set(self.cluster)
        for want in self.wanted.values():
            out |= want["with"] | {want["primary"], want["code"]}
        return out - {"none", ""}


class Run:
    """The simulator with the case's scenario, and gatehouse on it."""

    def __init__(self, case: Case, place: pathlib.Path) -> None:
        self.case = case
        env = place / "aws.env"
        self.sim = Simulator(place, case.path, "--aws-env-out", str(env))
        config = {"kubernetes": {"kubeconfig": str(self.sim.kubeconfig)}, "aws": {"mode": "off"},
                  "pace": {"stuck_min": "5s", "overrides": [{"stuck_after": "40s"}]}}
        if case.with_aws:
            config["aws"] = {"hot_interval": "1s", "idle_interval": "5s", "calls_per_minute": 420, "burst": 30}
        for section, values in case.config.items():
            config[section] = {**config.get(section, {}), **values}
        try:
            self.server = Gatehouse(place, config, env=variables(env)[0] if case.with_aws else {})
        except AssertionError:
            self.sim.stop()
            raise

    def stop(self) -> None:
        self.server.stop()
        self.sim.stop()

    def wait(self, seconds: float) -> Json:
        """What differs, empty as soon as all is as expected twice in a row."""
        deadline = time.monotonic() + seconds
        right = 0
        while True:
            found = self.wrong()
            right = 0 if found else right + 1
            if right == 2 or time.monotonic() > deadline:
                return found
            time.sleep(2)

    def wrong(self) -> Json:
        """By workload: what was expected, and what is there."""
        audit = {n["namespace"]: n for n in self.server.get("/audit?limit=200")["items"]}
        out: dict[str, Json] = {}
        for (space, kind, name), want in self.case.wanted.items():
            status, _, _ = self.server.request(f"/api/v1/namespaces/{space}/rollouts/{kind}/{name}")
            if status != 200:
                out[f"{space}/{name}"] = f"HTTP {status}"
                continue
            differs = _differs(self.server.rollout(space, name, kind), want, audit.get(space, {}))
            if differs:
                out[f"{space}/{name}"] = differs
        out |= self._places(audit)
        errors = self.sim.control("state", method="GET")["errors"]
        return out | ({"simulator": errors} if errors else {})

    def _places(self, audit: Json) -> Json:
        """Findings of namespaces and of the cluster."""
        out = {}
        allowed: dict[str, set[str]] = {}
        for (space, _, _), want in self.case.wanted.items():
            allowed.setdefault(space, set()).update(want["with"], {want["primary"], want["code"]}, want.get("also") or [])
        for space, codes in allowed.items():
            status, _, body = self.server.request(f"/api/v1/namespaces/{space}")
            on_space = json.loads(body)["findings"] if status == 200 else []  # its workloads are missed already
            wild = [f["code"] for f in on_space if f["severity"] == "error" and f["code"] not in codes]
            if wild:
                out[f"namespace {space}"] = wild
        seen = {f["code"] for f in self.server.get("/audit?limit=1")["cluster_findings"]}
        if seen != self.case.cluster:
            out["cluster"] = {"want": sorted(self.case.cluster), "have": sorted(seen)}
        return out


def _differs(rollout: Json, want: Json, audit: Json) -> Json:
    causes = {c["code"]: c for c in rollout["causes"]}
    primary = rollout["cause"] or {"code": "none", "confidence": "", "evidence": []}
    fine = want["with"] | {want["primary"]} | set(want.get("also") or [])
    drains = [d for d in audit.get("drain", []) if d["workload"]["name"] == rollout["name"]]
    wrong = [what for what, is_so in (
        (f"primary {want['primary']}", primary["code"] == want["primary"]),
        (f"with {sorted(want['with'])}", want["with"] <= set(causes)),
        ("no other error", all(c in fine for c, f in causes.items() if f["severity"] == "error")),
        (f"state {want.get('state')}", want.get("state", rollout["state"]) == rollout["state"]),
        (f"confidence {want.get('confidence')}", want.get("confidence", primary["confidence"]) == primary["confidence"]),
        (f"evidence with {want.get('says')}", want.get("says", "") in str(primary["evidence"])),
        (f"in the audit: {want['code']}", want.get("in") != "audit" or [d["code"] for d in drains] == [want["code"]]),
        ("words", all(f["message"] and f["action"] and f["evidence"] and "{" not in f["message"] for f in causes.values())),
    ) if not is_so]
    have = {c: f"{f['severity']} {f['confidence']}" for c, f in causes.items()}
    return {"want": wrong, "state": rollout["state"], "primary": primary["code"], "have": have} if wrong else None
