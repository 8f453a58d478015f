"""Reading CSV and Parquet files into columns, with the number of each row."""

import codecs
import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from palate.errors import CatalogError
from palate_tools.catalog.encoding import Encoding, detect_encoding

__all__ = ["Misfit", "Progress", "Reading", "Source", "open_source"]

_DELIMITERS: Final = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_BLOCK: Final = 1 << 23
_LARGEST_BLOCK: Final = (1 << 31) - 1
_HEADER_ROW: Final = 1

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


def open_source(path: Path, encoding: str | None = None) -> Source:
    """Open a file of tracks, CSV or Parquet by what stands in it.

    Raises:
        CatalogError: The file cannot be opened, is of another kind, or its encoding is not as told.
    """
    try:
        with path.open("rb") as file:
            start = file.read(4)
        if start == b"PAR1":
            return _ParquetSource(path, _parquet(path))
        _refuse_other_formats(path, start)
        return _csv_source(path, encoding)
    except OSError as exc:
        raise CatalogError(f"cannot read {path}: {exc.strerror or exc}") from exc


def _refuse_other_formats(path: Path, start: bytes) -> None:
    if not start:
        raise CatalogError(f"{path} is empty; name a CSV or Parquet file with one track in each row")
    if start.startswith((b"PK\x03\x04", b"\x1f\x8b")):
        raise CatalogError(f"{path} is a spreadsheet or compressed; save it as CSV or Parquet")
    if start.startswith(b"ARRO"):
        raise CatalogError(f"{path} is an Arrow file, perhaps a catalog already; name a CSV or Parquet file")


def _csv_source(path: Path, explicit: str | None) -> "_CsvSource":
    encoding = detect_encoding(path, explicit)
    header = _first_line(path, encoding)
    fields = {delimiter: _split(header, delimiter) for delimiter in _DELIMITERS}
    delimiter = max(_DELIMITERS, key=lambda candidate: len(fields[candidate]))
    columns = tuple(name.strip().replace("\0", "") for name in fields[delimiter])
    return _CsvSource(path, encoding, delimiter, columns)


def _first_line(path: Path, encoding: Encoding) -> str:
    with path.open(encoding=encoding.name, errors="replace", newline="") as file:
        header = file.readline().removeprefix("\ufeff")
        while header.count('"') % 2 and (more := file.readline()):
            header += more
    return header.rstrip("\r\n")


def _split(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return line.split(delimiter)


@dataclass(frozen=True, slots=True)
class _CsvSource:
    path: Path
    encoding: Encoding
    delimiter: str
    columns: tuple[str, ...]

    @property
    def description(self) -> str:
        damaged = ", some bytes damaged" if self.encoding.damaged else ""
        return f"CSV, {self.encoding.name} ({self.encoding.how}{damaged}), {_DELIMITERS[self.delimiter]}"

    def read(self, columns: Sequence[str], progress: Progress) -> Reading:
        places = [self.columns.index(name) for name in columns]
        try:
            table, broken = self._parse(places, progress, _BLOCK)
        except pa.ArrowInvalid as exc:
            if "straddling" not in str(exc):
                raise CatalogError(f"{self.path} cannot be read as CSV: {exc}") from exc
            # A quote that is never closed takes everything up to the end of the file for one field.
            table, broken = self._parse(places, progress, _LARGEST_BLOCK)
        return self._assemble(columns, places, table, broken)

    def _parse(self, places: Sequence[int], progress: Progress, block: int) -> tuple[pa.Table, list[pa.csv.InvalidRow]]:
        broken: list[Any] = []

        def skip(row: Any) -> str:
            broken.append(row)
            return "skip"

        names = [str(place) for place in range(len(self.columns))]
        wanted = [str(place) for place in places]
        with self.path.open("rb") as file:
            reader = pa.csv.open_csv(
                file if self.encoding.is_utf8 else _utf8(file, self.encoding),
                read_options=pa.csv.ReadOptions(use_threads=False, block_size=block, column_names=names),
                parse_options=pa.csv.ParseOptions(
                    delimiter=self.delimiter,
                    newlines_in_values=True,
                    ignore_empty_lines=False,
                    invalid_row_handler=skip,
                ),
                convert_options=pa.csv.ConvertOptions(
                    include_columns=wanted,
                    column_types=dict.fromkeys(wanted, pa.string()),
                    strings_can_be_null=False,
                ),
            )
            batches = []
            for batch in reader:
                batches.append(batch)
                progress(file.tell())
        return pa.Table.from_batches(batches, reader.schema), broken

    def _assemble(
        self, names: Sequence[str], places: Sequence[int], table: pa.Table, broken: list[Any]
    ) -> Reading:
        recovery = _recover(broken, self.delimiter, len(self.columns))
        rows = _row_numbers(table.num_rows, broken)
        recovered = [[fields[place] for _, fields in recovery.rows] for place in places]
        chunks = [
            pa.concat_arrays([*table.column(i).chunks, pa.array(recovered[i], pa.string())])
            for i in range(len(places))
        ]
        numbers = np.concatenate([rows, np.array([row for row, _ in recovery.rows], np.int64)])
        order = np.argsort(numbers, kind="stable")
        order = order[numbers[order] != _HEADER_ROW]
        columns = {name: chunk.take(pa.array(order)) for name, chunk in zip(names, chunks, strict=True)}
        return _without_blank_rows(Reading(columns, numbers[order], recovery.misfits))


def _utf8(file: Any, encoding: Encoding) -> pa.TransformInputStream:
    decoder = codecs.getincrementaldecoder(encoding.name)(errors="replace" if encoding.damaged else "strict")
    return pa.TransformInputStream(
        pa.PythonFile(file, "r"), lambda block: decoder.decode(bytes(block), final=len(block) == 0).encode()
    )


@dataclass(slots=True)
class _Recovery:
    rows: list[tuple[int, list[str]]] = field(default_factory=list)
    misfits: list[Misfit] = field(default_factory=list)


def _recover(broken: list[Any], delimiter: str, expected: int) -> _Recovery:
    """Read broken rows that swallowed several lines again line by line."""
    recovery = _Recovery()
    shift = 0
    for row in broken:
        lines = row.text.splitlines() or [""]
        for number, line in enumerate(lines, row.number + shift):
            fields = _split(line, delimiter) if len(lines) > 1 else []
            if len(fields) == expected:
                recovery.rows.append((number, fields))
            else:
                count = len(fields) if fields else row.actual_columns
                recovery.misfits.append(Misfit(number, line, count, expected))
        shift += len(lines) - 1
    return recovery


def _row_numbers(count: int, broken: list[Any]) -> NDArray[np.int64]:
    """Number the rows that were read: broken rows take numbers too, one for each of their lines."""
    numbers = np.setdiff1d(np.arange(1, count + len(broken) + 1), [row.number for row in broken])
    swallowing = [row for row in broken if len(row.text.splitlines()) > 1]
    shifts = np.cumsum([0, *(len(row.text.splitlines()) - 1 for row in swallowing)])
    return numbers + shifts[np.searchsorted([row.number for row in swallowing], numbers)]


def _without_blank_rows(reading: Reading) -> Reading:
    blank = np.ones(len(reading.rows), dtype=bool)
    for column in reading.columns.values():
        blank &= np.asarray(pa.compute.equal(column, ""))
    if not blank.any():
        return reading
    kept = pa.array(~blank)
    columns = {name: column.filter(kept) for name, column in reading.columns.items()}
    return Reading(columns, reading.rows[~blank], reading.misfits)


def _parquet(path: Path) -> pa.parquet.ParquetFile:
    try:
        return pa.parquet.ParquetFile(path)
    except pa.ArrowException as exc:
        raise CatalogError(f"{path} cannot be read as Parquet, perhaps it is cut off: {exc}") from exc


@dataclass(frozen=True, slots=True)
class _ParquetSource:
    path: Path
    file: pa.parquet.ParquetFile

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self.file.schema_arrow.names)

    @property
    def description(self) -> str:
        return "Parquet"

    def read(self, columns: Sequence[str], progress: Progress) -> Reading:
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
    combined = column.combine_chunks()
    return pa.concat_arrays(combined.chunks) if isinstance(combined, pa.ChunkedArray) else combined
