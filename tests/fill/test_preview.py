"""The first look at a fill: where it is, what it shows, and that the fill does not know of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lama_core.client.geometry import Rect
from lama_core.fill import FillCancelled, FillOptions, Preview, Progress, fill, fill_region, fill_windows
from lama_core.fill.preview import WINDOW_SIDE, make_preview
from lama_core.image.pixels import pixel_format, to_planes
from lama_core.model import Generator, GeneratorConfig
from lama_core.model.prefill import harmonic_fill


def picture_of(height: int, width: int) -> np.ndarray:
    """(H, W, 3) uint8 with slopes of colour, which a smooth fill continues."""
    rows, columns = np.mgrid[0:height, 0:width]
    planes = (
        rows * 200 // height + 20,
        columns * 200 // width + 20,
        (rows + columns) * 90 // (height + width),
    )
    return np.stack(planes, -1).astype(np.uint8)


def hole_of(height: int, width: int, *at: Rect) -> np.ndarray:
    hole = np.zeros((height, width), np.uint8)
    for rect in at:
        hole[rect.y : rect.bottom, rect.x : rect.right] = 255
    return hole


def smooth(image: torch.Tensor, hole: torch.Tensor) -> torch.Tensor:
    return harmonic_fill(image, hole)


def tiny() -> Generator:
    torch.manual_seed(0)
    config = GeneratorConfig(width=4, blocks=2, downsamplings=2, output="sigmoid")
    return Generator(config).eval().requires_grad_(False)


@pytest.mark.parametrize(
    ("quality", "side", "seed"),
    [("fast", 1000, 0), ("balanced", 400, 0), ("balanced", 400, 3), ("best", 280, 0)],
)
def test_fill_is_the_same_bit_for_bit(quality: str, side: int, seed: int) -> None:
    picture = picture_of(side, side)
    noise = np.random.default_rng(1).integers(0, 30, picture.shape, np.uint8)
    hole = hole_of(side, side, Rect(110, 120, 60, 50))
    options = FillOptions(quality=quality, seed=seed, context="whole")  # type: ignore[arg-type]
    previews: list[Preview] = []
    generator = tiny()
    plain = fill_region(picture + noise, hole, generator, options)
    seen = fill_region(
        picture + noise, hole, generator, options, progress=Progress(on_preview=previews.append)
    )
    assert len(previews) == 1
    assert (seen.rect, seen.pixels.tobytes()) == (plain.rect, plain.pixels.tobytes())
    assert seen.blend.tobytes() == plain.blend.tobytes()


def test_preview_is_near_the_fill() -> None:
    picture, hole = picture_of(500, 640), hole_of(500, 640, Rect(200, 150, 220, 160))
    picture[hole > 0] = 255
    previews: list[Preview] = []
    filled = fill(
        picture, hole, smooth, FillOptions(grain=False), progress=Progress(on_preview=previews.append)
    )
    (preview,) = previews
    rect, scale = preview.rect, preview.scale
    whole = np.repeat(np.repeat(preview.pixels, scale, 0), scale, 1)[: rect.height, : rect.width]
    shown = filled[rect.y : rect.bottom, rect.x : rect.right].astype(int)
    assert np.abs(whole[..., :3] - shown).mean() < 4
    assert rect.contains(Rect(200, 150, 220, 160))
    alpha = whole[..., 3]
    inside = hole[rect.y : rect.bottom, rect.x : rect.right] > 0
    assert (alpha[inside] == 255).all()
    assert (alpha == 0).mean() > 0.2, "some of the picture is around it"


def test_network_is_not_asked() -> None:
    sizes: list[torch.Size] = []

    def counting(image: torch.Tensor, hole: torch.Tensor) -> torch.Tensor:
        sizes.append(image.shape[2:])
        return smooth(image, hole)

    picture, hole = picture_of(400, 400), hole_of(400, 400, Rect(200, 150, 40, 40))
    fill(picture, hole, counting)
    calls = len(sizes)
    fill(picture, hole, counting, progress=Progress(on_preview=lambda preview: None))
    assert sizes[calls:] == sizes[:calls]


@pytest.mark.parametrize(("quality", "side"), [("fast", 60), ("balanced", 5)])
def test_none_of_a_fill_that_is_soon_there(quality: str, side: int) -> None:
    picture, hole = picture_of(320, 320), hole_of(320, 320, Rect(100, 100, 60, side))
    options = FillOptions(quality=quality, grow=0)  # type: ignore[arg-type]
    previews: list[Preview] = []
    fill(picture, hole, smooth, options, progress=Progress(on_preview=previews.append))
    assert previews == []


def test_one_for_several_windows() -> None:
    places = Rect(100, 100, 40, 24), Rect(1500, 1500, 40, 24)
    picture, hole = picture_of(1800, 1800), hole_of(1800, 1800, *places)
    previews: list[Preview] = []
    progress = Progress(on_preview=previews.append)
    assert len(list(fill_windows(picture, hole, smooth, progress=progress))) == 2
    (preview,) = previews
    assert preview.rect.contains(places[0])
    assert preview.rect.intersect(places[1]).is_empty


def test_none_once_the_fill_is_cancelled() -> None:
    picture, hole = picture_of(400, 400), hole_of(400, 400, Rect(100, 100, 60, 60))
    previews: list[Preview] = []
    told: list[str] = []
    progress = Progress(
        on_report=lambda stage, fraction: told.append(stage),
        on_preview=previews.append,
        cancelled=lambda: "filling" in told,
    )
    with pytest.raises(FillCancelled):
        fill(picture, hole, smooth, progress=progress)
    assert previews == []


def test_linear_light_is_encoded_for_a_screen() -> None:
    previews: list[Preview] = []
    picture = np.full((400, 400, 3), 0.2140, np.float32)
    hole = hole_of(400, 400, Rect(100, 100, 60, 60))
    options = FillOptions(transfer="linear")
    fill(picture, hole, smooth, options, progress=Progress(on_preview=previews.append))
    assert previews[0].pixels[..., :3] == pytest.approx(128, abs=2)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_where_a_preview_is(data: st.DataObject) -> None:
    width, height = data.draw(st.integers(280, 700)), data.draw(st.integers(280, 700))
    x, y = data.draw(st.integers(0, width - 9)), data.draw(st.integers(0, height - 9))
    hole = Rect(x, y, data.draw(st.integers(1, width - x)), data.draw(st.integers(1, height - y)))
    window = Rect(0, 0, width, height)
    written = hole.grow(data.draw(st.integers(0, 20))).clipped(window)
    picture, mask = picture_of(height, width), hole_of(height, width, hole)
    pixel = pixel_format(picture)
    planes = to_planes(picture, pixel, mask > 0)
    preview = make_preview(planes, pixel, mask.astype(np.float32) / 255, written, "balanced")
    if preview is None:
        is_thin = min(hole.width, hole.height) < 10
        assert is_thin or hole.grow(3).contains(window), (
            "only where little is to be seen, or nothing is known"
        )
        return
    rect, scale, pixels = preview.rect, preview.scale, preview.pixels
    assert window.contains(rect)
    assert rect.contains(written)
    assert max(pixels.shape) <= WINDOW_SIDE
    assert (rect.x % scale, rect.y % scale) == (0, 0)
    assert 0 <= pixels.shape[1] * scale - rect.width < scale
    assert 0 <= pixels.shape[0] * scale - rect.height < scale
    for row, column in np.ndindex(pixels.shape[:2]):
        cell = Rect(rect.x + column * scale, rect.y + row * scale, scale, scale).clipped(window)
        share = cell.intersect(hole).area / cell.area
        assert abs(int(pixels[row, column, 3]) - share * 255) <= 1
        if share == 0:
            part = picture[cell.y : cell.bottom, cell.x : cell.right].reshape(-1, 3)
            assert np.abs(pixels[row, column, :3] - part.mean(axis=0)).max() <= 1
