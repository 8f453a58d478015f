"""Files of tracks to import, and the command that does it."""

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from palate.catalog.snapshot import Catalog
from palate.domain.track import Track
from palate_tools.cli import main

Row = Mapping[str, Any]
WriteTracks = Callable[..., Path]
Build = Callable[..., Result]
Built = Callable[[], list[Track]]

_TRACK: Row = {
    "track_id": "id",
    "artists": "An Artist",
    "track_name": "A Title",
    "popularity": 50,
    "danceability": 0.5,
    "energy": 0.6,
    "valence": 0.7,
    "tempo": 120.5,
    "loudness": -7.5,
    "acousticness": 0.1,
    "instrumentalness": 0.0,
    "liveness": 0.2,
    "speechiness": 0.05,
    "track_genre": "rock",
}


@pytest.fixture
def track_row() -> Callable[..., dict[str, Any]]:
    """Return a function that makes a row of a good track from its number, with some of the values replaced."""

    def make(number: int = 0, **values: Any) -> dict[str, Any]:
        named = {"track_id": f"id{number}", "track_name": f"Title {number}", "artists": f"Artist {number}"}
        return {**_TRACK, **named, **values}

    return make


@pytest.fixture
def write_tracks(tmp_path: Path) -> WriteTracks:
    """Return a function that writes rows as a CSV file and returns its path."""

    def write(
        rows: Sequence[Row], *, name: str = "tracks.csv", encoding: str = "utf-8", drop: Iterable[str] = (), **how: Any
    ) -> Path:
        columns = [column for column in rows[0] if column not in set(drop)]
        path = tmp_path / name
        with path.open("w", encoding=encoding, newline="") as file:
            writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n", **how)
            writer.writeheader()
            writer.writerows(rows)
        return path

    return write


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Return where the catalog goes."""
    return tmp_path / "out.catalog"


@pytest.fixture
def build(out: Path) -> Build:
    """Return a function that runs `palate catalog build` on files and options."""

    def run(*arguments: Any) -> Result:
        return CliRunner().invoke(main, ["catalog", "build", *map(str, arguments), "--out", str(out)])

    return run


@pytest.fixture
def built(out: Path) -> Built:
    """Return a function that reads all tracks of the catalog that was built, sorted by title."""

    def read() -> list[Track]:
        with Catalog.open(out) as catalog:
            return sorted((catalog.track(row) for row in range(len(catalog))), key=lambda track: track.title)

    return read
