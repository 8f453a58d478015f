"""A listener's way up the stages."""

import math
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from palate_lab.report.pictures.bands import draw_bands
from palate_lab.report.theme import FAINT, INK, MODEL, MUTED, PAPER, Sheet
from palate_lab.report.values import Climb, Publication

__all__ = ["draw_climb", "trailing_mean"]

_WIDTH: Final = 7.75
_HEIGHT: Final = 3.35
_NEAR: Final = 0.75
_LINES: Final = 3


def draw_climb(climb: Climb, user_id: str) -> Figure:
    """Draw the share that is liked, who was in charge, and when models went into service."""
    shown = "of the tracks on each slate" if climb.unit == "turn" else "of the tracks rated"
    sheet = Sheet.of(
        f"{user_id} climbs the stages",
        f"Share {shown} that {user_id} likes: dots one by one, the line the mean of the last {climb.window}.",
        height=6.05,
    )
    if not len(climb.positions):
        return sheet.nothing("Nothing has been shown or rated yet.")
    axes = sheet.panel(0.85, 1.85, _WIDTH, _HEIGHT)
    axes.set_xlim(climb.positions[0] - 0.5, climb.positions[-1] + 0.5)
    axes.set_ylim(-0.04, 1.04)
    draw_bands(axes, climb.positions, climb.strategies, (_WIDTH, _HEIGHT))
    axes.grid(axis="y", color=FAINT)
    for publication, line in zip(climb.publications, _lines(climb), strict=True):
        _draw_publication(axes, publication, line)
    axes.scatter(climb.positions, climb.liked, s=26, facecolors=PAPER, edgecolors=MUTED, linewidths=1, zorder=4)
    mean = trailing_mean(climb.liked, climb.window)
    axes.plot(climb.positions, mean, color=INK, linewidth=2.8, zorder=5, solid_capstyle="round")
    axes.set_yticks(np.arange(0, 1.01, 0.25), [f"{share:.0%}" for share in np.arange(0, 1.01, 0.25)])
    axes.set_xlabel(climb.unit)
    return sheet.figure


def trailing_mean(values: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """Return the mean of each value and those before it, at most `window` in all."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(ends - window, 0)
    return np.asarray((sums[ends] - sums[starts]) / (ends - starts))


def _lines(climb: Climb) -> list[int]:
    """Return on which line from below each publication is written: on another one than a neighbour that is near."""
    near = float(_NEAR / _WIDTH * (climb.positions[-1] - climb.positions[0] + 1))
    lines: list[int] = []
    before = -math.inf
    for publication in climb.publications:
        lines.append((lines[-1] + 1) % _LINES if publication.position - before < near else 0)
        before = publication.position
    return lines


def _draw_publication(axes: Axes, publication: Publication, line: int) -> None:
    axes.axvline(publication.position, color=MODEL, linewidth=1.4, linestyle=(0, (4, 2)), zorder=2)
    late = publication.position > np.mean(axes.get_xlim())
    axes.annotate(
        f"{publication.learner}\n{publication.labels} labels",
        (publication.position, 0.01),
        xytext=(-5 if late else 5, 3 + 28 * line),
        textcoords="offset points",
        ha="right" if late else "left",
        color=MODEL,
        size=8.5,
        linespacing=1.35,
    )
