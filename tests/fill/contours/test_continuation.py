"""Contours that go on through a hole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lama_core.fill import FillCancelled, Progress
from lama_core.fill.contours.continuation import SIDE, continue_contours
from lama_core.image.pixels import Floats, Mask
from tests.fill.contours.pictures import HEIGHT, WIDTH, disc, grainy, offsets_from, smooth_step


def without(picture: Floats, hole: Mask) -> Floats:
    return np.where(hole, np.float32(0), picture)


@settings(max_examples=12, deadline=None)
@given(angle=st.floats(0, np.pi), radius=st.floats(12, 45))
def test_an_edge_at_any_angle_goes_on(angle: float, radius: float) -> None:
    picture = grainy(0.2 + 0.6 * smooth_step(offsets_from(angle)))
    hole = disc(radius)
    contours = continue_contours(without(picture, hole), hole)
    assert contours is not None
    sure = hole & (contours.cover >= 1)
    assert sure[hole & (np.abs(offsets_from(angle)) < 2)].mean() > 0.95
    assert np.abs(contours.picture - picture)[:, sure].mean() < 0.04


def test_a_cable_keeps_its_width_and_colours() -> None:
    offsets = np.abs(offsets_from(0.4))
    picture = grainy(0.75 - 0.6 * smooth_step(2 - offsets))
    hole = disc(40)
    contours = continue_contours(without(picture, hole), hole)
    assert contours is not None
    filled = contours.into(np.full_like(picture, 0.75), hole)
    assert np.abs(filled - picture)[:, hole].mean() < 0.02
    dark = filled.mean(axis=0) < 0.45
    assert dark[hole].sum() == pytest.approx((picture.mean(axis=0) < 0.45)[hole].sum(), rel=0.1)


def test_an_arc_goes_on_as_an_arc() -> None:
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    radius = np.hypot(y - 220, x - 120).astype(np.float32)
    picture = grainy(0.3 + 0.5 * smooth_step(radius - 120))
    hole = disc(30)
    contours = continue_contours(without(picture, hole), hole)
    assert contours is not None
    near = hole & (np.abs(radius - 120) < 4)
    assert np.abs(contours.picture - picture)[:, near].mean() < 0.06


def test_between_two_edges_the_colours_are_those_between_them() -> None:
    """A band of which the fill knows nothing gets its colour from its two edges."""
    offsets = np.abs(offsets_from(0.2))
    picture = grainy(0.2 + 0.7 * smooth_step(18 - offsets))
    hole = disc(45)
    contours = continue_contours(without(picture, hole), hole)
    assert contours is not None
    filled = contours.into(np.where(hole, np.float32(0.4), picture), hole)
    assert filled.mean(axis=0)[hole & (offsets < 3)].mean() == pytest.approx(0.9, abs=0.1)


def test_a_post_before_a_horizon_is_alike_on_its_own_side() -> None:
    """Its own colours go on; what is behind it is not drawn, because the two ends do not agree on it."""
    offsets, y = offsets_from(np.pi / 2), np.mgrid[0:HEIGHT, 0:WIDTH][0]
    behind = np.where(y < 100, 0.9, 0.55).astype(np.float32)
    picture = grainy(behind + (0.15 - behind) * smooth_step(14 - np.abs(offsets)))
    hole = disc(35)
    contours = continue_contours(without(picture, hole), hole)
    assert contours is not None
    inner = hole & (np.abs(offsets) > 9) & (np.abs(offsets) < 13)
    assert contours.cover[inner].mean() > 0.9
    assert contours.picture[:, inner].mean() == pytest.approx(0.15, abs=0.05)
    outer = hole & (np.abs(offsets) > 17) & (np.abs(y - 100) > 16)
    assert contours.cover[outer].max() == 0


def test_two_lines_that_cross_both_go_on() -> None:
    first, second = np.abs(offsets_from(0.5)), np.abs(offsets_from(2.2))
    lines = np.maximum(smooth_step(3 - first), smooth_step(3 - second))
    picture = grainy(0.7 - 0.5 * lines)
    hole = disc(40)
    contours = continue_contours(without(picture, hole), hole)
    assert contours is not None
    for offsets in (first, second):
        assert contours.cover[hole & (offsets < 2)].mean() > 0.9
        assert contours.picture[:, hole & (offsets < 1.5)].mean() < 0.3


def test_of_two_bars_that_cross_one_is_whole() -> None:
    first, second = np.abs(offsets_from(0.4)), np.abs(offsets_from(1.9))
    picture = np.full_like(first, 0.5)
    picture += (0.9 - picture) * smooth_step(6 - first)
    picture += (0.1 - picture) * smooth_step(6 - second)
    picture = grainy(picture)
    hole = disc(40)
    contours = continue_contours(without(picture, hole), hole)
    assert contours is not None
    filled = contours.into(np.full_like(picture, 0.5), hole)[0]
    bright, dark = filled[hole & (first < 3)], filled[hole & (second < 3)]
    crossing = filled[hole & (first < 3) & (second < 3)]
    assert min((bright > 0.8).mean(), (dark < 0.2).mean()) > 0.75
    assert max((bright > 0.8).mean(), (dark < 0.2).mean()) > 0.99
    assert (crossing > 0.8).all() or (crossing < 0.2).all()


def test_a_line_that_another_one_hides_beside_the_hole_goes_on() -> None:
    offsets, x = np.abs(offsets_from(0.1)), np.mgrid[0:HEIGHT, 0:WIDTH][1]
    picture = 0.7 - 0.5 * smooth_step(3 - offsets)
    picture = grainy(np.where(np.abs(x - 167) < 6, np.float32(0.95), picture))
    hole = disc(40)
    contours = continue_contours(without(picture, hole), hole)
    assert contours is not None
    assert contours.cover[hole & (offsets < 2)].mean() > 0.9
    assert contours.picture[:, hole & (offsets < 1.5)].mean() < 0.3


@pytest.mark.parametrize("kind", ["plain", "noise", "slope"])
def test_where_nothing_is_interrupted_nothing_is_drawn(kind: str) -> None:
    gray = np.full((HEIGHT, WIDTH), 0.5, np.float32)
    if kind == "noise":
        gray += np.random.default_rng(1).normal(0, 0.2, gray.shape).astype(np.float32)
    if kind == "slope":
        gray += np.linspace(-0.4, 0.4, WIDTH, dtype=np.float32)
    hole = disc(40)
    assert continue_contours(without(grainy(gray), hole), hole) is None


def test_ends_of_other_colours_are_not_joined() -> None:
    """An edge between dark and light on one side of the hole, between light and dark on the other."""
    step = smooth_step(offsets_from(0.0))
    x = np.mgrid[0:HEIGHT, 0:WIDTH][1]
    picture = grainy(0.2 + 0.6 * np.where(x < 120, step, 1 - step))
    hole = disc(40)
    assert continue_contours(without(picture, hole), hole) is None


def test_a_large_picture_has_its_contours_at_full_size() -> None:
    height, width = 2 * HEIGHT * SIDE // WIDTH, 2 * SIDE
    picture = grainy(0.2 + 0.6 * smooth_step(offsets_from(0.7, height, width)))
    hole = disc(150, height, width)
    contours = continue_contours(without(picture, hole), hole)
    assert contours is not None
    near = hole & (np.abs(offsets_from(0.7, height, width)) < 4)
    assert contours.cover[near].mean() > 0.95
    assert np.abs(contours.picture - picture)[:, near].mean() < 0.12
    # The edge is as sharp as it is in the picture.
    assert np.ptp(contours.picture.mean(axis=0)[near]) > 0.5


def test_holes_at_the_border_and_of_every_pixel_have_no_contours_to_join() -> None:
    picture = grainy(0.2 + 0.6 * smooth_step(offsets_from(0.1)))
    border = np.zeros((HEIGHT, WIDTH), np.bool_)
    border[:, :60] = True
    assert continue_contours(without(picture, border), border) is None
    everything = np.ones((HEIGHT, WIDTH), np.bool_)
    assert continue_contours(without(picture, everything), everything) is None


def test_the_known_picture_is_never_changed() -> None:
    picture = grainy(0.2 + 0.6 * smooth_step(offsets_from(0.9)))
    hole = disc(30)
    contours = continue_contours(without(picture, hole), hole)
    assert contours is not None
    assert (contours.cover[~hole] == 0).all()
    filled = contours.into(np.where(hole, np.float32(0.5), picture), hole)
    assert (filled[:, ~hole] == picture[:, ~hole]).all()
    shown, left = contours.known(without(picture, hole), hole)
    assert (shown[:, ~hole] == picture[:, ~hole]).all()
    assert not (left & ~hole).any()


def test_a_fill_that_lacks_no_detail_keeps_its_own_contours() -> None:
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    hole = disc(30)
    seen = without(grainy(0.3 + 0.5 * smooth_step(np.hypot(y - 220, x - 120) - 120)), hole)
    assert continue_contours(seen, hole, lacking=np.full((50, 60), 0.15, np.float32)) is None
    assert continue_contours(seen, hole, lacking=np.full((50, 60), 0.4, np.float32)) is not None


def test_a_straight_line_is_left_as_it_is_where_a_fill_has_it_already_or_what_repeats() -> None:
    picture = grainy(0.2 + 0.6 * smooth_step(offsets_from(0.3)))
    hole = disc(40)
    seen, none = without(picture, hole), np.zeros((50, 60), np.float32)
    assert continue_contours(seen, hole, picture, none) is None
    soft = grainy(0.2 + 0.6 * smooth_step(offsets_from(0.3) / 15))
    bent = grainy(0.2 + 0.6 * smooth_step(offsets_from(0.9)))
    for fill in (soft, bent):
        filled = np.where(hole, fill, picture)
        assert continue_contours(seen, hole, filled, none, none + np.float32(0.3)) is not None
        assert continue_contours(seen, hole, filled, none, none + np.float32(0.8)) is None


def test_cancelling_ends_it_at_every_step() -> None:
    picture = grainy(0.7 - 0.5 * smooth_step(3 - np.abs(offsets_from(0.5))))
    hole = disc(40)
    asked = []
    continue_contours(
        without(picture, hole), hole, progress=Progress(cancelled=lambda: bool(asked.append(1)))
    )
    assert len(asked) >= 2
    for last in range(len(asked)):
        left = iter([False] * last)
        with pytest.raises(FillCancelled):
            continue_contours(
                without(picture, hole), hole, progress=Progress(cancelled=lambda left=left: next(left, True))
            )
