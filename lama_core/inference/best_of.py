"""Times that decide something: the best of several runs by turns, because other programs take their share."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Final, TypeVar

Name = TypeVar("Name", bound=Hashable)

ROUNDS: Final = range(3, 9)
"""Turns that each candidate is timed: more of them while what they decide is a near thing."""


def best_seconds(
    candidates: Mapping[Name, Callable[[], float]], *, is_near: Callable[[Mapping[Name, float]], bool]
) -> dict[Name, float]:
    """The least seconds of each candidate.

    Args:
        candidates: by name; a call is one run and gives its seconds.
        is_near: whether these seconds may still decide otherwise when they are measured again.
    """
    best: dict[Name, float] = {}
    for turn in range(1, ROUNDS.stop):
        for name, run in candidates.items():
            best[name] = min(best.get(name, float("inf")), run())
        if turn >= ROUNDS.start and not is_near(best):
            break
    return best
