"""What an import found wrong, where, and what it did about it."""

import csv
import enum
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

__all__ = ["Action", "Finding", "Ledger", "write_findings"]


class Action(enum.StrEnum):
    """What was done about a finding."""

    REFUSED = "refused"
    REPAIRED = "repaired"
    MERGED = "merged"


@dataclass(frozen=True, slots=True)
class Finding:
    """One kind of fault in one column of one file.

    Attributes:
        action: What was done about it.
        source: The file's name.
        column: The column's name, or empty when the whole row is meant.
        what: What was wrong.
        rows: Row numbers, int64 ``(n,)``: the header of a CSV file is row 1, the first row of a Parquet file
            is row 1.
        values: For each row what stood there, as text.
    """

    action: Action
    source: str
    column: str
    what: str
    rows: NDArray[np.int64]
    values: pa.StringArray

    def examples(self, count: int) -> Iterator[tuple[int, str]]:
        """Return the first rows with their values."""
        return zip(self.rows[:count].tolist(), _texts(self.values[:count]), strict=True)


@dataclass(slots=True)
class Ledger:
    """Keeps account of one file's rows while they are cleaned.

    Attributes:
        source: The file's name.
        rows: Each row's number in the file, int64 ``(n,)``.
        kept: bool ``(n,)``, false for refused rows.
        findings: What was refused and repaired.
        notes: Sentences about whole columns.
    """

    source: str
    rows: NDArray[np.int64]
    kept: NDArray[np.bool_] = field(init=False)
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.kept = np.ones(len(self.rows), dtype=bool)

    def refuse(self, mask: NDArray[np.bool_], column: str, what: str, values: pa.Array) -> None:
        """Refuse the rows of the mask, for what stands in the column."""
        self._record(Action.REFUSED, mask, column, what, values)
        self.kept &= ~mask

    def repair(self, mask: NDArray[np.bool_], column: str, what: str, values: pa.Array) -> None:
        """Note that the column was fixed in the rows of the mask."""
        self._record(Action.REPAIRED, mask, column, what, values)

    def _record(self, action: Action, mask: NDArray[np.bool_], column: str, what: str, values: pa.Array) -> None:
        if mask.any():
            found = pc.cast(values.filter(pa.array(mask)), pa.string())
            self.findings.append(Finding(action, self.source, column, what, self.rows[mask], found))


def write_findings(findings: Iterable[Finding], path: Path) -> None:
    """Write every finding as a line of a CSV file: file, row, column, action, what, value."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("file", "row", "column", "action", "what", "value"))
        for finding in findings:
            place = (finding.column, str(finding.action), finding.what)
            for row, value in zip(finding.rows.tolist(), _texts(finding.values), strict=True):
                writer.writerow((finding.source, row, *place, value))


def _texts(values: pa.StringArray) -> list[str]:
    return [value or "" for value in values.to_pylist()]
