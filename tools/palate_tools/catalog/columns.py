"""Which column of a table holds which field of a track."""

import re
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from palate.domain.track import FEATURES
from palate.errors import CatalogError
from palate.suggestion import nearest, suggestion

__all__ = ["FIELDS", "NAMES", "find_column", "map_columns", "parse_mapping"]

NAMES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "id": ("track_id", "spotify_id", "spotify_track_id", "track_uri", "spotify_uri", "uri", "id", "track_url"),
        "title": ("track_name", "title", "track_title", "song_title", "song_name", "track", "song", "name"),
        "artists": (
            "artists",
            "artist_names",
            "artists_names",
            "track_artists",
            "artist",
            "artist_name",
            "artists_name",
            "track_artist",
        ),
        "genres": (
            "track_genre",
            "track_genres",
            "genre",
            "genres",
            "genre_name",
            "artist_genre",
            "artist_genres",
            "playlist_genre",
            "playlist_subgenre",
        ),
        "popularity": ("popularity", "track_popularity", "song_popularity", "spotify_popularity"),
        **{feature: (feature,) for feature in FEATURES},
        "tempo": ("tempo", "tempo_bpm", "bpm", "beats_per_minute"),
        "loudness": ("loudness", "loudness_db"),
    }
)
"""What columns are called that hold a field, the best name first."""

FIELDS: Final = tuple(NAMES)
"""What a track is read from, in the order of reports."""

_REQUIRED: Final = ("title", "artists", *FEATURES)


def parse_mapping(pairs: Iterable[str]) -> dict[str, str]:
    """Read ``field=column`` pairs. Any known name of a field may stand for it: ``track_name=song``.

    Raises:
        CatalogError: A pair has no ``=``, names no field, or names a field again.
    """
    mapping: dict[str, str] = {}
    for pair in pairs:
        name, separator, column = pair.partition("=")
        if not separator or not column:
            raise CatalogError(f"--map {pair} must have the form FIELD=COLUMN, such as --map title=song")
        field = _field(name)
        if field in mapping:
            raise CatalogError(f"--map names the field {field} twice; give it one column")
        mapping[field] = column
    return mapping


def map_columns(
    columns: Sequence[str], mapping: Mapping[str, str], *, where: str = "the table"
) -> dict[str, tuple[str, ...]]:
    """Find each field's column by its name; capitals, spaces, hyphens and underscores do not matter.

    Args:
        columns: The names that the table has.
        mapping: Columns named explicitly, by field. A column that this table does not have is passed over.
        where: What to call the table in errors.

    Returns:
        For each field that was found its columns: all that match for genres, else the one whose name says it best.

    Raises:
        CatalogError: No column can be title, artists or one of the features.
    """
    by_name: dict[str, str] = {}
    for column in columns:
        by_name.setdefault(_plain(column), column)
    found: dict[str, tuple[str, ...]] = {}
    for field, names in NAMES.items():
        explicit = find_column(mapping[field], columns) if field in mapping else None
        guesses = (by_name[_plain(name)] for name in names if _plain(name) in by_name)
        candidates = (explicit,) if explicit is not None else tuple(guesses)
        if candidates:
            found[field] = candidates if field == "genres" else candidates[:1]
    _require(found, columns, where)
    return found


def find_column(name: str, columns: Sequence[str]) -> str | None:
    """Return the column of this name, or else the first that differs in capitals and punctuation alone."""
    if name in columns:
        return name
    return next((column for column in columns if _plain(column) == _plain(name)), None)


def _require(found: Mapping[str, tuple[str, ...]], columns: Sequence[str], where: str) -> None:
    missing = [field for field in _REQUIRED if field not in found]
    if not missing:
        return
    hints = [f"{field}={near}" for field in missing for near in _nearest(field, columns)]
    hint = " ".join(f"--map {pair}" for pair in hints) or f"--map {missing[0]}=COLUMN"
    raise CatalogError(
        f"{where} has no column for {', '.join(missing)}; its columns are {_listed(columns)}. "
        f"Name the right one, perhaps {hint}"
    )


def _nearest(field: str, columns: Sequence[str]) -> list[str]:
    plain = {_plain(column): column for column in columns}
    matches = (nearest(_plain(name), plain) for name in NAMES[field])
    return [plain[match] for match in matches if match][:1]


def _listed(columns: Sequence[str], limit: int = 40) -> str:
    names = ", ".join(columns[:limit])
    return names if len(columns) <= limit else f"{names} and {len(columns) - limit} more"


def _field(name: str) -> str:
    plain = _plain(name)
    for field, names in NAMES.items():
        if plain == _plain(field) or plain in map(_plain, names):
            return field
    raise CatalogError(f"--map names no field {name!r}{suggestion(plain, FIELDS)}")


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name.casefold())
