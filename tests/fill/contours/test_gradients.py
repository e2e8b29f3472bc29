"""Colour gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lama_core.fill.contours.gradients import Gradients, edge_of


@pytest.mark.parametrize("angle", [0.0, 0.5, 1.2, 2.0, 3.0])
def test_an_edge_has_its_normal_and_its_strength(angle: float) -> None:
    y, x = np.mgrid[0:40, 0:40].astype(np.float32)
    slope = 0.01 * (np.cos(angle) * y + np.sin(angle) * x)
    image = torch.from_numpy(np.stack((slope, 2 * slope, 2 * slope)).astype(np.float32))
    strength, normal = edge_of(*Gradients.of(image).at(np.array([(20.0, 20.0)])))
    assert strength[0] == pytest.approx(0.03, rel=1e-3)
    assert abs(normal[0] @ (np.cos(angle), np.sin(angle))) == pytest.approx(1, abs=1e-4)
