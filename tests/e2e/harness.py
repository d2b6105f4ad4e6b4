"""Starts the real programs for end-to-end tests: gatehouse and the simulated cluster, each on a free loopback port.

Every process is stopped by pid when its context ends; logs stay in the test's folder and are shown on failure.
"""
from __future__ import annotations

import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("GATEHOUSE_BUILD", "build/dev")
BINARY = BUILD / "gatehouse"
# Clusters whose rollouts are only waited for are quick: the controller looks again after 3 s where it has 15 s by itself
# (the scenario says `recheck: 3s`, the server's `pace` this), and health comes after a third of its usual time.
# tests/e2e/causes and noise keep the real times.
QUICK = {"recheck": "3s"}


def quick(profile: str) -> dict[str, Any]:
    """That profile of target health in a third of its time."""
    return {"profile": profile, "stretch": 0.3}


def wait_until(what: str, check: Callable[[], Any], seconds: float = 30.0, every: float = 0.1) -> Any:
    """The first true value of check(), or an AssertionError that says what was waited for."""
    deadline = time.monotonic() + seconds
    last: Any = None
    while time.monotonic() < deadline:
        try:
            last = check()
            if last:
                return last
        except (AssertionError, urllib.error.URLError, ConnectionError, KeyError, OSError) as error:
            last = error
        time.sleep(every)
    raise AssertionError(f"not within {seconds} s: {what}; last seen: {last!r}")


class Process:
    """One program with its log file."""

    def __init__(self, name: str, argv: list[str], folder: pathlib.Path, env: dict[str, str] | None = None) -> None:
        self.log = folder / f"{name}.log"
        self.log_start = self.log.stat().st_size if self.log.exists() else 0  # a second start appends
        self._file = self.log.open("ab")
        self.popen = subprocess.Popen(argv, stdout=self._file, stderr=self._file, env={**os.environ, **(env or {})})

    def alive(self) -> bool:
        return self.popen.poll() is None

    def stop(self, how: int = signal.SIGTERM, seconds: float = 20.0) -> int:
        if self.alive():
            self.popen.send_signal(how)
        try:
            code = self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            code = self.popen.wait()
        self._file.close()
        return code

    def text(self) -> str:
        """Its own lines: what an earlier process of that name wrote does not count."""
        return self.log.read_bytes()[self.log_start:].decode(errors="replace")


class Gatehouse(Process):
    """gatehouse serve on a free port; config is the file's content as a dict."""

    def __init__(self, folder: pathlib.Path, config: dict[str, Any], name: str = "gatehouse",
                 env: dict[str, str] | None = None, within: tuple[str, ...] = ()) -> None:
        """within: a command that becomes the one behind it, as `env` and `unshare` do."""
        config = {"listen": "127.0.0.1:0", "db": str(folder / f"{name}.db"), **config}
        path = folder / f"{name}.yaml"
        path.write_text(json.dumps(config, indent=1))  # JSON is YAML
        quiet = {"AWS_EC2_METADATA_DISABLED": "true", "HOME": str(folder)}
        super().__init__(name, [*within, str(BINARY), "serve", "--config", str(path)], folder, {**quiet, **(env or {})})
        self.config_path = path
        try:
            self.url = wait_until("gatehouse listens", self._address, 60)
        except (AssertionError, RuntimeError) as error:
            self.stop()
            raise AssertionError(f"{error}\n{self.text()}") from None

    def _address(self) -> str | None:
        if not self.alive():
            raise RuntimeError("gatehouse ended")  # nothing to wait for
        found = re.findall(r"address=(https?://\S+)", self.text())
        return found[-1] if found else None

    def request(self, path: str, headers: dict[str, str] | None = None, method: str = "GET",
                body: bytes | None = None) -> tuple[int, dict[str, str], bytes]:
        request = urllib.request.Request(self.url + path, data=body, headers=headers or {}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, {k.lower(): v for k, v in error.headers.items()}, error.read()

    def get(self, path: str) -> Any:
        status, _, body = self.request("/api/v1" + path)
        assert status == 200, f"{path}: {status} {body[:400]!r}"
        return json.loads(body)

    def rollout(self, namespace: str, name: str, kind: str = "deployment") -> dict[str, Any]:
        return self.get(f"/namespaces/{namespace}/rollouts/{kind}/{name}")

    def wait_state(self, namespace: str, name: str, *states: str, kind: str = "deployment",
                   seconds: float = 60.0) -> dict[str, Any]:
        """The rollout once it is in one of the states."""

        def check() -> dict[str, Any] | None:
            status, _, body = self.request(f"/api/v1/namespaces/{namespace}/rollouts/{kind}/{name}")
            found = json.loads(body) if status == 200 else {"state": f"HTTP {status}"}
            seen.append(found["state"])
            return found if found["state"] in states else None

        seen: list[str] = []
        try:
            return wait_until(f"{namespace}/{name} is {' or '.join(states)}", check, seconds, 0.2)
        except AssertionError as error:
            path = " ".join(s for i, s in enumerate(seen) if i == 0 or s != seen[i - 1])
            raise AssertionError(f"{error}; states: {path}") from None


class Simulator(Process):
    """tests/sim/sim with a scenario; .kubeconfig is written by it."""

    def __init__(self, folder: pathlib.Path, scenario: pathlib.Path | str, *flags: str, name: str = "sim") -> None:
        self.kubeconfig = folder / f"{name}.kubeconfig"
        ready = folder / f"{name}.ready"
        super().__init__(name, [str(ROOT / "tests/sim/sim"), "--scenario", str(scenario), "--kubeconfig-out",
                                str(self.kubeconfig), "--ready-file", str(ready), *flags], folder)
        try:
            wait_until("the simulator is ready", lambda: ready.exists() and self.kubeconfig.exists() or not self.alive(), 60)
            assert self.alive(), "the simulator ended"
        except (AssertionError, RuntimeError) as error:
            self.stop()
            raise AssertionError(f"{error}\n{self.text()}") from None
        self.url = re.findall(r"server: ?\"?(https?://[^\s\"]+)", self.kubeconfig.read_text())[0]

    def control(self, path: str, data: dict[str, Any] | None = None, method: str = "POST") -> Any:
        """A call of the control API, /_sim/PATH."""
        body = json.dumps(data or {}).encode() if method == "POST" else None
        request = urllib.request.Request(f"{self.url}/_sim/{path}", data=body, method=method,
                                         headers={"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read()
            return json.loads(text) if text else None


@contextlib.contextmanager
def folder(prefix: str) -> Iterator[pathlib.Path]:
    with tempfile.TemporaryDirectory(prefix=f"gatehouse-{prefix}-") as path:
        yield pathlib.Path(path)
