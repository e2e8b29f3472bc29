"""A fill from the layers to what is to be put above them, without GIMP.

Nothing of the image changes here: what comes out is complete, and the host adds it in one step. GIMP ends the
process at once when the artist cancels, so that has to be true at every moment before.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from lama_core.client import selection
from lama_core.client.connection import Client
from lama_core.client.errors import LamaFillError
from lama_core.client.geometry import Rect
from lama_core.client.protocol.limits import Limits
from lama_core.client.protocol.messages import Fill, Result
from lama_core.client.selection import Piece
from lama_fill_gimp import pixels
from lama_fill_gimp.options import Options
from lama_fill_gimp.texts import N_, _

#: How often a progress bar without a fraction moves, so that GIMP never looks hung.
PULSE_SECONDS = 0.1


class JobError(LamaFillError):
    """These layers cannot be filled; the message is for the artist, in the artist's language."""


class Source(Protocol):
    """Pixels to fill, and where. All rectangles are in coordinates of the image."""

    name: str
    """What the artist calls it."""
    canvas: Rect
    """Where there are pixels."""
    hole: Rect
    """The hole is inside; empty when there is none."""
    encoding: pixels.Encoding

    def read(self, rect: Rect) -> bytes:
        """Pixels in `encoding`."""
        ...

    def read_hole(self, rect: Rect) -> bytes:
        """One byte for each pixel: 0 known, 255 hole."""
        ...


class Meter(Protocol):
    """Where progress is shown."""

    def show(self, text: str, fraction: float) -> None: ...

    def pulse(self) -> None: ...


@dataclass(frozen=True)
class Patch:
    """New pixels in `Filling.encoding`; `blend` is how much of each shows, one byte."""

    rect: Rect
    pixels: bytes
    blend: bytes


@dataclass(frozen=True)
class Filling:
    """What goes above a layer: patches that do not overlap, all inside `rect`."""

    rect: Rect
    encoding: pixels.Encoding
    patches: tuple[Patch, ...]


def fill(sources: Sequence[Source], options: Options, server: Client, meter: Meter) -> list[Filling]:
    """Fill every source, in their order.

    Raises:
        JobError: nothing to fill in one of them, or too much.
        ClientError: from the server, or on the way to it.
    """
    planned = [_plan(source, options, server.welcome.limits) for source in sources]
    total = sum(piece.window.area for pieces in planned for piece in pieces)
    done = 0
    fillings = []
    for source, pieces in zip(sources, planned):
        sent, patches = source.encoding, []
        for piece in pieces:
            share = piece.window.area / total
            stages = _Stages(meter, done / total, share)
            result = _send(source, piece, options, server, stages)
            patches.append(_patch(result, piece, sent, opaque=options.output == "mask"))
            done += piece.window.area
        rect = patches[0].rect
        for patch in patches[1:]:
            rect = rect.union(patch.rect)
        fillings.append(Filling(rect, sent.with_alpha, tuple(patches)))
    return fillings


def _plan(source: Source, options: Options, limits: Limits) -> list[Piece]:
    chosen = options.fill
    pieces = selection.plan(
        source.hole,
        source.canvas,
        source.read_hole,
        grow=chosen.grow,
        feather=chosen.feather,
        context=chosen.context,
    )
    if not pieces:
        raise JobError(nothing_to_fill(source.name))
    for piece in pieces:
        window = piece.window
        size = window.area * (source.encoding.pixel_bytes + 1)
        if (
            max(window.width, window.height) > limits.max_side
            or window.area > limits.max_pixels
            or size > limits.max_frame_bytes - 4096
        ):
            raise JobError(
                _(
                    "The hole in “{layer}” with its surroundings is {width} × {height} pixels, which is more "
                    "than the server takes: choose a smaller context, or select less at once."
                ).format(layer=source.name, width=window.width, height=window.height)
            )
    return pieces


def nothing_to_fill(layer: str) -> str:
    return _(
        "There is nothing to fill in “{layer}”: select what should disappear, on this layer, or erase it. "
        "Without a selection the transparent pixels are filled."
    ).format(layer=layer)


def _send(source: Source, piece: Piece, options: Options, server: Client, stages: _Stages) -> Result:
    window, sent = piece.window, source.encoding
    data, hole = source.read(window), source.read_hole(window)
    if len(data) != window.area * sent.pixel_bytes or len(hole) != window.area:
        raise JobError(
            _("GIMP gave {count} bytes for {width} × {height} pixels of “{layer}”.").format(
                count=len(data), width=window.width, height=window.height, layer=source.name
            )
        )
    request = Fill(
        width=window.width,
        height=window.height,
        format=sent.format,
        depth=sent.depth,
        pixels=data,
        hole=hole,
        options=options.fill,
        model=options.model,
    )
    return server.fill(request, on_progress=stages.progress, cancelled=stages.tick)


def _patch(result: Result, piece: Piece, sent: pixels.Encoding, *, opaque: bool) -> Patch:
    """The part of an answer that is wanted: what is beyond `written` belongs to another piece."""
    answer = Rect(result.x, result.y, result.width, result.height).shifted(piece.window.x, piece.window.y)
    rect = answer.clipped(piece.written)
    if rect.is_empty:
        raise JobError(_("The server found nothing to fill."))
    part = rect.shifted(-answer.x, -answer.y)
    where = (part.x, part.y, part.width, part.height)
    filled = pixels.crop(bytes(result.pixels), result.width, sent.pixel_bytes, *where)
    blend = pixels.crop(bytes(result.blend), result.width, 1, *where)
    return Patch(rect, pixels.set_alpha(filled, sent, None if opaque else blend), blend)


class Waiting:
    """Moves a progress bar that has no fraction, while a server is waited for."""

    def __init__(self, meter: Meter, clock: Callable[[], float] = time.monotonic) -> None:
        self._meter = meter
        self._clock = clock
        self._moved = clock()
        self._told = False

    def starting(self, stage: str) -> None:
        """As `lama_core.client.connection.connect` calls it, again and again while the server starts."""
        if not self._told:
            self._told = True
            self._meter.show(stage_text(stage), 0.0)
        self.tick()

    def tick(self) -> bool:
        """Called some times a second; GIMP asks no one before it cancels, so it is never "stop"."""
        if self._clock() - self._moved >= PULSE_SECONDS:
            self._moved = self._clock()
            self._meter.pulse()
        return False


class _Stages(Waiting):
    """Shows where one piece is, as its share of everything that is filled."""

    def __init__(self, meter: Meter, begin: float, share: float) -> None:
        super().__init__(meter)
        self._begin = begin
        self._share = share
        self._shown: tuple[str, float] | None = None
        self._still = True

    def progress(self, stage: str, fraction: float, position: int) -> None:
        text = stage_text(stage, position)
        shown = (text, self._begin + fraction * self._share)
        self._still = stage in _STILL
        if shown != self._shown:
            self._shown = shown
            self._meter.show(*shown)

    def tick(self) -> bool:
        return super().tick() if self._still else False


#: Stages whose end nobody can foresee.
_STILL = ("starting", "queued", "loading")

_STAGES = {
    "starting": N_("LaMa Fill: starting the server"),
    "queued": N_("LaMa Fill: waiting for the server"),
    "loading": N_("LaMa Fill: loading the model (once)"),
    "preparing": N_("LaMa Fill: looking at the surroundings"),
    "filling": N_("LaMa Fill: filling"),
    "blending": N_("LaMa Fill: blending"),
}


def stage_text(stage: str, position: int = 0) -> str:
    """What the progress bar says at a stage; `position` fills come first."""
    if position > 0:
        return _("LaMa Fill: waiting, fills before this one: {count}").format(count=position)
    return _(_STAGES.get(stage, _STAGES["filling"]))
