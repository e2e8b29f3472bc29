"""The picture after a step."""

from __future__ import annotations

import numpy as np
import torch

from lama_core.fill.repetition.detection import Steps
from lama_core.fill.repetition.warp import BESIDE, warped
from tests.fill.repetition.floors import PERIOD, VANISHING, floor, hole_in


def test_a_step_of_whole_pixels_shows_these() -> None:
    image = torch.rand(3, 60, 80, generator=torch.Generator().manual_seed(0))
    unknown = torch.from_numpy(hole_in(60, 80))
    steps = Steps(vanishing=np.zeros(2), steps=np.array([(20 / 80, 10 / 80)]))
    pictures, seen = warped(steps, image, unknown, ~unknown)
    rows, columns = np.nonzero(hole_in(60, 80))
    assert seen[0][rows, columns].all()
    shown, there = pictures[0][:, rows, columns], image[:, rows + 10, columns + 20]
    assert torch.allclose(shown, there, atol=1e-4)
    assert torch.equal(pictures[0][:, :10], image[:, :10])


def test_what_is_not_known_and_what_is_outside_is_not_seen() -> None:
    image, unknown = torch.rand(3, 60, 80), torch.from_numpy(hole_in(60, 80))
    steps = Steps(vanishing=np.zeros(2), steps=np.array([(2 / 80, 0.0), (0.9, 0.0)]))
    _, seen = warped(steps, image, unknown, ~unknown)
    rows, columns = np.nonzero(hole_in(60, 80))
    # Two pixels to the right of most of the hole there is the hole.
    assert float(seen[0][rows, columns].float().mean()) < 0.3
    assert not seen[1].any()


def test_a_hole_at_the_border_is_no_fault() -> None:
    image, unknown = torch.rand(3, 60, 80), torch.zeros(60, 80, dtype=torch.bool)
    unknown[: 60 - BESIDE // 2, 70:] = True
    steps = Steps(vanishing=np.zeros(2), steps=np.array([(-0.3, 0.0)]))
    pictures, seen = warped(steps, image, unknown, ~unknown)
    assert pictures.shape == (1, 3, 60, 80)
    assert seen[0, 30, 75]


def test_a_floor_is_the_same_after_one_tile() -> None:
    picture, unknown = torch.from_numpy(floor(240, 300)), torch.from_numpy(hole_in(240, 300))
    steps = Steps(vanishing=VANISHING, steps=np.array([(PERIOD[0], 0.0), (0.0, -PERIOD[1])]))
    pictures, seen = warped(steps, picture, unknown, ~unknown)
    for shown, there in zip(pictures, seen, strict=True):
        inside = there & unknown
        assert int(inside.sum()) > 500
        assert float((shown - picture).abs()[:, inside].mean()) < 0.03
