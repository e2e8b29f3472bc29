"""Times that can be compared: every candidate in turn, again and again, in one process."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping


def interleaved(
    candidates: Mapping[str, Callable[[], object]], *, rounds: int, warm: int = 1
) -> dict[str, float]:
    """Median seconds of each candidate.

    Whatever else the machine does falls on all of them, so their ratios hold better than the seconds.

    Args:
        candidates: what to time, by name. What one returns counts if it is a number of seconds that it
            measured itself.
        rounds: times that each of them counts.
        warm: times before that.
    """
    times: dict[str, list[float]] = {name: [] for name in candidates}
    for number in range(warm + rounds):
        for name, work in candidates.items():
            begin = time.perf_counter()
            own = work()
            if number >= warm:
                times[name].append(own if isinstance(own, float) else time.perf_counter() - begin)
    return {name: statistics.median(values) for name, values in times.items()}
