"""Lists of names from one field, however the source writes them."""

import ast
import json
import re
from collections.abc import Callable
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["read_artists", "read_genres", "split_artists", "split_genres"]

_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'')
_NOTHING: Final = frozenset({"", "nan", "<na>"})
_NO_GENRE: Final = _NOTHING | {"na", "n/a", "none", "null", "unknown", "-", "?", "no genre", "undefined", "not set"}


def read_artists(column: pa.Array) -> pa.ListArray:
    """Read artists, main artist first: list<string> of distinct names, empty where there are none."""
    return _read(column, split_artists)


def read_genres(column: pa.Array) -> pa.ListArray:
    """Read genres: list<string> of distinct names, empty where there are none or the name says that there are none."""
    return _read(column, split_genres)


def split_artists(text: str) -> list[str]:
    """Split artists at ``;`` and ``|`` or as a bracketed list, never at a comma: Earth, Wind & Fire are one."""
    quoted = _bracketed(text)
    if quoted is None:
        quoted = [] if text.strip() == "[]" else re.split(r"[;|]", text)
    return _distinct(quoted, _NOTHING)


def split_genres(text: str) -> list[str]:
    """Split genres at ``;``, ``|`` and commas or as a bracketed list."""
    quoted = _bracketed(text)
    if quoted is None:
        quoted = re.split(r"[;|,]", re.sub(r"^\s*\[(.*)\]\s*$", r"\1", text))
    return _distinct(quoted, _NO_GENRE)


def _read(column: pa.Array, split: Callable[[str], list[str]]) -> pa.ListArray:
    if _is_list(column.type):
        names = [
            _distinct(_flat(item), _NO_GENRE if split is split_genres else _NOTHING) for item in column.to_pylist()
        ]
        return pa.array(names, pa.list_(pa.string()))
    encoded = pc.cast(column, pa.string()).fill_null("").dictionary_encode()
    lists = pa.array([split(text) for text in encoded.dictionary.to_pylist()], pa.list_(pa.string()))
    return lists.take(encoded.indices)


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _flat(item: list[Any] | None) -> list[str]:
    names = ((value.get("name") if isinstance(value, dict) else value) for value in item or ())
    return [str(name) for name in names if name is not None]


def _bracketed(text: str) -> list[str] | None:
    """Read ``["a", "b"]``, ``['a', 'b']``, NumPy's ``['a' 'b']`` and objects with names; None for anything else."""
    stripped = text.strip()
    if not (stripped.startswith("[") and stripped.endswith("]")):
        return None
    if stripped.startswith("[{"):
        return _objects(stripped)
    return [_literal(token) for token in _QUOTED.findall(stripped)] or None


def _objects(text: str) -> list[str] | None:
    for parse in (json.loads, ast.literal_eval):
        try:
            return _flat(parse(text))
        except (ValueError, SyntaxError):
            continue
    return None


def _literal(token: str) -> str:
    if "\\" not in token:
        return token[1:-1]
    try:
        return str(ast.literal_eval(token))
    except (ValueError, SyntaxError):
        return token[1:-1]


def _distinct(names: list[str], nothing: frozenset[str]) -> list[str]:
    found: dict[str, str] = {}
    for name in names:
        clean = " ".join(name.replace("\0", "").split())
        if clean.casefold() not in nothing:
            found.setdefault(clean.casefold(), clean)
    return list(found.values())
