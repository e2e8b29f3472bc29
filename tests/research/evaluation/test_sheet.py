from __future__ import annotations

import numpy as np

from lama_core.research.evaluation.dataset import Case
from lama_core.research.evaluation.evaluate import Comparison
from lama_core.research.evaluation.sheet import CAPTION_HEIGHT, GAP, HOLE_COLOUR, contact_sheet, mark_hole


def comparison(height: int, width: int) -> Comparison:
    photo = np.full((height, width, 3), 40, np.uint8)
    hole = np.zeros((height, width), bool)
    hole[: height // 2] = True
    case = Case(name="a", kind="thin", photo=photo, hole=hole)
    return Comparison(case=case, fills={"one": photo + 1, "two": photo + 2}, scores={})


def test_a_sheet_has_hole_fills_and_original_of_each_in_a_row() -> None:
    sheet = np.asarray(contact_sheet([comparison(32, 32), comparison(16, 32)], side=32))
    assert sheet.shape == (CAPTION_HEIGHT + 32 + 16 + 3 * GAP, 4 * 32 + 5 * GAP, 3)
    middle = CAPTION_HEIGHT + GAP + 24
    columns = [sheet[middle, GAP + column * (32 + GAP) + 16].tolist() for column in range(4)]
    assert columns == [[40] * 3, [41] * 3, [42] * 3, [40] * 3]
    assert sheet[CAPTION_HEIGHT + GAP + 4, GAP + 16].tolist() == list(HOLE_COLOUR)
    # In the original the hole is outlined: its last row has the colour, the middle of it has not.
    last = GAP + 3 * (32 + GAP) + 16
    assert sheet[CAPTION_HEIGHT + GAP + 15, last].tolist() == list(HOLE_COLOUR)
    assert sheet[CAPTION_HEIGHT + GAP + 8, last].tolist() == [40] * 3


def test_marking_changes_the_hole_alone() -> None:
    one = comparison(8, 8)
    marked = mark_hole(one.case.photo, one.case.hole)
    assert (marked[one.case.hole] == HOLE_COLOUR).all()
    assert (marked[~one.case.hole] == 40).all()
