"""Calibration: from scores to log-odds, and the offsets of the tastes."""

import numpy as np
import pytest
from numpy.typing import NDArray
from palate.models.artifact import MAX_OFFSET
from palate_tools.training.calibration import VARIANCES, Line, fit_line, fit_offsets, fit_score_line, held_out_offsets
from palate_tools.training.cross_validation import make_folds
from scipy.special import expit

GENERATOR = np.random.default_rng(5)
TASTES = np.repeat(["house", "jazz", "metal"], 200)
TRUTH = np.repeat([-1.5, 0.0, 1.5], 200)
LOGITS = GENERATOR.normal(size=(1, 600))
LIKED = GENERATOR.random(600) < expit(LOGITS[0] + TRUTH)
EVEN = np.ones(600)


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
    """Whatever it is."""
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


def test_a_line_turns_scores_into_log_odds() -> None:
    """Slope times score plus intercept."""
    assert [7.0] == Line(2.0, 1.0)(np.array([3.0]))


def some(count: int) -> NDArray[np.intp]:
    """Return the positions of the first labels of every taste."""
    return np.concatenate([np.arange(start, start + count) for start in (0, 200, 400)])


def test_what_the_features_do_not_say_is_found() -> None:
    """From 4,000 labels of each taste."""
    tastes, logits = np.repeat(TASTES, 20), GENERATOR.normal(size=(1, 12_000))
    liked = GENERATOR.random(12_000) < expit(logits[0] + np.repeat(TRUTH, 20))
    offsets = fit_offsets(logits, liked, np.ones(12_000), tastes)
    assert pytest.approx({"house": -1.5, "jazz": 0, "metal": 1.5}, abs=0.15) == offsets


def expected(logits: NDArray[np.float64], liked: NDArray[np.bool_], tastes: NDArray[np.str_]) -> dict[str, float]:
    """Return the mean offset of each taste over all offsets and variances, by adding up over a fine grid."""
    grid = np.linspace(-6, 6, 2401)
    names = np.unique(tastes)
    margins = np.where(liked, 1, -1)[:, None] * (logits[:, None] + grid)
    chances = np.exp([-np.logaddexp(0, -margins[tastes == name]).sum(axis=0) for name in names])
    prior = np.array([grid == 0 if variance == 0 else np.exp(-(grid**2) / (2 * variance)) for variance in VARIANCES])
    joint = chances[None] * (prior / prior.sum(axis=1, keepdims=True))[:, None]
    evidence = joint.sum(axis=2).prod(axis=1) * list(VARIANCES.values())
    means = (joint @ grid) / joint.sum(axis=2)
    return dict(zip(names.tolist(), (evidence / evidence.sum()) @ means, strict=True))


@pytest.mark.parametrize("count", [5, 20, 60])
def test_an_offset_is_what_is_expected_of_all_variances(count: int) -> None:
    """Laplace's method comes near to what adding up over a grid finds."""
    rows = some(count)
    assert pytest.approx(expected(LOGITS[0, rows], LIKED[rows], TASTES[rows]), abs=0.1) == fit_offsets(
        LOGITS[:, rows], LIKED[rows], EVEN[rows], TASTES[rows]
    )


def test_repetitions_and_weights_count_as_so_many_labels() -> None:
    """Two repetitions of the same count once, and a label of weight 2 as two."""
    rows, twice = some(20), np.repeat(some(20), 2)
    doubled = fit_offsets(LOGITS[:, twice], LIKED[twice], EVEN[twice], TASTES[twice])
    repeated = np.repeat(LOGITS[:, rows], 2, axis=0)
    assert pytest.approx(doubled) == fit_offsets(repeated, LIKED[rows], 2 * EVEN[rows], TASTES[rows])


@pytest.mark.parametrize("count", [20, 200])
def test_a_listener_whose_tastes_do_not_differ_has_hardly_any_offset(count: int) -> None:
    """A like that the common model explains speaks for no offset."""
    rows = some(count)
    liked = GENERATOR.random(600) < expit(LOGITS[0])
    offsets = fit_offsets(LOGITS[:, rows], liked[rows], EVEN[rows], TASTES[rows])
    assert max(map(abs, offsets.values())) < 0.1


def test_a_few_labels_move_an_offset_less_than_many() -> None:
    """Two likes of metal say little."""
    few, many = (fit_offsets(LOGITS[:, rows], LIKED[rows], EVEN[rows], TASTES[rows]) for rows in (some(2), some(200)))
    assert abs(few["metal"]) < 0.7 * many["metal"]


def test_labels_of_weight_0_do_not_count() -> None:
    """A taste that has no others is left out."""
    rows = TASTES != "jazz"
    assert fit_offsets(LOGITS[:, rows], LIKED[rows], EVEN[rows], TASTES[rows]) == fit_offsets(
        LOGITS, LIKED, rows.astype(np.float64), TASTES
    )


@pytest.mark.parametrize("logit", [-1e6, -30.0, 30.0, 1e6])
def test_a_model_that_is_surely_wrong_is_corrected_within_bounds(logit: float) -> None:
    """Whatever it says, an offset is one that a server accepts."""
    offsets = fit_offsets(np.full((1, 600), logit), np.full(600, logit < 0), EVEN, TASTES)
    assert all(1 < abs(offset) <= MAX_OFFSET and (offset > 0) is (logit < 0) for offset in offsets.values())


def test_a_label_says_nothing_of_its_own_held_out_offset() -> None:
    """Turned verdicts of one fold leave the offsets that it is judged with as they are, and change the others."""
    folds = make_folds(LIKED, 3, 1, seed=1)
    _, held = folds.repeats[0][0]
    turned = LIKED.copy()
    turned[held] = ~turned[held]
    before, after = (held_out_offsets(LOGITS, liked, EVEN, TASTES, folds)[0] for liked in (LIKED, turned))
    others = np.setdiff1d(np.arange(600), held)
    assert before[held].tolist() == after[held].tolist()
    assert (before[others] != after[others]).all()


def test_a_taste_that_only_the_held_out_part_has_gets_no_offset() -> None:
    """Nothing is known of it."""
    tastes = np.array(["ska", *TASTES[1:].tolist()])
    assert 0 == held_out_offsets(LOGITS, LIKED, EVEN, tastes, make_folds(LIKED, 3, 1, seed=1))[0, 0]
