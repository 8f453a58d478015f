"""Palate beside other ways to recommend, with intervals."""

import math
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from palate_lab.comparison.compare import PALATE
from palate_lab.comparison.in_process import ORACLE
from palate_lab.report.comparing import Compared
from palate_lab.report.lettering import fitted
from palate_lab.report.theme import FAINT, INK, MODEL, MUTED, PAPER, Sheet

__all__ = ["draw_compared", "percent"]

_ROW: Final = 0.36
_PANELS: Final = (2.3, 5.65)
_WIDTH: Final = 2.7


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
