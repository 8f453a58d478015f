"""Exploration: tracks drawn by chance from where little is known of the listener.

Each draw picks first a source and then one of its tracks; the product of both chances, and of the chance that
there is a draw at all, is the track's propensity. A source is a taste that has no slots of its own, or a cluster
without a taste.

Source:
    Propensities make the feedback on explored tracks usable for unbiased learning: Schnabel et al.,
    *Recommendations as treatments*, ICML 2016.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from palate.domain.profile import Taste
from palate.plugins.slate import SlateBuilder, draw, eligible_clusters
from palate.plugins.strategy import CatalogIndex, Choice, Context, Reason, ReasonKind, Rows

from palate_strategies.config import FallbackConfig
from palate_strategies.judging import judge
from palate_strategies.reasons import popularity_choice
from palate_strategies.scoring import TasteScorer, choices_for

__all__ = ["Draws", "Unspoken", "by_nearest_taste", "explore", "lesser_known"]

Unspoken: TypeAlias = Callable[[Rows], Sequence[Choice]]
"""Makes choices of rows that no taste of their own cluster speaks for; only their scores and parts are used."""


@dataclass(frozen=True, slots=True)
class Draws:
    """How many tracks a slate draws, and from what.

    Attributes:
        seed: What they are drawn from.
        chances: One for each draw: the probability that the slate has it, in (0, 1].
    """

    seed: int
    chances: Sequence[float]


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


def explore(
    config: FallbackConfig,
    draws: Draws,
    strong: Sequence[TasteScorer],
    others: Sequence[TasteScorer],
    builder: SlateBuilder,
    context: Context,
    unspoken: Unspoken,
) -> list[Choice]:
    """Draw the explored part of a slate.

    A source that has nothing left is put aside and another one drawn.

    Args:
        config: The options.
        draws: How many tracks are drawn.
        strong: Scorers of the tastes that have slots of their own.
        others: Scorers of the other tastes.
        builder: Takes the tracks.
        context: The catalog, and what is rated.
        unspoken: Scores the drawn rows of clusters in which the listener has no verdict.
    """
    generator = np.random.default_rng(draws.seed)
    sources = _sources(config, strong, others, context.catalog)
    propensities: dict[int, float] = {}
    while sources and len(propensities) < len(draws.chances):
        position, chance = draw(generator, [source.weight for source in sources])
        rows, claims = _pool(config, sources[position], builder, context.catalog)
        if len(rows) == 0:
            del sources[position]
            continue
        track, track_chance = draw(generator, claims)
        builder.add(int(rows[track]))
        propensities[int(rows[track])] = draws.chances[len(propensities)] * chance * track_chance
    return _choices(propensities, [*strong, *others], context, unspoken)


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

    A taste with likes offers its best tracks with equal chances. Elsewhere there is no direction to look in,
    and the cluster's popular tracks are offered by their popularity.
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


def by_nearest_taste(scorers: Sequence[TasteScorer], context: Context) -> Unspoken:
    """Score by the taste with likes that likes a row best, or by popularity without likes."""
    heard = [scorer for scorer in scorers if scorer.taste.liked.count]

    def choices(rows: Rows) -> list[Choice]:
        if not heard:
            return [popularity_choice(row, ReasonKind.EXPLORATION, context.catalog) for row in rows.tolist()]
        best, _ = judge(heard, rows, context.catalog)
        picks = [(heard[position], row) for position, row in zip(best.tolist(), rows.tolist(), strict=True)]
        return choices_for(picks, ReasonKind.EXPLORATION)

    return choices


def _choices(
    propensities: Mapping[int, float], scorers: Sequence[TasteScorer], context: Context, unspoken: Unspoken
) -> list[Choice]:
    """Turn drawn rows into choices, scored by the taste of their own cluster where it has a say."""
    clusters = {row: int(context.catalog.cluster[row]) for row in propensities}
    own = {scorer.cluster: scorer for scorer in scorers}
    liked = any(scorer.taste.liked.count for scorer in scorers)
    heard = {cluster: scorer for cluster, scorer in own.items() if liked and not scorer.taste.is_empty}
    picks = [(heard[cluster], row) for row, cluster in clusters.items() if cluster in heard]
    others = [row for row, cluster in clusters.items() if cluster not in heard]
    choices = choices_for(picks, ReasonKind.EXPLORATION)
    choices += unspoken(np.array(others, dtype=np.int32)) if others else []
    taste_ids = {cluster: scorer.taste.taste_id for cluster, scorer in own.items()}
    marked = {
        choice.row: _marked(choice, taste_ids.get(clusters[choice.row], ""), propensities[choice.row])
        for choice in choices
    }
    return [marked[row] for row in propensities]


def _marked(choice: Choice, own_taste: str, propensity: float) -> Choice:
    """Mark a choice as explored, for the taste of its own cluster; what another taste likes in it is no reason."""
    reason = choice.reason
    if choice.taste_id != own_taste:
        reason = Reason(reason.kind, parts=reason.parts)
    return replace(choice, reason=reason, taste_id=own_taste, exploration=True, propensity=propensity)
