"""Which pixels GIMP is asked for."""

from __future__ import annotations

import pytest
from lama_fill_gimp.pixels import DEPTHS, PrecisionError, babl_format, find_layout


def babl(*, gray: bool, has_alpha: bool, precision: str) -> str:
    return babl_format(find_layout(gray=gray, has_alpha=has_alpha, precision=precision))


def test_what_gimp_is_asked_for() -> None:
    assert babl(gray=False, has_alpha=True, precision="U8_NON_LINEAR") == "R'G'B'A u8"
    assert babl(gray=False, has_alpha=False, precision="U16_PERCEPTUAL") == "R'G'B' u16"
    assert babl(gray=True, has_alpha=True, precision="HALF_NON_LINEAR") == "Y'A half"
    assert babl(gray=True, has_alpha=False, precision="DOUBLE_LINEAR") == "Y' float"


def test_no_precision_is_sent_with_less_than_it_has() -> None:
    for precision, depth in DEPTHS.items():
        if precision.startswith("U8"):
            assert (depth == "u8") == (not precision.endswith("_LINEAR") or precision.endswith("NON_LINEAR"))
        else:
            assert depth != "u8"
        if precision.startswith(("U32", "FLOAT", "DOUBLE")):
            assert depth == "f32"


def test_an_unknown_precision_is_refused_in_words() -> None:
    with pytest.raises(PrecisionError, match="precision"):
        find_layout(gray=False, has_alpha=True, precision="")
