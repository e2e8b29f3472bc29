"""`python -m tests.faults [--soak] [--count N] [ROW ...]`: runs rows, and writes docs/reliability.md."""

from __future__ import annotations

import argparse
import datetime
import sys

import pytest

from tests.faults.table import ROWS, Result, read_results, write_results


class Recorder:
    """A plug-in of pytest that writes down what came of each row as soon as it is known."""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        measured = dict(report.user_properties).get("result")
        if report.when != "call" or not report.passed or measured is None:
            return
        name, count, figure, remark = measured
        # Another run may have written meanwhile.
        results = read_results()
        results[name] = Result(
            count=count,
            figure=figure,
            remark=remark,
            seconds=round(report.duration, 1),
            date=datetime.date.today().isoformat(),
        )
        write_results(results)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("rows", metavar="ROW", nargs="*", help="names, or their beginnings; default: all")
    parser.add_argument("--soak", action="store_true", help="the long forms")
    parser.add_argument("--count", type=int, default=0, help="how often, instead of what the row says")
    parser.add_argument("--list", action="store_true", help="only print the names of the rows")
    args = parser.parse_args()
    chosen = [row for row in ROWS if not args.rows or any(row.name.startswith(one) for one in args.rows)]
    if not chosen:
        parser.error("no row has such a name; --list prints them")
    if args.list:
        print("\n".join(row.name for row in chosen))
        return 0
    command = [f"tests/faults/test_faults.py::test_row[{row.name}]" for row in chosen]
    command += [f"--fault-count={args.count}", "--timeout=0", "-p", "no:cacheprovider"]
    command += ["--soak"] * args.soak
    status = pytest.main(command, plugins=[Recorder()])
    write_results(read_results())
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
