"""What is sent for a hole, and what is taken of an answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lama_core.client import selection
from lama_core.client.geometry import Rect
from lama_core.client.options import FillOptions
from lama_core.client.plugin.alpha import PixelLayout
from lama_core.client.plugin.pieces import AnswerError, clip, plan, request
from lama_core.client.protocol.messages import Result
from lama_core.client.selection import Piece

PIECE = Piece(window=Rect(100, 50, 60, 40), written=Rect(110, 55, 30, 20))


def answer(x: int, y: int, width: int, height: int) -> Result:
    """An answer whose pixels say where in the window they are."""
    rows, columns = np.mgrid[y : y + height, x : x + width].astype(np.uint8)
    return Result(
        job=1,
        x=x,
        y=y,
        width=width,
        height=height,
        format="graya",
        depth="u8",
        pixels=np.stack((columns, rows), axis=2).tobytes(),
        blend=(columns + rows).tobytes(),
    )


@given(st.data())
def test_what_is_inside_of_the_written_part_is_taken(data: st.DataObject) -> None:
    x, y = data.draw(st.integers(0, 59)), data.draw(st.integers(0, 39))
    result = answer(x, y, data.draw(st.integers(1, 60 - x)), data.draw(st.integers(1, 40 - y)))
    patch = clip(result, PIECE, 2)
    assert patch.rect == Rect(100 + x, 50 + y, result.width, result.height).intersect(PIECE.written)
    pixels = np.frombuffer(patch.pixels, np.uint8).reshape(patch.rect.height, patch.rect.width, 2)
    rows, columns = np.mgrid[patch.rect.y : patch.rect.bottom, patch.rect.x : patch.rect.right]
    assert np.array_equal(pixels[:, :, 0], columns - 100)
    assert np.array_equal(pixels[:, :, 1], rows - 50)
    assert np.array_equal(np.frombuffer(patch.blend, np.uint8), (columns + rows - 150).ravel())


@pytest.mark.parametrize("reach", [{"x": 1}, {"y": 1}, {"x": -1}])
def test_an_answer_beyond_the_window_is_refused(reach: dict[str, int]) -> None:
    with pytest.raises(AnswerError, match="update it"):
        clip(replace(answer(0, 0, 60, 40), **reach), PIECE, 2)  # type: ignore[arg-type]


def test_a_request_is_the_window_with_the_options() -> None:
    options = FillOptions(grow=3, context=64)
    sent = request(PIECE, PixelLayout("rgb", "u16"), bytes(60 * 40 * 6), bytes(60 * 40), options, model="m")
    assert (sent.width, sent.height, sent.format, sent.depth) == (60, 40, "rgb", "u16")
    assert (sent.options, sent.model) == (options, "m")


def test_a_plan_is_that_of_the_options() -> None:
    hole, canvas = Rect(300, 300, 40, 30), Rect(0, 0, 900, 900)

    def read(rect: Rect) -> bytes:
        return bytes(
            255 * (hole.x <= x < hole.right and hole.y <= y < hole.bottom)
            for y in range(rect.y, rect.bottom)
            for x in range(rect.x, rect.right)
        )

    (piece,) = plan(hole, canvas, read, FillOptions(grow=3, feather=2, context=64))
    assert [piece] == selection.plan(hole, canvas, read, grow=3, feather=2, context=64)
    assert piece.written == hole.grow(5)
