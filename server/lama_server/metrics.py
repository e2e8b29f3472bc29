"""What the server counts, and /metrics, where Prometheus reads it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lama_server.errors import JobCancelledError, JobError
from lama_server.jobs import Ending

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

SECONDS_BOUNDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(slots=True)
class Counters:
    """Totals since the start. `within[i]` counts the fills that took at most `SECONDS_BOUNDS[i]` seconds."""

    done: int = 0
    failed: int = 0
    stopped: int = 0
    busy: int = 0
    workers_started: int = 0
    reruns: int = 0
    seconds: float = 0.0
    within: list[int] = field(default_factory=lambda: [0] * len(SECONDS_BOUNDS))

    def add_ending(self, ending: Ending) -> None:
        """Count a fill that has ended."""
        if isinstance(ending, JobCancelledError):
            self.stopped += 1
        elif isinstance(ending, JobError):
            self.failed += 1
        else:
            self.done += 1
            self.seconds += ending.seconds
            for index, bound in enumerate(SECONDS_BOUNDS):
                self.within[index] += ending.seconds <= bound


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauges:
    """What holds now."""

    connections: int
    queued: int
    queued_bytes: int
    running: int
    degraded: bool


def metrics_page(counters: Counters, gauges: Gauges) -> str:
    """The text that Prometheus reads.

    Imports prometheus-client, which takes a tenth of a second the first time.
    """
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Snapshot(counters, gauges))
    return generate_latest(registry).decode("utf-8")


class _Snapshot:
    """A prometheus-client collector of one moment."""

    def __init__(self, counters: Counters, gauges: Gauges) -> None:
        self._counters = counters
        self._gauges = gauges

    def collect(self) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        counters, gauges = self._counters, self._gauges
        fills = CounterMetricFamily("lama_fill_fills", "Fills that have ended, by how.", labels=["ending"])
        for ending in ("done", "failed", "stopped"):
            fills.add_metric([ending], getattr(counters, ending))
        yield fills
        yield CounterMetricFamily("lama_fill_busy", "Fills refused because too many waited.", counters.busy)
        yield CounterMetricFamily(
            "lama_fill_workers_started", "Worker processes that became ready.", counters.workers_started
        )
        yield CounterMetricFamily(
            "lama_fill_reruns", "Fills given to another worker because theirs was lost.", counters.reruns
        )
        yield HistogramMetricFamily(
            "lama_fill_seconds",
            "Time that fills took, without their time in the queue.",
            buckets=[
                *((f"{bound:g}", float(n)) for bound, n in zip(SECONDS_BOUNDS, counters.within, strict=True)),
                ("+Inf", float(counters.done)),
            ],
            sum_value=counters.seconds,
        )
        yield GaugeMetricFamily("lama_fill_connections", "Clients that are connected.", gauges.connections)
        yield GaugeMetricFamily("lama_fill_queued", "Fills that wait.", gauges.queued)
        yield GaugeMetricFamily("lama_fill_queued_bytes", "Memory of their pixels.", gauges.queued_bytes)
        yield GaugeMetricFamily("lama_fill_running", "Fills that are worked on.", gauges.running)
        yield GaugeMetricFamily("lama_fill_degraded", "1 when a device has no worker.", gauges.degraded)
