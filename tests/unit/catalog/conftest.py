"""Tracks made up for the tests of the snapshot."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from palate.catalog.intake import INPUT_SCHEMA
from palate.catalog.snapshot import Catalog
from palate.catalog.writer import write_catalog
from palate.domain.track import FEATURES, GenreCluster

MakeTracks = Callable[..., pa.Table]

_GENRES = {"rock": ["indie", "punk"], "jazz": ["bebop", "swing"], "sleep": ["sleep"]}


@pytest.fixture(scope="session")
def clusters() -> list[GenreCluster]:
    """Return four clusters, one of them excluded and one of them never used."""
    names = {"rock": False, "jazz": False, "sleep": True, "unused": False}
    return [GenreCluster(name, name.capitalize(), excluded) for name, excluded in names.items()]


@pytest.fixture(scope="session")
def make_tracks() -> MakeTracks:
    """Return a function that makes tracks; columns given by name replace the made-up ones."""

    def make(count: int, seed: int = 5, **columns: object) -> pa.Table:
        random = np.random.default_rng(seed)
        cluster = random.choice(list(_GENRES), size=count)
        features = random.random((count, len(FEATURES)), dtype=np.float32)
        made = {
            "track_id": [f"track-{number:06}" for number in range(count)],
            "title": [f"Song number {number}" for number in range(count)],
            "artists": [[f"Artist {number}"] for number in random.integers(count // 2 + 1, size=count)],
            "genres": [
                list(random.permutation(_GENRES[name]))[: 1 + number % 2] for number, name in enumerate(cluster)
            ],
            "popularity": random.integers(101, size=count),
            "features": list(features),
            "cluster": list(cluster),
        }
        schema = INPUT_SCHEMA.append(pa.field("cluster", pa.string()))
        return pa.table(made | columns, schema=schema)

    return make


@pytest.fixture(scope="session")
def tracks(make_tracks: MakeTracks) -> pa.Table:
    """Return 3,000 tracks."""
    return make_tracks(3_000)


@pytest.fixture(scope="session")
def snapshot_path(tmp_path_factory: pytest.TempPathFactory, tracks: pa.Table, clusters: list[GenreCluster]) -> Path:
    """Return those tracks as a snapshot file."""
    path = tmp_path_factory.mktemp("snapshot") / "catalog.arrow"
    write_catalog(path, tracks, clusters, source="made up")
    return path


@pytest.fixture(scope="session")
def snapshot(snapshot_path: Path) -> Iterator[Catalog]:
    """Return that file, opened."""
    with Catalog.open(snapshot_path) as opened:
        yield opened
