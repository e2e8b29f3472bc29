"""A fill from the layers to what is put above them, without GIMP.

Nothing of the image changes here: what comes out is complete, and the host adds it in one step. GIMP ends the
process at once when the artist cancels, so that has to be true at every moment before. For the same reason
all pixels are read before anything is sent: the copies of the image that they are read from are gone by then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from lama_core.client.connection import Client
from lama_core.client.errors import LamaFillError
from lama_core.client.geometry import Rect
from lama_core.client.gimp.options import Options
from lama_core.client.gimp.progress import PieceProgress, ProgressBar
from lama_core.client.options import Transfer
from lama_core.client.plugin import pieces
from lama_core.client.plugin.alpha import PixelLayout, set_alpha
from lama_core.client.plugin.pieces import CopySource, Patch
from lama_core.client.plugin.texts import _
from lama_core.client.protocol.limits import Limits
from lama_core.client.protocol.messages import Fill, Result
from lama_core.client.selection import Piece

MESSAGE_BYTES = 4096
"""What a request takes beside its pixels, its hole and its source."""


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
    layout: PixelLayout
    transfer: Transfer
    """How its numbers stand for light."""

    def read(self, rect: Rect) -> bytes:
        """Pixels in `layout`."""
        ...

    def read_hole(self, rect: Rect) -> bytes:
        """One byte for each pixel: 0 known, 255 hole."""
        ...

    def close(self) -> None:
        """Nothing is read any more."""


@dataclass(frozen=True)
class Filling:
    """What goes above a layer.

    Attributes:
        rect: all patches are inside.
        layout: of the patches' pixels; it has alpha.
        patches: they do not overlap.
    """

    rect: Rect
    layout: PixelLayout
    patches: tuple[Patch, ...]


@dataclass(frozen=True)
class Request:
    """A piece of a source, ready to be sent."""

    piece: Piece
    message: Fill


def fill(
    sources: Sequence[Source],
    options: Options,
    server: Client,
    bar: ProgressBar,
    *,
    copied: CopySource | None = None,
) -> list[Filling]:
    """Fill every source, in their order. All of them are closed before anything is sent.

    Args:
        sources: what to fill.
        options: how.
        server: fills.
        bar: shows the progress.
        copied: what the fills may be copied from, in coordinates of the image; None: all that is known.

    Raises:
        JobError: nothing to fill in one of them, or too much.
        SourceError: nothing to copy from.
        ClientError: from the server, or on the way to it.
    """
    requests = _read_all(sources, options, server.welcome.limits, copied)
    everything = [request for part in requests for request in part]
    progress = PieceProgress(bar, [request.piece.window.area for request in everything])
    results = server.fill_each(
        (request.message for request in everything), on_progress=progress.progress, cancelled=progress.tick
    )
    opaque = options.output == "mask"
    fillings = []
    for source, part in zip(sources, requests):
        patches = [_patch(next(results), request.piece, source.layout, opaque=opaque) for request in part]
        rect = patches[0].rect
        for patch in patches[1:]:
            rect = rect.union(patch.rect)
        fillings.append(Filling(rect, source.layout.with_alpha, tuple(patches)))
    return fillings


def nothing_to_fill(layer: str) -> str:
    """What to say where a layer has no hole."""
    return _(
        "There is nothing to fill in “{layer}”: select what should disappear, on this layer, or erase it. "
        "Without a selection the transparent pixels are filled."
    ).format(layer=layer)


def _read_all(
    sources: Sequence[Source], options: Options, limits: Limits, copied: CopySource | None
) -> list[list[Request]]:
    """The requests of each source, with their pixels."""
    try:
        planned = [_plan(source, options, limits, copied) for source in sources]
        return [
            [_request(source, piece, options, copied) for piece in part]
            for source, part in zip(sources, planned)
        ]
    finally:
        for source in sources:
            source.close()


def _plan(source: Source, options: Options, limits: Limits, copied: CopySource | None) -> list[Piece]:
    planned = pieces.plan(source.hole, source.canvas, source.read_hole, options.fill)
    if not planned:
        raise JobError(nothing_to_fill(source.name))
    too_large = _too_large(planned, source.layout, limits)
    if too_large is not None:
        raise JobError(
            _(
                "The hole in “{layer}” with its surroundings is {width} × {height} pixels, which is more "
                "than the server takes: choose a smaller context, or select less at once."
            ).format(layer=source.name, width=too_large.width, height=too_large.height)
        )
    if copied is None:
        return planned
    copied = copied.within(source.canvas, source.read_hole)
    planned = pieces.plan(source.hole, source.canvas, source.read_hole, options.fill, source=copied)
    too_large = _too_large(planned, source.layout, limits)
    if too_large is not None:
        raise JobError(
            _(
                "“{name}” is too far from the hole: {width} × {height} pixels would be sent, which is more "
                "than the server takes. Mark something nearer to copy from."
            ).format(name=copied.name, width=too_large.width, height=too_large.height)
        )
    return planned


def _too_large(planned: Sequence[Piece], layout: PixelLayout, limits: Limits) -> Rect | None:
    """The first window that the server does not take."""
    for piece in planned:
        window = piece.window
        # A hole and a source are sent with the pixels.
        size = window.area * (layout.pixel_bytes + 2)
        if (
            max(window.width, window.height) > limits.max_side
            or window.area > limits.max_pixels
            or size > limits.max_frame_bytes - MESSAGE_BYTES
        ):
            return window
    return None


def _request(source: Source, piece: Piece, options: Options, copied: CopySource | None) -> Request:
    window, layout = piece.window, source.layout
    data, hole = source.read(window), source.read_hole(window)
    if len(data) != window.area * layout.pixel_bytes or len(hole) != window.area:
        raise JobError(
            _("GIMP gave {count} bytes for {width} × {height} pixels of “{layer}”.").format(
                count=len(data), width=window.width, height=window.height, layer=source.name
            )
        )
    how = replace(options.fill, transfer=source.transfer)
    allowed = b"" if copied is None else copied.mask.read(window)
    return Request(piece, pieces.request(piece, layout, data, hole, how, source=allowed, model=options.model))


def _patch(result: Result, piece: Piece, layout: PixelLayout, *, opaque: bool) -> Patch:
    """What is shown of an answer: with the blend as its alpha, or opaque under a mask."""
    patch = pieces.clip(result, piece, layout.pixel_bytes)
    if patch.rect.is_empty:
        raise JobError(_("The server found nothing to fill."))
    return Patch(patch.rect, set_alpha(patch.pixels, layout, None if opaque else patch.blend), patch.blend)
