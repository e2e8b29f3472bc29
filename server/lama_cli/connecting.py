"""Whether a command has the server fill, and reaching it while the command reads a picture.

Importing this must stay cheap: what takes long is imported by the thread that connects.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING

from lama_cli.accounts import chosen_account
from lama_cli.starting import own_command
from lama_server import __version__

if TYPE_CHECKING:
    from lama_core.client.connection import Client

_TELL_SECONDS = 0.05
"""How often whoever waits is told what for."""


@contextlib.contextmanager
def early_connection(args: argparse.Namespace) -> Iterator[EarlyConnection | None]:
    """A connection to the server that is made from now on; None where the command fills without one.

    `args`: of a command with the options of `add_fill_options`.
    """
    if not fills_by_server(args):
        yield None
        return
    with EarlyConnection(partial(open_client, args)) as early:
        yield early


def fills_by_server(args: argparse.Namespace) -> bool:
    """Whether a command with the options of `add_fill_options` has the server fill, if there can be one."""
    if args.device != "auto" or args.no_server:
        return False
    if not args.model:
        return True
    if is_shared(args):
        return not os.path.exists(args.model)
    from lama_core.model.installed import registry

    # A path never goes to the server, and its device is its own setting.
    return args.model in {model.name for model in registry.list_models()}


def is_shared(args: argparse.Namespace) -> bool:
    """Whether the server is one that other machines reach."""
    return chosen_account(args) is not None


def open_client(
    args: argparse.Namespace,
    progress: Callable[[str], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Client:
    """A connection to the server that a command is to use.

    Args:
        args: of a command with the options of `add_fill_options`.
        progress: told "starting" while this machine's own server is being started.
        cancelled: whether nobody waits any more.

    Raises:
        LamaFillError: there is none, and why.
    """
    from lama_core.client.connection import connect

    return connect(
        client="lama-fill",
        client_version=__version__,
        command=own_command(),
        progress=progress,
        cancelled=cancelled,
        account=chosen_account(args),
    )


class EarlyConnection:
    """A connection that a thread of its own makes, from entering this context on. Closed when it is left."""

    def __init__(self, connect: Callable[[Callable[[str], None], Callable[[], bool]], Client]) -> None:
        """Prepare. `connect`: makes it; takes whom to tell "starting", and whether nobody waits any more."""
        self._make = connect
        self._client: Client | None = None
        self._problem: Exception | None = None
        self._stage = ""
        self._unwanted = threading.Event()
        self._thread = threading.Thread(target=self._connect, name="lama-fill connect", daemon=True)

    def __enter__(self) -> EarlyConnection:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._unwanted.set()
        self._thread.join()
        if self._client is not None:
            self._client.close()

    def client(self, progress: Callable[[str], None]) -> Client:
        """The connected client, waited for.

        Args:
            progress: told "starting" while the server is being started.

        Raises:
            ClientError: as `connect` does.
        """
        while self._thread.is_alive():
            self._thread.join(_TELL_SECONDS)
            if self._stage:
                progress(self._stage)
        if self._problem is not None:
            raise self._problem
        assert self._client is not None
        return self._client

    def _connect(self) -> None:
        def told(stage: str) -> None:
            self._stage = stage

        try:
            # What takes long is imported here, where it costs the picture no time.
            self._client = self._make(told, self._unwanted.is_set)
        except Exception as error:  # noqa: BLE001 - raised where it is waited for
            self._problem = error
