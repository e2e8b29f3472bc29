"""`lama-fill web`: a page with a mask brush, in the browser."""

from __future__ import annotations

import argparse
import contextlib
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from lama_cli.accounts import add_server_option, chosen_account
from lama_core.client.text import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lama_cli.web.companion import Desk
    from lama_cli.web.open_picture import OpenPicture
    from lama_core.client.connection import Account, Client

_OFFER_SECONDS = 30.0
_LOOK_SECONDS = 1.0
"""How often a server is looked for that the user has ended."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "web",
        help="paint over what is to be gone in the browser",
        description="Open a page in the browser, on this machine alone, where you paint over what is to be "
        "gone. Pictures given here are filled at their full depth and saved beside the original.",
        epilog="The address is good once. Ctrl+C ends this command; an open page goes on as long as the "
        "server runs.",
    )
    parser.add_argument("pictures", metavar="PICTURE", type=Path, nargs="*")
    add_server_option(parser)
    parser.add_argument("--no-open", action="store_true", help="print the address, open no browser")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Serve the page until interrupted. Returns the exit status."""
    from lama_cli.starting import own_command
    from lama_cli.web.open_picture import OpenPicture
    from lama_core.client.connection import connect
    from lama_core.client.protocol import auth
    from lama_server import __version__

    pictures = [OpenPicture(path) for path in args.pictures]
    for picture in pictures:
        picture.describe()
    account = chosen_account(args)
    if account is not None:
        # What is wrong with it is said before a page is opened.
        connect(client="lama-fill web", client_version=__version__, account=account).close()
    with connect(client="lama-fill web", client_version=__version__, command=own_command()) as server:
        token = auth.new_token()
        _Session(server, pictures, token, account, show=not args.no_open).run()
    return 0


class _Session:
    """One page, over as many servers as it takes."""

    def __init__(
        self,
        server: Client,
        pictures: Sequence[OpenPicture],
        token: str,
        account: Account | None,
        *,
        show: bool,
    ) -> None:
        """`account`: of the shared server that fills; None where this machine's own does."""
        self._server = server
        self._account = account
        self._pictures = pictures
        self._token = token
        self._show = show
        self._used = False
        self._stack = contextlib.ExitStack()

    def run(self) -> None:
        """Stay with the page; what raises is an error or an interrupt."""
        with self._stack:
            self._run()

    def _run(self) -> None:
        from websockets.exceptions import WebSocketException

        from lama_core.client.connection import ClientError

        announced = ended_by_user = False
        while True:
            try:
                desk = self._open_desk()
                ended: list[bool] = []
                serving = threading.Thread(target=_serve, args=(desk, ended), name="desk", daemon=True)
                serving.start()
                desk.offer(self._token, used=self._used)
                if not announced and desk.wait_until_offered(_OFFER_SECONDS):
                    self._announce()
                    announced = True
                while serving.is_alive():
                    serving.join(0.2)
                    self._used = self._used or desk.joined.is_set()
                ended_by_user = bool(ended and ended[0])
            except (ClientError, WebSocketException, OSError) as error:
                print(f"lama-fill: {one_line(str(error))}", file=sys.stderr)
            self._find_server(ended_by_user=ended_by_user)

    def _open_desk(self) -> Desk:
        from lama_cli.web.companion import Desk
        from lama_core.client.connection import connect
        from lama_core.client.connection.runtime import read_runtime_file
        from lama_core.client.places import state_folder

        # A client is for one thread, and fills are made in another one than this.
        return Desk(
            read_runtime_file(state_folder()),
            self._pictures,
            lambda: connect(client="lama-fill web", start=False, account=self._account),
            is_shared=self._account is not None,
        )

    def _announce(self) -> None:
        from lama_cli.web.opening import opened_in_browser, readable_folder
        from lama_core.client.connection.runtime import read_runtime_file
        from lama_core.client.places import state_folder
        from lama_core.client.protocol import auth

        address = f"{auth.origin(read_runtime_file(state_folder()).port)}/#{self._token}"
        print(address, flush=True)
        opened = False
        if self._show:
            folder = readable_folder(state_folder(), Path.home())
            opened = self._stack.enter_context(opened_in_browser(address, folder))
        if not opened:
            print("open this address in a browser; it is good once", file=sys.stderr)
        print("Ctrl+C ends this command", file=sys.stderr)

    def _find_server(self, *, ended_by_user: bool) -> None:
        """Wait for the next server: start one where the last was lost, not where it was told to end."""
        words = "the server has ended; waiting for the next one" if ended_by_user else "the server was lost"
        print(f"lama-fill: {words}", file=sys.stderr)
        while not self._reaches(ended_by_user=ended_by_user):
            time.sleep(_LOOK_SECONDS)

    def _reaches(self, *, ended_by_user: bool) -> bool:
        """Whether there is a server now."""
        from lama_core.client.connection import ClientError, connect

        try:
            if ended_by_user:
                connect(client="lama-fill web", start=False).close()
            else:
                self._server.reach()
        except ClientError as error:
            if not ended_by_user:
                print(f"lama-fill: {one_line(str(error))}", file=sys.stderr)
            return False
        return True


def _serve(desk: Desk, ended: list[bool]) -> None:
    ended.append(desk.run())
