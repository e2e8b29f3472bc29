"""Whether a picture repeats on a plane, and on which."""

from __future__ import annotations

import numpy as np
import pytest

from lama_core.fill.repetition.detection import detect_steps
from tests.fill.repetition.floors import PERIOD, VANISHING, floor, grass, hole_in, scales_of


def test_a_floor_has_its_vanishing_line_and_its_tiles() -> None:
    scales, matches = scales_of(floor(360, 400), hole_in(360, 400))
    found = detect_steps(matches.fine, scales[matches.level].painted[0])
    assert found is not None
    assert found.vanishing == pytest.approx(VANISHING, abs=0.12)
    # Tiles of one colour lie half a period across and half a period down from each other.
    halves = found.steps / (np.array(PERIOD) / 2)
    exact = np.abs(halves - halves.round()).max(axis=1) < 0.2
    assert np.count_nonzero(exact) >= 3
    assert ((halves[exact].round().sum(axis=1) % 2) == 0).all()


def test_grass_does_not_repeat() -> None:
    scales, matches = scales_of(grass(360, 400), hole_in(360, 400))
    assert detect_steps(matches.fine, scales[matches.level].painted[0]) is None


def test_a_plain_surface_does_not_repeat() -> None:
    plain = np.full((3, 200, 240), 0.5, np.float32)
    scales, matches = scales_of(plain, hole_in(200, 240))
    assert detect_steps(matches.fine, scales[matches.level].painted[0]) is None
