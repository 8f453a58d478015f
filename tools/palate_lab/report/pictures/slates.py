"""Slates as lists: who is in them, and what left to chance."""

from collections.abc import Callable
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from palate_lab.report.lettering import fitted
from palate_lab.report.theme import FAINT, INK, MODEL, MUTED, Sheet, colours_of
from palate_lab.report.values import Item, Listener, Slate

__all__ = ["draw_cold_start", "draw_fallback"]

_ROW: Final = 0.47
_TOP: Final = 1.3
_WIDTH: Final = 8.1
_RIGHT: Final = 5.35
_BAR: Final = 1.6


def draw_cold_start(slate: Slate) -> Figure:
    """Draw a slate for somebody of whom nothing is known: popular tracks from all over the catalog."""
    sheet, axes = _list(
        "A first slate, before anything is known",
        f"Cold start: {len(slate.items)} tracks, {len({item.cluster for item in slate.items})} genre clusters, "
        f"{len({item.artists for item in slate.items})} artists.",
        slate,
        ("genre cluster", "popularity"),
    )

    def right(row: int, item: Item) -> None:
        _write(axes, _RIGHT - 1.35, row, fitted(item.cluster, 2.0, 9.5), 9.5, MUTED)
        _bar(axes, row, item.popularity / 100, INK, f"{item.popularity}")

    _rows(axes, slate, lambda _: FAINT, right)
    return sheet.figure


def draw_fallback(slate: Slate, listener: Listener) -> Figure:
    """Draw a slate that leans on what little is known and explores the rest, with the chance of what was drawn."""
    explored = sum(item.exploration for item in slate.items)
    sheet, axes = _list(
        "A slate that asks while it answers",
        f"Fallback after {slate.rated} rated tracks: {len(slate.items) - explored} lesser-known tracks near what is "
        f"liked, {explored} drawn by chance to learn more.",
        slate,
        ("chosen for", "score, or chance of the draw"),
    )
    colours = colours_of(listener.tastes)
    best = max((item.score for item in slate.items), default=1.0) or 1.0
    for row, item in enumerate(slate.items):
        if item.exploration:
            axes.add_patch(_frame(row))

    def right(row: int, item: Item) -> None:
        _write(axes, _RIGHT - 1.35, row, fitted(item.cluster, 2.0, 9.5), 9.5, colours[item.taste_id])
        if item.exploration:
            _write(axes, _RIGHT + 0.75, row, f"explored, {_chance(item.propensity)}", 9.5, MODEL, "bold")
        else:
            _bar(axes, row, max(item.score, 0) / best, colours[item.taste_id], f"{item.score:.2f}")

    _rows(axes, slate, lambda item: colours[item.taste_id], right)
    return sheet.figure


def _list(title: str, subtitle: str, slate: Slate, heads: tuple[str, str]) -> tuple[Sheet, Axes]:
    sheet = Sheet.of(title, subtitle, height=_TOP + 0.3 + _ROW * max(len(slate.items), 3))
    axes = sheet.panel(0.45, _TOP, _WIDTH, _ROW * max(len(slate.items), 3))
    axes.set_xlim(0, _WIDTH)
    axes.set_ylim(max(len(slate.items), 3) - 0.5, -0.5)
    axes.set_axis_off()
    if slate.items:
        sheet.write(0.45 + _RIGHT - 1.35, _TOP - 0.1, heads[0], size=9, color=MUTED)
        sheet.write(0.45 + _RIGHT + 0.75, _TOP - 0.1, heads[1], size=9, color=MUTED)
    else:
        sheet.nothing("The slate is empty: nothing is left that may be shown.")
    return sheet, axes


def _rows(axes: Axes, slate: Slate, colour: Callable[[Item], str], right: Callable[[int, Item], None]) -> None:
    for row, item in enumerate(slate.items):
        axes.plot([0, _WIDTH], [row + 0.5] * 2, color=FAINT, linewidth=0.7)
        axes.plot([0.48] * 2, [row - 0.3, row + 0.3], color=colour(item), linewidth=4, solid_capstyle="butt")
        axes.text(0.32, row, f"{row + 1}", ha="right", va="center", size=11, color=MUTED)
        axes.text(0.62, row - 0.06, fitted(item.title, 3.25, 10.5, "bold"), va="bottom", size=10.5, weight="bold")
        axes.text(0.62, row + 0.06, fitted(item.artists, 3.25, 9), va="top", size=9, color=MUTED)
        right(row, item)


def _write(axes: Axes, left: float, row: int, text: str, size: float, colour: str, weight: str = "normal") -> None:
    axes.text(left, row, text, va="center", size=size, color=colour, weight=weight)


def _bar(axes: Axes, row: int, share: float, colour: str, text: str) -> None:
    left = _RIGHT + 0.75
    axes.barh(row, _BAR, left=left, height=0.16, color=FAINT)
    axes.barh(row, _BAR * min(share, 1), left=left, height=0.16, color=colour)
    axes.text(_WIDTH, row, text, va="center", ha="right", size=9.5)


def _frame(row: int) -> FancyBboxPatch:
    return FancyBboxPatch(
        (0.06, row - 0.42),
        _WIDTH - 0.06,
        0.84,
        boxstyle="round,pad=0,rounding_size=0.08",
        facecolor=MODEL,
        alpha=0.09,
        linewidth=0,
    )


def _chance(propensity: float) -> str:
    return f"1 in {1 / propensity:,.0f}" if propensity > 0 else "by chance"
