"""The progress of fills on GIMP's progress bar, in the words of both plug-ins."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from lama_core.client.plugin.messages import STAGES_WITHOUT_PROGRESS, stage_message
from lama_core.client.plugin.texts import _

PULSE_SECONDS = 0.1
"""How often a progress bar without a fraction moves, so that GIMP never looks frozen."""


class ProgressBar(Protocol):
    """Where progress is shown."""

    def show(self, text: str, fraction: float) -> None: ...

    def pulse(self) -> None: ...

    def is_cancelled(self) -> bool: ...


def stage_text(stage: str, position: int = 0) -> str:
    """What the progress bar says at a stage. GIMP does not say whose bar it is, so the text does."""
    name = _("LaMa Fill")
    return f"{name}: {stage_message(stage, position)}"


def show_stage(bar: ProgressBar, stage: str) -> None:
    """Show a stage that has no fraction."""
    bar.show(stage_text(stage), 0.0)


class Progress:
    """Moves a progress bar that has no fraction, while a server is waited for."""

    def __init__(self, bar: ProgressBar, clock: Callable[[], float] = time.monotonic) -> None:
        self._bar = bar
        self._clock = clock
        self._moved = clock()
        self._shown = False

    def starting(self, stage: str) -> None:
        """As `lama_core.client.connection.connect` calls it, again and again while the server starts."""
        if not self._shown:
            self._shown = True
            show_stage(self._bar, stage)
        self.tick()

    def tick(self) -> bool:
        """Called some times a second. Whether the artist has cancelled."""
        if self._clock() - self._moved >= PULSE_SECONDS:
            self._moved = self._clock()
            self._bar.pulse()
        return self._bar.is_cancelled()


class PieceProgress(Progress):
    """Shows where each piece is, as its share of everything that is filled."""

    def __init__(self, bar: ProgressBar, areas: Sequence[int]) -> None:
        """`areas`: of the pieces, in pixels."""
        super().__init__(bar)
        total = sum(areas)
        self._begins = [sum(areas[:number]) / total for number in range(len(areas) + 1)]
        self._last: tuple[str, float] | None = None
        self._pulses = True

    def progress(self, number: int, stage: str, fraction: float, position: int) -> None:
        """As `Client.fill_each` calls it."""
        begin, end = self._begins[number : number + 2]
        now = (stage_text(stage, position), begin + fraction * (end - begin))
        self._pulses = stage in STAGES_WITHOUT_PROGRESS
        if now != self._last:
            self._last = now
            self._bar.show(*now)

    def tick(self) -> bool:
        return super().tick() if self._pulses else self._bar.is_cancelled()
