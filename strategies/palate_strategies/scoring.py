"""How one taste scores tracks: the formula that fallback and ranking share, and the reasons that it gives.

    score = audio_weight * cos(track, liked mean)
          + genre_weight * (in the taste's cluster + mean over the track's genres of share / largest share) / 2
          - dislike_weight * dislikes / (dislikes + 4) * cos(track, disliked mean)

Every cosine is weighted and taken between normal scores: ``cos(x, y) = sum(w x y) / (|x| |y|)`` with
``|x|**2 = sum(w x**2)``, and 0 where one of the vectors is 0.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from palate.catalog.tracks import FEATURES
from palate.strategy.contract import CatalogIndex, Choice, Context, Reason, ReasonKind, Rows, Scores, SlateRequest
from palate.strategy.slate import SlateBuilder, share_slots, shown_by_cluster, widening
from palate.tastes.confidence import PRIOR_STRENGTH
from palate.tastes.profile import Profile, Taste, TasteState

from palate_strategies.config import ScoringConfig

__all__ = [
    "MakeScorer",
    "Order",
    "TasteScorer",
    "choices_for",
    "deal_among",
    "judge",
    "lesser_known",
    "popularity_choice",
    "score_by_popularity",
    "score_by_tastes",
    "scorers_of",
]

_NEAREST_AMONG: Final = 512
_STRONGEST: Final = 3
_NO_ROWS: Final = np.empty(0, dtype=np.int32)

Order: TypeAlias = Callable[["TasteScorer", Rows], Rows]
"""Puts candidates of a taste, which come best first, into the order in which they are to be chosen."""

MakeScorer: TypeAlias = Callable[[Taste, int, Context, ScoringConfig], "TasteScorer"]
"""Makes the scorer of a taste, given the number of its cluster."""


class TasteScorer:
    """Scores tracks for one taste.

    Args:
        taste: The taste.
        cluster: The taste's cluster in the catalog.
        context: The catalog, and what is remembered of the taste.
        config: The weights.

    Attributes:
        taste: The taste.
        cluster: Position of its cluster.
    """

    def __init__(self, taste: Taste, cluster: int, context: Context, config: ScoringConfig) -> None:
        self.taste = taste
        self.cluster = cluster
        self._catalog = catalog = context.catalog
        self._remembered = context.remembered
        self._config = config
        self._weights = np.array(config.feature_weights, dtype=np.float32)
        dislikes = taste.disliked.count
        pull = config.dislike_weight * dislikes / (dislikes + PRIOR_STRENGTH)
        liked, disliked = self._units(np.array((taste.liked.mean, taste.disliked.mean)))
        self._liked = np.float32(config.audio_weight) * self._weights * liked
        self._disliked = np.float32(-pull) * self._weights * disliked
        self._direction = self._liked + self._disliked
        shares = catalog.genre_weights(taste.genre_distribution)
        largest = shares.max(initial=0.0)
        self._membership = np.float32(config.genre_weight / 2)
        self._affinity = shares * (self._membership / largest if largest > 0 else 0)

    def candidates(self) -> Iterator[Rows]:
        """Iterate over ever larger sets of the cluster's tracks from where ranking's scores are highest, best first."""
        yield self._first()
        yield from map(self._best_first, islice(self._sets(), 1, None))

    def _first(self) -> Rows:
        """Return the first set, which depends on the taste and the configuration alone."""
        return self._remembered(self.taste, ("best first", self._config), lambda: self._best_first(self._near()))

    def _near(self) -> Rows:
        """Return the first set in no order."""
        return next(self._sets())

    def _sets(self) -> Iterator[Rows]:
        length = np.linalg.norm(self._direction)
        affinity = self._affinity / length if length > 0 else self._affinity
        return widening(self._catalog, self.cluster, self._direction, affinity, self._config.candidates)

    def _best_first(self, rows: Rows) -> Rows:
        return rows[np.argsort(-self.scores(rows))]

    def scores(self, rows: Rows) -> NDArray[np.float32]:
        """Return the score of each row, float32 ``(n,)``."""
        tracks = self._catalog.normalized.take(rows, axis=0)
        audio: NDArray[np.float32] = (tracks @ self._direction) / self._lengths(tracks)
        return audio + self._genre(rows)

    def choices(self, rows: Rows, kind: ReasonKind, liked: Rows) -> list[Choice]:
        """Make choices of rows, each with the reason for it.

        Args:
            rows: Few rows, the chosen ones.
            kind: What the reasons rest on.
            liked: Rows of the taste's standing likes; the last 512 are looked at for the nearest one.
        """
        tracks = self._tracks(rows)
        shares = tracks * self._liked
        columns = (self._nearest(tracks, liked), _strongest(shares), self._parts(rows, tracks, shares))
        return [
            Choice(row, sum(parts.values()), Reason(kind, near, features, parts), self.taste.taste_id)
            for row, near, features, parts in zip(rows.tolist(), *columns, strict=True)
        ]

    def _parts(
        self, rows: Rows, tracks: NDArray[np.float32], shares: NDArray[np.float32]
    ) -> Sequence[Mapping[str, float]]:
        """Return the parts that the score of each row is the sum of; `tracks` are its unit vectors."""
        parts = np.array((shares.sum(axis=1), self._genre(rows), tracks @ self._disliked)).T.tolist()
        return [dict(zip(("audio", "genre", "dislike"), part, strict=True)) for part in parts]

    def _genre(self, rows: Rows) -> NDArray[np.float32]:
        """Return what genres add to the score of each row, float32 ``(n,)``: half for the cluster, half for shares."""
        own: NDArray[np.float32] = self._membership * (self._catalog.cluster[rows] == self.cluster)
        return own + self._catalog.genre_affinity(rows, self._affinity)

    def _nearest(self, tracks: NDArray[np.float32], liked: Rows) -> list[int] | list[None]:
        """Return for each track, given as a unit vector, the liked row with the highest cosine."""
        liked = liked[-_NEAREST_AMONG:]
        if len(liked) == 0:
            return [None] * len(tracks)
        cosines = (tracks * self._weights) @ self._tracks(liked).T
        nearest: list[int] = liked[cosines.argmax(axis=1)].tolist()
        return nearest

    def _tracks(self, rows: Rows) -> NDArray[np.float32]:
        """Return rows as vectors of weighted length 1, float32 ``(n, 9)``."""
        return self._units(self._catalog.normalized.take(rows, axis=0))

    def _units(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        units: NDArray[np.float32] = vectors / self._lengths(vectors)[:, np.newaxis]
        return units

    def _lengths(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the weighted length of each vector, float32 ``(n,)``; 1 for a vector of zeros."""
        lengths: NDArray[np.float32] = np.sqrt(np.square(vectors) @ self._weights)
        lengths[lengths == 0] = 1
        return lengths


def scorers_of(
    tastes: Sequence[Taste], context: Context, config: ScoringConfig, make: MakeScorer = TasteScorer
) -> list[TasteScorer]:
    """Make the scorers of those tastes whose cluster the catalog has and does not exclude."""
    catalog = context.catalog
    numbered = [(taste, catalog.cluster_number(taste.taste_id)) for taste in tastes]
    return [
        make(taste, number, context, config)
        for taste, number in numbered
        if number is not None and not catalog.clusters[number].excluded
    ]


def deal_among(
    scorers: Sequence[TasteScorer],
    builder: SlateBuilder,
    request: SlateRequest,
    context: Context,
    slots: int,
    *,
    order: Order | None = None,
    evenly: bool = False,
) -> list[tuple[TasteScorer, int]]:
    """Share slots of a slate among tastes in proportion to their confidence, at least one slot each.

    Confidence grows ever more slowly with the likes, so that the largest taste gets at most about three times
    the slots of the smallest active one. When there are fewer slots than tastes, tastes take turns over the
    pages by Sainte-Laguë's divisors: the one with the highest ``confidence / (2 * shown + 1)`` comes first.

    Args:
        scorers: One for each taste.
        builder: Takes the tracks.
        request: What is asked for.
        context: The catalog, and what is rated.
        slots: How many slots to share, at most the builder's room.
        order: Puts a taste's candidates in order; best first without it.
        evenly: Whether all tastes count as equally confident.

    Returns:
        The chosen rows, each with the scorer of its taste, in the order to show them.

    Source:
        Steck, *Calibrated recommendations*, RecSys 2018, for slates that keep the proportions of a
        listener's interests; Balinski and Young, *Fair Representation*, 1982, for the divisors.
    """
    if slots == 0:
        return []
    weights = [1.0 if evenly else scorer.taste.confidence for scorer in scorers]
    if slots < len(scorers):
        shown = shown_by_cluster(request, context)
        weights = [
            weight / (2 * int(shown[scorer.cluster]) + 1) for scorer, weight in zip(scorers, weights, strict=True)
        ]
    queues = [_queue(scorer, request, order) for scorer in scorers]
    return [(scorers[taste], row) for taste, row in builder.deal(queues, share_slots(weights, slots))]


def choices_for(picks: Sequence[tuple[TasteScorer, int]], kind: ReasonKind, context: Context) -> list[Choice]:
    """Turn rows that were picked for tastes into choices with scores and reasons, in the order given."""
    rows_of: dict[TasteScorer, list[int]] = {}
    for scorer, row in picks:
        rows_of.setdefault(scorer, []).append(row)
    choices = {
        choice.row: choice
        for scorer, rows in rows_of.items()
        for choice in scorer.choices(
            np.array(rows, dtype=np.int32), kind, context.liked.get(scorer.taste.taste_id, _NO_ROWS)
        )
    }
    return [choices[row] for _, row in picks]


def lesser_known(catalog: CatalogIndex, cluster: int, rows: Rows, share: float) -> NDArray[np.bool_]:
    """Return which rows are no more popular than the quantile `share` of a cluster's popularity."""
    return catalog.popularity[rows] <= catalog.popularity_quantile(cluster, share)


def judge(
    scorers: Sequence[TasteScorer], rows: Rows, catalog: CatalogIndex
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Find the taste that speaks for each row.

    It is the taste of the row's own cluster, so that what is disliked in one taste is not made good by
    another. Where that taste has no verdict, or there is none, it is the one of those with likes that scores
    the row highest.

    Args:
        scorers: At least one with likes.
        rows: The rows.
        catalog: The catalog.

    Returns:
        Positions in `scorers`, and the scores, float32 ``(n,)``.
    """
    clusters, likes, dislikes = np.array(
        [(scorer.cluster, scorer.taste.liked.count, scorer.taste.disliked.count) for scorer in scorers]
    ).T[:, :, np.newaxis]
    own = (clusters == catalog.cluster[rows]) & (likes + dislikes > 0)
    speaks = own | (likes > 0) & ~own.any(axis=0)
    scores = np.full(speaks.shape, -np.inf, dtype=np.float32)
    for scorer, heard, line in zip(scorers, speaks, scores, strict=True):
        if heard.any():
            line[heard] = scorer.scores(rows[heard])
    best = scores.argmax(axis=0)
    return best, scores[best, np.arange(len(rows))]


def score_by_tastes(profile: Profile, rows: Rows, context: Context, config: ScoringConfig) -> Scores:
    """Score rows by the taste that speaks for each; by popularity for a listener without likes."""
    catalog = context.catalog
    scorers = scorers_of(profile.tastes_in(*TasteState), context, config)
    if not any(scorer.taste.liked.count for scorer in scorers):
        return score_by_popularity(rows, catalog)
    best, scores = judge(scorers, rows, catalog)
    taste_ids = [scorer.taste.taste_id for scorer in scorers]
    return Scores(scores, [taste_ids[position] for position in best.tolist()])


def score_by_popularity(rows: Rows, catalog: CatalogIndex) -> Scores:
    """Score rows by their popularity, from 0 to 1, for no taste."""
    return Scores(np.divide(catalog.popularity[rows], 100, dtype=np.float32), [""] * len(rows))


def popularity_choice(row: int, kind: ReasonKind, catalog: CatalogIndex) -> Choice:
    """Make a choice of a row for which nothing but its popularity speaks."""
    share = int(catalog.popularity[row]) / 100
    return Choice(row, share, Reason(kind, parts={"popularity": share}))


def _queue(scorer: TasteScorer, request: SlateRequest, order: Order | None) -> Iterator[int]:
    """Yield a taste's tracks in order; looks at more of them only when these are used up."""
    for candidates in scorer.candidates():
        rows = request.without_excluded(candidates)
        yield from (order(scorer, rows) if order else rows).tolist()


def _strongest(shares: NDArray[np.float32]) -> list[tuple[tuple[str, float], ...]]:
    """Return for each row of shares, ``(n, 9)``, the features with the largest ones above 0, at most three."""
    ranked = np.argsort(-shares, axis=1)[:, :_STRONGEST]
    values = np.take_along_axis(shares, ranked, axis=1).tolist()
    return [
        tuple((FEATURES[number], share) for number, share in zip(*row, strict=True) if share > 0)
        for row in zip(ranked.tolist(), values, strict=True)
    ]
