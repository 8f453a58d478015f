"""Candidates: what is near a direction, what is popular, and genres in numbers."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from palate.catalog.index import BLOCK, coherent_order, unit_vectors
from palate.catalog.snapshot import Catalog
from palate.catalog.writer import write_catalog
from palate.domain.track import GenreCluster

MakeTracks = Callable[..., pa.Table]


@pytest.fixture
def directions() -> NDArray[np.float32]:
    """Return twenty directions of any length."""
    return np.random.default_rng(3).normal(0, 2, (20, 9)).astype(np.float32)


def _scores(
    catalog: Catalog, rows: NDArray[np.int32], direction: NDArray[np.float32], weights: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Score tracks as candidates promise: cosine and affinity."""
    cosine: NDArray[np.float32] = unit_vectors(catalog.normalized[rows]) @ unit_vectors(direction)
    return cosine + catalog.genre_affinity(rows, weights)


def test_candidates_are_distinct_tracks_of_the_cluster_and_enough(
    snapshot: Catalog, directions: NDArray[np.float32]
) -> None:
    """However many are asked for, so many come while the cluster has them, and at most a block more."""
    weights = snapshot.genre_weights({"bebop": 1.0})
    for cluster, held in enumerate(snapshot.track_counts):
        for limit in (1, 300, held, held + 1_000):
            rows = snapshot.nearest(cluster, directions[0], weights, limit)
            assert min(limit, held) <= len(rows) <= min(limit + BLOCK, held)
            assert len(rows) == len(np.unique(rows))
            assert (snapshot.cluster[rows] == cluster).all()


def test_candidates_hold_most_of_the_best_tracks(snapshot: Catalog, directions: NDArray[np.float32]) -> None:
    """A fifth of a cluster holds far more of its best tracks than a fifth of them."""
    cluster = snapshot.cluster_number("rock")
    assert cluster is not None
    own = np.flatnonzero(snapshot.cluster == cluster).astype(np.int32)
    weights = snapshot.genre_weights({"punk": 0.3})
    shares = []
    for direction in directions:
        best = own[np.argsort(-_scores(snapshot, own, direction, weights))[:50]]
        shares.append(np.isin(best, snapshot.nearest(cluster, direction, weights, len(own) // 5)).mean())
    assert np.mean(shares) > 0.6


def test_affinity_leads_to_the_genre(snapshot: Catalog, directions: NDArray[np.float32]) -> None:
    """A genre that outweighs the cosine fills the candidates."""
    cluster = snapshot.cluster_number("jazz")
    assert cluster is not None
    for genre in ("bebop", "swing"):
        rows = snapshot.nearest(cluster, directions[1], snapshot.genre_weights({genre: 10.0}), 200)
        assert all(genre in snapshot.genre_names(row) for row in rows.tolist())


def test_genre_affinity_is_the_mean_weight_of_a_tracks_genres(snapshot: Catalog) -> None:
    """Unknown genres are left out, and a track's genres count in equal parts."""
    distribution = {"bebop": 0.6, "punk": 0.3, "polka": 0.1}
    rows = np.random.default_rng(1).integers(len(snapshot), size=200).astype(np.int32)
    expected = [np.mean([distribution.get(genre, 0.0) for genre in snapshot.genre_names(row)]) for row in rows.tolist()]
    actual = snapshot.genre_affinity(rows, snapshot.genre_weights(distribution))
    np.testing.assert_allclose(expected, actual, rtol=1e-6)
    assert 0 == len(snapshot.genre_affinity(rows[:0], snapshot.genre_weights(distribution)))


def test_a_track_without_genres_has_no_affinity(
    tmp_path: Path, make_tracks: MakeTracks, clusters: list[GenreCluster]
) -> None:
    """Tracks with and without genres stand side by side, each with its own."""
    genres = [[], ["bebop"], [], ["bebop", "swing"]]
    write_catalog(
        tmp_path / "catalog.arrow", make_tracks(4, genres=genres, cluster=["jazz"] * 4), clusters, source="made up"
    )
    with Catalog.open(tmp_path / "catalog.arrow") as catalog:
        rows = np.arange(4, dtype=np.int32)
        affinity = catalog.genre_affinity(rows, catalog.genre_weights({"bebop": 1.0}))
        named = {catalog.track_id(row): affinity[row] for row in range(4)}
    assert {f"track-{n:06}": share for n, share in enumerate([0.0, 1.0, 0.0, 0.5])} == named


def test_popular_tracks_are_the_most_popular_of_their_artists(snapshot: Catalog) -> None:
    """Each artist of a cluster is there with the most popular track, most popular first."""
    for cluster in range(4):
        own = np.flatnonzero(snapshot.cluster == cluster)
        best: dict[int, int] = {}
        for row in own.tolist():
            artist, popularity = int(snapshot.main_artist[row]), int(snapshot.popularity[row])
            best[artist] = max(best.get(artist, 0), popularity)
        rows = snapshot.popular(cluster)
        assert sorted(best.values(), reverse=True)[:1024] == snapshot.popularity[rows].tolist()
        assert len(rows) == len(np.unique(snapshot.main_artist[rows]))
        assert set(rows.tolist()) <= set(own.tolist())


def test_popularity_quantiles_are_those_of_the_cluster(snapshot: Catalog) -> None:
    """Each percent is numpy's percentile of the cluster's popularity; an empty cluster has zeros."""
    own = snapshot.popularity[snapshot.cluster == 1]
    for share in (0.0, 0.25, 0.5, 0.99, 1.0):
        assert np.float32(np.percentile(own, 100 * share)) == snapshot.popularity_quantile(1, share)
    assert 0.0 == snapshot.popularity_quantile(3, 0.5)


def test_coherent_order_makes_blocks_compact() -> None:
    """The order is a permutation, and its blocks are much tighter than chance would make them."""
    vectors = np.random.default_rng(2).normal(size=(5_003, 9)).astype(np.float32)
    order = coherent_order(vectors)
    assert list(range(5_003)) == sorted(order.tolist())

    def spread(values: NDArray[np.float32]) -> float:
        blocks = np.split(values, range(BLOCK, len(values), BLOCK))
        return float(np.mean([np.var(block, axis=0).sum() for block in blocks]))

    assert spread(vectors[order]) < 0.75 * spread(vectors)


def test_coherent_order_leaves_equal_vectors_alone() -> None:
    """Vectors that cannot be told apart keep their order."""
    assert list(range(3_000)) == coherent_order(np.ones((3_000, 9), dtype=np.float32)).tolist()


def test_a_direction_of_zeros_ranks_by_genre_alone(snapshot: Catalog) -> None:
    """No direction is no error."""
    rows = snapshot.nearest(0, np.zeros(9, dtype=np.float32), snapshot.genre_weights({"swing": 1.0}), 100)
    assert all("swing" in snapshot.genre_names(row) for row in rows.tolist())
