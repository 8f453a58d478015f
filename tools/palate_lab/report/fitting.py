"""Fits learners to a listener's labels, as the trainer does, for pictures of what they make of them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from palate.plugins.learner import Dataset
from palate_tools.training.calibration import fit_line
from palate_tools.training.cross_validation import evaluate, held_out_by_learner, make_folds, seed_of
from palate_tools.training.dataset import Labels, with_negatives
from palate_tools.training.resources import Resources
from scipy.special import expit

from palate_lab.report.values import Fitted

__all__ = ["chances", "dataset_of", "fit_learner", "lacking", "seed_for"]

_NOBODY = np.empty((0, 9))
_FEWEST = 2


def lacking(labels: Labels) -> str:
    """Say what keeps models from being fitted and held out; empty when nothing."""
    likes, dislikes = labels.counts("")
    if min(likes, dislikes) >= _FEWEST:
        return ""
    return f"{likes} likes and {dislikes} dislikes; a model needs {_FEWEST} of each to be fitted and tested"


def seed_for(labels: Labels) -> int:
    """Return the seed that the trainer uses for these labels."""
    return seed_of(labels.profile.user_id, labels.profile.revision)


def dataset_of(resources: Resources, labels: Labels, chosen: NDArray[np.intp] | None = None) -> Dataset:
    """Return the dataset of the listener's common model, on all labels or some."""
    chosen = np.arange(len(labels)) if chosen is None else chosen
    dataset = labels.dataset(chosen, np.ones(len(labels)), resources.background, _NOBODY)
    return with_negatives(dataset, resources.config.negative_weight, seed_for(labels))


def fit_learner(resources: Resources, labels: Labels, name: str) -> Fitted[Any]:
    """Fit a learner to all labels, and to those of folds to see what it says of the others.

    Args:
        resources: Has the learners.
        labels: At least two of each kind.
        name: The learner.

    Raises:
        ValueError: When the learner cannot be fitted.
    """
    learner, seed = resources.learners[name].learner, seed_for(labels)
    folds = make_folds(labels.liked, resources.config.folds, 1, seed)
    raw = held_out_by_learner(learner, lambda train: dataset_of(resources, labels, train), labels, folds, seed)
    weights = np.ones(len(labels))
    line = fit_line(raw, labels.liked, weights)
    evaluation = evaluate(raw, line(raw), labels.liked, weights)
    model = learner.fit(dataset_of(resources, labels), seed)
    return Fitted(
        model=model,
        held_out=line(raw[0]),
        seen=line(model.logits(labels.features)),
        catalog=line(model.logits(resources.catalog.normalized)),
        slope=line.slope,
        intercept=line.intercept,
        auc=evaluation.auc,
        log_loss=evaluation.log_loss,
    )


def chances(logits: NDArray[Any]) -> NDArray[np.float64]:
    """Return log-odds as probabilities."""
    return np.asarray(expit(logits), dtype=np.float64)
