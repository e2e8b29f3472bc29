"""Frames on a pipe: a header of JSON and raw bytes. An old Python writes and reads them in ten lines.

A frame is the length of its header, four bytes, the most significant first; the header, a JSON object in
UTF-8; and as many bytes as the header's `bytes` says (0 where it does not).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any, Final

from lama_core.client.errors import LamaFillError

MAX_HEADER: Final = 1 << 20
MAX_BYTES: Final = 1 << 36
"""More than any picture of GIMP has: whoever says more has written something else than a frame."""

_LENGTH: Final = 4
_PART: Final = 1 << 24
"""Bytes that are waited for at once, so that a wrong number takes no memory before they are there."""


class FrameError(LamaFillError):
    """What came through the pipe is no frame."""


@dataclass(frozen=True)
class Frame:
    """One frame.

    Attributes:
        header: its fields, `bytes` among them where it was read.
        content: raw bytes.
    """

    header: Mapping[str, Any]
    content: bytes = b""


def read_frame(pipe: IO[bytes]) -> Frame | None:
    """The next frame; None at the end of the pipe.

    Raises:
        FrameError: it ends in the middle of a frame, or no frame comes.
    """
    first = pipe.read(1)
    if not first:
        return None
    length = int.from_bytes(first + _read(pipe, _LENGTH - 1), "big")
    if not 0 < length <= MAX_HEADER:
        raise FrameError("what was sent does not begin with the length of a header")
    try:
        header = json.loads(_read(pipe, length).decode("utf-8"))
    except (ValueError, RecursionError):
        raise FrameError("what was sent has no header of JSON") from None
    size = header.get("bytes", 0) if isinstance(header, dict) else None
    if type(size) is not int or not 0 <= size <= MAX_BYTES:
        raise FrameError("what was sent has a header that does not say how many bytes follow")
    return Frame(header, _read(pipe, size))


def write_frame(pipe: IO[bytes], frame: Frame) -> None:
    """Write one frame, all of it. Raises OSError where nobody reads it."""
    header = json.dumps({**frame.header, "bytes": len(frame.content)}).encode("utf-8")
    for part in (len(header).to_bytes(_LENGTH, "big") + header, frame.content):
        rest = memoryview(part)
        while rest:  # without a buffer a pipe takes as much as it can
            rest = rest[pipe.write(rest) :]
    pipe.flush()


def _read(pipe: IO[bytes], size: int) -> bytes:
    parts = []
    while size:
        part = pipe.read(min(size, _PART))
        if not part:
            raise FrameError("what was sent ends in the middle")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
