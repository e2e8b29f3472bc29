"""Finding the server, and starting it, while the artist looks at the dialog."""

from __future__ import annotations

import threading

from lama_core.client.connection import Client, connect
from lama_core.client.errors import LamaFillError
from lama_fill_gimp.job import PULSE_SECONDS, Meter, Waiting, stage_text


class Finding(threading.Thread):
    """Looks for the server in the background, and starts it where it does not run."""

    def __init__(self, version: str) -> None:
        """`version`: of GIMP, for the server's log."""
        super().__init__(name="lama-fill server", daemon=True)
        self.server: Client | None = None
        self._version = version
        self.start()

    def run(self) -> None:
        try:
            self.server = connect(client="gimp", client_version=self._version)
        except LamaFillError:
            # The artist may still cancel the dialog; `found_server` tries again, and says what is wrong.
            self.server = None


def found_server(finding: Finding | None, version: str, meter: Meter) -> Client:
    """The server, found before or now; the progress bar moves as long as it is waited for.

    Raises:
        ClientError: there is none, and none can be started.
    """
    meter.show(stage_text("queued"), 0.0)
    waiting = Waiting(meter)
    while finding is not None and finding.is_alive():
        finding.join(PULSE_SECONDS)
        waiting.starting("starting")
    if finding is not None and finding.server is not None:
        return finding.server
    return connect(client="gimp", client_version=version, progress=waiting.starting, cancelled=waiting.tick)
