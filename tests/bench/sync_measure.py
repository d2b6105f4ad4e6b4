"""Measures tests/bench/sync: curl and gatehouse in turn. Called by it: HOME PORT PODS TURNS."""
from __future__ import annotations

import os
import pathlib
import re
import resource
import signal
import sqlite3
import subprocess
import sys
import time

HOME, PORT, PODS, TURNS = pathlib.Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
POD_KIND = 18  # enum kind, stored in table sync


def children_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def curl() -> tuple[float, float]:
    """Wall and CPU seconds of reading every page into nothing over one connection."""
    pages = (PODS + 499) // 500
    config = HOME / "run/curl.conf"
    base = f"https://127.0.0.1:{PORT}/api/v1/pods?limit=500&continue="
    config.write_text("".join(f'url = "{base}{i or ""}"\noutput = /dev/null\n' for i in range(pages)))
    cpu, begin = children_cpu(), time.monotonic()
    subprocess.run(["curl", "-s", "-A", "bench", "--http1.1", "--cacert", str(HOME / "server.crt"), "-K", str(config)],
                   check=True)
    return time.monotonic() - begin, children_cpu() - cpu


def status_kib(pid: int, key: str) -> int:
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(rf"^{key}:\s+(\d+)", text, re.M)[1])


def committed(db: pathlib.Path) -> int:
    """Pods in committed rows once their list is whole, else 0."""
    try:
        with sqlite3.connect(f"file:{db}?mode=ro", uri=True, timeout=1) as connection:
            row = connection.execute("SELECT listed_at FROM sync WHERE kind = ? AND listed_at > 0", (POD_KIND,)).fetchone()
            return connection.execute("SELECT count(*) FROM pod").fetchone()[0] if row else 0
    except sqlite3.Error:
        return 0


def serve(first: bool) -> tuple[float, float, int]:
    """Wall and CPU seconds from start to committed rows, and the peak of resident memory in KiB."""
    db = HOME / "run/sync.db"
    for path in HOME.glob("run/sync.db*"):
        path.unlink()
    log = (HOME / "run/gatehouse.log").open("wb")
    begin = time.monotonic()
    server = subprocess.Popen(["build/release/gatehouse", "serve", "--listen", "127.0.0.1:0", "--db", str(db), "--kubeconfig",
                               str(HOME / "kubeconfig"), "--aws-mode", "off", "--kubernetes-watch-list=false"],
                              stderr=log, env={**os.environ, "KUBECONFIG": ""})
    while not (n := committed(db)):
        if server.poll() is not None or time.monotonic() - begin > 300:
            raise SystemExit(f"gatehouse did not sync; see {log.name}")
        time.sleep(0.02)
    wall = time.monotonic() - begin
    ticks = sum(map(int, pathlib.Path(f"/proc/{server.pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]))
    time.sleep(8 if first else 1)  # judging what came goes on: its memory counts too
    peak = status_kib(server.pid, "VmHWM")
    server.send_signal(signal.SIGTERM)
    server.wait(30)
    if n != PODS:
        raise SystemExit(f"{n} rows instead of {PODS}")
    return wall, ticks / os.sysconf("SC_CLK_TCK"), peak


def middle(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def main() -> None:
    curl()  # warms the page cache for both
    floors, runs = [], []
    for turn in range(TURNS):
        floors.append(curl())
        runs.append(serve(turn == 0))
    floor, run = middle([f[0] for f in floors]), middle([r[0] for r in runs])
    print(f"curl -o /dev/null: {floor:.2f} s wall, {middle([f[1] for f in floors]):.2f} s CPU")
    print(f"gatehouse to committed rows: {run:.2f} s wall, {middle([r[1] for r in runs]):.2f} s CPU")
    print(f"cold sync of {PODS} pods: ratio {run / floor:.2f}, peak memory {max(r[2] for r in runs) / 1024:.0f} MiB")


main()
