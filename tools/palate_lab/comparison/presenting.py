"""A comparison as tables for people."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from palate_tools.tables import Column, print_line, print_rows
from rich.console import Console

from palate_lab.comparison.compare import PALATE, Comparison
from palate_lab.comparison.intervals import Interval, caveat, mean_interval, paired_difference

__all__ = ["by_listener", "print_comparison"]

_FIGURES: Final = (
    "like_rate",
    "regret",
    "ndcg",
    "recall",
    "worst_taste_recall",
    "tastes_starved",
    "labels_until_useful",
    "diversity",
    "novelty",
)
_COMPARED: Final = "like_rate"
_COLUMNS: Final = (
    Column("algorithm", narrowest=10),
    Column("liked [95 %]", number=True, narrowest=8),
    Column("palate is better by", number=True, narrowest=8),
    Column("regret", number=True),
    Column("NDCG", number=True),
    Column("recall", number=True),
    Column("worst taste", number=True),
    Column("starved", number=True),
    Column("useful after", number=True, spare=True),
    Column("diversity", number=True, spare=True),
    Column("novelty", number=True, spare=True),
    Column("coverage", number=True, spare=True),
)


def by_listener(measures: pa.Table, metric: str) -> Mapping[str, NDArray[np.float64]]:
    """Return a metric of whole plays by algorithm, float64 ``(listeners,)`` in the order of the listeners."""
    whole = measures.filter(pc.and_(pc.equal(measures["metric"], metric), pc.is_null(measures["turn"])))
    names = pc.unique(whole["algorithm"]).to_pylist()
    return {
        name: whole.filter(pc.equal(whole["algorithm"], name)).sort_by("listener")["value"].to_numpy() for name in names
    }


def print_comparison(console: Console, comparison: Comparison, seed: int) -> None:
    """Print what all algorithms are worth, over all listeners and for each kind.

    Args:
        console: Where to print.
        comparison: What came of it.
        seed: Of the intervals' resamples.
    """
    measures = comparison.measures
    print_rows(console, _COLUMNS, _rows(comparison, seed))
    print_line(console, "")
    if few := caveat(pc.count_distinct(measures["listener"]).as_py()):
        print_line(console, few)
    kinds = sorted(pc.unique(measures["kind"]).to_pylist())
    print_line(console, f"Share of what was shown that is liked, by kind of listener ({_sizes(measures, kinds)}):")
    print_rows(
        console, [Column("algorithm"), *(Column(kind, number=True) for kind in kinds)], _by_kind(measures, kinds)
    )
    print_line(console, "")
    for line in _declined(comparison.shown):
        print_line(console, line)
    print_line(console, "docs/research/comparison.md says what each column is.")


def _rows(comparison: Comparison, seed: int) -> list[list[str]]:
    figures = {metric: by_listener(comparison.measures, metric) for metric in _FIGURES}
    liked = figures[_COMPARED]
    return [
        [
            name,
            _percent(mean_interval(liked[name], seed)),
            "" if name == PALATE else _percent(paired_difference(liked[PALATE], liked[name], seed), signed=True),
            f"{figures['regret'][name].mean():.1f}",
            *(_mean(figures[metric][name], 3) for metric in ("ndcg", "recall", "worst_taste_recall")),
            f"{figures['tastes_starved'][name].mean():.2f}",
            f"{np.median(figures['labels_until_useful'][name]):.0f}",
            _mean(figures["diversity"][name], 2),
            _mean(figures["novelty"][name], 1),
            f"{_coverage(comparison, name):.0%}",
        ]
        for name in liked
    ]


def _coverage(comparison: Comparison, name: str) -> float:
    """Return the share of the catalog that an algorithm showed to anybody."""
    own = comparison.shown.filter(pc.equal(comparison.shown["algorithm"], name))
    return float(pc.count_distinct(own["track_id"]).as_py() / comparison.tracks)


def _sizes(measures: pa.Table, kinds: Sequence[str]) -> str:
    """Say how many listeners there are of each kind."""
    return ", ".join(
        f"{pc.count_distinct(measures.filter(pc.equal(measures['kind'], kind))['listener']).as_py()} {kind}"
        for kind in kinds
    )


def _by_kind(measures: pa.Table, kinds: Sequence[str]) -> list[list[str]]:
    parts = {kind: by_listener(measures.filter(pc.equal(measures["kind"], kind)), _COMPARED) for kind in kinds}
    return [[name, *(_mean(100 * parts[kind][name], 1, " %") for kind in kinds)] for name in parts[kinds[0]]]


def _declined(shown: pa.Table) -> list[str]:
    """Say of strategies that were asked for by name how often they answered themselves."""
    lines = []
    for name in pc.unique(shown["algorithm"]).to_pylist():
        strategies = shown.filter(pc.equal(shown["algorithm"], name))["strategy"]
        own = pc.mean(pc.equal(strategies, name)).as_py()
        if 0 < own < 1 or (own == 0 and name != PALATE and pc.any(pc.not_equal(strategies, "")).as_py()):
            lines.append(f"{name} chose {own:.0%} of its tracks; the others came from stages below.")
    return lines


def _mean(values: NDArray[np.float64], digits: int, unit: str = "") -> str:
    """Return the mean of what is known; a dash where nothing is, as of somebody who was shown nothing."""
    known = values[~np.isnan(values)]
    return f"{known.mean():.{digits}f}{unit}" if len(known) else "-"


def _percent(interval: Interval, *, signed: bool = False) -> str:
    if np.isnan(interval.value):
        return "-"
    sign = "+" if signed else ""
    value, low, high = (100 * figure for figure in (interval.value, interval.low, interval.high))
    return f"{value:{sign}.1f} % [{low:{sign}.1f}, {high:{sign}.1f}]"
