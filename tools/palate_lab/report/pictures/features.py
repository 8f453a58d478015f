"""What each taste is made of: its genres, and how it sounds, feature by feature."""

from typing import Final, cast

import numpy as np
from matplotlib.figure import Figure
from matplotlib.projections.polar import PolarAxes
from numpy.typing import NDArray
from palate.domain.track import FEATURES
from scipy.stats import norm

from palate_lab.report.lettering import fitted
from palate_lab.report.theme import CATALOG, FAINT, INK, MUTED, Sheet, colours_of
from palate_lab.report.values import Listener, Taste

__all__ = ["draw_features", "draw_genres", "percentiles"]

_TASTES: Final = 3
_GENRES: Final = 6
_ROW: Final = 0.34
_MOST: Final = 3
_SIDE: Final = 1.95
_SHORT: Final = {
    "danceability": "dance",
    "instrumentalness": "instru-\nmental",
    "acousticness": "acoustic",
    "speechiness": "speech",
    "liveness": "live",
}


def draw_genres(listener: Listener) -> Figure:
    """Draw the largest shares of each active taste as bars, on one scale."""
    shown = [taste for taste in listener.tastes if taste.active and taste.genres][:_TASTES]
    rows = max((len(taste.genres[:_GENRES]) for taste in shown), default=4)
    sheet = Sheet.of(
        "What each taste is made of",
        "Share of each genre among the likes of a taste, less its dislikes.",
        height=1.75 + rows * _ROW,
    )
    if not shown:
        return sheet.nothing("No taste is active yet: there are no genres to draw.")
    colours = colours_of(listener.tastes)
    most = max(share for taste in shown for _, share in taste.genres)
    for place, taste in enumerate(shown):
        axes = sheet.panel(0.45 + 2.75 * place, 1.45, 2.55, rows * _ROW)
        colour = colours[taste.taste_id]
        genres = taste.genres[:_GENRES]
        sheet.write(0.45 + 2.75 * place, 1.27, fitted(taste.name, 2.6, 10.5, "bold"), color=colour, weight="bold")
        places = range(len(genres))
        axes.barh(places, [share for _, share in genres], height=0.82, color=colour, alpha=0.22)
        axes.barh(places, [most * 0.012] * len(genres), height=0.82, color=colour)
        for row, (genre, share) in enumerate(genres):
            axes.text(most * 0.04, row, fitted(genre, 1.6, 10), va="center", size=10)
            axes.text(most * 1.28, row, f"{share:.0%}", va="center", ha="right", size=10, color=MUTED)
        axes.set_xlim(0, most * 1.28)
        axes.set_ylim(rows - 0.5, -0.5)
        axes.set_axis_off()
    return sheet.figure


def percentiles(taste: Taste) -> NDArray[np.float64]:
    """Return where a taste's centroid lies in the catalog, feature by feature, float64 ``(9,)`` in [0, 100]."""
    return np.asarray(100 * norm.cdf(taste.centroid), dtype=np.float64)


def draw_features(listener: Listener) -> Figure:
    """Draw a radar of the centroid of each active taste, those of the others behind it."""
    shown = [taste for taste in listener.tastes if taste.active and len(taste.centroid)][:_MOST]
    sheet = Sheet.of(
        "How each taste sounds",
        "Centroids as percentiles of the catalog: the dashed ring is its median, the rim its most extreme tracks.",
        height=4.35,
    )
    if not shown:
        return sheet.nothing("No taste is active yet: there is no centroid to draw.")
    colours = colours_of(listener.tastes)
    for place, taste in enumerate(shown):
        axes = cast(PolarAxes, sheet.panel(0.56 + 2.92 * place, 1.85, _SIDE, _SIDE, projection="polar"))
        _grid(axes)
        for other in shown:
            if other is not taste:
                _outline(axes, percentiles(other), CATALOG)
        _outline(axes, percentiles(taste), colours[taste.taste_id], filled=True)
        axes.set_title(
            fitted(taste.name, 2.7, 10.5, "bold"), loc="center", color=colours[taste.taste_id], size=10.5, y=1.2
        )
    return sheet.figure


def _grid(axes: PolarAxes) -> None:
    angles = _angles()
    axes.set_theta_offset(np.pi / 2)
    axes.set_theta_direction(-1)
    axes.set_ylim(0, 100)
    axes.set_yticks([])
    axes.set_xticks([])
    axes.grid(visible=False)
    axes.spines["polar"].set_color(FAINT)
    axes.plot(np.linspace(0, 2 * np.pi, 181), np.full(181, 50.0), color=MUTED, linewidth=0.9, linestyle=(0, (3, 3)))
    for angle, name in zip(angles, FEATURES, strict=True):
        axes.plot([angle, angle], [0, 100], color=FAINT, linewidth=0.8)
        across = round(float(np.sin(angle)), 6)
        side = "left" if across > 0 else "right" if across < 0 else "center"
        axes.text(angle, 110, _SHORT.get(name, name), size=8.5, color=INK, ha=side, va="center" if across else "bottom")


def _outline(axes: PolarAxes, values: NDArray[np.float64], colour: str, *, filled: bool = False) -> None:
    angles = np.append(_angles(), 2 * np.pi)
    closed = np.append(values, values[0])
    axes.plot(angles, closed, color=colour, linewidth=2.2 if filled else 1.0, solid_joinstyle="round")
    if filled:
        axes.fill(angles, closed, color=colour, alpha=0.16, linewidth=0)
        axes.scatter(angles[:-1], values, s=16, color=colour, zorder=5)


def _angles() -> NDArray[np.float64]:
    return np.linspace(0, 2 * np.pi, len(FEATURES), endpoint=False)
