"""Metrics, each against figures worked out by hand."""

import math

import numpy as np
import pytest
from palate_lab.comparison.metrics import (
    catalog_coverage,
    dislikes_shown,
    expected_calibration_error,
    genre_calibration,
    intra_list_diversity,
    labels_until_useful,
    like_rate,
    ndcg_at,
    novelty,
    recall_at,
    recall_by_taste,
    regret,
    tastes_starved,
    worst_taste_recall,
)


def rows(*numbers: int) -> np.ndarray:
    """Return rows as metrics take them."""
    return np.array(numbers, dtype=np.int32)


RANKING = rows(4, 7, 1, 9, 3)
TASTES = {"metal": rows(7, 3), "salsa": rows(8, 2), "polka": rows()}


def test_recall_is_the_share_of_the_relevant_rows_that_are_shown() -> None:
    """Two of three stand among the first four."""
    assert 2 / 3 == recall_at(RANKING, rows(7, 9, 3), 4)


def test_nothing_relevant_has_no_recall() -> None:
    """A share of nothing is not a number, so that means leave it out."""
    assert math.isnan(recall_at(RANKING, rows(), 4))
    assert math.isnan(ndcg_at(RANKING, rows(), 4))


def test_tastes_are_judged_one_by_one() -> None:
    """A taste without relevant rows is not judged; one without a hit is starved."""
    assert {"metal": 0.5, "salsa": 0.0} == recall_by_taste(RANKING, TASTES, 2)
    assert 0.0 == worst_taste_recall(RANKING, TASTES, 2)
    assert 1 == tastes_starved(RANKING, TASTES, 2)


@pytest.mark.parametrize("k", [2, 5, 50])
def test_ndcg_discounts_by_place(k: int) -> None:
    """Hits at places 2 and 5, one missed: gains 1 / log2(place + 1) over those of the best order."""
    hits = [1 / math.log2(place + 1) for place in (2, 5) if place <= k]
    best = [1 / math.log2(place + 1) for place in (1, 2, 3) if place <= k]
    assert pytest.approx(sum(hits) / sum(best)) == ndcg_at(RANKING, rows(7, 3, 100), k)


def test_a_perfect_ranking_has_an_ndcg_of_one() -> None:
    """Whatever stands behind the relevant rows."""
    assert 1.0 == ndcg_at(RANKING, rows(7, 4), 5)


def test_verdicts_are_counted() -> None:
    """Like rate and dislikes shown."""
    assert 0.75 == like_rate([True, True, False, True])
    assert 1 == dislikes_shown([True, True, False, True])


def test_regret_adds_up_over_turns() -> None:
    """What an oracle would have been liked more, over all slots, turn after turn."""
    best, shown = [[0.9, 0.8], [0.9, 0.7]], [[0.5, 0.8], [0.9, 0.5]]
    assert pytest.approx([0.4, 0.6]) == regret(best, shown).tolist()


def test_useful_is_the_first_window_that_pleases() -> None:
    """Of three labels more than half, first after the fifth; never for who dislikes all."""
    assert 5 == labels_until_useful([False, True, False, False, True, True, True][1:], 3, 0.5)
    assert math.inf == labels_until_useful([False] * 9, 3, 0.5)


def test_calibration_is_the_mean_gap_between_chance_and_share() -> None:
    """Half of the ratings in a bin that is 0.15 too sure, the others in one that is right."""
    chances, liked = [0.65] * 4 + [0.25] * 4, [1, 1, 0, 0, 1, 0, 0, 0]
    assert pytest.approx(0.5 * 0.15) == expected_calibration_error(chances, liked)
    assert 0 == expected_calibration_error([1.0], [True])


def test_a_slate_in_the_listeners_proportions_is_calibrated() -> None:
    """Divergence 0; a missing genre costs its share times the logarithm of 100, less what the others gain."""
    history = {"metal": 0.5, "salsa": 0.5}
    assert 0 == genre_calibration(history, history)
    missing = 0.5 * math.log(0.5 / 0.995) + 0.5 * math.log(0.5 / 0.005)
    assert pytest.approx(missing) == genre_calibration(history, {"metal": 1.0})


def test_diversity_is_the_mean_distance_of_pairs() -> None:
    """Of three pairs one is equal and two are at right angles."""
    vectors = np.array([[1, 0], [1, 0], [0, 1]], dtype=np.float32)
    assert pytest.approx(2 / 3) == intra_list_diversity(vectors)
    assert math.isnan(intra_list_diversity(vectors[:1]))


def test_novelty_is_self_information() -> None:
    """Of four tracks one has half of all popularity: one bit."""
    popularity = np.array([5, 1, 1, 1], dtype=np.uint8)
    assert 1.0 == novelty(popularity, rows(0))
    assert pytest.approx(math.log2(6)) == novelty(popularity, rows(1, 2))


def test_coverage_counts_each_track_once() -> None:
    """Over the slates of all listeners."""
    assert 0.3 == catalog_coverage([rows(1, 2), rows(2, 3)], 10)
    assert 0 == catalog_coverage([], 10)
