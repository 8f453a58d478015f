"""The stages of the stages as bands behind what happened on them."""

from itertools import groupby
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from palate_lab.report.lettering import width_of
from palate_lab.report.theme import MUTED, name_stage, stage_colour

__all__ = ["draw_bands"]

_SIZE: Final = 9.0
_INDENT: Final = 0.04
_LINE: Final = 0.18


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
    lines = _lines(places, [width_of(name_stage(name), _SIZE) + 2 * _INDENT for name, _, _ in runs])
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


def _lines(places: list[float], widths: list[float]) -> list[int]:
    """Return the line of each name, counted from below: above every later one that it would run into."""
    lines: list[int] = []
    for number in reversed(range(len(places))):
        end = places[number] + widths[number]
        hit = [line for line, place in zip(lines, places[number + 1 :], strict=True) if place < end]
        lines.insert(0, max(hit, default=-1) + 1)
    return lines
