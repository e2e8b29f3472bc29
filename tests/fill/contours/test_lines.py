"""Straight edges that are seen on both sides of a hole."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lama_core.fill.contours.ends import LONGEST, ContourEnds
from lama_core.fill.contours.gradients import Gradients
from lama_core.fill.contours.lines import find_lines
from lama_core.fill.contours.pairing import Connection
from lama_core.image.mask_ops import distance_to
from lama_core.image.pixels import Floats, Mask
from lama_core.model.prefill import harmonic_fill
from tests.fill.contours.pictures import CENTRE, disc, grainy, offsets_from, smooth_step


def lines_of(picture: Floats, hole: Mask) -> tuple[ContourEnds, list[Connection]] | None:
    image, unknown = torch.from_numpy(picture)[None], torch.from_numpy(hole)[None, None].float()
    shown = torch.where(unknown > 0, harmonic_fill(image * (1 - unknown), unknown), image)[0]
    distance = distance_to(hole, LONGEST)
    distance[np.isinf(distance)] = LONGEST
    return find_lines(shown.numpy(), hole, distance, Gradients.of(shown))


def bar(angle: float, shift: float, half: float) -> Floats:
    """(H, W): 1 on a bar of this angle, so far beside the centre."""
    return smooth_step(half - np.abs(offsets_from(angle) - shift))


@settings(max_examples=15, deadline=None)
@given(angle=st.floats(0, np.pi), shift=st.floats(-20, 20), radius=st.floats(25, 45))
def test_both_edges_of_a_bar_at_any_angle_are_found_to_a_fraction_of_a_pixel(
    angle: float, shift: float, radius: float
) -> None:
    found = lines_of(grainy(0.3 + 0.5 * bar(angle, shift, 5)), disc(radius))
    assert found is not None
    ends, connections = found
    assert len(connections) == 2
    assert len(ends) == 4
    beside = []
    for connection in connections:
        row, column = (connection.curve - CENTRE).T
        offsets = np.sin(angle) * column - np.cos(angle) * row - shift
        assert np.ptp(offsets) < 1.5, "it has the angle of the bar"
        beside.append(float(offsets.mean()))
    assert sorted(beside) == pytest.approx([-5, 5], abs=0.35)


def test_bars_that_cross_in_the_hole_and_hide_each_other_beside_it_are_all_found() -> None:
    picture = np.full_like(offsets_from(0), 0.5)
    for angle, shift, value in ((0.3, 4, 0.9), (0.9, -8, 0.1), (1.5, 10, 0.8), (2.4, -3, 0.2)):
        picture += (value - picture) * bar(angle, shift, 4)
    found = lines_of(grainy(picture), disc(35))
    assert found is not None
    _ends, connections = found
    angles = [np.arctan2(*(one.curve[-1] - one.curve[0])) % np.pi for one in connections]
    for angle in (0.3, 0.9, 1.5, 2.4):
        near = [abs((one - angle + np.pi / 2) % np.pi - np.pi / 2) < 0.02 for one in angles]
        assert sum(near) == 2, f"both edges of the bar at {angle}"


def test_what_is_hidden_beside_the_hole_is_said_to_be_unseen() -> None:
    picture = 0.3 + 0.5 * bar(0.0, 0, 4)
    picture = np.where(np.abs(offsets_from(np.pi / 2) - 42) < 7, np.float32(0.1), picture)
    found = lines_of(grainy(picture), disc(35))
    assert found is not None
    ends, connections = found
    across = [one for one in connections if abs(one.curve[-1, 1] - one.curve[0, 1]) > 20]
    assert len(across) == 2
    for connection in across:
        assert sorted(ends.unseen[list(connection.ends)] > 8) == [False, True]


def test_a_hole_of_two_parts_has_both_crossed() -> None:
    columns = np.arange(240)[None]
    hole = disc(45) & ((columns < 112) | (columns >= 130))
    found = lines_of(grainy(0.3 + 0.5 * smooth_step(offsets_from(0.1))), hole)
    assert found is not None
    starts = sorted(min(float(one.curve[0, 1]), float(one.curve[-1, 1])) for one in found[1])
    assert starts == pytest.approx([75.5, 130], abs=2)


@pytest.mark.parametrize("kind", ["arc", "noise", "other colours", "one side"])
def test_what_is_no_line_through_the_hole_is_none(kind: str) -> None:
    y, x = np.mgrid[0:200, 0:240].astype(np.float32)
    edge = smooth_step(offsets_from(0.0))
    picture = {
        "arc": 0.3 + 0.5 * smooth_step(np.hypot(y - 220, x - 120) - 120),
        "noise": 0.5 + 0.1 * np.random.default_rng(1).normal(size=(200, 240)),
        "other colours": np.where(x < 120, 0.3 + 0.5 * edge, 0.8 - 0.5 * edge),
        "one side": np.where(x < 120, 0.3 + 0.5 * edge, 0.3),
    }[kind]
    assert lines_of(grainy(picture), disc(30)) is None
