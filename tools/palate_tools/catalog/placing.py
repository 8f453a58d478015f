"""Placing tracks into genre clusters, by their genres where these say it and by their features where not."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from palate.catalog.genres import FeaturePlacer, GenreClusters
from palate.domain.features import FeatureMap
from palate.domain.track import FEATURES
from palate.errors import CatalogError

__all__ = ["Labelled", "Placement", "features_of", "place_by_genre", "place_tracks"]

_ENOUGH_TRACKS: Final = 200
_ENOUGH_CLUSTERS: Final = 5
_SEPARATOR: Final = "\x1f"


@dataclass(frozen=True, slots=True)
class Labelled:
    """Tracks whose cluster is known by their genres.

    Attributes:
        features: float32 ``(n, 9)``, in the units of the source.
        cluster_ids: The cluster of each.
    """

    features: NDArray[np.float32]
    cluster_ids: list[str]

    def is_enough(self) -> bool:
        """Return whether other tracks can be placed after these."""
        return len(self.cluster_ids) >= _ENOUGH_TRACKS and len(set(self.cluster_ids)) >= _ENOUGH_CLUSTERS


@dataclass(frozen=True, slots=True)
class Placement:
    """The cluster of each track, and how it was found.

    Attributes:
        cluster_ids: One for each track.
        by_genre: How many tracks were placed by their genres.
        by_features: How many by their features.
        excluded: How many are in clusters that are never recommended.
        unplaced_genres: Genres that no cluster takes, with how many of the tracks placed by features name them.
        reference: After what tracks the features were judged.
    """

    cluster_ids: list[str]
    by_genre: int
    by_features: int
    excluded: int
    unplaced_genres: Counter[str]
    reference: str


def place_tracks(tracks: pa.Table, clusters: GenreClusters, bundled: Callable[[], Labelled]) -> Placement:
    """Place every track.

    Args:
        tracks: With ``genres`` and the nine features.
        clusters: Where genres belong.
        bundled: Brings the bundled catalog's tracks, after which tracks without a genre are placed when the
            tracks themselves have too few genres: less than 200 tracks or five clusters.

    Raises:
        CatalogError: Tracks without a genre cannot be placed, because every cluster with tracks is excluded.
    """
    placed = place_by_genre(tracks, clusters)
    known = np.array([cluster_id is not None for cluster_id in placed], dtype=bool)
    features = features_of(tracks)
    own = Labelled(features[known], [cluster_id for cluster_id in placed if cluster_id is not None])
    reference = "these tracks"
    unknown = np.flatnonzero(~known)
    if len(unknown):
        labelled = own
        if not own.is_enough():
            labelled, reference = bundled(), "the bundled catalog"
        found = _by_features(features[unknown], labelled, clusters)
        for place, cluster_id in zip(unknown.tolist(), found, strict=True):
            placed[place] = cluster_id
    cluster_ids = [cluster_id for cluster_id in placed if cluster_id is not None]
    return Placement(
        cluster_ids,
        by_genre=int(known.sum()),
        by_features=len(unknown),
        excluded=sum(cluster_id in clusters.excluded for cluster_id in cluster_ids),
        unplaced_genres=_count_genres(tracks.filter(pa.array(~known))),
        reference=reference,
    )


def place_by_genre(tracks: pa.Table, clusters: GenreClusters) -> list[str | None]:
    """Return the cluster of each track's genres, or None where none of them can be placed."""
    joined = pc.binary_join(tracks["genres"], _SEPARATOR).combine_chunks()
    encoded = joined.dictionary_encode()
    places = [clusters.place(genres.split(_SEPARATOR)) if genres else None for genres in encoded.dictionary.to_pylist()]
    return [places[code] for code in encoded.indices.to_pylist()]


def features_of(tracks: pa.Table) -> NDArray[np.float32]:
    """Return the nine features of each track, float32 ``(n, 9)``."""
    return np.stack([np.asarray(tracks[name], dtype=np.float32) for name in FEATURES], axis=1)


def _by_features(features: NDArray[np.float32], labelled: Labelled, clusters: GenreClusters) -> list[str]:
    scale = FeatureMap.fit(labelled.features)
    try:
        placer = FeaturePlacer.fit(scale.normalize(labelled.features), labelled.cluster_ids, clusters.excluded)
    except ValueError as exc:
        raise CatalogError(f"tracks without a genre cannot be placed: {exc}; fix the cluster file") from exc
    return placer.place(scale.normalize(features))


def _count_genres(tracks: pa.Table) -> Counter[str]:
    counts = pc.value_counts(pc.list_flatten(tracks["genres"].combine_chunks()))
    return Counter({item["values"]: item["counts"] for item in counts.to_pylist()})
