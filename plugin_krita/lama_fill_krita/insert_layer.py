"""The new layer: what it is made of, and where it goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Optional

from lama_core.client.geometry import Rect
from lama_fill_krita import pixels
from lama_fill_krita.buffers import STEP_PIXELS, STEP_PIXELS_CONVERTED, part_of, stripes
from lama_fill_krita.color_space import DETOUR, Space
from lama_fill_krita.document import Document
from lama_fill_krita.nodes import Node
from lama_fill_krita.options import Options
from lama_fill_krita.snapshot import StaleError, Ticket
from lama_fill_krita.tasks import Work
from lama_fill_krita.texts import _


@dataclass(frozen=True)
class Patch:
    """A filled rectangle of the document, in the space that it was sent in, and how much of it shows."""

    rect: Rect
    space: Space
    pixels: bytes
    blend: bytes


@dataclass(frozen=True)
class Frame:
    """What the new layer shows from `time` on; `time` is None for a layer that is not animated."""

    time: Optional[int]  # noqa: UP045 - Python 3.9
    patches: Sequence[Patch]


def put(ticket: Ticket, frames: Sequence[Frame], *, with_mask: bool, active: Node, options: Options) -> Work:
    """Make the new layer, and put it in its place."""
    ticket.check()
    document = ticket.document
    space = document.space()
    times = [frame.time for frame in frames if frame.time is not None]
    with_mask = with_mask and not times
    layer = document.new_layer(_("LaMa Fill"), with_mask=with_mask, times=times)
    try:
        for frame in frames:
            for patch in frame.patches:
                most = STEP_PIXELS if patch.space == space else STEP_PIXELS_CONVERTED
                for rect in stripes(patch.rect, most):
                    ticket.check()
                    data = part_of(patch.pixels, patch.rect, rect, patch.space.pixel_bytes)
                    if patch.space != space:
                        data = _converted(document, data, rect, patch.space, space)
                    layer.write(frame.time, rect, data)
                    if with_mask:
                        layer.write_mask(rect, part_of(patch.blend, patch.rect, rect, 1))
                    yield 0
        yield from _quiet(document)
        ticket.check()
        ticket.check_orientation()
        if document.space() != space:
            raise StaleError(_("The colour space has changed meanwhile. Fill again."))
        now = document.active_node()
        layer.add(ticket.place)
    finally:
        layer.close()
    # Krita makes a new layer the active one, which is right when the next fill starts from what is visible,
    # and wrong when it starts from this layer again or the artist has gone on to another one.
    if now is not None and (options.input == "layer" or now.key != active.key):
        yield from _stay(document, now.key)


def _converted(document: Document, data: bytes, rect: Rect, source: Space, target: Space) -> bytes:
    """Pixels of a detour in the document's space, where they look as they did before.

    The two tables of a profile for inks or video are not each other's inverse: there and back again, dark
    colours come out visibly lighter. So what comes out is looked at, and what goes in is changed by as much.
    """
    size = (rect.width, rect.height)
    converted = document.convert(data, *size, source, target)
    if target.model not in ("CMYKA", "YCbCrA") or source != DETOUR:
        return converted
    looks = document.convert(converted, *size, target, source)
    return document.convert(pixels.corrected(data, looks), *size, source, target)


def _quiet(document: Document) -> Work:
    """Wait until no brush stroke is under way, which a new layer would end; but not for ever."""
    for _look in range(QUIET_LOOKS):
        if not document.is_open() or not document.is_busy():
            return
        yield QUIET_SECONDS / QUIET_LOOKS


QUIET_SECONDS = 10.0
QUIET_LOOKS = 200


def _stay(document: Document, key: str) -> Work:
    """Keep a node active while Krita is about to choose the new layer, which it does some moments later."""
    for _look in range(STAY_LOOKS):
        yield STAY_SECONDS / STAY_LOOKS
        if not document.is_open() or document.node(key) is None:
            return
        found = document.active_node()
        if found is not None and found.key != key:
            document.activate(key)
            return


STAY_SECONDS = 1.0
STAY_LOOKS = 50
