"""Text of unknown origin, fit to be shown."""

from __future__ import annotations

MAX_LINE = 500
"""Characters of a line that is shown to a user, where nothing else is said."""


def one_line(text: str, limit: int = MAX_LINE) -> str:
    """`text` on one line and of bounded length: what does not print is shown by its escape.

    Args:
        text: any, lone surrogates included.
        limit: characters of it that are kept; three dots stand for the rest.
    """
    cut = text if len(text) <= limit else text[:limit] + "..."
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in cut)
