"""Opens files of tracks, and reads the columns of Parquet files."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
from palate.errors import CatalogError

from palate_tools.catalog.csv_rows import open_csv
from palate_tools.catalog.rows import Progress, Reading, Source, whole

__all__ = ["ParquetSource", "open_parquet", "open_source"]


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


def open_source(path: Path, encoding: str | None = None) -> Source:
    """Open a file of tracks, CSV or Parquet by what stands in it.

    Raises:
        CatalogError: The file cannot be opened, is of another kind, or its encoding is not as told.
    """
    try:
        with path.open("rb") as file:
            start = file.read(4)
        if start == b"PAR1":
            return open_parquet(path)
        _refuse_other_formats(path, start)
        return open_csv(path, encoding)
    except OSError as exc:
        raise CatalogError(f"cannot read {path}: {exc.strerror or exc}") from exc


def _refuse_other_formats(path: Path, start: bytes) -> None:
    if not start:
        raise CatalogError(f"{path} is empty; name a CSV or Parquet file with one track in each row")
    if start.startswith((b"PK\x03\x04", b"\x1f\x8b")):
        raise CatalogError(f"{path} is a spreadsheet or compressed; save it as CSV or Parquet")
    if start.startswith(b"ARRO"):
        raise CatalogError(f"{path} is an Arrow file, perhaps a catalog already; name a CSV or Parquet file")
