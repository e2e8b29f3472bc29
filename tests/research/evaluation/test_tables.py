from __future__ import annotations

import json
import math

from lama_core.research.evaluation.evaluate import ORIGINAL, Result
from lama_core.research.evaluation.metrics import Score
from lama_core.research.evaluation.tables import brief_table, full_table, one_figure, plain


def result(l1: float, psnr: float = 20.0, **learned: float) -> Result:
    score = Score(hole_l1=l1, psnr=psnr, ssim=0.5, feature_distance=0.25, boundary_step=1.5, grain_ratio=0.75)
    return Result(score=score, seconds=0.5, learned=learned)


TABLE = {
    "thin": {"mine": result(1.0, lpips=0.125), ORIGINAL: result(0.0, math.inf)},
    "object": {"mine": result(2.0, lpips=0.25), ORIGINAL: result(0.0, math.inf)},
}


def test_a_full_table_has_a_row_for_each_method_and_a_column_for_each_figure() -> None:
    lines = full_table(TABLE, seconds=True).splitlines()
    titles = "holes | method | hole L1 | PSNR | SSIM | features | step | grain | lpips | seconds"
    assert lines[0] == f"| {titles} |"
    assert lines[1] == "|" + "---|" * 10
    assert lines[2] == "| thin | mine | 1.0 | 20.0 | 0.500 | 0.250 | 1.50 | 0.75 | 0.125 | 0.50 |"
    # What has no bounds, and what was not measured, is a dash.
    assert lines[3] == f"| thin | {ORIGINAL} | 0.0 | – | 0.500 | 0.250 | 1.50 | 0.75 | – | 0.50 |"
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| thin", "| thin", "| object", "| object"]


def test_a_brief_table_has_a_row_for_each_kind_and_leaves_the_original_out() -> None:
    assert brief_table(TABLE).splitlines() == [
        "| holes | mine |",
        "|---|---|",
        "| thin | 1.0 / 20.0 / 0.250 / 0.125 |",
        "| object | 2.0 / 20.0 / 0.250 / 0.250 |",
    ]


def test_one_figure_of_every_method() -> None:
    table = one_figure(TABLE, lambda one: one.score.hole_l1, ".1f")
    assert table.splitlines()[2:] == ["| thin | 1.0 | 0.0 |", "| object | 2.0 | 0.0 |"]


def test_json_has_no_infinity() -> None:
    text = json.dumps(plain(TABLE), allow_nan=False)
    assert json.loads(text)["thin"][ORIGINAL]["psnr"] is None
