"""How `gatehouse wait` asks: one stream while that comes through, requests that end where it does not, anew after a cut."""
from __future__ import annotations

import os
import subprocess
import time
import unittest
from typing import Any

from client.proxy import Proxy
from harness import BINARY, QUICK, Gatehouse, Simulator, folder, quick, wait_until

FINE, FAILED, USAGE, TIMEOUT, SUPERSEDED, UNREACHABLE = range(6)
WORKLOADS = ("one", "two", "three", "four", "five", "six")
SCENARIO = """
name: wait
seed: 1
nodes: 2
recheck: 3s
namespaces:
  shop:
    inject: aws-lbc
    workloads:
""" + "".join(f"""
      - {{name: {name}, replicas: 2, image: "registry.example/shop/{name}:1",
         pod: {{start: 1s}}, binding: {{name: {name}, health: code-mismatch}}}}""" for name in WORKLOADS)


class Waiter:
    """`gatehouse wait` under way."""

    def __init__(self, url: str, *words: str) -> None:
        self.popen = subprocess.Popen([str(BINARY), "wait", *words, "--timeout", "90s"], text=True, stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE, env={**os.environ, "GATEHOUSE_SERVER": url})

    def end(self) -> tuple[int, str, str]:
        out, err = self.popen.communicate(timeout=100)
        return self.popen.returncode, out, err

    def stop(self) -> None:
        """Of a test that failed before the end."""
        if self.popen.poll() is None:
            self.popen.kill()
            self.popen.communicate()


class Wait(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = cls.enterClassContext(folder("wait"))
        scenario = cls.folder / "wait.yaml"
        scenario.write_text(SCENARIO)
        cls.sim = Simulator(cls.folder, scenario)
        cls.addClassCleanup(cls.sim.stop)
        cls.config: dict[str, Any] = {"kubernetes": {"kubeconfig": str(cls.sim.kubeconfig)}, "aws": {"mode": "off"}, "pace": QUICK}
        cls.server = Gatehouse(cls.folder, cls.config)
        cls.addClassCleanup(lambda: cls.server.stop())
        for name in WORKLOADS:
            wait_until(f"{name} waits for its gates", lambda: cls.server.rollout("shop", name)["gates"]["closed"] == 2, 60)

    def proxy(self, **how: Any) -> Proxy:
        proxy = Proxy(self.server.url, **how)
        self.addCleanup(proxy.stop)
        return proxy

    def waiter(self, url: str, *words: str) -> Waiter:
        waiter = Waiter(url, *words)
        self.addCleanup(waiter.stop)
        return waiter

    def waiters(self) -> int:
        """How many the server holds."""
        text = self.server.request("/metrics")[2].decode()
        return int(float(next(x for x in text.splitlines() if x.startswith("gatehouse_http_waiters ")).split()[1]))

    def heal(self, name: str) -> float:
        self.sim.control("do", {"do": "health", "binding": f"shop/{name}", "health": quick("alb-fast")})
        self.server.wait_state("shop", name, "serving")
        return time.monotonic()

    def good(self, waiter: Waiter, since: float, within: float = 3.0) -> str:
        """It ends well, and soon after the server knew."""
        code, out, err = waiter.end()
        self.assertEqual(code, FINE, (out, err))
        self.assertLess(time.monotonic() - since, within, err)
        return err

    def test_one_stream_tells_everything(self) -> None:
        proxy = self.proxy()
        waiter = self.waiter(proxy.url, "shop/deploy/one")
        wait_until("it waits", lambda: self.waiters() == 1)
        self.good(waiter, self.heal("one"))
        self.assertEqual([accept for _, accept in proxy.asked], ["text/event-stream"], proxy.asked)

    def test_a_cut_stream_is_opened_again(self) -> None:
        proxy = self.proxy()
        waiter = self.waiter(proxy.url, "shop/deploy/two")
        for n in (1, 2):
            wait_until("it waits", lambda: proxy.streams() == n and self.waiters() > 0)  # one that was cut is seen at the next write
            time.sleep(2.2)  # so long a stream must have lived to be thought well of
            self.assertEqual(proxy.cut(), 1)
            wait_until("it waits again", lambda: proxy.streams() == n + 1)
        self.good(waiter, self.heal("two"))
        wait_until("nobody is held any more", lambda: self.waiters() == 0)
        self.assertEqual([accept for _, accept in proxy.asked], ["text/event-stream"] * 3, proxy.asked)

    def test_a_proxy_that_gathers_answers_costs_one_try(self) -> None:
        proxy = self.proxy(gather=True)
        waiter = self.waiter(proxy.url, "shop/deploy/three")
        wait_until("it waits by requests that end", lambda: any("for=change" in line for line, _ in proxy.asked))
        self.good(waiter, self.heal("three"))
        self.assertEqual(proxy.streams(), 1, proxy.asked)

    def test_a_server_without_streams_is_asked_as_before(self) -> None:
        proxy = self.proxy(deaf=True)
        waiter = self.waiter(proxy.url, "shop/deploy/four")
        wait_until("it waits by requests that end", lambda: any("for=change" in line for line, _ in proxy.asked))
        self.good(waiter, self.heal("four"))
        self.assertEqual(proxy.streams(), 1, proxy.asked)

    def test_a_proxy_that_cuts_every_stream_is_not_tried_for_ever(self) -> None:
        proxy = self.proxy(brief=0.5)
        waiter = self.waiter(proxy.url, "shop/deploy/five")
        wait_until("it waits by requests that end", lambda: any("for=change" in line for line, _ in proxy.asked))
        self.good(waiter, self.heal("five"))
        self.assertEqual(proxy.streams(), 1, proxy.asked)

    def test_a_restart_of_the_server_is_outlived_by_streams(self) -> None:
        waiter = self.waiter(self.server.url, "shop/deploy/six")
        wait_until("it waits", lambda: self.waiters() == 1)
        time.sleep(2.2)
        port = self.server.url.rsplit(":", 1)[1]
        self.server.stop()
        time.sleep(1.5)
        type(self).server = Gatehouse(self.folder, {**self.config, "listen": f"127.0.0.1:{port}"})
        wait_until("it waits again", lambda: self.waiters() == 1)
        err = self.good(waiter, self.heal("six"))
        self.assertIn("no answer", err)
        self.assertLess(len(err.splitlines()), 12, err)  # calm, though it asks each second

    def test_a_timeout_is_kept_to_the_second(self) -> None:
        began = time.monotonic()
        done = subprocess.run([str(BINARY), "wait", "shop/deploy/one", "--revision", "7", "--timeout", "2s", "--server",
                               self.server.url], capture_output=True, text=True, timeout=30)
        self.assertEqual(done.returncode, TIMEOUT, (done.stdout, done.stderr))
        self.assertLess(time.monotonic() - began, 6)


if __name__ == "__main__":
    unittest.main()
