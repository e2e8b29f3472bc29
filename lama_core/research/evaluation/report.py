"""Tables in a document: written between marks, so that the prose around them stays a person's."""

from __future__ import annotations

import re

from lama_core.client.errors import LamaFillError


class ReportError(LamaFillError):
    """A table cannot be put into a document."""


def marks(document: str) -> list[str]:
    """The names of all places for tables, in their order."""
    return re.findall(r"^<!-- table ([a-z-]+) -->$", document, re.MULTILINE)


def with_table(document: str, name: str, table: str) -> str:
    """The document with a table in its place, instead of the one that was there.

    A place is between the lines `<!-- table NAME -->` and `<!-- end -->`.

    Raises:
        ReportError: there is no such place, or more than one.
    """
    place = re.compile(
        rf"^<!-- table {re.escape(name)} -->\n(?:(?!<!-- table ).*\n)*?<!-- end -->$", re.MULTILINE
    )
    if len(place.findall(document)) != 1:
        raise ReportError(f"the document must have one place for the table {name}: <!-- table {name} -->")
    filled = f"<!-- table {name} -->\n\n{table.strip()}\n\n<!-- end -->"
    return place.sub(lambda _match: filled, document)
