"""`lama-fill logs`: what the server has logged."""

from __future__ import annotations

import argparse
import collections
import os
import time
from collections.abc import Iterator
from pathlib import Path

from lama_core.client.errors import LamaFillError

POLL_SECONDS = 0.2


class NoLogError(LamaFillError):
    """There is no log to show."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser("logs", help="show the server's log", description="Show the server's log.")
    parser.add_argument("-f", "--follow", action="store_true", help="go on with what comes, until Ctrl+C")
    parser.add_argument(
        "-n", "--lines", type=_count, default=50, metavar="N", help="how many of the last lines (now 50)"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the last lines, and go on if asked to."""
    from lama_core.client.places import state_folder
    from lama_server.logs import LOG_NAME

    path = state_folder() / LOG_NAME
    if not path.is_file():
        raise NoLogError(f"{path}: no log yet; the server writes it when it runs")
    for line in last_lines(path, args.lines):
        print(line)
    if args.follow:
        for line in follow(path):
            print(line, flush=True)
    return 0


def last_lines(path: Path, count: int) -> list[str]:
    """The last lines of the log; those of the file before it too when it is young."""
    lines: collections.deque[str] = collections.deque(maxlen=count)
    for part in (path.with_name(f"{path.name}.1"), path):
        if part.is_file():
            lines.extend(part.read_text(encoding="utf-8", errors="replace").splitlines())
    return list(lines)


def follow(path: Path) -> Iterator[str]:
    """Lines as they are added, across the change to a new file, for ever."""
    stream = path.open(encoding="utf-8", errors="replace")
    stream.seek(0, os.SEEK_END)
    rest = ""
    try:
        while True:
            *lines, rest = (rest + stream.read()).split("\n")
            yield from lines
            if lines:
                continue
            time.sleep(POLL_SECONDS)
            if path.is_file() and not os.path.samestat(os.fstat(stream.fileno()), path.stat()):
                *lines, rest = (rest + stream.read()).split("\n")
                yield from lines
                stream.close()
                stream = path.open(encoding="utf-8", errors="replace")
    finally:
        stream.close()


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError("a number of lines is not negative")
    return number
