"""What ranking's scores are the sum of."""

from collections.abc import Mapping
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from palate_lab.report.lettering import fitted, width_of
from palate_lab.report.theme import FAINT, INK, MUTED, Sheet, colours_of
from palate_lab.report.values import Item, Listener, Slate

__all__ = ["draw_score_parts"]

_ROW: Final = 0.47
_TOP: Final = 1.42
_LEFT: Final = 3.95
_WIDTH: Final = 4.1
_KEY: Final = 1.1
_PARTS: Final = {
    "audio": "#41506b",
    "genre": "#9fb0c9",
    "artist": "#7a8a6a",
    "taste": "#b9a26a",
    "dislike": "#c0563b",
}
_REST: Final = ("#8c6d8f", "#5f8f94", "#a3a3a3")


def draw_score_parts(slate: Slate, listener: Listener) -> Figure:
    """Draw each track's score as a stack of its parts: to the right what speaks for it, to the left against it."""
    rows = max(len(slate.items), 3)
    sheet = Sheet.of(
        "What ranking sees in each track",
        f"Score parts of a slate after {slate.rated} rated tracks; the mark is the sum.",
        height=_TOP + 0.65 + _ROW * rows,
    )
    if not slate.items:
        return sheet.nothing("The slate is empty: nothing is left that may be shown.")
    axes = sheet.panel(_LEFT, _TOP, _WIDTH, _ROW * rows)
    axes.set_ylim(rows - 0.5, -0.5)
    names = list(dict.fromkeys(name for item in slate.items for name in item.parts))
    part_colours = _PARTS | dict(zip((name for name in names if name not in _PARTS), _REST, strict=False))
    colours = colours_of(listener.tastes)
    for row, item in enumerate(slate.items):
        _draw_stack(axes, row, item, part_colours)
        _name(sheet, row, item, colours[item.taste_id])
    _finish(axes)
    _key(sheet, names, part_colours)
    return sheet.figure


def _draw_stack(axes: Axes, row: int, item: Item, colours: Mapping[str, str]) -> None:
    ends = {True: 0.0, False: 0.0}
    for name, value in item.parts.items():
        side = value >= 0
        axes.barh(row, value, left=ends[side], height=0.44, color=colours.get(name, MUTED))
        ends[side] += value
    axes.plot([item.score] * 2, [row - 0.36, row + 0.36], color=INK, linewidth=2.2)
    axes.text(1.01, row, f"{item.score:.2f}", transform=axes.get_yaxis_transform(), va="center", size=9.5)


def _name(sheet: Sheet, row: int, item: Item, colour: str) -> None:
    middle = _TOP + _ROW * (row + 0.5)
    sheet.write(0.62, middle - 0.03, fitted(item.title, 3.1, 10, "bold"), size=10, weight="bold")
    sheet.write(0.62, middle + 0.13, fitted(item.artists, 3.1, 8.5), size=8.5, color=MUTED)
    chip = sheet.panel(0.45, middle - 0.15, 0.06, 0.3)
    chip.set_facecolor(colour)
    chip.set_xticks([])
    chip.set_yticks([])
    for spine in chip.spines.values():
        spine.set_visible(False)


def _finish(axes: Axes) -> None:
    axes.axvline(0, color=MUTED, linewidth=0.8)
    axes.set_yticks([])
    axes.grid(axis="x", color=FAINT)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("score")


def _key(sheet: Sheet, names: list[str], colours: Mapping[str, str]) -> None:
    left = _LEFT
    for name in names:
        sheet.write(left, _TOP - 0.15, "■", size=11, color=colours.get(name, MUTED))
        text = fitted(name, _KEY, 9.5)
        sheet.write(left + 0.18, _TOP - 0.15, text, size=9.5)
        left += 0.42 + width_of(text, 9.5)
