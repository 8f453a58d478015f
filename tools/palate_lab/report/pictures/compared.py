"""Palate beside other ways to recommend, with intervals: read from what `palate lab compare` wrote, and drawn."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from palate.errors import ConfigError

from palate_lab.comparison.compare import PALATE
from palate_lab.comparison.in_process import ORACLE
from palate_lab.comparison.intervals import mean_interval
from palate_lab.comparison.presenting import by_listener
from palate_lab.report.lettering import fitted
from palate_lab.report.theme import FAINT, INK, MODEL, MUTED, PAPER, Sheet

__all__ = ["Compared", "draw_compared", "percent", "read_comparison"]

_FIGURES: Final = {"like_rate": "Liked, of all shown", "worst_taste_recall": "Found for the worst-served taste"}
_COLUMNS: Final = frozenset({"algorithm", "listener", "kind", "metric", "turn", "value"})
_SEED: Final = 0
_ROW: Final = 0.36
_PANELS: Final = (2.3, 5.65)
_WIDTH: Final = 2.7


@dataclass(frozen=True, slots=True)
class Compared:
    """What came of a comparison.

    Attributes:
        algorithms: Their names, the best like rate first.
        listeners: How many listeners there were.
        turns: How many slates each was shown.
        figures: By title, for each algorithm a mean and its interval.
    """

    algorithms: tuple[str, ...]
    listeners: int
    turns: int
    figures: Mapping[str, Mapping[str, tuple[float, float, float]]]


def read_comparison(folder: Path) -> Compared:
    """Read the figures of a folder that `palate lab compare` has filled.

    Raises:
        ConfigError: When it is none, cannot be read, or holds no figures.
    """
    measures = _measures(folder / "measures.parquet")
    figures = {title: _intervals(measures, metric) for metric, title in _FIGURES.items()}
    first = figures[_FIGURES["like_rate"]]
    if not first:
        raise ConfigError(f"{folder} holds a comparison without figures; repeat palate lab compare --out DIR")
    return Compared(
        algorithms=tuple(sorted(first, key=lambda name: (-first[name][0], name))),
        listeners=pc.count_distinct(measures["listener"]).as_py(),
        turns=(pc.max(measures["turn"]).as_py() or 0) + 1,
        figures=figures,
    )


def _measures(path: Path) -> pa.Table:
    try:
        measures = pq.read_table(path)
    except FileNotFoundError as error:
        raise ConfigError(f"there is no {path}; make it with palate lab compare --out DIR") from error
    except (OSError, pa.ArrowInvalid) as error:
        raise ConfigError(f"{path} cannot be read: {error}; repeat palate lab compare --out DIR") from error
    missing = sorted(_COLUMNS - set(measures.column_names))
    if missing:
        raise ConfigError(f"{path} lacks {', '.join(missing)}; make it with palate lab compare --out DIR")
    return measures


def _intervals(measures: pa.Table, metric: str) -> dict[str, tuple[float, float, float]]:
    found = {}
    for name, values in by_listener(measures, metric).items():
        interval = mean_interval(np.asarray(values, dtype=np.float64), _SEED)
        found[name] = (interval.value, interval.low, interval.high)
    return found


def draw_compared(compared: Compared) -> Figure:
    """Draw each algorithm's figures as points with their intervals, the best like rate first."""
    rows = len(compared.algorithms)
    sheet = Sheet.of(
        "Palate beside other ways to recommend",
        f"Means over {compared.listeners} simulated listeners, {compared.turns} slates each, with 95 % intervals.",
        height=2.15 + _ROW * max(rows, 3),
    )
    if not rows:
        return sheet.nothing("The comparison is empty.")
    for left, (title, intervals) in zip(_PANELS, compared.figures.items(), strict=False):
        axes = sheet.panel(left, 1.5, _WIDTH, _ROW * rows)
        axes.set_title(title, pad=8, size=10.5)
        for row, name in enumerate(compared.algorithms):
            _draw_interval(axes, row, name, intervals[name])
        axes.set_ylim(rows - 0.5, -0.5)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
        axes.grid(axis="x", color=FAINT)
        axes.margins(x=0.08)
    for row, name in enumerate(compared.algorithms):
        sheet.write(
            0.45,
            1.5 + _ROW * (row + 0.5) + 0.045,
            fitted(name, 1.8, 10, "bold" if name == PALATE else "normal"),
            size=10,
            weight="bold" if name == PALATE else "normal",
            color=_colour(name),
        )
    return sheet.figure


def _draw_interval(axes: Axes, row: int, name: str, interval: tuple[float, float, float]) -> None:
    value, low, high = interval
    colour = _colour(name)
    axes.plot([low, high], [row, row], color=colour, linewidth=5, alpha=0.3, solid_capstyle="butt")
    axes.scatter(value, row, s=58, color=colour, edgecolors=PAPER, linewidths=1.3, zorder=4)
    axes.text(1.02, row, percent(value), transform=axes.get_yaxis_transform(), va="center", size=9.5, color=colour)


def percent(value: float) -> str:
    """Return a share in percent, or that nobody has one."""
    return "unknown" if math.isnan(value) else f"{value:.0%}"


def _colour(name: str) -> str:
    return MODEL if name == PALATE else MUTED if name == ORACLE else INK
