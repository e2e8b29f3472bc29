"""A fill for a plug-in that can carry no client: it talks through standard input and output, in frames.

GIMP 2.10 has Python 2.7. Its plug-in starts `lama-fill relay` and writes one frame that says what to fill.
The relay plans the fill and asks for the pixels that it needs, finds or starts the server, and writes how far
it is and what came of it. It ends as soon as its standard input does: that cancels the fill.

docs/relay.md has the frames.
"""

from __future__ import annotations

import contextlib
import gettext
import queue
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import IO, Any, Final

from lama_core.client.connection import connect, find_account
from lama_core.client.errors import LamaFillError
from lama_core.client.geometry import Rect
from lama_core.client.gimp import job
from lama_core.client.gimp.frames import Frame, FrameError, read_frame, write_frame
from lama_core.client.gimp.options import Options
from lama_core.client.gimp.progress import Progress, show_stage
from lama_core.client.options import TRANSFERS, Transfer
from lama_core.client.plugin.alpha import PixelLayout, alpha_bytes, bytes_of, samples_of
from lama_core.client.plugin.buffers import crop
from lama_core.client.plugin.messages import error_message
from lama_core.client.plugin.texts import _, use_translation
from lama_core.client.protocol.fields import Fields
from lama_core.client.protocol.messages import CHANNELS, DEPTH_BYTES
from lama_core.client.selection import INVERTED

VERSION: Final = 1
DOMAIN: Final = "lama-fill"
DONE: Final = 0
FAILED: Final = 1
"""The exit status after a frame that says why, and after a cancel."""

MAX_COORDINATE: Final = 1 << 24
MAX_TEXT: Final = 4096


class RelayError(LamaFillError):
    """The plug-in asks for something that it cannot mean."""


class PlugInGoneError(LamaFillError):
    """Nobody is at the other end of the pipe any more: that is how a fill is cancelled."""


def relay_standard_streams(*, command: Sequence[str] = ()) -> int:
    """As `relay`, through this process's standard input and output."""
    # Without buffers: when this process ends, the thread that waits for input would still hold the lock of
    # one, and what nobody reads any more would be written once more.
    ours, theirs = sys.stdin.fileno(), sys.stdout.fileno()
    with open(ours, "rb", 0, closefd=False) as source, open(theirs, "wb", 0, closefd=False) as sink:
        # Whatever else prints a line must not print it between two frames.
        sys.stdout = sys.stderr
        return relay(source, sink, command=command)


def relay(source: IO[bytes], sink: IO[bytes], *, command: Sequence[str] = ()) -> int:
    """Do one fill.

    Args:
        source: what the plug-in writes.
        sink: what the plug-in reads.
        command: the command line of `lama-fill`, when it is not to be looked for.

    Returns:
        The exit status: `DONE`, or `FAILED` after an error that was written to `sink`, and after a cancel.
    """
    plug_in = _PlugIn(source, sink)
    try:
        _fill(plug_in, command)
    except PlugInGoneError:
        return FAILED
    except Exception as error:  # noqa: BLE001 - the plug-in shows what it was, whatever it was
        if plug_in.is_gone:
            return FAILED
        with contextlib.suppress(PlugInGoneError):
            plug_in.send(Frame({"type": "error", "text": str(error_message(error, editor="GIMP"))}))
        return FAILED
    return DONE


def _fill(plug_in: _PlugIn, command: Sequence[str]) -> None:
    begin = plug_in.receive("fill")
    asked = Fields(begin.header, "fill")
    if begin.header.get("relay") != VERSION:
        raise RelayError(
            _(
                "LaMa Fill and its plug-in are of different versions: update LaMa Fill, and put the plug-in "
                "in again with “lama-fill plugins install”."
            )
        )
    _translate(asked.text("locale", MAX_TEXT, ""))
    options = _options(asked.get("options", {}))
    source = _Source(plug_in, asked, begin.content)
    if source.hole.is_empty:
        raise job.JobError(job.nothing_to_fill(source.name))
    bar = _ProgressBar(plug_in)
    show_stage(bar, "queued")
    waiting = Progress(bar)
    server = connect(
        client="gimp",
        client_version=asked.text("editor", MAX_TEXT, ""),
        command=command,
        progress=waiting.starting,
        cancelled=waiting.tick,
        account=find_account(),
    )
    with server:
        (filling,) = job.fill([source], options, server, bar)
    for patch in filling.patches:
        content = patch.pixels
        if options.output == "mask":
            content += samples_of(patch.blend, filling.layout.depth)
        plug_in.send(Frame({"type": "patch", "rect": _numbers(patch.rect)}, content))
    plug_in.send(Frame({"type": "done", "rect": _numbers(filling.rect)}))


def _translate(folder: str) -> None:
    """Speak the language that GIMP has set for its plug-ins, where the folder has it."""
    if folder:
        use_translation(gettext.translation(DOMAIN, folder, fallback=True).gettext)


def _options(asked: Any) -> Options:
    """The options that were named; the others are as ever."""
    known = {field.name: type(getattr(Options, field.name)) for field in fields(Options)}
    if not isinstance(asked, dict) or not all(type(asked[name]) is known.get(name) for name in asked):
        raise RelayError(f"fill.options: must be of {', '.join(known)}")
    return Options(**asked)


class _PlugIn:
    """The other end of the pipe."""

    def __init__(self, source: IO[bytes], sink: IO[bytes]) -> None:
        self._source = source
        self._sink = sink
        self._frames: queue.Queue[Frame | FrameError | None] = queue.Queue()
        self._gone = threading.Event()
        # The pipe is looked at all the time: its end is the only way in which a plug-in can cancel.
        threading.Thread(target=self._listen, name="lama-fill relay", daemon=True).start()

    @property
    def is_gone(self) -> bool:
        """Whether nobody waits for the fill any more."""
        return self._gone.is_set()

    def receive(self, kind: str) -> Frame:
        """Wait for the next frame, which is of this type.

        Raises:
            FrameError: something else came.
            PlugInGoneError: nothing comes any more.
        """
        frame = self._frames.get()
        if frame is None:
            raise PlugInGoneError("the plug-in is gone")
        if isinstance(frame, FrameError):
            raise frame
        if frame.header.get("type") != kind:
            raise FrameError(f"what was sent is not a frame of the type {kind!r}")
        return frame

    def send(self, frame: Frame) -> None:
        """Write a frame. Raises PlugInGoneError where nobody reads it."""
        try:
            write_frame(self._sink, frame)
        except (OSError, ValueError):  # ValueError: it is closed on this side
            self._gone.set()
            raise PlugInGoneError("the plug-in is gone") from None

    def _listen(self) -> None:
        try:
            while (frame := read_frame(self._source)) is not None:
                self._frames.put(frame)
        except FrameError as error:
            self._frames.put(error)
            return
        except (OSError, ValueError):
            pass
        self._gone.set()
        self._frames.put(None)


class _Source:
    """The plug-in's pixels, as a `job.Source`."""

    def __init__(self, plug_in: _PlugIn, asked: Fields, content: bytes) -> None:
        self.name = asked.text("name", MAX_TEXT)
        self.canvas = _rect(asked, "canvas")
        self.hole = _rect(asked, "hole").clipped(self.canvas)
        self.layout = PixelLayout(asked.choice("format", CHANNELS), asked.choice("depth", DEPTH_BYTES))
        self.transfer: Transfer = asked.choice("transfer", TRANSFERS)
        self._selected = asked.boolean("selection")
        if not self._selected and not self.layout.has_alpha:
            self.hole = Rect(self.hole.x, self.hole.y, 0, 0)
        self._plug_in = plug_in
        self._contents = self._divided(content) if content else {}

    def _divided(self, content: bytes) -> Mapping[str, bytes]:
        """All pixels and all of the selection, where they came with the first frame."""
        pixels = self.canvas.area * self.layout.pixel_bytes
        selection = self.canvas.area * DEPTH_BYTES[self.layout.depth] if self._selected else 0
        if len(content) != pixels + selection:
            raise RelayError(f"fill: {len(content)} bytes came, not {pixels + selection} or none")
        return {"pixels": content[:pixels], "selection": content[pixels:]}

    def read(self, rect: Rect) -> bytes:
        return self._read("pixels", rect, self.layout.pixel_bytes)

    def read_hole(self, rect: Rect) -> bytes:
        depth = self.layout.depth
        if self._selected:
            return bytes_of(self._read("selection", rect, DEPTH_BYTES[depth]), depth)
        return alpha_bytes(self.read(rect), self.layout.pixel_bytes, depth).translate(INVERTED)

    def _read(self, what: str, rect: Rect, pixel_bytes: int) -> bytes:
        if what in self._contents:
            return crop(self._contents[what], self.canvas, rect, pixel_bytes)
        self._plug_in.send(Frame({"type": "read", "what": what, "rect": _numbers(rect)}))
        content = self._plug_in.receive("data").content
        if len(content) != rect.area * pixel_bytes:
            raise RelayError(f"data: {len(content)} bytes came, not {rect.area * pixel_bytes}")
        return content

    def close(self) -> None:
        self._contents = {}
        self._plug_in.send(Frame({"type": "close"}))


class _ProgressBar:
    """The progress bar of the plug-in."""

    def __init__(self, plug_in: _PlugIn) -> None:
        self._plug_in = plug_in
        self._text = ""

    def show(self, text: str, fraction: float) -> None:
        self._text = text
        self._plug_in.send(Frame({"type": "progress", "text": text, "fraction": fraction}))

    def pulse(self) -> None:
        self._plug_in.send(Frame({"type": "progress", "text": self._text, "fraction": None}))

    def is_cancelled(self) -> bool:
        return self._plug_in.is_gone


def _rect(asked: Fields, name: str) -> Rect:
    numbers = asked.get(name)
    if not isinstance(numbers, list) or len(numbers) != 4:
        raise asked.fail(name, "must be x, y, width and height")
    if not all(type(number) is int and abs(number) <= MAX_COORDINATE for number in numbers):
        raise asked.fail(name, "must be integers of pixels")
    if min(numbers[2:]) < 0:
        raise asked.fail(name, "must not be smaller than nothing")
    return Rect(*numbers)


def _numbers(rect: Rect) -> list[int]:
    return [rect.x, rect.y, rect.width, rect.height]
