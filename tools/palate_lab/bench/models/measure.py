"""The model rows, one after the other."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Final

from palate_lab.bench.models.memory import MemoryCurve, measure_memory
from palate_lab.bench.models.scoring import CANDIDATES, ScoringFigures, measure_scoring
from palate_lab.bench.models.swaps import SwapFigures, SwapLoad, measure_swaps
from palate_lab.bench.models.training import TrainingFigures, measure_training

__all__ = ["MODEL_ROWS", "ModelPlan", "ModelResults", "measure_models"]

MODEL_ROWS: Final = ("training", "scoring", "swaps", "memory")
"""The groups of rows."""


@dataclass(frozen=True, slots=True)
class ModelPlan:
    """What to measure.

    Attributes:
        rows: Which of `MODEL_ROWS`.
        trained_on: The catalogs that the trainer is measured on.
        served_from: The catalog of the other rows.
        trained: How many listeners are trained on each catalog.
        labels: How many labels each of them has.
        swaps: How much is asked and published in the rows of swaps.
        memory_swaps: How many versions are published in the row of memory.
    """

    rows: Collection[str]
    trained_on: Sequence[Path]
    served_from: Path
    trained: int
    labels: int
    swaps: SwapLoad
    memory_swaps: int


@dataclass(frozen=True, slots=True)
class ModelResults:
    """What was measured; nothing for rows that were not asked for."""

    training: Sequence[TrainingFigures] = ()
    scoring: Sequence[ScoringFigures] = ()
    swaps: SwapFigures | None = None
    memory: MemoryCurve | None = None


def measure_models(plan: ModelPlan, folder: Path, progress: Callable[[str], None]) -> ModelResults:
    """Measure the rows that the plan names.

    Args:
        plan: What to measure.
        folder: A folder on the disk that is to be measured.
        progress: Called with what is about to be done.

    Raises:
        BenchmarkError: When a call failed, an answer was wrong, or a training failed.
    """
    rows, catalog = plan.rows, plan.served_from
    training = [
        measure_training(path, folder / f"training-{number}", plan.trained, plan.labels, progress)
        for number, path in enumerate(plan.trained_on if "training" in rows else ())
    ]
    return ModelResults(
        training,
        _scoring(catalog, folder / "scoring", progress) if "scoring" in rows else (),
        asyncio.run(measure_swaps(catalog, folder / "swaps", plan.swaps, progress)) if "swaps" in rows else None,
        asyncio.run(measure_memory(catalog, folder / "memory", plan.memory_swaps, progress))
        if "memory" in rows
        else None,
    )


def _scoring(catalog: Path, data_dir: Path, progress: Callable[[str], None]) -> list[ScoringFigures]:
    """Measure scoring in a new process: what this one has allocated before would change how memory is found."""
    progress(f"scoring {CANDIDATES:,} candidates")
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(measure_scoring, catalog, data_dir).result()
