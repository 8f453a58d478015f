"""Listeners with labels and models in a store, and graphs of all families to publish."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from palate.app.config import Config, load_config
from palate.catalog.snapshot import Catalog
from palate.domain import EventKind
from palate.domain.track import FEATURES
from palate.serving.feedback import Feedback, FeedbackService
from palate.store import open_store
from palate_tools.training.dataset import Labels
from palate_tools.training.resources import Resources, open_resources

__all__ = ["Graph", "make_graphs", "populate", "read_graphs", "store_config", "write_graphs"]

_TASTES: Final = 3
_SEED: Final = 1
_NOISE: Final = 1.5
"""Deviation of what the features do not explain of a verdict, where a feature's deviation is 1."""


@dataclass(frozen=True, slots=True)
class Graph:
    """An exported model without metadata.

    Attributes:
        learner: The learner that fitted it.
        onnx: The serialized graph.
    """

    learner: str
    onnx: bytes


def store_config(catalog_path: Path, data_dir: Path) -> Config:
    """Return the default configuration with that catalog and that folder."""
    data_dir.mkdir(parents=True, exist_ok=True)
    return load_config(None, {"data_dir": data_dir, "catalog.path": catalog_path})


def populate(config: Config, listeners: int, labels: int) -> list[str]:
    """Record so many labels of each of so many listeners, shared among three tastes. Return their user_ids.

    A listener likes the half of the tracks that lies furthest along a direction of their own, with noise, so that
    there is something to learn and something left over.
    """
    random = np.random.default_rng(_SEED)
    user_ids = [f"listener-{number}" for number in range(listeners)]
    with (
        Catalog.open(config.catalog_path) as catalog,
        closing(open_store(config.store_url)) as store,
        closing(FeedbackService(store, catalog)) as service,
    ):
        for user_id in user_ids:
            service.record(_feedback(catalog, user_id, labels, random)).result()
    return user_ids


def make_graphs(resources: Resources, user_id: str) -> list[Graph]:
    """Let every learner fit a model to all labels of a listener, and export it."""
    stored = resources.store.profile(user_id)
    if stored is None:
        raise KeyError(user_id)
    labels = Labels.of(stored[0], resources.catalog, resources.config.max_labels)
    everything, even = np.arange(len(labels)), np.ones(len(labels))
    dataset = labels.dataset(everything, even, resources.background, np.empty((0, len(FEATURES))))
    return [
        Graph(name, loaded.learner.fit(dataset, _SEED).to_onnx(1.0, 0.0)) for name, loaded in resources.learners.items()
    ]


def write_graphs(config: Config, user_id: str, folder: Path) -> None:
    """Keep the graphs of `make_graphs` as files that `read_graphs` reads."""
    folder.mkdir()
    with open_resources(config) as resources:
        for graph in make_graphs(resources, user_id):
            (folder / f"{graph.learner}.onnx").write_bytes(graph.onnx)


def read_graphs(folder: Path) -> Sequence[Graph]:
    """Return the graphs of a folder, by the names of their learners."""
    return [Graph(path.stem, path.read_bytes()) for path in sorted(folder.glob("*.onnx"))]


def _feedback(catalog: Catalog, user_id: str, count: int, random: np.random.Generator) -> list[Feedback]:
    rows = _rows(catalog, count, random)
    direction = random.normal(size=len(FEATURES))
    pleasure = catalog.normalized[rows] @ (direction / np.linalg.norm(direction))
    pleasure += random.normal(scale=_NOISE, size=len(rows))
    liked = pleasure > np.median(pleasure)
    kinds: Mapping[bool, EventKind] = {True: EventKind.LIKE, False: EventKind.DISLIKE}
    return [
        Feedback(user_id, kinds[like], track_id)
        for like, track_id in zip(liked.tolist(), catalog.track_ids(rows), strict=True)
    ]


def _rows(catalog: Catalog, count: int, random: np.random.Generator) -> NDArray[np.int32]:
    """Draw tracks of three clusters, as many of each as can be, in an order drawn by chance."""
    shares = [len(part) for part in np.array_split(np.arange(count), _TASTES)]
    large = [
        number
        for number in range(len(catalog.clusters))
        if number not in catalog.excluded_clusters and catalog.track_counts[number] >= shares[0]
    ]
    chosen = random.permutation(large)[:_TASTES]
    drawn = [
        random.choice(np.flatnonzero(catalog.cluster == number), share, replace=False)
        for number, share in zip(chosen, shares, strict=True)
    ]
    rows: NDArray[np.int32] = random.permutation(np.concatenate(drawn)).astype(np.int32)
    return rows
