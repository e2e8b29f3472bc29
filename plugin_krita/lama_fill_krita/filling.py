"""One fill from the hole to the new layer, as steps on the main thread.

Nothing of the document changes before the whole result is there, and the result is dropped when the document
is no longer what it was made for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from lama_core.client.plugin import pieces
from lama_core.client.plugin.alpha import PixelLayout, multiply_alpha
from lama_core.client.plugin.buffers import crop, shown_part
from lama_core.client.plugin.messages import stage_message
from lama_core.client.plugin.pieces import Patch
from lama_core.client.plugin.texts import _
from lama_core.client.protocol.messages import Preview, Result
from lama_core.client.selection import Piece
from lama_fill_krita.document import Document
from lama_fill_krita.hole_plan import HolePlan
from lama_fill_krita.insert_layer import Frame, insert_layer
from lama_fill_krita.nodes import Node, RefusalError, check_has_picture, place_of
from lama_fill_krita.server_thread import ServerThread
from lama_fill_krita.snapshot import DocumentSnapshot
from lama_fill_krita.tasks import Coroutine
from lama_fill_krita.window_reader import WindowReader, Windows

Report = Callable[[float, str], None]
OnPreview = Callable[[Preview], None]


@dataclass(frozen=True)
class Outcome:
    """What there is to say about a fill that went well.

    Attributes:
        seconds: that the server worked.
        model: that filled.
        device: that it ran on.
        frames: how many pictures were filled.
    """

    seconds: float
    model: str
    device: str
    frames: int


@dataclass(frozen=True)
class Request:
    """What is asked of the server, for every picture of a fill."""

    plan: HolePlan
    opaque: bool
    server: ServerThread
    on_preview: OnPreview


def fill(
    plan: HolePlan,
    server: ServerThread,
    report: Report,
    *,
    on_preview: OnPreview,
    every_frame: bool = False,
) -> Coroutine[Outcome]:
    """Fill a hole.

    Args:
        plan: the hole, and how to fill it.
        server: fills.
        report: called with the fraction of the fill that is done, and what it is doing.
        on_preview: called with a first look at each piece of it. The document knows nothing of that.
        every_frame: fill every frame of the range that is played, not the current one alone.

    Raises:
        RefusalError: it cannot be done; nothing was sent.
        StaleError: it is done, and there is no place for it any more.
        ClientError: as `lama_core.client.connection` says.
    """
    document, options = plan.document, plan.options
    active = document.active_node()
    if active is None:
        raise RefusalError(_("There is no active layer: choose one in the list of layers."))
    place = _find_place(document, active)
    source = place if options.input == "layer" else None
    if source is not None:
        check_has_picture(source)
    times = _find_times(document, every_frame)
    # A transparency mask is not animated, so an animated layer has its edge in its pixels.
    with_mask = options.output == "mask" and times is None
    request = Request(plan, with_mask, server, on_preview)

    snapshot = DocumentSnapshot.take(document, plan.bounds, place.key)
    reader = WindowReader(snapshot, plan, source)
    frames: list[Frame] = []
    results: list[Result] = []
    last: Windows | None = None
    try:
        for number, time in enumerate([None] if times is None else times):
            windows = yield from reader.read(time)
            if windows == last:
                continue
            tell = partial(_report_frame, report, number, 1 if times is None else len(times))
            answers = yield from _fill_picture(request, windows, time, tell)
            frames.append(Frame(time, windows.space, [patch for patch, _result in answers]))
            results += [result for _patch, result in answers]
            last = windows
    finally:
        reader.restore_time()

    filled = len(frames)
    if times is not None:
        frames = _with_empty_ends(frames, times)
    # The next fill of a layer starts from that layer again, so it stays active.
    keep_active = source is not None
    yield from insert_layer(snapshot, frames, with_mask=with_mask, active=active, keep_active=keep_active)
    if plan.marker is not None and document.node(plan.marker) is not None:
        document.clear(plan.marker)
    return Outcome(
        seconds=sum(result.seconds for result in results),
        model=results[-1].model,
        device=results[-1].device,
        frames=filled,
    )


def _find_place(document: Document, active: Node) -> Node:
    """The node that the new layer goes above: never one with strokes, if there is another below it."""
    strokes = document.stroke_layers()
    place = active
    while place.key in strokes:
        below = document.node_below(place.key)
        if below is None:
            return place
        place = below
    return place if place is not active else place_of(active)


def _find_times(document: Document, every_frame: bool) -> list[int] | None:
    """The frames to fill; None for a document that is not animated."""
    if not document.is_animated():
        if every_frame:
            raise RefusalError(_("This document has no animation: fill it with the large button."))
        return None
    if not every_frame:
        return [document.time()]
    first, last = document.playback()
    return list(range(first, last + 1))


def _fill_picture(
    request: Request, windows: Windows, time: int | None, report: Report
) -> Coroutine[list[tuple[Patch, Result]]]:
    """Send the windows of one picture. Patches that show nothing are empty."""
    plan, layout = request.plan, windows.space.layout
    options = replace(plan.fill, transfer=windows.space.transfer, frame=time)
    answers: list[tuple[Patch, Result]] = yield request.server.fill(
        [
            pieces.request(piece, layout, pixels, mask, options, source=source, model=plan.options.model)
            for piece, pixels, mask, source in zip(plan.pieces, windows.pixels, plan.masks, plan.sources)
        ],
        start=plan.options.start_server,
        on_progress=partial(_report_piece, report, len(plan.pieces)),
        on_preview=request.on_preview,
        finish=partial(_finish, planned=plan.pieces, layout=layout, opaque=request.opaque),
    )
    return answers


def _finish(
    number: int, result: Result, *, planned: Sequence[Piece], layout: PixelLayout, opaque: bool
) -> tuple[Patch, Result]:
    """What shows of an answer; called in the thread that waited for it.

    The rest is left out, because Krita draws a small layer sooner.
    """
    patch = pieces.clip(result, planned[number], layout.pixel_bytes)
    shown = shown_part(patch.rect, patch.blend)
    pixels = crop(patch.pixels, patch.rect, shown, layout.pixel_bytes)
    blend = crop(patch.blend, patch.rect, shown, 1)
    if not opaque:
        pixels = multiply_alpha(pixels, layout, blend)
    return Patch(shown, pixels, blend), replace(result, pixels=b"", blend=b"")


def _with_empty_ends(frames: Sequence[Frame], times: Sequence[int]) -> list[Frame]:
    """The frames with an empty one before and after them, so that the layer shows nothing there."""
    space = frames[0].space
    before = [Frame(0, space, [])] if times[0] > 0 else []
    return [*before, *frames, Frame(times[-1] + 1, space, [])]


def _report_piece(
    report: Report, count: int, number: int, stage: str, fraction: float, position: int
) -> None:
    """Report the progress of one piece of several."""
    report((number + fraction) / count, str(stage_message(stage, position)))


def _report_frame(report: Report, number: int, count: int, fraction: float, text: str) -> None:
    """Report the progress of one frame of several."""
    if count > 1:
        text = _("Frame {number} of {count}: {text}").format(number=number + 1, count=count, text=text)
    report((number + fraction) / count, text)
