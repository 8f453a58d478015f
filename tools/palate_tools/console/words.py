"""The console's signs and short texts."""

from collections.abc import Mapping
from typing import Final

from palate.v1 import catalog_pb2, profile_pb2

from palate_tools.console.session import DISLIKE, LIKE, Verdict

__all__ = ["EXPLORED", "MARKS", "STATES", "meter", "stage_name", "taste_name"]

EXPLORED: Final = "✦"
"""Stands beside tracks that were drawn by chance."""

MARKS: Final[Mapping[Verdict | None, tuple[str, str]]] = {
    None: (" ", ""),
    LIKE: ("♥", "bold green"),
    DISLIKE: ("✗", "bold red"),
}
"""Sign and style of each verdict."""

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


def stage_name(strategy: str) -> str:
    """Return a strategy's name as people read it."""
    return strategy.replace("_", " ")


def taste_name(taste_id: str, clusters: Mapping[str, catalog_pb2.GenreCluster]) -> str:
    """Return the name to show for a taste or a genre cluster."""
    return clusters[taste_id].display_name if taste_id in clusters else taste_id
