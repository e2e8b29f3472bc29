"""What the document was when a fill began, and whether the fill still has its place in it."""

from __future__ import annotations

from dataclasses import dataclass

from lama_core.client.errors import LamaFillError
from lama_core.client.geometry import Rect
from lama_core.client.plugin.texts import _
from lama_fill_krita import orientation
from lama_fill_krita.color_space import Space
from lama_fill_krita.document import Document


class StaleError(LamaFillError):
    """The document is no longer what the fill was made for."""


@dataclass(frozen=True)
class DocumentSnapshot:
    """The document as it was when the fill began.

    Attributes:
        document: the document itself.
        size: its width and height.
        place: the key of the node that the new layer goes above.
        space: of the document.
        time: the frame; None when the document is not animated.
        colors: at `orientation.points`.
    """

    document: Document
    size: tuple[int, int]
    place: str
    space: Space
    time: int | None
    colors: orientation.Colors

    @classmethod
    def take(cls, document: Document, hole: Rect, place: str) -> DocumentSnapshot:
        """The document as it is now."""
        size = document.size()
        return cls(
            document=document,
            size=size,
            place=place,
            space=document.space(),
            time=_time(document),
            colors=document.colors(orientation.points(size, hole)),
        )

    def check(self) -> None:
        """Raises `StaleError` when the result has no place any more."""
        document = self.document
        if not document.is_open():
            raise StaleError(_("The document was closed, so the fill was dropped."))
        if document.size() != self.size:
            raise StaleError(_("The size of the picture has changed, so the fill was dropped. Fill again."))
        if document.node(self.place) is None:
            raise StaleError(_("The layer that was filled is gone, so the fill was dropped."))

    def check_orientation(self) -> None:
        """Raises `StaleError` when the picture was turned or mirrored. Takes some milliseconds."""
        document = self.document
        if document.space() != self.space or _time(document) != self.time:
            # The colours are others than those remembered, so they cannot be compared.
            return
        if orientation.was_turned(self.size, self.colors, document.colors(self.colors)):
            raise StaleError(
                _("The picture was turned or mirrored meanwhile, so the fill was dropped. Fill again.")
            )


def _time(document: Document) -> int | None:
    return document.time() if document.is_animated() else None
