"""Cross-validation: what a model, or ranking, says of labels that it has not seen, all on the same folds."""

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
from palate.serving.guard import guarded_scores
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import RepeatedStratifiedKFold, StratifiedKFold, cross_val_predict

from palate_tools.training.dataset import Labels

__all__ = [
    "Evaluation",
    "Folds",
    "HeldOut",
    "correction_gain",
    "evaluate",
    "held_out_by_learner",
    "held_out_by_strategy",
    "log_losses",
    "make_folds",
    "seed_of",
]

_SEEDS: Final = 2**31
_CORRECTION_FOLDS: Final = 5
_CORRECTION_VARIANCE: Final = 0.1

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
class Evaluation:
    """How well held-out labels were predicted, those whose weight is above 0.

    Attributes:
        scores: float64 ``(repeats, n)``, by which the AUC orders the labels.
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
        """Area under the curve, weighted; NaN where the labels are of one kind."""
        counted = self.weights > 0
        liked, share = self.liked[counted], self.weights[counted]
        if liked.all() or not liked.any():
            return math.nan
        return float(np.mean([roc_auc_score(liked, scores[counted], sample_weight=share) for scores in self.scores]))

    @property
    def log_loss(self) -> float:
        """Mean loss in nats a label, weighted."""
        return float(np.average(self.losses, weights=self.weights))


def seed_of(*parts: object) -> int:
    """Return a seed in [0, 2**31) that depends on the parts only."""
    digest = hashlib.blake2b("\0".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest) % _SEEDS


def make_folds(liked: NDArray[np.bool_], folds: int, repeats: int, seed: int) -> Folds:
    """Split labels into folds that have both kinds in the same proportion, several times.

    Args:
        liked: bool ``(n,)``, with at least two labels of each kind.
        folds: How many folds; fewer when one kind has fewer labels.
        repeats: How many times.
        seed: Equal seeds split alike.
    """
    count = min(folds, int(liked.sum()), int((~liked).sum()))
    splitter = RepeatedStratifiedKFold(n_splits=count, n_repeats=repeats, random_state=seed)
    splits = [(train, held) for train, held in splitter.split(np.zeros(len(liked)), liked)]
    return Folds(tuple(tuple(splits[start : start + count]) for start in range(0, len(splits), count)))


def held_out_by_learner(learner: Learner, dataset: MakeDataset, labels: Labels, folds: Folds, seed: int) -> HeldOut:
    """Predict every label by a model that a learner fitted without it.

    Raises:
        ValueError: When a training part has labels of one kind only, or a prediction is not finite.
    """

    def fold(train: NDArray[np.intp], held: NDArray[np.intp]) -> NDArray[Any]:
        return learner.fit(dataset(train), seed).logits(labels.features[held])

    return _held_out(fold, labels, folds)


def held_out_by_strategy(strategy: Strategy, catalog: Catalog, labels: Labels, folds: Folds) -> HeldOut:
    """Score every label by a strategy, given the profile as it would be without it.

    A track that the catalog no longer has gets the score 0.

    Raises:
        UnusableAnswer: When a server would refuse the scores.
    """

    def fold(train: NDArray[np.intp], held: NDArray[np.intp]) -> NDArray[Any]:
        profile, context = labels.profile_of(train), labels.context(train, catalog)
        known = labels.rows[held] >= 0
        scores = np.zeros(len(held))
        rows = labels.rows[held][known]
        scores[known] = guarded_scores(strategy.score(profile, rows, context), rows).values
        return scores

    return _held_out(fold, labels, folds)


def evaluate(scores: HeldOut, logits: HeldOut, liked: NDArray[np.bool_], weights: NDArray[np.float64]) -> Evaluation:
    """Evaluate held-out scores.

    Args:
        scores: By which the AUC orders the labels.
        logits: The same as calibrated log-odds, float64 ``(repeats, n)``.
        liked: bool ``(n,)``.
        weights: float64 ``(n,)``, at least one above 0.
    """
    return Evaluation(scores, liked, weights, np.mean([log_losses(each, liked) for each in logits], axis=0))


def log_losses(logits: NDArray[np.float64], liked: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return each label's loss in nats, float64 ``(n,)``."""
    losses: NDArray[np.float64] = np.logaddexp(0, np.where(liked, -logits, logits))
    return losses


def correction_gain(
    logits: NDArray[np.float64], features: NDArray[np.float32], liked: NDArray[np.bool_], seed: int
) -> float:
    """Return what a linear correction of the common model gains on a taste's labels, in nats a label.

    The correction is logistic regression on the common model's log-odds and the nine features, evaluated on labels that
    it has not seen. Where it gains nothing, the taste agrees with the others, and a model that gives its labels more
    weight than theirs only has fewer labels.

    Args:
        logits: float64 ``(n,)``, calibrated log-odds of the taste's labels by common models that have not seen them.
        features: float32 ``(n, 9)``, normal scores.
        liked: bool ``(n,)``, at least two of each kind.
        seed: For the folds.
    """
    folds = min(_CORRECTION_FOLDS, int(liked.sum()), int((~liked).sum()))
    corrected = cross_val_predict(
        LogisticRegression(C=_CORRECTION_VARIANCE, max_iter=1000),
        np.column_stack([logits, features]),
        liked,
        cv=StratifiedKFold(folds, shuffle=True, random_state=seed),
        method="decision_function",
    )
    return float(np.mean(log_losses(logits, liked) - log_losses(corrected, liked)))


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
