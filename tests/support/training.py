"""Listeners on the bundled catalog whose likes follow a direction or the clusters, and what trains them."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from palate.app.config import Config, load_config
from palate.catalog.snapshot import Catalog
from palate.domain import EventKind
from palate.serving.feedback import Feedback, FeedbackService
from palate.store import open_store
from palate.store.contract import Store
from palate_tools.training.resources import Resources, open_resources

Tell = Callable[..., None]
OpenResources = Callable[..., Resources]


@pytest.fixture
def config(tmp_path: Path, catalog_path: Path) -> Config:
    """Return a configuration with an empty store, whose trainer knows logistic regression alone."""
    keys = {"data_dir": tmp_path, "catalog.path": catalog_path}
    quick = {"training.allow": ["logistic"], "training.folds": 3, "training.repeats": 1}
    return load_config(None, keys | quick)


@pytest.fixture
def store(config: Config) -> Iterator[Store]:
    """Return that store, opened."""
    with closing(open_store(config.store_url)) as opened:
        yield opened


@pytest.fixture
def tell(store: Store, catalog: Catalog) -> Iterator[Tell]:
    """Return a function that records a listener's ratings of some tracks of the given clusters.

    They like the energetic ones, of the `contrary` clusters the others; `chance` is the share of ratings that say the
    opposite. With `liking`, which gives each cluster the share of its tracks that they like, nothing else counts.
    """
    rated: set[tuple[str, int]] = set()
    with closing(FeedbackService(store, catalog)) as service:

        def record(
            user_id: str,
            count: int,
            *,
            clusters: tuple[str, ...] = (),
            contrary: tuple[str, ...] = (),
            chance: float = 0.1,
            liking: Mapping[str, float] | None = None,
        ) -> None:
            generator = np.random.default_rng(1)
            named = clusters or tuple(liking or ("electronica", "techno-trance"))
            drawn = generator.permutation(np.flatnonzero(_of(catalog, named + contrary))).tolist()
            rows = np.array([row for row in drawn if (user_id, row) not in rated][:count])
            rated.update((user_id, row) for row in rows.tolist())
            turned = _of(catalog, contrary)[rows]
            energy = catalog.normalized[rows, 1]
            middle = np.where(turned, np.median(energy[turned]) if turned.any() else 0, np.median(energy[~turned]))
            liked = ((energy > middle) ^ turned) ^ (generator.random(len(rows)) < chance)
            if liking is not None:
                shares = [liking[catalog.clusters[number].cluster_id] for number in catalog.cluster[rows].tolist()]
                liked = generator.random(len(rows)) < np.array(shares)
            kinds = [EventKind.LIKE if like else EventKind.DISLIKE for like in liked.tolist()]
            feedback = [
                Feedback(user_id, kind, catalog.track_id(row)) for kind, row in zip(kinds, rows.tolist(), strict=True)
            ]
            service.record(feedback).result()

        yield record


@pytest.fixture
def resources(config: Config, store: Store) -> Iterator[OpenResources]:  # noqa: ARG001 - makes the database
    """Return a function that opens what training works with, with some fields of the training table changed."""
    with ExitStack() as stack:

        def enter(**fields: Any) -> Resources:
            training = config.training.model_copy(update=fields)
            return stack.enter_context(open_resources(config.model_copy(update={"training": training})))

        yield enter


def _of(catalog: Catalog, clusters: tuple[str, ...]) -> NDArray[np.bool_]:
    """Return which tracks belong to some clusters."""
    numbers = [number for number, cluster in enumerate(catalog.clusters) if cluster.cluster_id in clusters]
    belongs: NDArray[np.bool_] = np.isin(catalog.cluster, numbers)
    return belongs
