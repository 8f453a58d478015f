"""Placing tracks without genres by their features."""

import numpy as np
import pytest
from numpy.typing import NDArray
from palate.catalog.feature_placer import FeaturePlacer


def blobs(*centers: float, size: int = 60) -> NDArray[np.float32]:
    """Return tracks around points on the diagonal of feature space, `size` for each."""
    noise = np.random.default_rng(5).normal(0.0, 0.5, (size * len(centers), 9))
    tracks: NDArray[np.float32] = (noise + np.repeat(centers, size)[:, None]).astype(np.float32)
    return tracks


def test_tracks_go_to_the_cluster_that_they_sound_like() -> None:
    """Well separated clusters are told apart without a fault."""
    labels = ["low"] * 60 + ["high"] * 60
    placer = FeaturePlacer.fit(blobs(-2, 2), labels, ())
    assert labels == placer.place(blobs(-2, 2))


def test_nothing_is_placed_into_an_excluded_cluster() -> None:
    """Even the tracks of an excluded cluster go to another one."""
    placer = FeaturePlacer.fit(blobs(-2, 0, 2), ["low"] * 60 + ["quiet"] * 60 + ["high"] * 60, {"quiet"})
    assert {"low", "high"} == set(placer.place(blobs(-2, 0, 2)))


def test_clusters_that_differ_in_spread_alone_are_told_apart() -> None:
    """Each cluster keeps a covariance of its own."""
    narrow, wide = blobs(0, size=400) * 0.2, blobs(0, size=400) * 3
    placer = FeaturePlacer.fit(np.concatenate([narrow, wide]), ["narrow"] * 400 + ["wide"] * 400, ())
    placed = np.array(placer.place(np.concatenate([narrow, wide])))
    assert (placed[:400] == "narrow").mean() > 0.95
    assert (placed[400:] == "wide").mean() > 0.95


def test_a_cluster_of_one_track_and_equal_tracks_are_no_obstacle() -> None:
    """Covariances stay usable however few and alike the tracks are."""
    tracks = np.zeros((4, 9), dtype=np.float32)
    tracks[3] = 3
    placer = FeaturePlacer.fit(tracks, ["many", "many", "many", "one"], ())
    assert ["many", "many", "many", "one"] == placer.place(tracks)


def test_placing_is_the_same_in_one_go_and_piece_by_piece() -> None:
    """A track's place does not depend on the tracks beside it."""
    placer = FeaturePlacer.fit(blobs(-1, 1), ["low"] * 60 + ["high"] * 60, ())
    tracks = np.random.default_rng(1).normal(size=(70_000, 9)).astype(np.float32)
    assert placer.place(tracks) == placer.place(tracks[:65_000]) + placer.place(tracks[65_000:])


def test_no_tracks_to_place_is_no_error() -> None:
    """An empty array gives an empty list."""
    placer = FeaturePlacer.fit(blobs(-1, 1), ["low"] * 60 + ["high"] * 60, ())
    assert [] == placer.place(np.empty((0, 9), dtype=np.float32))


def test_nothing_to_learn_from_is_refused() -> None:
    """Without a cluster that tracks may be placed into there is no placer."""
    with pytest.raises(ValueError, match="no track is in a cluster"):
        FeaturePlacer.fit(blobs(0), ["quiet"] * 60, {"quiet"})
