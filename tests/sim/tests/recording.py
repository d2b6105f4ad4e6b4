"""What every test of a recorded step needs: a lab, and comparisons with the recording field by field."""
from __future__ import annotations

import re
import unittest
from typing import Any, Optional

from lab import Cond, Lab, cond, recorded
from gatesim.kinds import BINDINGS, PODS, SERVICES
from gatesim.targets import script

Json = Any
GATE = "target-health.elbv2.k8s.aws/"
CHECKING = {"state": "initial", "reason": "Elb.InitialHealthChecking", "description": "Initial health checks in progress"}
CONDITIONS = ("Ready", "ContainersReady")


def plain(text: str) -> str:
    """A message without what differs from call to call."""
    return re.sub(r"RequestID: [\w-]+", "RequestID: ID", re.sub(r"\d+\.\d+\.\d+\.\d+", "IP", text))


def recorded_changes(step: str, kind: str, name: str, key: str) -> list[Cond]:
    """The states that a condition of an object went through, from the step's timeline."""
    changes = [t["change"][key] for t in recorded(step)["timeline"] if (t["kind"], t["name"]) == (kind, name) and key in t["change"]]
    return [(c[0], c[1] or None, c[2] or None) for c in changes]


class Recording(unittest.TestCase):
    """One lab a test, without errors of controllers at its end."""

    def setUp(self) -> None:
        self.maxDiff = None
        self.lab: Optional[Lab] = None

    def tearDown(self) -> None:
        if self.lab is not None:
            self.assertEqual([], self.lab.cluster.clock.errors)

    def start(self, *names: str, **settings: Any) -> Lab:
        self.lab = Lab(*names, **settings)
        return self.lab

    def same_pod(self, step: str, name: str, other: str = "", nth: int = -1, ordered: bool = True) -> None:
        """Gates in their order, their conditions, Ready and ContainersReady: all as recorded.

        nth: which of the pod's recorded states; the last without.
        """
        assert self.lab is not None
        states = [o for o in recorded(step)["objects"] if o["metadata"].get("name") == (other or name) and "containers" in o.get("spec", {})]
        have, want = self.lab.get(name), states[nth]
        gates = [g["conditionType"] for g in want["spec"].get("readinessGates") or []]
        order = list if ordered else sorted
        self.assertEqual(order(gates), order(g["conditionType"] for g in have["spec"].get("readinessGates") or []), f"{step}: gates of {name}")
        for kind in (*gates, *CONDITIONS):
            self.assertEqual(cond(want, kind), cond(have, kind), f"{step}: {kind} of {name}")

    def same_calls(self, step: str, addresses: dict[str, str]) -> None:
        """The controller's calls since the list was emptied are the recorded ones: action, targets, answer; repeated reads count once.

        addresses: of the recording by those of here.
        """
        assert self.lab is not None

        def shape(calls: list[Json], names: dict[str, str]) -> list[Json]:
            out: list[Json] = []
            for call in calls:
                targets = call.get("targets", "all")
                row = [call["action"], sorted(names[t.split(":")[0]] for t in targets) if isinstance(targets, list) else targets, call.get("error"),
                       sorted([names[a.split(":")[0]], state, reason] for a, state, reason in call.get("answer") or [])]
                if call["action"] != "DescribeTargetGroups" and (not out or row != out[-1]):
                    out.append(row)
            return out
        group = self.lab.name
        want = shape([c for c in recorded(step)["elbv2_calls"] if c["tg"] == group], {v: v for v in addresses.values()})
        have = shape([c for c in self.lab.cluster.elb.calls if c["tg"] == group], addresses)
        self.assertEqual(want, have, step)

    def ip(self, name: str) -> str:
        assert self.lab is not None
        return str(self.lab.get(name)["status"]["podIP"])

    def watch(self, name: str, kind: str) -> list[Cond]:
        """Collects the states that a condition of a pod goes through from now on."""
        assert self.lab is not None
        seen: list[Cond] = [cond(self.lab.get(name), kind)] if self.lab.store.item(PODS, self.lab.namespace, name) else [None]

        def changed(event: Any) -> None:
            now = cond(event.item.data, kind)
            if event.item.data["metadata"]["name"] == name and now != seen[-1]:
                seen.append(now)
        self.lab.store.listen(PODS, changed)
        return seen

    @staticmethod
    def other_binding(lab: Lab, name: str) -> None:
        """One more Service and binding beside the lab's own; its targets are healthy at once."""
        group = lab.cluster.elb.add(name, script=script("healthy"))
        lab.cluster.create(SERVICES, {"metadata": {"name": name, "namespace": lab.namespace}, "spec": {
            "selector": {"app": name}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]}})
        lab.cluster.create(BINDINGS, {"metadata": {"name": name, "namespace": lab.namespace}, "spec": {
            "targetGroupARN": group.arn, "serviceRef": {"name": name, "port": 80}}})

    @staticmethod
    def events_of(lab: Lab, name: str) -> list[Json]:
        return [e for e in lab.events() if e["involvedObject"]["name"] == name]
