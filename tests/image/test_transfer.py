"""The curve between linear light and perceptual numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lama_core.image.pixels import from_planes, pixel_format, to_planes
from lama_core.image.transfer import decode, encode


def test_between_black_and_white_it_is_srgb() -> None:
    # Of IEC 61966-2-1: 8-bit levels and the light that they stand for.
    levels = np.array([0, 1, 10, 55, 128, 188, 255]) / 255
    light = np.array([0, 0.000303527, 0.003035270, 0.038204372, 0.215860501, 0.502886458, 1])
    np.testing.assert_allclose(encode(light), levels, atol=1e-6)
    np.testing.assert_allclose(decode(levels), light, atol=1e-6)


@given(st.floats(-1e6, 1e6))
def test_it_can_be_undone(light: float) -> None:
    np.testing.assert_allclose(decode(encode(np.array([light]))), light, rtol=1e-4, atol=1e-12)


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_more_light_is_never_less(one: float, other: float) -> None:
    first, second = encode(np.array([one, other]))
    assert (first - second) * (one - other) >= 0


@pytest.mark.parametrize("at", [0.0, 1.0, -1.0])
def test_it_has_no_kink_where_its_parts_meet(at: float) -> None:
    step = 1e-6
    before, middle, behind = encode(np.array([at - step, at, at + step]))
    assert behind - middle == pytest.approx(middle - before, rel=1e-3)


def test_a_sky_ten_times_as_bright_as_white_takes_as_much_room_as_what_is_below_it() -> None:
    assert encode(np.array([10.0]))[0] == pytest.approx(2.01, abs=0.01)


@pytest.mark.parametrize("dtype", [np.uint16, np.float32, np.float64])
def test_linear_pictures_come_back_linear(dtype: type) -> None:
    white = 65535 if dtype is np.uint16 else 1
    light = np.linspace(0, white, 4001).astype(dtype).reshape(1, -1, 1)
    pixel = pixel_format(light)
    planes = to_planes(light, pixel, np.zeros(light.shape[:2], np.bool_), "linear")
    middle = planes.colour[0, 0, 2000]
    assert middle == pytest.approx(0.7354, abs=1e-3)
    back = from_planes(
        planes.colour, pixel, scale=planes.scale, offset=planes.offset, transfer=planes.transfer
    )
    np.testing.assert_allclose(back, light, atol=1 if dtype is np.uint16 else 1e-6)


def test_colours_beyond_white_and_below_black_come_back() -> None:
    light = np.array([[[-0.1, 0.2, 30], [0.5, 0.5, 0.5]]], np.float32)
    pixel = pixel_format(light)
    planes = to_planes(np.repeat(light, 4, axis=0), pixel, np.zeros((4, 2), np.bool_), "linear")
    back = from_planes(
        planes.colour, pixel, scale=planes.scale, offset=planes.offset, transfer=planes.transfer
    )
    # Of so few values the outliers' share is the last ones themselves, and a little is lost.
    np.testing.assert_allclose(back[0], light[0], rtol=0.05, atol=1e-4)
    np.testing.assert_allclose(back[:, 1], 0.5, rtol=1e-5)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_a_number_does_not_spread(bad: float) -> None:
    light = np.full((3, 3, 3), 0.25, np.float32)
    light[1, 1, 0] = bad
    planes = to_planes(light, pixel_format(light), np.zeros((3, 3), np.bool_), "linear")
    assert not planes.usable[1, 1]
    assert planes.colour[:, 1, 1].tolist() == [0, 0, 0]
    assert np.isfinite(planes.colour).all()
