"""The fill of a picture, with generators that need no weights."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch.nn import functional as F

from lama_core.client.geometry import MIN_WINDOW, Rect, automatic_feather, automatic_grow, context_window
from lama_core.client.options import OptionError
from lama_core.fill import (
    FillCancelled,
    FilledRegion,
    FillError,
    FillOptions,
    PredictionError,
    Progress,
    composite,
    fill,
    fill_region,
    fill_windows,
    plan_fill,
)
from lama_core.image.mask_ops import distance_to
from lama_core.image.pixels import WHITE, PixelError
from lama_core.model import Generator, GeneratorConfig
from lama_core.model.predictor import Predictor


def alone(**options: object) -> FillOptions:
    """What the network says and nothing else."""
    return FillOptions(quality="fast", seam=False, grain=False, **options)


ALONE = alone()
FINISHED = FillOptions(quality="fast")
EXACT = alone(context="whole", grow=0, feather=0)


def paint(value: float):
    """A generator that returns one value everywhere."""

    def generator(image: torch.Tensor, hole: torch.Tensor) -> torch.Tensor:
        return torch.full_like(image, value)

    return generator


def mean_of_known(image: torch.Tensor, hole: torch.Tensor) -> torch.Tensor:
    """A generator that returns the mean colour of what it may look at."""
    known = 1 - hole
    mean = (image * known).sum((2, 3), keepdim=True) / known.sum((2, 3), keepdim=True)
    return mean.expand_as(image)


class Recorder:
    """A generator that keeps what it was shown."""

    def __init__(self) -> None:
        self.seen: list[tuple[np.ndarray, np.ndarray]] = []

    def __call__(self, image: torch.Tensor, hole: torch.Tensor) -> torch.Tensor:
        assert image.dtype == hole.dtype == torch.float32
        assert hole.shape == (1, 1, *image.shape[2:])
        self.seen.append((image[0].numpy().copy(), hole[0, 0].numpy().copy()))
        return torch.full_like(image, 0.5)


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def square(height: int, width: int, rect: Rect) -> np.ndarray:
    hole = np.zeros((height, width), np.uint8)
    hole[rect.y : rect.bottom, rect.x : rect.right] = 255
    return hole


# What stays as it was


@st.composite
def pictures_with_holes(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Any bits at all as a picture, and some hole with something known around it."""
    dtype = draw(st.sampled_from(sorted(WHITE, key=str)))
    height, width, channels = draw(st.integers(4, 30)), draw(st.integers(4, 30)), draw(st.integers(1, 4))
    size = height * width * channels * dtype.itemsize
    seed = draw(st.integers(0, 2**32 - 1))
    bits = np.random.default_rng(seed).integers(0, 256, size, np.uint8)
    image = bits.view(dtype).reshape(height, width, channels)
    if channels == 1 and draw(st.booleans()):
        image = image[:, :, 0]
    image[0, 0] = WHITE[dtype] / 2
    hole = draw(hnp.arrays(np.uint8, (height, width), elements=st.sampled_from([0, 0, 0, 0, 100, 255])))
    if image.ndim == 3 and channels in (2, 4):
        image[0, 0, -1] = WHITE[dtype]
    hole[0, 0] = 0
    hole[height // 2, width // 2] = 255
    return image, hole


@given(
    pictures_with_holes(),
    st.one_of(st.none(), st.integers(0, 3)),
    st.one_of(st.none(), st.integers(0, 4)),
    st.sampled_from(["auto", "whole", 3]),
)
def test_not_a_bit_changes_outside_of_the_feather(
    case: tuple[np.ndarray, np.ndarray], grow: int | None, feather: int | None, context: str | int
) -> None:
    image, hole = case
    options = FillOptions(quality="fast", grow=grow, feather=feather, context=context, join_islands=False)
    before = image.copy()
    try:
        filled = fill(image, hole, mean_of_known, options)
    except FillError:
        assume(not grow)  # the grow that was given left nothing known
        raise
    assert image.tobytes() == before.tobytes()
    assert filled.shape == image.shape
    assert filled.dtype == image.dtype
    bounds = Rect(0, 0, image.shape[1], image.shape[0])
    reach = (automatic_grow(bounds) if grow is None else grow) + (
        automatic_feather(bounds) if feather is None else feather
    )
    outside = distance_to(hole > 0, reach) > reach
    assert filled[outside].tobytes() == image[outside].tobytes()


@given(pictures_with_holes())
def test_the_hole_is_filled_with_numbers_and_opaque(case: tuple[np.ndarray, np.ndarray]) -> None:
    image, hole = case
    filled = fill(image, hole, mean_of_known, FINISHED)
    inside = filled[hole == 255]
    assert np.isfinite(inside).all()
    if image.ndim == 3 and image.shape[2] in (2, 4):
        assert (inside[:, -1] == WHITE[image.dtype]).all()


@given(pictures_with_holes(), st.data())
def test_what_is_in_the_hole_has_no_influence(
    case: tuple[np.ndarray, np.ndarray], data: st.DataObject
) -> None:
    image, hole = case
    hole[hole > 0] = 255
    other = image.copy()
    other[hole > 0] = data.draw(st.sampled_from([0, 1]))
    np.testing.assert_array_equal(
        fill(image, hole, mean_of_known, ALONE), fill(other, hole, mean_of_known, ALONE)
    )


# The official pipeline


def official(image: np.ndarray, mask: np.ndarray, generator: Generator) -> np.ndarray:
    """advimman/lama's predict.py: pad symmetrically to multiples of 8, predict, composite, clip, truncate."""
    height, width = mask.shape
    pad = ((0, -height % 8), (0, -width % 8))
    planes = np.pad(image.astype(np.float32).transpose(2, 0, 1) / 255, ((0, 0), *pad), mode="symmetric")
    holes = np.pad((mask > 0).astype(np.float32), pad, mode="symmetric")
    x, m = torch.from_numpy(planes)[None], torch.from_numpy(holes)[None, None]
    with torch.no_grad():
        result = m * generator(x * (1 - m), m) + (1 - m) * x
    result = result[0].permute(1, 2, 0).numpy()[:height, :width]
    return np.clip(result * 255, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (61, 90), (33, 40)])
def test_without_grow_feather_and_window_it_is_the_official_pipeline(height: int, width: int) -> None:
    torch.manual_seed(0)
    generator = Generator(GeneratorConfig(width=8, blocks=2, max_channels=64)).eval()
    image = noise(height, width, 3)
    mask = np.zeros((height, width), np.uint8)
    mask[5:30, 10:25] = 255
    mask[12:16, 14:18] = 0  # an island stays one
    ours, theirs = fill(image, mask, generator, EXACT), official(image, mask, generator)
    assert np.abs(ours.astype(int) - theirs).max() <= 1
    assert (ours[mask == 0] == image[mask == 0]).all()
    assert np.abs(ours.astype(int) - image)[mask > 0].mean() > 5


# Grow, feather, islands


def test_the_blend_is_full_in_the_grown_hole_and_nothing_beyond_the_feather() -> None:
    hole = square(120, 120, Rect(50, 40, 20, 30))
    image = np.zeros((120, 120, 3), np.uint8)
    filled = fill(image, hole, paint(1.0), alone(grow=5, feather=8))[:, :, 0]
    distance = distance_to(hole > 0, 100)
    assert (filled[distance <= 5] == 255).all()
    assert (filled[distance > 13] == 0).all()
    ring = (distance > 5) & (distance <= 12)
    assert ((filled[ring] > 0) & (filled[ring] < 255)).all()


def test_the_network_does_not_look_into_the_grown_hole() -> None:
    hole = square(100, 100, Rect(40, 40, 10, 10))
    generator = Recorder()
    fill(noise(100, 100, 3), hole, generator, alone(grow=7, feather=5))
    ((image, unknown),) = generator.seen
    np.testing.assert_array_equal(unknown > 0, distance_to(hole > 0, 7) <= 7)
    assert (image[:, unknown > 0] == 0).all()


@pytest.mark.parametrize(
    ("grow", "join", "joined"),
    [(None, None, True), (3, None, True), (0, None, False), (0, True, True), (None, False, False)],
)
def test_islands_join_the_hole(grow: int | None, join: bool | None, joined: bool) -> None:
    hole = square(200, 200, Rect(60, 60, 80, 80))
    hole[85:115, 85:115] = 0
    image = np.zeros((200, 200, 3), np.uint8)
    filled = fill(image, hole, paint(1.0), alone(grow=grow, feather=0, join_islands=join))
    assert bool((filled[100, 100] == 255).all()) == joined


def test_by_default_a_ring_around_something_large_does_not_take_it_away() -> None:
    hole = square(300, 300, Rect(60, 60, 180, 180))
    hole[66:234, 66:234] = 0
    image = np.zeros((300, 300, 3), np.uint8)
    assert (fill(image, hole, paint(1.0), ALONE)[150, 150] == 0).all()
    assert (fill(image, hole, paint(1.0), alone(join_islands=True))[150, 150] == 255).all()


@given(st.integers(0, 255), st.integers(0, 255))
def test_a_soft_selection_blends_by_its_value(one: int, other: int) -> None:
    hole = np.zeros((9, 9), np.uint8)
    hole[4, 2], hole[4, 6], hole[0, 0] = one, other, 255
    image = np.zeros((9, 9, 3), np.uint8)
    filled = fill(image, hole, paint(1.0), EXACT)[:, :, 0]
    assert abs(int(filled[4, 2]) - one) <= 1
    assert (int(filled[4, 6]) - int(filled[4, 2])) * (other - one) >= 0


def test_the_network_never_sees_what_is_selected_only_a_little() -> None:
    hole = np.zeros((40, 40), np.float32)
    hole[10:20, 10:20] = 0.01
    generator = Recorder()
    fill(noise(40, 40, 3), hole, generator, EXACT)
    np.testing.assert_array_equal(generator.seen[0][1], hole > 0)


def test_thin_strokes_across_a_picture_grow_by_their_width_and_not_by_their_bounds() -> None:
    strokes = np.zeros((450, 450), np.uint8)
    strokes[60:69, 20:430] = strokes[300:309, 20:430] = strokes[20:430, 200:209] = 255
    solid = square(450, 450, Rect(20, 20, 410, 410))
    (thin,) = plan_fill(noise(450, 450, 3), strokes).windows
    (thick,) = plan_fill(noise(450, 450, 3), solid).windows
    assert (thin.grow, thin.feather) == (2, 2)
    assert (thick.grow, thick.feather) == (7, 5)
    assert thin.rect == thick.rect


# Windows


def test_the_window_is_the_planned_one() -> None:
    image, rect = noise(900, 1200, 3), Rect(1100, 30, 60, 50)
    generator = Recorder()
    fill(image, square(900, 1200, rect), generator, ALONE)
    window = context_window(
        rect, Rect(0, 0, 1200, 900), grow=automatic_grow(rect), feather=automatic_feather(rect)
    )
    ((seen, unknown),) = generator.seen
    assert seen.shape == (3, window.height, window.width)
    known = unknown == 0
    expected = image[window.y : window.bottom, window.x : window.right].transpose(2, 0, 1) / 255
    np.testing.assert_allclose(seen[:, known], expected[:, known], atol=1e-6)


def test_a_client_that_sends_the_window_gets_what_the_whole_picture_gives() -> None:
    image, rect = noise(900, 1200, 3), Rect(700, 800, 230, 60)
    hole = square(900, 1200, rect)
    window = context_window(
        rect, Rect(0, 0, 1200, 900), grow=automatic_grow(rect), feather=automatic_feather(rect)
    )
    rows, columns = slice(window.y, window.bottom), slice(window.x, window.right)
    here = fill_region(image, hole, mean_of_known, FINISHED)
    there = fill_region(image[rows, columns], hole[rows, columns], mean_of_known, FINISHED)
    assert there.rect.shifted(window.x, window.y) == here.rect
    np.testing.assert_array_equal(here.pixels, there.pixels)
    np.testing.assert_array_equal(here.blend, there.blend)


def test_holes_far_apart_get_their_own_windows() -> None:
    image = noise(1000, 3000, 3)
    hole = square(1000, 3000, Rect(100, 100, 60, 60)) | square(1000, 3000, Rect(2800, 800, 60, 60))
    generator = Recorder()
    filled = fill(image, hole, generator, ALONE)
    assert [seen.shape for seen, _ in generator.seen] == [(3, MIN_WINDOW, MIN_WINDOW)] * 2
    assert (filled[hole > 0] == 128).all()
    region = fill_region(image, hole, generator, ALONE)
    np.testing.assert_array_equal(composite(image, region), filled)
    assert len(list(fill_windows(image, hole, generator, ALONE))) == 2


def test_a_window_sees_no_other_hole() -> None:
    image = np.zeros((600, 900, 3), np.uint8)
    hole = square(600, 900, Rect(100, 250, 90, 90)) | square(600, 900, Rect(600, 250, 90, 90))
    image[hole > 0] = 255
    seen = Recorder()
    fill(image, hole, seen, alone(context=450))
    assert all(window.max() == 0 for window, _ in seen.seen)


def test_a_window_with_nothing_known_in_it_is_made_larger() -> None:
    image = np.zeros((1500, 1500, 4), np.uint8)
    image[:, 1300:] = (40, 80, 120, 255)
    filled = fill(image, square(1500, 1500, Rect(100, 700, 30, 30)), mean_of_known, ALONE)
    assert filled[710, 110].tolist() == [40, 80, 120, 255]
    assert filled[600, 110].tolist() == [0, 0, 0, 0]


# Formats


@pytest.mark.parametrize("dtype", sorted(WHITE, key=str))
@pytest.mark.parametrize("channels", [None, 1, 2, 3, 4])
def test_every_format_is_filled_in_its_own_numbers(dtype: np.dtype, channels: int | None) -> None:
    shape = (60, 70) if channels is None else (60, 70, channels)
    image = np.full(shape, WHITE[dtype], dtype)
    image[..., 0] = np.asarray(WHITE[dtype] * 0.4).astype(dtype)
    if channels is None:
        image[:] = image[0, 0]
    expected = image[0, 0].copy()
    hole = square(60, 70, Rect(20, 20, 12, 14))
    broken = image.copy()
    broken[hole > 0] = 0
    filled = fill(broken, hole, mean_of_known, alone(grow=0, feather=0))
    assert filled.dtype == dtype
    tolerance = 1.01 if dtype.kind == "u" else 2e-3
    np.testing.assert_allclose(filled[25, 25], expected, atol=tolerance if dtype != np.uint16 else 8)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_bad_value_neither_spreads_nor_stays_in_the_hole(bad: float) -> None:
    image = np.full((60, 60, 3), 0.25, np.float32)
    image[28:33, 28:33, 1] = bad
    image[2, 2] = bad
    filled = fill(image, square(60, 60, Rect(30, 30, 8, 8)), mean_of_known, alone(grow=0, feather=4))
    assert (filled[30:38, 30:38] == 0.25).all()
    assert (filled[29, 30:33] == 0.25).all()
    assert filled[2, 2].tobytes() == image[2, 2].tobytes()


def test_a_bright_float_picture_is_filled_with_its_own_brightness() -> None:
    image = np.full((80, 80, 3), 5.0, np.float32)
    filled = fill(image, square(80, 80, Rect(30, 30, 10, 10)), mean_of_known, ALONE)
    np.testing.assert_allclose(filled, 5.0, rtol=1e-5)


def test_a_picture_that_is_not_contiguous() -> None:
    image, hole = noise(60, 80, 3), square(60, 80, Rect(20, 20, 9, 9))
    expected = fill(image, hole, mean_of_known, ALONE)
    turned = fill(image.transpose(1, 0, 2), hole.T, mean_of_known, ALONE)
    np.testing.assert_array_equal(turned.transpose(1, 0, 2), expected)
    np.testing.assert_array_equal(
        fill(image[:, ::-1], hole[:, ::-1], mean_of_known, ALONE)[:, ::-1], expected
    )


# What cannot be filled


def test_an_empty_mask_says_that_there_is_nothing_to_fill() -> None:
    with pytest.raises(FillError, match="nothing to fill"):
        fill(noise(20, 20, 3), np.zeros((20, 20), np.uint8), mean_of_known, ALONE)


def test_a_full_mask_says_that_nothing_is_known() -> None:
    with pytest.raises(FillError, match="whole picture"):
        fill(noise(20, 20, 3), np.ones((20, 20), np.bool_), mean_of_known, ALONE)


@pytest.mark.parametrize(("value", "message"), [(0, "nothing to fill"), (255, "whole picture")])
def test_a_picture_of_one_pixel(value: int, message: str) -> None:
    with pytest.raises(FillError, match=message):
        fill(noise(1, 1, 3), np.full((1, 1), value, np.uint8), mean_of_known, ALONE)


def test_a_picture_of_two_pixels_is_filled() -> None:
    image, hole = np.array([[10, 200]], np.uint8), np.array([[0, 255]], np.uint8)
    assert fill(image, hole, mean_of_known, ALONE).tolist() == [[10, 10]]


def test_an_automatic_grow_leaves_something_known() -> None:
    hole = np.full((12, 12), 255, np.uint8)
    hole[0, 0] = 0
    image = np.full((12, 12), 77, np.uint8)
    image[hole > 0] = 0
    assert (fill(image, hole, mean_of_known, ALONE) == 77).all()
    with pytest.raises(FillError, match="smaller grow"):
        fill(image, hole, mean_of_known, alone(grow=3))


def test_a_picture_that_is_transparent_around_the_hole_says_so() -> None:
    image = np.zeros((30, 30, 4), np.uint8)
    with pytest.raises(FillError, match="transparent"):
        fill(image, square(30, 30, Rect(10, 10, 5, 5)), mean_of_known, ALONE)


def test_sizes_that_do_not_match_are_both_named() -> None:
    with pytest.raises(FillError, match=r"30 x 20 .* 21 x 20"):
        fill(noise(20, 30, 3), np.zeros((20, 21), np.uint8), mean_of_known, ALONE)


def test_a_type_that_is_no_picture() -> None:
    with pytest.raises(PixelError, match="int64"):
        fill(np.zeros((4, 4), np.int64), np.zeros((4, 4), np.uint8), mean_of_known, ALONE)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"grow": -1}, "grow .* not -1"),
        ({"feather": -2}, "feather .* not -2"),
        ({"context": "all"}, "not 'all'"),
        ({"context": -1}, "not -1"),
        ({"quality": "better"}, "quality .* fast, balanced, best, not 'better'"),
        ({"transfer": "bright"}, "transfer .* perceptual, linear, not 'bright'"),
        ({"seed": -1}, "seed .* not -1"),
        ({"seed": 1 << 64}, "seed is a number from 0 to 4294967295, not 18446744073709551616"),
        ({"memory": 0}, "memory .* not 0"),
    ],
)
def test_options_that_mean_nothing(arguments: dict, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        FillOptions(**arguments)


def test_a_model_that_returns_no_numbers_is_found_out() -> None:
    with pytest.raises(PredictionError, match="not numbers"):
        fill(noise(20, 20, 3), square(20, 20, Rect(5, 5, 5, 5)), paint(float("nan")), ALONE)


def test_a_model_that_returns_another_size_is_found_out() -> None:
    def smaller(image: torch.Tensor, hole: torch.Tensor) -> torch.Tensor:
        return F.avg_pool2d(image, 2)

    with pytest.raises(PredictionError, match="\\(1, 3, 10, 10\\)"):
        fill(noise(20, 20, 3), square(20, 20, Rect(5, 5, 5, 5)), smaller, ALONE)


def test_a_region_of_another_picture_is_not_composited() -> None:
    region = FilledRegion(
        rect=Rect(3, 3, 4, 4), pixels=np.zeros((4, 4, 3), np.uint8), blend=np.ones((4, 4), np.float32)
    )
    for shape, dtype in (((5, 5, 3), np.uint8), ((9, 9, 4), np.uint8), ((9, 9, 3), np.uint16)):
        with pytest.raises(FillError, match="does not fit"):
            composite(np.zeros(shape, dtype), region)


# Progress, cancel, devices, cost


def test_progress_never_falls_and_ends_at_one() -> None:
    image = noise(800, 2600, 3)
    hole = square(800, 2600, Rect(100, 100, 60, 60)) | square(800, 2600, Rect(2400, 600, 60, 60))
    told: list[tuple[str, float]] = []
    progress = Progress(on_report=lambda stage, fraction: told.append((stage, fraction)))
    fill(image, hole, mean_of_known, ALONE, progress=progress)
    fractions = [fraction for _, fraction in told]
    assert fractions == sorted(fractions)
    assert fractions[0] == 0
    assert fractions[-1] == 1
    assert {stage for stage, _ in told} == {"preparing", "filling", "blending"}


@pytest.mark.parametrize("after", range(6))
def test_a_fill_can_be_cancelled_between_any_two_stages(after: int) -> None:
    image = noise(800, 2600, 3)
    hole = square(800, 2600, Rect(100, 100, 60, 60)) | square(800, 2600, Rect(2400, 600, 60, 60))
    generator, asked = Recorder(), 0

    def cancelled() -> bool:
        nonlocal asked
        asked += 1
        return asked > after

    with pytest.raises(FillCancelled):
        fill(image, hole, generator, ALONE, progress=Progress(cancelled=cancelled))
    assert len(generator.seen) == (after + 1) // 3


def test_pixels_go_to_the_device_that_the_generator_names() -> None:
    class Elsewhere(Predictor):
        device = torch.device("meta")

        def __call__(self, image: torch.Tensor, hole: torch.Tensor) -> torch.Tensor:
            assert image.device.type == hole.device.type == "meta"
            return torch.zeros(image.shape)

    filled = fill(noise(20, 20, 3), square(20, 20, Rect(5, 5, 5, 5)), Elsewhere(), ALONE)
    assert (filled[5:10, 5:10] == 0).all()


def test_a_huge_picture_takes_the_memory_that_its_hole_takes() -> None:
    rect = Rect(5000, 6000, 300, 300)
    image = np.zeros((10_000, 10_000, 3), np.uint8)
    hole = square(10_000, 10_000, rect)
    tracemalloc.start()
    region = fill_region(image, hole, paint(1.0), ALONE)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert region.rect.width < 340
    assert peak < 60e6  # one float copy of the picture would be 1.2e9
