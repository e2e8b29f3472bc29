"""Pixel formats to planes and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lama_core.image.pixels import (
    WHITE,
    PixelError,
    as_channels,
    from_planes,
    pixel_format,
    to_planes,
)

dtypes = st.sampled_from(sorted(WHITE, key=str))


@st.composite
def pictures(draw: st.DrawFn) -> np.ndarray:
    dtype = draw(dtypes)
    shape = (draw(st.integers(1, 6)), draw(st.integers(1, 6)), draw(st.integers(1, 4)))
    if dtype.kind == "u":
        return draw(hnp.arrays(dtype, shape))
    elements = st.floats(0, 1, width=dtype.itemsize * 8)
    return draw(hnp.arrays(dtype, shape, elements=elements))


@given(pictures())
def test_an_opaque_picture_comes_back_as_it_was(picture: np.ndarray) -> None:
    pixel = pixel_format(picture)
    if pixel.has_alpha:
        picture[:, :, -1] = pixel.white
    planes = to_planes(picture, pixel, np.zeros(picture.shape[:2], np.bool_))
    assert planes.colour.dtype == np.float32
    assert planes.colour.flags.c_contiguous
    assert planes.usable.all()
    back = from_planes(planes.colour, pixel, scale=planes.scale, offset=planes.offset)
    assert back.dtype == picture.dtype
    np.testing.assert_allclose(back, picture, rtol=1e-6, atol=1e-7 if pixel.is_float else 0)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_integer_level_survives_exactly(dtype: type) -> None:
    levels = np.arange(np.iinfo(dtype).max + 1, dtype=dtype).reshape(-1, 1, 1)
    pixel = pixel_format(levels)
    planes = to_planes(levels, pixel, np.zeros(levels.shape[:2], np.bool_))
    np.testing.assert_array_equal(from_planes(planes.colour, pixel), levels)


def test_integers_are_rounded_to_the_nearest() -> None:
    pixel = pixel_format(np.zeros((1, 1, 3), np.uint8))
    colour = np.array([0.49, 0.51, 254.6], np.float32).reshape(3, 1, 1) / 255
    np.testing.assert_array_equal(from_planes(colour, pixel)[0, 0], [0, 1, 255])
    np.testing.assert_array_equal(from_planes(colour * 0 - 4, pixel)[0, 0], [0, 0, 0])
    np.testing.assert_array_equal(from_planes(colour * 0 + 4, pixel)[0, 0], [255, 255, 255])


def test_gray_is_there_three_times_and_comes_back_as_the_mean() -> None:
    picture = np.array([[[10], [200]]], np.uint8)
    pixel = pixel_format(picture)
    planes = to_planes(picture, pixel, np.zeros((1, 2), np.bool_))
    assert (planes.colour == planes.colour[0]).all()
    colour = np.array([0, 30, 60], np.float32).reshape(3, 1, 1) / 255
    assert from_planes(colour, pixel).tolist() == [[[30]]]


def test_what_is_filled_is_opaque() -> None:
    for channels, dtype in ((2, np.uint8), (4, np.uint16), (4, np.float16)):
        pixel = pixel_format(np.zeros((1, 1, channels), dtype))
        assert from_planes(np.zeros((3, 1, 1), np.float32), pixel)[0, 0, -1] == pixel.white


def test_the_hole_is_not_looked_at() -> None:
    picture = np.array([[[np.nan], [0.25], [1e30]]], np.float32)
    planes = to_planes(picture, pixel_format(picture), np.array([[True, False, True]]))
    assert planes.usable.tolist() == [[False, True, False]]
    assert planes.colour[0].tolist() == [[0, 0.25, 0]]
    assert (planes.scale, planes.offset) == (1, 0)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_do_not_spread(value: float) -> None:
    picture = np.full((4, 4, 3), 0.5, np.float32)
    picture[1, 2, 1] = value
    planes = to_planes(picture, pixel_format(picture), np.zeros((4, 4), np.bool_))
    assert np.isfinite(planes.colour).all()
    assert not planes.usable[1, 2]
    assert planes.usable.sum() == 15
    assert (planes.colour[:, 1, 2] == 0).all()


def test_a_float64_beyond_float32_does_not_spread_either() -> None:
    picture = np.array([[[0.5], [1e300]]])
    planes = to_planes(picture, pixel_format(picture), np.zeros((1, 2), np.bool_))
    assert planes.usable.tolist() == [[True, False]]
    assert np.isfinite(planes.colour).all()


def test_transparent_pixels_have_no_colour() -> None:
    picture = np.array([[[9, 9, 9, 0], [9, 9, 9, 1]]], np.uint8)
    planes = to_planes(picture, pixel_format(picture), np.zeros((1, 2), np.bool_))
    assert planes.usable.tolist() == [[False, True]]
    assert (planes.colour[:, 0, 0] == 0).all()


def test_values_beyond_white_keep_their_range() -> None:
    picture = np.linspace(-2, 6, 400, dtype=np.float32).reshape(20, 20, 1)
    pixel = pixel_format(picture)
    planes = to_planes(picture, pixel, np.zeros((20, 20), np.bool_))
    assert planes.colour.min() == 0
    assert planes.colour.max() == 1
    back = from_planes(planes.colour, pixel, scale=planes.scale, offset=planes.offset)
    np.testing.assert_allclose(back, picture, atol=0.02)


def test_one_glaring_pixel_does_not_take_the_whole_range() -> None:
    picture = np.full((100, 100, 1), 0.5, np.float32)
    picture[3, 3] = 60_000
    planes = to_planes(picture, pixel_format(picture), np.zeros((100, 100), np.bool_))
    assert planes.colour[0, 50, 50] == 0.5
    assert planes.colour[0, 3, 3] == 1


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (np.zeros((4, 4, 5), np.uint8), "\\(4, 4, 5\\)"),
        (np.zeros(4, np.uint8), "\\(4,\\)"),
        (np.zeros((4, 4), np.int16), "int16"),
        (np.zeros((4, 4), ">u2"), ">u2|>u2|uint16"),
        (np.zeros((0, 4, 3), np.uint8), "no pixels"),
    ],
)
def test_what_is_no_picture_is_refused(picture: np.ndarray, message: str) -> None:
    with pytest.raises(PixelError, match=message):
        pixel_format(picture)


def test_a_gray_picture_gets_its_channel_without_a_copy() -> None:
    picture = np.zeros((3, 4), np.uint8)
    assert as_channels(picture).shape == (3, 4, 1)
    assert np.shares_memory(as_channels(picture), picture)
