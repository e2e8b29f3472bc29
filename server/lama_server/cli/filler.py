"""Where a command's fills are made: by the server where it can be, else in this process."""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import sys
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from lama_core.client import ServerStartError, connect
from lama_core.fill import FillOptions
from lama_core.model import store
from lama_server import __version__
from lama_server.filling import FillReport, InProcessFiller, Progress, fill_through_server

#: Fills a hole in place; pixels, hole and options as for `lama_core.fill.fill`.
Filler = Callable[[NDArray[Any], NDArray[Any], FillOptions, Progress], FillReport]


@contextlib.contextmanager
def open_filler(args: argparse.Namespace, *, progress: Progress) -> Iterator[Filler]:
    """What fills, ready for many pictures.

    Args:
        args: of a command with the options of `add_fill_options`.
        progress: told while the server is started or the model is loaded.

    Raises:
        LamaFillError: there is no such model or device, or the server cannot be reached.
    """
    name = args.model or ""
    if name:
        weights = store.resolve(name)
    # A path never goes to the server, and its device is its own setting.
    installed = not name or name in {model.name for model in store.list_models()}
    if installed and args.device == "auto" and not args.no_server:
        _name_own_command()
        with contextlib.ExitStack() as stack:
            try:
                server = stack.enter_context(
                    connect(
                        client="lama-fill",
                        client_version=__version__,
                        progress=lambda stage: progress(stage, 0.0),
                    )
                )
            except ServerStartError as error:
                print(f"lama-fill: filling without the server: {error}", file=sys.stderr)
            else:
                yield lambda pixels, hole, options, progress: fill_through_server(
                    pixels, hole, options, server=server, model=name, progress=progress
                )
                return
    if not name:
        name = store.default_model()
        weights = store.find_model(name).path
    yield InProcessFiller(model=name, weights=weights, device=args.device)


def _name_own_command() -> None:
    """A server that has to be started is the one of this installation, wherever it is."""
    from lama_core.client.launch import COMMAND_VARIABLE

    own = Path(sysconfig.get_path("scripts")) / ("lama-fill.exe" if sys.platform == "win32" else "lama-fill")
    if own.exists():
        os.environ.setdefault(
            COMMAND_VARIABLE, str(own) if sys.platform == "win32" else shlex.quote(str(own))
        )
