"""How one taste scores tracks: the formula that fallback and ranking share, and the reasons that it gives.

    score = audio_weight * sum over features of w * log(density among the likes / density in the track's cluster)
          + genre_weight * (mean over the track's genres of log(share in the taste / share in the cluster)
                            + 3 if the track is in the taste's cluster)
          + artist_weight * (log(1 + likes of its artist) - log(1 + dislikes of its artist))
          + log((likes of the taste + 1) / (dislikes of the taste + 1))
          - dislike_weight * dislikes / (dislikes + 4)
              * sum over features of w * log(density among the dislikes / density in the track's cluster)

`palate_strategies.evidence` has the parts.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
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
from palate_strategies.evidence import ArtistEvidence, Sound, genre_evidence, sound_of_clusters, sound_of_tally

__all__ = [
    "MakeScorer",
    "Order",
    "SoundParts",
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
_MEMBERSHIP: Final = 3.0
"""What being of the taste's cluster adds to the log-ratio of genres."""

_TRACK_LENGTH: Final = 3.0
"""Usual length of a track's normal scores: that of nine standard normal numbers."""

_NO_ROWS: Final = np.empty(0, dtype=np.int32)

Order: TypeAlias = Callable[["TasteScorer", Rows], Rows]
"""Puts candidates of a taste, which come best first, into the order in which they are to be chosen."""

MakeScorer: TypeAlias = Callable[[Taste, int, Context, ScoringConfig], "TasteScorer"]
"""Makes the scorer of a taste, given the number of its cluster."""

SoundParts: TypeAlias = tuple[NDArray[np.float32], NDArray[np.float32]]
"""What each feature says for a track, and against it: float32 ``(n, 9)`` each."""


class TasteScorer:
    """Scores tracks for one taste.

    Args:
        taste: The taste.
        cluster: The taste's cluster in the catalog.
        context: The catalog, what is rated, and what is remembered of the taste.
        config: The weights.

    Attributes:
        taste: The taste.
        cluster: Position of its cluster.
    """

    def __init__(self, taste: Taste, cluster: int, context: Context, config: ScoringConfig) -> None:
        self.taste = taste
        self.cluster = cluster
        self._catalog = context.catalog
        self._remembered = context.remembered
        self._config = config
        self._weights = np.array(config.feature_weights, dtype=np.float32)
        self._rated = [side.get(taste.taste_id, _NO_ROWS) for side in (context.liked, context.disliked)]
        dislikes = taste.disliked.count
        self._pull = np.float32(config.dislike_weight * dislikes / (dislikes + PRIOR_STRENGTH))
        self._odds = np.float32(math.log((taste.liked.count + 1) / (dislikes + 1)))
        self._membership = np.float32(config.genre_weight * _MEMBERSHIP)
        self._usual = sound_of_clusters(context.catalog, cluster)

    @cached_property
    def _liked(self) -> Sound:
        return sound_of_tally(self.taste.liked, self._rated[0], self._catalog, self._usual)

    @cached_property
    def _disliked(self) -> Sound:
        return sound_of_tally(self.taste.disliked, self._rated[1], self._catalog, self._usual)

    @cached_property
    def _genres(self) -> NDArray[np.float32]:
        return np.float32(self._config.genre_weight) * genre_evidence(self.taste, self._catalog, self.cluster)

    @cached_property
    def _artists(self) -> ArtistEvidence:
        return ArtistEvidence(self._rated[0], self._rated[1], self._catalog)

    @cached_property
    def _own_sound(self) -> tuple[NDArray[np.float32], NDArray[np.float32], np.float32]:
        """What turns squares and features of tracks of the own cluster into what their sound adds to the score."""
        kinds = self._usual.coefficients(), self._liked.coefficients(), self._disliked.coefficients()
        audio = np.float32(self._config.audio_weight)
        square, slope, constant = (
            self._weights * (audio * (liked - usual) - self._pull * (disliked - usual))
            for usual, liked, disliked in zip(*kinds, strict=True)
        )
        return square, slope, constant.sum()

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
        """Iterate over ever larger sets: where scores are highest, and of liked artists."""
        liked, disliked = (side.towards(self._usual) for side in (self._liked, self._disliked))
        direction = self._weights * (np.float32(self._config.audio_weight) * liked - self._pull * disliked)
        length = np.linalg.norm(direction)
        affinity = self._genres / (_TRACK_LENGTH * length) if length > 0 else self._genres
        known = self._artists.liked_rows(self.cluster)[: self._config.candidates]
        for rows in widening(self._catalog, self.cluster, direction, affinity, self._config.candidates):
            yield _with(rows, known)

    def _best_first(self, rows: Rows) -> Rows:
        return rows[np.argsort(-self.scores(rows))]

    def scores(self, rows: Rows) -> NDArray[np.float32]:
        """Return the score of each row, float32 ``(n,)``."""
        return self._heard(rows) + self._genre(rows) + self._artist(rows) + self._odds

    def _heard(self, rows: Rows) -> NDArray[np.float32]:
        """Return what the sound adds to the score of each row, float32 ``(n,)``; quick for rows of the own cluster."""
        own = self._catalog.cluster[rows] == self.cluster
        if own.all():
            tracks = self._catalog.normalized.take(rows, axis=0)
            square, slope, constant = self._own_sound
            sound: NDArray[np.float32] = np.square(tracks) @ square + tracks @ slope + constant
            return sound
        sound = np.empty(len(rows), dtype=np.float32)
        sound[own] = self._heard(rows[own])
        liked, disliked = self._sound(rows[~own])
        sound[~own] = (liked + disliked).sum(axis=1)
        return sound

    def choices(self, rows: Rows, kind: ReasonKind, liked: Rows) -> list[Choice]:
        """Make choices of rows, each with the reason for it.

        Args:
            rows: Few rows, the chosen ones.
            kind: What the reasons rest on.
            liked: Rows of the taste's standing likes; the last 512 are looked at for the nearest one.
        """
        sound = self._sound(rows)
        columns = (self._nearest(self._tracks(rows), liked), _strongest(sound[0]), self._parts(rows, sound))
        return [
            Choice(row, sum(parts.values()), Reason(kind, near, features, parts), self.taste.taste_id)
            for row, near, features, parts in zip(rows.tolist(), *columns, strict=True)
        ]

    def _parts(self, rows: Rows, sound: SoundParts) -> Sequence[Mapping[str, float]]:
        """Return the parts that the score of each row is the sum of; `sound` is what its sound says."""
        liked, disliked = (part.sum(axis=1) for part in sound)
        odds = np.full(len(rows), self._odds)
        parts = np.array((liked, self._genre(rows), self._artist(rows), odds, disliked)).T.tolist()
        return [dict(zip(("audio", "genre", "artist", "taste", "dislike"), part, strict=True)) for part in parts]

    def _sound(self, rows: Rows) -> SoundParts:
        """Return what each feature of each row says for and against it."""
        tracks = self._catalog.normalized.take(rows, axis=0)
        clusters = self._catalog.cluster[rows]
        own = self.cluster if (clusters == self.cluster).all() else clusters
        usual = sound_of_clusters(self._catalog, own).log_density(tracks)
        weights = np.float32(self._config.audio_weight) * self._weights
        liked = weights * (self._liked.log_density(tracks) - usual)
        if self._pull == 0:
            return liked, np.zeros_like(liked)
        return liked, self._pull * self._weights * (usual - self._disliked.log_density(tracks))

    def _genre(self, rows: Rows) -> NDArray[np.float32]:
        """Return what genres add to the score of each row, and the cluster, float32 ``(n,)``."""
        own: NDArray[np.float32] = self._membership * (self._catalog.cluster[rows] == self.cluster)
        return own + self._catalog.genre_affinity(rows, self._genres)

    def _artist(self, rows: Rows) -> NDArray[np.float32]:
        """Return what its main artist adds to the score of each row, float32 ``(n,)``."""
        return np.float32(self._config.artist_weight) * self._artists.of(rows)

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


def _with(rows: Rows, more: Rows) -> Rows:
    """Return rows and those of some others that are not among them."""
    if len(rows) == 0:
        return more
    ordered = np.sort(rows)
    place = np.minimum(ordered.searchsorted(more), len(ordered) - 1)
    return np.concatenate((rows, more[ordered[place] != more]))


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
    weights = [1.0 if evenly else _claim(scorer.taste) for scorer in scorers]
    if slots < len(scorers):
        shown = shown_by_cluster(request, context)
        weights = [
            weight / (2 * int(shown[scorer.cluster]) + 1) for scorer, weight in zip(scorers, weights, strict=True)
        ]
    queues = [_queue(scorer, request, order) for scorer in scorers]
    return [(scorers[taste], row) for taste, row in builder.deal(queues, share_slots(weights, slots))]


def _claim(taste: Taste) -> float:
    """Return what a taste may claim of the slots: its likes, as far as palate is sure of it."""
    return taste.liked.count * taste.confidence


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
