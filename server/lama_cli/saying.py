"""Saying something on the command line. Names of files may hold anything: none of it steers the terminal."""

from __future__ import annotations

import sys

from lama_core.client.text import one_line

MAX_SAID = 4000
"""Characters of a line that are shown: it may name several paths."""


def say(line: str = "", *, error: bool = False) -> None:
    """Print one line in which whatever does not print is shown by its escape.

    Args:
        line: of any content, names of files in it that are not text included.
        error: on standard error, after the command's name.
    """
    shown = one_line(line, MAX_SAID)
    if error:
        print(f"lama-fill: {shown}", file=sys.stderr, flush=True)
    else:
        print(shown, flush=True)
