"""A fill from the layers to the patches, with a server that is a function."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from lama_core.client.geometry import Rect
from lama_core.client.gimp.job import Filling, JobError, fill
from lama_core.client.gimp.options import Options
from lama_core.client.gimp.progress import Progress, stage_text
from lama_core.client.plugin.alpha import PixelLayout
from lama_core.client.plugin.pieces import CopySource, SourceError
from lama_core.client.protocol.limits import Limits
from lama_core.client.protocol.messages import Fill, Result, Welcome
from lama_core.client.selection import Source


class Layer:
    """A source of noise with a hole, at some place of an image."""

    def __init__(self, canvas: Rect, *holes: Rect, layout: PixelLayout | None = None) -> None:
        self.name = "photo"
        self.transfer = "perceptual"
        self.canvas = canvas
        self.layout = layout or PixelLayout("rgb", "u8")
        numbers = np.random.default_rng(1)
        size = self.layout.pixel_bytes
        self.pixels = numbers.integers(0, 256, (canvas.height, canvas.width, size), np.uint8)
        self.mask = np.zeros((canvas.height, canvas.width), np.uint8)
        self.hole = Rect(0, 0, 0, 0)
        for hole in holes:
            self._cut(self.mask, hole)[...] = 255
            self.hole = self.hole.union(hole)
        self.reads: list[Rect] = []
        self.is_closed = False

    def close(self) -> None:
        self.is_closed = True

    def _cut(self, values: Any, rect: Rect) -> Any:
        at = rect.shifted(-self.canvas.x, -self.canvas.y)
        assert min(at.x, at.y) >= 0
        return values[at.y : at.bottom, at.x : at.right]

    def read(self, rect: Rect) -> bytes:
        assert not self.is_closed
        self.reads.append(rect)
        return bytes(self._cut(self.pixels, rect).tobytes())

    def read_hole(self, rect: Rect) -> bytes:
        assert not self.is_closed
        return bytes(self._cut(self.mask, rect).tobytes())


@dataclass
class Server:
    """Answers with the picture inverted where the hole is, all else as it was sent."""

    limits: Limits = field(default_factory=Limits)
    asked: list[Fill] = field(default_factory=list)
    margin: int = 3

    @property
    def welcome(self) -> Welcome:
        return Welcome(server_version="1", limits=self.limits, devices=(), models=(), default_model="")

    def fill_each(self, fills: Iterable[Fill], *, on_progress: Any, cancelled: Any) -> Iterator[Result]:
        for number, request in enumerate(fills):
            yield self.fill(number, request, on_progress, cancelled)

    def fill(self, number: int, request: Fill, on_progress: Any, cancelled: Any) -> Result:
        self.asked.append(request)
        width, height = request.width, request.height
        hole = np.frombuffer(request.hole, np.uint8).reshape(height, width)
        pixels = np.frombuffer(request.pixels, np.uint8).reshape(height, width, -1)
        on_progress(number, "filling", 0.5, 0)
        cancelled()
        rows, columns = np.nonzero(hole)
        top, bottom = max(0, rows.min() - self.margin), min(height, rows.max() + 1 + self.margin)
        left, right = max(0, columns.min() - self.margin), min(width, columns.max() + 1 + self.margin)
        return Result(
            job=1,
            x=int(left),
            y=int(top),
            width=int(right - left),
            height=int(bottom - top),
            format=request.format,
            depth=request.depth,
            pixels=(255 - pixels[top:bottom, left:right]).tobytes(),
            blend=hole[top:bottom, left:right].tobytes(),
        )


class Bar:
    def __init__(self) -> None:
        self.shown: list[tuple[str, float]] = []
        self.pulses = 0

    def show(self, text: str, fraction: float) -> None:
        self.shown.append((text, fraction))

    def pulse(self) -> None:
        self.pulses += 1

    def is_cancelled(self) -> bool:
        return False


def run(layers: list[Layer], options: Options | None = None, server: Server | None = None) -> list[Filling]:
    return fill(layers, options or Options(), server or Server(), Bar())  # type: ignore[arg-type]


def test_the_patch_is_where_the_hole_is_in_the_image() -> None:
    layer = Layer(Rect(-30, 40, 200, 160), Rect(10, 60, 30, 20))
    (filling,) = run([layer])
    assert filling.rect == Rect(7, 57, 36, 26)
    (patch,) = filling.patches
    pixels = np.frombuffer(patch.pixels, np.uint8).reshape(26, 36, 4)
    expected = 255 - layer.pixels[57 - 40 : 83 - 40, 7 + 30 : 43 + 30]
    assert np.array_equal(pixels[:, :, :3], expected)
    assert pixels[:, :, 3].tobytes() == patch.blend
    assert patch.blend.count(255) == 30 * 20


def test_under_a_mask_the_pixels_are_opaque() -> None:
    (filling,) = run([Layer(Rect(0, 0, 90, 80), Rect(20, 20, 9, 9))], Options(output="mask"))
    assert set(filling.patches[0].pixels[3::4]) == {255}
    assert set(filling.patches[0].blend) == {0, 255}


def test_only_the_window_is_read_and_sent() -> None:
    layer = Layer(Rect(0, 0, 3000, 2500), Rect(1500, 1200, 100, 80))
    server = Server()
    run([layer], server=server)
    (window,) = layer.reads
    assert window.contains(Rect(1500, 1200, 100, 80))
    assert max(window.width, window.height) <= 640
    assert len(server.asked[0].pixels) == window.area * 3


def test_holes_far_apart_are_sent_one_by_one() -> None:
    first, second = Rect(100, 100, 60, 50), Rect(3700, 3300, 40, 70)
    layer = Layer(Rect(0, 0, 4000, 3500), first, second)
    server = Server()
    (filling,) = run([layer], server=server)
    assert len(server.asked) == 2
    assert [patch.rect for patch in filling.patches] == [first.grow(3), second.grow(3)]
    assert filling.rect == first.grow(3).union(second.grow(3))


def test_holes_that_share_a_part_of_their_windows_are_taken_once() -> None:
    """What a window's answer says about the other hole is not used."""
    layer = Layer(Rect(0, 0, 3000, 3000), Rect(100, 100, 900, 30), Rect(970, 700, 30, 1500))
    (filling,) = run([layer])
    rects = [patch.rect for patch in filling.patches]
    for number, rect in enumerate(rects):
        assert all(rect.intersect(other).is_empty for other in rects[number + 1 :])


def test_what_is_asked_of_the_server() -> None:
    server = Server()
    options = Options(grow=3, feather=0, context="128", quality="best", variation=7, model="m")
    run([Layer(Rect(0, 0, 600, 600), Rect(300, 300, 20, 20))], options, server)
    asked = server.asked[0].options
    assert (asked.grow, asked.feather, asked.context) == (3, 0, 128)
    assert (asked.quality, asked.seed, server.asked[0].model) == ("best", 7, "m")


def test_everything_is_read_and_closed_before_something_is_sent() -> None:
    """GIMP ends the process to cancel a fill, and what is open then stays open."""
    layers = [Layer(Rect(0, 0, 90, 80), Rect(2, 2, 9, 9)) for _ in range(2)]

    class Closed(Server):
        def fill(self, number: int, request: Fill, on_progress: Any, cancelled: Any) -> Result:
            assert all(layer.is_closed for layer in layers)
            return super().fill(number, request, on_progress, cancelled)

    server = Closed()
    run(layers, server=server)
    assert len(server.asked) == 2


def test_layers_are_closed_when_one_cannot_be_filled() -> None:
    layers = [Layer(Rect(0, 0, 90, 80), Rect(2, 2, 9, 9)), Layer(Rect(0, 0, 50, 50))]
    with pytest.raises(JobError):
        run(layers)
    assert all(layer.is_closed for layer in layers)


def test_every_layer_is_planned_before_one_is_sent() -> None:
    server = Server()
    with pytest.raises(JobError, match="photo"):
        run([Layer(Rect(0, 0, 90, 80), Rect(2, 2, 9, 9)), Layer(Rect(0, 0, 50, 50))], server=server)
    assert server.asked == []


def copied_from(*rects: Rect, image: Rect = Rect(0, 0, 900, 900)) -> CopySource:  # noqa: B008 - frozen
    """A channel of an image with these in white, 0 beyond the image as GIMP reads it."""
    mask = np.zeros((image.height + 200, image.width + 200), np.uint8)
    for rect in rects:
        mask[rect.y + 100 : rect.bottom + 100, rect.x + 100 : rect.right + 100] = 255

    def read(rect: Rect) -> bytes:
        return mask[rect.y + 100 : rect.bottom + 100, rect.x + 100 : rect.right + 100].tobytes()

    return CopySource("stencil", Source(image, read))


def test_what_may_be_copied_is_sent_with_the_window_and_held_by_it() -> None:
    """In coordinates of the image, of which the layer is a part and sticks out."""
    layer, server = Layer(Rect(-40, 30, 700, 600), Rect(100, 100, 20, 20)), Server()
    allowed = Rect(600, 560, 80, 90)
    fill([layer], Options(), server, Bar(), copied=copied_from(allowed))  # type: ignore[arg-type]
    (request,), window = server.asked, layer.reads[-1]
    seen = np.frombuffer(request.source, np.uint8).reshape(window.height, window.width)
    rows, columns = np.nonzero(seen)
    part = allowed.clipped(layer.canvas)
    assert (columns.min() + window.x, rows.min() + window.y) == (part.x, part.y)
    assert len(rows) == part.area


@pytest.mark.parametrize(
    ("rects", "said"),
    [
        ([], "“stencil” leaves nothing to copy from: change what it marks."),
        ([Rect(800, 0, 50, 50)], "“stencil” leaves nothing to copy from: change what it marks."),
        ([Rect(102, 102, 9, 9)], "“stencil” leaves nothing to copy from but what is to be filled"),
    ],
)
def test_nothing_to_copy_from(rects: list[Rect], said: str) -> None:
    layer, server = Layer(Rect(0, 0, 400, 300), Rect(100, 100, 20, 20)), Server()
    with pytest.raises(SourceError, match=said):
        fill([layer], Options(), server, Bar(), copied=copied_from(*rects))  # type: ignore[arg-type]
    assert layer.is_closed
    assert server.asked == []


def test_a_source_that_is_too_far_for_the_server() -> None:
    layer, server = (
        Layer(Rect(0, 0, 900, 900), Rect(10, 10, 20, 20)),
        Server(limits=Limits(max_pixels=150_000)),
    )
    with pytest.raises(JobError, match="“stencil” is too far from the hole: 850 × 850 pixels would be sent"):
        fill(
            [layer],
            Options(),
            server,  # type: ignore[arg-type]
            Bar(),
            copied=copied_from(Rect(800, 800, 50, 50)),
        )
    assert server.asked == []


def test_too_much_for_the_server() -> None:
    server = Server(limits=Limits(max_pixels=10_000))
    with pytest.raises(JobError, match="320 × 320"):
        run([Layer(Rect(0, 0, 900, 900), Rect(400, 400, 9, 9))], server=server)
    assert server.asked == []


def test_progress_goes_up_over_all_layers() -> None:
    bar = Bar()
    layers = [Layer(Rect(0, 0, 90, 80), Rect(20, 20, 9, 9)) for _ in range(4)]
    fill(layers, Options(), Server(), bar)  # type: ignore[arg-type]
    fractions = [fraction for _text, fraction in bar.shown]
    assert fractions == [0.125, 0.375, 0.625, 0.875]


def test_a_bar_without_a_fraction_moves_while_the_server_starts() -> None:
    now = 0.0
    bar = Bar()
    progress = Progress(bar, clock=lambda: now)
    for _ in range(10):
        now += 0.05
        progress.starting("starting")
        assert progress.tick() is False
    assert 3 <= bar.pulses <= 5
    assert bar.shown == [(stage_text("starting"), 0.0)]


def test_stages_are_told_apart() -> None:
    stages = {
        stage_text(stage) for stage in ("starting", "queued", "loading", "preparing", "filling", "blending")
    }
    assert len(stages) == 6
    assert stage_text("something new") == stage_text("filling")
    assert "2" in stage_text("queued", 2)
