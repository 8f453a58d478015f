"""A listener's way through the stages, which stand as bands behind what happened."""

import math
from itertools import groupby
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from palate_lab.report.lettering import width_of
from palate_lab.report.theme import FAINT, INK, MODEL, MUTED, PAPER, Sheet, name_stage, stage_colour
from palate_lab.report.values import Progress, Publication

__all__ = ["draw_bands", "draw_progress", "trailing_mean"]

_SIZE: Final = 9.0
_INDENT: Final = 0.04
_LINE: Final = 0.18
_WIDTH: Final = 7.75
_HEIGHT: Final = 3.35
_NEAR: Final = 0.75
_LINES: Final = 3


def draw_bands(axes: Axes, positions: NDArray[np.float64], names: tuple[str, ...], inches: tuple[float, float]) -> None:
    """Tint the background by the stage at each position, and name the stages above.

    Args:
        axes: Where; their limits must be set.
        positions: float64 ``(m,)``, ascending; a stage reaches half way to its neighbour.
        names: The stage at each.
        inches: Width and height of the axes.
    """
    low, high = axes.get_xlim()
    edges = [low, *((positions[1:] + positions[:-1]) / 2).tolist(), high]
    runs = _runs(names)
    starts = [edges[first] for _, first, _ in runs]
    places = [(start - low) / (high - low) * inches[0] for start in starts]
    lines = _lines_of_names(places, [width_of(name_stage(name), _SIZE) + 2 * _INDENT for name, _, _ in runs])
    for (name, _, last), start, place, line in zip(runs, starts, places, lines, strict=True):
        axes.axvspan(start, edges[last + 1], color=stage_colour(name), linewidth=0, zorder=0)
        height = 1 + (0.07 + line * _LINE) / inches[1]
        options: dict[str, Any] = {"transform": axes.get_xaxis_transform(), "color": MUTED}
        axes.plot([start] * 2, [1, height + 0.1 / inches[1]], linewidth=0.7, clip_on=False, **options)
        axes.text(
            (place + _INDENT) / inches[0],
            height,
            name_stage(name),
            size=_SIZE,
            **options | {"transform": axes.transAxes},
        )


def _runs(names: tuple[str, ...]) -> list[tuple[str, int, int]]:
    """Return runs of equal names, with the positions of their first and their last."""
    found, start = [], 0
    for name, run in groupby(names):
        end = start + len(list(run)) - 1
        found.append((name, start, end))
        start = end + 1
    return found


def _lines_of_names(places: list[float], widths: list[float]) -> list[int]:
    """Return the line of each name, counted from below: above every later one that it would run into."""
    lines: list[int] = []
    for number in reversed(range(len(places))):
        end = places[number] + widths[number]
        hit = [line for line, place in zip(lines, places[number + 1 :], strict=True) if place < end]
        lines.insert(0, max(hit, default=-1) + 1)
    return lines


def draw_progress(progress: Progress, user_id: str) -> Figure:
    """Draw the share that is liked, who was in charge, and when models went into service."""
    shown = "of the tracks on each slate" if progress.unit == "turn" else "of the tracks rated"
    sheet = Sheet.of(
        f"{user_id}, stage by stage",
        f"Share {shown} that {user_id} likes: dots one by one, the line the mean of the last {progress.window}.",
        height=6.05,
    )
    if not len(progress.positions):
        return sheet.nothing("Nothing has been shown or rated yet.")
    axes = sheet.panel(0.85, 1.85, _WIDTH, _HEIGHT)
    axes.set_xlim(progress.positions[0] - 0.5, progress.positions[-1] + 0.5)
    axes.set_ylim(-0.04, 1.04)
    draw_bands(axes, progress.positions, progress.strategies, (_WIDTH, _HEIGHT))
    axes.grid(axis="y", color=FAINT)
    for publication, line in zip(progress.publications, _lines_of_publications(progress), strict=True):
        _draw_publication(axes, publication, line)
    axes.scatter(progress.positions, progress.liked, s=26, facecolors=PAPER, edgecolors=MUTED, linewidths=1, zorder=4)
    mean = trailing_mean(progress.liked, progress.window)
    axes.plot(progress.positions, mean, color=INK, linewidth=2.8, zorder=5, solid_capstyle="round")
    axes.set_yticks(np.arange(0, 1.01, 0.25), [f"{share:.0%}" for share in np.arange(0, 1.01, 0.25)])
    axes.set_xlabel(progress.unit)
    return sheet.figure


def trailing_mean(values: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """Return the mean of each value and those before it, at most `window` in all."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(ends - window, 0)
    return np.asarray((sums[ends] - sums[starts]) / (ends - starts))


def _lines_of_publications(progress: Progress) -> list[int]:
    """Return on which line from below each publication is written: on another one than a neighbour that is near."""
    near = float(_NEAR / _WIDTH * (progress.positions[-1] - progress.positions[0] + 1))
    lines: list[int] = []
    before = -math.inf
    for publication in progress.publications:
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
