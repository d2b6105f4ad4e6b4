#!/usr/bin/python3
"""Writes list pages as a real API server sends them, in protobuf: make_pods.py FOLDER PODS NAMESPACES.

The objects are those recorded from kube-apiserver (tests/fixtures/kubernetes), with names, namespaces, uids,
resourceVersions and owners of their own; each pod carries managedFields that bring it past 10 KB, half of it as in
real clusters. One Deployment and one ReplicaSet a namespace own the pods. Everything else is an empty list.
"""
from __future__ import annotations

import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "tests/fixtures/kubernetes"
PAGE = 500


def varint(n: int) -> bytes:
    out = bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def field(number: int, data: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(data)) + data


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def fields(data: bytes):
    """(number, raw field with its tag, content) of each field."""
    at = 0
    while at < len(data):
        start = at
        tag, at = read_varint(data, at)
        if tag & 7 == 2:
            length, at = read_varint(data, at)
            content = data[at:at + length]
            at += length
        elif tag & 7 == 0:
            _, at = read_varint(data, at)
            content = b""
        else:
            raise ValueError(f"wire type {tag & 7}")
        yield tag >> 3, data[start:at], content


def envelope(kind: str, version: str, raw: bytes) -> bytes:
    return b"k8s\0" + field(1, field(1, version.encode()) + field(2, kind.encode())) + field(2, raw)


def items(name: str) -> list[bytes]:
    body = (FIXTURES / f"{name}.pb").read_bytes()
    raw = next(content for number, _, content in fields(body[4:]) if number == 2)
    return [content for number, _, content in fields(raw) if number == 2]


class Template:
    """An object whose metadata's name, namespace, uid and resourceVersion are to be replaced."""

    def __init__(self, item: bytes, padding: int = 0) -> None:
        self.rest = b"".join(raw for number, raw, _ in fields(item) if number != 1)
        meta = next(content for number, _, content in fields(item) if number == 1)
        self.meta = b"".join(raw for number, raw, _ in fields(meta) if number not in (1, 3, 5, 6))
        if padding:
            owned = ('{"f:metadata":{"f:labels":{".":{},"f:app":{}}},"f:spec":{"f:containers":{"k:{\\"name\\":\\"a\\"}":'
                     '{".":{},"f:image":{},"f:resources":{}}}}}' * 100)[:padding]
            entry = (field(1, b"kube-controller-manager") + field(2, b"Update") + field(3, b"v1") +
                     field(6, b"FieldsV1") + field(7, field(1, owned.encode())))
            self.meta += field(17, entry)

    def make(self, name: str, namespace: str, uid: str, version: int, swap: list[tuple[bytes, bytes]]) -> bytes:
        meta = (field(1, name.encode()) + field(3, namespace.encode()) + field(5, uid.encode()) +
                field(6, str(version).encode()) + self.meta)
        for old, new in swap:  # owners' uids: same length, so lengths stay right
            meta = meta.replace(old, new)
        return field(1, meta) + self.rest


def write_pages(folder: pathlib.Path, resource: str, kind: str, version: str, objects) -> int:
    """PAGE objects a file; a page names the next by its number. Returns the bytes written."""
    page: list[bytes] = []
    number = total = 0

    def flush(last: bool) -> None:
        nonlocal page, number, total
        meta = field(2, b"900000") + (b"" if last else field(3, str(number + 1).encode()))
        body = envelope(kind, version, field(1, meta) + b"".join(field(2, o) for o in page))
        (folder / f"{resource}-{number if number else ''}.pb").write_bytes(body)
        total += len(body)
        number, page = number + 1, []

    for item in objects:
        if len(page) == PAGE:
            flush(False)
        page.append(item)
    flush(True)
    return total


def uid_of(kind: int, number: int) -> str:
    return f"{kind:08x}-0000-4000-8000-{number:012x}"


def main() -> int:
    folder, pods, namespaces = pathlib.Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    folder.mkdir(parents=True, exist_ok=True)
    pod = next(p for p in items("pods") if b"web-54cfd95865-56mvf" in p)
    replicaset = next(r for r in items("replicasets") if b"web-54cfd95865" in r)
    deployment = next(d for d in items("deployments") if b"\x0a\x03web" in d)

    def owner_uid(item: bytes) -> bytes:
        meta = next(c for n, _, c in fields(item) if n == 1)
        owner = next(c for n, _, c in fields(meta) if n == 13)
        return next(c for n, _, c in fields(owner) if n == 4)

    pod_owner, rs_owner = owner_uid(pod), owner_uid(replicaset)
    pod_template, rs_template, d_template = Template(pod, 6500), Template(replicaset), Template(deployment)
    alphabet = "bcdfghjklmnpqrstvwxz2456789"

    def suffix(n: int) -> str:
        text = ""
        for _ in range(5):
            text, n = alphabet[n % len(alphabet)] + text, n // len(alphabet)
        return text

    def all_pods():  # in the order of etcd's keys, as a real list comes: by namespace, then by name
        for i in sorted(range(pods), key=lambda i: (i % namespaces, suffix(i))):
            space = i % namespaces
            yield pod_template.make(f"web-54cfd95865-{suffix(i)}", f"team-{space:04}", uid_of(1, i), 1000 + i,
                                    [(pod_owner, uid_of(2, space).encode())])

    size = write_pages(folder, "pods", "PodList", "v1", all_pods())
    write_pages(folder, "replicasets", "ReplicaSetList", "apps/v1",
                (rs_template.make("web-54cfd95865", f"team-{s:04}", uid_of(2, s), 500, [(rs_owner, uid_of(3, s).encode())])
                 for s in range(namespaces)))
    write_pages(folder, "deployments", "DeploymentList", "apps/v1",
                (d_template.make("web", f"team-{s:04}", uid_of(3, s), 501, []) for s in range(namespaces)))
    (folder / "empty.pb").write_bytes(envelope("List", "v1", field(1, field(2, b"900000"))))
    print(f"{pods} pods, {size} bytes, {size // max(pods, 1)} a pod")
    return 0


sys.exit(main())
