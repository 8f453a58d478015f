"""Pictures in words and figures, for those who do not see them."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from palate.domain.track import FEATURES
from palate_strategies.learners.gbdt import GbdtModel, LearningCurves
from palate_strategies.learners.logistic import LogisticModel

from palate_lab.report.fitting import chances
from palate_lab.report.pictures.boosted import importances
from palate_lab.report.pictures.compared import Compared, percent
from palate_lab.report.pictures.features import percentiles
from palate_lab.report.pictures.logistic import terms
from palate_lab.report.pictures.progress import trailing_mean
from palate_lab.report.pictures.surface import Surface
from palate_lab.report.theme import name_stage
from palate_lab.report.values import Fitted, Item, Listener, Slate, Taste

__all__ = [
    "boosted",
    "boosting",
    "compared",
    "confidence",
    "features",
    "genres",
    "logistic",
    "progress",
    "slate",
    "surface",
    "tastes",
]

_NAMED = 3


def progress(listener: Listener) -> str:
    """Describe the way up the stages."""
    way = listener.progress
    if not len(way.positions):
        return "Line chart: nothing has been shown or rated yet."
    line = trailing_mean(way.liked, way.window)
    best = int(np.argmax(line))
    strategies = ", ".join(name_stage(name) for name in dict.fromkeys(way.strategies))
    return (
        f"Line chart of the share liked over {len(way.positions)} {way.unit}s: {way.liked[0]:.0%} at the first, "
        f"{line[best]:.0%} in the mean around {way.unit} {way.positions[best]:.0f}, {line[-1]:.0%} at the end. "
        f"In charge, in order: {strategies}. {len(way.publications)} models went into service."
    )


def confidence(listener: Listener) -> str:
    """Describe how confidence grew."""
    ends = _list(f"{taste.name} {taste.confidence:.2f}" for taste in listener.tastes if taste.active)
    return (
        f"Step chart of confidence over {len(listener.labelled.liked)} rated tracks: the profile ends at "
        f"{listener.confidence:.2f}, on the stage {name_stage(listener.stage)}; {ends or 'no taste is active'}."
    )


def tastes(listener: Listener) -> str:
    """Describe the map."""
    active = _list(_counts(taste) for taste in listener.tastes if taste.active)
    others = sum(not taste.active for taste in listener.tastes)
    return (
        f"Scatter plot of {len(listener.catalog):,} tracks of the catalog with {len(listener.labelled.liked)} rated "
        f"ones. Active tastes: {active or 'none'}. Other tastes: {others}."
    )


def features(listener: Listener) -> str:
    """Describe the radars."""
    parts = []
    for taste in listener.tastes:
        if taste.active and len(taste.centroid):
            places = percentiles(taste)
            extreme = np.argsort(-np.abs(places - 50), kind="stable")[:_NAMED]
            said = _list(f"{FEATURES[n]} at {places[n]:.0f} %" for n in extreme.tolist())
            parts.append(f"{taste.name}: {said}")
    return f"Radar charts of features as percentiles of the catalog. {'. '.join(parts) or 'No taste is active'}."


def genres(listener: Listener) -> str:
    """Describe the genres."""
    parts = [
        f"{taste.name}: {_list(f'{genre} {share:.0%}' for genre, share in taste.genres[:_NAMED])}"
        for taste in listener.tastes
        if taste.active and taste.genres
    ]
    return f"Bar charts of genre shares. {'. '.join(parts) or 'No taste is active'}."


def slate(shown: Slate) -> str:
    """Describe a slate, track by track."""
    lines = "; ".join(f"{place}. {_item(item)}" for place, item in enumerate(shown.items, start=1))
    return f"A {name_stage(shown.strategy)} slate of {len(shown.items)} tracks: {lines or 'it is empty'}."


def logistic(fitted: Fitted[LogisticModel]) -> str:
    """Describe logistic regression."""
    heaviest = _list(f"{name} {weight:+.2f}" for name, weight in terms(fitted.model)[:_NAMED])
    return (
        f"Bar chart of weights, the largest being {heaviest}; curve from log-odds to probability with "
        f"{len(fitted.seen)} rated tracks; calibration on held-out labels. AUC {fitted.auc:.2f}, "
        f"log-loss {fitted.log_loss:.3f}."
    )


def boosted(fitted: Fitted[GbdtModel], liked: NDArray[np.bool_]) -> str:
    """Describe boosted trees."""
    largest = _list(f"{name} {share:.0%}" for name, share in importances(fitted.model)[:_NAMED])
    held_out = chances(fitted.held_out)
    return (
        f"Bar chart of importances, the largest being {largest}; distributions of predicted probabilities with the "
        f"medians {np.median(held_out[liked]):.0%} for liked tracks, {np.median(held_out[~liked]):.0%} for disliked "
        f"ones and {np.median(chances(fitted.catalog)):.0%} for the catalog. AUC {fitted.auc:.2f}."
    )


def boosting(curves: LearningCurves) -> str:
    """Describe how trees were trained."""
    stop = curves.chosen - 1
    return (
        f"Line charts over {len(curves.log_loss)} trees, held out: log-loss falls from {curves.log_loss[0]:.3f} to "
        f"{curves.log_loss[stop]:.3f} where training stops, at {curves.chosen} trees, and ends at "
        f"{curves.log_loss[-1]:.3f}; AUC there {curves.auc[stop]:.3f}."
    )


def surface(response: Surface) -> str:
    """Describe the network's response."""
    row, column = np.unravel_index(int(np.argmax(response.chance)), response.chance.shape)
    first, second = (FEATURES[n] for n in response.features)
    high, low = response.chance.max(), response.chance.min()
    return (
        f"Relief of the mean probability of a like over {first} and {second}: from {low:.0%} to {high:.0%}, highest "
        f"at {first} {response.grid[column]:+.1f} and {second} {response.grid[row]:+.1f} standard deviations."
    )


def compared(comparison: Compared) -> str:
    """Describe a comparison."""
    parts = []
    for title, intervals in comparison.figures.items():
        said = _list(f"{name} {percent(intervals[name][0])}" for name in comparison.algorithms)
        parts.append(f"{title}: {said}")
    return f"Points with intervals over {comparison.listeners} listeners. {'. '.join(parts)}."


def _counts(taste: Taste) -> str:
    return f"{taste.name} with {taste.likes} likes and {taste.dislikes} dislikes"


def _item(item: Item) -> str:
    drawn = f", explored with propensity {item.propensity:.2g}" if item.exploration else ""
    return f"{item.title} by {item.artists} ({item.cluster}, score {item.score:.2f}{drawn})"


def _list(parts: Iterable[str]) -> str:
    return ", ".join(parts)
