"""The command line of the simulated cluster."""
from __future__ import annotations

import argparse
import asyncio
import base64
import os
import pathlib
import shutil
import signal
import ssl
import sys
import tempfile
import time
from typing import Optional

import yaml
from aiohttp import web

from .actions import Actions
from .apiserver import ApiServer
from .clock import Clock
from .cluster import Cluster
from .control import Control
from .scenario import Scenario, ScenarioError, load
from .tls import make
from .util import duration

LIMIT = 16 << 20  # bytes of a request's body


def arguments(argv: Optional[list[str]] = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="sim", description="A simulated Kubernetes cluster with AWS load balancers.")
    parser.add_argument("--scenario", type=pathlib.Path, required=True, help="what the cluster holds and what happens (YAML)")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--tls", action="store_true", help="serve https with a certificate authority of its own")
    parser.add_argument("--token", default="", help="bearer token that requests must carry")
    parser.add_argument("--kubeconfig-out", type=pathlib.Path, help="write a kubeconfig here")
    parser.add_argument("--ready-file", type=pathlib.Path, help="write the address here once serving")
    parser.add_argument("--speed", type=float, help="simulated seconds per real second")
    parser.add_argument("--manual-clock", action="store_true", help="time stands still until POST /_sim/clock advances it")
    parser.add_argument("--seed", type=int, help="of names, uids and jitter")
    return parser.parse_args(argv)


class Program:
    """One running simulator."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        doc = load(args.scenario)
        warm = duration(doc.get("warmup", 0)) + 5.0
        self.cluster = Cluster(Clock(time.time() - warm, args.speed or float(doc.get("speed", 1))),
                               args.seed if args.seed is not None else int(doc.get("seed", 1)))
        self.api = ApiServer(self.cluster.store, args.token)
        self.actions = Actions(self.cluster, self.api)
        self.scenario = Scenario(doc, self.cluster, self.actions)
        self.control = Control(self.cluster, self.api, self.actions, self.write_kubeconfig)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="gatesim-"))
        self.ca = ""
        self.url = ""

    def write_kubeconfig(self, token: str) -> None:
        """Replaces the kubeconfig file in one step."""
        out = self.args.kubeconfig_out
        if out is None:
            return
        cluster: dict[str, str] = {"server": self.url}
        if self.ca:
            cluster["certificate-authority-data"] = base64.b64encode(self.ca.encode()).decode()
        doc = {"apiVersion": "v1", "kind": "Config", "current-context": "simulated",
               "clusters": [{"name": "simulated", "cluster": cluster}],
               "contexts": [{"name": "simulated", "context": {"cluster": "simulated", "user": "simulated"}}],
               "users": [{"name": "simulated", "user": {"token": token} if token else {}}]}
        part = out.with_name(out.name + ".part")
        part.write_text(yaml.safe_dump(doc, sort_keys=False), encoding="utf-8")
        part.chmod(0o600)
        part.replace(out)

    async def serve(self) -> None:
        """Serves until SIGTERM or SIGINT."""
        context: Optional[ssl.SSLContext] = None
        if self.args.tls:
            context, self.ca = make(self.folder)
        self.scenario.populate()
        app = web.Application(client_max_size=LIMIT)
        app.router.add_route("*", "/_sim/{rest:.*}", self.control.handle)
        app.router.add_route("*", "/{path:.*}", self.api.handle)
        runner = web.AppRunner(app, access_log=None, handle_signals=False)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", self.args.port, ssl_context=context)
        await site.start()
        port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        self.url = f"{'https' if context else 'http'}://127.0.0.1:{port}"
        if not self.args.manual_clock:
            self.cluster.clock.go_live(asyncio.get_running_loop())
        self.scenario.begin()
        self.write_kubeconfig(self.args.token)
        print(f"ready {self.url}", flush=True)
        if self.args.ready_file:
            self.args.ready_file.write_text(self.url + "\n", encoding="ascii")
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await stop.wait()


def main(argv: Optional[list[str]] = None) -> int:
    """Runs the simulator; streams are cut, not drained, when it is told to stop."""
    args = arguments(argv)
    try:
        program = Program(args)
    except ScenarioError as err:
        print(f"sim: {err}", file=sys.stderr)
        return 2
    try:
        asyncio.run(_until_stopped(program))
    except ScenarioError as err:
        print(f"sim: {err}", file=sys.stderr)
        return 2
    except OSError as err:
        print(f"sim: {err}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(program.folder, ignore_errors=True)
    return 0


async def _until_stopped(program: Program) -> None:
    await program.serve()
    shutil.rmtree(program.folder, ignore_errors=True)
    sys.stdout.flush()
    os._exit(0)
