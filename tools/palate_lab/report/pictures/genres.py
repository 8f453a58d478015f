"""Which genres each taste is made of."""

from typing import Final

from matplotlib.figure import Figure

from palate_lab.report.lettering import fitted
from palate_lab.report.theme import MUTED, Sheet, colours_of
from palate_lab.report.values import Listener

__all__ = ["draw_genres"]

_TASTES: Final = 3
_GENRES: Final = 6
_ROW: Final = 0.34


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
