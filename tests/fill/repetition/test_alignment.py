"""Steps to a fraction of a pixel."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lama_core.fill.repetition.alignment import align_steps
from lama_core.fill.repetition.detection import Steps
from lama_core.fill.repetition.plane import Frame, translated
from tests.fill.repetition.floors import PERIOD, VANISHING, floor, grass, hole_in


def test_steps_that_are_nearly_right_become_right() -> None:
    height, width = 240, 300
    unknown = hole_in(height, width)
    true = np.array([(PERIOD[0], 0.0), (0.0, PERIOD[1]), (PERIOD[0] / 2, PERIOD[1] / 2)])
    near = true + np.array([(0.004, -0.003), (-0.003, 0.004), (0.003, 0.003)])
    roughly = Steps(vanishing=VANISHING + np.array((0.03, -0.04)), steps=near)
    everywhere = np.ones_like(unknown)
    found = align_steps(roughly, torch.from_numpy(floor(height, width)), ~unknown, everywhere)
    assert found is not None
    frame = Frame(height=height, width=width)
    hole = frame.places(np.argwhere(unknown)[::50])
    for step in (*true, *-true):
        wanted = translated(hole, VANISHING, step)
        missed = [
            np.linalg.norm(translated(hole, found.vanishing, one) - wanted, axis=1).max() * width
            for one in found.steps
        ]
        assert min(missed) < 0.4


def test_light_does_not_matter() -> None:
    unknown = hole_in(240, 300)
    exact = Steps(vanishing=VANISHING, steps=np.array([(PERIOD[0], 0.0)]))
    dark = torch.from_numpy(floor(240, 300, light=0.3))
    found = align_steps(exact, dark, ~unknown, np.ones_like(unknown))
    assert found is not None
    assert min(np.linalg.norm(found.steps - exact.steps, axis=1)) * 300 < 1


def test_steps_that_show_something_else_are_left_out() -> None:
    unknown = hole_in(240, 300)
    wrong = Steps(vanishing=np.zeros(2), steps=np.array([(0.1, 0.03)]))
    assert align_steps(wrong, torch.from_numpy(grass(240, 300)), ~unknown, np.ones_like(unknown)) is None


def test_with_hardly_anything_known_there_is_none() -> None:
    known = np.zeros((50, 60), np.bool_)
    known[:2, :20] = True
    steps = Steps(vanishing=np.zeros(2), steps=np.array([(0.1, 0.0)]))
    assert align_steps(steps, torch.rand(3, 50, 60), known, np.ones_like(known)) is None


def test_the_sums_of_steps_are_there_too() -> None:
    unknown = hole_in(240, 300)
    exact = Steps(vanishing=VANISHING, steps=np.array([(PERIOD[0], 0.0), (0.0, PERIOD[1])]))
    found = align_steps(exact, torch.from_numpy(floor(240, 300)), ~unknown, np.ones_like(unknown))
    assert found is not None
    both = np.array(PERIOD)
    assert min(np.linalg.norm(found.steps - both, axis=1)) * 300 == pytest.approx(0, abs=1)


def test_what_is_the_same_all_along_does_not_repeat() -> None:
    """A horizon: any step along it holds."""
    picture = grass(240, 300) * 0.1
    picture[:, 120:] += 0.7
    unknown = hole_in(240, 300)
    along = Steps(vanishing=np.zeros(2), steps=np.array([(0.2, 0.0), (0.31, 0.0)]))
    assert align_steps(along, torch.from_numpy(picture), ~unknown, np.ones_like(unknown)) is None
