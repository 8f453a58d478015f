"""What logistic regression predicts, and how far it is to be believed."""

from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from palate.domain.track import FEATURES
from palate_strategies.learners.logistic import LogisticModel

from palate_lab.report.fitting import chances
from palate_lab.report.theme import DISLIKE, FAINT, INK, MODEL, MUTED, PAPER, Sheet
from palate_lab.report.values import Fitted

__all__ = ["calibration", "draw_logistic", "terms"]

_TERMS: Final = 10
_BINS: Final = 5
_Z: Final = 1.96
_TIMES: Final = "\N{MULTIPLICATION SIGN}"
_MINUS: Final = "\N{MINUS SIGN}"


def terms(model: LogisticModel) -> list[tuple[str, float]]:
    """Return the weight of every feature and product of features by name, the heaviest first."""
    linear, quadratic, _ = model.weights()
    found = list(zip(FEATURES, linear.tolist(), strict=True))
    for one, other in zip(*np.nonzero(quadratic), strict=True):
        name = f"{FEATURES[one]}²" if one == other else f"{FEATURES[one]} {_TIMES} {FEATURES[other]}"
        found.append((name, float(quadratic[one, other])))
    return sorted(found, key=lambda term: -abs(term[1]))


def draw_logistic(fitted: Fitted[LogisticModel], liked: NDArray[np.bool_]) -> Figure:
    """Draw weights, the curve from score to probability with the rated tracks, and calibration on held-out labels."""
    products = " and of products of two" if fitted.model.second_order else ""
    sheet = Sheet.of(
        "What logistic regression has learnt",
        f"Weights of features{products}, from {len(liked)} labels. Held out: AUC {fitted.auc:.2f}, "
        f"log-loss {fitted.log_loss:.3f}.",
        height=7.9,
    )
    if not len(liked):
        return sheet.nothing("Nothing has been rated yet: there is nothing to learn from.")
    _draw_terms(sheet.panel(2.0, 1.45, 6.5, 2.3), terms(fitted.model)[:_TERMS])
    _draw_curve(sheet.panel(0.95, 4.75, 3.55, 2.4), fitted, liked)
    _draw_calibration(sheet.panel(5.5, 4.75, 3.0, 2.4), fitted, liked)
    return sheet.figure


def _draw_terms(axes: Axes, heaviest: list[tuple[str, float]]) -> None:
    axes.set_title("Weight on the log-odds of a like", pad=8)
    values = [value for _, value in heaviest]
    axes.barh(range(len(values)), values, height=0.66, color=[MODEL if value > 0 else DISLIKE for value in values])
    axes.axvline(0, color=MUTED, linewidth=0.8)
    axes.set_yticks(range(len(values)), [name for name, _ in heaviest], color=INK)
    axes.set_ylim(len(values) - 0.4, -0.6)
    low, high = min(0.0, *values), max(0.0, *values)
    room = 0.12 * max(high - low, 1e-9)
    axes.set_xlim(low - room, high + room)
    for row, value in enumerate(values):
        side = "left" if value >= 0 else "right"
        axes.annotate(
            f"{value:+.2f}".replace("-", _MINUS),
            (value, row),
            (4 if value >= 0 else -4, 0),
            textcoords="offset points",
            va="center",
            ha=side,
            size=9,
            color=MUTED,
        )
    axes.set_xticks([])
    axes.spines[["left", "bottom"]].set_visible(False)


def _draw_curve(axes: Axes, fitted: Fitted[LogisticModel], liked: NDArray[np.bool_]) -> None:
    axes.set_title("From score to probability", pad=8)
    reach = float(np.abs(fitted.seen).max() * 1.1 + 0.5)
    line = np.linspace(-reach, reach, 201)
    axes.plot(line, chances(line), color=MODEL, linewidth=2.4)
    jitter = 0.045 * np.sin(np.arange(len(liked)) * 2.4)
    options: dict[str, Any] = {"linewidths": 0.9, "zorder": 3}
    axes.scatter(fitted.seen[liked], 1.1 + jitter[liked], s=18, color=INK, edgecolors=PAPER, **options)
    axes.scatter(fitted.seen[~liked], -0.1 + jitter[~liked], s=18, marker="x", color=DISLIKE, **options)
    axes.text(-0.96 * reach, 1.1, "liked", va="center", size=9.5)
    axes.text(0.98 * reach, -0.1, "disliked", va="center", ha="right", size=9.5, color=DISLIKE)
    axes.set_ylim(-0.19, 1.19)
    axes.set_xlim(-reach, reach)
    _shares(axes.yaxis)
    axes.set_xlabel("log-odds of a like")
    axes.grid(axis="y", color=FAINT)


def _draw_calibration(axes: Axes, fitted: Fitted[LogisticModel], liked: NDArray[np.bool_]) -> None:
    axes.set_title("Calibration, held out", pad=8)
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (3, 3)))
    for predicted, observed, low, high, count in calibration(chances(fitted.held_out), liked):
        axes.plot([predicted] * 2, [low, high], color=MODEL, linewidth=1.6, alpha=0.55)
        axes.scatter(predicted, observed, s=18 + 3 * count, color=MODEL, edgecolors=PAPER, linewidths=1.2, zorder=3)
    axes.set_xlim(0, 1)
    axes.set_ylim(-0.03, 1.03)
    _shares(axes.xaxis)
    _shares(axes.yaxis)
    axes.set_xlabel("predicted")
    axes.set_ylabel("liked")
    axes.grid(color=FAINT)


def calibration(
    predicted: NDArray[np.float64], liked: NDArray[np.bool_]
) -> list[tuple[float, float, float, float, int]]:
    """Return mean prediction, share of likes with its 95 % interval, and count, for labels sorted into equal bins.

    Source:
        The interval is Wilson's (1927).
    """
    order = np.argsort(predicted, kind="stable")
    found = []
    for rows in np.array_split(order, min(_BINS, len(order))):
        count, share = len(rows), float(liked[rows].mean())
        middle = (share + _Z**2 / (2 * count)) / (1 + _Z**2 / count)
        half = _Z / (1 + _Z**2 / count) * np.sqrt(share * (1 - share) / count + _Z**2 / (4 * count**2))
        found.append((float(predicted[rows].mean()), share, float(middle - half), float(middle + half), count))
    return found


def _shares(axis: Any) -> None:
    axis.set_ticks([0, 0.5, 1], ["0%", "50%", "100%"])
