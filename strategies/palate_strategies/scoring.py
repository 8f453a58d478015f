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
from palate.domain.confidence import PRIOR_STRENGTH
from palate.domain.profile import Taste
from palate.plugins.slate import widening
from palate.plugins.strategy import Choice, Context, Reason, ReasonKind, Rows

from palate_strategies.config import ScoringConfig
from palate_strategies.evidence import ArtistEvidence, Sound, genre_evidence, sound_of_clusters, sound_of_tally
from palate_strategies.reasons import nearest_liked, strongest_features

__all__ = [
    "MakeScorer",
    "TasteScorer",
    "choices_for",
    "scorers_of",
]

_MEMBERSHIP: Final = 3.0
"""What being of the taste's cluster adds to the log-ratio of genres."""

_TRACK_LENGTH: Final = 3.0
"""Usual length of a track's normal scores: that of nine standard normal numbers."""

_NO_ROWS: Final = np.empty(0, dtype=np.int32)

MakeScorer: TypeAlias = Callable[[Taste, int, Context, ScoringConfig], "TasteScorer"]
"""Makes the scorer of a taste, given the number of its cluster."""


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
        sound[~own] = (self._for(rows[~own]) + self._against(rows[~own])).sum(axis=1)
        return sound

    def choices(self, rows: Rows, kind: ReasonKind) -> list[Choice]:
        """Make choices of rows, the few chosen ones, each with the reason for it, which rests on `kind`."""
        liked = self._for(rows)
        nearest = nearest_liked(rows, self._rated[0], self._catalog.normalized, self._weights)
        columns = nearest, strongest_features(liked), self._parts(rows, liked)
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

    def _parts(self, rows: Rows, spoken: NDArray[np.float32]) -> Sequence[Mapping[str, float]]:
        """Return the parts that the score of each row is the sum of; `spoken` is what its features say for it."""
        liked, disliked = spoken.sum(axis=1), self._against(rows).sum(axis=1)
        odds = np.full(len(rows), self._odds)
        parts = np.array((liked, self._genre(rows), self._artist(rows), odds, disliked)).T.tolist()
        return [dict(zip(("audio", "genre", "artist", "taste", "dislike"), part, strict=True)) for part in parts]

    def _for(self, rows: Rows) -> NDArray[np.float32]:
        """Return what each feature of each row says for it, float32 ``(n, 9)``."""
        return np.float32(self._config.audio_weight) * self._weights * self._compared(self._liked, rows)

    def _against(self, rows: Rows) -> NDArray[np.float32]:
        """Return what each feature of each row says against it, below 0 where it does so, float32 ``(n, 9)``."""
        if self._pull == 0:
            return np.zeros((len(rows), len(self._weights)), dtype=np.float32)
        return -self._pull * self._weights * self._compared(self._disliked, rows)

    def _compared(self, kind: Sound, rows: Rows) -> NDArray[np.float32]:
        """Return the log of how much likelier each feature is of a kind than in the row's cluster, ``(n, 9)``."""
        tracks = self._catalog.normalized.take(rows, axis=0)
        clusters = self._catalog.cluster[rows]
        usual = self._usual if (clusters == self.cluster).all() else sound_of_clusters(self._catalog, clusters)
        return kind.log_density(tracks) - usual.log_density(tracks)

    def _genre(self, rows: Rows) -> NDArray[np.float32]:
        """Return what genres add to the score of each row, and the cluster, float32 ``(n,)``."""
        own: NDArray[np.float32] = self._membership * (self._catalog.cluster[rows] == self.cluster)
        return own + self._catalog.genre_affinity(rows, self._genres)

    def _artist(self, rows: Rows) -> NDArray[np.float32]:
        """Return what its main artist adds to the score of each row, float32 ``(n,)``."""
        return np.float32(self._config.artist_weight) * self._artists.of(rows)


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


def choices_for(picks: Sequence[tuple[TasteScorer, int]], kind: ReasonKind) -> list[Choice]:
    """Turn rows that were picked for tastes into choices with scores and reasons, in the order given."""
    rows_of: dict[TasteScorer, list[int]] = {}
    for scorer, row in picks:
        rows_of.setdefault(scorer, []).append(row)
    choices = {
        choice.row: choice
        for scorer, rows in rows_of.items()
        for choice in scorer.choices(np.array(rows, dtype=np.int32), kind)
    }
    return [choices[row] for _, row in picks]
