"""How boosted trees were trained: what more of them bring, and where they stop."""

from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from palate_strategies.learners.gbdt import LearningCurves

from palate_lab.report.theme import CATALOG, FAINT, INK, MODEL, MUTED, PAPER, Sheet

__all__ = ["draw_boosting"]

_LEFT: Final = (0.95, 5.3)


def draw_boosting(curves: LearningCurves) -> Figure:
    """Draw log-loss and AUC of held-out labels by the number of trees, with the early stop."""
    sheet = Sheet.of(
        "When to stop growing trees",
        f"Mean of {curves.folds} held-out folds, one standard error shaded. Training takes {curves.chosen} "
        f"of {len(curves.log_loss)} trees.",
        height=5.1,
    )
    if not len(curves.log_loss):
        return sheet.nothing("No trees were grown.")
    trees = np.arange(1, len(curves.log_loss) + 1)
    loss, auc = (sheet.panel(left, 1.5, 3.3, 2.75) for left in _LEFT)
    error = np.sqrt(curves.folds)
    loss.plot(trees, curves.fitted_log_loss, color=CATALOG, linewidth=1.8)
    _draw(loss, trees, curves.log_loss, curves.log_loss_deviation / error, curves.chosen)
    _draw(auc, trees, curves.auc, curves.auc_deviation / error, curves.chosen)
    loss.set_title("Log-loss, nats", pad=8)
    auc.set_title("AUC", pad=8)
    half, below = len(trees) // 2, curves.log_loss[-1] - curves.log_loss_deviation[-1] / error
    for name, place, offset, side, colour in (
        ("held out", (trees[-1], below), (0, -14), "right", MODEL),
        ("labels trained on", (trees[half], curves.fitted_log_loss[half]), (6, 6), "left", MUTED),
    ):
        loss.annotate(name, place, offset, textcoords="offset points", color=colour, size=9.5, ha=side)
    return sheet.figure


def _draw(
    axes: Axes, trees: NDArray[np.int64], mean: NDArray[np.float64], error: NDArray[np.float64], chosen: int
) -> None:
    axes.fill_between(trees, mean - error, mean + error, color=MODEL, alpha=0.14, linewidth=0)
    axes.plot(trees, mean, color=MODEL, linewidth=2.4)
    axes.axvline(chosen, color=INK, linewidth=1, linestyle=(0, (4, 2)))
    stop = min(chosen, len(mean)) - 1
    axes.scatter(chosen, mean[stop], s=56, color=INK, edgecolors=PAPER, linewidths=1.4, zorder=5)
    side = "left" if chosen < trees[-1] / 2 else "right"
    axes.annotate(
        f"stop at {chosen}: {mean[stop]:.3f}",
        (chosen, 1),
        (6 if side == "left" else -6, -4),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        ha=side,
        va="top",
        size=9.5,
    )
    axes.set_xlim(0, trees[-1] * 1.02)
    axes.set_xlabel("trees")
    axes.grid(axis="y", color=FAINT)
