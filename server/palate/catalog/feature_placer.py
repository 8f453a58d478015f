"""Placing tracks that carry no genre: by what tracks of each cluster sound like."""

from collections.abc import Collection, Sequence
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["FeaturePlacer"]

_SHRINKAGE: Final = 0.5
_CHUNK: Final = 65_536


class FeaturePlacer:
    """Places tracks into the genre cluster whose tracks they sound most like.

    Args:
        cluster_ids: The clusters that tracks are placed into.
        means: float64 ``(clusters, 9)``, mean normal scores of each cluster.
        whiteners: float64 ``(clusters, 9, 9)``; a cluster's matrix makes its scores uncorrelated with unit variance.
        offsets: float64 ``(clusters,)``, what is added to the log-likelihood of each cluster.
    """

    def __init__(
        self,
        cluster_ids: Sequence[str],
        means: NDArray[np.float64],
        whiteners: NDArray[np.float64],
        offsets: NDArray[np.float64],
    ) -> None:
        self._cluster_ids = np.array(cluster_ids, dtype=object)
        self._means = means
        self._whiteners = whiteners
        self._offsets = offsets

    @classmethod
    def fit(cls, normalized: NDArray[np.float32], clusters: Sequence[str], excluded: Collection[str]) -> Self:
        """Learn what each cluster sounds like.

        A Gaussian for each cluster; its covariance is drawn half-way towards the one that all clusters share.
        All clusters count as equally likely, so that a small one is found as well as a large one.

        Args:
            normalized: Normal scores, ``(tracks, 9)``; see `palate.catalog.features.FeatureMap`.
            clusters: The cluster_id of each track.
            excluded: Clusters that no track is placed into, such as `GenreClusters.excluded`.

        Raises:
            ValueError: When no track is left to learn from.

        Source:
            Friedman, *Regularized discriminant analysis*, Journal of the American Statistical Association, 1989.
        """
        labels = np.array(clusters, dtype=object)
        cluster_ids = sorted(set(clusters) - set(excluded))
        if not cluster_ids:
            raise ValueError("no track is in a cluster that tracks may be placed into")
        members = [normalized[labels == cluster_id].astype(np.float64) for cluster_id in cluster_ids]
        means = np.stack([rows.mean(axis=0) for rows in members])
        scatters = np.stack([(rows - mean).T @ (rows - mean) for rows, mean in zip(members, means, strict=True)])
        counts = np.array([len(rows) for rows in members], dtype=np.float64)
        pooled = (scatters.sum(axis=0) + np.eye(normalized.shape[1])) / (counts.sum() + 1)
        own = scatters / counts[:, None, None]
        covariances = (1 - _SHRINKAGE) * own + _SHRINKAGE * pooled
        whiteners = np.linalg.inv(np.linalg.cholesky(covariances))
        offsets = np.log(np.abs(np.diagonal(whiteners, axis1=1, axis2=2))).sum(axis=1)
        return cls(cluster_ids, means, whiteners, offsets)

    def place(self, normalized: NDArray[np.float32]) -> list[str]:
        """Return the cluster_id of each of the tracks ``(tracks, 9)``, given as normal scores."""
        placed: list[str] = []
        for start in range(0, len(normalized), _CHUNK):
            rows = normalized[start : start + _CHUNK].astype(np.float64)
            best = np.stack([self._likelihood(rows, number) for number in range(len(self._cluster_ids))]).argmax(axis=0)
            placed.extend(self._cluster_ids[best].tolist())
        return placed

    def _likelihood(self, rows: NDArray[np.float64], number: int) -> NDArray[np.float64]:
        """Return the log-likelihood of tracks under one cluster, up to a constant, ``(tracks,)``."""
        whitened = (rows - self._means[number]) @ self._whiteners[number].T
        return self._offsets[number] - 0.5 * np.square(whitened).sum(axis=1)
