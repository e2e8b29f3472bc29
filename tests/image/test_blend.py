"""Blending new pixels over old ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lama_core.image.blend import blend_into
from lama_core.image.pixels import WHITE

dtypes = st.sampled_from(sorted(WHITE, key=str))


@st.composite
def old_and_new(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Old pixels with any bits at all, new ones that are in range, and a blend."""
    dtype = draw(dtypes)
    shape = (draw(st.integers(1, 5)), draw(st.integers(1, 5)), draw(st.integers(1, 4)))
    size = int(np.prod(shape)) * dtype.itemsize
    old = np.frombuffer(draw(st.binary(min_size=size, max_size=size)), dtype).reshape(shape).copy()
    if dtype.kind == "u":
        new = draw(hnp.arrays(dtype, shape))
    else:
        new = draw(hnp.arrays(dtype, shape, elements=st.floats(0, 1, width=dtype.itemsize * 8)))
    if shape[2] in (2, 4):
        new[:, :, -1] = WHITE[dtype]
    blend = draw(hnp.arrays(np.float32, shape[:2], elements=st.sampled_from([0, 0, 0.25, 0.5, 1])))
    return old, new, blend


@given(old_and_new())
def test_not_a_bit_changes_where_nothing_of_the_fill_shows(
    case: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    old, new, blend = case
    picture = old.copy()
    blend_into(picture, new, blend)
    assert picture[blend == 0].tobytes() == old[blend == 0].tobytes()


@given(old_and_new())
def test_the_fill_itself_is_there_where_all_of_it_shows(
    case: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    old, new, blend = case
    blend_into(old, new, blend)
    np.testing.assert_array_equal(old[blend == 1], new[blend == 1])


@given(old_and_new())
def test_a_value_that_is_not_a_number_has_no_part_in_the_blend(
    case: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    old, new, blend = case
    blend_into(old, new, blend)
    assert np.isfinite(old[blend > 0]).all()


@given(st.integers(0, 255), st.integers(0, 255), st.floats(0, 1, width=32))
def test_between_them_it_is_linear(old: int, new: int, share: float) -> None:
    picture = np.full((1, 1, 3), old, np.uint8)
    blend_into(picture, np.full((1, 1, 3), new, np.uint8), np.full((1, 1), share, np.float32))
    assert abs(int(picture[0, 0, 0]) - (old + share * (new - old))) <= 0.5001


def test_the_colour_of_a_transparent_pixel_does_not_show() -> None:
    picture = np.array([[[255, 0, 0, 0], [100, 0, 0, 255], [100, 0, 0, 51]]], np.uint8)
    fill = np.array([[[0, 0, 200, 255]] * 3], np.uint8)
    blend_into(picture, fill, np.full((1, 3), 0.5, np.float32))
    assert picture[0].tolist() == [[0, 0, 200, 128], [50, 0, 100, 255], [17, 0, 167, 153]]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_opaque_stays_exactly_opaque(dtype: type) -> None:
    generator = np.random.default_rng(1)
    picture = generator.random((50, 50, 4)).astype(dtype)
    picture[:, :, 3] = 1
    fill = generator.random((50, 50, 4)).astype(dtype)
    fill[:, :, 3] = 1
    blend_into(picture, fill, generator.random((50, 50), np.float32))
    assert (picture[:, :, 3] == 1).all()


def test_a_view_into_a_larger_picture_is_written_in_place() -> None:
    picture = np.zeros((10, 10, 3), np.uint8)
    blend_into(picture[2:4, 3:6], np.full((2, 3, 3), 9, np.uint8), np.ones((2, 3), np.float32))
    assert picture.sum() == 9 * 2 * 3 * 3
    assert (picture[2:4, 3:6] == 9).all()
