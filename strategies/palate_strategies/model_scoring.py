"""How models score a listener's tracks, beside tastes that have none.

A track is scored by the model of its own cluster's taste; where that has none, by the listener's common model; where
there is none either, by ranking's formula, which every model of the listener knows how to turn into a probability.
So all scores are calibrated probabilities of a like and stand in one order.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from palate.domain.profile import Profile, Taste
from palate.plugins.strategy import (
    Choice,
    Context,
    Declined,
    Reason,
    ReasonKind,
    Rows,
    Scores,
    TasteModel,
)

from palate_strategies.config import ScoringConfig
from palate_strategies.rank_scores import score_by_tastes
from palate_strategies.scoring import TasteScorer, scorers_of

__all__ = ["AcceptedModels", "accepted_models", "choose_untried_by_models", "score_by_models", "scorers_by_models"]

_COMMON: Final = ""
_SCORED: Final = np.dtype([("row", np.int32), ("score", np.float32)])
"""A candidate, and what a model says of it."""


@dataclass(frozen=True, slots=True)
class AcceptedModels:
    """The models that a stage uses for a listener; at least one.

    Attributes:
        own: Models of single tastes, by the number of the taste's cluster.
        common: The model of all other clusters, or None.
    """

    own: Mapping[int, TasteModel]
    common: TasteModel | None

    def of(self, cluster: int) -> TasteModel | None:
        """Return the model that scores a cluster's tracks, or None when ranking does."""
        return self.own.get(cluster, self.common)

    def calibrated(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """Turn ranking scores of the listener into probabilities of a like, float32 ``(n,)``."""
        model = self.common or next(iter(self.own.values()))
        logits = model.ranking_slope * scores.astype(np.float64) + model.ranking_intercept
        return (0.5 + 0.5 * np.tanh(logits / 2)).astype(np.float32)  # the logistic function, without overflow


def accepted_models(profile: Profile, context: Context, learners: Collection[str]) -> AcceptedModels:
    """Return those of a listener's models that some learners trained, of tastes with ratings.

    Raises:
        Declined: When there is none.
    """
    common = _accepted(context, _COMMON, learners)
    own = {}
    for taste_id, taste in sorted(profile.tastes.items()):
        cluster, model = context.catalog.cluster_number(taste_id), _accepted(context, taste_id, learners)
        if cluster is not None and model is not None and not taste.is_empty:
            own[cluster] = model
    if common is None and not own:
        raise Declined(f"no model of {' or '.join(sorted(learners))} serves {profile.user_id!r}")
    return AcceptedModels(own, common)


def _accepted(context: Context, taste_id: str, learners: Collection[str]) -> TasteModel | None:
    model = context.models.get(taste_id)
    return model if model is not None and model.learner in learners else None


def _shifted(probabilities: NDArray[np.float32], offsets: NDArray[np.float64] | np.float64) -> NDArray[np.float32]:
    """Add offsets to the log-odds of probabilities, which may be 0 and 1: ``p / (p + (1 - p) / exp(offset))``."""
    exact = probabilities.astype(np.float64)
    return (exact / (exact + (1 - exact) * np.exp(-offsets))).astype(np.float32)


class _ModelScorer(TasteScorer):
    """Finds candidates and what is near as ranking does, but scores by a model."""

    def __init__(
        self, taste: Taste, cluster: int, context: Context, config: ScoringConfig, *, model: TasteModel
    ) -> None:
        super().__init__(taste, cluster, context, config)
        catalog = context.catalog
        self._normalized = catalog.normalized
        self._model = model
        self.model_version = model.version
        self._scored = np.empty(0, dtype=_SCORED)
        self._offset = np.float64(model.cluster_offsets.get(catalog.clusters[cluster].cluster_id, 0.0))

    def scores(self, rows: Rows) -> NDArray[np.float32]:
        """Return the model's probability of a like of each row, float32 ``(n,)``."""
        return _shifted(self._model.probabilities(self._normalized.take(rows, axis=0)), self._offset)

    def choices(self, rows: Rows, kind: ReasonKind) -> list[Choice]:
        """Make choices of rows; what they rest on is the model, unless they are explored."""
        return super().choices(rows, ReasonKind.MODEL if kind is ReasonKind.SIMILAR else kind)

    def _first(self) -> Rows:
        """Return the first set, where to look being the taste's and the order the model's."""
        by_model = "scored", self.model_version, self._config
        self._scored = self._memoise(self.taste, by_model, self._score_candidates)
        return self._scored["row"]

    def _score_candidates(self) -> NDArray[np.void]:
        rows = self._memoise(self.taste, ("near", self._config), self._near)
        scores = self.scores(rows)
        scored = np.empty(len(rows), dtype=_SCORED)
        order = np.argsort(-scores)
        scored["row"], scored["score"] = rows[order], scores[order]
        return scored

    def _parts(self, rows: Rows, by_feature: NDArray[np.float32]) -> Sequence[Mapping[str, float]]:  # noqa: ARG002 - the model has it
        place = rows[:, np.newaxis] == self._scored["row"]
        said = place.any(axis=1).all()
        scores = self._scored["score"][place.argmax(axis=1)] if said else self.scores(rows)
        return [{"model": score} for score in scores.tolist()]


class _CalibratedScorer(TasteScorer):
    """Ranks, and turns what it says of the chosen tracks into probabilities, so that tastes with models compare."""

    def __init__(
        self, taste: Taste, cluster: int, context: Context, config: ScoringConfig, *, models: AcceptedModels
    ) -> None:
        super().__init__(taste, cluster, context, config)
        self._models = models

    def _parts(self, rows: Rows, by_feature: NDArray[np.float32]) -> Sequence[Mapping[str, float]]:  # noqa: ARG002 - it is in the scores
        return [{"ranking": score} for score in self._models.calibrated(self.scores(rows)).tolist()]


def scorers_by_models(
    models: AcceptedModels, tastes: Sequence[Taste], context: Context, config: ScoringConfig
) -> list[TasteScorer]:
    """Make the scorers of those tastes whose cluster the catalog has and does not exclude.

    Each puts the tracks of its own cluster in order; only the probabilities of its choices compare with those of
    other tastes.
    """

    def make(taste: Taste, cluster: int, context: Context, config: ScoringConfig) -> TasteScorer:
        model = models.of(cluster)
        if model is None:
            return _CalibratedScorer(taste, cluster, context, config, models=models)
        return _ModelScorer(taste, cluster, context, config, model=model)

    return scorers_of(tastes, context, config, make)


def score_by_models(
    models: AcceptedModels, profile: Profile, rows: Rows, context: Context, config: ScoringConfig
) -> Scores:
    """Score rows, each by the model of its cluster, or by ranking's formula turned into a probability."""
    catalog = context.catalog
    clusters, place = np.unique(catalog.cluster[rows], return_inverse=True)
    models_of = [models.of(cluster) for cluster in clusters.tolist()]
    cluster_ids = [catalog.clusters[cluster].cluster_id for cluster in clusters.tolist()]
    tastes = [_taste_id(profile, cluster_id) for cluster_id in cluster_ids]
    values = np.empty(len(rows), dtype=np.float32)
    taste_ids = [tastes[position] for position in place.tolist()]
    for model in {id(model): model for model in models_of}.values():
        scored = np.flatnonzero(np.array([other is model for other in models_of])[place])
        if model is not None:
            offsets = np.array([model.cluster_offsets.get(cluster_id, 0.0) for cluster_id in cluster_ids])
            probabilities = model.probabilities(catalog.normalized.take(rows[scored], axis=0))
            values[scored] = _shifted(probabilities, offsets[place[scored]])
            continue
        ranked = score_by_tastes(profile, rows[scored], context, config)
        values[scored] = models.calibrated(ranked.values)
        for position, taste_id in zip(scored.tolist(), ranked.taste_ids, strict=True):
            taste_ids[position] = taste_id
    versions = ["" if model is None else model.version for model in models_of]
    return Scores(values, taste_ids, [versions[position] for position in place.tolist()])


def _taste_id(profile: Profile, cluster_id: str) -> str:
    """Return the taste of a cluster, or nothing when the listener has rated nothing there."""
    taste = profile.tastes.get(cluster_id)
    return taste.taste_id if taste is not None and not taste.is_empty else ""


def choose_untried_by_models(
    models: AcceptedModels, profile: Profile, context: Context, config: ScoringConfig
) -> Callable[[Rows], list[Choice]]:
    """Return what makes explored choices of rows of clusters in which the listener has rated nothing."""

    def choices(rows: Rows) -> list[Choice]:
        scores = score_by_models(models, profile, rows, context, config)
        columns = zip(rows.tolist(), scores.values.tolist(), scores.model_versions, strict=True)
        return [_explored(row, score, version) for row, score, version in columns]

    return choices


def _explored(row: int, score: float, version: str) -> Choice:
    reason = Reason(ReasonKind.EXPLORATION, parts={"model" if version else "ranking": score})
    return Choice(row, score, reason, model_version=version)
