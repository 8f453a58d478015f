"""Bootstrap intervals over listeners."""

import math

import numpy as np
import pytest
from palate_lab.comparison.intervals import Interval, mean_interval, paired_difference, paired_ratio


def test_an_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    """Of a hundred samples, the 90 % interval of the mean holds the true one in most, and not in all."""
    generator = np.random.default_rng(0)
    samples = [mean_interval(generator.exponential(1.0, 60), seed=1, confidence=0.9) for _ in range(100)]
    assert 80 <= sum(one.low <= 1.0 <= one.high for one in samples) <= 97


def test_pairing_takes_out_what_listeners_have_in_common() -> None:
    """Listeners differ much, both sides little: the paired interval is above zero, the means' intervals overlap."""
    generator = np.random.default_rng(0)
    theirs = generator.normal(10, 5, 100)
    ours = theirs + generator.normal(0.3, 0.5, 100)
    assert paired_difference(ours, theirs, seed=0).above_zero
    assert mean_interval(ours, 0).low < mean_interval(theirs, 0).high


def test_equal_seeds_give_equal_intervals() -> None:
    """And different ones others."""
    values = np.random.default_rng(0).normal(size=30)
    assert mean_interval(values, 5) == mean_interval(values, 5)
    assert mean_interval(values, 5) != mean_interval(values, 6)


def test_equal_values_are_their_own_interval() -> None:
    """There is nothing to resample; what is not a number is left out."""
    assert Interval(2.0, 2.0, 2.0) == mean_interval([2.0, math.nan, 2.0], 0)
    assert math.isnan(mean_interval([math.nan], 0).value)


def test_a_ratio_is_that_of_the_means() -> None:
    """Not the mean of ratios, which a listener with nothing would make infinite."""
    found = paired_ratio([3.0, 0.0, 3.0, 2.0], [1.0, 0.0, 2.0, 1.0], seed=0)
    assert 2.0 == found.value
    assert found.low < 2.0 < found.high


def test_a_ratio_to_nothing_is_infinite() -> None:
    """And that of nothing to nothing is not a number."""
    assert math.inf == paired_ratio([1.0, 2.0], [0.0, 0.0], seed=0).value
    assert math.isnan(paired_ratio([0.0], [0.0], seed=0).value)


@pytest.mark.parametrize("interval", [Interval(1, -0.1, 2), Interval(1, 0.0, 2)])
def test_an_interval_that_touches_zero_is_not_above_it(interval: Interval) -> None:
    """A rating needs the whole interval."""
    assert not interval.above_zero
