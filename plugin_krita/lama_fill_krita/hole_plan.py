"""What is to be filled, as it was when the artist clicked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lama_core.client.geometry import Rect
from lama_core.client.options import FillOptions
from lama_core.client.plugin import pieces
from lama_core.client.plugin.pieces import CopySource
from lama_core.client.plugin.texts import _
from lama_core.client.selection import Piece, Source
from lama_fill_krita.document import CopyStrokes, Document, Hole
from lama_fill_krita.nodes import RefusalError
from lama_fill_krita.options import Options


@dataclass(frozen=True)
class HolePlan:
    """The hole of a document in pieces, with as much of its mask as they need.

    Attributes:
        document: whose hole it is.
        size: of the document.
        bounds: the hole is inside.
        marker: the key of the layer that its strokes were painted on; None for a selection.
        options: what was chosen.
        fill: how to fill; another seed gives another fill.
        pieces: what is sent.
        masks: of the window of each piece, one byte for each pixel.
        sources: where the fill of each piece may be copied from, in the same way; empty: from everywhere.
        strokes: the keys of the layers with strokes, which are not part of the picture.
    """

    document: Document
    size: tuple[int, int]
    bounds: Rect
    marker: str | None
    options: Options
    fill: FillOptions
    pieces: tuple[Piece, ...]
    masks: tuple[bytes, ...]
    sources: tuple[bytes, ...]
    strokes: tuple[str, ...]

    def is_same_hole(self, other: HolePlan) -> bool:
        """Whether both fill the same pixels of the same document, from the same ones."""
        mine, others = ((plan.document, plan.pieces, plan.masks, plan.sources) for plan in (self, other))
        return mine == others

    def without_marker(self) -> HolePlan:
        """The same hole as if it had been selected."""
        return replace(self, marker=None, strokes=tuple(key for key in self.strokes if key != self.marker))


def find_hole(document: Document) -> Hole:
    """What the artist wants to be gone: the selection, or strokes if there is none or their layer is active.

    Raises:
        RefusalError: there is neither.
    """
    strokes, active = document.strokes(), document.active_node()
    if strokes is not None and active is not None and active.key == strokes.marker:
        return strokes
    hole = document.selection() or strokes
    if hole is None:
        raise RefusalError(
            _("Nothing is selected: select what is to be gone, or paint over it with “Erase strokes”.")
        )
    return hole


def find_source(document: Document) -> CopySource | None:
    """What strokes say that the fill may be copied from; None: from everywhere."""
    strokes = document.copy_strokes()
    if not strokes:
        return None
    allowing = [each for each in strokes if each.allows]
    forbidding = [each for each in strokes if not each.allows]
    whole = Rect(0, 0, *document.size())
    bounds = allowing[0].bounds if allowing else whole

    def read(rect: Rect) -> bytes:
        # Bytes as one long number each: no loop goes over the pixels.
        may = _union(allowing, rect) if allowing else _number(b"\xff" * rect.area)
        return (may & ~_union(forbidding, rect)).to_bytes(rect.area, "little")

    return CopySource((allowing or forbidding)[0].name, Source(bounds, read))


_WHERE_PAINTED = bytes([0, *[255] * 255])


def _union(strokes: Sequence[CopyStrokes], rect: Rect) -> int:
    """255 where any of them has paint."""
    painted = 0
    for each in strokes:
        if not each.bounds.intersect(rect).is_empty:
            painted |= _number(each.read(rect).translate(_WHERE_PAINTED))
    return painted


def _number(mask: bytes) -> int:
    return int.from_bytes(mask, "little")


def plan_hole(document: Document, options: Options) -> HolePlan:
    """Plan the hole, and read what is needed of its masks now: the artist may go on to select something else.

    Raises:
        RefusalError: nothing is selected, or it lies outside of the picture.
        SourceError: strokes leave nothing that it could be copied from.
    """
    hole, size = find_hole(document), document.size()
    canvas = Rect(0, 0, *size)
    planned = pieces.plan(hole.bounds, canvas, hole.read, options.fill)
    if not planned:
        raise RefusalError(_("What is selected lies outside of the picture."))
    source = find_source(document)
    if source is not None:
        source = source.within(canvas, hole.read)
        planned = pieces.plan(hole.bounds, canvas, hole.read, options.fill, source=source)
    strokes = [each.key for each in document.copy_strokes()]
    return HolePlan(
        document=document,
        size=size,
        bounds=hole.bounds,
        marker=hole.marker,
        options=options,
        fill=options.fill,
        pieces=tuple(planned),
        masks=tuple(hole.read(piece.window) for piece in planned),
        sources=tuple(b"" if source is None else source.mask.read(piece.window) for piece in planned),
        strokes=tuple(strokes if hole.marker is None else [hole.marker, *strokes]),
    )
