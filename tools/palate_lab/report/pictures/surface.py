"""What the network makes of two features at once."""

from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from palate.domain.track import FEATURES

from palate_lab.report.fitting import chances
from palate_lab.report.theme import DISLIKE, INK, MUTED, PAPER, Sheet
from palate_lab.report.values import Fitted, Labelled

__all__ = ["Surface", "draw_surface", "respond"]

_REACH: Final = 2.2
_STEPS: Final = 41
_COARSE: Final = 5
_AVERAGED: Final = 150


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """How a model responds to two features, the others being as they are in the catalog.

    Attributes:
        features: The positions of the two.
        grid: float64 ``(s,)``, normal scores.
        chance: float64 ``(s, s)``, mean probability of a like; a row for each value of the second.
    """

    features: tuple[int, int]
    grid: NDArray[np.float64]
    chance: NDArray[np.float64]


def respond(fitted: Fitted[Any], background: NDArray[np.float32]) -> Surface:
    """Find the two features that the model's response depends on most, and that response.

    Source:
        Friedman, *Greedy function approximation: a gradient boosting machine*, 2001, section 8.2: partial dependence.
    """
    rows = background[:: -(-len(background) // _AVERAGED)]
    coarse = np.linspace(-_REACH, _REACH, _COARSE)
    pairs = list(combinations(range(len(FEATURES)), 2))
    best = max(pairs, key=lambda pair: float(np.std(_dependence(fitted, rows, pair, coarse))))
    grid = np.linspace(-_REACH, _REACH, _STEPS)
    return Surface(best, grid, _dependence(fitted, rows, best, grid))


def _dependence(
    fitted: Fitted[Any], rows: NDArray[np.float32], pair: tuple[int, int], grid: NDArray[np.float64]
) -> NDArray[np.float64]:
    model: Any = fitted.model
    across, up = np.meshgrid(grid, grid)
    varied = np.repeat(rows[None], across.size, axis=0)
    varied[:, :, pair[0]] = across.reshape(-1, 1)
    varied[:, :, pair[1]] = up.reshape(-1, 1)
    logits = fitted.slope * model.logits(varied.reshape(-1, rows.shape[1])) + fitted.intercept
    return np.asarray(chances(logits).reshape(across.size, -1).mean(axis=1).reshape(across.shape))


def draw_surface(surface: Surface, labelled: Labelled) -> Figure:
    """Draw the response as a relief, with the rated tracks on it."""
    first, second = surface.features
    sheet = Sheet.of(
        "What the network makes of two features",
        f"Mean probability of a like by {FEATURES[first]} and {FEATURES[second]}, over the catalog's other features.",
        height=6.9,
    )
    axes = sheet.panel(0.95, 1.2, 6.7, 4.9)
    low, high = float(surface.chance.min()), float(surface.chance.max())
    levels = np.linspace(low, max(high, low + 1e-6), 13)
    colours = mpl.colormaps["BuPu"](np.linspace(0.02, 0.66, len(levels) - 1))
    relief = axes.contourf(surface.grid, surface.grid, surface.chance, levels=levels, colors=colours)
    axes.contour(surface.grid, surface.grid, surface.chance, levels=levels[1:-1:2], colors=PAPER, linewidths=0.7)
    places = np.clip(labelled.features[:, [first, second]], -_REACH, _REACH)
    liked, disliked = places[labelled.liked], places[~labelled.liked]
    axes.scatter(disliked[:, 0], disliked[:, 1], s=46, marker="x", color=PAPER, linewidths=3.6, zorder=4, clip_on=False)
    axes.scatter(
        disliked[:, 0], disliked[:, 1], s=34, marker="x", color=DISLIKE, linewidths=1.8, zorder=4, clip_on=False
    )
    axes.scatter(liked[:, 0], liked[:, 1], s=38, color=INK, edgecolors=PAPER, linewidths=1, zorder=5, clip_on=False)
    ticks = [-2, -1, 0, 1, 2]
    names = ["2%", "16%", "median", "84%", "98%"]
    axes.set_xticks(ticks, names)
    axes.set_yticks(ticks, names)
    axes.set_xlim(-_REACH, _REACH)
    axes.set_ylim(-_REACH, _REACH)
    axes.set_xlabel(f"{FEATURES[first]}, percentile of the catalog")
    axes.set_ylabel(f"{FEATURES[second]}, percentile of the catalog")
    bar = sheet.figure.colorbar(relief, cax=sheet.panel(7.95, 1.2, 0.16, 4.9), ticks=[low, (low + high) / 2, high])
    bar.ax.set_yticklabels([f"{share:.0%}" for share in (low, (low + high) / 2, high)])
    bar.outline.set_visible(False)
    sheet.write(0.95, 6.72, "\N{BLACK CIRCLE} liked   \N{MULTIPLICATION SIGN} disliked", size=9.5, color=MUTED)
    return sheet.figure
