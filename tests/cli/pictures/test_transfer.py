"""Whether a file's numbers are linear light."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms

from lama_cli.pictures import Picture, read_picture, write_picture
from lama_cli.pictures.picture import Metadata
from lama_cli.pictures.transfer import transfer_of

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def profile(*curves: bytes, names: tuple[bytes, ...] = (b"rTRC", b"gTRC", b"bTRC")) -> bytes:
    """A profile with nothing in it but these curves."""
    begin = 128 + 4 + 12 * len(curves)
    entries, data = b"", b""
    for name, curve in zip(names, curves, strict=False):
        entries += struct.pack(">4sII", name, begin + len(data), len(curve))
        data += curve
    return bytes(128) + struct.pack(">I", len(curves)) + entries + data


def curv(*values: int) -> bytes:
    return struct.pack(f">4sII{len(values)}H", b"curv", 0, len(values), *values)


def para(gamma: float) -> bytes:
    return struct.pack(">4sIHHi", b"para", 0, 0, 0, round(gamma * 65536))


LINE = [round(65535 * number / 15) for number in range(16)]
BENT = [round(65535 * (number / 15) ** 2.2) for number in range(16)]


@pytest.mark.parametrize(
    ("curve", "light"),
    [
        (curv(), "linear"),
        (curv(256), "linear"),
        (curv(*LINE), "linear"),
        (para(1.0), "linear"),
        (curv(563), "perceptual"),
        (curv(*BENT), "perceptual"),
        (para(2.2), "perceptual"),
        (b"what is this", "perceptual"),
    ],
)
def test_a_profiles_curve_decides(curve: bytes, light: str) -> None:
    assert transfer_of(profile(curve, curve, curve), is_float=True) == light
    assert transfer_of(profile(curve, names=(b"kTRC",)), is_float=False) == light


def test_all_curves_have_to_be_straight() -> None:
    assert transfer_of(profile(curv(), curv(), curv(563)), is_float=False) == "perceptual"


def test_srgb_is_perceptual_even_in_floats() -> None:
    assert transfer_of(SRGB, is_float=True) == "perceptual"


def test_a_profile_without_curves_is_perceptual() -> None:
    assert transfer_of(profile(), is_float=True) == "perceptual"


@given(st.binary(max_size=400) | st.integers(0, 200).map(lambda cut: profile(curv(*LINE), para(1.0))[:cut]))
def test_a_damaged_profile_is_no_error(damaged: bytes) -> None:
    assert transfer_of(damaged, is_float=False) in ("perceptual", "linear")


def test_floats_without_a_profile_are_linear_and_integers_are_not(tmp_path: Path) -> None:
    for dtype, light in ((np.float32, "linear"), (np.uint16, "perceptual"), (np.uint8, "perceptual")):
        picture = Picture(pixels=np.zeros((4, 5, 3), dtype), metadata=Metadata())
        write_picture(picture, tmp_path / "a.tif")
        assert read_picture(tmp_path / "a.tif").transfer == light


def test_a_files_profile_is_looked_at(tmp_path: Path) -> None:
    straight = profile(curv(), curv(), curv())
    for icc, light in ((straight, "linear"), (SRGB, "perceptual")):
        Image.fromarray(np.zeros((4, 5, 3), np.uint8)).save(tmp_path / "a.tif", icc_profile=icc)
        assert read_picture(tmp_path / "a.tif").transfer == light
