"""Values between pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lama_core.fill.common.sampling import sample


@given(row=st.floats(0, 8), column=st.floats(0, 11))
def test_a_plane_is_sampled_exactly(row: float, column: float) -> None:
    y, x = np.mgrid[0:9, 0:12].astype(np.float32)
    image = np.stack((y, 2 * x))
    place = np.array((row, column), np.float32)
    assert sample(image, place) == pytest.approx([place[0], 2 * place[1]], abs=1e-4)


def test_beyond_the_border_is_the_border() -> None:
    image = np.arange(12, dtype=np.float32).reshape(1, 3, 4)
    assert sample(image, np.array([(-5.0, -5.0), (9.0, 9.0)])).tolist() == [[0.0, 11.0]]
