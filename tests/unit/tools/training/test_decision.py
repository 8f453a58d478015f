"""Decision: which learner is chosen, and which model is promoted."""

import numpy as np
import pytest
from numpy.typing import NDArray
from palate_tools.training.cross_validation import Evaluation
from palate_tools.training.decision import PRIOR_LABELS, Baseline, best_learner, decide


def evaluation(losses: NDArray[np.float64] | float, count: int = 100) -> Evaluation:
    """Return an evaluation with the given loss of each label."""
    spread = np.broadcast_to(np.asarray(losses, dtype=np.float64), count)
    return Evaluation(np.zeros((1, count)), np.ones(count, dtype=np.bool_), np.ones(count), spread)


EVEN = np.ones(100)


def test_the_preferred_learner_is_kept_where_another_is_better_by_noise_alone() -> None:
    """A lower mean loss does not choose while it lies within one standard error of the difference."""
    noisy = 0.6 + np.tile([-0.5, 0.49], 50)
    assert "first" == best_learner({"first": evaluation(0.6), "second": evaluation(noisy)}, EVEN)


def test_a_learner_that_is_clearly_better_is_chosen() -> None:
    """Of several that are, the best."""
    candidates = {"first": evaluation(0.6), "second": evaluation(0.55), "third": evaluation(0.5)}
    assert "third" == best_learner(candidates, EVEN)


def test_labels_of_weight_0_do_not_choose() -> None:
    """Only the labels asked for count."""
    other = evaluation(np.repeat([0.5, 0.9], 50))
    weights = np.repeat([1.0, 0.0], 50)
    assert "second" == best_learner({"first": evaluation(0.6), "second": other}, weights)


def test_a_model_that_beats_its_baselines_is_promoted() -> None:
    """There is nothing to say then."""
    decision = decide(evaluation(0.5), [Baseline("ranking", evaluation(0.6), 0.0)], EVEN)
    assert (True, "") == (decision.promote, decision.reason)


def test_a_model_that_loses_to_one_baseline_is_rejected_with_the_figures() -> None:
    """The reason names the baseline and both losses."""
    baselines = [Baseline("ranking", evaluation(0.6), 0.0), Baseline("the serving model", evaluation(0.4), 0.0)]
    decision = decide(evaluation(0.5), baselines, EVEN)
    assert not decision.promote
    told = "does not beat the serving model on held-out feedback: log-loss 0.5000 against 0.4000"
    assert told == decision.reason


def test_a_model_that_is_better_by_too_little_is_told_how_much_it_takes() -> None:
    """A hundred labels of a prior that expects it to be worse ask for as much on a hundred of its own, and no more."""
    baseline = Baseline("the common model", evaluation(0.505), -0.01)
    told = "does not beat the common model by enough on held-out feedback: log-loss 0.5000 against 0.5050; "
    assert f"{told}it has to be 0.0100 lower" == decide(evaluation(0.5), [baseline], EVEN).reason
    assert decide(evaluation(0.4949), [baseline], EVEN).promote


@pytest.mark.parametrize(("count", "promoted"), [(5, True), (1000, False)])
def test_the_prior_decides_on_few_labels_and_the_labels_on_many(count: int, promoted: bool) -> None:
    """A listener whom ranking suits better is kept with ranking once enough labels say so."""
    worse = Baseline("ranking", evaluation(0.6, count), 0.03)
    decision = decide(evaluation(0.63, count), [worse], np.ones(count))
    assert promoted is decision.promote
    assert 5 < PRIOR_LABELS < 1000
