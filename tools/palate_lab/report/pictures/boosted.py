"""Boosted trees: how they were trained, which features they split on, and how they tell likes from dislikes."""

from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from palate.domain.track import FEATURES
from palate_strategies.learners.gbdt import GbdtModel, LearningCurves
from scipy.stats import gaussian_kde

from palate_lab.report.fitting import chances
from palate_lab.report.theme import CATALOG, DISLIKE, FAINT, INK, MODEL, MUTED, PAPER, Sheet
from palate_lab.report.values import Fitted

__all__ = ["draw_boosted", "draw_boosting", "importances"]

_LEFT: Final = (0.95, 5.3)
_FEWEST: Final = 3


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


def importances(model: GbdtModel) -> list[tuple[str, float]]:
    """Return each feature's share of the gain of all splits, largest first; shares of 0 where nothing was split."""
    gain = model.booster.feature_importance("gain")
    shares = gain / max(float(gain.sum()), 1e-12)
    order = np.argsort(-shares, kind="stable")
    return [(FEATURES[n], float(shares[n])) for n in order.tolist()]


def draw_boosted(fitted: Fitted[GbdtModel], liked: NDArray[np.bool_]) -> Figure:
    """Draw importances by gain, and the probabilities of liked, disliked and all tracks."""
    sheet = Sheet.of(
        "What boosted trees look at",
        f"LightGBM beside the network, from {len(liked)} labels. Held out: AUC {fitted.auc:.2f}, "
        f"log-loss {fitted.log_loss:.3f}.",
        height=4.9,
    )
    if not len(liked):
        return sheet.nothing("Nothing has been rated yet: there is nothing to learn from.")
    _draw_importances(sheet.panel(1.75, 1.5, 2.4, 2.75), importances(fitted.model))
    axes = sheet.panel(5.0, 1.5, 3.55, 2.75)
    held_out = chances(fitted.held_out)
    ridges = (
        ("liked, held out", held_out[liked], INK),
        ("disliked, held out", held_out[~liked], DISLIKE),
        ("the whole catalog", chances(fitted.catalog), CATALOG),
    )
    axes.set_title("Predicted probability of a like", pad=8)
    for place, (name, values, colour) in enumerate(reversed(ridges)):
        _draw_ridge(axes, place, name, values, colour)
    axes.set_xlim(0, 1)
    axes.set_ylim(-0.06, len(ridges) + 0.02)
    axes.set_yticks([])
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0%", "25%", "50%", "75%", "100%"])
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", color=FAINT)
    return sheet.figure


def _draw_importances(axes: Axes, shares: list[tuple[str, float]]) -> None:
    axes.set_title("Share of the gain", pad=8)
    values = [share for _, share in shares]
    axes.barh(range(len(values)), values, height=0.66, color=MODEL)
    axes.set_yticks(range(len(values)), [name for name, _ in shares], color=INK)
    axes.set_ylim(len(values) - 0.4, -0.6)
    axes.set_xlim(0, 1.25 * max(*values, 1e-9))
    for row, value in enumerate(values):
        axes.annotate(
            f"{value:.0%}", (value, row), (4, 0), textcoords="offset points", va="center", size=9, color=MUTED
        )
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)


def _draw_ridge(axes: Axes, place: int, name: str, values: NDArray[np.float64], colour: str) -> None:
    grid = np.linspace(0, 1, 201)
    if len(values) >= _FEWEST and np.ptp(values) > 0:
        density = gaussian_kde(values, 0.3)(grid)
        axes.fill_between(grid, place, place + 0.64 * density / density.max(), color=colour, alpha=0.3, linewidth=0)
        axes.plot(grid, place + 0.64 * density / density.max(), color=colour, linewidth=1.6)
    axes.plot([0, 1], [place] * 2, color=colour, linewidth=0.8)
    if not len(values):
        return
    middle = float(np.median(values))
    axes.plot([middle] * 2, [place, place + 0.16], color=colour, linewidth=3)
    axes.text(0.0, place + 0.83, f"{name}: median {middle:.0%}", va="center", size=9.5, color=INK)
