"""Find the server, and start it, while the artist looks at the dialog."""

from __future__ import annotations

import threading

from lama_core.client.connection import Client, connect, find_account
from lama_core.client.errors import LamaFillError
from lama_core.client.gimp.progress import PULSE_SECONDS, Progress, ProgressBar, show_stage


class ServerConnector(threading.Thread):
    """Looks for the server in the background, and starts it where it does not run.

    Attributes:
        server: None as long as there is none.
    """

    def __init__(self, version: str, address: str = "") -> None:
        """Begin at once.

        Args:
            version: of GIMP, for the server's log.
            address: of a shared server; "" for what is set, or this machine's own.
        """
        super().__init__(name="lama-fill server", daemon=True)
        self.server: Client | None = None
        self.address = address
        self._version = version
        self.start()

    def run(self) -> None:
        try:
            self.server = connect(
                client="gimp", client_version=self._version, account=find_account(self.address)
            )
        except LamaFillError:
            # The artist may still cancel the dialog; `find_server` tries again, and says what is wrong.
            self.server = None


def find_server(
    connector: ServerConnector | None, version: str, bar: ProgressBar, address: str = ""
) -> Client:
    """The server; the progress bar moves as long as it is waited for.

    Args:
        connector: what has looked for it before; None: look for it now.
        version: of GIMP, for the server's log.
        bar: shows that something goes on.
        address: of a shared server; "" for what is set, or this machine's own.

    Raises:
        ClientError: there is none, and none can be started.
    """
    show_stage(bar, "queued")
    progress = Progress(bar)
    while connector is not None and connector.is_alive():
        connector.join(PULSE_SECONDS)
        progress.starting("starting")
    if connector is not None and connector.server is not None:
        if connector.address == address:
            return connector.server
        connector.server.close()
    return connect(
        client="gimp",
        client_version=version,
        progress=progress.starting,
        cancelled=progress.tick,
        account=find_account(address),
    )
