"""How one taste scores tracks: the formula that fallback and ranking share, and the reasons that it gives.

    score = audio_weight * sum over features of w * log(density among the likes / density in the track's cluster)
          + genre_weight * (mean over the track's genres of log(share in the taste / share in the cluster)
                            + 3 if the track is in the taste's cluster)
          + artist_weight * (log(1 + likes of its artist) - log(1 + dislikes of its artist))
          + log((likes of the taste + 1) / (dislikes of the taste + 1))
          - dislike_weight * dislikes / (dislikes + 4)
              * sum over features of w * log(density among the dislikes / density in the track's cluster)

Each part is a log-likelihood ratio: how much likelier a track is among what is liked than among its cluster's tracks.
They add up as if sound, genres and artists were independent of one another: a naive Bayes classifier, of which each
part stays readable.

Source:
    Manning, Raghavan and Schütze, *Introduction to Information Retrieval*, chapter 13.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from palate.domain.profile import DISLIKE_WEIGHT, PRIOR_STRENGTH, Tally, Taste
from palate.domain.track import FEATURES
from palate.plugins.slate import widening
from palate.plugins.strategy import CatalogIndex, Choice, Context, Reason, ReasonKind, Rows

from palate_strategies.config import ScoringConfig

__all__ = ["MakeScorer", "TasteScorer", "choices_for", "scorers_of"]

_MEMBERSHIP: Final = 3.0
"""What being of the taste's cluster adds to the log-ratio of genres."""

_TRACK_LENGTH: Final = 3.0
"""Usual length of a track's normal scores: that of nine standard normal numbers."""

_MEAN_PRIOR: Final = 2.0
"""How many tracks at the cluster's mean are added to the rated ones."""

_VARIANCE_PRIOR: Final = 16.0
"""How many tracks with the cluster's variance are added to the rated ones."""

_GENRE_PRIOR: Final = 2.0
"""How many genres, spread like those of the cluster, are added to those of the rated tracks."""

_NEAREST_AMONG: Final = 512
_STRONGEST: Final = 3
_NO_ROWS: Final = np.empty(0, dtype=np.int32)

MakeScorer: TypeAlias = Callable[[Taste, int, Context, ScoringConfig], "TasteScorer"]
"""Makes the scorer of a taste, given the number of its cluster."""


class TasteScorer:
    """Scores tracks for one taste.

    Args:
        taste: The taste.
        cluster: The taste's cluster in the catalog.
        context: The catalog, what is rated, and what is memoised of the taste.
        config: The weights.

    Attributes:
        taste: The taste.
        cluster: Position of its cluster.
        model_version: The model that scores, or empty.
    """

    model_version: str = ""

    def __init__(self, taste: Taste, cluster: int, context: Context, config: ScoringConfig) -> None:
        self.taste = taste
        self.cluster = cluster
        self._catalog = context.catalog
        self._memoise = context.memoise
        self._config = config
        self._weights = np.array(config.feature_weights, dtype=np.float32)
        self._rated = [side.get(taste.taste_id, _NO_ROWS) for side in (context.liked, context.disliked)]
        dislikes = taste.disliked.count
        self._pull = np.float32(config.dislike_weight * dislikes / (dislikes + PRIOR_STRENGTH))
        self._odds = np.float32(math.log((taste.liked.count + 1) / (dislikes + 1)))
        self._membership = np.float32(config.genre_weight * _MEMBERSHIP)
        self._usual = _sound_of_clusters(context.catalog, cluster)

    @cached_property
    def _liked(self) -> "_Sound":
        return _sound_of_tally(self.taste.liked, self._rated[0], self._catalog, self._usual)

    @cached_property
    def _disliked(self) -> "_Sound":
        return _sound_of_tally(self.taste.disliked, self._rated[1], self._catalog, self._usual)

    @cached_property
    def _genres(self) -> NDArray[np.float32]:
        return np.float32(self._config.genre_weight) * _genre_ratios(self.taste, self._catalog, self.cluster)

    @cached_property
    def _artists(self) -> "_ArtistRatios":
        return _ArtistRatios(self._rated[0], self._rated[1], self._catalog)

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
        return self._memoise(self.taste, ("best first", self._config), lambda: self._best_first(self._near()))

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
        return self._sound(rows) + self._genre(rows) + self._artist(rows) + self._odds

    def _sound(self, rows: Rows) -> NDArray[np.float32]:
        """Return what the sound adds to the score of each row, float32 ``(n,)``; quick for rows of the own cluster."""
        own = self._catalog.cluster[rows] == self.cluster
        if own.all():
            tracks = self._catalog.normalized.take(rows, axis=0)
            square, slope, constant = self._own_sound
            sound: NDArray[np.float32] = np.square(tracks) @ square + tracks @ slope + constant
            return sound
        sound = np.empty(len(rows), dtype=np.float32)
        sound[own] = self._sound(rows[own])
        sound[~own] = (self._for(rows[~own]) + self._against(rows[~own])).sum(axis=1)
        return sound

    def choices(self, rows: Rows, kind: ReasonKind) -> list[Choice]:
        """Make choices of rows, the few chosen ones, each with the reason for it, which rests on `kind`."""
        liked = self._for(rows)
        nearest = _nearest_liked(rows, self._rated[0], self._catalog.normalized, self._weights)
        columns = nearest, _strongest_features(liked), self._parts(rows, liked)
        return [
            Choice(
                row,
                sum(parts.values()),
                Reason(kind, near, features, parts),
                self.taste.taste_id,
                model_version=self.model_version,
            )
            for row, near, features, parts in zip(rows.tolist(), *columns, strict=True)
        ]

    def _parts(self, rows: Rows, by_feature: NDArray[np.float32]) -> Sequence[Mapping[str, float]]:
        """Return the parts that the score of each row is the sum of; `by_feature` is what `_for` returns for them."""
        liked, disliked = by_feature.sum(axis=1), self._against(rows).sum(axis=1)
        odds = np.full(len(rows), self._odds)
        parts = np.array((liked, self._genre(rows), self._artist(rows), odds, disliked)).T.tolist()
        return [dict(zip(("audio", "genre", "artist", "taste", "dislike"), part, strict=True)) for part in parts]

    def _for(self, rows: Rows) -> NDArray[np.float32]:
        """Return what each feature of each row adds because of the likes, float32 ``(n, 9)``."""
        return np.float32(self._config.audio_weight) * self._weights * self._compared(self._liked, rows)

    def _against(self, rows: Rows) -> NDArray[np.float32]:
        """Return what each feature of each row adds because of the dislikes, float32 ``(n, 9)``."""
        if self._pull == 0:
            return np.zeros((len(rows), len(self._weights)), dtype=np.float32)
        return -self._pull * self._weights * self._compared(self._disliked, rows)

    def _compared(self, kind: "_Sound", rows: Rows) -> NDArray[np.float32]:
        """Return the log of how much likelier each feature is of a kind than in the row's cluster, ``(n, 9)``."""
        tracks = self._catalog.normalized.take(rows, axis=0)
        clusters = self._catalog.cluster[rows]
        usual = self._usual if (clusters == self.cluster).all() else _sound_of_clusters(self._catalog, clusters)
        return kind.log_density(tracks) - usual.log_density(tracks)

    def _genre(self, rows: Rows) -> NDArray[np.float32]:
        """Return what genres add to the score of each row, and the cluster, float32 ``(n,)``."""
        own: NDArray[np.float32] = self._membership * (self._catalog.cluster[rows] == self.cluster)
        return own + self._catalog.genre_affinity(rows, self._genres)

    def _artist(self, rows: Rows) -> NDArray[np.float32]:
        """Return what its main artist adds to the score of each row, float32 ``(n,)``."""
        return np.float32(self._config.artist_weight) * self._artists.of(rows)


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


def choices_for(picks: Sequence[tuple[TasteScorer | None, int]], kind: ReasonKind) -> list[Choice]:
    """Turn rows that were picked for tastes into choices with scores and reasons, in the order given.

    Rows for no taste are left out.
    """
    rows_of: dict[TasteScorer, list[int]] = {}
    for scorer, row in picks:
        if scorer is not None:
            rows_of.setdefault(scorer, []).append(row)
    choices = {
        choice.row: choice
        for scorer, rows in rows_of.items()
        for choice in scorer.choices(np.array(rows, dtype=np.int32), kind)
    }
    return [choices[row] for scorer, row in picks if scorer is not None]


@dataclass(frozen=True, slots=True)
class _Sound:
    """How tracks of a kind sound: a normal distribution of each feature.

    Attributes:
        mean: float32 ``(9,)``, or ``(n, 9)`` where each of `n` tracks is compared with its own kind.
        variance: Of the same shape, above 0.
    """

    mean: NDArray[np.float32]
    variance: NDArray[np.float32]

    def coefficients(self) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """Return `a`, `b` and `c` of the shape of `mean`; the log-density is ``a x**2 + b x + c`` and a constant."""
        slope = self.mean / self.variance
        return np.float32(-0.5) / self.variance, slope, np.float32(-0.5) * (self.mean * slope + np.log(self.variance))

    def log_density(self, tracks: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the log-density of each feature of tracks ``(n, 9)``, up to a constant, float32 ``(n, 9)``."""
        square, slope, constant = self.coefficients()
        density: NDArray[np.float32] = (square * tracks + slope) * tracks + constant
        return density

    def towards(self, usual: "_Sound") -> NDArray[np.float32]:
        """Return the direction in which tracks get likelier of this kind than of the usual one, float32 ``(9,)``."""
        direction: NDArray[np.float32] = self.mean / self.variance - usual.mean / usual.variance
        return direction


def _sound_of_clusters(catalog: CatalogIndex, clusters: NDArray[np.uint8] | int) -> _Sound:
    """Return how the tracks of a cluster sound, or of the cluster of each of several tracks."""
    return _Sound(catalog.cluster_mean[clusters], catalog.cluster_variance[clusters])


def _sound_of_tally(tally: Tally, rows: Rows, catalog: CatalogIndex, cluster: _Sound) -> _Sound:
    """Return how rated tracks sound, as far as they are enough to differ from their cluster.

    Mean and variance are those of the posterior of a normal distribution whose conjugate prior is the cluster.

    Args:
        tally: The tracks' sums.
        rows: Those of them that the catalog still has, which give the variance.
        catalog: The catalog.
        cluster: How their cluster sounds.

    Source:
        Gelman et al., *Bayesian Data Analysis*, section 3.3.
    """
    count, mean = tally.count, tally.mean
    spread = np.square(catalog.normalized.take(rows, axis=0) - mean).sum(axis=0)
    spread += np.float32(count * _MEAN_PRIOR / (count + _MEAN_PRIOR)) * np.square(mean - cluster.mean)
    middle = (count * mean + _MEAN_PRIOR * cluster.mean) / (count + _MEAN_PRIOR)
    variance = (spread + _VARIANCE_PRIOR * cluster.variance) / (len(rows) + _VARIANCE_PRIOR)
    return _Sound(middle.astype(np.float32), variance.astype(np.float32))


def _genre_ratios(taste: Taste, catalog: CatalogIndex, cluster: int) -> NDArray[np.float32]:
    """Return the log-ratio of each genre's share in a taste to its share in the cluster, float32 ``(genres,)``.

    A genre counts as often as liked tracks have it, less half as often as disliked ones do, and never less than 0.
    """
    disliked = taste.disliked.genres
    counts = {
        genre: max(0.0, likes - DISLIKE_WEIGHT * disliked.get(genre, 0)) for genre, likes in taste.liked.genres.items()
    }
    counted = catalog.genre_weights(counts)
    usual = _GENRE_PRIOR * catalog.genre_share(cluster)
    ratios: NDArray[np.float32] = np.log((counted + usual) / (usual * (counted.sum() / _GENRE_PRIOR + 1)))
    return ratios


class _ArtistRatios:
    """``log(1 + likes) - log(1 + dislikes)`` of each rated main artist."""

    def __init__(self, liked: Rows, disliked: Rows, catalog: CatalogIndex) -> None:
        self._catalog = catalog
        self._main_artist = catalog.main_artist
        artists = [self._main_artist[rows] for rows in (liked, disliked)]
        self._artists, _ = np.unique(np.concatenate(artists), return_counts=True)  # quick on few numbers if counted
        counts = [np.bincount(self._artists.searchsorted(side), minlength=len(self._artists)) for side in artists]
        self._ratios = (np.log1p(counts[0]) - np.log1p(counts[1])).astype(np.float32)

    def liked_rows(self, cluster: int) -> Rows:
        """Return the tracks of a cluster whose artist is liked more often than disliked, int32 ``(n,)``."""
        rows = self._catalog.by_artists(self._artists[self._ratios > 0])
        own: Rows = rows[self._catalog.cluster[rows] == cluster]
        return own

    def of(self, rows: Rows) -> NDArray[np.float32]:
        """Return the ratio of each row's artist, float32 ``(n,)``; 0 for one that is not rated."""
        if len(self._artists) == 0:
            return np.zeros(len(rows), dtype=np.float32)
        artists = self._main_artist[rows]
        place = np.minimum(self._artists.searchsorted(artists), len(self._artists) - 1)
        ratios: NDArray[np.float32] = self._ratios[place] * (self._artists[place] == artists)
        return ratios


def _nearest_liked(
    rows: Rows, liked: Rows, normalized: NDArray[np.float32], weights: NDArray[np.float32]
) -> list[int] | list[None]:
    """Return for each row the one of the last 512 likes with the highest weighted cosine, or None without likes."""
    liked = liked[-_NEAREST_AMONG:]
    if len(liked) == 0:
        return [None] * len(rows)
    likes = normalized.take(liked, axis=0)
    lengths = np.sqrt(np.square(likes) @ weights)
    lengths[lengths == 0] = 1
    cosines = (normalized.take(rows, axis=0) * weights) @ likes.T / lengths  # times the row's own length, equal for all
    nearest: list[int] = liked[cosines.argmax(axis=1)].tolist()
    return nearest


def _strongest_features(shares: NDArray[np.float32]) -> list[tuple[tuple[str, float], ...]]:
    """Return for each row of shares, ``(n, 9)``, the features with the largest ones above 0, at most three."""
    ranked = np.argsort(-shares, axis=1)[:, :_STRONGEST]
    values = shares[np.arange(len(shares))[:, np.newaxis], ranked].tolist()
    return [
        tuple((FEATURES[number], share) for number, share in zip(*row, strict=True) if share > 0)
        for row in zip(ranked.tolist(), values, strict=True)
    ]


def _with(rows: Rows, more: Rows) -> Rows:
    """Return rows and those of some others that are not among them."""
    if len(rows) == 0:
        return more
    ordered = np.sort(rows)
    place = np.minimum(ordered.searchsorted(more), len(ordered) - 1)
    return np.concatenate((rows, more[ordered[place] != more]))
