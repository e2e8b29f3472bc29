"""What is to be filled, as it was when the artist clicked."""

from __future__ import annotations

from dataclasses import dataclass, replace

from lama_core.client.geometry import Rect
from lama_core.client.options import FillOptions
from lama_core.client.plugin import pieces
from lama_core.client.plugin.texts import _
from lama_core.client.selection import Piece
from lama_fill_krita.document import Document, Hole
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
    """

    document: Document
    size: tuple[int, int]
    bounds: Rect
    marker: str | None
    options: Options
    fill: FillOptions
    pieces: tuple[Piece, ...]
    masks: tuple[bytes, ...]

    def is_same_hole(self, other: HolePlan) -> bool:
        """Whether both fill the same pixels of the same document."""
        return (self.document, self.pieces, self.masks) == (other.document, other.pieces, other.masks)

    def without_marker(self) -> HolePlan:
        """The same hole as if it had been selected."""
        return replace(self, marker=None)


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


def plan_hole(document: Document, options: Options) -> HolePlan:
    """Plan the hole, and read what is needed of its mask now: the artist may go on to select something else.

    Raises:
        RefusalError: nothing is selected, or it lies outside of the picture.
    """
    hole, size = find_hole(document), document.size()
    planned = pieces.plan(hole.bounds, Rect(0, 0, *size), hole.read, options.fill)
    if not planned:
        raise RefusalError(_("What is selected lies outside of the picture."))
    return HolePlan(
        document=document,
        size=size,
        bounds=hole.bounds,
        marker=hole.marker,
        options=options,
        fill=options.fill,
        pieces=tuple(planned),
        masks=tuple(hole.read(piece.window) for piece in planned),
    )
