"""The budgets, and whether they are met."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from palate_lab.bench.measure import Result, workloads
from palate_lab.bench.samples import growth_per_tenfold

__all__ = ["MOST_GROWTH", "MOST_MEMORY", "Check", "checks", "verdict"]

MOST_GROWTH: Final = 1.5
"""How many times as long Recommend right after feedback may take on ten times as many tracks."""

MOST_MEMORY: Final = 2.0
"""How many times as large as the catalog file the server's memory may be, from a million tracks on."""

_MEMORY_FROM_TRACKS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Check:
    """One budget beside what was measured.

    Attributes:
        title: What was measured.
        tracks: On how many tracks.
        value: The ratio.
        least: The least that it should be, or None.
        most: The most that it should be, or None.
    """

    title: str
    tracks: int
    value: float
    least: float | None = None
    most: float | None = None

    @property
    def missed_by(self) -> float:
        """By what share of the budget it is missed; 0 when it is met."""
        if self.least is not None:
            return max(0.0, 1 - self.value / self.least)
        return max(0.0, self.value / self.most - 1) if self.most is not None else 0.0


def verdict(check: Check) -> str:
    """Say whether a budget is met."""
    return f"missed by {check.missed_by:.1%}" if check.missed_by else "met"


def checks(results: Sequence[Result]) -> list[Check]:
    """Return all budgets that apply to what was measured, by calls per second or latency and by processor time."""
    return [*_rates(results), *_memory(results), *_growth(results)]


def _rates(results: Sequence[Result]) -> Iterator[Check]:
    for result in results:
        for workload in workloads():
            if workload.budget is not None:
                row = result.rows[workload.key]
                yield Check(f"{workload.title}: ratio", result.tracks, row.rate_ratio, least=workload.budget)
                yield Check(f"{workload.title}: CPU ratio", result.tracks, row.cpu_ratio, least=workload.budget)


def _memory(results: Sequence[Result]) -> Iterator[Check]:
    for result in results:
        if result.tracks >= _MEMORY_FROM_TRACKS:
            ratio = result.memory.resident / result.catalog_bytes
            yield Check("server memory per catalog file", result.tracks, ratio, most=MOST_MEMORY)


def _growth(results: Sequence[Result]) -> Iterator[Check]:
    for smaller, larger in itertools.pairwise(results):
        key, factor = "recommend_after_feedback", larger.tracks / smaller.tracks
        latency, cpu = growth_per_tenfold(smaller.samples[key], larger.samples[key], factor)
        title = f"Recommend after feedback, growth from {smaller.tracks:,} tracks"
        yield Check(f"{title}: p50", larger.tracks, latency, most=MOST_GROWTH)
        yield Check(f"{title}: CPU", larger.tracks, cpu, most=MOST_GROWTH)
