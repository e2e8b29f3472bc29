"""`lama-fill status`: whether the server runs, and what it does."""

from __future__ import annotations

import argparse
import dataclasses
import json
from typing import TYPE_CHECKING

from lama_cli.accounts import add_server_option, chosen_account
from lama_cli.saying import say

if TYPE_CHECKING:
    from lama_core.client.protocol.messages import ServerStatus

NOT_RUNNING = 1


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "status",
        help="say whether the server runs and what it does",
        description=f"Say whether the server runs and what it does; exit with {NOT_RUNNING} if it does not.",
    )
    parser.add_argument("--json", action="store_true", help="as one JSON object")
    add_server_option(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Ask the server and print what it says."""
    from lama_core.client.connection import ServerNotFoundError, connect
    from lama_core.client.connection.runtime import read_runtime_file
    from lama_core.client.places import state_folder

    account = chosen_account(args) if args.server else None
    if account is not None:
        with connect(client="lama-fill status", account=account) as server:
            status = server.status()
        if args.json:
            print(json.dumps({"address": str(account.address), **dataclasses.asdict(status)}))
        else:
            for line in describe(status, str(account.address)):
                say(line)
        return 0
    try:
        place = read_runtime_file(state_folder())
        with connect(client="lama-fill status", start=False) as server:
            status = server.status()
    except ServerNotFoundError:
        print(json.dumps({"state": "stopped"}) if args.json else "the server is not running")
        return NOT_RUNNING
    if args.json:
        print(json.dumps({"port": place.port, **dataclasses.asdict(status)}))
    else:
        for line in describe(status, f"127.0.0.1:{place.port}"):
            say(line)
    return 0


def describe(status: ServerStatus, place: str) -> list[str]:
    """The lines that a person reads. `place`: where the server is."""
    process = f", process {status.pid}" if status.pid else ""
    lines = [
        f"server    {status.state}, version {status.server_version}, "
        f"{place}{process}, up {_duration(status.uptime_seconds)}",
        f"clients   {status.connections} connected",
        f"fills     {status.running} running, {status.queued} waiting; "
        f"{status.done} done, {status.failed} failed, {status.stopped} cancelled",
    ]
    for worker in status.workers:
        details = [f"model {worker.model}"] if worker.model else []
        details += [f"process {worker.pid}"] if worker.pid else []
        details += [f"{worker.memory_bytes / 2**20:.0f} MiB"] if worker.memory_bytes else []
        lines.append(f"worker    {', '.join([f'{worker.device} {worker.state}', *details])}")
    if status.problem:
        lines.append(f"problem   {status.problem}")
    models = ", ".join(model.name for model in status.models) or "none"
    lines.append(f"models    {models}; default: {status.default_model or 'none'}")
    return lines


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
