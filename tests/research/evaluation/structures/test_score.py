from __future__ import annotations

from lama_core.research.evaluation.baselines import telea
from lama_core.research.evaluation.structures.report import (
    brief_structures_table,
    plain_structures,
    structures_table,
)
from lama_core.research.evaluation.structures.scenes import StructureSet
from lama_core.research.evaluation.structures.score import score, score_structures


def test_one_fill_gets_its_means() -> None:
    figures = score(telea, size=96, pictures=13, features=False)
    assert figures["f1"] is not None
    assert 0 < figures["f1"] < 0.6
    assert figures["copied"] == 0
    assert figures["hole_l1"] is not None
    assert figures["hole_l1"] > 5


def test_tables_have_every_kind_and_the_means_of_all() -> None:
    seen = []
    data = StructureSet.make(size=96, most=2, kinds=["slats", "things"])
    scores = score_structures(data, {"telea": telea}, on_comparison=lambda one: seen.append(one.case.name))
    assert seen == ["slats-0", "things-0"]
    lines = structures_table(scores).splitlines()
    assert lines[0].startswith("| scenes | method | F1 | broken | invented | copied | hole L1 | features |")
    rows = [line.strip("| ").split(" | ")[:6] for line in lines[2:]]
    assert [row[:2] for row in rows] == [
        [kind, method] for kind in ("slats", "things", "all") for method in ("telea", "original")
    ]
    assert rows[1][2:] == ["1.00", "0.00", "0.00", "–"]
    assert rows[3][2:] == ["–", "–", "–", "0%"]
    assert rows[5][2:] == ["1.00", "0.00", "0.00", "0%"]
    assert brief_structures_table(scores).splitlines()[0] == "| scenes | telea | original |"
    assert plain_structures(scores)["slats"]["original"]["psnr"] is None
