"""How many slots of a slate look around: the fewer, the more the listener has said.

Source:
    An exploration rate that falls with what is known, and is drawn by chance where it is a fraction of a slot: Auer,
    Cesa-Bianchi and Fischer, *Finite-time Analysis of the Multiarmed Bandit Problem*, Machine Learning, 2002. The
    floor is for listeners who, unlike bandits, change.
"""

from math import ceil, floor
from typing import Final

import numpy as np
from palate.strategy.contract import SlateRequest

from palate_strategies.config import ModelRungConfig
from palate_strategies.exploration import Draws

__all__ = ["draw_looks", "exploration_rate"]

_STREAM: Final = 1
"""Keeps the draw apart from those of the same seed that say what is explored."""


def exploration_rate(config: ModelRungConfig, rated: int) -> float:
    """Return the share of slots that look around, in [0, 1].

    It is `exploration` for up to `exploration_span` rated tracks, falls in inverse proportion to them from there on,
    and never below `exploration_floor` of it.

    Args:
        config: The options.
        rated: How many tracks the listener has rated.
    """
    return config.exploration * max(
        config.exploration_span / max(rated, config.exploration_span), config.exploration_floor
    )


def draw_looks(rate: float, request: SlateRequest) -> tuple[Draws, int]:
    """Draw what looks around: on average `rate` of the slots, half of them explored and half of weak tastes.

    One number decides for both halves, from either end, so that they take turns: where together they make up at most
    one slot, no slate has two.

    Returns:
        What is explored, and how many slots the weak tastes get.
    """
    expected = rate * request.limit / 2
    chance = np.random.default_rng([request.seed, _STREAM]).random()
    explored, weak = floor(expected + chance), ceil(expected - chance)
    return Draws(request.seed, [min(1.0, expected - earlier) for earlier in range(explored)]), weak
