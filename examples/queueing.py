"""What waits how long when so many pictures come a day: a small simulation of a front and its workers.

`python examples/queueing.py` prints the table of docs/scaling.md. Pictures come at random (Poisson) at
a rate that rises and falls with the hour; a front hands them out, and each worker fills one at a time.
"""

from __future__ import annotations

import argparse
import heapq
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass

DAY = 86_400.0


@dataclass(frozen=True, kw_only=True)
class Load:
    """What comes.

    Attributes:
        pictures: a day.
        peak: how many times the mean rate the busiest hour has; 1 for the same at any hour.
        fill: mean seconds that a worker takes; half of them are the same for all, the rest is random.
        front: seconds of the front's one processor for each.
    """

    pictures: int
    peak: float
    fill: float
    front: float


def arrivals(load: Load, seconds: float, dice: random.Random) -> Iterator[float]:
    """When pictures come, ascending, in seconds from the busiest moment's half before to as long after.

    By thinning (Lewis and Shedler, 1979).
    """
    mean = load.pictures / DAY
    now = 0.0
    while True:
        now += dice.expovariate(mean * load.peak)
        if now >= seconds:
            return
        phase = 2 * math.pi * (now - seconds / 2) / DAY
        if dice.random() * load.peak < 1 + (load.peak - 1) * math.cos(phase):
            yield now


def waits(load: Load, workers: int, *, seconds: float = 1800, seed: int = 1) -> list[float]:
    """How long each picture waits until a worker begins with it, ascending, in seconds."""
    dice = random.Random(seed)
    free = [0.0] * workers
    front = 0.0
    found = []
    for come in arrivals(load, seconds, dice):
        front = max(front, come) + load.front
        begin = max(front, heapq.heappop(free))
        heapq.heappush(free, begin + load.fill * (0.5 + dice.expovariate(2.0)))
        found.append(begin - come)
    return sorted(found)


def least_workers(load: Load, *, within: float, share: float = 0.99) -> int:
    """The fewest workers with which that share of pictures begins within so many seconds."""
    low = max(1, math.ceil(load.pictures / DAY * load.fill)) - 1
    high = 2 * math.ceil(load.pictures / DAY * load.fill * load.peak) + 4
    while high - low > 1:
        middle = (low + high) // 2
        found = waits(load, middle)
        enough = found[int(share * (len(found) - 1))] <= within
        low, high = (low, middle) if enough else (middle, high)
    return high


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pictures", type=int, default=1_000_000, help="a day (default: a million)")
    parser.add_argument(
        "--peak", type=float, default=2.0, help="the busiest hour against the mean (default: 2)"
    )
    parser.add_argument(
        "--front", type=float, default=0.006, help="seconds of the front for each (default: 0.006)"
    )
    args = parser.parse_args()
    print("| a fill takes | devices for the mean | for 99 % within 1 s | within 10 s | median wait then |")
    print("|---|---|---|---|---|")
    for seconds in (0.05, 0.2, 1.0, 4.0):
        load = Load(pictures=args.pictures, peak=args.peak, fill=seconds, front=args.front)
        mean = math.ceil(args.pictures / DAY * seconds)
        quick, patient = (least_workers(load, within=within) for within in (1.0, 10.0))
        found = waits(load, quick)
        print(f"| {seconds:g} s | {mean} | {quick} | {patient} | {found[len(found) // 2] * 1000:.0f} ms |")


if __name__ == "__main__":
    main()
