"""`lama-fill service`: have the operating system start the server."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from lama_cli.saying import say

if TYPE_CHECKING:
    from lama_cli.autostart import Autostart

NOT_INSTALLED = 1


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command and its actions."""
    parser = commands.add_parser(
        "service",
        help="have the operating system start the server, for editors that cannot",
        description="Have the operating system start the server. Editors in a Flatpak or Snap need it; "
        "others start the server themselves.",
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    installing = actions.add_parser("install", help="set it up for this user, from now on")
    installing.add_argument(
        "--dry-run", action="store_true", help="print the files that would be written, and write none"
    )
    installing.set_defaults(run=_install)
    actions.add_parser("uninstall", help="take all of it back").set_defaults(run=_uninstall)
    state = actions.add_parser("status", help=f"whether it is set up; exit with {NOT_INSTALLED} if it is not")
    state.add_argument("--json", action="store_true", help="as one JSON object")
    state.set_defaults(run=_status)
    actions.add_parser("start", help="put it in force again after `stop`").set_defaults(run=_start)
    actions.add_parser(
        "stop", help="end the server, and start none until `start` or the next login"
    ).set_defaults(run=_stop)


def _here() -> Autostart:
    from lama_cli.autostart import autostart_here

    return autostart_here()


def _install(args: argparse.Namespace) -> int:
    from lama_cli.autostart import launch_here

    here, launch = _here(), launch_here()
    files = here.plan(launch)
    if args.dry_run:
        for path, content in files.items():
            text = content.decode("utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8")
            for line in (str(path), "", *text.splitlines()):
                say(line)
        return 0
    here.install(launch)
    say(f"{here.kind}: {here.state().about}")
    for path in files:
        say(f"written: {path}")
    return 0


def _uninstall(args: argparse.Namespace) -> int:
    here = _here()
    say(f"{here.kind}: {'removed' if here.uninstall() else 'was not set up'}")
    return 0


def _status(args: argparse.Namespace) -> int:
    here = _here()
    state = here.state()
    if args.json:
        print(
            json.dumps(
                {
                    "kind": here.kind,
                    "installed": state.installed,
                    "active": state.active,
                    "about": state.about,
                }
            )
        )
    else:
        say(f"{here.kind}: {state.about}")
    return 0 if state.installed else NOT_INSTALLED


def _start(args: argparse.Namespace) -> int:
    here = _demand_installed()
    here.start()
    say(f"{here.kind}: {here.state().about}")
    return 0


def _stop(args: argparse.Namespace) -> int:
    here = _demand_installed()
    here.stop()
    say(f"{here.kind}: stopped")
    return 0


def _demand_installed() -> Autostart:
    from lama_cli.autostart import AutostartError

    here = _here()
    state = here.state()
    if not state.installed:
        raise AutostartError(f"{here.kind}: {state.about}")
    return here
