"""Candidates: the learners that may be tried for a listener, cross-validated beside ranking on the same folds."""

import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import structlog
from numpy.typing import NDArray
from palate.plugins.learner import Dataset, FittedModel

from palate_tools.training.calibration import Line, fit_line, fit_offsets, fit_score_line, held_out_offsets
from palate_tools.training.cross_validation import (
    Evaluation,
    HeldOut,
    evaluate,
    held_out_by_learner,
    held_out_by_strategy,
    make_folds,
    seed_of,
)
from palate_tools.training.dataset import Labels, with_negatives
from palate_tools.training.resources import LoadedLearner, Resources

__all__ = ["Candidates", "CrossValidated", "TrainingFailed"]

_log = structlog.get_logger(__name__)


class TrainingFailed(Exception):
    """A model could not be made; the message says why."""


@dataclass(frozen=True, slots=True)
class CrossValidated:
    """What a learner, or ranking, says of labels that it has not seen.

    Attributes:
        scores: float64 ``(repeats, n)``, by which the AUC orders the labels.
        logits: float64 ``(repeats, n)``, calibrated log-odds of the labels.
        line: Calibrates predictions for other tracks; the offsets come on top.
        offsets: By taste_id, what is added to the calibrated log-odds of the taste's tracks.
    """

    scores: HeldOut
    logits: HeldOut
    line: Line
    offsets: Mapping[str, float] = field(default_factory=dict)


class Candidates:
    """The learners that may be tried for one listener, each cross-validated as the common model, and ranking.

    Args:
        resources: What to work with.
        labels: The listener's labels, enough of both kinds.
        common: float64 ``(k, 9)``, directions that other listeners share; k may be 0.

    Attributes:
        labels: The labels.
        known: float64 ``(n,)``, 1 for labels whose track the catalog has and 0 for the others, which are trained on
            but not evaluated on.
        seed: What everything random is drawn from: it depends on the listener and the profile's revision only.
        ranking: What ranking says.
        learners: What each learner says, by name, the learner of the highest stage first.

    Raises:
        TrainingFailed: When no learner can predict these labels.
    """

    def __init__(self, resources: Resources, labels: Labels, common: NDArray[np.float64]) -> None:
        self.labels = labels
        self.known = (labels.rows >= 0).astype(np.float64)
        self.seed = seed_of(labels.profile.user_id, labels.profile.revision)
        self._resources = resources
        self._common = common
        config = resources.config
        repeats = config.repeats if len(labels) < config.repeat_below else 1
        self._folds = make_folds(labels.liked, config.folds, repeats, self.seed)
        self.ranking = self._cross_validate_ranking()
        self.learners = self._cross_validate_learners()

    def cross_validate(
        self, learner: LoadedLearner, weights: NDArray[np.float64], seen: int | None = None
    ) -> CrossValidated:
        """Cross-validate a learner.

        Args:
            learner: The learner.
            weights: float64 ``(n,)``, of the labels.
            seen: Train on labels up to this revision only; on all when None.

        Raises:
            TrainingFailed: When the learner raises.
        """
        labels = self.labels
        usable = np.ones(len(labels), dtype=bool) if seen is None else labels.revisions <= seen

        def dataset(train: NDArray[np.intp]) -> Dataset:
            return self._dataset(train[usable[train]], weights)

        with self._failing(learner):
            held_out = held_out_by_learner(learner.learner, dataset, labels, self._folds, self.seed)
        line = fit_line(held_out, labels.liked, weights * self.known)
        logits = line(held_out)
        return CrossValidated(logits, logits, line)

    def cross_validate_common(self, learner: LoadedLearner, seen: int | None = None) -> CrossValidated:
        """Cross-validate a learner as the common model: all labels weigh alike, and every taste has an offset."""
        labels, plain = self.labels, self.cross_validate(learner, np.ones(len(self.labels)), seen)
        weights = self.known if seen is None else self.known * (labels.revisions <= seen)
        given = plain.logits, labels.liked, weights, labels.tastes
        logits = plain.logits + held_out_offsets(*given, self._folds)
        return CrossValidated(logits, logits, plain.line, fit_offsets(*given))

    def can_train_on(self, seen: int) -> bool:
        """Return whether the training part of every fold has labels of both kinds up to a revision."""
        liked, usable = self.labels.liked, self.labels.revisions <= seen
        parts = (train[usable[train]] for splits in self._folds.repeats for train, _ in splits)
        return all(liked[part].any() and not liked[part].all() for part in parts)

    def evaluate(self, validated: CrossValidated, scope: NDArray[np.float64]) -> Evaluation:
        """Evaluate what was predicted, on labels weighted by `scope`, float64 ``(n,)``."""
        return evaluate(validated.scores, validated.logits, self.labels.liked, scope)

    def fit(self, learner: LoadedLearner, weights: NDArray[np.float64]) -> FittedModel:
        """Fit a learner to all labels.

        Raises:
            TrainingFailed: When the learner raises.
        """
        with self._failing(learner):
            return learner.learner.fit(self._dataset(np.arange(len(self.labels)), weights), self.seed)

    def _cross_validate_ranking(self) -> CrossValidated:
        labels, catalog = self.labels, self._resources.catalog
        context = labels.context(np.arange(len(labels)), catalog)
        strategy = self._resources.strategy_without_models(labels.profile, labels.rows[labels.rows >= 0][:1], context)
        scores = held_out_by_strategy(strategy, catalog, labels, self._folds)
        line = fit_score_line(scores, labels.liked, self.known)
        return CrossValidated(scores, line(scores), line)

    def _cross_validate_learners(self) -> dict[str, CrossValidated]:
        validated: dict[str, CrossValidated] = {}
        reasons = []
        for learner in self._resources.learners_for(self.labels.profile):
            try:
                validated[learner.name] = self.cross_validate_common(learner)
            except TrainingFailed as error:
                reasons.append(str(error))
        if not validated:
            raise TrainingFailed("; ".join(reasons))
        return validated

    def _dataset(self, chosen: NDArray[np.intp], weights: NDArray[np.float64]) -> Dataset:
        dataset = self.labels.dataset(chosen, weights, self._resources.background, self._common)
        return with_negatives(dataset, self._resources.config.negative_weight, self.seed)

    @contextmanager
    def _failing(self, learner: LoadedLearner) -> Iterator[None]:
        """Turn whatever a learner raises into the reason why training failed."""
        try:
            yield
        except Exception as error:  # third-party code may raise anything
            user_id = self.labels.profile.user_id
            _log.error("learner failed", learner=learner.name, user_id=user_id, traceback=traceback.format_exc())
            raise TrainingFailed(f"learner {learner.name!r} raised {type(error).__name__}: {error}") from error
