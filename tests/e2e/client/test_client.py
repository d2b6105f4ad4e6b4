"""The client commands against a real server on the simulated cluster: what they print and the exit codes scripts use."""
from __future__ import annotations

import json
import os
import pathlib
import pty
import re
import shutil
import subprocess
import threading
import time
import unittest
from typing import Any

from harness import BINARY, QUICK, Gatehouse, Simulator, folder, quick, wait_until

FINE, FAILED, USAGE, TIMEOUT, SUPERSEDED, UNREACHABLE = range(6)
SCENARIO = """
name: client
seed: 1
nodes: 2
recheck: 3s
namespaces:
  shop:
    inject: aws-lbc
    workloads:
      - {name: good, replicas: 3, image: "registry.example/shop/good:1", strategy: {maxSurge: 3, maxUnavailable: 0},
         pod: {start: 1s}, binding: {name: good, health: healthy}}
      - {name: bad, replicas: 2, image: "registry.example/shop/bad:1", strategy: {maxSurge: 1, maxUnavailable: 0},
         pod: {start: 1s}, binding: {name: bad, health: {profile: code-mismatch, stretch: 0.3}}}
"""
PACE = {**QUICK, "stuck_min": "2s", "overrides": [{"namespace": "shop", "workload": "bad", "stuck_after": "4s"}]}


def run(*words: str, server: str = "", stdin: str | None = None, seconds: float = 60.0,
        binary: pathlib.Path = BINARY) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "GATEHOUSE_SERVER": server} if server else dict(os.environ)
    return subprocess.run([str(binary), *words], capture_output=True, text=True, timeout=seconds, env=env, input=stdin)


class Client(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = cls.enterClassContext(folder("client"))
        scenario = cls.folder / "client.yaml"
        scenario.write_text(SCENARIO)
        cls.sim = Simulator(cls.folder, scenario)
        cls.addClassCleanup(cls.sim.stop)
        cls.config: dict[str, Any] = {"kubernetes": {"kubeconfig": str(cls.sim.kubeconfig)}, "pace": PACE,
                                      "aws": {"mode": "off"}}
        cls.server = Gatehouse(cls.folder, cls.config)
        cls.addClassCleanup(lambda: cls.server.stop())
        cls.server.wait_state("shop", "good", "serving")
        wait_until("bad has its cause", lambda: cls.server.wait_state("shop", "bad", "stuck")["cause"]["code"]
                   == "health_check_code_mismatch", 60)

    def call(self, code: int, *words: str, **more: Any) -> subprocess.CompletedProcess[str]:
        done = run(*words, server=self.server.url, **more)
        self.assertEqual(done.returncode, code, (words, done.stdout, done.stderr))
        return done

    def test_1_status_lists_worst_first_and_tells_one(self) -> None:
        lines = self.call(FINE, "status").stdout.splitlines()
        self.assertEqual(lines[0].split(), ["NAMESPACE", "KIND", "NAME", "STATE", "GATES", "SINCE", "CAUSE"])
        self.assertEqual(lines[1].split()[:5], ["shop", "Deployment", "bad", "stuck", "0/2"])
        self.assertEqual(lines[1].split()[-1], "health_check_code_mismatch")
        self.assertEqual(lines[2].split()[2:5], ["good", "serving", "3/3"])
        self.assertEqual(len(self.call(FINE, "status", "shop", "--state", "serving").stdout.splitlines()), 2)
        self.assertEqual(self.call(FINE, "status", "elsewhere").stdout, "no rollouts\n")
        found = json.loads(self.call(FINE, "status", "-o", "json").stdout)
        self.assertEqual([r["name"] for r in found["items"]], ["bad", "good"])
        one = self.call(FAILED, "status", "shop/bad").stdout
        self.assertIn("shop/bad Deployment is stuck for ", one)
        self.assertIn("0 of 2 gates open", one)
        self.assertIn("error health_check_code_mismatch: ", one)
        self.assertRegex(one, r"run: kubectl|run: aws")
        self.assertIn("is serving", self.call(FINE, "status", "shop/deploy/good").stdout)
        self.assertIn("is serving", self.call(FINE, "status", "-n", "shop", "good").stdout)

    def test_2_gate_and_wait_say_it_by_their_exit_code(self) -> None:
        self.assertIn("shop/good is serving", self.call(FINE, "gate", "shop/good").stdout)
        self.assertIn("health_check_code_mismatch", self.call(TIMEOUT, "gate", "shop/bad").stdout)
        self.assertIn("waited", self.call(FINE, "wait", "shop/good").stdout)
        started = time.monotonic()
        late = self.call(TIMEOUT, "wait", "shop/bad", "--timeout", "2s")
        self.assertLess(time.monotonic() - started, 10)
        self.assertIn("gave up after 2s", late.stdout)
        self.assertIn("do: ", late.stdout)
        self.assertRegex(late.stderr, r"^\d{4}-\d\d-\d\dT\S+Z shop/bad stuck: 0 of 2 gates open")
        self.assertEqual(json.loads(self.call(TIMEOUT, "gate", "shop/bad", "-o", "json").stdout)["verdict"], "waiting")

    def test_3_pins_wait_for_what_is_not_there_yet_and_tell_what_took_over(self) -> None:
        done: list[subprocess.CompletedProcess[str]] = []
        waiter = threading.Thread(target=lambda: done.append(
            run("wait", "shop/good", "--image", "registry.example/shop/good:2", "--timeout", "90s",
                server=self.server.url, seconds=100)))
        waiter.start()
        time.sleep(1)
        self.assertTrue(waiter.is_alive(), done)  # the old image serves, but it is not the one
        self.sim.control("do", {"do": "set-image", "workload": "shop/good", "image": "registry.example/shop/good:2"})
        waiter.join(100)
        self.assertEqual(done[0].returncode, FINE, (done[0].stdout, done[0].stderr))
        self.assertIn("shop/good is serving, revision 2", done[0].stdout)
        self.assertGreater(len(done[0].stderr.splitlines()), 2)
        self.assertIn("superseded", self.call(SUPERSEDED, "wait", "shop/good", "--revision", "1").stdout)
        self.call(SUPERSEDED, "gate", "shop/good", "--revision", "1")
        self.call(FINE, "gate", "shop/good", "--revision", "2", "--for", "complete")
        self.call(TIMEOUT, "wait", "shop/unborn", "--generation", "1", "--timeout", "1s")

    def test_4_explain_is_for_people_or_programs(self) -> None:
        text = self.call(FINE, "explain", "shop/bad").stdout
        self.assertIn("health_check_code_mismatch", text)
        self.assertIn("  do:    ", text)
        found = json.loads(self.call(FINE, "explain", "shop/bad", "-o", "json").stdout)
        self.assertEqual(found["findings"][0]["code"], "health_check_code_mismatch")

    def test_5_what_goes_wrong_has_its_own_code(self) -> None:
        self.assertIn("no such rollout", self.call(FAILED, "explain", "shop/none").stderr)
        self.assertIn("404", self.call(FAILED, "status", "shop/deploy/none").stderr)
        for words in (["wait"], ["wait", "shop"], ["wait", "a/b/c/d"], ["status", "a", "b"], ["gate", "/x"],
                      ["status", "--output", "xml"], ["status", "--server", "ftp://x"], ["wait", "shop/good", "--for", "x"],
                      ["wait", "shop/good", "--timeout", "soon"], ["status", "--state", "wrong"],
                      ["status", "--token-file", "/nowhere"], ["completion", "tcsh"]):
            self.call(USAGE, *words)
        nobody = run("wait", "shop/good", "--server", "http://127.0.0.1:1")
        self.assertEqual((nobody.returncode, nobody.stdout), (UNREACHABLE, ""))
        self.assertIn("http://127.0.0.1:1", nobody.stderr)
        for command in ("status", "wait", "gate", "explain", "refresh", "completion"):
            self.assertIn(f"Usage: gatehouse {command}", self.call(FINE, command, "--help").stdout)
        self.assertIn("4 superseded", self.call(FINE, "wait", "-h").stdout)

    def test_6_a_terminal_gets_one_live_line(self) -> None:
        pid, terminal = pty.fork()
        if pid == 0:
            os.execve(str(BINARY), [str(BINARY), "wait", "shop/bad", "--timeout", "3s"],
                      {**os.environ, "GATEHOUSE_SERVER": self.server.url})
        seen = b""
        while True:
            try:
                piece = os.read(terminal, 4096)
            except OSError:
                break
            if not piece:
                break
            seen += piece
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), TIMEOUT, seen)
        self.assertGreaterEqual(seen.count(b"\rshop/bad "), 3, seen)  # drawn again each second
        self.assertIn(b"[--------------------] stuck: 0 of 2 gates open", seen)
        for line in re.split(rb"[\r\n]", seen):
            if b"[-" in line:
                self.assertLessEqual(len(line.replace(b"\x1b[K", b"").decode()), 80)
        self.assertIn(b"\r\x1b[Kshop/bad is stuck", seen)  # and it is gone when the result comes

    def test_7_it_is_a_kubectl_plugin_and_completes(self) -> None:
        plugin = self.folder / "kubectl-gates"
        plugin.symlink_to(BINARY)
        self.assertIn("shop", self.call(FINE, "status", binary=plugin).stdout)
        script = self.folder / "completion.bash"
        script.write_text(self.call(FINE, "completion", "bash").stdout)
        for line, want in ((["gatehouse", "wa"], "wait"), (["gatehouse", "ref"], "refresh"), (["gatehouse", "refresh", "--ti"], "--timeout"),
                           (["gatehouse", "wait", "--rev"], "--revision"),
                           (["gatehouse", "status", "-o", "j"], "json"), (["gatehouse", "serve", "--kubernetes-page"],
                                                                          "--kubernetes-page-size")):
            words = " ".join(f"'{w}'" for w in line)
            done = subprocess.run(["bash", "-c", f"source {script}; COMP_WORDS=({words}); COMP_CWORD={len(line) - 1}; "
                                                 "_gatehouse; printf '%s\\n' \"${COMPREPLY[@]}\""],
                                  capture_output=True, text=True, timeout=10)
            self.assertEqual(done.stdout.split(), [want], done.stderr)
        for shell in ("zsh", "fish"):
            path = self.folder / f"completion.{shell}"
            path.write_text(self.call(FINE, "completion", shell).stdout)
            self.assertIn("superseded", path.read_text())
            if shutil.which(shell):
                self.assertEqual(subprocess.run([shell, "-n", str(path)], timeout=10).returncode, 0)

    def test_8_a_wait_outlives_a_restart_of_the_server(self) -> None:
        done: list[subprocess.CompletedProcess[str]] = []
        waiter = threading.Thread(target=lambda: done.append(
            run("wait", "shop/bad", "--timeout", "90s", server=self.server.url, seconds=100)))
        waiter.start()
        time.sleep(1.5)
        port = self.server.url.rsplit(":", 1)[1]
        self.server.stop()
        time.sleep(1.5)
        type(self).server = Gatehouse(self.folder, {**self.config, "listen": f"127.0.0.1:{port}"})
        self.sim.control("do", {"do": "health", "binding": "shop/bad", "health": quick("alb-fast")})
        waiter.join(100)
        self.assertEqual(done[0].returncode, FINE, (done[0].stdout, done[0].stderr))
        self.assertIn("no answer", done[0].stderr)

    def test_8_what_replaces_a_pinned_image_supersedes_it(self) -> None:
        done: list[subprocess.CompletedProcess[str]] = []
        image = "registry.example/shop/bad:"
        self.sim.control("do", {"do": "set-image", "workload": "shop/bad", "image": image + "2"})
        waiter = threading.Thread(target=lambda: done.append(
            run("wait", "shop/bad", "--image", image + "2", "--timeout", "40s", server=self.server.url, seconds=50)))
        waiter.start()
        wait_until("revision 2 is seen", lambda: self.server.rollout("shop", "bad")["images"] == [image + "2"])
        time.sleep(1.5)
        self.sim.control("do", {"do": "set-image", "workload": "shop/bad", "image": image + "3"})
        waiter.join(50)
        self.assertEqual(done[0].returncode, SUPERSEDED, (done[0].stdout, done[0].stderr))
        self.assertIn("revision 3", done[0].stdout)

    def test_9_old_data_are_no_success(self) -> None:
        self.sim.stop()
        deadline = time.monotonic() + 60
        while run("status", "shop/good", server=self.server.url).returncode != UNREACHABLE:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.5)
        self.assertIn("old", self.call(UNREACHABLE, "status").stderr)


if __name__ == "__main__":
    unittest.main()
