"""Every row of the table of faults, in its short form; with --soak in its long one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.row import Bench, Row
from tests.faults.table import PAGE, ROWS, page, read_results
from tests.server.harness import ServerProcess

Start = Callable[..., ServerProcess]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_row(
    row: Row,
    start: Start,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    record_property: Callable[[str, object], None],
) -> None:
    count = request.config.getoption("--fault-count") or (
        row.soak if request.config.getoption("--soak") else row.short
    )
    if not count:
        pytest.skip("only in the long form: run with --soak")
    remarks: list[str] = []
    figure = row.run(Bench(folder=tmp_path, start=start, record=remarks.append), count)
    record_property("result", (row.name, count, figure, "; ".join(remarks)))
    assert figure <= row.limit, f"{figure:g} {row.figure}, of {count}"


def test_rows_have_names_of_their_own() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)


def test_the_page_says_what_was_measured() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(read_results())


def test_what_has_a_short_form_was_measured() -> None:
    results = read_results()
    assert [row.name for row in ROWS if row.short and row.name not in results] == []


def test_what_was_measured_is_within_its_limit() -> None:
    results = read_results()
    measured = [row for row in ROWS if row.name in results]
    assert [row.name for row in measured if results[row.name].figure > row.limit] == []
