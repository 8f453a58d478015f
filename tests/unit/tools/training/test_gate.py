"""The gate: what is chosen and what is published."""

import numpy as np
import pytest
from numpy.typing import NDArray
from palate_tools.training.crossval import Judged
from palate_tools.training.gate import PRIOR_LABELS, Rival, best_learner, decide


def judged(losses: NDArray[np.float64] | float, count: int = 100) -> Judged:
    """Return a judgement with the given loss of each label."""
    spread = np.broadcast_to(np.asarray(losses, dtype=np.float64), count)
    return Judged(np.zeros((1, count)), np.ones(count, dtype=np.bool_), np.ones(count), spread)


EVEN = np.ones(100)


def test_the_preferred_learner_stands_where_another_is_better_by_noise_alone() -> None:
    """A lower mean loss does not choose while it lies within one standard error of the difference."""
    noisy = 0.6 + np.tile([-0.5, 0.49], 50)
    assert "first" == best_learner({"first": judged(0.6), "second": judged(noisy)}, EVEN)


def test_a_learner_that_is_clearly_better_is_chosen() -> None:
    """Of several that are, the best."""
    candidates = {"first": judged(0.6), "second": judged(0.55), "third": judged(0.5)}
    assert "third" == best_learner(candidates, EVEN)


def test_labels_of_weight_0_do_not_choose() -> None:
    """Only the labels asked for count."""
    other = judged(np.repeat([0.5, 0.9], 50))
    weights = np.repeat([1.0, 0.0], 50)
    assert "second" == best_learner({"first": judged(0.6), "second": other}, weights)


def test_a_model_that_beats_its_rivals_is_published() -> None:
    """There is nothing to say then."""
    decision = decide(judged(0.5), [Rival("ranking", judged(0.6), 0.0)], EVEN)
    assert (True, "") == (decision.publish, decision.reason)


def test_a_model_that_loses_to_one_rival_is_kept_out_with_the_figures() -> None:
    """The reason names the rival and both losses."""
    rivals = [Rival("ranking", judged(0.6), 0.0), Rival("the model in service", judged(0.4), 0.0)]
    decision = decide(judged(0.5), rivals, EVEN)
    assert not decision.publish
    told = "does not beat the model in service on held-out feedback: log-loss 0.5000 against 0.4000"
    assert told == decision.reason


def test_a_model_that_is_better_by_too_little_is_told_how_much_it_takes() -> None:
    """A hundred labels of a prior that expects it to be worse ask for as much on a hundred of its own, and no more."""
    rival = Rival("the common model", judged(0.505), -0.01)
    told = "does not beat the common model by enough on held-out feedback: log-loss 0.5000 against 0.5050; "
    assert f"{told}it has to be 0.0100 lower" == decide(judged(0.5), [rival], EVEN).reason
    assert decide(judged(0.4949), [rival], EVEN).publish


@pytest.mark.parametrize(("count", "published"), [(5, True), (1000, False)])
def test_the_prior_decides_on_few_labels_and_the_labels_on_many(count: int, published: bool) -> None:
    """A listener whom ranking suits better is kept with ranking once enough labels say so."""
    worse = Rival("ranking", judged(0.6, count), 0.03)
    decision = decide(judged(0.63, count), [worse], np.ones(count))
    assert published is decision.publish
    assert 5 < PRIOR_LABELS < 1000
