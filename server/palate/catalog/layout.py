"""What stands where in a snapshot file.

A snapshot is one Arrow IPC file with one uncompressed record batch, so that any Arrow tool reads it and palate
maps it into memory without copying a byte. Rows are tracks. They are sorted by genre cluster, then by the group
that they were written in (their primary genre), then so that neighbours sound alike; blocks of at most 64
neighbours are what candidates are taken from.

Arrays that do not have one entry for each track are laid one after another into the first row of the binary
column ``index``, whose other rows are empty; the header says where each of them begins, and of which dtype and
shape it is. One column holds them all because every further variable-length column would cost four bytes a track.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

import pyarrow as pa

from palate.domain.features import FeatureMap
from palate.domain.track import FEATURES, GenreCluster

__all__ = ["FORMAT", "HEADER_KEY", "SCHEMA", "ArrayPlace", "SnapshotHeader"]

FORMAT: Final = 1
"""Version of the layout; a file of another one is refused."""

HEADER_KEY: Final = b"palate"
"""The key of the header in the schema's metadata."""

_NAMES: Final = pa.list_(pa.dictionary(pa.int32(), pa.string()))
_VECTOR: Final = pa.list_(pa.float32(), len(FEATURES))

SCHEMA: Final = pa.schema(
    {
        "track_id": pa.string(),
        "title": pa.string(),
        "artists": _NAMES,
        "genres": _NAMES,
        "popularity": pa.uint8(),
        "features": _VECTOR,
        "normalized": _VECTOR,
        "cluster": pa.dictionary(pa.uint8(), pa.string()),
        "main_artist": pa.int32(),
        "id_hash": pa.uint32(),
        "id_row": pa.int32(),
        "title_hash": pa.uint32(),
        "title_row": pa.int32(),
        "index": pa.binary(),
    }
)
"""The columns. ``id_hash`` is ascending and ``id_row`` is the track that each hash belongs to; so with titles."""


_OCCASIONAL: Final = frozenset({"children"})
"""Occasional clusters in files whose clusters do not say whether they are."""


@dataclass(frozen=True, slots=True)
class ArrayPlace:
    """Where an array stands in the column ``index``.

    Attributes:
        offset: First byte, a multiple of eight.
        dtype: As numpy writes it, such as ``"<i4"``.
        shape: Its shape.
    """

    offset: int
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SnapshotHeader:
    """What a snapshot says of itself, kept as JSON in the schema's metadata.

    Attributes:
        version: Sixteen hexadecimal digits that depend on the content alone.
        palate: The version of palate that wrote the file.
        source: Where the tracks come from, for people.
        clusters: All genre clusters, sorted by cluster_id.
        feature_map: The scale of the column ``normalized``.
        arrays: The arrays in the column ``index``.
    """

    version: str
    palate: str
    source: str
    clusters: tuple[GenreCluster, ...]
    feature_map: FeatureMap
    arrays: Mapping[str, ArrayPlace]

    def to_json(self) -> bytes:
        """Return the header as JSON, with the version of the layout."""
        document = {
            "format": FORMAT,
            "version": self.version,
            "palate": self.palate,
            "source": self.source,
            "clusters": [asdict(cluster) for cluster in self.clusters],
            "feature_map": base64.b64encode(self.feature_map.to_bytes()).decode(),
            "arrays": {name: asdict(place) for name, place in self.arrays.items()},
        }
        return json.dumps(document, ensure_ascii=False).encode()

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """Read what `to_json` wrote in this layout. ValueError, KeyError or TypeError for anything else."""
        document = json.loads(data)
        if document["format"] != FORMAT:
            raise ValueError(f"it has format {document['format']}, and this palate reads format {FORMAT}")
        return cls(
            version=document["version"],
            palate=document["palate"],
            source=document["source"],
            clusters=tuple(_cluster(cluster) for cluster in document["clusters"]),
            feature_map=FeatureMap.from_bytes(base64.b64decode(document["feature_map"])),
            arrays={
                name: ArrayPlace(place["offset"], place["dtype"], tuple(place["shape"]))
                for name, place in document["arrays"].items()
            },
        )


def _cluster(fields: Mapping[str, Any]) -> GenreCluster:
    """Read a cluster; of one that was written without saying so, its id tells whether it is occasional."""
    return GenreCluster(**{"occasional": fields["cluster_id"] in _OCCASIONAL, **fields})
