"""One row of the table of faults: what is attacked, how often, and the figure that comes of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.server.harness import ServerProcess


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What a row works with: a folder of its own, and servers that are ended after it."""

    folder: Path
    start: Callable[..., ServerProcess]
    """As the fixture of that name in tests/conftest.py."""
    record: Callable[[str], None]
    """Adds a remark to the row's figure in the table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A fault, or an attack, of which a number is tried."""

    section: int
    what: str
    """What is attacked."""
    done: str
    """What is done to it, each time."""
    short: int
    """How often in `make test`."""
    soak: int
    """How often in the long form."""
    figure: str
    """What `run` returns, in words."""
    limit: float
    """The figure may not be larger."""
    run: Callable[[Bench, int], float]
    """Does it that often, and returns the figure. Fails for whatever else does not hold."""

    @property
    def name(self) -> str:
        """Of the row, for the command line and the file of results."""
        return f"{self.section}-{re.sub(r'[^a-z0-9]+', '-', self.what.lower()).strip('-')}"


Run = Callable[[Bench, int], float]


class Section:
    """The rows of one section, in the order in which they are written."""

    def __init__(self, number: int, title: str, *, picture: str = "") -> None:
        """`picture`: a file in docs/images that its page shows below the rows."""
        self.number, self.title, self.picture = number, title, picture
        self.rows: list[Row] = []

    def row(
        self, what: str, done: str, *, short: int, soak: int, figure: str, limit: float = 0
    ) -> Callable[[Run], Run]:
        """Make a row of the function below."""

        def add(run: Run) -> Run:
            self.rows.append(
                Row(
                    section=self.number,
                    what=what,
                    done=done,
                    short=short,
                    soak=soak,
                    figure=figure,
                    limit=limit,
                    run=run,
                )
            )
            return run

        return add
