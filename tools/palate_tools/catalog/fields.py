"""Numbers, and lists of names, from one field of a row."""

import ast
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

__all__ = ["Numbers", "read_artists", "read_genres", "read_numbers", "split_artists", "split_genres"]

_NUMBER: Final = r"^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$"
_DECIMAL_COMMA: Final = r"^[+-]?\d*,\d+(?:[eE][+-]?\d+)?$"
_MISSING: Final = ("", "nan", "na", "n/a", "null", "none", "<na>", "-", "?")
_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'')
_NOTHING: Final = frozenset({"", "nan", "<na>"})
_NO_GENRE: Final = _NOTHING | {"na", "n/a", "none", "null", "unknown", "-", "?", "no genre", "undefined", "not set"}


@dataclass(frozen=True, slots=True)
class Numbers:
    """A column as numbers.

    Attributes:
        values: float64 ``(n,)``; NaN where there is none.
        missing: Where nothing stands, or a word that says so.
        unreadable: Where something else than a number stands.
        decimal_commas: In how many rows a comma stood for the point.
    """

    values: NDArray[np.float64]
    missing: NDArray[np.bool_]
    unreadable: NDArray[np.bool_]
    decimal_commas: int = 0


def read_numbers(column: pa.Array) -> Numbers:
    """Read a column of text, integers, decimals, booleans or floats."""
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return _from_text(column)
    try:
        floats = column.cast(pa.float64(), safe=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return _unreadable(len(column))
    values = np.asarray(floats.fill_null(np.nan), dtype=np.float64)
    infinite = np.isinf(values)
    return Numbers(np.where(infinite, np.nan, values), np.isnan(values), infinite)


def _from_text(column: pa.Array) -> Numbers:
    text = pc.utf8_trim_whitespace(pc.cast(column, pa.string()).fill_null(""))
    commas = pc.match_substring_regex(text, _DECIMAL_COMMA)
    count = pc.sum(commas).as_py() or 0
    if count:
        text = pc.if_else(commas, pc.replace_substring(text, ",", ".", max_replacements=1), text)
    readable = pc.match_substring_regex(text, _NUMBER)
    values = pc.cast(pc.if_else(readable, text, pa.scalar(None, pa.string())), pa.float64()).fill_null(np.nan)
    missing = np.asarray(pc.is_in(pc.utf8_lower(text), pa.array(_MISSING)))
    finite = np.isfinite(values)
    return Numbers(np.where(finite, values, np.nan), missing, ~finite & ~missing, count)


def _unreadable(count: int) -> Numbers:
    return Numbers(np.full(count, np.nan), np.zeros(count, dtype=bool), np.ones(count, dtype=bool))


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
