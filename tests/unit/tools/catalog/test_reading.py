"""Rows are read from any file with the number that they have there."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest
from palate.errors import CatalogError
from palate_tools.catalog.reading import open_source
from palate_tools.catalog.rows import Reading


def _read(path: Path, *columns: str) -> Reading:
    return open_source(path).read(columns, lambda done: None)  # noqa: ARG005 - nobody watches


def _write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8", newline="")
    return path


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_delimiter_is_found(tmp_path: Path, delimiter: str, line_end: str) -> None:
    """The header tells how fields are divided."""
    lines = [delimiter.join(fields) for fields in (("a", "b", "c"), ("1", "2", "3"))]

    reading = _read(_write(tmp_path / "x.csv", line_end.join(lines)), "c", "a")

    assert {"c": ["3"], "a": ["1"]} == {name: column.to_pylist() for name, column in reading.columns.items()}


def test_rows_are_numbered_as_in_the_file(tmp_path: Path) -> None:
    """The header is row 1; blank rows and rows that cannot be read keep their numbers."""
    reading = _read(_write(tmp_path / "x.csv", "a,b\n1,2\n\n3\n4,5\n6,7,8\n9,10\n"), "a")

    assert ["1", "4", "9"] == reading.columns["a"].to_pylist()
    assert [2, 5, 7] == reading.rows.tolist()
    assert [(4, "3", 1, 2), (6, "6,7,8", 3, 2)] == [(m.row, m.text, m.fields, m.expected) for m in reading.misfits]


def test_line_breaks_within_quotes_are_text(tmp_path: Path) -> None:
    """A quoted field may go over several lines."""
    reading = _read(_write(tmp_path / "x.csv", 'a,b\n"one\ntwo",2\n3,4\n'), "a")

    assert ["one\ntwo", "3"] == reading.columns["a"].to_pylist()
    assert [] == reading.misfits


def test_quote_that_swallows_lines_loses_only_its_own(tmp_path: Path) -> None:
    """Rows between a stray quote and the next quote are read, although together they look like one good row."""
    path = _write(tmp_path / "x.csv", 'a,b,c\n1,"2,3\n4,5,6\n7,8,9\n10,"11",12\n13,14,15\n')

    reading = _read(path, "a")

    assert ["4", "7", "13"] == reading.columns["a"].to_pylist()
    assert [3, 4, 6] == reading.rows.tolist()
    assert [2, 5] == [misfit.row for misfit in reading.misfits]


def test_quote_that_is_never_closed_loses_only_its_own_row(tmp_path: Path) -> None:
    """A stray quote without another one after it takes no row with it, however long the file."""
    rows = "".join(f"{number},x,{'y' * 1000}\n" for number in range(9_000))
    path = _write(tmp_path / "x.csv", f'a,b,c\n1,"2,3\n{rows}')

    reading = _read(path, "a")

    assert [str(number) for number in range(9_000)] == reading.columns["a"].to_pylist()
    assert [2] == [misfit.row for misfit in reading.misfits]


def test_last_line_may_be_cut_off(tmp_path: Path) -> None:
    """A line that ends too early is a misfit; the rows before it are read."""
    reading = _read(_write(tmp_path / "x.csv", "a,b,c\n1,2,3\n4,5"), "a")

    assert ["1"] == reading.columns["a"].to_pylist()
    assert [(3, "4,5")] == [(misfit.row, misfit.text) for misfit in reading.misfits]


def test_parquet_columns_keep_their_types(tmp_path: Path) -> None:
    """Lists stay lists, and dictionaries become what they stand for."""
    table = pa.table({"a": [["x"], ["y", "z"]], "b": pa.array(["p", "q"]).dictionary_encode(), "c": [1.5, 2.5]})
    pa.parquet.write_table(table, tmp_path / "x.parquet")

    reading = _read(tmp_path / "x.parquet", "b", "a")

    assert {"b": ["p", "q"], "a": [["x"], ["y", "z"]]} == {
        name: column.to_pylist() for name, column in reading.columns.items()
    }
    assert [1, 2] == reading.rows.tolist()


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "is empty"), (b"PK\x03\x04..", "spreadsheet"), (b"\x1f\x8b..", "compressed"), (b"PAR1....", "cut off")],
)
def test_files_of_other_kinds_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    """What is neither CSV nor whole Parquet is an error that says what it is."""
    path = tmp_path / "x.csv"
    path.write_bytes(content)

    with pytest.raises(CatalogError, match=message):
        open_source(path)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    """A file that is not there is an error that names it."""
    with pytest.raises(CatalogError, match=r"cannot read .*nowhere\.csv"):
        open_source(tmp_path / "nowhere.csv")
