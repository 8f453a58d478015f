"""Simulated listeners: each is what its kind's name says, and the same wherever it is drawn."""

import hashlib
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from palate.errors import ConfigError
from palate_tools.simulation.kinds import load_kinds
from palate_tools.simulation.listener import SimulatedListener
from palate_tools.simulation.tracks import Cluster, TrackTable, distances
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

KINDS = load_kinds()
SEEDS = range(30)
Draw = Callable[[str], list[SimulatedListener]]


@pytest.fixture
def draw(clusters: Sequence[Cluster]) -> Draw:
    """Return a function that draws thirty listeners of a kind."""
    return lambda kind: [SimulatedListener.draw(KINDS[kind], seed, clusters) for seed in SEEDS]


def liked_in(listener: SimulatedListener, tracks: TrackTable, turn: int = 0) -> NDArray[np.intp]:
    """Return how many tracks each taste of a turn likes."""
    wanted = listener.wants(tracks, turn)
    liked = listener.liked(tracks, turn)
    return np.array([liked[wanted == n].sum() for n, taste in enumerate(listener.tastes) if taste.holds(turn)])


def apart(listener: SimulatedListener, clusters: Sequence[Cluster]) -> float:
    """Return the mean distance in sound of a listener's tastes."""
    names = [cluster.cluster_id for cluster in clusters]
    rows = [names.index(taste.cluster_id) for taste in listener.tastes]
    return float(distances(clusters)[np.ix_(rows, rows)][np.triu_indices(len(rows), 1)].mean())


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_listener(kind: str, clusters: Sequence[Cluster], tracks: TrackTable) -> None:
    """Another seed gives another."""
    first, again, other = (SimulatedListener.draw(KINDS[kind], seed, clusters) for seed in (5, 5, 6))
    assert first == again
    assert first.chances(tracks, 3).tobytes() == again.chances(tracks, 3).tobytes()
    assert first.chances(tracks, 3).tobytes() != other.chances(tracks, 3).tobytes()


def test_chances_and_verdicts_are_these_bytes_on_every_machine(clusters: Sequence[Cluster], tracks: TrackTable) -> None:
    """A machine that rounds otherwise, or a change that moves a listener, shows here."""
    listener = SimulatedListener.draw(KINDS["drifting"], 7, clusters)
    digest = hashlib.sha256()
    for turn in (0, 17, 90):
        digest.update(listener.chances(tracks, turn).astype("<f8").tobytes())
        digest.update(listener.ratings(tracks, turn).tobytes())
    assert "4bb625f8755d1acec55902312f913230da6832b99c5a55011fce7e9efe960da6" == digest.hexdigest()


def test_a_verdict_depends_on_nothing_that_was_asked_before(clusters: Sequence[Cluster], tracks: TrackTable) -> None:
    """One by one, in another order, or all together: the same track gets the same rating."""
    listener = SimulatedListener.draw(KINDS["separated"], 1, clusters)
    rows = np.random.default_rng(0).permutation(len(tracks))[:50]
    together = listener.ratings(tracks, 4)[rows].tolist()
    assert together == [bool(listener.ratings(tracks.take([row]), 4)[0]) for row in rows]


@pytest.mark.parametrize(
    ("kind", "low", "high"),
    [
        ("one-taste", 0.04, 0.15),
        ("separated", 0.05, 0.15),
        ("close", 0.05, 0.15),
        ("dominated", 0.04, 0.15),
        ("eclectic", 0.05, 0.15),
        ("drifting", 0.05, 0.15),
        ("shocked", 0.05, 0.15),
        ("contrary", 0.01, 0.05),
    ],
)
def test_few_tracks_are_liked_by_chance_and_nearly_all_of_the_best(
    kind: str, low: float, high: float, draw: Draw, tracks: TrackTable
) -> None:
    """A random slate is liked now and then, an oracle's nearly always."""
    by_chance, by_oracle = [], []
    for listener in draw(kind):
        liked = listener.liked(tracks, 0)
        by_chance.append(liked.mean())
        by_oracle.append(liked[np.argsort(-listener.chances(tracks, 0))[:30]].mean())
    assert low < np.mean(by_chance) < high
    assert 0.75 < np.mean(by_oracle)


def test_one_taste_is_one_cluster(draw: Draw) -> None:
    """Nothing else is wanted."""
    assert {1} == {len(listener.tastes) for listener in draw("one-taste")}


def test_separated_tastes_are_farther_apart_than_any_and_close_ones_nearer(
    draw: Draw, clusters: Sequence[Cluster]
) -> None:
    """Distances in sound follow the kinds' names, with tastes from anywhere in between."""
    near, between, far = (
        np.mean([apart(listener, clusters) for listener in draw(kind)]) for kind in ("close", "drifting", "separated")
    )
    assert near < 0.6 * between
    assert between < 0.85 * far


def test_a_dominated_listener_likes_far_more_of_the_one_taste(draw: Draw, tracks: TrackTable) -> None:
    """The small one is there all the same."""
    shares = np.sum([liked_in(listener, tracks) for listener in draw("dominated")], axis=0)
    assert 0.75 < shares[0] / shares.sum() < 0.95


def test_an_eclectic_listener_has_eight_tastes_and_likes_something_of_each(draw: Draw, tracks: TrackTable) -> None:
    """None of the eight is empty."""
    for listener in draw("eclectic"):
        assert 8 == len({taste.cluster_id for taste in listener.tastes})
        assert 0 < liked_in(listener, tracks).min()


def test_a_drifting_listener_changes_slowly_and_in_the_end_much(draw: Draw, tracks: TrackTable) -> None:
    """From one turn to the next hardly a chance moves; over sixty turns most within the tastes do."""
    for listener in draw("drifting"):
        start, soon, late = (listener.chances(tracks, turn) for turn in (0, 1, 60))
        assert 0.15 > np.abs(soon - start).max()
        assert 0.15 < np.abs(late - start)[listener.wants(tracks) >= 0].mean()


def test_a_shocked_listener_gives_up_two_of_three_tastes_at_once(draw: Draw, tracks: TrackTable) -> None:
    """Until the turn nothing changes; from it on, one taste is the same and two are others."""
    for listener in draw("shocked"):
        before, still, after = (
            {taste.cluster_id for taste in listener.tastes if taste.holds(turn)} for turn in (0, 19, 20)
        )
        assert before == still
        assert (3, 3, 1) == (len(before), len(after), len(before & after))
        assert listener.chances(tracks, 19).tobytes() == listener.chances(tracks, 0).tobytes()


def test_a_contrary_listener_dislikes_most_even_of_their_own_tastes(draw: Draw, tracks: TrackTable) -> None:
    """Little will do."""
    shares = [listener.liked(tracks, 0)[listener.wants(tracks) >= 0].mean() for listener in draw("contrary")]
    assert 0.1 < np.mean(shares) < 0.3


def test_a_tastes_preference_is_neither_a_cosine_nor_linear(draw: Draw, tracks: TrackTable) -> None:
    """Fitted to all the truth there is, a linear model of the sound is far from the oracle within a taste."""
    linear, oracle = [], []
    for listener in draw("separated")[:8]:
        rows = np.flatnonzero(listener.wants(tracks) == 0)
        liked = listener.liked(tracks, 0)[rows]
        scaled = tracks.features[rows] / tracks.features[rows].std(axis=0).clip(1e-6)
        linear.append(
            roc_auc_score(liked, LogisticRegression(max_iter=2000).fit(scaled, liked).decision_function(scaled))
        )
        oracle.append(roc_auc_score(liked, listener.chances(tracks, 0)[rows]))
    assert 0.9 < np.mean(oracle)
    assert np.mean(linear) < np.mean(oracle) - 0.1


def test_some_features_do_not_matter(draw: Draw, tracks: TrackTable) -> None:
    """Within a taste, five of nine features may be anything without changing a chance."""
    listener = draw("separated")[0]
    own = tracks.take(np.flatnonzero(listener.wants(tracks) == 0))
    unmoved = 0
    for feature in range(9):
        moved = own.take(range(len(own)))
        moved.features[:, feature] += 0.3
        unmoved += np.array_equal(listener.chances(moved, 0), listener.chances(own, 0))
    assert 5 == unmoved


def test_verdicts_are_given_the_wrong_way_now_and_then(draw: Draw, tracks: TrackTable) -> None:
    """At the rate of the kind."""
    wrong = [(listener.ratings(tracks, 0) != listener.liked(tracks, 0)).mean() for listener in draw("separated")]
    assert 0.015 < np.mean(wrong) < 0.025


def test_a_catalog_of_too_few_clusters_is_refused(clusters: Sequence[Cluster]) -> None:
    """The sentence says how many it takes."""
    with pytest.raises(ConfigError, match="tastes in 5 genre clusters, and the catalog has 4"):
        SimulatedListener.draw(KINDS["shocked"], 0, clusters[:4])
