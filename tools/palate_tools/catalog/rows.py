"""Rows of a file as they are read, before anything is made of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

__all__ = ["Misfit", "Progress", "Reading", "Source", "whole"]

Progress = Callable[[int], None]
"""Told how many bytes of the file have been read so far."""


@dataclass(frozen=True, slots=True)
class Misfit:
    """A row of a CSV file that has another number of fields than the header.

    Attributes:
        row: Its number.
        text: What stands there.
        fields: How many fields it has.
        expected: How many the header has.
    """

    row: int
    text: str
    fields: int
    expected: int


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read of a file.

    Attributes:
        columns: The columns that were asked for, by name.
        rows: Each row's number, int64 ``(n,)``.
        misfits: The rows that could not be read.
    """

    columns: dict[str, pa.Array]
    rows: NDArray[np.int64]
    misfits: list[Misfit]


class Source(Protocol):
    """A file of tracks whose column names are known and whose rows are not read yet."""

    @property
    def path(self) -> Path:
        """The file."""

    @property
    def columns(self) -> Sequence[str]:
        """The names of its columns."""

    @property
    def description(self) -> str:
        """Format, encoding and delimiter in words."""

    def read(self, columns: Sequence[str], progress: Progress) -> Reading:
        """Read some of the columns. CatalogError when the file is damaged as a whole."""


def whole(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Return a column in one piece."""
    if not isinstance(column, pa.ChunkedArray):
        return column
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
