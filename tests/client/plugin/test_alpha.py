"""The alpha of pixels: set, multiplied, and read."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lama_core.client.plugin.alpha import (
    PixelLayout,
    alpha_bytes,
    bytes_of,
    multiply_alpha,
    samples_of,
    set_alpha,
)

DTYPES = {"u8": np.uint8, "u16": np.uint16, "f16": np.float16, "f32": np.float32}
WHITE = {"u8": 255, "u16": 65535, "f16": 1, "f32": 1}


@pytest.mark.parametrize("depth", sorted(DTYPES))
@pytest.mark.parametrize("layout", ["gray", "graya", "rgb", "rgba"])
@given(data=st.data())
def test_alpha_is_the_blend_and_colours_stay(depth: str, layout: str, data: st.DataObject) -> None:
    sent = PixelLayout(layout, depth)  # type: ignore[arg-type]
    channels = {"gray": 1, "graya": 2, "rgb": 3, "rgba": 4}[layout]
    colours = channels - (channels % 2 == 0)
    count = data.draw(st.integers(0, 40))
    numbers = np.random.default_rng(data.draw(st.integers(0, 9)))
    pixels = (numbers.random((count, channels)) * WHITE[depth]).astype(DTYPES[depth])
    blend = numbers.integers(0, 256, count, np.uint8)
    out = np.frombuffer(set_alpha(pixels.tobytes(), sent, blend.tobytes()), DTYPES[depth])
    out = out.reshape(count, colours + 1)
    assert np.array_equal(out[:, :colours], pixels[:, :colours])
    exact = blend.astype(np.float64) / 255 * WHITE[depth]
    assert np.allclose(out[:, colours].astype(np.float64), exact, rtol=1e-3)
    assert np.array_equal(out[:, colours] == 0, blend == 0)
    assert np.array_equal(out[:, colours] == WHITE[depth], blend == 255)


@pytest.mark.parametrize("depth", sorted(DTYPES))
def test_opaque_where_there_was_no_alpha_and_kept_where_there_was(depth: str) -> None:
    pixels = np.linspace(0, WHITE[depth], 24).astype(DTYPES[depth]).reshape(6, 4)
    kept = set_alpha(pixels.tobytes(), PixelLayout("rgba", depth), None)  # type: ignore[arg-type]
    assert kept == pixels.tobytes()
    made = set_alpha(pixels[:, :3].tobytes(), PixelLayout("rgb", depth), None)  # type: ignore[arg-type]
    opaque = np.frombuffer(made, DTYPES[depth]).reshape(6, 4)
    assert np.array_equal(opaque[:, :3], pixels[:, :3])
    assert (opaque[:, 3] == WHITE[depth]).all()


def test_lengths_that_do_not_agree() -> None:
    with pytest.raises(ValueError, match="7 bytes"):
        set_alpha(bytes(7), PixelLayout("rgb", "u8"), None)
    with pytest.raises(ValueError, match="3 pixels"):
        set_alpha(bytes(6), PixelLayout("rgb", "u8"), bytes(3))


SAMPLES = {"u8": ("<B", 255), "u16": ("<H", 65535), "f16": ("<e", 1.0), "f32": ("<f", 1.0)}


def gray(depth: str, alphas: list[float]) -> bytes:
    code, whole = SAMPLES[depth]
    values = [0.25 if isinstance(whole, float) else 7, None]
    return b"".join(
        struct.pack(code, values[0])
        + struct.pack(code, share * whole if whole == 1.0 else round(share * whole))
        for share in alphas
    )


def alphas_of(data: bytes, depth: str) -> list[float]:
    code, whole = SAMPLES[depth]
    size = struct.calcsize(code)
    return [struct.unpack(code, data[at : at + size])[0] / whole for at in range(size, len(data), 2 * size)]


@pytest.mark.parametrize("depth", SAMPLES)
@given(st.lists(st.tuples(st.sampled_from([0.0, 0.5, 1.0]), st.integers(0, 255)), min_size=1, max_size=30))
def test_alpha_is_multiplied_by_the_blend(depth: str, shares: list[tuple[float, int]]) -> None:
    layout = PixelLayout("graya", depth)  # type: ignore[arg-type]
    data = gray(depth, [alpha for alpha, _blend in shares])
    out = multiply_alpha(data, layout, bytes(blend for _alpha, blend in shares))
    steps = {"u8": 255, "u16": 65535, "f16": 1000, "f32": 1e6}[depth]
    for (alpha, blend), got in zip(shares, alphas_of(out, depth), strict=True):
        assert got == pytest.approx(alpha * blend / 255, abs=1 / steps)
    size = layout.pixel_bytes // 2
    colours = [out[at : at + size] for at in range(0, len(out), 2 * size)]
    assert colours == [data[at : at + size] for at in range(0, len(data), 2 * size)]


def test_a_whole_fill_is_wholly_opaque() -> None:
    for depth in SAMPLES:
        data = gray(depth, [1.0, 1.0])
        assert multiply_alpha(data, PixelLayout("graya", depth), b"\xff\xff") == data


def test_lengths_have_to_agree() -> None:
    with pytest.raises(ValueError, match="3 bytes are not 1 pixels"):
        multiply_alpha(b"123", PixelLayout("graya", "u8"), b"1")


@pytest.mark.parametrize("depth", SAMPLES)
def test_the_alpha_of_strokes(depth: str) -> None:
    found = alpha_bytes(
        gray(depth, [0.0, 0.5, 1.0]),
        PixelLayout("graya", depth).pixel_bytes,  # type: ignore[arg-type]
        depth,  # type: ignore[arg-type]
    )
    assert found[0] == 0
    assert found[1] == pytest.approx(128, abs=1)
    assert found[2] == 255


def test_the_faintest_stroke_counts() -> None:
    for depth, code, least in (("u16", "<2H", 1), ("f16", "<2e", 0.0001), ("f32", "<2f", 1e-6)):
        data = struct.pack(code, 0, least)
        assert alpha_bytes(data, len(data), depth) == b"\x01"


@pytest.mark.parametrize("depth", ["u8", "u16", "f16", "f32"])
def test_bytes_are_the_same_after_samples(depth: str) -> None:
    values = bytes(range(256))
    samples = samples_of(values, depth)
    assert bytes_of(samples, depth) == values
    dtype, most = {"u8": ("<u1", 255), "u16": ("<u2", 65535), "f16": ("<f2", 1), "f32": ("<f4", 1)}[depth]
    numbers = np.frombuffer(samples, dtype)
    assert np.allclose(numbers.astype(float), np.arange(256) * most / 255, rtol=1e-3)
    assert bytes_of(samples_of(b"\0\0\0", depth), depth) == b"\0\0\0"


def test_numbers_beyond_all_there_is() -> None:
    assert bytes_of(np.array([-0.5, 1.5, 0.5], "<f4").tobytes(), "f32") == bytes([0, 255, 128])
