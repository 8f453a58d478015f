"""How many slots of a slate look around: the fewer, the more the listener has said.

Source:
    An exploration rate that falls with what is known, and is drawn by chance where it is a fraction of a slot: Auer,
    Cesa-Bianchi and Fischer, *Finite-time Analysis of the Multiarmed Bandit Problem*, Machine Learning, 2002. The
    floor is for listeners who, unlike bandits, change.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor
from typing import Final

import numpy as np
from palate.plugins.strategy import SlateRequest

from palate_strategies.config import ModelStrategyConfig
from palate_strategies.exploration import Draws

__all__ = ["Looks", "draw_looks", "exploration_rate"]

_WEAK_PART: Final = 0.75
"""What part of the looks is for tastes with a like or two: they are the likeliest to be liked again."""
_STREAM: Final = 1
"""Keeps the draw apart from those of the same seed that say what is explored."""


@dataclass(frozen=True, slots=True)
class Looks:
    """What looks around in a slate.

    Attributes:
        explored: What is drawn by chance.
        weak: One for each slot of the weak tastes: the probability that the slate has it, in (0, 1].
    """

    explored: Draws
    weak: Sequence[float]


def exploration_rate(config: ModelStrategyConfig, rated: int) -> float:
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


def draw_looks(rate: float, request: SlateRequest) -> Looks:
    """Draw what looks around: on average `rate` of the slots, three quarters of them slots of weak tastes.

    One number decides for both parts, from either end, so that they take turns: where together they make up at most
    one slot, no slate has two.
    """
    weak, explored = rate * request.limit * _WEAK_PART, rate * request.limit * (1 - _WEAK_PART)
    chance = np.random.default_rng([request.seed, _STREAM]).random()
    return Looks(Draws(request.seed, _chances(explored, floor(explored + chance))), _chances(weak, ceil(weak - chance)))


def _chances(expected: float, count: int) -> list[float]:
    """Return the probability that there are more than none, one, two, … when so many are expected."""
    return [min(1.0, expected - earlier) for earlier in range(count)]
