"""Every number that bounds what one side may ask of the other.

`Limits` travels in `welcome`, because a client has to know it; the constants below it are the server's own
defaults and the bounds that the format itself has.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MIB: Final = 1024 * 1024


@dataclass(frozen=True)
class Limits:
    """What the server accepts from one connection.

    `max_frame_bytes`: size of one message. `max_side`: width or height of a fill in pixels. `max_pixels`:
    width times height of a fill. `max_jobs`: unfinished jobs of one connection. `heartbeat_seconds`: while a
    job is unfinished, the server says something about it at least this often.
    """

    max_frame_bytes: int = 512 * MIB
    max_side: int = 32768
    max_pixels: int = 1 << 26
    max_jobs: int = 32
    heartbeat_seconds: float = 2.0


# How long a server waits for a client.
AUTHENTICATE_SECONDS: Final = 10.0
"""From a connection to the end of its upgrade request, and from there to the end of `hello`."""
SEND_SECONDS: Final = 60.0
"""How long a client may leave what it was sent unread before it is given up (close code 1008)."""

# What a client waits for.
SILENT_HEARTBEATS: Final = 15
"""After this many heartbeats' time without a word about its job, a client takes the server for lost."""

FRAGMENT: Final = 1 << 16
"""Bytes after which a message between machines is cut: a ping may then be answered within a long one."""

# Bounds of the format itself.
MAX_JOB: Final = (1 << 53) - 1
"""Largest job number: every language's numbers hold it exactly."""
MAX_SIDE: Final = 1 << 20
MAX_PREVIEW_SIDE: Final = 256
"""Pixels of a preview, to either side."""
MAX_NAME: Final = 128
"""Characters of a name (client, version, model, device, stage)."""
MAX_TEXT: Final = 1024
"""Characters of a text for people (an error's message, a model's title)."""
MAX_LIST: Final = 64
"""Devices, models or workers in one message, and entries of any array or map."""
MAX_CONTAINERS: Final = 1024
"""Arrays and maps in one message."""
MAX_DEPTH: Final = 8
"""Arrays and maps within each other; the message itself is the first."""
MAX_COUNT: Final = (1 << 63) - 1
"""Largest count, byte count or process id."""
MAX_SERVER_FRAME_BYTES: Final = 1 << 31
"""Largest message that a client accepts from the server that it trusts."""
