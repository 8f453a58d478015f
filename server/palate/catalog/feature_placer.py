"""Placing tracks that carry no genre: by what tracks of each cluster sound like."""

from collections.abc import Collection, Sequence
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["FeaturePlacer"]

_COMMON_TRACKS: Final = 50.0
"""For how many tracks the common covariance counts; the best of 12, 25, 50, 100 and 200 under cross-validation."""

_CHUNK: Final = 65_536


class FeaturePlacer:
    """Places tracks into the genre cluster whose tracks they sound most like.

    Args:
        cluster_ids: The clusters that tracks are placed into.
        weights: float64 ``(55, clusters)``, what each of a track's `_terms` adds to the score of each cluster.
    """

    def __init__(self, cluster_ids: Sequence[str], weights: NDArray[np.float64]) -> None:
        self._cluster_ids = np.array(cluster_ids, dtype=object)
        self._weights = weights

    @classmethod
    def fit(cls, normalized: NDArray[np.float32], clusters: Sequence[str], excluded: Collection[str]) -> Self:
        """Learn what each cluster sounds like.

        A Gaussian for each cluster. Its covariance is what its own tracks say, weighed against what all clusters
        have in common as if that had been seen on 50 tracks more; a cluster is as likely as it has tracks.

        Args:
            normalized: Normal scores, ``(tracks, 9)``; see `palate.domain.features.FeatureMap`.
            clusters: The cluster_id of each track.
            excluded: Clusters that no track is placed into, such as `GenreClusters.excluded`.

        Raises:
            ValueError: When no track is left to learn from.

        Source:
            Friedman, *Regularized discriminant analysis*, Journal of the American Statistical Association, 1989.
        """
        cluster_ids = sorted(set(clusters) - set(excluded))
        if not cluster_ids:
            raise ValueError("no track is in a cluster that tracks may be placed into")
        labels = np.array(clusters, dtype=object)
        members = [normalized[labels == cluster_id].astype(np.float64) for cluster_id in cluster_ids]
        counts = np.array([len(rows) for rows in members], dtype=np.float64)
        means = np.stack([rows.mean(axis=0) for rows in members])
        covariances = _covariances(members, means, counts)
        shares = np.log(counts / counts.sum())
        return cls(cluster_ids, _log_density_weights(shares, means, covariances))

    def place(self, normalized: NDArray[np.float32]) -> list[str]:
        """Return the cluster_id of each of the tracks ``(tracks, 9)``, given as normal scores."""
        placed: list[str] = []
        for start in range(0, len(normalized), _CHUNK):
            rows = normalized[start : start + _CHUNK].astype(np.float64)
            best = np.argmax(_terms(rows) @ self._weights, axis=1)
            placed.extend(self._cluster_ids[best].tolist())
        return placed


def _terms(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what a quadratic function of nine scores is a sum of, ``(tracks, 55)``: products, scores and 1."""
    first, second = np.triu_indices(rows.shape[1])
    return np.concatenate([rows[:, first] * rows[:, second], rows, np.ones((len(rows), 1))], axis=1)


def _log_density_weights(
    shares: NDArray[np.float64], means: NDArray[np.float64], covariances: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the weights of `_terms` that give each cluster's logarithmic density, up to one constant.

    Args:
        shares: Logarithm of each cluster's share of the tracks, ``(clusters,)``.
        means: Mean scores of each cluster, ``(clusters, 9)``.
        covariances: Covariance of each cluster, ``(clusters, 9, 9)``.
    """
    precisions = np.linalg.inv(covariances)
    first, second = np.triu_indices(means.shape[1])
    products = precisions[:, first, second] * np.where(first == second, -0.5, -1.0)
    scores = np.einsum("kij,kj->ki", precisions, means)
    constant = shares - 0.5 * (np.linalg.slogdet(covariances).logabsdet + (scores * means).sum(axis=1))
    return np.concatenate([products, scores, constant[:, None]], axis=1).T


def _covariances(
    members: Sequence[NDArray[np.float64]], means: NDArray[np.float64], counts: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the shrunken covariance of each cluster, ``(clusters, 9, 9)``.

    One imagined track of unit variance keeps the common one from being singular.
    """
    scatters = np.stack([(rows - mean).T @ (rows - mean) for rows, mean in zip(members, means, strict=True)])
    common = (scatters.sum(axis=0) + np.eye(means.shape[1])) / (counts.sum() + 1)
    covariances: NDArray[np.float64] = (scatters + _COMMON_TRACKS * common) / (counts + _COMMON_TRACKS)[:, None, None]
    return covariances
