"""The plug-in without Krita: its folder on the path, and a document and a server that are plain objects."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

PLUGIN = Path(__file__).resolve().parents[2] / "plugin_krita"
sys.path.insert(0, str(PLUGIN))

from lama_fill_krita.color_space import DETOUR, Space  # noqa: E402
from lama_fill_krita.document import CopyStrokes, Hole  # noqa: E402
from lama_fill_krita.nodes import Node  # noqa: E402
from lama_fill_krita.tasks import Future  # noqa: E402

from lama_core.client.geometry import Rect  # noqa: E402
from lama_core.client.plugin.texts import use_translation  # noqa: E402
from lama_core.client.protocol.messages import Result  # noqa: E402

RGB = Space("RGBA", "U8", "sRGB-elle-V2-srgbtrc.icc")


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    yield
    use_translation(str)


@dataclass
class FakeLayer:
    """What was written to a new layer."""

    document: FakeDocument
    name: str
    with_mask: bool
    times: Sequence[int]
    written: list[tuple[int | None, Rect, bytes]] = field(default_factory=list)
    masks: list[tuple[Rect, bytes]] = field(default_factory=list)
    above: str = ""
    closed: bool = False

    def write(self, time: int | None, rect: Rect, data: bytes) -> None:
        self.written.append((time, rect, data))

    def write_mask(self, rect: Rect, data: bytes) -> None:
        self.masks.append((rect, data))

    def add(self, above: str) -> None:
        self.above = above
        self.document.added.append(self)

    def close(self) -> None:
        self.closed = True


class FakeDocument:
    """A document of one colour for each frame, which remembers what is done to it."""

    def __init__(self, width: int = 400, height: int = 300, space: Space = RGB) -> None:
        self.width, self.height = width, height
        self.opened = True
        self.colour_space = space
        self.nodes = {"base": Node(key="base", name="base", kind="paintlayer", space=space)}
        self.order = ["base"]
        self.active: str | None = "base"
        self.selected: Rect | None = Rect(50, 40, 30, 20)
        self.marker: Rect | None = None
        self.copy: list[CopyStrokes] = []
        self.animated = False
        self.now = 0
        self.range = (0, 5)
        self.drawings: Callable[[int], int] = lambda time: 7
        self.turn: Callable[[int, int], tuple[int, int]] = lambda x, y: (x, y)
        self.painted: dict[tuple[int, int], bytes] = {}
        self.reads: list[tuple[str | None, Rect]] = []
        self.shown: list[tuple[str, bool]] = []
        self.cleared: list[str] = []
        self.activated: list[str] = []
        self.conversions: list[tuple[Space, Space]] = []
        self.layers: list[FakeLayer] = []
        self.added: list[FakeLayer] = []
        self.busy = 0

    def is_open(self) -> bool:
        return self.opened

    def size(self) -> tuple[int, int]:
        return self.width, self.height

    def space(self) -> Space:
        return self.colour_space

    def is_busy(self) -> bool:
        self.busy -= 1
        return self.busy >= 0

    def active_node(self) -> Node | None:
        return None if self.active is None else self.nodes[self.active]

    def node(self, key: str) -> Node | None:
        return self.nodes.get(key)

    def node_below(self, key: str) -> Node | None:
        at = self.order.index(key)
        return self.nodes[self.order[at - 1]] if at else None

    def activate(self, key: str) -> None:
        self.activated.append(key)
        self.active = key

    def selection(self) -> Hole | None:
        return None if self.selected is None else Hole(self.selected, mask_of(self.selected))

    def strokes(self) -> Hole | None:
        return None if self.marker is None else Hole(self.marker, mask_of(self.marker), marker="marker")

    def copy_strokes(self) -> list[CopyStrokes]:
        return self.copy

    def stroke_layers(self) -> set[str]:
        return {"marker", "copy", "never"} & self.nodes.keys()

    def add_copy_strokes(self, kind: str, rect: Rect) -> None:
        """Strokes of the kind "copy" or "never"; their layer is the active one then."""
        self.nodes[kind] = replace(self.nodes["base"], key=kind, name=f"{kind} here")
        self.order.append(kind)
        self.copy.append(CopyStrokes(kind, f"{kind} here", kind == "copy", rect, mask_of(rect)))
        self.active = kind

    def add_marker(self, rect: Rect) -> None:
        self.nodes["marker"] = replace(self.nodes["base"], key="marker", name="marker")
        self.order.append("marker")
        self.marker = rect
        self.active = "marker"

    def read(self, node: str | None, rect: Rect) -> bytes:
        self.reads.append((node, rect))
        space = self.colour_space if node is None else self.nodes[node].space
        return bytes([self.drawings(self.now)]) * (rect.area * space.pixel_bytes)

    def colors(self, points: Iterable[tuple[int, int]]) -> dict[tuple[int, int], bytes]:
        return {point: self.painted.get(point, colour_at(*self.turn(*point))) for point in points}

    def convert(self, data: bytes, width: int, height: int, source: Space, target: Space) -> bytes:
        self.conversions.append((source, target))
        assert len(data) == width * height * source.pixel_bytes
        return bytes(width * height * target.pixel_bytes)

    def show(self, key: str, visible: bool) -> None:
        self.shown.append((key, visible))

    def clear(self, key: str) -> None:
        self.cleared.append(key)

    def new_layer(self, name: str, *, with_mask: bool, times: Sequence[int]) -> FakeLayer:
        self.layers.append(FakeLayer(self, name, with_mask, times))
        return self.layers[-1]

    def is_animated(self) -> bool:
        return self.animated

    def time(self) -> int:
        return self.now

    def set_time(self, time: int) -> None:
        self.now = time

    def playback(self) -> tuple[int, int]:
        return self.range


def colour_at(x: int, y: int) -> bytes:
    """White with a dark corner: nearly all of it looks the same however it is turned."""
    return bytes((x, y, 0, 255)) if x < 100 and y < 100 else b"\xff\xff\xff\xff"


def mask_of(selected: Rect) -> Callable[[Rect], bytes]:
    def read(rect: Rect) -> bytes:
        return bytes(
            255 if selected.x <= x < selected.right and selected.y <= y < selected.bottom else 0
            for y in range(rect.y, rect.bottom)
            for x in range(rect.x, rect.right)
        )

    return read


class FakeServer:
    """A server that answers when `answer` is called: every byte 9, but opaque; the blend is the hole."""

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.waiting: list[tuple[Any, Any, Future, Any]] = []
        self.on_preview: Any = None
        self.starts: list[bool] = []
        self.command = ""
        self.address = ""
        self.asked: list[str] = []
        self.at_once = True
        self.error: Exception | None = None
        self.futures: list[Future] = []

    def fill(self, requests: Any, *, start: bool, on_progress: Any, on_preview: Any, finish: Any) -> Future:
        reply = Future()
        self.requests += requests
        self.starts.append(start)
        self.on_preview = on_preview
        self.waiting.append((requests, finish, reply, on_progress))
        if self.at_once:
            self.answer()
        return reply

    def answer(self) -> None:
        requests, finish, reply, _on_progress = self.waiting.pop(0)
        if self.error is not None:
            reply.finish(None, self.error)
            return
        reply.finish([finish(number, self.result(request)) for number, request in enumerate(requests)])

    def result(self, request: Any) -> Result:
        count = request.width * request.height
        size = len(request.pixels) // count
        return Result(
            job=1,
            x=0,
            y=0,
            width=request.width,
            height=request.height,
            format=request.format,
            depth=request.depth,
            pixels=(b"\x09" * (size - 1) + b"\xff") * count if size == 4 else b"\x09" * (size * count),
            blend=request.hole,
            model="model",
            device="cpu",
            seconds=0.5,
        )

    def status(self) -> Future:
        return self._ask("status")

    def start(self) -> Future:
        return self._ask("start")

    def stop(self) -> Future:
        return self._ask("stop")

    def use_server(self, address: str) -> None:
        self.address = address

    def use_command(self, command: str) -> None:
        self.command = command

    def _ask(self, what: str) -> Future:
        self.asked.append(what)
        self.futures.append(Future())
        return self.futures[-1]


@dataclass
class Clock:
    """Runs what was to be done later, in order and at once."""

    waiting: list[Callable[[], None]] = field(default_factory=list)
    seconds: float = 0.0

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        self.seconds += seconds
        self.waiting.append(call)

    def run(self, steps: int = 100_000) -> None:
        while self.waiting and steps:
            steps -= 1
            self.waiting.pop(0)()


class FakeEditor:
    """An editor with at most one document."""

    def __init__(self, document: FakeDocument | None = None) -> None:
        self.current = document
        self.told: list[str] = []
        self.saved = ""
        self.clock = Clock()
        self.failures: list[BaseException] = []
        self.strokes: list[tuple[str, str]] = []

    def document(self) -> FakeDocument | None:
        return self.current

    def tell(self, text: str) -> None:
        self.told.append(text)

    def remembered(self) -> str:
        return self.saved

    def remember(self, text: str) -> None:
        self.saved = text

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        self.clock.later(seconds, call)

    def paint_strokes(self, document: FakeDocument, kind: str, name: str) -> None:
        self.strokes.append((kind, name))

    def failed(self, error: BaseException) -> None:
        self.failures.append(error)


@pytest.fixture
def document() -> FakeDocument:
    return FakeDocument()


@pytest.fixture
def link() -> FakeServer:
    return FakeServer()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def editor(document: FakeDocument) -> FakeEditor:
    return FakeEditor(document)


@pytest.fixture
def detour() -> Space:
    return DETOUR
