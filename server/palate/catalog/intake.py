"""What a table of tracks must be to become a catalog."""

from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from palate.domain.track import FEATURE_RANGES, FEATURES
from palate.errors import CatalogError

__all__ = [
    "INPUT_SCHEMA",
    "cast_tracks",
    "check_tracks",
    "cluster_ids",
    "combined",
    "primary_genres",
    "require_tracks",
    "vectors_of",
]

INPUT_SCHEMA: Final = pa.schema(
    {
        "track_id": pa.string(),
        "title": pa.string(),
        "artists": pa.list_(pa.string()),
        "genres": pa.list_(pa.string()),
        "popularity": pa.uint8(),
        "features": pa.list_(pa.float32(), len(FEATURES)),
    }
)
"""The columns that describe tracks on their way in."""

_LONGEST_ID: Final = 128
_MOST_POPULAR: Final = 100


def cast_tracks(path: Path, table: pa.Table) -> pa.Table:
    """Return the columns of `INPUT_SCHEMA`, each in one piece."""
    try:
        tracks = table.select(INPUT_SCHEMA.names).cast(INPUT_SCHEMA).combine_chunks()
    except (KeyError, pa.ArrowException) as error:
        raise CatalogError(f"{path}: the tracks do not have the columns that a catalog needs: {error}") from error
    for name in INPUT_SCHEMA.names:
        nested = name in ("artists", "genres", "features")
        if tracks.column(name).null_count or (nested and pc.list_flatten(tracks.column(name)).null_count):
            raise CatalogError(f"{path}: values of the column {name!r} are missing; fill in or leave out such tracks")
    return tracks


def require_tracks(path: Path, tracks: int) -> None:
    """Raise CatalogError when there are none."""
    if tracks == 0:
        raise CatalogError(f"{path}: a catalog needs at least one track")


def cluster_ids(path: Path, table: pa.Table) -> pa.StringArray:
    """Return the column that names each track's cluster."""
    if "cluster" not in table.column_names:
        raise CatalogError(f"{path}: the tracks need a column 'cluster' that names each one's genre cluster")
    return pc.fill_null(combined(table.column("cluster").cast(pa.string())), "")


def check_tracks(path: Path, tracks: pa.Table, features: NDArray[np.float32]) -> None:
    """Raise CatalogError for the first track that has a missing or impossible value."""
    low, high = np.array(list(FEATURE_RANGES.values()), dtype=np.float32).T
    lengths = pc.binary_length(tracks.column("track_id")).to_numpy()
    rules = {
        f"an id of 1 to {_LONGEST_ID} bytes": (lengths >= 1) & (lengths <= _LONGEST_ID),
        "at least one artist": pc.list_value_length(tracks.column("artists")).to_numpy() >= 1,
        "a popularity of at most 100": tracks.column("popularity").to_numpy() <= _MOST_POPULAR,
        "nine features within their ranges": ((features >= low) & (features <= high)).all(axis=1),
    }
    for rule, holds in rules.items():
        if not holds.all():
            track_id = tracks.column("track_id")[int(np.argmin(holds))].as_py()
            raise CatalogError(f"{path}: track {track_id!r} needs {rule}; correct or leave out such tracks")


def combined(column: pa.ChunkedArray) -> pa.Array:
    """Return a column in one piece."""
    return column.combine_chunks()


def vectors_of(column: pa.ChunkedArray) -> NDArray[np.float32]:
    """Return a column of vectors as float32 ``(n, 9)``."""
    vectors: NDArray[np.float32] = combined(column).flatten().to_numpy().reshape(-1, len(FEATURES))
    return vectors


def primary_genres(column: pa.ChunkedArray) -> pa.StringArray:
    """Return the first genre of each track, empty where it has none."""
    lists = combined(column)
    lengths = pc.list_value_length(lists).to_numpy()
    first = pa.array(np.cumsum(lengths) - lengths, mask=lengths == 0)
    return pc.fill_null(lists.flatten().take(first), "")
