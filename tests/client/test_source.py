"""Which windows a client sends where a fill may be copied from a part of the picture alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lama_core.client import selection
from lama_core.client.geometry import Rect
from lama_core.client.selection import ReadMask, Source
from lama_core.fill import FillOptions, plan_fill

CANVAS = Rect(0, 0, 900, 700)


def reader(mask: NDArray[np.uint8]) -> ReadMask:
    def read(rect: Rect) -> bytes:
        assert Rect(0, 0, mask.shape[1], mask.shape[0]).contains(rect)
        return mask[rect.y : rect.bottom, rect.x : rect.right].tobytes()

    return read


def mask_of(*rects: Rect, canvas: Rect = CANVAS) -> NDArray[np.uint8]:
    mask = np.zeros((canvas.height, canvas.width), np.uint8)
    for rect in rects:
        mask[rect.y : rect.bottom, rect.x : rect.right] = 255
    return mask


@st.composite
def small_rects(draw: st.DrawFn) -> Rect:
    return Rect(
        draw(st.integers(0, 850)),
        draw(st.integers(0, 650)),
        draw(st.integers(1, 50)),
        draw(st.integers(1, 50)),
    )


def test_the_bounds_become_tight_over_several_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "BAND", 5000)
    mask = mask_of(Rect(120, 40, 30, 20), Rect(700, 600, 5, 7))
    tight = Source(CANVAS, reader(mask)).within(CANVAS)
    assert tight.bounds == Rect(120, 40, 585, 567)
    assert Source(CANVAS, reader(mask * 0)).within(CANVAS).bounds.is_empty
    assert Source(CANVAS, reader(mask)).within(Rect(130, 50, 200, 200)).bounds == Rect(130, 50, 20, 10)


@given(st.lists(small_rects(), min_size=1, max_size=3), st.lists(small_rects(), max_size=3), small_rects())
def test_what_is_counted_may_be_copied_and_is_known(marked: list[Rect], holes: list[Rect], at: Rect) -> None:
    source, hole = mask_of(*marked), mask_of(*holes) // 2
    found = Source(CANVAS, reader(source)).count(at, reader(hole))
    expected = (source[at.y : at.bottom, at.x : at.right] > 0) & (
        hole[at.y : at.bottom, at.x : at.right] == 0
    )
    assert found == expected.sum()


@settings(max_examples=40, deadline=None)
@given(st.lists(small_rects(), min_size=1, max_size=2), small_rects())
def test_the_window_of_a_hole_is_that_of_a_fill_in_this_process(marked: list[Rect], one: Rect) -> None:
    source, hole = mask_of(*marked), mask_of(one)
    if not ((source > 0) & (hole == 0)).any():
        return
    copied = Source(CANVAS, reader(source)).within(CANVAS)
    (piece,) = selection.plan(CANVAS, CANVAS, reader(hole), grow=3, feather=2, source=copied)
    picture = np.zeros((CANVAS.height, CANVAS.width, 3), np.uint8)
    (window,) = plan_fill(picture, hole, FillOptions(grow=3, feather=2), source).windows
    assert piece.window == window.rect
    assert copied.count(piece.window, reader(hole)) > 0


def test_each_of_several_windows_sees_something_that_may_be_copied() -> None:
    canvas = Rect(0, 0, 2400, 1800)
    holes, marked = (Rect(100, 100, 30, 30), Rect(2200, 1600, 40, 20)), Rect(300, 90, 40, 40)
    source, hole = mask_of(marked, canvas=canvas), mask_of(*holes, canvas=canvas)
    copied = Source(canvas, reader(source)).within(canvas)
    planned = selection.plan(canvas, canvas, reader(hole), source=copied)
    assert len(planned) == 2
    assert all(piece.window.contains(marked) for piece in planned)
    assert [piece.written for piece in planned] == [
        piece.written for piece in selection.plan(canvas, canvas, reader(hole))
    ]
