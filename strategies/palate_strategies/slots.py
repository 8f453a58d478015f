"""Which taste, or exploration, fills which slot of a slate."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from palate.domain.profile import Taste
from palate.plugins.slate import SlateBuilder, Source, interleave, share_slots, shown_by_cluster, without_excluded
from palate.plugins.strategy import Choice, Context, Rows, SlateRequest

from palate_strategies.scoring import TasteScorer

__all__ = ["Order", "Shares", "allocate", "in_order", "slots_of"]

_ONE_FROM: Final = 5
"""From how many slots on every share that is not 0 has at least one."""

_AT_ONCE: Final = 64
"""So many candidates are filtered together; a slate rarely takes more of a taste."""

Order: TypeAlias = Callable[[TasteScorer, Rows], Rows]
"""Puts candidates of a taste, which come best first, into the order in which they are to be chosen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """How a slate is shared between active tastes, weak ones and exploration.

    Attributes:
        weak: How many slots the weak tastes get together, as far as each active one keeps a slot.
        explored: How many slots explore.
        evenly: Whether all tastes have the same claim; otherwise it is their likes times their confidence.
    """

    weak: int = 0
    explored: int = 0
    evenly: bool = False


def allocate(
    active: Sequence[TasteScorer],
    weak: Sequence[TasteScorer],
    builder: SlateBuilder,
    context: Context,
    shares: Shares,
    explore: Source = lambda: None,
    order: Order = lambda _, rows: rows,
) -> list[tuple[TasteScorer | None, int]]:
    """Fill a slate: first decide who fills which slot, then fill the slots in the order to show them.

    Each taste gets slots in proportion to its claim, at least one. Without active tastes the weak ones have it all.
    With fewer slots than tastes, tastes alternate over the pages by Sainte-Laguë's divisors: the one with the highest
    ``claim / (2 * shown + 1)`` comes first.

    Args:
        active: Scorers of the active tastes.
        weak: Scorers of the weak ones.
        builder: An empty slate.
        context: The catalog, and what is rated.
        shares: How many slots are not for the active tastes.
        explore: Fills the slots that explore.
        order: Puts a taste's candidates in order; best first without it.

    Returns:
        The chosen rows in the order to show them, each with the scorer of its taste; None for explored ones.

    Source:
        Steck, *Calibrated recommendations*, RecSys 2018, for slates that keep the proportions of a
        listener's interests; Balinski and Young, *Fair Representation*, 1982, for the divisors.
    """
    weak = _most_confident_first(weak, builder.request.seed)
    scorers: list[TasteScorer | None] = [*active, *weak, None]
    tastes = range(len(active)), range(len(active), len(scorers) - 1)
    room = builder.room - shares.explored
    reserved = min(shares.weak, max(0, room - len(active))) if active else room
    slots = (room - reserved, reserved) if weak else (room, 0)
    parts = [
        share_slots(_claims(group, count, builder.request, context, evenly=shares.evenly), count)
        for group, count in zip((active, weak), slots, strict=True)
    ]
    own = [
        interleave(*([taste] * count for taste, count in zip(numbers, part, strict=True)))
        for numbers, part in zip(tastes, parts, strict=True)
    ]
    planned = interleave(interleave(*own), [len(scorers) - 1] * shares.explored)
    unplanned = sorted({*tastes[0], *tastes[1]}.difference(planned))
    sources = [builder.best_first(_candidates(scorer, builder.request, order)) for scorer in (*active, *weak)]
    return [(scorers[position], row) for position, row in builder.fill([*planned, *unplanned], [*sources, explore])]


def in_order(picks: Sequence[tuple[TasteScorer | None, int]], *choices: Sequence[Choice]) -> list[Choice]:
    """Return the choices of picked rows in the order of the picks."""
    by_row = {choice.row: choice for some in choices for choice in some}
    return [by_row[row] for _, row in picks]


def slots_of(share: float, limit: int) -> int:
    """Return how many of a slate's slots a share is: rounded, and unless it is 0 at least one from five slots on."""
    least = 1 if share > 0 and limit >= _ONE_FROM else 0
    return max(round(share * limit), least)


def _most_confident_first(weak: Sequence[TasteScorer], seed: int) -> list[TasteScorer]:
    """Return the weak tastes, most confident first; equals in an order that changes with every feedback."""
    if len(weak) < 2:  # noqa: PLR2004 - one or none is in order
        return list(weak)
    order = np.random.default_rng(seed).permutation(len(weak))
    return sorted((weak[position] for position in order), key=lambda scorer: -scorer.taste.confidence)


def _claims(
    scorers: Sequence[TasteScorer], slots: int, request: SlateRequest, context: Context, *, evenly: bool
) -> list[float]:
    """Return what each taste may claim of so many slots."""
    claims = [1.0 if evenly else _claim(scorer.taste) for scorer in scorers]
    if slots == 0 or slots >= len(scorers):
        return claims
    shown = shown_by_cluster(request, context)
    return [claim / (2 * int(shown[scorer.cluster]) + 1) for scorer, claim in zip(scorers, claims, strict=True)]


def _claim(taste: Taste) -> float:
    """Return what a taste may claim of the slots: its likes, as far as palate is sure of it."""
    return taste.liked.count * taste.confidence


def _candidates(scorer: TasteScorer, request: SlateRequest, order: Order) -> Iterator[int]:
    """Yield a taste's tracks in order; looks at more of them only when these are used up."""
    for found in scorer.candidates():
        rows = order(scorer, found)
        for start in range(0, len(rows), _AT_ONCE):
            yield from without_excluded(request, rows[start : start + _AT_ONCE]).tolist()
