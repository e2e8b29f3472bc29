"""Frames of a still camera: their holes get the background from the frames in which it is seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from lama_cli.batch import BatchError, Loaded, Task
from lama_core.client.errors import LamaFillError
from lama_core.client.geometry import Rect
from lama_core.client.options import FillOptions
from lama_core.fill.clean_plate import CleanPlate
from lama_core.fill.frame_alignment import Alignment
from lama_core.fill.plan import FillPlan, plan_fill


class StillCamera:
    """What the frames of a sequence show behind their holes. One frame is in memory at a time."""

    def __init__(self, tasks: Sequence[Task], load: Callable[[Task], Loaded]) -> None:
        """Read all frames, twice: to see where holes are, and to collect what is behind them.

        A frame that cannot be read has no part in it; its own fill says why.

        Args:
            tasks: all frames, those that are filled already among them.
            load: reads one; raises `LamaFillError`.

        Raises:
            BatchError: the frames are not of one size and format, or none can be read.
        """
        self._alignments: dict[Task, Alignment] = {}
        first: tuple[Task, FillPlan] | None = None
        holes = Rect(0, 0, 0, 0)
        good = []
        for task, plan in _plans(tasks, load):
            if first is None:
                first = task, plan
            _check_alike(first, (task, plan))
            for window in plan.windows:
                holes = holes.union(window.written)
            good.append(task)
        if first is None:
            raise BatchError(f"no frame can be read: {_why_not(tasks[0], load)}")
        plan = first[1]
        self._plate = CleanPlate(holes, plan.pixel, plan.options.transfer, frames=len(good))
        for task, plan in _plans(good, load):
            self._alignments[task] = self._plate.add(plan)
        self._pixels, self._unseen = self._plate.finish()

    def __call__(self, loaded: Loaded) -> Loaded:
        """A frame with the background in its holes; its plan is that of what no frame shows, or None."""
        plan, alignment = loaded.plan, self._alignments.get(loaded.task)
        assert plan is not None
        if alignment is None:
            return loaded
        if not alignment.same_view:
            said = f"{loaded.task.picture} does not show what the other frames show: the model fills it alone"
            return replace(loaded, note="; ".join(filter(None, (loaded.note, said))))
        options = plan.options
        grain = (options.seed + (options.frame or 0)) if options.grain else None
        left = self._plate.put_into(plan, alignment, grain=grain)
        if left is None:
            return replace(loaded, plan=None)
        # No edge of a thing that may be wider than its mask is left there.
        exact: FillOptions = replace(options, grow=0)
        source = None if plan.source is None else plan.source.values
        return replace(loaded, plan=plan_fill(plan.picture, left, exact, source))

    @property
    def note(self) -> str:
        """A line about what no frame shows, or nothing."""
        if self._unseen == self._pixels:
            return (
                "the holes cover the same place in all frames: the model fills it, as without --still-camera"
            )
        if self._unseen:
            share = 100 * self._unseen / self._pixels
            return f"{share:.1f} % of what the holes cover is seen in no frame: the model fills that"
        return ""


def _plans(tasks: Sequence[Task], load: Callable[[Task], Loaded]) -> Iterator[tuple[Task, FillPlan]]:
    for task in tasks:
        try:
            loaded = load(task)
        except (LamaFillError, OSError):
            continue
        assert loaded.plan is not None
        yield task, loaded.plan


def _why_not(task: Task, load: Callable[[Task], Loaded]) -> str:
    try:
        load(task)
    except (LamaFillError, OSError) as error:
        return str(error)
    return f"{task.picture} changes while it is read"


def _check_alike(first: tuple[Task, FillPlan], other: tuple[Task, FillPlan]) -> None:
    sizes = [(plan.picture.shape[1], plan.picture.shape[0]) for _, plan in (first, other)]
    if sizes[0] != sizes[1]:
        (width, height), (its_width, its_height) = sizes
        raise BatchError(
            f"{first[0].picture} is {width} x {height} pixels and {other[0].picture} {its_width} x "
            f"{its_height}: the frames of a still camera have one size"
        )
    if first[1].pixel != other[1].pixel:
        raise BatchError(
            f"{first[0].picture} and {other[0].picture} differ in their channels or depth: convert the "
            "frames to one format"
        )
