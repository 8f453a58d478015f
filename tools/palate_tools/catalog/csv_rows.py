"""The rows of a CSV file, also those that a stray quote has glued together, with the number of each."""

import codecs
import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from numpy.typing import NDArray
from palate.errors import CatalogError

from palate_tools.catalog.encoding import Encoding, detect_encoding
from palate_tools.catalog.rows import Misfit, Progress, Reading, whole

__all__ = ["CsvSource", "open_csv"]

_DELIMITERS: Final = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_LINE_END: Final = re.compile(r"\r\n|\n|\r")
_BLOCK: Final = 1 << 23
_LARGEST_BLOCK: Final = (1 << 31) - 1


def open_csv(path: Path, explicit_encoding: str | None) -> "CsvSource":
    """Find out how a CSV file is written; its first line must name the columns.

    Raises:
        CatalogError: The encoding is unknown or does not fit the file.
    """
    encoding = detect_encoding(path, explicit_encoding)
    header = _header(path, encoding)
    fields = {delimiter: _split(header, delimiter) for delimiter in _DELIMITERS}
    delimiter = max(_DELIMITERS, key=lambda candidate: len(fields[candidate]))
    columns = tuple(name.strip().replace("\0", "") for name in fields[delimiter])
    return CsvSource(path, encoding, delimiter, columns)


@dataclass(frozen=True, slots=True)
class CsvSource:
    """A CSV file whose columns are known; see `palate_tools.catalog.rows.Source`."""

    path: Path
    encoding: Encoding
    delimiter: str
    columns: tuple[str, ...]

    @property
    def description(self) -> str:
        """Encoding and delimiter in words."""
        damaged = ", some bytes damaged" if self.encoding.damaged else ""
        return f"CSV, {self.encoding.name} ({self.encoding.how}{damaged}), {_DELIMITERS[self.delimiter]}"

    def read(self, columns: Sequence[str], progress: Progress) -> Reading:
        """Read some of the columns. CatalogError when the file is no CSV file."""
        places = [self.columns.index(name) for name in columns]
        try:
            return self._read(columns, places, progress, _BLOCK)
        except pa.ArrowInvalid as exc:
            if "straddling" not in str(exc):
                raise CatalogError(f"{self.path} cannot be read as CSV: {exc}") from exc
        # A quote that is never closed takes everything up to the end of the file for one field.
        return self._read(columns, places, progress, _LARGEST_BLOCK)

    def _read(self, names: Sequence[str], places: Sequence[int], progress: Progress, block: int) -> Reading:
        broken: list[_Broken] = []
        glued: list[tuple[int, str]] = []
        batches: list[pa.RecordBatch] = []
        rows = 0
        for batch in self._batches(broken, progress, block):
            glued += [(rows + row, text) for row, text in _glued(batch, self.delimiter)]
            rows += batch.num_rows
            batches.append(batch.select(places))
        numbers = np.setdiff1d(np.arange(1, rows + len(broken) + 1), [row.number for row in broken])
        broken += [_Broken(int(numbers[row]), len(self.columns), text) for row, text in glued]
        broken.sort(key=lambda row: row.number)
        header = np.flatnonzero(numbers == 1)
        kept = np.delete(np.arange(rows), [*header, *(row for row, _ in glued)])
        recovery = _recover(broken, self.delimiter, len(self.columns))
        numbers = _shifted(numbers[kept], broken)
        table = pa.Table.from_batches(batches, pa.schema([(str(place), pa.string()) for place in places]))
        arrays = {
            name: _assemble(table.column(i), kept, [fields[place] for _, fields in recovery.rows])
            for i, (name, place) in enumerate(zip(names, places, strict=True))
        }
        return _in_order(arrays, numbers, recovery)

    def _batches(self, broken: "list[_Broken]", progress: Progress, block: int) -> Iterator[pa.RecordBatch]:
        def skip(row: Any) -> str:
            broken.append(_Broken(row.number, row.actual_columns, row.text))
            return "skip"

        names = [str(place) for place in range(len(self.columns))]
        with self.path.open("rb") as file:
            yield from _watched(
                pa.csv.open_csv(
                    file if self.encoding.is_utf8 else _utf8(file, self.encoding),
                    # Without threads, since rows are numbered only then.
                    read_options=pa.csv.ReadOptions(use_threads=False, block_size=block, column_names=names),
                    parse_options=pa.csv.ParseOptions(
                        delimiter=self.delimiter,
                        newlines_in_values=True,
                        ignore_empty_lines=False,
                        invalid_row_handler=skip,
                    ),
                    convert_options=pa.csv.ConvertOptions(
                        column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
                    ),
                ),
                file,
                progress,
            )


@dataclass(frozen=True, slots=True)
class _Broken:
    """A row that has another number of fields than the header, or that swallowed lines after it."""

    number: int
    fields: int
    text: str

    @property
    def lines(self) -> list[str]:
        return _LINE_END.split(self.text)


@dataclass(slots=True)
class _Recovery:
    rows: list[tuple[int, list[str]]] = field(default_factory=list)
    misfits: list[Misfit] = field(default_factory=list)


def _header(path: Path, encoding: Encoding) -> str:
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


def _utf8(file: Any, encoding: Encoding) -> pa.TransformInputStream:
    decoder = codecs.getincrementaldecoder(encoding.name)(errors="replace")
    return pa.TransformInputStream(
        pa.PythonFile(file, "r"), lambda block: decoder.decode(bytes(block), final=len(block) == 0).encode()
    )


def _watched(batches: Any, file: Any, progress: Progress) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        progress(file.tell())
        yield batch


def _glued(batch: pa.RecordBatch, delimiter: str) -> Iterator[tuple[int, str]]:
    """Find rows with a field that holds the rest of its line and what follows: its quote was never meant to open."""
    found: dict[int, str] = {}
    for place, column in enumerate(batch.columns):
        several = pc.match_substring(column, "\n")
        if not pc.any(several).as_py():
            continue
        for row in np.flatnonzero(np.asarray(several)).tolist():
            text = column[row].as_py()
            if _holds_rows(text, delimiter, place, batch.num_columns):
                found.setdefault(row, text)
    yield from found.items()


def _holds_rows(text: str, delimiter: str, place: int, columns: int) -> bool:
    first, *others = _LINE_END.split(text)
    rest = columns - place
    return (rest > 1 and len(_split(first, delimiter)) == rest) or any(
        len(_split(line, delimiter)) == columns for line in others[:-1]
    )


def _recover(broken: Sequence[_Broken], delimiter: str, expected: int) -> _Recovery:
    """Read broken rows that swallowed several lines again line by line."""
    recovery = _Recovery()
    shift = 0
    for row in broken:
        several = len(row.lines) > 1
        for number, line in enumerate(row.lines, row.number + shift):
            fields = _split(line, delimiter)
            if several and len(fields) == expected:
                recovery.rows.append((number, fields))
            elif line:
                recovery.misfits.append(Misfit(number, line, len(fields) if several else row.fields, expected))
        shift += len(row.lines) - 1
    return recovery


def _shifted(numbers: NDArray[np.int64], broken: Sequence[_Broken]) -> NDArray[np.int64]:
    """Number rows so that each line that a broken row swallowed takes a number too."""
    swallowed = [len(row.lines) - 1 for row in broken]
    shifts = np.cumsum([0, *swallowed])
    return np.asarray(numbers + shifts[np.searchsorted([row.number for row in broken], numbers)])


def _assemble(column: pa.ChunkedArray, kept: NDArray[np.int64], recovered: list[str]) -> pa.Array:
    read = whole(column)
    left_out = len(read) - len(kept)
    rows = read.slice(left_out) if kept[:1].tolist() == [left_out] else read.take(pa.array(kept))
    return pa.concat_arrays([rows, pa.array(recovered, pa.string())]) if recovered else rows


def _in_order(arrays: dict[str, pa.Array], numbers: NDArray[np.int64], recovery: _Recovery) -> Reading:
    """Put recovered rows into their places and leave blank rows out."""
    numbers = np.concatenate([numbers, np.array([number for number, _ in recovery.rows], np.int64)])
    blank = np.ones(len(numbers), dtype=bool)
    for column in arrays.values():
        blank &= np.asarray(pc.equal(column, ""))
    if not recovery.rows and not blank.any():
        return Reading(arrays, numbers, recovery.misfits)
    order = np.argsort(numbers, kind="stable")
    order = order[~blank[order]]
    return Reading(
        {name: column.take(pa.array(order)) for name, column in arrays.items()}, numbers[order], recovery.misfits
    )
