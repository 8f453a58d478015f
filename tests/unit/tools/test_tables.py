"""Tables on terminals of any width, and in pipes."""

import io
import re
from collections import Counter

import pytest
from palate_tools.tables import Column, bar, counted, print_facts, print_rows
from rich.cells import cell_len
from rich.console import Console

COLUMNS = [
    Column("#", number=True),
    Column("title", narrowest=24),
    Column("artists", narrowest=12),
    Column("why", narrowest=40, under=True),
    Column("track id", spare=True),
]
ENGLISH = [
    "1",
    "Extinction of Darkness and Light",
    "Inquisition",
    "Sounds like “Sokrates Must Die” by Vreid, which you liked: similar acoustic sound, mood and danceability.",
    "5IXtD2TsspSRVym4DVgdt8",
]
JAPANESE = ["10", "白色風車" * 8, "周杰倫", "Popular in Mandopop.", "627GAlNjgw3o4EsOaAsIYm"]


def printed(rows: list[list[str]], width: int, *, columns: list[Column] | None = None, terminal: bool = True) -> str:
    """Return what a console of some width shows."""
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=terminal, color_system=None, highlight=False)
    print_rows(console, columns or COLUMNS, rows)
    return out.getvalue()


@pytest.mark.parametrize("row", [ENGLISH, JAPANESE], ids=["english", "japanese"])
def test_no_width_loses_text_or_runs_over(row: list[str]) -> None:
    """From 24 columns to 200, every letter is there, but for spare columns, and no line is too long."""
    for width in range(24, 201):
        text = printed([row], width)
        assert not Counter("".join(row[:4]).replace(" ", "")) - Counter(re.sub(r"\s", "", text)), width
        assert max(map(cell_len, text.splitlines())) <= width


def test_a_wide_terminal_shows_every_column_beside_the_others() -> None:
    """One line for each row and one for the headings."""
    heading, line = printed([ENGLISH], 200).splitlines()
    assert ["#", "title", "artists", "why", "track id"] == re.split(r"\s{2,}", heading.strip())
    assert ENGLISH == re.split(r"\s{2,}", line.strip())


def test_a_usual_terminal_shows_a_table_with_the_reason_below_the_title() -> None:
    """What is spare is left out, and the long text goes on its own lines."""
    heading, first, second, *_ = printed([ENGLISH], 70).splitlines()
    assert ["#", "title", "artists"] == heading.split()
    assert ["1", ENGLISH[1], ENGLISH[2]] == re.split(r"\s{2,}", first.strip())
    assert second.strip().startswith("Sounds like")


def test_a_narrow_terminal_shows_names_beside_values() -> None:
    """Where no table fits, each row is a block of lines, with nothing left out."""
    lines = printed([ENGLISH], 34).splitlines()
    assert ["#", "title", "artists", "why", "track id"] == [line[:8].strip() for line in lines if line[:8].strip()]
    assert "5IXtD2TsspSRVym4DVgdt8" in lines[-2]


def test_a_pipe_gets_plain_lines_without_blanks_at_their_end() -> None:
    """Nothing is cut, coloured or filled up."""
    heading, line = printed([ENGLISH], 100_000, terminal=False).splitlines()
    assert ENGLISH == re.split(r"\s{2,}", line.strip())
    assert (heading, line) == (heading.rstrip(), line.rstrip())


def test_texts_cannot_steer_the_terminal() -> None:
    """Control characters of a title are shown, not sent; brackets are no markup."""
    text = printed([["1", "\x1b[2Jgone\a [red]title", "a\nb", "", ""]], 200)
    assert "\N{REPLACEMENT CHARACTER}[2Jgone\N{REPLACEMENT CHARACTER} [red]title" in text
    assert 2 == len(text.splitlines())


def test_facts_without_a_value_are_left_out() -> None:
    """A track without genres has no line for them."""
    out = io.StringIO()
    print_facts(Console(file=out, width=80, color_system=None), {"title": "Names", "genres": ""})
    assert ["title  Names"] == out.getvalue().splitlines()


@pytest.mark.parametrize(("share", "expected"), [(0.0, "□□□□□□ 0.00"), (0.5, "■■■□□□ 0.50"), (1.0, "■■■■■■ 1.00")])
def test_a_bar_is_as_long_as_its_share(share: float, expected: str) -> None:
    """The figure stands beside it."""
    assert expected == bar(share)


def test_a_number_has_its_noun_in_the_singular_or_the_plural() -> None:
    """Of nothing there are many."""
    assert ["0 likes", "1 like", "2,017 likes"] == [counted(count, "like") for count in (0, 1, 2017)]
