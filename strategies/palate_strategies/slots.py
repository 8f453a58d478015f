"""How the slots of a slate are shared: among tastes, and between active and weak ones."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final, TypeAlias

import numpy as np
from palate.domain.profile import Taste
from palate.plugins.slate import SlateBuilder, interleave, share_slots, shown_by_cluster, without_excluded
from palate.plugins.strategy import Context, Rows, SlateRequest

from palate_strategies.scoring import TasteScorer

__all__ = ["Order", "allocate", "allocate_best_first", "slots_of"]

_ONE_FROM: Final = 5
"""From how many slots on every share that is not 0 has at least one."""

_AT_ONCE: Final = 64
"""So many candidates are looked at together; a slate rarely takes more of a taste."""

Order: TypeAlias = Callable[[TasteScorer, Rows], Rows]
"""Puts candidates of a taste, which come best first, into the order in which they are to be chosen."""


def allocate(
    scorers: Sequence[TasteScorer],
    builder: SlateBuilder,
    request: SlateRequest,
    context: Context,
    slots: int,
    *,
    order: Order | None = None,
    evenly: bool = False,
) -> list[tuple[TasteScorer, int]]:
    """Share slots of a slate among tastes in proportion to their likes times their confidence, at least one slot each.

    When there are fewer slots than tastes, tastes alternate over the pages by Sainte-Laguë's divisors: the one with
    the highest ``likes * confidence / (2 * shown + 1)`` comes first.

    Args:
        scorers: One for each taste.
        builder: Takes the tracks.
        request: What is asked for.
        context: The catalog, and what is rated.
        slots: How many slots to share, at most the builder's room.
        order: Puts a taste's candidates in order; best first without it.
        evenly: Whether all tastes have the same claim.

    Returns:
        The chosen rows, each with the scorer of its taste, in the order to show them.

    Source:
        Steck, *Calibrated recommendations*, RecSys 2018, for slates that keep the proportions of a
        listener's interests; Balinski and Young, *Fair Representation*, 1982, for the divisors.
    """
    if slots == 0:
        return []
    weights = [1.0 if evenly else _claim(scorer.taste) for scorer in scorers]
    if slots < len(scorers):
        shown = shown_by_cluster(request, context)
        weights = [
            weight / (2 * int(shown[scorer.cluster]) + 1) for scorer, weight in zip(scorers, weights, strict=True)
        ]
    candidates = [_candidates(scorer, request, order) for scorer in scorers]
    return [(scorers[taste], row) for taste, row in builder.allocate(candidates, share_slots(weights, slots))]


def allocate_best_first(
    active: Sequence[TasteScorer],
    weak: Sequence[TasteScorer],
    builder: SlateBuilder,
    request: SlateRequest,
    context: Context,
    reserved: int,
    *,
    evenly: bool = False,
) -> list[tuple[TasteScorer, int]]:
    """Fill the builder's room with the best tracks of each taste, interleaved.

    Without active tastes the weak ones have it all. What they get beyond their share, since the active ones have no
    more tracks, comes last.

    Args:
        active: Scorers of the active tastes.
        weak: Scorers of the weak ones.
        builder: Takes the tracks.
        request: What is asked for.
        context: The catalog, and what is rated.
        reserved: How many slots the weak tastes get together, as far as each active one keeps a slot.
        evenly: Whether all tastes have the same claim.

    Returns:
        The chosen rows, each with the scorer of its taste, in the order to show them.
    """
    weak = _most_confident_first(weak, request.seed)
    reserved = min(reserved, max(0, builder.room - len(active))) if active else builder.room
    reserved = reserved if weak else 0
    fill = partial(allocate, builder=builder, request=request, context=context, evenly=evenly)
    main = fill(active, slots=builder.room - reserved)
    extra = fill(weak, slots=builder.room)
    main += fill(active, slots=builder.room)
    shared = min(reserved, len(extra))
    picks = iter(main), iter(extra)
    return [next(picks[part]) for part in interleave((len(main), shared))] + extra[shared:]


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


def _claim(taste: Taste) -> float:
    """Return what a taste may claim of the slots: its likes, as far as palate is sure of it."""
    return taste.liked.count * taste.confidence


def _candidates(scorer: TasteScorer, request: SlateRequest, order: Order | None) -> Iterator[int]:
    """Yield a taste's tracks in order; looks at more of them only when these are used up."""
    for found in scorer.candidates():
        rows = order(scorer, found) if order else found
        for start in range(0, len(rows), _AT_ONCE):
            yield from without_excluded(request, rows[start : start + _AT_ONCE]).tolist()
