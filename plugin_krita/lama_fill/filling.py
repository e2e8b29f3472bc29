"""One fill from the hole to the new layer, as steps on the main thread.

It knows documents as `Document` says, which is Krita's in `host` and a plain object in tests. Nothing of the
document changes before the whole result is there, and the result is dropped when the document is no longer
what it was made for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Optional, Protocol

from lama_core.errors import LamaFillError
from lama_core.geometry import Rect
from lama_core.holes import Piece, ReadMask, plan
from lama_core.wire import messages
from lama_fill import pixels
from lama_fill.link import Link, Request
from lama_fill.nodes import Node, RefusalError, check_has_picture, place_of
from lama_fill.options import Options
from lama_fill.spaces import DETOUR, Space
from lama_fill.steps import Work
from lama_fill.texts import _

#: What one step reads or writes at most: some milliseconds as it is, and as much with a conversion.
STEP_PIXELS = 1 << 19
STEP_PIXELS_CONVERTED = 1 << 17

Report = Callable[[float, str], None]


class StaleError(LamaFillError):
    """The document is no longer what the fill was made for."""


@dataclass(frozen=True)
class Hole:
    """What is to be filled. `marker`: the key of the layer that its strokes were painted on, if they were."""

    bounds: Rect
    read: ReadMask
    marker: Optional[str] = None  # noqa: UP045 - Python 3.9


@dataclass(frozen=True)
class Patch:
    """A filled rectangle of the document, in the space that it was sent in, and how much of it shows."""

    rect: Rect
    space: Space
    pixels: bytes
    blend: bytes


@dataclass(frozen=True)
class Outcome:
    """What there is to say about a fill that went well. `frames`: how many pictures were filled."""

    seconds: float
    model: str
    device: str
    frames: int


@dataclass(frozen=True)
class Frame:
    """What the new layer shows from `time` on; `time` is None for a layer that is not animated."""

    time: Optional[int]  # noqa: UP045 - Python 3.9
    patches: Sequence[Patch]


class Layer(Protocol):
    """A layer that is not in the document yet."""

    def write(self, time: int | None, rect: Rect, data: bytes) -> None: ...
    def write_mask(self, rect: Rect, data: bytes) -> None: ...
    def add(self, above: str) -> None:
        """Put it into the document, above this node and in its group: one step of undo."""

    def close(self) -> None: ...


class Document(Protocol):
    """A document of the editor. Every method but `is_open` and `name` needs it to be open."""

    @property
    def name(self) -> str: ...
    def is_open(self) -> bool: ...
    def size(self) -> tuple[int, int]: ...
    def space(self) -> Space: ...
    def is_busy(self) -> bool:
        """Whether something is being painted or computed."""

    def active_node(self) -> Node | None: ...
    def node(self, key: str) -> Node | None: ...
    def node_below(self, key: str) -> Node | None: ...
    def activate(self, key: str) -> None: ...
    def selection(self) -> Hole | None: ...
    def strokes(self) -> Hole | None: ...
    def read(self, node: str | None, rect: Rect) -> bytes:
        """Pixels of a node as it is projected, in its space; of everything that is visible for None."""

    def convert(self, data: bytes, width: int, height: int, source: Space, target: Space) -> bytes: ...
    def show(self, key: str, visible: bool) -> None: ...
    def clear(self, key: str) -> None: ...
    def new_layer(self, name: str, *, with_mask: bool, times: Sequence[int]) -> Layer: ...
    def is_animated(self) -> bool: ...
    def time(self) -> int: ...
    def set_time(self, time: int) -> None: ...
    def playback(self) -> tuple[int, int]:
        """The first and the last frame of the range that is played."""


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
    document: Document, hole: Hole, options: Options, link: Link, report: Report, *, every_frame: bool = False
) -> Work:
    """Fill a hole. The generator's value is an `Outcome`.

    Raises:
        RefusalError: it cannot be done; nothing was sent.
        StaleError: it is done, and there is no place for it any more.
        ClientError: as `lama_core.client` says.
    """
    active = document.active_node()
    if active is None:
        raise RefusalError(_("There is no active layer: choose one in the list of layers."))
    place = _place(document, hole, active)
    source = place if options.input == "layer" else None
    if source is not None:
        check_has_picture(source)
    size = document.size()
    pieces = plan(
        hole.bounds,
        Rect(0, 0, *size),
        hole.read,
        grow=options.grow,
        feather=options.feather,
        context=options.margin,
    )
    if not pieces:
        raise RefusalError(_("What is selected lies outside of the picture."))
    ticket = _Ticket(document=document, size=size, place=place.key)
    job = _Job(ticket=ticket, hole=hole, options=options, link=link, pieces=pieces, source=source)
    times = _times(document, every_frame)
    frames, seconds = yield from job.frames(times, report)
    yield from _put(ticket, frames, with_mask=options.output == "mask", active=active, options=options)
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


@dataclass(frozen=True)
class _Ticket:
    """The document as it was when the fill began."""

    document: Document
    size: tuple[int, int]
    place: str

    def check(self) -> None:
        """Raises `StaleError` when the result has no place any more."""
        document = self.document
        if not document.is_open():
            raise StaleError(_("The document was closed, so the fill was dropped."))
        if document.size() != self.size:
            raise StaleError(_("The size of the picture has changed, so the fill was dropped. Fill again."))
        if document.node(self.place) is None:
            raise StaleError(_("The layer that was filled is gone, so the fill was dropped."))


class _Job:
    """What goes to the server and comes back."""

    def __init__(
        self,
        *,
        ticket: _Ticket,
        hole: Hole,
        options: Options,
        link: Link,
        pieces: Sequence[Piece],
        source: Node | None,
    ) -> None:
        self._ticket = ticket
        self._document = ticket.document
        self._hole = hole
        self._options = options
        self._link = link
        self._pieces = pieces
        self._source = source
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
            if self._document.is_open() and self._document.time() != back:
                self._document.set_time(back)
        return [*frames, Frame(times[-1] + 1, [])], seconds

    def _windows(self, time: int | None) -> Work:
        """The generator's value: the pixels of each piece at this time, in the space they are sent in."""
        while True:
            self._ticket.check()
            if time is not None and self._document.time() != time:
                self._document.set_time(time)
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
                Request(
                    width=piece.window.width,
                    height=piece.window.height,
                    format=sent.format,
                    depth=sent.wire_depth,
                    pixels=window,
                    hole=hole,
                    options=self._options.for_server(),
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


def _put(
    ticket: _Ticket, frames: Sequence[Frame], *, with_mask: bool, active: Node, options: Options
) -> Work:
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


def stripes(rect: Rect, most_pixels: int) -> Iterator[Rect]:
    """A rectangle from top to bottom in parts of whole rows, each of about so many pixels at most."""
    rows = max(1, most_pixels // max(1, rect.width))
    for y in range(rect.y, rect.bottom, rows):
        yield Rect(rect.x, y, rect.width, min(rows, rect.bottom - y))


def shown_part(rect: Rect, blend: bytes) -> Rect:
    """The smallest rectangle that holds all that shows, one byte of `blend` for each pixel of `rect`."""
    above = len(blend) - len(blend.lstrip(b"\0"))
    if above == len(blend):
        return Rect(rect.x, rect.y, 0, 0)
    top, bottom = above // rect.width, -(-len(blend.rstrip(b"\0")) // rect.width)
    rows = [blend[y * rect.width : (y + 1) * rect.width] for y in range(top, bottom)]
    left = min(rect.width - len(row.lstrip(b"\0")) for row in rows)
    right = max(len(row.rstrip(b"\0")) for row in rows)
    return Rect(rect.x + left, rect.y + top, right - left, bottom - top)


def part_of(data: bytes, rect: Rect, part: Rect, pixel_bytes: int) -> bytes:
    """The bytes of a part of a rectangle."""
    row = rect.width * pixel_bytes
    begin = (part.y - rect.y) * row
    if part.width == rect.width:
        return data[begin : begin + part.height * row]
    left, right = (part.x - rect.x) * pixel_bytes, (part.right - rect.x) * pixel_bytes
    return b"".join(data[begin + y * row + left : begin + y * row + right] for y in range(part.height))


def stage_text(stage: str, position: int) -> str:
    """What the server says it is doing, in the artist's language."""
    if stage == "queued" and position > 0:
        return _("Waiting, {count} before it").format(count=position)
    return {
        "starting": _("Starting the server…"),
        "queued": _("Waiting…"),
        "loading": _("Loading the model…"),
    }.get(stage, _("Filling…"))
