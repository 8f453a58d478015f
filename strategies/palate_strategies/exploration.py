"""Exploration: how many slots of a slate are for learning, and the tracks that are drawn for them by chance.

Each draw picks first a source and then one of its tracks; the product of both chances, and of the chance that
there is a draw at all, is the track's propensity. A source is a taste that has no slots of its own, or a cluster
without a taste.

Source:
    Propensities make the feedback on explored tracks usable for unbiased learning: Schnabel et al.,
    *Recommendations as treatments*, ICML 2016. An exploration rate that falls with what is known, and is drawn by
    chance where it is a fraction of a slot: Auer, Cesa-Bianchi and Fischer, *Finite-time Analysis of the Multiarmed
    Bandit Problem*, Machine Learning, 2002. The floor is for listeners who, unlike bandits, change.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import ceil, floor
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from palate.domain.profile import Taste
from palate.plugins.slate import SlateBuilder, draw, eligible_clusters
from palate.plugins.strategy import CatalogIndex, Choice, Context, Reason, ReasonKind, Rows, SlateRequest

from palate_strategies.config import FallbackConfig, ModelStrategyConfig
from palate_strategies.rank_scores import popularity_choice, scoring_taste
from palate_strategies.scoring import TasteScorer, choices_for

__all__ = [
    "ChooseUntried",
    "Exploration",
    "ExplorationSlots",
    "choose_by_nearest_taste",
    "draw_slots",
    "exploration_rate",
    "lesser_known",
]

ChooseUntried: TypeAlias = Callable[[Rows], Sequence[Choice]]
"""Makes choices of rows of clusters without ratings; only their scores and parts are used."""

_WEAK_PART: Final = 0.75
"""What part of the exploration is for tastes with a like or two: they are the likeliest to be liked again."""
_STREAM: Final = 1
"""Keeps the draw of `draw_slots` apart from those of the same seed that say what is explored."""


@dataclass(frozen=True, slots=True)
class ExplorationSlots:
    """How many slots of a slate explore.

    Attributes:
        drawn: One for each track that is drawn by chance: the probability that the slate has it, in (0, 1].
        weak: One for each slot of the weak tastes, likewise.
    """

    drawn: Sequence[float]
    weak: Sequence[float]


def exploration_rate(config: ModelStrategyConfig, rated: int) -> float:
    """Return the share of slots that explore, in [0, 1].

    It is `exploration` for up to `exploration_span` rated tracks, falls in inverse proportion to them from there on,
    and never below `exploration_floor` of it.

    Args:
        config: The options.
        rated: How many tracks the listener has rated.
    """
    return config.exploration * max(
        config.exploration_span / max(rated, config.exploration_span), config.exploration_floor
    )


def draw_slots(rate: float, request: SlateRequest) -> ExplorationSlots:
    """Draw how many slots explore: on average `rate` of them, three quarters of these for weak tastes.

    One number decides for both parts, from either end, so that they alternate: where together they make up at most
    one slot, no slate has two.
    """
    weak, drawn = rate * request.limit * _WEAK_PART, rate * request.limit * (1 - _WEAK_PART)
    chance = np.random.default_rng([request.seed, _STREAM]).random()
    return ExplorationSlots(_chances(drawn, floor(drawn + chance)), _chances(weak, ceil(weak - chance)))


def _chances(expected: float, count: int) -> list[float]:
    """Return the probability that there are more than none, one, two, … when so many are expected."""
    return [min(1.0, expected - earlier) for earlier in range(count)]


@dataclass(frozen=True, slots=True)
class _Source:
    """Where exploration draws from.

    Attributes:
        cluster: The cluster.
        weight: Its claim against the other sources.
        scorer: Of its taste, when that has likes.
    """

    cluster: int
    weight: float
    scorer: TasteScorer | None = None


class Exploration:
    """Draws the explored tracks of a slate, one at a time.

    Args:
        config: The options.
        chances: One for each draw: the probability that the slate has it, in (0, 1].
        strong: Scorers of the tastes that have slots of their own.
        others: Scorers of the other tastes.
        builder: Takes the tracks.
        context: The catalog, and what is rated.
    """

    def __init__(
        self,
        config: FallbackConfig,
        chances: Sequence[float],
        strong: Sequence[TasteScorer],
        others: Sequence[TasteScorer],
        builder: SlateBuilder,
        context: Context,
    ) -> None:
        self._config = config
        self._chances = chances
        self._scorers = [*strong, *others]
        self._builder = builder
        self._context = context
        self._generator = np.random.default_rng(builder.request.seed)
        self._sources = _sources(config, strong, others, context.catalog)
        self._propensities: dict[int, float] = {}

    def add_next(self) -> int | None:
        """Draw a track and put it into the slate; None when all are drawn or there is nothing to draw from.

        A source that has nothing left is removed and another one drawn.
        """
        while self._sources and len(self._propensities) < len(self._chances):
            position, source_chance = draw(self._generator, [source.weight for source in self._sources])
            rows, claims = _pool(self._config, self._sources[position], self._builder, self._context.catalog)
            if len(rows) == 0:
                del self._sources[position]
                continue
            track, track_chance = draw(self._generator, claims)
            row = int(rows[track])
            self._builder.add(row)
            self._propensities[row] = self._chances[len(self._propensities)] * source_chance * track_chance
            return row
        return None

    def choices(self, choose_untried: ChooseUntried) -> list[Choice]:
        """Return the drawn tracks, scored by the taste of their own cluster where it has ratings.

        Args:
            choose_untried: Scores those of clusters in which the listener has rated nothing.
        """
        clusters = {row: int(self._context.catalog.cluster[row]) for row in self._propensities}
        own = {scorer.cluster: scorer for scorer in self._scorers}
        liked = any(scorer.taste.liked.count for scorer in self._scorers)
        rated = {cluster: scorer for cluster, scorer in own.items() if liked and not scorer.taste.is_empty}
        picks = [(rated[cluster], row) for row, cluster in clusters.items() if cluster in rated]
        others = [row for row, cluster in clusters.items() if cluster not in rated]
        choices = choices_for(picks, ReasonKind.EXPLORATION)
        choices += choose_untried(np.array(others, dtype=np.int32)) if others else []
        taste_ids = {cluster: scorer.taste.taste_id for cluster, scorer in own.items()}
        return [
            _marked(choice, taste_ids.get(clusters[choice.row], ""), self._propensities[choice.row])
            for choice in choices
        ]


def _sources(
    config: FallbackConfig, strong: Sequence[TasteScorer], others: Sequence[TasteScorer], catalog: CatalogIndex
) -> list[_Source]:
    """Return what may be drawn from: tastes that are neither strong nor mostly disliked, and other clusters."""
    eligible = eligible_clusters(catalog)
    tried = [
        _Source(scorer.cluster, _expected_likes(scorer.taste), scorer if scorer.taste.liked.count else None)
        for scorer in others
        if scorer.cluster in eligible and not _mostly_disliked(scorer.taste)
    ]
    known = {scorer.cluster for scorer in (*strong, *others)}
    untried = [cluster for cluster in eligible if cluster not in known]
    if config.novelty == 0:
        return tried
    return tried + [_Source(cluster, config.novelty / len(untried)) for cluster in untried]


def _expected_likes(taste: Taste) -> float:
    """Return the expected share of likes among a taste's next tracks: Laplace's rule of succession."""
    likes, dislikes = taste.liked.count, taste.disliked.count
    return (likes + 1) / (likes + dislikes + 2)


def _mostly_disliked(taste: Taste) -> bool:
    """Return whether dislikes outnumber likes by more than the one that may be chance."""
    return taste.disliked.count > taste.liked.count + 1


def _pool(
    config: FallbackConfig, source: _Source, builder: SlateBuilder, catalog: CatalogIndex
) -> tuple[Rows, NDArray[np.float64]]:
    """Return the tracks that a source offers, lesser-known where it has any, and the claim of each.

    A taste with likes offers its best tracks with equal chances. Elsewhere the cluster's popular tracks are offered
    by their popularity.
    """
    if source.scorer is None:
        rows = builder.open(catalog.popular(source.cluster))
        rows = _preferred(rows, lesser_known(catalog, source.cluster, rows, config.lesser_known))
        return rows, catalog.popularity[rows].astype(np.float64) + 1
    rows = builder.open(next(source.scorer.candidates()))
    rows = _preferred(rows, lesser_known(catalog, source.cluster, rows, config.lesser_known))
    rows = rows[: config.exploration_pool]
    return rows, np.ones(len(rows))


def _preferred(rows: Rows, preferred: NDArray[np.bool_]) -> Rows:
    """Return the preferred rows, or all when none is."""
    return rows[preferred] if preferred.any() else rows


def lesser_known(catalog: CatalogIndex, cluster: int, rows: Rows, share: float) -> NDArray[np.bool_]:
    """Return which rows are no more popular than the quantile `share` of a cluster's popularity."""
    return catalog.popularity[rows] <= catalog.popularity_quantile(cluster, share)


def choose_by_nearest_taste(scorers: Sequence[TasteScorer], context: Context) -> ChooseUntried:
    """Score by the taste with likes that scores a row highest, or by popularity without likes."""
    liking = [scorer for scorer in scorers if scorer.taste.liked.count]

    def choices(rows: Rows) -> list[Choice]:
        if not liking:
            return [popularity_choice(row, ReasonKind.EXPLORATION, context.catalog) for row in rows.tolist()]
        best, _ = scoring_taste(liking, rows, context.catalog)
        picks = [(liking[position], row) for position, row in zip(best.tolist(), rows.tolist(), strict=True)]
        return choices_for(picks, ReasonKind.EXPLORATION)

    return choices


def _marked(choice: Choice, own_taste: str, propensity: float) -> Choice:
    """Mark a choice as explored, for the taste of its own cluster; what another taste likes in it is no reason."""
    reason = choice.reason
    if choice.taste_id != own_taste:
        reason = Reason(reason.kind, parts=reason.parts)
    return replace(choice, reason=reason, taste_id=own_taste, exploration=True, propensity=propensity)
