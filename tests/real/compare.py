"""Holds gatehouse's rows to what client-go informers hold: the same objects, uids and resourceVersions, and every
field that gatehouse keeps equal to the field of the object it came from."""
from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
import time
from typing import Any

from control_plane import ROOT, ControlPlane, wait_for

BUILD = ROOT / os.environ.get("GATEHOUSE_BUILD", "build/dev")
Row = tuple[str, str, dict[str, Any]]  # uid, resourceVersion, object

# What gatehouse must keep of an object that has it: a field that it lost would not be missed otherwise.
KEPT = {
    "pods": ("metadata.uid", "spec.nodeName", "spec.readinessGates", "status.phase", "status.podIP", "status.conditions",
             "status.containerStatuses", "metadata.deletionTimestamp", "metadata.ownerReferences", "metadata.labels"),
    "deployments.apps": ("spec.replicas", "spec.selector", "status.observedGeneration", "status.updatedReplicas",
                         "status.conditions"),
    "statefulsets.apps": ("spec.replicas", "status.updateRevision", "status.currentRevision"),
    "daemonsets.apps": ("status.desiredNumberScheduled", "status.updatedNumberScheduled"),
    "replicasets.apps": ("spec.replicas", "metadata.ownerReferences"),
    "services": ("spec.selector", "spec.ports", "spec.type"),
    "endpointslices.discovery.k8s.io": ("endpoints", "metadata.labels"),
    "poddisruptionbudgets.policy": ("spec.selector", "status.disruptionsAllowed"),
    "targetgroupbindings.elbv2.k8s.aws": ("spec.targetGroupARN", "spec.targetType", "spec.serviceRef"),
    "targetgroupbindings.eks.amazonaws.com": ("spec.targetGroupARN", "spec.targetType", "spec.serviceRef"),
    "events": ("reason", "message", "involvedObject"),
    "nodes": ("status.conditions", "metadata.labels"),
    "namespaces": ("metadata.labels", "status.phase"),
}


class Informer:
    """tests/real/informer as a child; gone with stop()."""

    def __init__(self, plane: ControlPlane, folder: pathlib.Path) -> None:
        self._log = (folder / "informer.log").open("ab")
        self._child = subprocess.Popen([str(plane.informer), "-kubeconfig", str(plane.admin)],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True)
        wait_for("the informers have synced", lambda: self._ask("ready") == ["true"], 30)

    def _ask(self, what: str) -> list[str]:
        assert self._child.stdin is not None and self._child.stdout is not None
        self._child.stdin.write(what + "\n")
        self._child.stdin.flush()
        lines: list[str] = []
        for line in self._child.stdout:
            if line == ".\n":
                return lines
            lines.append(line.rstrip("\n"))
            if what == "ready":
                return lines
        raise AssertionError("the informer ended")

    def rows(self) -> dict[str, Row]:
        return parse(self._ask("dump"))

    def stop(self) -> None:
        self._child.terminate()
        self._child.wait(10)
        self._log.close()


def parse(lines: list[str]) -> dict[str, Row]:
    rows: dict[str, Row] = {}
    for line in lines:
        kind, name, uid, version, text = line.split("\t", 4)
        assert f"{kind} {name}" not in rows, f"{kind} {name} is there twice"
        rows[f"{kind} {name}"] = (uid, version, json.loads(text))
    return rows


def stored(database: pathlib.Path) -> dict[str, Row]:
    done = subprocess.run([str(BUILD / "tests" / "real_rows"), str(database)], capture_output=True, text=True)
    if done.returncode != 0:
        raise AssertionError(f"real_rows: {done.stderr.strip()}")
    return parse(done.stdout.splitlines())


def _plain(value: Any) -> Any:
    """Times to one form, numbers that stand for text to text."""
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", value):
        return re.sub(r"(\.\d{3})\d*Z$", r"\1Z", value).replace(".000Z", "Z")
    return value


def _field(record: Any, source: Any, path: str) -> list[str]:
    """Where a stored value differs from its object; only what is stored is looked at."""
    if isinstance(record, dict) and isinstance(source, dict):
        found: list[str] = []
        for key, value in record.items():
            if not key.startswith("#"):  # counts of what is not kept
                found += _field(value, source.get(key), f"{path}.{key}")
        return found
    if isinstance(record, list) and isinstance(source, list) and len(record) == len(source):
        return [d for i, (a, b) in enumerate(zip(record, source)) for d in _field(a, b, f"{path}[{i}]")]
    if isinstance(record, list) and isinstance(source, dict) and len(record) == len(source):
        return []  # a map kept as a list of its entries
    if isinstance(record, str) and isinstance(source, dict):
        return [] if record in source.values() else [f"{path}: {record!r} of {source!r}"]
    if record in ({}, [], False, 0, "") and source is None:
        return []
    a, b = _plain(record), _plain(source)
    return [] if a == b or str(a) == str(b) else [f"{path}: stored {record!r}, object {source!r}"]


def _get(value: Any, path: str) -> Any:
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _lost(kind: str, record: dict[str, Any], source: dict[str, Any]) -> list[str]:
    lean = kind == "replicasets.apps" and not _get(source, "spec.replicas") and not _get(source, "status.replicas")
    return [f".{path}: not stored, object has {_get(source, path)!r}" for path in KEPT.get(kind, ())
            if _get(source, path) not in (None, {}, [], "", 0, False) and _get(record, path) in (None, {}, [], "")
            and path != "metadata.uid" and not lean]


def within(rows: dict[str, Row], only: set[str] | None) -> dict[str, Row]:
    """Rows of these namespaces and of none; None: all."""
    return {k: v for k, v in rows.items() if only is None or k.split(" ")[1].split("/")[0] in only | {""}}


def differences(database: pathlib.Path, rows: dict[str, Row], only: set[str] | None = None) -> list[str]:
    """Empty when the store equals the informers. only: namespaces that gatehouse was told to watch."""
    mine, rows = stored(database), within(rows, only)
    found = [f"missing: {k} {rows[k][1]}" for k in sorted(rows.keys() - mine.keys())]
    found += [f"left over: {k} {mine[k][1]}" for k in sorted(mine.keys() - rows.keys())]
    for key in sorted(rows.keys() & mine.keys()):
        (uid, version, source), (my_uid, my_version, record) = rows[key], mine[key]
        if (uid, version) != (my_uid, my_version):
            found.append(f"{key}: stored uid {my_uid} at {my_version}, object {uid} at {version}")
            continue
        kind = key.split(" ")[0]
        found += [f"{key}{d}" for d in _field(record, source, "") + _lost(kind, record, source)]
    return found


# Every kind that gatehouse follows, as the API server lists it.
LISTS = {
    "namespaces": "/api/v1/namespaces", "nodes": "/api/v1/nodes", "services": "/api/v1/services", "pods": "/api/v1/pods",
    "events": "/api/v1/events?fieldSelector=type!=Normal",
    "mutatingwebhookconfigurations.admissionregistration.k8s.io":
        "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
    "leases.coordination.k8s.io":
        "/apis/coordination.k8s.io/v1/leases?fieldSelector=metadata.name=aws-load-balancer-controller-leader",
    "ingresses.networking.k8s.io": "/apis/networking.k8s.io/v1/ingresses",
    "targetgroupbindings.elbv2.k8s.aws": "/apis/elbv2.k8s.aws/v1beta1/targetgroupbindings",
    "targetgroupbindings.eks.amazonaws.com": "/apis/eks.amazonaws.com/v1/targetgroupbindings",
    "deployments.apps": "/apis/apps/v1/deployments", "statefulsets.apps": "/apis/apps/v1/statefulsets",
    "daemonsets.apps": "/apis/apps/v1/daemonsets", "replicasets.apps": "/apis/apps/v1/replicasets",
    "controllerrevisions.apps": "/apis/apps/v1/controllerrevisions",
    "poddisruptionbudgets.policy": "/apis/policy/v1/poddisruptionbudgets",
    "horizontalpodautoscalers.autoscaling": "/apis/autoscaling/v2/horizontalpodautoscalers",
    "endpointslices.discovery.k8s.io": "/apis/discovery.k8s.io/v1/endpointslices",
}
Versions = dict[str, tuple[str, str]]  # uid, resourceVersion


def versions(rows: dict[str, Row]) -> Versions:
    return {key: row[:2] for key, row in rows.items()}


def truth(plane: ControlPlane) -> Versions:
    """What the API server has. The informers are the oracle for fields; whether they are up to date is asked here,
    since they back off like every client and can be as far behind as what they shall judge."""
    found: Versions = {}
    for kind, path in LISTS.items():
        for item in plane.api("GET", path, accept="application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,"
                              "application/json")["items"] or []:
            meta = item["metadata"]
            found[f"{kind} {meta.get('namespace', '')}/{meta['name']}"] = (meta["uid"], meta["resourceVersion"])
    return found


def wait_equal(plane: ControlPlane, database: pathlib.Path, informer: Informer, seconds: float = 90,
               only: set[str] | None = None) -> tuple[int, float]:
    """Waits for a quiet cluster, informers that are up to date, and equal rows. The number of objects, and how long
    the store was behind: seconds from the last change seen until it had every version."""
    began = last_change = caught_up = time.monotonic()
    want: Versions = {}
    found = ["never quiet"]
    while time.monotonic() - began < seconds:
        now = time.monotonic()
        have = versions(stored(database))
        fresh = {k: v for k, v in truth(plane).items() if only is None or k.split(" ")[1].split("/")[0] in only | {""}}
        if fresh != want:
            want, last_change, caught_up = fresh, now, 0.0
        if have == want and caught_up == 0.0:
            caught_up = now
        rows = informer.rows()
        if versions(within(rows, only)) != want:
            found = [f"the informers are behind ({len(want)} objects)"]
        else:
            found = differences(database, rows, only)
            if not found and truth(plane).items() >= want.items():
                return len(want), max(0.0, caught_up - last_change)
        time.sleep(0.3)
    raise AssertionError(f"{len(found)} differences after {seconds:.0f} s:\n" + "\n".join(found[:25]))
