"""Translations of a plane in perspective."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lama_core.fill.repetition.plane import NOWHERE, Frame, depths, rectified, translated

tilts = st.tuples(st.floats(-0.8, 0.8), st.floats(-0.8, 0.8)).map(np.array)
steps = st.tuples(st.floats(-0.2, 0.2), st.floats(-0.2, 0.2)).map(np.array)
PLACES = np.array([(0.0, 0.0), (0.3, -0.2), (-0.4, 0.4), (0.1, 0.25)])


@given(vanishing=tilts, step=steps)
def test_a_step_there_and_back_ends_where_it_began(vanishing: np.ndarray, step: np.ndarray) -> None:
    there = translated(PLACES, vanishing, step)
    seen = there[:, 0] != NOWHERE
    back = translated(there[seen], vanishing, -step)
    assert back == pytest.approx(PLACES[seen], abs=1e-6)


@given(vanishing=tilts, first=steps, second=steps)
def test_two_steps_are_their_sum(vanishing: np.ndarray, first: np.ndarray, second: np.ndarray) -> None:
    halfway = translated(PLACES, vanishing, first)
    both, once = translated(halfway, vanishing, second), translated(PLACES, vanishing, first + second)
    seen = (halfway[:, 0] != NOWHERE) & (both[:, 0] != NOWHERE) & (once[:, 0] != NOWHERE)
    assert both[seen] == pytest.approx(once[seen], abs=1e-6)


def test_seen_straight_on_a_step_is_the_same_everywhere() -> None:
    moved = translated(PLACES, np.zeros(2), np.array((0.1, -0.05)))
    assert moved - PLACES == pytest.approx(np.tile((0.1, -0.05), (4, 1)))


def test_far_away_a_step_is_shorter() -> None:
    vanishing = np.array((0.0, 0.8))  # above
    far, near = translated(np.array([(0.0, -0.4), (0.0, 0.4)]), vanishing, np.array((0.1, 0.0)))
    assert 0 < far[0] < 0.1 < near[0]


def test_what_is_behind_the_vanishing_line_is_nowhere() -> None:
    vanishing = np.array((0.0, 2.0))
    assert (translated(np.array([(0.0, -0.5)]), vanishing, np.array((0.1, 0.0))) == NOWHERE).all()


@given(vanishing=tilts)
def test_lines_through_the_plane_stay_straight(vanishing: np.ndarray) -> None:
    line = np.linspace((-0.2, -0.1), (0.25, 0.3), 9)
    line = line[depths(line, vanishing) > 0.15]
    flat = rectified(line, vanishing)
    along = flat[1:] - flat[:1]
    assert along[:, 0] * along[0, 1] - along[:, 1] * along[0, 0] == pytest.approx(0, abs=1e-9)


@given(height=st.integers(1, 5000), width=st.integers(1, 5000))
def test_pixels_become_places_and_pixels_again(height: int, width: int) -> None:
    frame = Frame(height=height, width=width)
    corners = np.array([(0.0, 0.0), (height - 1, width - 1), (-3.5, width + 2.0)])
    assert frame.pixels(frame.places(corners)) == pytest.approx(corners, abs=1e-6)
    assert frame.holds(corners).tolist() == [True, True, False]
