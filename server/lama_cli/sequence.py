"""Numbered sequences: which pictures of a folder are frames, in which order."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from lama_cli.batch import BatchError, Task
from lama_core.client.options import MAX_FRAME

_NUMBERED: Final = re.compile(r"(?P<name>.*?)(?P<number>[0-9]+)", re.DOTALL)


def as_sequence(tasks: Sequence[Task]) -> tuple[Task, ...]:
    """The same tasks in the order of the frames' numbers, each with its number.

    The number is the last digits of a name, `shot_0042.png` for frame 42, with as many zeros in front as one
    likes.

    Args:
        tasks: of pictures whose names differ in nothing but the number.

    Raises:
        BatchError: they are no sequence.
    """
    frames: dict[int, Task] = {}
    first = ""
    for task in tasks:
        path = task.picture
        match = _NUMBERED.fullmatch(path.stem)
        if match is None:
            raise BatchError(
                f"{path} has no number at the end of its name: call frames shot_0001{path.suffix} and so on"
            )
        number = int(match["number"])
        if number > MAX_FRAME:
            raise BatchError(f"{path} has the number {number}, and frames are numbered up to {MAX_FRAME}")
        if not frames:
            first = match["name"]
        elif match["name"] != first:
            other = next(iter(frames.values())).picture
            raise BatchError(f"{other} and {path} are of two sequences: give each a folder of its own")
        if number in frames:
            other = frames[number].picture
            raise BatchError(f"{other} and {path} are both frame {number}: remove one of them")
        frames[number] = replace(task, frame=number)
    if len(frames) < 2:
        raise BatchError(f"{tasks[0].picture} is the only frame, and a sequence has two or more")
    return tuple(frames[number] for number in sorted(frames))
