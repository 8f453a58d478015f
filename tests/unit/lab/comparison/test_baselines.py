"""Baselines."""

from collections.abc import Callable

import numpy as np
import pytest
from palate.catalog.snapshot import Catalog
from palate_lab.comparison.baselines import (
    History,
    ItemSpace,
    MergedCentroid,
    Oracle,
    PerTaste,
    Recommender,
    SharedSlots,
    diversify,
    make_baselines,
    trade_off_for,
)
from palate_lab.comparison.metrics import intra_list_diversity
from scipy.special import expit

Tracks = Callable[..., np.ndarray]
NAMES = [
    "random",
    "popularity",
    "merged centroid",
    "merged logistic",
    "merged LightGBM",
    "nearest liked",
    "average vector",
    "best score",
    "per-taste centroid",
]


@pytest.fixture(scope="module")
def tracks(catalog: Catalog) -> Tracks:
    """Return a function that draws tracks of a cluster."""

    def draw(cluster_id: str, count: int, seed: int = 0) -> np.ndarray:
        rows = np.flatnonzero(catalog.cluster == catalog.cluster_number(cluster_id))
        return np.random.default_rng(seed).permutation(rows)[:count].astype(np.int32)

    return draw


@pytest.fixture(scope="module")
def two(tracks: Tracks) -> History:
    """Return a listener who likes metal and salsa, metal more, and dislikes some of each and of pop."""
    likes = [*tracks("extreme-metal", 20), *tracks("latin-dance", 8)]
    dislikes = [*tracks("extreme-metal", 24)[20:], *tracks("pop", 8)]
    rows = np.array([*likes, *dislikes], dtype=np.int32)
    return History(rows, np.arange(len(rows)) < len(likes))


@pytest.fixture(scope="module")
def baselines(catalog: Catalog) -> dict[str, Recommender]:
    """Return all baselines."""
    return make_baselines(catalog)


def share(catalog: Catalog, rows: np.ndarray, cluster_id: str) -> float:
    """Return the share of rows that are of a cluster."""
    return float(np.mean(catalog.cluster[rows] == catalog.cluster_number(cluster_id)))


def test_all_baselines_are_there(baselines: dict[str, Recommender]) -> None:
    """By the names that reports show."""
    assert NAMES == list(baselines)


@pytest.mark.parametrize("name", NAMES)
def test_a_baseline_shows_new_tracks_that_may_be_shown(
    baselines: dict[str, Recommender], catalog: Catalog, two: History, name: str
) -> None:
    """Distinct, as many as asked for, none rated, none of an excluded cluster; the same for the same seed."""
    shown = baselines[name].recommend(two, 50, np.random.default_rng(1))
    assert (50, np.dtype(np.int32)) == (len(set(shown.tolist())), shown.dtype)
    assert set() == set(shown.tolist()) & set(two.rows.tolist())
    assert set() == set(catalog.cluster[shown].tolist()) & catalog.excluded_clusters
    np.testing.assert_array_equal(shown, baselines[name].recommend(two, 50, np.random.default_rng(1)))


@pytest.mark.parametrize("name", NAMES)
def test_a_baseline_runs_out_of_tracks_at_the_end_of_the_catalog(
    baselines: dict[str, Recommender], catalog: Catalog, two: History, name: str
) -> None:
    """Every track that may be shown is, once."""
    shown = baselines[name].recommend(two, 100_000, np.random.default_rng(1))
    excluded = np.isin(catalog.cluster, list(catalog.excluded_clusters))
    assert sorted(shown.tolist()) == np.setdiff1d(np.flatnonzero(~excluded), two.rows).tolist()


@pytest.mark.parametrize("name", NAMES)
def test_a_listener_who_has_rated_nothing_is_served(baselines: dict[str, Recommender], name: str) -> None:
    """Nothing is known of them, so nothing more is asked."""
    assert 10 == len(baselines[name].recommend(History.of_likes([]), 10, np.random.default_rng(1)))


@pytest.mark.parametrize("name", [name for name in NAMES if name not in {"random", "popularity"}])
def test_what_learns_finds_what_is_liked(
    baselines: dict[str, Recommender], two: History, tracks: Tracks, name: str
) -> None:
    """Other tracks of the liked clusters score higher than pop."""
    liked, other = tracks("extreme-metal", 60)[24:], tracks("pop", 23)[8:]
    scores = baselines[name].scores(two, np.concatenate([liked, other]))
    assert scores[: len(liked)].mean() > scores[len(liked) :].mean()
    assert np.float64 == scores.dtype


@pytest.mark.parametrize("name", [name for name in NAMES if name not in {"random", "popularity"}])
def test_a_dislike_takes_its_like_down(baselines: dict[str, Recommender], tracks: Tracks, name: str) -> None:
    """Pop scores lower against the liked metal once some pop is disliked."""
    likes = np.concatenate([tracks("extreme-metal", 12), tracks("pop", 3)])
    rated = np.concatenate([likes, tracks("pop", 13)[3:]])
    more = History(rated, np.arange(len(rated)) < len(likes))
    probes = np.concatenate([tracks("extreme-metal", 42)[12:], tracks("pop", 23)[13:]])
    before, after = (baselines[name].scores(history, probes) for history in (History.of_likes(likes), more))
    lead = [scores[:30].mean() - scores[30:].mean() for scores in (before, after)]
    assert lead[0] < lead[1]


def test_cosines_are_means_of_sound_and_genres(catalog: Catalog) -> None:
    """A vector has length 1; without genres the cosine is that of the sound."""
    rows = np.arange(0, len(catalog), 400, dtype=np.int32)
    joint, sound = (ItemSpace(catalog, weight).of(rows).toarray() for weight in (1.0, 0.0))
    assert pytest.approx(np.ones(len(rows)), abs=1e-5) == np.linalg.norm(joint, axis=1)
    assert 9 == sound.shape[1]
    same = catalog.cluster[rows[0]] == catalog.cluster[rows]
    alike = [len({*catalog.genre_names(int(rows[0]))} & {*catalog.genre_names(row)}) > 0 for row in rows.tolist()]
    expected = (sound @ sound[0] + (same.astype(float) + alike) / 2) / 2
    assert pytest.approx(expected, abs=1e-5) == joint @ joint[0]


def test_best_score_is_that_of_the_documentation(catalog: Catalog, baselines: dict[str, Recommender]) -> None:
    """The nearest like speaks for a track, the nearest dislike against it, and the nearer of both is heard."""
    history = History(np.array([10, 900, 1700], dtype=np.int32), np.array([True, True, False]))
    rows = np.arange(0, len(catalog), 100, dtype=np.int32)
    vectors = ItemSpace(catalog).vectors
    cosines = (vectors[rows] @ vectors[history.rows].T).toarray()
    liked, disliked = cosines[:, :2].max(axis=1), cosines[:, 2]
    expected = [
        expit(like) if like > dislike else -expit(dislike) for like, dislike in zip(liked, disliked, strict=True)
    ]
    assert pytest.approx(expected, abs=1e-5) == baselines["best score"].scores(history, rows)


def test_an_oracle_shows_what_is_truly_best(catalog: Catalog, two: History) -> None:
    """In the order of the true chances."""
    oracle = Oracle(catalog, lambda rows: np.cos(rows.astype(np.float64)))
    shown = oracle.recommend(two, 5, np.random.default_rng(0))
    chances = np.cos(shown.astype(np.float64))
    assert sorted(chances, reverse=True) == chances.tolist()
    assert chances[-1] > 0.99


def test_negatives_are_drawn_anew_for_every_history(catalog: Catalog, two: History) -> None:
    """Equal histories draw the same, others others, so that no draw is repeated over all listeners."""
    other = two.part(np.arange(len(two.rows)) > 0)
    draws = [one.generator(3).permutation(len(catalog))[:20].tolist() for one in (two, two, other)]
    assert draws[0] == draws[1] != draws[2]


def test_shared_slots_serve_the_small_taste(catalog: Catalog, two: History) -> None:
    """Both kinds of listeners' tastes get half of the slate, whoever ranks; the best scores leave salsa little."""
    space, rng = ItemSpace(catalog), np.random.default_rng(0)
    merged = MergedCentroid(space)
    for shared in (SharedSlots(catalog, merged), PerTaste(catalog, merged)):
        assert 0.4 <= share(catalog, shared.recommend(two, 40, rng), "latin-dance") <= 0.6
    assert share(catalog, merged.recommend(two, 40, rng), "latin-dance") < 0.2


def test_tastes_can_be_assigned_otherwise(catalog: Catalog, two: History) -> None:
    """One taste for everything is the merged recommender itself."""
    merged = MergedCentroid(ItemSpace(catalog))
    one = PerTaste(catalog, merged, lambda rows: np.zeros(len(rows), dtype=np.int64))
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(merged.recommend(two, 30, rng), one.recommend(two, 30, rng))


def test_the_best_scores_of_all_tastes_may_make_up_the_slate(catalog: Catalog, two: History) -> None:
    """Without shared slots the order is that of the scores."""
    best = PerTaste(catalog, MergedCentroid(ItemSpace(catalog)), shared_slots=False)
    shown = best.recommend(two, 30, np.random.default_rng(0))
    scores = best.scores(two, shown)
    assert sorted(scores, reverse=True) == scores.tolist()


def test_marginal_relevance_trades_relevance_for_diversity() -> None:
    """With relevance alone the best come first; half and half, the twin of the best waits."""
    vectors = np.array([[1, 0], [1, 0], [0, 1]], dtype=np.float32)
    relevance = np.array([1.0, 0.9, 0.5])
    assert [0, 1, 2] == diversify(relevance, vectors, 3, 1.0).tolist()
    assert [0, 2, 1] == diversify(relevance, vectors, 3, 0.5).tolist()


def test_a_list_is_made_as_diverse_as_asked_for_and_hardly_more(catalog: Catalog, two: History) -> None:
    """What relevance alone reaches is left as it is."""
    space = ItemSpace(catalog)
    merged = MergedCentroid(space)
    rows = merged.recommend(two, 100, np.random.default_rng(0))
    relevance, vectors = merged.scores(two, rows), space.of(rows).toarray()

    def diversity(wanted: float) -> float:
        trade_off = trade_off_for(relevance, vectors, 10, wanted)
        return intra_list_diversity(vectors[diversify(relevance, vectors, 10, trade_off)])

    plain = intra_list_diversity(vectors[:10])
    assert plain + 0.1 <= diversity(plain + 0.1) <= plain + 0.15
    assert plain == diversity(plain / 2)
