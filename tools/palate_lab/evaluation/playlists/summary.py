"""The figures over all listeners: a table for people, and every judgement as Parquet."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet
from numpy.typing import NDArray
from palate.errors import PalateError
from palate_tools.tables import Column, print_line, print_rows
from rich.console import Console

from palate_lab.comparison.intervals import Interval, mean_interval, paired_difference, paired_ratio
from palate_lab.evaluation.playlists.judging import Judgement

__all__ = ["PALATE", "Line", "print_lines", "summarize", "write_judgements"]

PALATE: Final = "palate"
"""The name of what the server serves, among the recommenders."""

_METRICS: Final = ("recall", "worst_taste_recall", "starved", "ndcg")
_COLUMNS: Final = (
    Column("recommender", narrowest=12),
    Column("recall", number=True),
    Column("worst taste", number=True),
    Column("starved", number=True),
    Column("NDCG", number=True),
    Column("palate finds", number=True),
    Column("of recall more", number=True, spare=True),
    Column("of worst taste more", number=True, spare=True),
)


@dataclass(frozen=True, slots=True)
class Line:
    """One recommender at one depth, over all listeners.

    Attributes:
        recommender: Its name.
        k: How many tracks were looked at.
        means: By metric, the mean with its interval.
        recall_ratio: Palate's recall over this one's.
        recall_lead: Palate's recall less this one's, listener by listener.
        worst_taste_lead: The same of the worst taste's recall.
    """

    recommender: str
    k: int
    means: Mapping[str, Interval]
    recall_ratio: Interval
    recall_lead: Interval
    worst_taste_lead: Interval


def summarize(judgements: Sequence[Judgement], seed: int) -> list[Line]:
    """Take means over listeners, and compare each recommender with palate on the same listeners.

    Args:
        judgements: All recommenders on the same listeners in the same order.
        seed: Of the resamples.

    Returns:
        By depth, palate first, then the others by their recall.
    """
    lines = []
    for k in sorted({judgement.k for judgement in judgements}):
        names = dict.fromkeys(judgement.recommender for judgement in judgements)
        figures = {name: _figures(judgements, name, k) for name in names}
        found = [_line(name, k, figures[name], figures[PALATE], seed) for name in names]
        lines += sorted(found, key=lambda line: (line.recommender != PALATE, -line.means["recall"].value))
    return lines


def print_lines(console: Console, lines: Sequence[Line]) -> None:
    """Print a table for each depth."""
    for k in sorted({line.k for line in lines}):
        print_line(console, f"The first {k} tracks", "bold")
        print_rows(console, _COLUMNS, [_cells(line) for line in lines if line.k == k])
        print_line(console, "")


def write_judgements(judgements: Sequence[Judgement], path: Path) -> None:
    """Write every judgement as a row of a Parquet file. PalateError when the file cannot be written."""
    try:
        pa.parquet.write_table(pa.Table.from_pylist([asdict(judgement) for judgement in judgements]), path)
    except OSError as error:
        raise PalateError(f"cannot write --out {path}: {error.strerror or error}; name another file") from error


def _figures(judgements: Sequence[Judgement], name: str, k: int) -> dict[str, NDArray[np.float64]]:
    own = [judgement for judgement in judgements if (judgement.recommender, judgement.k) == (name, k)]
    return {metric: np.array([getattr(judgement, metric) for judgement in own], dtype=float) for metric in _METRICS}


def _line(
    name: str, k: int, own: Mapping[str, NDArray[np.float64]], palate: Mapping[str, NDArray[np.float64]], seed: int
) -> Line:
    return Line(
        name,
        k,
        {metric: mean_interval(values, seed) for metric, values in own.items()},
        paired_ratio(palate["recall"], own["recall"], seed),
        paired_difference(palate["recall"], own["recall"], seed),
        paired_difference(palate["worst_taste_recall"], own["worst_taste_recall"], seed),
    )


def _cells(line: Line) -> list[str]:
    means = line.means
    cells = [line.recommender, *(f"{means[metric].value:.3f}" for metric in ("recall", "worst_taste_recall"))]
    cells += [f"{means['starved'].value:.2f}", f"{means['ndcg'].value:.3f}"]
    if line.recommender == PALATE:
        return [*cells, "", "", ""]
    ratio = f"{line.recall_ratio.value:.2f} times" if math.isfinite(line.recall_ratio.value) else "-"
    return [*cells, ratio, _signed(line.recall_lead), _signed(line.worst_taste_lead)]


def _signed(interval: Interval) -> str:
    return f"{interval.value:+.3f} [{interval.low:+.3f}, {interval.high:+.3f}]"
