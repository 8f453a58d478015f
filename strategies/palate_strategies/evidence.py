"""What rated tracks say of others: log-likelihood ratios of a taste against the cluster that a track is from.

Each part asks how much likelier a track is among what is liked than among its cluster's tracks. They add up as if
sound, genres and artists were independent of one another: a naive Bayes classifier, of which each part stays readable.

Source:
    Manning, Raghavan and Schütze, *Introduction to Information Retrieval*, chapter 13.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from palate.domain.confidence import DISLIKE_WEIGHT
from palate.domain.profile import Tally, Taste
from palate.plugins.strategy import CatalogIndex, Rows

__all__ = ["ArtistEvidence", "Sound", "genre_evidence", "sound_of_clusters", "sound_of_tally"]

_MEAN_PRIOR: Final = 2.0
"""How many tracks at the cluster's mean stand beside the rated ones."""

_VARIANCE_PRIOR: Final = 16.0
"""How many tracks with the cluster's variance stand beside the rated ones."""

_GENRE_PRIOR: Final = 2.0
"""How many genres, spread like those of the cluster, stand beside those of the rated tracks."""


@dataclass(frozen=True, slots=True)
class Sound:
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

    def towards(self, usual: "Sound") -> NDArray[np.float32]:
        """Return the direction in which tracks get likelier of this kind than of the usual one, float32 ``(9,)``."""
        direction: NDArray[np.float32] = self.mean / self.variance - usual.mean / usual.variance
        return direction


def sound_of_clusters(catalog: CatalogIndex, clusters: NDArray[np.uint8] | int) -> Sound:
    """Return how the tracks of a cluster sound, or of the cluster of each of several tracks."""
    return Sound(catalog.cluster_mean[clusters], catalog.cluster_variance[clusters])


def sound_of_tally(tally: Tally, rows: Rows, catalog: CatalogIndex, cluster: Sound) -> Sound:
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
    return Sound(middle.astype(np.float32), variance.astype(np.float32))


def genre_evidence(taste: Taste, catalog: CatalogIndex, cluster: int) -> NDArray[np.float32]:
    """Return the log-ratio of each genre's share in a taste to its share in the cluster, float32 ``(genres,)``.

    A genre counts as often as liked tracks have it, less half as often as disliked ones do, and never less than 0.
    """
    disliked = taste.disliked.genres
    counts = {
        genre: max(0.0, likes - DISLIKE_WEIGHT * disliked.get(genre, 0)) for genre, likes in taste.liked.genres.items()
    }
    counted = catalog.genre_weights(counts)
    usual = _GENRE_PRIOR * catalog.genre_share(cluster)
    evidence: NDArray[np.float32] = np.log((counted + usual) / (usual * (counted.sum() / _GENRE_PRIOR + 1)))
    return evidence


class ArtistEvidence:
    """How often the main artist of a track is among the rated ones.

    Args:
        liked: Rows of likes.
        disliked: Rows of dislikes.
        catalog: The catalog.
    """

    def __init__(self, liked: Rows, disliked: Rows, catalog: CatalogIndex) -> None:
        self._catalog = catalog
        self._main_artist = catalog.main_artist
        artists = [self._main_artist[rows] for rows in (liked, disliked)]
        self._artists, _ = np.unique(np.concatenate(artists), return_counts=True)  # quick on few numbers if counted
        counts = [np.bincount(self._artists.searchsorted(side), minlength=len(self._artists)) for side in artists]
        self._evidence = (np.log1p(counts[0]) - np.log1p(counts[1])).astype(np.float32)

    def liked_rows(self, cluster: int) -> Rows:
        """Return the tracks of a cluster whose artist is liked more often than disliked, int32 ``(n,)``."""
        rows = self._catalog.by_artists(self._artists[self._evidence > 0])
        own: Rows = rows[self._catalog.cluster[rows] == cluster]
        return own

    def of(self, rows: Rows) -> NDArray[np.float32]:
        """Return ``log(1 + likes) - log(1 + dislikes)`` of each row's artist, float32 ``(n,)``."""
        if len(self._artists) == 0:
            return np.zeros(len(rows), dtype=np.float32)
        artists = self._main_artist[rows]
        place = np.minimum(self._artists.searchsorted(artists), len(self._artists) - 1)
        evidence: NDArray[np.float32] = self._evidence[place] * (self._artists[place] == artists)
        return evidence
