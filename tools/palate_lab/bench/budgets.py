"""The budgets of all rows, and whether they are met."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from palate_lab.bench.measure import Result, workloads
from palate_lab.bench.models.measure import ModelResults
from palate_lab.bench.samples import growth_per_tenfold

__all__ = [
    "LEAST_THROUGHPUT",
    "MOST_DRIFT",
    "MOST_GROWTH",
    "MOST_MEMORY",
    "MOST_SCORING",
    "MOST_SWAPPING",
    "Check",
    "checks",
    "model_checks",
    "verdict",
]

MOST_GROWTH: Final = 1.5
"""How many times as long Recommend right after feedback may take on ten times as many tracks."""
MOST_MEMORY: Final = 2.0
"""How many times as large as the catalog file the server's memory may be, from a million tracks on."""
_MEMORY_FROM_TRACKS: Final = 1_000_000
LEAST_THROUGHPUT: Final = 0.5
"""The trainer's throughput as a share of the bare fits'."""
MOST_SCORING: Final = 1.3
"""How many times as long as onnxruntime alone scoring may take."""
MOST_SWAPPING: Final = 1.5
"""How many times as long as in the quiet the slowest hundredth of calls may take during swaps."""
MOST_DRIFT: Final = 1.01
"""How many times as large memory may become over the last half of the swaps. Single points scatter by about 1 %."""


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


def model_checks(results: ModelResults) -> list[Check]:
    """Return all budgets that apply to what was measured."""
    return [*_training(results), *_scoring(results), *_swaps(results)]


def _training(results: ModelResults) -> Iterator[Check]:
    for row in results.training:
        yield Check("trainer to bare fits: ratio", row.tracks, row.rate_ratio, least=LEAST_THROUGHPUT)
        yield Check("trainer to bare fits: CPU ratio", row.tracks, row.cpu_ratio, least=LEAST_THROUGHPUT)


def _scoring(results: ModelResults) -> Iterator[Check]:
    for row in results.scoring:
        yield Check(f"scoring by {row.learner} to onnxruntime alone", row.tracks, row.ratio, most=MOST_SCORING)


def _swaps(results: ModelResults) -> Iterator[Check]:
    swaps, memory = results.swaps, results.memory
    if swaps is not None:
        yield Check("Recommend during swaps to the quiet: p99", swaps.tracks, swaps.p99_ratio, most=MOST_SWAPPING)
    if memory is not None:
        yield Check("memory over the last half of the swaps", memory.tracks, memory.growth, most=MOST_DRIFT)
