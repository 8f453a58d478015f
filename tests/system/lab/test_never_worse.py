"""Listeners of opposed kinds, told to a real server, trained and served: models must not make any of them lose."""

from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray
from palate.catalog.snapshot import Catalog
from palate_lab.evaluation.harness import evaluate_labels
from palate_lab.evaluation.labelled import LabelledTracks, make_splits
from scipy.special import expit

CLUSTERS: Final = ("brazil", "electronica", "rock", "techno-trance")
NOISE: Final = 0.03
"""About one standard error of the difference of two AUC on the 500 labels held out."""

Vectors: TypeAlias = NDArray[np.float64]
Liking: TypeAlias = Callable[[Vectors, NDArray[np.intp]], Vectors]
"""From normal scores ``(n, 9)`` and the numbers of the tracks' clusters to the log-odds of a like."""

LIKINGS: Final[dict[str, Liking]] = {
    "what is loud and sad": lambda features, _: 1.5 * (features[:, 4] - features[:, 2]),
    "what is usual": lambda features, _: 9.0 - np.square(features).sum(axis=1),
    "some clusters": lambda _, cluster: np.array([2.0, -2.0, 1.0, -1.0])[cluster],
    "what is energetic, of two clusters what is calm": lambda features, cluster: 2 * features[:, 1] * (-1) ** cluster,
    "by chance": lambda features, _: 0 * features[:, 0],
}


def tracks_of(catalog: Catalog, liking: Liking) -> LabelledTracks:
    """Return the tracks of four clusters with a rating on each."""
    numbers = [number for number, cluster in enumerate(catalog.clusters) if cluster.cluster_id in CLUSTERS]
    rows = np.flatnonzero(np.isin(catalog.cluster, numbers))
    cluster = np.array([numbers.index(number) for number in catalog.cluster[rows].tolist()])
    normalized = catalog.normalized[rows].astype(np.float64)
    liked = np.random.default_rng(1).random(len(rows)) < expit(liking(normalized, cluster))
    track_ids = tuple(catalog.track_id(row) for row in rows.tolist())
    return LabelledTracks(track_ids, liked, catalog.features[rows].astype(np.float64), normalized)


@pytest.mark.parametrize("liking", LIKINGS.values(), ids=LIKINGS)
def test_models_serve_no_listener_worse_than_ranking_by_more_than_noise(
    catalog: Catalog, catalog_path: Path, tmp_path: Path, liking: Liking
) -> None:
    """Whatever their likes follow, from sixty labels."""
    tracks = tracks_of(catalog, liking)
    splits = make_splits(tracks.liked, [60], seeds=1)
    [trial] = evaluate_labels(tracks, splits, tmp_path, catalog_path, 1, lambda *_: None)
    assert trial.served > trial.ranking - NOISE
