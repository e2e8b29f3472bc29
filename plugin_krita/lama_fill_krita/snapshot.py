"""What a fill was begun for, and whether it is still there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from lama_core.client.errors import LamaFillError
from lama_core.client.geometry import Rect
from lama_fill_krita import orientation
from lama_fill_krita.color_space import Space
from lama_fill_krita.document import Document
from lama_fill_krita.texts import _


class StaleError(LamaFillError):
    """The document is no longer what the fill was made for."""


@dataclass(frozen=True)
class Ticket:
    """The document as it was when the fill began. `place`: the key of what the new layer goes above.

    `time`: None when it does not move. `colours`: of `orientation.points`.
    """

    document: Document
    size: tuple[int, int]
    place: str
    space: Space
    time: Optional[int]  # noqa: UP045 - Python 3.9
    colours: orientation.Colours

    @classmethod
    def take(cls, document: Document, hole: Rect, place: str) -> Ticket:
        size = document.size()
        return cls(
            document=document,
            size=size,
            place=place,
            space=document.space(),
            time=_time(document),
            colours=document.colours(orientation.points(size, hole)),
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
            # Other colours than those that were remembered: they tell nothing.
            return
        if orientation.was_turned(self.size, self.colours, document.colours(self.colours)):
            raise StaleError(
                _("The picture was turned or mirrored meanwhile, so the fill was dropped. Fill again.")
            )


def _time(document: Document) -> int | None:
    return document.time() if document.is_animated() else None
