"""Whether a command has the server fill, and reaching it while the command reads a picture.

Importing this must stay cheap: what takes long is imported by the thread that connects.
"""

from __future__ import annotations

import argparse
import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING

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
    with EarlyConnection(own_command()) as early:
        yield early


def fills_by_server(args: argparse.Namespace) -> bool:
    """Whether a command with the options of `add_fill_options` has the server fill, if there can be one."""
    if args.device != "auto" or args.no_server:
        return False
    if not args.model:
        return True
    from lama_core.model.installed import registry

    # A path never goes to the server, and its device is its own setting.
    return args.model in {model.name for model in registry.list_models()}


class EarlyConnection:
    """A connection that a thread of its own makes, from entering this context on. Closed when it is left."""

    def __init__(self, command: Sequence[str]) -> None:
        """Prepare. `command`: as for `lama_core.client.connection.connect`."""
        self._command = command
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
        # Imported here, where it costs the picture no time.
        from lama_core.client.connection import connect

        def told(stage: str) -> None:
            self._stage = stage

        try:
            self._client = connect(
                client="lama-fill",
                client_version=__version__,
                command=self._command,
                progress=told,
                cancelled=self._unwanted.is_set,
            )
        except Exception as error:  # noqa: BLE001 - raised where it is waited for
            self._problem = error
