"""Who filled what, and when: one line of JSON a fill, without pixels and without names of files."""

from __future__ import annotations

import json
import logging
import time
from dataclasses import asdict, dataclass

AUDIT_NAME = "audit.log"
"""In the state folder of the server."""

logger = logging.getLogger("lama_server.audit")
"""Has a file of its own, see `lama_server.logs`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditLine:
    """One fill.

    Attributes:
        user: who asked.
        address: where from: an IP address.
        client: the program, as it calls itself.
        width, height: of the window, in pixels.
        format, depth: of its pixels.
        quality: that was asked for.
        model: that filled.
        received: bytes of pixels and hole.
        ending: "done", "stopped", or the error's code.
        seconds: that the fill took, without waiting.
        total_seconds: from its arrival to its end.
    """

    user: str
    address: str
    client: str
    width: int
    height: int
    format: str
    depth: str
    quality: str
    model: str
    received: int
    ending: str
    seconds: float
    total_seconds: float

    def write(self) -> None:
        """Put it into the file."""
        fields = {"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), **asdict(self)}
        fields["seconds"], fields["total_seconds"] = round(self.seconds, 3), round(self.total_seconds, 3)
        logger.info("%s", json.dumps(fields))
