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
from .awsserver import ROLE, AwsServer
from .clock import Clock
from .cluster import Cluster
from .control import Control
from .scenario import Scenario, ScenarioError, load
from .tls import make
from .targets import REGION
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
    parser.add_argument("--aws-env-out", type=pathlib.Path, help="serve ELBv2, STS and credential endpoints; write their variables here")
    parser.add_argument("--aws-port", type=int, default=0, help="their port on 127.0.0.1; 0 takes a free one")
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
        self.aws = AwsServer(self.cluster.elb, self.api.faults)
        self.control = Control(self.cluster, self.api, self.actions, self.aws, self.write_kubeconfig)
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
               "users": [{"name": "simulated", "user": {"token": token or "not-needed"}}]}  # without one kubectl asks for a password
        part = out.with_name(out.name + ".part")
        part.write_text(yaml.safe_dump(doc, sort_keys=False), encoding="utf-8")
        part.chmod(0o600)
        part.replace(out)

    async def _serve_aws(self) -> None:
        """The AWS endpoints, and the variables that send a client there."""
        app = web.Application(client_max_size=LIMIT)
        app.router.add_route("*", "/{path:.*}", self.aws.handle)
        url = f"http://127.0.0.1:{await _listen(app, self.args.aws_port, None)}"
        token, identity = self.folder / "container-token", self.folder / "web-identity-token"
        token.write_text(self.aws.container_token, encoding="ascii")  # SDKs take every byte of it
        identity.write_text(self.aws.web_identity, encoding="ascii")
        key = self.aws.vault.long
        lines = {"AWS_ENDPOINT_URL_ELASTIC_LOAD_BALANCING_V2": url, "AWS_ENDPOINT_URL_STS": url, "AWS_REGION": REGION,
                 "AWS_DEFAULT_REGION": REGION, "AWS_ACCESS_KEY_ID": key.ident, "AWS_SECRET_ACCESS_KEY": key.secret}
        others = {"AWS_WEB_IDENTITY_TOKEN_FILE": identity, "AWS_ROLE_ARN": ROLE, "AWS_CONTAINER_CREDENTIALS_FULL_URI": url + "/v1/credentials",
                  "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": token, "AWS_EC2_METADATA_SERVICE_ENDPOINT": url}
        text = "".join(f"{k}={v}\n" for k, v in lines.items())
        text += "# instead of the two keys, one of:\n" + "".join(f"# {k}={v}\n" for k, v in others.items())
        self.args.aws_env_out.write_text(text, encoding="ascii")
        self.args.aws_env_out.chmod(0o600)

    async def serve(self) -> None:
        """Serves until SIGTERM or SIGINT."""
        context: Optional[ssl.SSLContext] = None
        if self.args.tls:
            context, self.ca = make(self.folder)
        self.scenario.populate()
        app = web.Application(client_max_size=LIMIT)
        app.router.add_route("*", "/_sim/{rest:.*}", self.control.handle)
        app.router.add_route("*", "/{path:.*}", self.api.handle)
        port = await _listen(app, self.args.port, context)
        self.url = f"{'https' if context else 'http'}://127.0.0.1:{port}"
        if not self.args.manual_clock:
            self.cluster.clock.go_live(asyncio.get_running_loop())
        self.scenario.begin()
        if self.args.aws_env_out:
            await self._serve_aws()
        self.write_kubeconfig(self.args.token)
        print(f"ready {self.url}", flush=True)
        if self.args.ready_file:
            self.args.ready_file.write_text(self.url + "\n", encoding="ascii")
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await stop.wait()


async def _listen(app: web.Application, port: int, context: Optional[ssl.SSLContext]) -> int:
    """Serves on loopback; the port."""
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port, ssl_context=context)
    await site.start()
    return int(site._server.sockets[0].getsockname()[1])  # type: ignore[union-attr]


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
