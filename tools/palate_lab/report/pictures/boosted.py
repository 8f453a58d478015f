"""What boosted trees predict: which features they split on, and how they tell liked from disliked tracks."""

from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from palate.domain.track import FEATURES
from palate_strategies.learners.gbdt import GbdtModel
from scipy.stats import gaussian_kde

from palate_lab.report.fitting import chances
from palate_lab.report.theme import CATALOG, DISLIKE, FAINT, INK, MODEL, MUTED, Sheet
from palate_lab.report.values import Fitted

__all__ = ["draw_boosted", "importances"]

_FEWEST: Final = 3


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
