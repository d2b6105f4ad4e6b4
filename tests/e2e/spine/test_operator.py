"""What an operator does and gets wrong: files, ports, databases, signals, and the checks of other tools."""
from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import pathlib
import shutil
import signal
import socket
import sqlite3
import subprocess
import unittest

from harness import BINARY, ROOT, Gatehouse, folder, wait_until

ALONE = {"kubernetes": {"enabled": False}, "aws": {"mode": "off"}}


def run(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(BINARY), *argv], capture_output=True, text=True, timeout=30)


class Operator(unittest.TestCase):
    def setUp(self) -> None:
        context = folder("operator")
        self.folder = context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)

    def file(self, name: str, text: str) -> pathlib.Path:
        path = self.folder / name
        path.write_text(text)
        return path

    def test_configuration_errors_name_the_place(self) -> None:
        path = self.file("bad.yaml", "listen: 127.0.0.1:0\npace:\n  stuck_mni: 5s\n")
        done = run("check-config", str(path))
        self.assertEqual(done.returncode, 1)
        self.assertIn("bad.yaml:3:3", done.stderr)
        done = run("serve", "--config", str(path))
        self.assertEqual(done.returncode, 2)
        self.assertIn("bad.yaml:3:3", done.stderr)
        self.assertEqual(run("check-config", str(ROOT / "config/example.yaml")).returncode, 0)
        self.assertEqual(run("frobnicate").returncode, 2)
        done = run("serve", "--kubernetes-enabled", "false")
        self.assertEqual(done.returncode, 2)
        self.assertIn("--kubernetes-enabled=false", done.stderr)

    def test_a_second_quickstart_leaves_the_first_its_folder(self) -> None:
        home = ROOT / "build/quickstart"
        home.mkdir(parents=True, exist_ok=True)
        with (home / "lock").open("w") as first:
            with contextlib.suppress(BlockingIOError):  # somebody's own runs: as good
                fcntl.flock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
            done = subprocess.run([str(ROOT / "config/quickstart"), "--no-install"], capture_output=True, text=True, timeout=30)
        self.assertEqual(done.returncode, 1)
        self.assertIn("another one runs", done.stderr)

    def test_a_port_in_use_and_an_unreadable_kubeconfig_are_said(self) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            done = run("serve", "--kubernetes-enabled=false", "--aws-mode=off", "--db", str(self.folder / "x.db"),
                       "--listen", address)
        self.assertEqual(done.returncode, 1)
        self.assertIn(address, done.stderr)
        broken = self.file("kubeconfig", "clusters: [\n")
        done = run("serve", "--kubeconfig", str(broken), "--db", str(self.folder / "y.db"), "--listen", "127.0.0.1:0")
        self.assertEqual(done.returncode, 1)
        self.assertIn(str(broken), done.stderr)

    def test_databases_that_are_corrupt_foreign_or_newer(self) -> None:
        for name, make in (("corrupt", lambda p: p.write_bytes(b"SQLite format 3\0" + b"\xff" * 8000)),
                           ("foreign", lambda p: sqlite3.connect(p).executescript("CREATE TABLE mine (a); INSERT INTO mine VALUES (1);")),
                           ("text", lambda p: p.write_text("not a database\n"))):
            with self.subTest(name):
                path = self.folder / f"{name}.db"
                make(path)
                server = Gatehouse(self.folder, {**ALONE, "db": str(path)}, name=name)
                self.assertEqual(server.request("/livez")[0], 200)
                server.stop()
                aside = list(self.folder.glob(f"{name}.db.set-aside-*"))
                self.assertTrue(aside, server.text())
                self.assertIn("set-aside", server.text())
        path = self.folder / "newer.db"
        server = Gatehouse(self.folder, {**ALONE, "db": str(path)}, name="newer")
        server.stop()
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA user_version = 9999")
        connection.close()
        before = path.read_bytes()
        done = run("serve", "--kubernetes-enabled=false", "--aws-mode=off", "--db", str(path), "--listen", "127.0.0.1:0")
        self.assertEqual(done.returncode, 1)
        self.assertIn("newer", done.stderr)
        self.assertEqual(path.read_bytes(), before)

    def test_a_database_that_goes_bad_while_it_runs_ends_it_and_is_replaced_at_the_next_start(self) -> None:
        path = self.folder / "bad.db"
        Gatehouse(self.folder, {**ALONE, "db": str(path)}, name="bad").stop()  # all is in the file, not in the log
        server = Gatehouse(self.folder, {**ALONE, "db": str(path)}, name="bad")
        self.addCleanup(server.stop)
        with path.open("r+b") as file:
            for page in range(1, path.stat().st_size // 4096):
                file.seek(page * 4096)
                file.write(b"\xde\xad\xbe\xef" * 1024)
        wait_until("it ends", lambda: server.alive() and server.request("/api/v1/alerts") and False or not server.alive(), 20)
        self.assertEqual(server.popen.wait(20), 1)
        self.assertIn(f'file="{path}" lost="database disk image is malformed"', server.text())
        again = Gatehouse(self.folder, {**ALONE, "db": str(path)}, name="bad")
        self.addCleanup(again.stop)
        self.assertEqual(again.request("/api/v1/alerts")[0], 200)
        self.assertTrue([p for p in self.folder.glob("bad.db.set-aside-*") if p.name.endswith("Z")], again.text())
        self.assertFalse((self.folder / "bad.db.damaged").exists())

    def test_a_database_that_is_taken_away_ends_it(self) -> None:
        path = self.folder / "away.db"
        server = Gatehouse(self.folder, {**ALONE, "db": str(path)}, name="away")
        self.addCleanup(server.stop)
        path.unlink()
        self.assertEqual(server.popen.wait(20), 1)
        self.assertIn(f'file="{path}" lost="the file was removed or replaced"', server.text())

    def test_reload_takes_a_valid_file_and_keeps_the_old_one_otherwise(self) -> None:
        server = Gatehouse(self.folder, ALONE)
        self.addCleanup(server.stop)
        config = json.loads(server.config_path.read_text())
        server.config_path.write_text("pace: [\n")
        status, _, body = server.request("/-/reload", method="POST", body=b"")
        self.assertGreaterEqual(status, 400)
        self.assertIn(b"gatehouse.yaml:", body)
        server.config_path.write_text(json.dumps({**config, "log_level": "debug"}))
        server.popen.send_signal(signal.SIGHUP)
        wait_until("the reload is logged", lambda: "reload file=" in server.text(), 10)
        self.assertEqual(server.request("/livez")[0], 200)
        self.assertEqual(server.stop(), 0)

    def test_a_reload_says_what_waits_for_a_restart_and_leaves_no_door_open(self) -> None:
        token = {"name": "me", "sha256": hashlib.sha256(b"open sesame").hexdigest()}
        server = Gatehouse(self.folder, {**ALONE, "listen": "0.0.0.0:0", "access": {"tokens": [token]}})
        self.addCleanup(server.stop)
        server.url = server.url.replace("0.0.0.0", "127.0.0.1")
        mine = {"authorization": "Bearer open sesame"}
        self.assertEqual(server.request("/readyz")[0], 200, "nothing has to be listed where no cluster is watched")

        def reload(**more: object) -> tuple[int, str]:
            config = {**ALONE, "listen": "0.0.0.0:0", "db": str(self.folder / "gatehouse.db"), "access": {"tokens": [token]}, **more}
            server.config_path.write_text(json.dumps(config))
            status, _, body = server.request("/-/reload", mine, "POST", b"")
            return status, body.decode()

        self.assertEqual(reload(log_level="debug"), (200, "reloaded\n"))
        for _ in range(2):  # the second time too, though nothing is new
            self.assertEqual(reload(threads=2, store={"cache": "9MiB"}), (200, "reloaded; these wait for a restart: threads,store.cache\n"))
        self.assertEqual(reload(), (200, "reloaded\n"))
        status, text = reload(listen="127.0.0.1:0", access={"tokens": []})
        self.assertEqual(status, 422)
        self.assertIn("until a restart this server listens on 0.0.0.0:0, so at least one token must stay", text)
        self.assertEqual(server.request("/api/v1/summary")[0], 401)
        other = {"name": "other", "sha256": hashlib.sha256(b"another").hexdigest()}
        self.assertEqual(reload(access={"tokens": [other]}), (200, "reloaded\n"))
        wait_until("the old token is refused", lambda: server.request("/api/v1/summary", mine)[0] == 401, 5)

    def test_metrics_satisfy_promtool_and_the_contract_is_served(self) -> None:
        server = Gatehouse(self.folder, ALONE)
        self.addCleanup(server.stop)
        _, headers, body = server.request("/metrics")
        self.assertTrue(headers["content-type"].startswith("text/plain"))
        self.assertIn(b'gatehouse_pods_contradicting{contradiction="fail_open"} 0', body)
        promtool = shutil.which("promtool")
        self.assertIsNotNone(promtool, "promtool comes with Debian's prometheus (config/deps e2e)")
        done = subprocess.run([promtool, "check", "metrics"], input=body, capture_output=True, timeout=30)
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, b""))
        status, _, body = server.request("/api/v1/openapi.json")
        self.assertEqual(status, 200)
        self.assertTrue(json.loads(body)["openapi"].startswith("3.1"))
        status, headers, body = server.request("/")
        self.assertEqual(status, 200)
        self.assertIn("default-src", headers["content-security-policy"])


if __name__ == "__main__":
    unittest.main()
