"""Read the windows of a fill from the document, in steps."""

from __future__ import annotations

from dataclasses import dataclass

from lama_core.client.geometry import Rect
from lama_core.client.plugin.buffers import stripes
from lama_core.client.plugin.texts import _
from lama_fill_krita.color_space import Space
from lama_fill_krita.conversion import STEP_PIXELS, STEP_PIXELS_CONVERTED
from lama_fill_krita.hole_plan import HolePlan
from lama_fill_krita.nodes import Node, RefusalError
from lama_fill_krita.snapshot import DocumentSnapshot, StaleError
from lama_fill_krita.tasks import Coroutine


@dataclass(frozen=True)
class Windows:
    """The pixels of each piece of a hole, in one frame.

    Attributes:
        space: that they are sent in.
        pixels: of each piece's window.
    """

    space: Space
    pixels: tuple[bytes, ...]


class WindowReader:
    """Reads from one node, or from what is visible, and goes to other frames to do so."""

    def __init__(self, snapshot: DocumentSnapshot, plan: HolePlan, source: Node | None) -> None:
        """Read nothing yet.

        Args:
            snapshot: the document.
            plan: the pieces.
            source: the node; None for what is visible.
        """
        self._snapshot = snapshot
        self._document = snapshot.document
        self._plan = plan
        self._source = source
        self._time = self._document.time()
        self._went_to: int | None = None

    def read(self, time: int | None) -> Coroutine[Windows]:
        """The windows at a frame; None for a document that is not animated.

        Raises:
            StaleError: the document is no longer what the fill began with.
            RefusalError: Krita does not give the pixels.
        """
        while True:
            self._snapshot.check()
            if time is not None and self._document.time() != time:
                self._document.set_time(time)
                self._went_to = time
            # What is visible is filled, not the strokes that say where and from where.
            strokes = self._plan.strokes if self._source is None else ()
            hidden = [key for key in strokes if self._document.node(key) is not None]
            for key in hidden:
                self._document.show(key, False)
            try:
                pixels = []
                for piece in self._plan.pieces:
                    window = yield from self._read_window(piece.window)
                    pixels.append(window)
            finally:
                for key in hidden:
                    if self._document.is_open() and self._document.node(key) is not None:
                        self._document.show(key, True)
            # The artist may have gone to another frame between two steps.
            if time is None or self._document.time() == time:
                return Windows(self._space().sent, tuple(pixels))

    def restore_time(self) -> None:
        """Go back to the first frame, unless the artist has gone to another one or it was never left."""
        if self._document.is_open() and self._document.time() == self._went_to:
            self._document.set_time(self._time)

    def _read_window(self, window: Rect) -> Coroutine[bytes]:
        key = None if self._source is None else self._source.key
        space = self._space()
        parts = []
        for rect in stripes(window, STEP_PIXELS if space.is_direct else STEP_PIXELS_CONVERTED):
            self._snapshot.check()
            if self._space() != space:
                raise StaleError(_("The colour space has changed meanwhile. Fill again."))
            data = self._document.read(key, rect)
            if len(data) != rect.area * space.pixel_bytes:
                raise RefusalError(_("Krita does not give the pixels of this layer: choose another input."))
            if not space.is_direct:
                data = self._document.convert(data, rect.width, rect.height, space, space.sent)
            parts.append(data)
            yield 0
        return b"".join(parts)

    def _space(self) -> Space:
        if self._source is None:
            return self._document.space()
        node = self._document.node(self._source.key)
        if node is None:
            raise StaleError(_("The layer that was filled is gone, so the fill was dropped."))
        return node.space
