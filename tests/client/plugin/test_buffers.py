"""Parts of rectangles of pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lama_core.client.geometry import Rect
from lama_core.client.plugin.buffers import crop, shown_part, stripes


@given(data=st.data())
def test_crop(data: st.DataObject) -> None:
    width, height, size = (data.draw(st.integers(1, 9)) for _ in range(3))
    x, y = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    columns, rows = data.draw(st.integers(1, width - x)), data.draw(st.integers(1, height - y))
    values = np.arange(width * height * size, dtype=np.uint8).reshape(height, width, size)
    expected = values[y : y + rows, x : x + columns].tobytes()
    whole = Rect(7, -3, width, height)
    part = Rect(7 + x, y - 3, columns, rows)
    assert crop(values.tobytes(), whole, part, size) == expected


@pytest.mark.parametrize("shown", [Rect(0, 0, 9, 7), Rect(3, 2, 4, 1), Rect(8, 6, 1, 1), Rect(2, 0, 1, 7)])
def test_the_part_that_shows(shown: Rect) -> None:
    blend = bytes(
        (x in (shown.x, shown.right - 1) or y in (shown.y, shown.bottom - 1))
        and shown.x <= x < shown.right
        and shown.y <= y < shown.bottom
        for y in range(7)
        for x in range(9)
    )
    assert shown_part(Rect(10, 20, 9, 7), blend) == shown.shifted(10, 20)


def test_nothing_shows() -> None:
    assert shown_part(Rect(10, 20, 9, 7), bytes(63)).is_empty


@given(st.integers(0, 50), st.integers(0, 50), st.integers(1, 400))
def test_stripes_cover_a_rectangle_once_from_the_top(width: int, height: int, most: int) -> None:
    whole = Rect(3, -4, width, height)
    parts = list(stripes(whole, most))
    assert [row for part in parts for row in range(part.y, part.bottom)] == list(range(-4, height - 4))
    assert all((part.x, part.width) == (3, width) for part in parts)
    assert all(part.area <= most or part.height == 1 for part in parts)
