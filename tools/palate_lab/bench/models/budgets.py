"""The budgets of the model rows."""

from collections.abc import Iterator
from typing import Final

from palate_lab.bench.budgets import Check
from palate_lab.bench.models.measure import ModelResults

__all__ = ["LEAST_THROUGHPUT", "MOST_DRIFT", "MOST_SCORING", "MOST_SWAPPING", "model_checks"]

LEAST_THROUGHPUT: Final = 0.5
"""The trainer's throughput as a share of the bare fits'."""

MOST_SCORING: Final = 1.3
"""How many times as long as onnxruntime alone scoring may take."""

MOST_SWAPPING: Final = 1.5
"""How many times as long as in the quiet the slowest hundredth of calls may take during swaps."""

MOST_DRIFT: Final = 1.01
"""How many times as large memory may become over the last half of the swaps. Single points scatter by about 1 %."""


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
