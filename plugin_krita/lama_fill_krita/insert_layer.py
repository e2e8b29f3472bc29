"""Make the new layer of a fill, and put it in its place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lama_core.client.plugin.buffers import crop, stripes
from lama_core.client.plugin.pieces import Patch
from lama_core.client.plugin.texts import _
from lama_fill_krita.color_space import Space
from lama_fill_krita.conversion import STEP_PIXELS, STEP_PIXELS_CONVERTED, convert_back
from lama_fill_krita.document import Document, Layer
from lama_fill_krita.nodes import Node
from lama_fill_krita.snapshot import DocumentSnapshot, StaleError
from lama_fill_krita.tasks import Coroutine

LAYER_NAME = "LaMa Fill"

IDLE_SECONDS = 10.0
"""How long a brush stroke is waited for."""
IDLE_LOOKS = 200

RESTORE_SECONDS = 1.0
"""How long Krita may take until it makes a new layer the active one."""
RESTORE_LOOKS = 50


@dataclass(frozen=True)
class Frame:
    """What the new layer shows from a frame on.

    Attributes:
        time: the frame; None for a layer that is not animated.
        space: of the patches' pixels.
        patches: what was filled; none for an empty frame.
    """

    time: int | None
    space: Space
    patches: Sequence[Patch]


def insert_layer(
    snapshot: DocumentSnapshot, frames: Sequence[Frame], *, with_mask: bool, active: Node, keep_active: bool
) -> Coroutine[None]:
    """Make the new layer, and put it in its place in one step of undo.

    Args:
        snapshot: the document that the fill was made for.
        frames: what the layer shows.
        with_mask: give the layer a transparency mask with the blend of the patches.
        active: the node that was active when the fill began.
        keep_active: keep the active node active. Otherwise the new layer becomes active, unless the artist
            has gone on to another node.

    Raises:
        StaleError: the document is no longer what the fill was made for.
    """
    snapshot.check()
    document = snapshot.document
    space = document.space()
    times = [frame.time for frame in frames if frame.time is not None]
    layer = document.new_layer(LAYER_NAME, with_mask=with_mask, times=times)
    try:
        for frame in frames:
            for patch in frame.patches:
                yield from _write(snapshot, layer, frame, patch, space, with_mask=with_mask)
        yield from wait_until_idle(document)
        snapshot.check()
        snapshot.check_orientation()
        if document.space() != space:
            raise StaleError(_("The colour space has changed meanwhile. Fill again."))
        now = document.active_node()
        layer.add(snapshot.place)
    finally:
        layer.close()
    if now is not None and (keep_active or now.key != active.key):
        yield from restore_active_node(document, now.key)


def _write(
    snapshot: DocumentSnapshot, layer: Layer, frame: Frame, patch: Patch, space: Space, *, with_mask: bool
) -> Coroutine[None]:
    """Write a patch in steps, in the document's space."""
    direct = frame.space == space
    for rect in stripes(patch.rect, STEP_PIXELS if direct else STEP_PIXELS_CONVERTED):
        snapshot.check()
        data = crop(patch.pixels, patch.rect, rect, frame.space.pixel_bytes)
        if not direct:
            data = convert_back(snapshot.document, data, (rect.width, rect.height), frame.space, space)
        layer.write(frame.time, rect, data)
        if with_mask:
            layer.write_mask(rect, crop(patch.blend, patch.rect, rect, 1))
        yield 0


def wait_until_idle(document: Document) -> Coroutine[None]:
    """Wait until no brush stroke is under way, which a new layer would end; at most `IDLE_SECONDS`."""
    for _look in range(IDLE_LOOKS):
        if not document.is_open() or not document.is_busy():
            return
        yield IDLE_SECONDS / IDLE_LOOKS


def restore_active_node(document: Document, key: str) -> Coroutine[None]:
    """Keep a node active: Krita makes the new layer the active one some moments after it was added."""
    for _look in range(RESTORE_LOOKS):
        yield RESTORE_SECONDS / RESTORE_LOOKS
        if not document.is_open() or document.node(key) is None:
            return
        found = document.active_node()
        if found is not None and found.key != key:
            document.activate(key)
            return
