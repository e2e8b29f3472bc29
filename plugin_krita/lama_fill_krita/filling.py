"""One fill from the hole to the new layer, as steps on the main thread.

Nothing of the document changes before the whole result is there, and the result is dropped when the document
is no longer what it was made for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from lama_core.client.geometry import Rect
from lama_core.client.protocol import messages
from lama_core.client.selection import Piece, plan
from lama_fill_krita import pixels
from lama_fill_krita.buffers import STEP_PIXELS, STEP_PIXELS_CONVERTED, part_of, shown_part, stripes
from lama_fill_krita.color_space import Space
from lama_fill_krita.document import Document, Hole
from lama_fill_krita.insert_layer import Frame, Patch, put
from lama_fill_krita.nodes import Node, RefusalError, check_has_picture, place_of
from lama_fill_krita.options import Options
from lama_fill_krita.server_thread import Link
from lama_fill_krita.snapshot import StaleError, Ticket
from lama_fill_krita.tasks import Work
from lama_fill_krita.texts import _

Report = Callable[[float, str], None]


@dataclass(frozen=True)
class Outcome:
    """What there is to say about a fill that went well. `frames`: how many pictures were filled."""

    seconds: float
    model: str
    device: str
    frames: int


def find_hole(document: Document) -> Hole:
    """What the artist wants to be gone: strokes on the marker when that is active, else the selection, else
    strokes.

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


def fill(
    document: Document,
    hole: Hole,
    options: Options,
    link: Link,
    report: Report,
    *,
    seed: int = 0,
    every_frame: bool = False,
) -> Work:
    """Fill a hole. The generator's value is an `Outcome`. `seed`: another one asks for another fill.

    Raises:
        RefusalError: it cannot be done; nothing was sent.
        StaleError: it is done, and there is no place for it any more.
        ClientError: as `lama_core.client.connection` says.
    """
    active = document.active_node()
    if active is None:
        raise RefusalError(_("There is no active layer: choose one in the list of layers."))
    place = _place(document, hole, active)
    source = place if options.input == "layer" else None
    if source is not None:
        check_has_picture(source)
    chosen = options.fill
    pieces = plan(
        hole.bounds,
        Rect(0, 0, *document.size()),
        hole.read,
        grow=chosen.grow,
        feather=chosen.feather,
        context=chosen.context,
    )
    if not pieces:
        raise RefusalError(_("What is selected lies outside of the picture."))
    times = _times(document, every_frame)
    ticket = Ticket.take(document, hole.bounds, place.key)
    job = _Job(ticket=ticket, hole=hole, options=options, seed=seed, link=link, pieces=pieces, source=source)
    frames, seconds = yield from job.frames(times, report)
    yield from put(ticket, frames, with_mask=options.output == "mask", active=active, options=options)
    if hole.marker is not None and document.node(hole.marker) is not None:
        document.clear(hole.marker)
    return Outcome(seconds=seconds, model=job.model, device=job.device, frames=job.filled)


def _place(document: Document, hole: Hole, active: Node) -> Node:
    if active.key == hole.marker:
        below = document.node_below(active.key)
        return active if below is None else below
    return place_of(active)


def _times(document: Document, every_frame: bool) -> list[int] | None:
    """The frames to fill; None for a document that does not move."""
    if not document.is_animated():
        if every_frame:
            raise RefusalError(_("This document has no animation: fill it with the large button."))
        return None
    if not every_frame:
        return [document.time()]
    first, last = document.playback()
    return list(range(first, last + 1))


class _Job:
    """What goes to the server and comes back."""

    def __init__(
        self,
        *,
        ticket: Ticket,
        hole: Hole,
        options: Options,
        seed: int,
        link: Link,
        pieces: Sequence[Piece],
        source: Node | None,
    ) -> None:
        self._ticket = ticket
        self._document = ticket.document
        self._hole = hole
        self._options = options
        self._seed = seed
        self._link = link
        self._pieces = pieces
        self._source = source
        self._went_to: int | None = None
        self.model = ""
        self.device = ""
        self.filled = 0

    def frames(self, times: Sequence[int] | None, report: Report) -> Work:
        """The generator's value: the frames of the new layer, and what they took in seconds."""
        # Now: the artist may go on to select something else.
        holes = [self._hole.read(piece.window) for piece in self._pieces]
        if times is None:
            patches, seconds = yield from self._picture(None, holes, None, report)
            return [Frame(None, patches)], seconds
        seconds, frames, before = 0.0, [], None
        if times[0] > 0:
            frames.append(Frame(0, []))
        back = self._document.time()
        try:
            for number, time in enumerate(times):

                def told(share: float, text: str, number: int = number) -> None:
                    if len(times) > 1:
                        text = _("Frame {number} of {count}: {text}").format(
                            number=number + 1, count=len(times), text=text
                        )
                    report((number + share) / len(times), text)

                windows = yield from self._windows(time)
                if windows != before:
                    patches, took = yield from self._picture(windows, holes, time, told)
                    frames.append(Frame(time, patches))
                    seconds, before = seconds + took, windows
        finally:
            # Unless the artist has gone to another frame, or the job never left this one.
            if self._document.is_open() and self._document.time() == self._went_to:
                self._document.set_time(back)
        return [*frames, Frame(times[-1] + 1, [])], seconds

    def _windows(self, time: int | None) -> Work:
        """The generator's value: the pixels of each piece at this time, in the space they are sent in."""
        while True:
            self._ticket.check()
            if time is not None and self._document.time() != time:
                self._document.set_time(time)
                self._went_to = time
            hide = self._hole.marker if self._source is None else None
            if hide is not None:
                self._document.show(hide, False)
            try:
                windows = []
                for piece in self._pieces:
                    window = yield from self._window(piece.window)
                    windows.append(window)
            finally:
                if hide is not None and self._document.is_open():
                    self._document.show(hide, True)
            # The artist may have gone to another frame between two steps.
            if time is None or self._document.time() == time:
                return windows

    def _window(self, window: Rect) -> Work:
        key = None if self._source is None else self._source.key
        space = self._space()
        parts = []
        for rect in stripes(window, STEP_PIXELS if space.is_direct else STEP_PIXELS_CONVERTED):
            self._ticket.check()
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

    def _picture(
        self, windows: Sequence[bytes] | None, holes: Sequence[bytes], time: int | None, report: Report
    ) -> Work:
        """The generator's value: the patches of one picture, and what they took in seconds."""
        if windows is None:
            windows = yield from self._windows(time)
        sent = self._space().sent
        patches, seconds = [], 0.0
        for number, (piece, window, hole) in enumerate(zip(self._pieces, windows, holes)):

            def told(stage: str, fraction: float, position: int, number: int = number) -> None:
                report((number + fraction) / len(self._pieces), stage_text(stage, position))

            patch, said = yield self._link.fill(
                messages.Fill(
                    width=piece.window.width,
                    height=piece.window.height,
                    format=sent.format,
                    depth=sent.wire_depth,
                    pixels=window,
                    hole=hole,
                    options=replace(self._options.fill, seed=self._seed, transfer=sent.transfer),
                    model=self._options.model,
                ),
                start=self._options.start_server,
                on_progress=told,
                finish=_Finish(piece, sent, with_mask=self._makes_mask(), alone=len(self._pieces) == 1),
            )
            if not patch.rect.is_empty:
                patches.append(patch)
            seconds += said.seconds
            self.model, self.device = said.model, said.device
        self.filled += 1
        return patches, seconds

    def _makes_mask(self) -> bool:
        # A transparency mask does not move, so an animated layer has its edge in its pixels.
        return self._options.output == "mask" and not self._document.is_animated()


class _Finish:
    """Makes a patch of what the server answered; called in the thread that waited for it."""

    def __init__(self, piece: Piece, space: Space, *, with_mask: bool, alone: bool) -> None:
        self._window = piece.window
        # Where another piece's hole reaches into this window, the other piece has the say.
        self._written = piece.window if alone else piece.written
        self._space = space
        self._with_mask = with_mask

    def __call__(self, result: messages.Result) -> tuple[Patch, messages.Result]:
        rect = Rect(self._window.x + result.x, self._window.y + result.y, result.width, result.height)
        if not self._window.contains(rect):
            raise RefusalError(_("The server answered with pixels that were not asked for: update it."))
        kept = rect.intersect(self._written)
        # Only what shows: the smaller the new layer, the sooner Krita has drawn it.
        kept = shown_part(kept, part_of(bytes(result.blend), rect, kept, 1))
        data = part_of(bytes(result.pixels), rect, kept, self._space.pixel_bytes)
        blend = part_of(bytes(result.blend), rect, kept, 1)
        if not self._with_mask:
            data = pixels.with_alpha(data, self._space, blend)
        return Patch(rect=kept, space=self._space, pixels=data, blend=blend), result


def stage_text(stage: str, position: int) -> str:
    """What the server says it is doing, in the artist's language."""
    if stage == "queued" and position > 0:
        return _("Waiting, {count} before it").format(count=position)
    return {
        "starting": _("Starting the server…"),
        "queued": _("Waiting…"),
        "loading": _("Loading the model…"),
    }.get(stage, _("Filling…"))
