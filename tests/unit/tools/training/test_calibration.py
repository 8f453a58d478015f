"""Calibration: from scores to log-odds."""

import numpy as np
import pytest
from numpy.typing import NDArray
from palate_tools.training.calibration import Line, fit_line, fit_score_line, log_losses
from scipy.special import expit


def labels_of(logits: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Draw labels with the probabilities that log-odds say."""
    liked: NDArray[np.bool_] = np.random.default_rng(0).random(len(logits)) < expit(logits)
    return liked


def test_overconfident_log_odds_are_brought_to_what_the_labels_show() -> None:
    """From 20,000 labels slope and intercept are found again."""
    truth = np.random.default_rng(1).normal(0.4, 1, 20_000)
    line = fit_line((3 * (truth - 0.4))[np.newaxis], labels_of(truth), np.ones(20_000))
    assert pytest.approx(1 / 3, rel=0.05) == line.slope
    assert pytest.approx(0.4, abs=0.05) == line.intercept


def test_a_few_labels_move_the_line_only_a_little() -> None:
    """Four labels that contradict the model do not turn it into nothing."""
    line = fit_line(np.array([[1.0, -1.0, 1.0, -1.0]]), np.array([False, True, True, False]), np.ones(4))
    assert 0.5 < line.slope < 1
    assert pytest.approx(0) == line.intercept


def test_the_slope_never_turns_the_order_around() -> None:
    """Scores that are all wrong end with slope 0."""
    truth = np.random.default_rng(1).normal(0, 2, 5_000)
    assert 0 == fit_line(-truth[np.newaxis], labels_of(truth), np.ones(5_000)).slope


def test_a_label_of_weight_0_does_not_count() -> None:
    """It may say what it likes."""
    logits, liked = np.array([[1.0, -1.0, 5.0]]), np.array([True, False, False])
    assert fit_line(logits[:, :2], liked[:2], np.ones(2)) == fit_line(logits, liked, np.array([1.0, 1.0, 0.0]))


def test_scores_of_any_scale_become_the_same_log_odds() -> None:
    """Scale and origin of a score do not matter."""
    truth = np.random.default_rng(1).normal(0, 1, (1, 500))
    liked = labels_of(truth[0])
    plain, scaled = (fit_score_line(scores, liked, np.ones(500)) for scores in (truth, 0.01 * truth + 7))
    assert pytest.approx(plain(truth)) == scaled(0.01 * truth + 7)


def test_scores_that_are_all_equal_say_nothing_but_the_share_of_likes() -> None:
    """The slope is 0; an intercept remains."""
    line = fit_score_line(np.full((1, 100), 0.3), np.arange(100) < 80, np.ones(100))
    assert 0 == line.slope
    assert pytest.approx(0.8, abs=0.03) == expit(line.intercept)


def test_losses_are_finite_however_sure_the_model_was() -> None:
    """A loss is the negative logarithm of the probability of what was said."""
    losses = log_losses(np.array([0.0, 800.0, -800.0]), np.array([True, True, True]))
    assert pytest.approx([np.log(2), 0, 800]) == losses
    assert Line(2.0, 1.0)(np.array([3.0])) == [7.0]
