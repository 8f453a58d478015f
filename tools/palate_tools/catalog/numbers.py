"""Numbers from columns of text or of any numeric type."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

__all__ = ["Numbers", "read_numbers"]

_NUMBER: Final = r"^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$"
_DECIMAL_COMMA: Final = r"^[+-]?\d*,\d+(?:[eE][+-]?\d+)?$"
_MISSING: Final = ("", "nan", "na", "n/a", "null", "none", "<na>", "-", "?")


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
