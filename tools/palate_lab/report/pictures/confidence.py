"""How confidence grew, and which stage it opened."""

from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from palate_lab.report.lettering import fitted
from palate_lab.report.pictures.progress import draw_bands
from palate_lab.report.theme import FAINT, INK, MUTED, Sheet, colours_of
from palate_lab.report.values import Listener

__all__ = ["apart", "draw_confidence"]

_WIDTH: Final = 5.55
_HEIGHT: Final = 3.3
_LEAST: Final = 0.052
_TICK: Final = 0.25


def draw_confidence(listener: Listener) -> Figure:
    """Draw the confidence of the profile and of each taste over the tracks that were rated."""
    sheet = Sheet.of(
        "From the first like to confidence",
        "Confidence of the profile and of its tastes as ratings are given; shading shows the stage reached.",
        height=5.85,
    )
    history = listener.history
    if not len(history.given):
        return sheet.nothing("Nothing has been rated yet.")
    axes = sheet.panel(0.9, 1.85, _WIDTH, _HEIGHT)
    positions = history.given.astype(np.float64)
    axes.set_xlim(positions[0] - 0.5, positions[-1] + 0.5)
    axes.set_ylim(0, 1)
    draw_bands(axes, positions, history.stages, (_WIDTH, _HEIGHT))
    colours = colours_of(listener.tastes)
    ends = [("the whole profile", INK, float(history.confidence[-1]))]
    for taste in sorted(listener.tastes, key=lambda one: one.active):
        line = history.tastes.get(taste.taste_id)
        if line is not None:
            opened = np.where(np.cumsum(line) > 0, line, np.nan)
            colour, width = colours[taste.taste_id], 2.2 if taste.active else 0.9
            axes.plot(positions, opened, color=colour, linewidth=width, drawstyle="steps-post")
            if taste.active:
                ends.append((taste.name, colour, float(line[-1])))
    axes.plot(positions, history.confidence, color=INK, linewidth=2.6, drawstyle="steps-post")
    _label_ends(axes, ends)
    axes.set_yticks(np.arange(0, 1.01, _TICK))
    axes.grid(axis="y", color=FAINT)
    axes.set_ylabel("confidence")
    axes.set_xlabel("ratings given")
    return sheet.figure


def _label_ends(axes: Axes, ends: list[tuple[str, str, float]]) -> None:
    places = apart([height for _, _, height in ends], _LEAST)
    for (name, colour, height), place in zip(ends, places, strict=True):
        options: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "va": "center", "clip_on": False}
        axes.text(1.02, place, f"{height:.2f}", color=colour, weight="bold", size=9.5, **options)
        axes.text(1.095, place, fitted(name, 1.95, 8.5), color=colour if colour != INK else MUTED, size=8.5, **options)


def apart(heights: list[float], least: float) -> list[float]:
    """Return heights moved as little as need be so that any two are at least so far apart, in their order."""
    order = sorted(range(len(heights)), key=lambda n: heights[n])
    placed = [heights[n] for n in order]
    for _ in range(len(placed) * 4):
        for n in range(len(placed) - 1):
            lacking = least - (placed[n + 1] - placed[n])
            if lacking > 0:
                placed[n] -= lacking / 2
                placed[n + 1] += lacking / 2
    found = [0.0] * len(heights)
    for n, place in zip(order, placed, strict=True):
        found[n] = place
    return found
