"""The columns of a Parquet file."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
from palate.errors import CatalogError

from palate_tools.catalog.rows import Progress, Reading, whole

__all__ = ["ParquetSource", "open_parquet"]


def open_parquet(path: Path) -> "ParquetSource":
    """Open a Parquet file. CatalogError when it is cut off or damaged."""
    try:
        return ParquetSource(path, pa.parquet.ParquetFile(path))
    except pa.ArrowException as exc:
        raise CatalogError(f"{path} cannot be read as Parquet, perhaps it is cut off: {exc}") from exc


@dataclass(frozen=True, slots=True)
class ParquetSource:
    """A Parquet file; see `palate_tools.catalog.rows.Source`."""

    path: Path
    file: pa.parquet.ParquetFile

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of its columns."""
        return tuple(self.file.schema_arrow.names)

    @property
    def description(self) -> str:
        """The format in words."""
        return "Parquet"

    def read(self, columns: Sequence[str], progress: Progress) -> Reading:
        """Read some of the columns. CatalogError when the file is damaged."""
        try:
            batches = list(self._batches(columns, progress))
        except (pa.ArrowException, OSError) as exc:
            raise CatalogError(f"{self.path} cannot be read as Parquet: {exc}") from exc
        table = pa.Table.from_batches(batches, pa.schema([self.file.schema_arrow.field(name) for name in columns]))
        arrays = {name: _plain(table.column(name)) for name in columns}
        return Reading(arrays, np.arange(1, table.num_rows + 1), [])

    def _batches(self, columns: Sequence[str], progress: Progress) -> Iterator[pa.RecordBatch]:
        size, total = self.path.stat().st_size, max(self.file.metadata.num_rows, 1)
        seen = 0
        for batch in self.file.iter_batches(columns=list(columns)):
            seen += batch.num_rows
            progress(size * seen // total)
            yield batch.select(columns)


def _plain(column: pa.ChunkedArray) -> pa.Array:
    """Put the chunks together and undo dictionaries."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    return whole(column)
