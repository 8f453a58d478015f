"""Recommenders to compare palate with: in process, over a catalog, from a listener's whole history at each call.

All of them see the same tracks through the same `ItemSpace`, and those that are fitted are fitted the same way, so
that what keeps tastes apart differs from what merges them in nothing else.
"""

from palate_lab.comparison.baselines.contract import (
    History,
    Oracle,
    Popularity,
    Random,
    Ranker,
    Recommender,
    eligible_rows,
)
from palate_lab.comparison.baselines.diversity import diversify, trade_off_for
from palate_lab.comparison.baselines.models import MergedLightGBM, MergedLogistic
from palate_lab.comparison.baselines.per_taste import PerTaste, SharedSlots, by_cluster
from palate_lab.comparison.baselines.registry import make_baselines
from palate_lab.comparison.baselines.similarity import AverageVector, BestScore, MergedCentroid, NearestLiked
from palate_lab.comparison.baselines.space import ItemSpace

__all__ = [
    "AverageVector",
    "BestScore",
    "History",
    "ItemSpace",
    "MergedCentroid",
    "MergedLightGBM",
    "MergedLogistic",
    "NearestLiked",
    "Oracle",
    "PerTaste",
    "Popularity",
    "Random",
    "Ranker",
    "Recommender",
    "SharedSlots",
    "by_cluster",
    "diversify",
    "eligible_rows",
    "make_baselines",
    "trade_off_for",
]
