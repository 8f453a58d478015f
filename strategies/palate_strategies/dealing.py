"""How ranking and the model rungs deal a slate: to the active tastes, with a few slots for the weak ones."""

from collections.abc import Sequence
from functools import partial
from typing import Final

import numpy as np
from palate.strategy.contract import Context, SlateRequest
from palate.strategy.slate import SlateBuilder, take_turns

from palate_strategies.scoring import TasteScorer, deal_among

__all__ = ["deal_best_first"]

_WEAK_FROM: Final = 5
"""From how many slots on at least one is a weak taste's."""


def deal_best_first(
    active: Sequence[TasteScorer],
    weak: Sequence[TasteScorer],
    builder: SlateBuilder,
    request: SlateRequest,
    context: Context,
    weak_share: float,
    *,
    evenly: bool = False,
) -> list[tuple[TasteScorer, int]]:
    """Fill the builder's room with the best tracks of each taste, in turns.

    Without active tastes the weak ones have it all. What they get beyond their share, since the active ones have no
    more tracks, comes last.

    Args:
        active: Scorers of the active tastes.
        weak: Scorers of the weak ones.
        builder: Takes the tracks.
        request: What is asked for.
        context: The catalog, and what is rated.
        weak_share: Share of the slots that the weak tastes get together, as far as each active one keeps a slot.
        evenly: Whether all tastes count as equally confident.

    Returns:
        The chosen rows, each with the scorer of its taste, in the order to show them.
    """
    weak = _in_turn(weak, request.seed)
    kept = _weak_slots(weak_share, builder.room, len(active), len(weak))
    deal = partial(deal_among, builder=builder, request=request, context=context, evenly=evenly)
    main = deal(active, slots=builder.room - kept)
    extra = deal(weak, slots=builder.room)
    main += deal(active, slots=builder.room)
    shared = min(kept, len(extra))
    piles = iter(main), iter(extra)
    return [next(piles[turn]) for turn in take_turns((len(main), shared))] + extra[shared:]


def _weak_slots(share: float, slots: int, active: int, weak: int) -> int:
    """Return how many slots the weak tastes get: the share, rounded, where each active taste keeps one.

    Unless the share is 0, it is at least one from five slots on.
    """
    if active == 0:
        return slots
    least = 1 if share > 0 and slots >= _WEAK_FROM else 0
    return max(0, min(max(round(share * slots), least), slots - active)) if weak else 0


def _in_turn(weak: Sequence[TasteScorer], seed: int) -> list[TasteScorer]:
    """Return the weak tastes, most confident first; equals in an order that changes with every feedback."""
    if len(weak) < 2:  # noqa: PLR2004 - one or none is in order
        return list(weak)
    order = np.random.default_rng(seed).permutation(len(weak))
    return sorted((weak[position] for position in order), key=lambda scorer: -scorer.taste.confidence)
