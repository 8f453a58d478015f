"""The figures of an evaluation, by the number of labels: for people and as JSON."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np
from palate_tools.tables import Column, print_line, print_rows
from rich.console import Console

from palate_lab.evaluation.harness import Trial

__all__ = ["MARGIN", "SizeSummary", "print_summary", "summarize", "to_json"]

MARGIN: Final = 0.005
"""How much of AUC the best reference may be ahead in the mean."""

_SUMMARY = (
    Column("labels", number=True),
    Column("served", number=True),
    Column("ranking only", number=True),
    Column("best reference", number=True),
    Column("difference", number=True),
    Column("verdict"),
    Column("which", spare=True),
    Column("models", spare=True),
)


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean over seeds and its standard error; the error is not a number for a single seed."""

    value: float
    error: float

    def __format__(self, specification: str) -> str:
        """Return the value in the given form, and the error where there is one."""
        value = format(self.value, specification)
        return value if math.isnan(self.error) else f"{value} ± {self.error:.3f}"


@dataclass(frozen=True, slots=True)
class SizeSummary:
    """What all trials of one size came to.

    Attributes:
        size: How many labels were told.
        served: What Rank serves.
        ranking: What plain ranking serves.
        references: What each reference reaches.
        best: The name of the best reference.
        difference: Served less the best reference, seed by seed.
        over_ranking: Served less ranking, seed by seed.
        learners: How many listeners are served by each learner's common model; under the empty name, by none.
        own: How many tastes have a model of their own.
    """

    size: int
    served: Mean
    ranking: Mean
    references: dict[str, Mean]
    best: str
    difference: Mean
    over_ranking: Mean
    learners: dict[str, int]
    own: int

    @property
    def holds(self) -> bool:
        """Whether what is served is at least the best reference less `MARGIN`."""
        return self.difference.value >= -MARGIN


def summarize(trials: Sequence[Trial]) -> list[SizeSummary]:
    """Take means over the seeds of each size."""
    sizes = sorted({trial.size for trial in trials})
    return [_summary(size, [trial for trial in trials if trial.size == size]) for size in sizes]


def print_summary(console: Console, summaries: Sequence[SizeSummary]) -> None:
    """Print a table of what is served, and one of all references."""
    print_rows(console, _SUMMARY, [_row(summary) for summary in summaries])
    print_line(console, "")
    print_line(console, f"AUC on the labels held out; the verdict is good where served ≥ best reference - {MARGIN}.")
    print_line(console, "")
    columns = (Column("reference", narrowest=12), *(Column(str(one.size), number=True) for one in summaries))
    names = list(summaries[0].references) if summaries else []
    rows = [[name, *(f"{one.references[name].value:.3f}" for one in summaries)] for name in names]
    print_rows(console, columns, rows)


def to_json(summaries: Sequence[SizeSummary], trials: Sequence[Trial]) -> str:
    """Return all figures as JSON; what is not a number is null."""
    sizes = [{**asdict(summary), "holds": summary.holds} for summary in summaries]
    document = {"margin": MARGIN, "sizes": sizes, "trials": [asdict(trial) for trial in trials]}
    return json.dumps(_finite(document), indent=2)


def _summary(size: int, trials: Sequence[Trial]) -> SizeSummary:
    served, ranking = (np.array([getattr(trial, name) for trial in trials]) for name in ("served", "ranking"))
    references = {name: np.array([trial.references[name] for trial in trials]) for name in trials[0].references}
    best = max(references, key=lambda name: float(references[name].mean()))
    learners = [trial.learner for trial in trials]
    return SizeSummary(
        size=size,
        served=_mean(served),
        ranking=_mean(ranking),
        references={name: _mean(values) for name, values in references.items()},
        best=best,
        difference=_mean(served - references[best]),
        over_ranking=_mean(served - ranking),
        learners={name: learners.count(name) for name in sorted(set(learners))},
        own=sum(trial.own for trial in trials),
    )


def _mean(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Mean:
    error = float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else math.nan
    return Mean(float(values.mean()), error)


def _row(summary: SizeSummary) -> list[str]:
    served_by = ", ".join(f"{name or 'ranking'} {count}" for name, count in summary.learners.items())
    return [
        str(summary.size),
        f"{summary.served:.3f}",
        f"{summary.ranking:.3f}",
        f"{summary.references[summary.best]:.3f}",
        f"{summary.difference:+.3f}",
        "good" if summary.holds else "behind",
        summary.best,
        f"{served_by}; {summary.own} own",
    ]


def _finite(value: object) -> object:
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
