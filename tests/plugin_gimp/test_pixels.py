"""Which pixels are asked for, and how alpha is put into them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lama_fill_gimp.pixels import DEPTHS, Encoding, crop, encoding, set_alpha

DTYPES = {"u8": np.uint8, "u16": np.uint16, "f16": np.float16, "f32": np.float32}
WHITE = {"u8": 255, "u16": 65535, "f16": 1, "f32": 1}


def test_what_gimp_is_asked_for() -> None:
    assert encoding(gray=False, has_alpha=True, precision="U8_NON_LINEAR").babl == "R'G'B'A u8"
    assert encoding(gray=False, has_alpha=False, precision="U16_PERCEPTUAL").babl == "R'G'B' u16"
    assert encoding(gray=True, has_alpha=True, precision="HALF_NON_LINEAR").babl == "Y'A half"
    assert encoding(gray=True, has_alpha=False, precision="DOUBLE_LINEAR").babl == "Y' float"


def test_no_precision_is_sent_with_less_than_it_has() -> None:
    for precision, depth in DEPTHS.items():
        if precision.startswith("U8"):
            assert (depth == "u8") == (not precision.endswith("_LINEAR") or precision.endswith("NON_LINEAR"))
        else:
            assert depth != "u8"
        if precision.startswith(("U32", "FLOAT", "DOUBLE")):
            assert depth == "f32"


@pytest.mark.parametrize("depth", sorted(DTYPES))
@pytest.mark.parametrize("layout", ["gray", "graya", "rgb", "rgba"])
@given(data=st.data())
def test_alpha_is_the_blend_and_colours_stay(depth: str, layout: str, data: st.DataObject) -> None:
    sent = Encoding(layout, depth)  # type: ignore[arg-type]
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
    kept = set_alpha(pixels.tobytes(), Encoding("rgba", depth), None)  # type: ignore[arg-type]
    assert kept == pixels.tobytes()
    made = set_alpha(pixels[:, :3].tobytes(), Encoding("rgb", depth), None)  # type: ignore[arg-type]
    opaque = np.frombuffer(made, DTYPES[depth]).reshape(6, 4)
    assert np.array_equal(opaque[:, :3], pixels[:, :3])
    assert (opaque[:, 3] == WHITE[depth]).all()


def test_lengths_that_do_not_agree() -> None:
    with pytest.raises(ValueError, match="7 bytes"):
        set_alpha(bytes(7), Encoding("rgb", "u8"), None)
    with pytest.raises(ValueError, match="3 pixels"):
        set_alpha(bytes(6), Encoding("rgb", "u8"), bytes(3))


@given(data=st.data())
def test_crop(data: st.DataObject) -> None:
    width, height, size = (data.draw(st.integers(1, 9)) for _ in range(3))
    x, y = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    columns, rows = data.draw(st.integers(1, width - x)), data.draw(st.integers(1, height - y))
    values = np.arange(width * height * size, dtype=np.uint8).reshape(height, width, size)
    expected = values[y : y + rows, x : x + columns].tobytes()
    assert crop(values.tobytes(), width, size, x, y, columns, rows) == expected
