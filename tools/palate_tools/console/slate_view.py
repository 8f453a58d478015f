"""Tracks as they stand in a list: one line, or two where there is room or none for one."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from palate.v1 import catalog_pb2
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.styled import Styled
from rich.table import Table
from rich.text import Text

from palate_tools.console.session import Pick, Rating
from palate_tools.console.words import EXPLORED, MARKS, fitting, stage_name, taste_name
from palate_tools.picking import artists
from palate_tools.tables import printable

__all__ = ["Layout", "Line", "headings", "layout_of", "track_view"]

_NARROW: Final = 50
_ROOMY: Final = (70, 20)
_INDENT: Final = 6


class Layout(Enum):
    """How a track is drawn."""

    NARROW = auto()
    """Title above artists, taste and score."""
    LINE = auto()
    """All in one line."""
    ROOMY = auto()
    """One line, and below it the reason and where the item came from."""


@dataclass(frozen=True, slots=True)
class Line:
    """One track of a list.

    Attributes:
        number: Its place, from 1.
        track: The track.
        pick: Where it was recommended, how.
        rating: What the listener thinks of it.
        renewed: Whether another model scored it than its taste's tracks of the slate before.
    """

    number: int
    track: catalog_pb2.Track
    pick: Pick | None = None
    rating: Rating | None = None
    renewed: bool = False


@dataclass(frozen=True, slots=True)
class _Fitting:
    """Texts in one line, as many as there is room for."""

    parts: tuple[str, ...]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text(fitting(self.parts, options.max_width), no_wrap=True, overflow="ellipsis")


def layout_of(width: int, height: int) -> Layout:
    """Return the layout for a list of some cells."""
    if width < _NARROW:
        return Layout.NARROW
    return Layout.ROOMY if width >= _ROOMY[0] and height >= _ROOMY[1] else Layout.LINE


def headings(layout: Layout, figure: str) -> RenderableType:
    """Draw the line above a list of tracks; `figure` names the last column."""
    if layout is Layout.NARROW:
        return Text(f"   #  title, artists, taste, {figure}", style="dim", no_wrap=True)
    grid = _grid()
    grid.add_row("", "#", "title", "artists", "taste", figure, style="dim")
    return grid


def track_view(line: Line, layout: Layout, clusters: Mapping[str, catalog_pb2.GenreCluster]) -> RenderableType:
    """Draw one track."""
    title, names = printable(line.track.title), printable(artists(line.track))
    taste = taste_name(_taste_id(line), clusters)
    if layout is Layout.NARROW:
        return Group(_narrow(line, title), _below(_Fitting((names, taste)), _score(line)))
    grid = _grid()
    grid.add_row(_signs(line), str(line.number), Text(title, style="bold"), Text(names), Text(taste), _score(line))
    if layout is Layout.ROOMY and line.pick:
        sentence = Text(printable(line.pick.item.reason.sentence))
        return Group(grid, _below(sentence, _source(line.pick, renewed=line.renewed)))
    return grid


def _grid() -> Table:
    grid = Table.grid(expand=True, padding=(0, 1, 0, 0))
    grid.add_column(width=2, no_wrap=True)
    grid.add_column(min_width=2, justify="right", no_wrap=True)
    for ratio in (5, 4, 3):
        grid.add_column(ratio=ratio, no_wrap=True, overflow="ellipsis")
    grid.add_column(width=6, justify="right", no_wrap=True)
    return grid


def _narrow(line: Line, title: str) -> Table:
    grid = Table.grid(expand=True, padding=(0, 1, 0, 0))
    grid.add_column(width=2, no_wrap=True)
    grid.add_column(min_width=2, justify="right", no_wrap=True)
    grid.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    grid.add_row(_signs(line), str(line.number), Text(title, style="bold"))
    return grid


def _below(left: RenderableType, right: Text) -> RenderableType:
    grid = Table.grid(expand=True, padding=(0, 1, 0, 0))
    grid.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    grid.add_column(no_wrap=True, justify="right")
    grid.add_row(Styled(left, "dim"), right)
    return Padding(grid, (0, 0, 0, _INDENT))


def _signs(line: Line) -> Text:
    """Return the rating's sign and that of exploration."""
    explored = line.pick is not None and line.pick.item.exploration
    return Text.assemble(MARKS[line.rating], (EXPLORED if explored else " ", "magenta"))


def _score(line: Line) -> Text:
    return Text(f"{line.pick.item.score:.3f}" if line.pick else str(line.track.popularity))


def _source(pick: Pick, *, renewed: bool) -> Text:
    """Return the strategy and the model that an item came from; of its version the part that chance made."""
    version = pick.item.model_version.rpartition("-")[2]
    source = f"{stage_name(pick.item.strategy)} {version}".rstrip()
    return Text(f"new {source}" if renewed else source, style="bold cyan" if renewed else "dim")


def _taste_id(line: Line) -> str:
    """Return the taste that a track was chosen for, or else its own genre cluster."""
    return line.pick.item.taste_id if line.pick and line.pick.item.taste_id else line.track.genre_cluster_id
