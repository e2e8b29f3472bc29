"""Mutated frames on a live socket: only documented errors, and bounded memory."""

from __future__ import annotations

from collections.abc import Callable

from tests.server.fuzzing import check_mutated_frames
from tests.server.harness import ServerProcess


def test_five_thousand_mutated_frames(start: Callable[..., ServerProcess]) -> None:
    assert check_mutated_frames(start, 5000) < 32 << 20
