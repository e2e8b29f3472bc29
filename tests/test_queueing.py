"""The simulation of docs/scaling.md, held against what is known of queues."""

from __future__ import annotations

import math
import random
from pathlib import Path

from examples.queueing import DAY, Load, arrivals, least_workers, waits


def test_arrivals_have_the_rate_of_the_busiest_time() -> None:
    load = Load(pictures=1_000_000, peak=2.0, fill=1.0, front=0.0)
    count = sum(1 for _ in arrivals(load, 600, random.Random(3)))
    mean = load.peak * load.pictures / DAY * 600
    assert abs(count - mean) < 4 * math.sqrt(mean)


def test_one_worker_waits_as_pollaczek_and_khinchine_say() -> None:
    load = Load(pictures=43_200, peak=1.0, fill=1.0, front=0.0)  # half busy
    found = waits(load, 1, seconds=60_000)
    # The mean of the square of a fill's time is 1.25; the mean wait is rate * that / (2 * (1 - busy)).
    assert abs(sum(found) / len(found) - 0.5 * 1.25 / (2 * 0.5)) < 0.06


def test_the_least_number_of_workers_is_enough_and_one_fewer_is_not() -> None:
    load = Load(pictures=50_000, peak=2.0, fill=1.0, front=0.001)
    count = least_workers(load, within=1.0)

    def late(workers: int) -> float:
        found = waits(load, workers)
        return found[int(0.99 * (len(found) - 1))]

    assert late(count) <= 1.0 < late(count - 1)


def test_the_page_has_the_table_that_the_simulation_makes() -> None:
    page = (Path(__file__).parents[1] / "docs/scaling.md").read_text("utf-8")
    load = Load(pictures=1_000_000, peak=2.0, fill=0.05, front=0.006)
    quick, patient = (least_workers(load, within=within) for within in (1.0, 10.0))
    assert f"| 0.05 s | 1 | {quick} | {patient} |" in page
