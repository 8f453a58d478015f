"""Genre clusters: which genres sound alike, and which cluster a name or a track belongs to."""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

from palate.catalog.feature_placer import FeaturePlacer
from palate.catalog.genre_file import ClusterFile, read_cluster_file
from palate.catalog.genre_rules import WordRules, fold_genre

__all__ = ["FeaturePlacer", "GenreClusters"]


class GenreClusters:
    """All genre clusters, and the rules by which names and tracks find theirs.

    Args:
        content: What a cluster file says.

    Attributes:
        clusters: Sorted by cluster_id.
        excluded: Ids of the clusters that are never recommended nor learned.
    """

    def __init__(self, content: ClusterFile) -> None:
        self.clusters = tuple(sorted(content.clusters, key=lambda cluster: cluster.cluster_id))
        self.excluded = frozenset(cluster.cluster_id for cluster in self.clusters if cluster.excluded)
        self._names = content.names
        self._rules = WordRules(content.patterns)
        self._placed: dict[str, str | None] = {}

    @classmethod
    def load(cls, path: Path | None = None) -> Self:
        """Read a cluster file; without a path the one that palate carries.

        Raises:
            CatalogError: When the file cannot be read or used; names the file, the key and what to write instead.
        """
        return cls(read_cluster_file(path))

    def place_genre(self, name: str) -> str | None:
        """Return the cluster_id of a genre name, or None when neither the name nor its words are known.

        Case, accents, hyphens and apostrophes do not matter. A name that the file lists goes where it says; of
        any other name the strongest word decides, the last one among equals.
        """
        if name not in self._placed:
            folded = fold_genre(name)
            self._placed[name] = self._names.get(folded) or self._rules.place(folded)
        return self._placed[name]

    def place(self, genres: Sequence[str]) -> str | None:
        """Return the cluster_id of a track with these genres, or None when none of them can be placed.

        The cluster of most genres wins, and of equals the one named first. Excluded clusters win only when
        more than half of the placed genres are in them.
        """
        placed = [cluster_id for genre in genres if (cluster_id := self.place_genre(genre)) is not None]
        kept = [cluster_id for cluster_id in placed if cluster_id not in self.excluded]
        if 2 * len(kept) < len(placed):
            kept = [cluster_id for cluster_id in placed if cluster_id in self.excluded]
        return max(kept, key=kept.count, default=None)
