"""Reading a genre cluster file, and saying exactly what is wrong with one."""

import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from palate.catalog.genre_rules import STRENGTHS, fold_genre, fold_pattern
from palate.domain.track import GenreCluster
from palate.errors import CatalogError
from palate.suggestion import suggestion

__all__ = ["ClusterFile", "read_cluster_file"]

_MAX_CLUSTERS: Final = 255
_CLUSTER_ID: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_NAME_LISTS: Final = ("seeds", "names")
_FLAGS: Final = ("excluded", "occasional")
_KEYS: Final = ("display_name", *_FLAGS, *_NAME_LISTS, *reversed(STRENGTHS))


@dataclass(frozen=True, slots=True)
class ClusterFile:
    """What a cluster file says.

    Attributes:
        clusters: In the order of the file.
        names: From folded genre name to cluster_id.
        patterns: From folded word or phrase to its strength (position in `STRENGTHS`) and cluster_id.
    """

    clusters: tuple[GenreCluster, ...]
    names: Mapping[str, str]
    patterns: Mapping[str, tuple[int, str]]


def read_cluster_file(path: Path | None) -> ClusterFile:
    """Read a cluster file; without a path the one that palate carries.

    Raises:
        CatalogError: When the file cannot be read or used; names the file, the key and what to write instead.
    """
    source = files("palate.catalog").joinpath("genre_clusters.toml") if path is None else path
    try:
        document = tomllib.loads(source.read_text(encoding="utf-8"))
    except OSError as exc:
        raise CatalogError(f"{source}: cannot be read ({exc.strerror}); name a readable cluster file") from exc
    except ValueError as exc:
        raise CatalogError(f"{source}: is not TOML in UTF-8: {exc}") from exc
    try:
        return _Parser().parse(document)
    except _Flaw as exc:
        raise CatalogError(f"{source}: {exc}") from exc


class _Flaw(Exception):
    """A key of the file and what is wrong with it."""

    def __init__(self, key: str, what: str) -> None:
        super().__init__(f"{key}: {what}")


@dataclass(slots=True)
class _Parser:
    """Collects what a file says, and where it said it.

    Attributes:
        said: From what a name or pattern is (``"name"`` or ``"pattern"``) and its folded form to the key and
            the cluster_id.
    """

    said: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)

    def parse(self, document: Mapping[str, Any]) -> ClusterFile:
        """Return what the file says. _Flaw when it is not a cluster file."""
        _check_keys("", document, ("clusters",))
        tables = document.get("clusters")
        if not isinstance(tables, dict) or not 1 <= len(tables) <= _MAX_CLUSTERS:
            raise _Flaw("clusters", f"write 1 to {_MAX_CLUSTERS} tables such as [clusters.jazz]")
        clusters = tuple(_cluster(cluster_id, table) for cluster_id, table in tables.items())
        names, patterns = {}, {}
        for cluster_id, table in tables.items():
            for kind in _NAME_LISTS:
                for folded in self._entries(cluster_id, table, kind, fold_genre):
                    names[folded] = cluster_id
            for strength, kind in enumerate(STRENGTHS):
                for folded in self._entries(cluster_id, table, kind, fold_pattern):
                    patterns[folded] = strength, cluster_id
        return ClusterFile(clusters, names, patterns)

    def _entries(
        self, cluster_id: str, table: Mapping[str, Any], kind: str, fold: Callable[[str], str]
    ) -> Iterator[str]:
        """Yield the folded entries of one list of one cluster. _Flaw at one that cannot be used."""
        key, entries = f"clusters.{cluster_id}.{kind}", table.get(kind, [])
        if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
            raise _Flaw(key, "must be a list of strings")
        for entry in entries:
            try:
                folded = fold(entry)
            except ValueError as exc:
                raise _Flaw(key, f"{entry!r} {exc}") from exc
            if not folded:
                raise _Flaw(key, f"{entry!r} has no letters to look for")
            place = "name" if kind in _NAME_LISTS else "pattern", folded
            if place in self.said:
                raise _Flaw(key, f"{entry!r} stands in {self.said[place][0]} already; keep one of them")
            self.said[place] = key, cluster_id
            yield folded


def _cluster(cluster_id: str, table: object) -> GenreCluster:
    """Return one cluster. _Flaw when its table has no usable id, name or keys."""
    key = f"clusters.{cluster_id}"
    if not _CLUSTER_ID.fullmatch(cluster_id):
        raise _Flaw(key, "must be lower-case letters and digits with single hyphens, such as clusters.latin-dance")
    if not isinstance(table, dict):
        raise _Flaw(key, f"must be a table that starts with [{key}]")
    _check_keys(f"{key}.", table, _KEYS)
    display_name, flags = table.get("display_name"), [table.get(flag, False) for flag in _FLAGS]
    if not isinstance(display_name, str) or not display_name.strip():
        raise _Flaw(f"{key}.display_name", "is missing; write the name to show to people")
    for flag, value in zip(_FLAGS, flags, strict=True):
        if not isinstance(value, bool):
            raise _Flaw(f"{key}.{flag}", "must be true or false")
    return GenreCluster(cluster_id, display_name, *flags)


def _check_keys(prefix: str, table: Mapping[str, Any], known: Iterable[str]) -> None:
    """Raise _Flaw at the first key that is not known."""
    valid = list(known)
    for key in table:
        if key not in valid:
            raise _Flaw(f"{prefix}{key}", f"is no key of this table{suggestion(key, valid)}")
