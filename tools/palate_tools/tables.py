"""Rows and facts, readable on a wide terminal, on a narrow one, and in a pipe.

A terminal gets a table that fits, or each row as a block of lines where no table does. A pipe gets every column in
full, one line for each row, without colours.
"""

import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

__all__ = ["Column", "bar", "counted", "open_console", "print_facts", "print_line", "print_rows", "printable"]

_UNBOUNDED: Final = 100_000
_BAR_CELLS: Final = 6
_GAP: Final = 2
_PADDING: Final = (0, _GAP, 0, 0)
_Rows: TypeAlias = Sequence[Sequence[Text]]
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Attributes:
        name: The heading.
        narrowest: The least cells that its text may be wrapped to; None keeps it on one line.
        number: Whether it is set to the right.
        spare: Whether a narrow terminal may do without it.
        under: Whether a narrow terminal may show it below the first column that can be wrapped.
    """

    name: str
    narrowest: int | None = None
    number: bool = False
    spare: bool = False
    under: bool = False


def open_console() -> Console:
    """Return a console on standard output: without end in a pipe, as wide as it is on a terminal."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a terminal without Unicode shows what it can
    width = None if sys.stdout.isatty() else _UNBOUNDED
    return Console(width=width, highlight=False, markup=False, emoji=False)


def print_rows(console: Console, columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> None:
    """Print rows as a table, or as blocks of lines where the terminal is too narrow for one.

    Args:
        console: Where to print.
        columns: The columns.
        rows: One text for each column.
    """
    cells = [[Text(printable(text)) for text in row] for row in rows]
    for shown, texts in _layouts(columns, cells):
        widths = _widths(shown, texts, console.width)
        if widths:
            _print(console, _table(shown, texts, widths))
            return
    for row in cells:
        _print(console, _block([column.name for column in columns], row))
        print_line(console, "")


def print_facts(console: Console, facts: Mapping[str, str]) -> None:
    """Print names and values, one line for each."""
    _print(console, _block(list(facts), [Text(printable(value)) for value in facts.values()]))


def print_line(console: Console, text: str, style: str = "") -> None:
    """Print a line that may be copied whole: the terminal breaks it where it must."""
    console.print(Text(printable(text), style=style), soft_wrap=True)


def bar(share: float) -> str:
    """Return a share in [0, 1] as a bar and a figure: ``"■■■■□□ 0.71"``."""
    full = round(share * _BAR_CELLS)
    return f"{'■' * full}{'□' * (_BAR_CELLS - full)} {share:.2f}"


def counted(count: int, noun: str) -> str:
    """Return a number with its noun: ``"1 like"``, ``"2,017 likes"``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def printable(text: str) -> str:
    """Return a text without what would steer the terminal."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def _layouts(columns: Sequence[Column], rows: _Rows) -> Iterator[tuple[Sequence[Column], _Rows]]:
    """Yield the tables to try, the widest first."""
    yield columns, rows
    kept = [number for number, column in enumerate(columns) if not column.spare]
    yield [columns[number] for number in kept], [[row[number] for number in kept] for row in rows]
    beside = [number for number in kept if not columns[number].under]
    under = [number for number in kept if columns[number].under]
    host = next((number for number in beside if columns[number].narrowest is not None), None)
    yield (
        [columns[number] for number in beside],
        [[_stacked(row, [host, *under] if number == host else [number]) for number in beside] for row in rows],
    )


def _widths(columns: Sequence[Column], rows: _Rows, available: int) -> list[int]:
    """Return how wide each column is to be, or nothing where they do not fit.

    What is left beyond the narrowest widths goes to the columns in proportion to what they lack.
    """
    natural = [
        max(cell_len(line.plain) for cell in (Text(column.name), *cells) for line in cell.split())
        for column, *cells in zip(columns, *rows, strict=True)
    ]
    narrowest = [
        width if column.narrowest is None else min(width, max(column.narrowest, cell_len(column.name)))
        for column, width in zip(columns, natural, strict=True)
    ]
    spare = available - (len(columns) - 1) * _GAP - sum(narrowest)
    lacking = sum(natural) - sum(narrowest)
    if spare < 0:
        return []
    share = min(1.0, spare / lacking) if lacking else 0.0
    return [least + int(share * (width - least)) for least, width in zip(narrowest, natural, strict=True)]


def _stacked(row: Sequence[Text], numbers: Sequence[int]) -> Text:
    """Return some cells of a row as one, a line each."""
    first, *others = (row[number] for number in numbers)
    return Text("\n").join([first, *(Text(other.plain, style="dim") for other in others)])


def _table(columns: Sequence[Column], rows: _Rows, widths: Sequence[int]) -> Table:
    table = Table(box=None, padding=_PADDING, pad_edge=False, header_style="bold")
    for column, width in zip(columns, widths, strict=True):
        table.add_column(column.name, justify="right" if column.number else "left", width=width, overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def _block(names: Sequence[str], values: Sequence[Text]) -> Table:
    """Return names beside values; values are wrapped, names are not."""
    block = Table.grid(padding=_PADDING)
    block.add_column(style="bold", no_wrap=True)
    block.add_column(overflow="fold")
    for name, value in zip(names, values, strict=True):
        if value:
            block.add_row(name, value)
    return block


def _print(console: Console, what: RenderableType) -> None:
    """Print without the blanks that fill a table up on the right, where no colours hang on them."""
    if console.is_terminal:
        console.print(what)
        return
    with console.capture() as capture:
        console.print(what)
    for line in capture.get().splitlines():
        console.print(Text(line.rstrip()), soft_wrap=True)
