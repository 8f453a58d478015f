"""The examination of one listener: every learner, the models in service and ranking, on the same folds."""

import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import numpy as np
import structlog
from numpy.typing import NDArray
from palate.plugins.learner import Dataset, FittedModel

from palate_tools.training.calibration import Line, fit_line, fit_score_line
from palate_tools.training.crossval import (
    HeldOut,
    Judged,
    held_out_by_learner,
    held_out_by_strategy,
    judge,
    make_folds,
    seed_of,
)
from palate_tools.training.gate import Decision, Rival, best_learner, decide
from palate_tools.training.labels import Labels
from palate_tools.training.learners import LoadedLearner
from palate_tools.training.negatives import with_negatives
from palate_tools.training.offsets import fit_offsets, held_out_offsets
from palate_tools.training.screening import correction_gain
from palate_tools.training.workshop import Workshop

__all__ = ["Candidate", "Examination", "InService", "TrainingFailed"]

GAIN_OVER_RANKING: Final = 0.015
"""What a model gains over ranking on other listeners, in nats a label; see docs/training.md."""

GAIN_OVER_SERVING: Final = 0.005
"""What a model gains over the one before it, which has seen fewer labels."""

GAIN_OF_OWN: Final = -0.01
"""What a taste's own model gains over what serves the taste without it: it must show that it is worth having."""

_log = structlog.get_logger(__name__)


class TrainingFailed(Exception):
    """A model could not be made; the message says why."""


@dataclass(frozen=True, slots=True)
class InService:
    """The model that serves a taste.

    Attributes:
        version: Its version.
        learner: The learner that trained it.
        labels_revision: The profile's revision up to which it has seen labels.
    """

    version: str
    learner: str
    labels_revision: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that may be published, before it is fitted to all labels.

    Attributes:
        taste_id: The taste; empty for the common model.
        learner: The learner.
        weights: float64 ``(n,)``, of the labels.
        line: Calibrates its log-odds.
        offsets: What is added to the calibrated log-odds of each taste's tracks, by taste_id.
        ranking_line: Turns ranking's scores into log-odds.
        judged: How the learner did on held-out labels.
        ranking: How ranking did.
        serving: How the model in service did, if there is one that can be judged.
        decision: Whether to publish.
        withdraw: Whether what is in service does worse than what would serve without it.
    """

    taste_id: str
    learner: LoadedLearner
    weights: NDArray[np.float64]
    line: Line
    offsets: dict[str, float]
    ranking_line: Line
    judged: Judged
    ranking: Judged
    serving: Judged | None
    decision: Decision
    withdraw: bool


@dataclass(frozen=True, slots=True)
class _Tried:
    """What something says of held-out labels.

    Attributes:
        scores: What puts the labels in order.
        logits: Their calibrated log-odds, float64 ``(repeats, n)``.
        line: Makes log-odds, all but the offsets, of what is predicted for other tracks.
        offsets: By taste_id, what is added to the log-odds of the taste's tracks.
    """

    scores: HeldOut
    logits: HeldOut
    line: Line
    offsets: dict[str, float]


class Examination:
    """Examines one listener's labels.

    Args:
        workshop: What to work with.
        labels: The labels, enough of both kinds.
        common: float64 ``(k, 9)``, directions that other listeners share.
        in_service: What serves, by taste_id.

    Raises:
        TrainingFailed: When no learner can predict these labels.
    """

    def __init__(
        self, workshop: Workshop, labels: Labels, common: NDArray[np.float64], in_service: Mapping[str, InService]
    ) -> None:
        self._workshop = workshop
        self._labels = labels
        self._common_direction = common
        self._in_service = in_service
        self._seed = seed_of(labels.profile.user_id, labels.profile.revision)
        self._known = (labels.rows >= 0).astype(np.float64)
        config = workshop.config
        repeats = config.repeats if len(labels) < config.repeat_below else 1
        self._folds = make_folds(labels.liked, config.folds, repeats, self._seed)
        context = labels.context(np.arange(len(labels)), workshop.catalog)
        strategy = workshop.without_models(labels.profile, labels.rows[labels.rows >= 0][:1], context)
        ranked = held_out_by_strategy(strategy, workshop.catalog, labels, self._folds)
        line = fit_score_line(ranked, labels.liked, self._known)
        self._ranking = _Tried(ranked, line(ranked), line, {})
        self._even = np.ones(len(labels))
        self._tried = self._try_learners()

    def common(self) -> Candidate:
        """Examine the common model, which is trained on all labels alike."""
        learner = self._choose(self._known)
        return self._candidate("", learner, self._tried[learner], self._even, self._known, [])

    def agrees(self, taste_id: str, common: Candidate) -> bool:
        """Return whether the common model serves a taste so well that one of its own need not be tried.

        It does where it is in service, no own model is, and a correction for the taste would gain nothing.
        """
        if taste_id in self._in_service or not self._common_serves(common):
            return False
        own = (self._labels.tastes == taste_id) & (self._known > 0)
        logits = self._tried[common.learner.name].logits.mean(axis=0)
        return correction_gain(logits[own], self._labels.features[own], self._labels.liked[own], self._seed) <= 0

    def own(self, taste_id: str, common: Candidate) -> Candidate:
        """Examine a taste's own model, in which the labels of other tastes count for less.

        The learner is the one whose common model does best on the taste's labels; the taste's own model has to beat
        what serves the taste without it.
        """
        own = self._labels.tastes == taste_id
        asked = own * self._known
        weights = np.where(own, 1.0, self._workshop.config.other_weight)
        learner = self._choose(asked)
        tried = self._try(self._workshop.learners[learner], weights)
        without = self._rival("ranking", self._ranking, GAIN_OF_OWN, asked)
        if self._common_serves(common):
            without = self._rival("the common model", self._tried[common.learner.name], GAIN_OF_OWN, asked)
        return self._candidate(taste_id, learner, tried, weights, asked, [without])

    def _common_serves(self, common: Candidate) -> bool:
        return common.decision.publish or ("" in self._in_service and not common.withdraw)

    def fit(self, candidate: Candidate) -> tuple[FittedModel, int]:
        """Fit a candidate to all labels; return it and how many they are."""
        dataset = self._dataset(np.arange(len(self._labels)), candidate.weights)
        with self._blaming(candidate.learner):
            return candidate.learner.learner.fit(dataset, self._seed), int((candidate.weights > 0).sum())

    def _candidate(
        self,
        taste_id: str,
        learner: str,
        tried: _Tried,
        weights: NDArray[np.float64],
        asked: NDArray[np.float64],
        rivals: list[Rival],
    ) -> Candidate:
        """Compare a model with what it must beat: the rivals, ranking, and the model in service."""
        rivals = [*rivals, self._rival("ranking", self._ranking, GAIN_OVER_RANKING, asked)]
        judged = self._judge(tried, asked)
        serving = self._serving(taste_id, weights, asked)
        in_service = [] if serving is None else [Rival("the model in service", serving, GAIN_OVER_SERVING)]
        return Candidate(
            taste_id=taste_id,
            learner=self._workshop.learners[learner],
            weights=weights,
            line=tried.line,
            offsets=tried.offsets,
            ranking_line=self._ranking.line,
            judged=judged,
            ranking=self._judge(self._ranking, asked),
            serving=serving,
            decision=decide(judged, [*rivals, *in_service], asked),
            withdraw=serving is not None and not decide(serving, rivals, asked).publish,
        )

    def _try_learners(self) -> dict[str, _Tried]:
        tried: dict[str, _Tried] = {}
        reasons = []
        for learner in self._workshop.eligible(self._labels.profile):
            try:
                tried[learner.name] = self._try_common(learner)
            except TrainingFailed as error:
                reasons.append(str(error))
        if not tried:
            raise TrainingFailed("; ".join(reasons))
        return tried

    def _try(self, learner: LoadedLearner, weights: NDArray[np.float64], seen: int | None = None) -> _Tried:
        """Cross-validate a learner, on labels up to revision `seen` where that is given."""
        labels = self._labels
        usable = np.ones(len(labels), dtype=bool) if seen is None else labels.revisions <= seen

        def dataset(train: NDArray[np.intp]) -> Dataset:
            return self._dataset(train[usable[train]], weights)

        with self._blaming(learner):
            held_out = held_out_by_learner(learner.learner, dataset, labels, self._folds, self._seed)
        line = fit_line(held_out, labels.liked, weights * self._known)
        return _Tried(line(held_out), line(held_out), line, {})

    def _try_common(self, learner: LoadedLearner, seen: int | None = None) -> _Tried:
        """Cross-validate a learner as the common model, with the offsets of the tastes."""
        labels, tried = self._labels, self._try(learner, self._even, seen)
        weights = self._known if seen is None else self._known * (labels.revisions <= seen)
        given = tried.logits, labels.liked, weights, labels.tastes
        logits = tried.logits + held_out_offsets(*given, self._folds)
        return _Tried(logits, logits, tried.line, fit_offsets(*given))

    @contextmanager
    def _blaming(self, learner: LoadedLearner) -> Iterator[None]:
        """Turn whatever a learner raises into the reason why training failed."""
        try:
            yield
        except Exception as error:  # third-party code may raise anything
            _log.error(
                "learner failed",
                learner=learner.name,
                user_id=self._labels.profile.user_id,
                traceback=traceback.format_exc(),
            )
            raise TrainingFailed(f"learner {learner.name!r} raised {type(error).__name__}: {error}") from error

    def _rival(self, name: str, tried: _Tried, prior_gain: float, asked: NDArray[np.float64]) -> Rival:
        return Rival(name, self._judge(tried, asked), prior_gain)

    def _choose(self, asked: NDArray[np.float64]) -> str:
        return best_learner({name: self._judge(tried, asked) for name, tried in self._tried.items()}, asked)

    def _serving(self, taste_id: str, weights: NDArray[np.float64], asked: NDArray[np.float64]) -> Judged | None:
        """Judge the model in service by its learner, fitted to those labels of the folds that the model has seen."""
        model = self._in_service.get(taste_id)
        learner = self._workshop.learners.get(model.learner) if model is not None else None
        if model is None or learner is None or not self._teaches(model.labels_revision):
            return None
        try:
            seen = model.labels_revision
            tried = self._try(learner, weights, seen) if taste_id else self._try_common(learner, seen)
            return self._judge(tried, asked)
        except TrainingFailed:
            return None

    def _teaches(self, seen: int) -> bool:
        """Return whether the labels up to a revision are of both kinds in the training part of every fold."""
        liked, usable = self._labels.liked, self._labels.revisions <= seen
        trains = (train[usable[train]] for splits in self._folds.repeats for train, _ in splits)
        return all(liked[train].any() and not liked[train].all() for train in trains)

    def _judge(self, tried: _Tried, asked: NDArray[np.float64]) -> Judged:
        return judge(tried.scores, tried.logits, self._labels.liked, asked)

    def _dataset(self, chosen: NDArray[np.intp], weights: NDArray[np.float64]) -> Dataset:
        dataset = self._labels.dataset(chosen, weights, self._workshop.background, self._common_direction)
        return with_negatives(dataset, self._workshop.config.negative_weight, self._seed)
