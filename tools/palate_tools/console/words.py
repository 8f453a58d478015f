"""The console's signs and short texts."""

from collections.abc import Mapping, Sequence
from typing import Final

from palate.v1 import catalog_pb2, profile_pb2
from rich.cells import cell_len

from palate_tools.console.session import DISLIKE, LIKE, Rating

__all__ = ["EXPLORED", "MARKS", "STATES", "fitting", "meter", "stage_name", "taste_name"]

EXPLORED: Final = "✦"
"""Stands beside tracks that were drawn by chance."""

_DOT: Final = " · "
_LEGIBLE: Final = 4
"""Cells of a text that has to be seen for it to say anything."""

MARKS: Final[Mapping[Rating | None, tuple[str, str]]] = {
    None: (" ", ""),
    LIKE: ("♥", "bold green"),
    DISLIKE: ("✗", "bold red"),
}
"""Sign and style of each rating."""

STATES: Final[Mapping[int, tuple[str, str]]] = {
    profile_pb2.TASTE_STATE_ACTIVE: ("active", "green"),
    profile_pb2.TASTE_STATE_WEAK: ("weak", "yellow"),
    profile_pb2.TASTE_STATE_INACTIVE: ("inactive", "dim"),
}
"""Word and style of each state of a taste."""


def meter(share: float, cells: int) -> tuple[str, str]:
    """Return the full and the empty part of a bar, to the half cell.

    Args:
        share: How much is full, in [0, 1].
        cells: The length of both together.
    """
    halves = round(share * 2 * cells)
    full = "━" * (halves // 2) + "╸" * (halves % 2)
    return full, "─" * (cells - len(full))


def fitting(parts: Sequence[str], cells: int) -> str:
    """Join texts by dots, without those at the end of which next to nothing would be seen in so many cells."""
    joined = ""
    for part in parts:
        longer = f"{joined}{_DOT}{part}" if joined else part
        hidden = cell_len(longer) - cells
        if joined and hidden > 0 and cell_len(part) - hidden < _LEGIBLE:
            break
        joined = longer
    return joined


def stage_name(strategy: str) -> str:
    """Return a strategy's name as people read it."""
    return strategy.replace("_", " ")


def taste_name(taste_id: str, clusters: Mapping[str, catalog_pb2.GenreCluster]) -> str:
    """Return the name to show for a taste or a genre cluster."""
    return clusters[taste_id].display_name if taste_id in clusters else taste_id
