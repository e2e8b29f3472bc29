from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from lama_core.research.evaluation.report import ReportError, marks, with_table

ROOT = Path(__file__).parents[3]

DOCUMENT = """# Title

Prose.

<!-- table one -->

| old |
|---|

<!-- end -->

More prose.

<!-- table two -->
<!-- end -->
"""


def test_a_table_takes_the_place_of_the_old_one_and_no_prose_changes() -> None:
    document = with_table(DOCUMENT, "one", "| new \\1 |\n|---|\n")
    assert document == DOCUMENT.replace("| old |\n|---|", "| new \\1 |\n|---|")
    assert with_table(document, "one", "| new \\1 |\n|---|") == document
    document = with_table(DOCUMENT, "two", "| 2 |")
    assert document == DOCUMENT.replace("table two -->\n", "table two -->\n\n| 2 |\n\n")


@pytest.mark.parametrize("document", ["", DOCUMENT + DOCUMENT, "<!-- table one -->\n"])
def test_there_must_be_one_place_for_a_table(document: str) -> None:
    with pytest.raises(ReportError, match="one place for the table one"):
        with_table(document, "one", "| new |")


def test_the_document_has_a_place_for_every_study() -> None:
    path = ROOT / "examples" / "quality.py"
    spec = importlib.util.spec_from_file_location("quality_command", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert sorted(marks(module.DOCUMENT.read_text("utf-8"))) == sorted(module.STUDIES)
