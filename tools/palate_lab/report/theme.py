"""How all pictures look: one paper, one type, and a colour for each taste in every one of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from palate_lab.report.values import Taste

__all__ = [
    "CATALOG",
    "DISLIKE",
    "FAINT",
    "INK",
    "MODEL",
    "MUTED",
    "PAPER",
    "Sheet",
    "colours_of",
    "in_theme",
    "name_stage",
    "stage_colour",
]

PAPER: Final = "#fdfcf9"
INK: Final = "#1f2328"
MUTED: Final = "#646a73"
FAINT: Final = "#e4e0d8"
CATALOG: Final = "#b9b5ac"
MODEL: Final = "#5b4b8a"
DISLIKE: Final = "#c0563b"
_OTHER: Final = "#7b8088"
_TASTES: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#56b4e9")
"""Told apart by all kinds of colour blindness: those of Okabe and Ito, *Color universal design*, 2008, one darkened."""

_STAGES: Final = {
    "cold_start": "#f8f6fb",
    "fallback": "#f2eff8",
    "ranking": "#ebe7f4",
    "logistic": "#e4dff0",
    "neural": "#ddd6ec",
    "gbdt": "#d2c9e6",
}
_MARGIN: Final = 0.45

_SETTINGS: Final[Any] = {
    "backend": "agg",
    "font.family": ["DejaVu Sans"],
    "font.size": 10.5,
    "axes.edgecolor": MUTED,
    "axes.facecolor": "none",
    "axes.labelcolor": MUTED,
    "axes.labelsize": 10,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlecolor": INK,
    "axes.axisbelow": True,
    "figure.facecolor": PAPER,
    "grid.color": FAINT,
    "grid.linewidth": 0.8,
    "savefig.facecolor": PAPER,
    "svg.fonttype": "path",
    "svg.hashsalt": "palate",
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": MUTED,
    "xtick.labelsize": 9.5,
    "xtick.major.size": 0,
    "ytick.color": MUTED,
    "ytick.labelsize": 9.5,
    "ytick.major.size": 0,
}


def in_theme() -> Any:
    """Return a context in which figures are drawn and saved."""
    return mpl.rc_context(_SETTINGS)


@dataclass(frozen=True, slots=True)
class Sheet:
    """A figure that is laid out in inches from its top left corner.

    Attributes:
        figure: The figure.
        width: In inches.
        height: In inches.
    """

    figure: Figure
    width: float
    height: float

    @classmethod
    def of(cls, title: str, subtitle: str, height: float, width: float = 9.0) -> "Sheet":
        """Make a figure with a headline; panels begin an inch below its upper edge."""
        figure = Figure(figsize=(width, height))
        sheet = cls(figure, width, height)
        sheet.write(_MARGIN, 0.42, title, size=16, weight="bold")
        sheet.write(_MARGIN, 0.74, subtitle, size=10.5, color=MUTED)
        return sheet

    def panel(self, left: float, top: float, width: float, height: float, **options: Any) -> Axes:
        """Add axes, by the distance of their upper left corner from that of the figure."""
        bottom = self.height - top - height
        box = left / self.width, bottom / self.height, width / self.width, height / self.height
        return self.figure.add_axes(box, **options)

    def write(self, left: float, top: float, text: str, **options: Any) -> None:
        """Write a text whose baseline is `top` below the upper edge."""
        self.figure.text(left / self.width, 1 - top / self.height, text, va="baseline", **options)

    def nothing(self, sentence: str) -> Figure:
        """Say that there is nothing to draw, and why."""
        self.figure.text(0.5, 0.42, sentence, ha="center", va="center", color=MUTED, size=11)
        return self.figure


def colours_of(tastes: Iterable[Taste]) -> dict[str, str]:
    """Return the colour of each taste by its id: those of their own for the first active ones, grey for the others."""
    colours: dict[str, str] = {}
    active = [taste for taste in tastes if taste.active]
    for taste, colour in zip(active, _TASTES, strict=False):
        colours[taste.taste_id] = colour
    return _Colours(colours)


class _Colours(dict[str, str]):
    def __missing__(self, taste_id: str) -> str:
        return _OTHER


def stage_colour(stage: str) -> str:
    """Return the tint behind a stage: the higher, the deeper."""
    return _STAGES.get(stage, FAINT)


def name_stage(stage: str) -> str:
    """Return the name of a stage for people."""
    return stage.replace("_", " ")
