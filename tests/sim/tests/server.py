"""Starts the simulator as a program and talks to it over HTTP."""
from __future__ import annotations

import http.client
import json
import pathlib
import subprocess
import sys
import tempfile
import time
from typing import Any, Iterator, Optional
from urllib.parse import urlencode, urlsplit

SIM = pathlib.Path(__file__).resolve().parents[1] / "sim"
SCENARIOS = SIM.parent / "scenarios"
sys.path.insert(0, str(SIM.parent))  # gatesim, for tests that also look inside
Json = Any


class Reply:
    """Status, headers and body of an answer."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.raw = response.read()

    def json(self) -> Json:
        return json.loads(self.raw)


class Server:
    """One simulator on a free port."""

    def __init__(self, scenario: str = "basic.yaml", *flags: str) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.kubeconfig = pathlib.Path(self.folder.name) / "kubeconfig"
        path = pathlib.Path(scenario) if "/" in scenario else SCENARIOS / scenario
        self.process = subprocess.Popen([str(SIM), "--scenario", str(path), "--kubeconfig-out", str(self.kubeconfig), *flags],
                                        stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line.startswith("ready "):
            raise RuntimeError(f"the simulator did not start: {line!r}")
        self.url = line.split()[1]
        self.port = urlsplit(self.url).port or 0

    def stop(self) -> float:
        """Seconds it took to end after SIGTERM."""
        began = time.monotonic()
        self.process.terminate()
        self.process.wait(5)
        if self.process.stdout:
            self.process.stdout.close()
        self.folder.cleanup()
        return time.monotonic() - began

    def open(self, method: str, path: str, body: Optional[Json] = None, timeout: float = 10.0,
             **headers: str) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        data = json.dumps(body) if body is not None else None
        given = {k.replace("_", "-"): v for k, v in headers.items()}
        try:
            connection.request(method, path, data, {"Content-Type": "application/json", "Connection": "close"} | given)
            return connection.getresponse()
        except OSError:
            connection.close()
            raise

    def get(self, path: str, **headers: str) -> Reply:
        return Reply(self.open("GET", path, **headers))

    def send(self, method: str, path: str, body: Json, kind: str = "application/json") -> Reply:
        return Reply(self.open(method, path, body, Content_Type=kind))

    def sim(self, name: str, **body: Any) -> Json:
        """POST /_sim/name."""
        reply = self.send("POST", "/_sim/" + name, body)
        if reply.status != 200:
            raise RuntimeError(f"/_sim/{name}: {reply.raw!r}")
        return reply.json()

    def quiet(self) -> None:
        """Waits until the server has noticed that all watches are gone."""
        for _ in range(50):
            if not self.get("/_sim/state").json()["watches"]:
                return
            time.sleep(0.1)
        raise RuntimeError("watches stay open")

    def watch(self, path: str, timeout: float = 10.0, **query: str) -> "Stream":
        return Stream(self.open("GET", f"{path}?{urlencode({'watch': '1'} | query)}", timeout=timeout))


class Stream:
    """A watch, event by event."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.response = response

    def __iter__(self) -> Iterator[Json]:
        return self

    def __next__(self) -> Json:
        line = self.response.readline()
        if not line:
            raise StopIteration
        return json.loads(line)

    def take(self, count: int) -> list[Json]:
        return [next(self) for _ in range(count)]

    def close(self) -> None:
        self.response.close()
