"""`lama-fill plugins`: the plug-ins in this user's editors."""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from lama_cli.saying import say
from lama_core.client.errors import LamaFillError

if TYPE_CHECKING:
    from lama_cli.editors.finding import Editor

_ARCHIVE = re.compile(r"lama-fill-(gimp|gimp210|krita)-(.+)\.zip")
_FAILED = 2


class ArchiveError(LamaFillError):
    """There is no archive of a plug-in where one was said to be."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command and its actions."""
    parser = commands.add_parser("plugins", help="the plug-ins in GIMP and Krita")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", help="the editors that were found, and what is in them").set_defaults(
        run=_list
    )
    adding = actions.add_parser("install", help="put the plug-ins into every GIMP and Krita")
    adding.add_argument("folder", metavar="FOLDER", type=Path, help="where the lama-fill-*.zip archives are")
    adding.set_defaults(run=_install)
    actions.add_parser("remove", help="take them out again").set_defaults(run=_remove)


def _editors() -> tuple[Editor, ...]:
    from lama_cli.editors.finding import find_editors, roots_here

    return find_editors(roots_here(os.environ))


def _list(args: argparse.Namespace) -> int:
    from lama_cli.editors.finding import roots_here, unstarted
    from lama_cli.editors.installing import find_installed

    editors = _editors()
    for editor in editors:
        found = find_installed(editor)
        state = "no plug-in" if found is None else f"plug-in {found.version or 'of unknown version'}"
        say(f"{editor.about}: {state}, {editor.plugins}")
    for name in unstarted(roots_here(os.environ)):
        say(f"{name}: was never started")
    if not editors:
        say("no GIMP and no Krita was found; start yours once, so that it makes its folders")
    return 0


def _install(args: argparse.Namespace) -> int:
    from lama_cli.autostart.discovery_files import record_command
    from lama_cli.editors.finding import roots_here, unstarted
    from lama_core.client.places import state_folder

    archives = {
        found[1]: (path, found[2])
        for path in sorted(args.folder.glob("*.zip"))
        if (found := _ARCHIVE.fullmatch(path.name))
    }
    if not archives:
        raise ArchiveError(f"{args.folder} has no lama-fill-gimp-*.zip and no lama-fill-krita-*.zip in it")
    # So that they can start the server, wherever it is.
    record_command(state_folder())
    editors = _editors()
    status = max(
        (_install_one(editor, *archives[editor.kind]) for editor in editors if editor.kind in archives),
        default=0,
    )
    for name in unstarted(roots_here(os.environ)):
        say(f"{name}: start it once, then run this again")
    if not editors:
        say("no GIMP and no Krita was found; start yours once, then run this again")
    return status


def _install_one(editor: Editor, archive: Path, version: str) -> int:
    from lama_cli.editors.installing import install

    try:
        install(editor, archive, version)
    except LamaFillError as error:
        say(str(error), error=True)  # the others can still be done
        return _FAILED
    say(f"{editor.about}: plug-in {version} is in {editor.plugins}")
    return 0


def _remove(args: argparse.Namespace) -> int:
    from lama_cli.editors.installing import remove

    for editor in _editors():
        say(f"{editor.about}: {'removed' if remove(editor) else 'had none of ours'}")
    return 0
