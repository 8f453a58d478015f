"""Cross-validation: what a model, or ranking, says of labels that it has not seen, on folds shared by all."""

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from palate.catalog.snapshot import Catalog
from palate.plugins.learner import Dataset, Learner
from palate.plugins.strategy import Strategy
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import RepeatedStratifiedKFold

from palate_tools.training.calibration import log_losses
from palate_tools.training.labels import Labels

__all__ = [
    "Folds",
    "HeldOut",
    "Judged",
    "held_out_by_learner",
    "held_out_by_strategy",
    "judge",
    "make_folds",
    "seed_of",
]

_SEEDS: Final = 2**31

MakeDataset: TypeAlias = Callable[[NDArray[np.intp]], Dataset]
HeldOut: TypeAlias = NDArray[np.float64]
"""Scores of labels by something that has not seen them, float64 ``(repeats, n)``."""


@dataclass(frozen=True, slots=True)
class Folds:
    """How labels are split.

    Attributes:
        repeats: For each repetition its folds: positions to train on and positions held out.
    """

    repeats: tuple[tuple[tuple[NDArray[np.intp], NDArray[np.intp]], ...], ...]


@dataclass(frozen=True, eq=False)
class Judged:
    """How well held-out labels were told apart, those whose weight is above 0.

    Attributes:
        scores: What puts the labels in order, float64 ``(repeats, n)``.
        liked: bool ``(n,)``, True for a like.
        weights: float64 ``(n,)``, of the labels.
        losses: float64 ``(n,)``, each label's loss in nats, mean over the repetitions.
    """

    scores: HeldOut
    liked: NDArray[np.bool_]
    weights: NDArray[np.float64]
    losses: NDArray[np.float64]

    @cached_property
    def auc(self) -> float:
        """Area under the curve, weighted; not a number where the labels are of one kind."""
        weighed = self.weights > 0
        liked, share = self.liked[weighed], self.weights[weighed]
        if liked.all() or not liked.any():
            return math.nan
        return float(np.mean([roc_auc_score(liked, scores[weighed], sample_weight=share) for scores in self.scores]))

    @property
    def log_loss(self) -> float:
        """Mean loss in nats, weighted."""
        return float(np.average(self.losses, weights=self.weights))


def seed_of(*parts: object) -> int:
    """Return a seed that depends on nothing but the parts, in [0, 2**31)."""
    digest = hashlib.blake2b("\0".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest) % _SEEDS


def make_folds(liked: NDArray[np.bool_], folds: int, repeats: int, seed: int) -> Folds:
    """Split labels into folds that have both kinds in the same proportion, several times over.

    Args:
        liked: bool ``(n,)``, with at least two labels of each kind.
        folds: How many folds; fewer where one kind has fewer labels.
        repeats: How many times.
        seed: Equal seeds split alike.
    """
    count = min(folds, int(liked.sum()), int((~liked).sum()))
    splitter = RepeatedStratifiedKFold(n_splits=count, n_repeats=repeats, random_state=seed)
    splits = [(train, held) for train, held in splitter.split(np.zeros(len(liked)), liked)]
    return Folds(tuple(tuple(splits[start : start + count]) for start in range(0, len(splits), count)))


def held_out_by_learner(learner: Learner, dataset: MakeDataset, labels: Labels, folds: Folds, seed: int) -> HeldOut:
    """Let a learner predict every label by a model that was fitted without it.

    Raises:
        ValueError: When a training part has labels of one kind only, or a prediction is not finite.
    """

    def fold(train: NDArray[np.intp], held: NDArray[np.intp]) -> NDArray[Any]:
        return learner.fit(dataset(train), seed).logits(labels.features[held])

    return _held_out(fold, labels, folds)


def held_out_by_strategy(strategy: Strategy, catalog: Catalog, labels: Labels, folds: Folds) -> HeldOut:
    """Let a strategy score every label, given the profile as it would stand without it.

    A track that the catalog no longer has is scored 0.
    """

    def fold(train: NDArray[np.intp], held: NDArray[np.intp]) -> NDArray[Any]:
        profile, context = labels.profile_of(train), labels.context(train, catalog)
        known = labels.rows[held] >= 0
        scores = np.zeros(len(held))
        scores[known] = strategy.score(profile, labels.rows[held][known], context).values
        return scores

    return _held_out(fold, labels, folds)


def judge(held_out: HeldOut, logits: HeldOut, liked: NDArray[np.bool_], weights: NDArray[np.float64]) -> Judged:
    """Judge held-out scores.

    Args:
        held_out: What puts the labels in order.
        logits: The same as calibrated log-odds, float64 ``(repeats, n)``.
        liked: bool ``(n,)``.
        weights: float64 ``(n,)``, at least one above 0.
    """
    return Judged(held_out, liked, weights, np.mean([log_losses(one, liked) for one in logits], axis=0))


def _held_out(
    fold: Callable[[NDArray[np.intp], NDArray[np.intp]], NDArray[Any]], labels: Labels, folds: Folds
) -> HeldOut:
    scores = np.empty((len(folds.repeats), len(labels)), dtype=np.float64)
    for line, splits in zip(scores, folds.repeats, strict=True):
        for train, held in splits:
            line[held] = fold(train, held)
    if not np.isfinite(scores).all():
        raise ValueError("a prediction is not a finite number")
    return scores
