"""A hole as the pieces that are sent for it, and the part of each answer that is used."""

from __future__ import annotations

from dataclasses import dataclass

from lama_core.client import selection
from lama_core.client.errors import LamaFillError
from lama_core.client.geometry import Rect
from lama_core.client.options import FillOptions
from lama_core.client.plugin.alpha import PixelLayout
from lama_core.client.plugin.buffers import crop
from lama_core.client.plugin.texts import _
from lama_core.client.protocol.messages import Fill, Result
from lama_core.client.selection import Piece, ReadMask, Source


class AnswerError(LamaFillError):
    """The server answered with pixels that were not asked for."""


class SourceError(LamaFillError):
    """Nothing may be copied into a hole; the message is for the artist, in the artist's language."""


@dataclass(frozen=True)
class CopySource:
    """What a fill may be copied from, as the artist has marked it.

    Attributes:
        name: what the artist calls it.
        mask: where it is, in coordinates of the picture.
    """

    name: str
    mask: Source

    def within(self, canvas: Rect, hole: ReadMask) -> CopySource:
        """What is in a picture, and not in its hole alone.

        Args:
            canvas: the picture.
            hole: reads the mask of its hole.

        Raises:
            SourceError: there is nothing.
        """
        mask = self.mask.within(canvas)
        if mask.bounds.is_empty:
            raise SourceError(
                _("“{name}” leaves nothing to copy from: change what it marks.").format(name=self.name)
            )
        if not mask.count(mask.bounds, hole):
            raise SourceError(
                _(
                    "“{name}” leaves nothing to copy from but what is to be filled: change what it marks."
                ).format(name=self.name)
            )
        return CopySource(self.name, mask)


@dataclass(frozen=True)
class Patch:
    """New pixels of the picture.

    Attributes:
        rect: where, in coordinates of the picture.
        pixels: row by row, in the layout that the piece was sent in.
        blend: how much of each pixel shows, one byte: 0 hidden, 255 all of it.
    """

    rect: Rect
    pixels: bytes
    blend: bytes


def plan(
    bounds: Rect, canvas: Rect, read: ReadMask, options: FillOptions, *, source: CopySource | None = None
) -> list[Piece]:
    """The pieces to send for a hole; none where its mask is 0 everywhere. See `selection.plan`."""
    return selection.plan(
        bounds,
        canvas,
        read,
        grow=options.grow,
        feather=options.feather,
        context=options.context,
        join_islands=options.join_islands is True,
        source=None if source is None else source.mask,
    )


def request(
    piece: Piece,
    layout: PixelLayout,
    pixels: bytes,
    hole: bytes,
    options: FillOptions,
    *,
    source: bytes = b"",
    model: str = "",
) -> Fill:
    """The message that asks for a piece.

    Args:
        piece: what to fill.
        layout: of the pixels.
        pixels: of the piece's window.
        hole: of the piece's window, one byte for each pixel.
        options: how to fill.
        source: of the piece's window, one byte for each pixel, not 0 where the fill may copy from; empty:
            from everywhere.
        model: an installed one; "" is the server's default.
    """
    return Fill(
        width=piece.window.width,
        height=piece.window.height,
        format=layout.format,
        depth=layout.depth,
        pixels=pixels,
        hole=hole,
        source=source,
        options=options,
        model=model,
    )


def clip(result: Result, piece: Piece, pixel_bytes: int) -> Patch:
    """The part of an answer that belongs to its piece.

    It is what lies inside `piece.written`, whether there are other pieces or not. Outside of it another piece
    has the say; where there is no other, the server changes nothing outside, because `written` is the hole
    with the most grow and feather that it may get.

    Args:
        result: the answer, whose x and y count from the piece's window.
        piece: what was asked for.
        pixel_bytes: bytes of one of its pixels.

    Returns:
        An empty patch where nothing of the answer lies inside.

    Raises:
        AnswerError: the answer reaches out of the window.
    """
    answer = Rect(result.x, result.y, result.width, result.height).shifted(piece.window.x, piece.window.y)
    if not piece.window.contains(answer):
        raise AnswerError("the server answered with pixels that were not asked for: update it")
    rect = answer.intersect(piece.written)
    return Patch(
        rect,
        crop(bytes(result.pixels), answer, rect, pixel_bytes),
        crop(bytes(result.blend), answer, rect, 1),
    )
