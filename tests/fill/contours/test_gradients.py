"""Colour gradients and values between pixels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lama_core.fill.contours.gradients import Gradients, edge_of, sample


@given(row=st.floats(0, 8), column=st.floats(0, 11))
def test_a_plane_is_sampled_exactly(row: float, column: float) -> None:
    y, x = np.mgrid[0:9, 0:12].astype(np.float32)
    image = np.stack((y, 2 * x))
    place = np.array((row, column), np.float32)
    assert sample(image, place) == pytest.approx([place[0], 2 * place[1]], abs=1e-4)


def test_beyond_the_border_is_the_border() -> None:
    image = np.arange(12, dtype=np.float32).reshape(1, 3, 4)
    assert sample(image, np.array([(-5.0, -5.0), (9.0, 9.0)])).tolist() == [[0.0, 11.0]]


@pytest.mark.parametrize("angle", [0.0, 0.5, 1.2, 2.0, 3.0])
def test_an_edge_has_its_normal_and_its_strength(angle: float) -> None:
    y, x = np.mgrid[0:40, 0:40].astype(np.float32)
    slope = 0.01 * (np.cos(angle) * y + np.sin(angle) * x)
    image = torch.from_numpy(np.stack((slope, 2 * slope, 2 * slope)).astype(np.float32))
    strength, normal = edge_of(*Gradients.of(image).at(np.array([(20.0, 20.0)])))
    assert strength[0] == pytest.approx(0.03, rel=1e-3)
    assert abs(normal[0] @ (np.cos(angle), np.sin(angle))) == pytest.approx(1, abs=1e-4)
