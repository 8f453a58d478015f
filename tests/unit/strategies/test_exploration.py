"""How many slots of a slate the model stages spend on exploration."""

import numpy as np
import pytest
from palate.plugins.strategy import SlateRequest
from palate_strategies.config import ModelStrategyConfig
from palate_strategies.exploration import draw_slots, exploration_rate

CONFIG = ModelStrategyConfig(exploration=0.2, exploration_span=10, exploration_floor=0.15)
NOTHING = np.array([], dtype=np.int32)


def request(limit: int, seed: int) -> SlateRequest:
    """Ask for a slate."""
    return SlateRequest(limit, NOTHING, (), seed)


@pytest.mark.parametrize(("rated", "rate"), [(0, 0.2), (10, 0.2), (20, 0.1), (40, 0.05), (100, 0.03), (10_000, 0.03)])
def test_the_rate_falls_with_what_was_rated_down_to_a_floor(rated: int, rate: float) -> None:
    """In inverse proportion, once there are more than the span."""
    assert pytest.approx(rate) == exploration_rate(CONFIG, rated)


@pytest.mark.parametrize(("rate", "limit"), [(0.03, 1), (0.03, 10), (0.1, 10), (0.03, 100), (0.5, 7), (1.0, 10)])
def test_on_average_the_rate_is_met_and_weak_tastes_have_three_quarters(rate: float, limit: int) -> None:
    """Whatever fraction of a slot it comes to."""
    slates = [draw_slots(rate, request(limit, seed)) for seed in range(4_000)]
    assert pytest.approx(rate * limit / 4, abs=0.03) == np.mean([len(slots.drawn) for slots in slates])
    assert pytest.approx(rate * limit * 3 / 4, abs=0.03) == np.mean([len(slots.weak) for slots in slates])


def test_drawn_and_weak_slots_alternate_where_they_make_up_one() -> None:
    """Never both, never neither."""
    slates = [draw_slots(0.1, request(10, seed)) for seed in range(200)]
    assert {(0, 1), (1, 0)} == {(len(slots.drawn), len(slots.weak)) for slots in slates}


@pytest.mark.parametrize(
    ("rate", "explored", "weak"),
    [(0.1, [0.25], [0.75]), (0.2, [0.5], [1.0, 0.5]), (0.6, [1.0, 0.5], [1.0] * 4 + [0.5])],
)
def test_each_slot_says_how_probable_it_was(rate: float, explored: list[float], weak: list[float]) -> None:
    """Certain ones first, then the fraction."""
    slates = [draw_slots(rate, request(10, seed)) for seed in range(100)]
    assert pytest.approx(explored) == max((slots.drawn for slots in slates), key=len)
    assert pytest.approx(weak) == max((slots.weak for slots in slates), key=len)


def test_a_rate_of_nothing_draws_nothing() -> None:
    """Whatever the seed."""
    slates = [draw_slots(0, request(10, seed)) for seed in range(99)]
    assert all(([], []) == (slots.drawn, slots.weak) for slots in slates)
