"""Playlists as a file has them, looked up in a catalog, and the listeners who are made of several."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from palate.catalog.snapshot import Catalog
from palate.errors import CatalogError
from palate.plugins.strategy import Rows
from palate_tools.catalog.cleaning import plain_track_ids
from palate_tools.catalog.columns import find_column
from palate_tools.catalog.reading import open_source
from palate_tools.catalog.rows import Reading

from palate_lab.comparison.baselines import History

__all__ = ["PlaylistListener", "Playlists", "draw_listeners", "read_playlists"]

_PLAYLIST: Final = ("pid", "playlist_id", "playlist_uri", "playlist", "playlist_name")
_TRACK: Final = ("track_uri", "track_id", "spotify_track_id", "spotify_id", "track", "uri", "id")
_NOTHING: Final = ("", "nan", "<NA>")
_EXAMPLES: Final = 3


@dataclass(frozen=True, slots=True)
class Playlists:
    """Playlists whose tracks a catalog has.

    Attributes:
        rows: By playlist, its tracks as rows of the catalog, int32, distinct, in the order of the file. Playlists
            that are too short are left out.
        counts: What was read and what was left out, in words, with numbers.
    """

    rows: Mapping[str, Rows]
    counts: Mapping[str, str]


def read_playlists(
    path: Path, catalog: Catalog, least: int, playlist_column: str | None = None, track_column: str | None = None
) -> Playlists:
    """Read which playlist has which tracks.

    Args:
        path: A CSV or Parquet file with one track of one playlist in each row. Tracks may be ids or Spotify URIs.
        catalog: Where the tracks are looked up.
        least: How many tracks a playlist must have.
        playlist_column: The column of playlists; found by its name when None.
        track_column: The column of tracks; found by its name when None.

    Raises:
        CatalogError: When the file or a column cannot be used, or no playlist is long enough.
    """
    source = open_source(path)
    named = _column(source.columns, playlist_column, _PLAYLIST, "playlist", path)
    held = _column(source.columns, track_column, _TRACK, "track", path)
    if named == held:
        raise CatalogError(f"{path} cannot have playlists and tracks in one column {held}; name two")
    reading = source.read([named, held], lambda done: None)  # noqa: ARG005 - watches nothing
    if len(reading.rows) == 0:
        raise CatalogError(f"{path} has no rows below its header; it needs one for each track of each playlist")
    names, track_ids = (_texts(reading.columns[column]) for column in (named, held))
    track_ids = plain_track_ids(track_ids)
    lacking = {named: _is_nothing(names), held: _is_nothing(track_ids)}
    counts = {"rows": f"{len(reading.rows) + len(reading.misfits):,}"} | _flaws(reading, lacking)
    complete = ~lacking[named] & ~lacking[held]
    if not complete.any():
        raise CatalogError(f"{path} has no row with both {named} and {held}; name other columns")
    return _looked_up(names.filter(pa.array(complete)), track_ids.filter(pa.array(complete)), catalog, least, counts)


def _column(columns: Sequence[str], name: str | None, guesses: Sequence[str], kind: str, path: Path) -> str:
    names = guesses if name is None else (name,)
    found = next((column for guess in names if (column := find_column(guess, columns)) is not None), None)
    if found is None:
        raise CatalogError(
            f"{path} has no column {' or '.join(names)}; its columns are {', '.join(columns)}. "
            f"Name the one with the {kind} with --{kind}-column"
        )
    return found


def _texts(column: pa.Array) -> pa.StringArray:
    return pc.utf8_trim_whitespace(pc.cast(column, pa.string()).fill_null(""))


def _is_nothing(texts: pa.StringArray) -> NDArray[np.bool_]:
    return np.asarray(pc.is_in(texts, pa.array(_NOTHING)), dtype=np.bool_)


def _flaws(reading: Reading, lacking: Mapping[str, NDArray[np.bool_]]) -> dict[str, str]:
    """Count the rows that cannot be used, and name the first of them."""
    flaws = {f"rows without {column}": reading.rows[mask] for column, mask in lacking.items()}
    flaws["rows with another number of fields"] = np.array([misfit.row for misfit in reading.misfits], dtype=np.int64)
    return {what: _numbered(numbers) for what, numbers in flaws.items() if len(numbers)}


def _numbered(numbers: NDArray[np.int64]) -> str:
    first = ", ".join(map(str, numbers[:_EXAMPLES].tolist()))
    return f"{len(numbers):,} (row {first}{', …' if len(numbers) > _EXAMPLES else ''})"


def _looked_up(
    names: pa.StringArray, track_ids: pa.StringArray, catalog: Catalog, least: int, counts: dict[str, str]
) -> Playlists:
    encoded = names.dictionary_encode()
    playlist = encoded.indices.to_numpy().astype(np.int64)
    distinct = track_ids.dictionary_encode()
    rows = catalog.rows(distinct.dictionary.to_pylist())[distinct.indices.to_numpy()]
    known = rows >= 0
    served = known & ~np.isin(catalog.cluster[rows], list(catalog.excluded_clusters))
    keys = playlist[served] * len(catalog) + rows[served]
    kept = np.sort(np.unique(keys, return_index=True)[1])
    playlist, rows = playlist[served][kept], rows[served][kept]
    sizes = np.bincount(playlist, minlength=len(encoded.dictionary))
    counts |= {
        "playlists": f"{len(sizes):,}",
        "tracks that the catalog lacks": f"{(~known).sum():,}",
        "tracks of kinds that are never recommended": f"{(known & ~served).sum():,}",
        "tracks repeated in their playlist": f"{len(keys) - len(kept):,}",
        f"playlists of fewer than {least} tracks": f"{(sizes < least).sum():,}",
    }
    order = np.argsort(playlist, kind="stable")
    piles = np.split(rows[order], np.cumsum(sizes)[:-1])
    usable = dict(zip(encoded.dictionary.to_pylist(), piles, strict=True))
    usable = {name: pile for name, pile in usable.items() if len(pile) >= least}
    if not usable:
        raise CatalogError(
            "no playlist has enough tracks: "
            + "; ".join(f"{what}: {count}" for what, count in counts.items())
            + ". Name the catalog that has the tracks with --catalog, or a smaller number with --least"
        )
    return Playlists(usable, counts)


@dataclass(frozen=True, slots=True)
class PlaylistListener:
    """One listener: a few playlists, half of each told and half held out.

    Attributes:
        user_id: Names the listener.
        likes: The told tracks of all playlists in mixed order, int32, distinct.
        held: By playlist, the tracks to find, int32, distinct; none of them is told.
    """

    user_id: str
    likes: Rows
    held: Mapping[str, Rows]

    @property
    def relevant(self) -> Rows:
        """All tracks to find, each once."""
        return np.unique(np.concatenate(list(self.held.values())))

    @property
    def history(self) -> History:
        """The likes, and nothing else."""
        return History.of_likes(self.likes)


def draw_listeners(
    playlists: Mapping[str, Rows], per_listener: int, listeners: int, seed: int
) -> list[PlaylistListener]:
    """Draw listeners; the same seed draws the same ones, whatever their number.

    Of a track that is in two of a listener's playlists, told in one and held out in another, only the like counts.

    Args:
        playlists: The tracks of each.
        per_listener: How many playlists a listener is made of.
        listeners: How many listeners to draw.
        seed: Of the draws.

    Raises:
        CatalogError: When there are too few playlists.
    """
    if len(playlists) < per_listener:
        raise CatalogError(
            f"there are {len(playlists)} playlists with enough tracks, too few for listeners of {per_listener}; "
            "name a smaller number with --playlists-per-listener or --least"
        )
    names = sorted(playlists)
    generators = map(np.random.default_rng, np.random.SeedSequence(seed).spawn(listeners))
    return [
        _draw(f"listener-{seed}-{number}", names, playlists, per_listener, generator)
        for number, generator in enumerate(generators)
    ]


def _draw(
    user_id: str, names: list[str], playlists: Mapping[str, Rows], count: int, generator: np.random.Generator
) -> PlaylistListener:
    chosen = [names[position] for position in generator.choice(len(names), count, replace=False)]
    shuffled = {name: generator.permutation(playlists[name]) for name in chosen}
    likes = np.unique(np.concatenate([tracks[: (len(tracks) + 1) // 2] for tracks in shuffled.values()]))
    held = {name: np.setdiff1d(tracks[(len(tracks) + 1) // 2 :], likes) for name, tracks in shuffled.items()}
    return PlaylistListener(user_id, generator.permutation(likes), held)
