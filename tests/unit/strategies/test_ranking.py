"""Ranking."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from palate.catalog.snapshot import Catalog
from palate.plugins.strategy import Choice, ReasonKind, Strategy
from palate.serving.profiles import ArrayCache
from palate.testing.catalog import Listener, make_listener, small_catalog
from palate.testing.strategy import pages, slate
from palate_strategies.config import FallbackConfig, RankingConfig
from palate_strategies.fallback import Fallback
from palate_strategies.ranking import Ranking

RANKING = Ranking(RankingConfig())


@pytest.fixture(scope="module")
def three(tiny: Catalog) -> Listener:
    """Return a listener with three active tastes and a weak one."""
    return make_listener(tiny, {"death-metal": (12, 3), "j-pop": (7, 0), "salsa": (4, 1), "bebop": (1, 0)})


def tastes_of(choices: Sequence[Choice]) -> list[str]:
    """Return the taste of each choice."""
    return [choice.taste_id for choice in choices]


def cosine(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> float:
    """Return the weighted cosine as the documentation has it."""
    return float((weights * x * y).sum() / np.sqrt((weights * x * x).sum() * (weights * y * y).sum()))


def test_every_active_taste_has_slots_and_is_among_the_first(three: Listener) -> None:
    """The top of the page is mixed, and no taste goes without, however few its likes."""
    tastes = tastes_of(slate(RANKING, three, 10))
    assert {"death-metal", "j-pop", "salsa", "bebop"} == set(tastes)
    assert 2 == len(set(tastes[:3]))


def test_weak_tastes_get_a_tenth_of_the_slots_but_none_of_an_active_one(three: Listener) -> None:
    """A taste with one like is shown now and then; on a page of three, the active ones have it all."""
    assert 1 == tastes_of(slate(RANKING, three, 10)).count("bebop")
    assert {"death-metal", "j-pop", "salsa"} == set(tastes_of(slate(RANKING, three, 3)))


def test_equally_weak_tastes_take_turns(tiny: Catalog) -> None:
    """Whoever is not shown now is shown after some more feedback."""
    listener = make_listener(tiny, {"death-metal": (5, 0), "salsa": (1, 0), "bebop": (1, 0), "j-pop": (1, 0)})
    shown = {taste for seed in range(20) for taste in tastes_of(slate(RANKING, listener, 5, seed=seed))}
    assert {"death-metal", "salsa", "bebop", "j-pop"} == shown


def test_slots_follow_likes_and_confidence(three: Listener) -> None:
    """A taste gets slots in proportion to its likes, as far as palate is sure of it."""
    counts = Counter(tastes_of(slate(RANKING, three, 20)))
    assert {"death-metal": 10, "j-pop": 6, "salsa": 2, "bebop": 2} == counts


def test_a_taste_is_filled_best_first(three: Listener) -> None:
    """Within a taste the scores fall from one choice to the next, as long as no artist has to wait."""
    choices = slate(RANKING, three, 10)
    for taste_id in set(tastes_of(choices)):
        scores = [choice.score for choice in choices if choice.taste_id == taste_id]
        assert sorted(scores, reverse=True) == scores


def test_nothing_better_is_left_out(three: Listener) -> None:
    """In a cluster that is looked at as a whole, the first choice is the best of all tracks."""
    catalog, best = three.context.catalog, slate(RANKING, three, 1)[0]
    rows = np.flatnonzero(catalog.cluster == catalog.cluster[best.row]).astype(np.int32)
    unrated = np.setdiff1d(rows, three.rated)
    assert pytest.approx(best.score, rel=1e-5) == RANKING.score(three.profile, unrated, three.context).values.max()


def density(track: np.ndarray, count: int, mean: np.ndarray, rows: np.ndarray, cluster: np.ndarray) -> np.ndarray:
    """Return the log-density of each feature as the documentation has it; the logarithm of 2 pi / 2 is left out."""
    usual, spread = cluster.mean(axis=0), cluster.var(axis=0)
    middle = (count * mean + 2 * usual) / (count + 2)
    sums = ((rows - mean) ** 2).sum(axis=0) + 2 * count / (count + 2) * (mean - usual) ** 2 + 16 * spread
    variance = sums / (count + 16)
    return np.asarray(-((track - middle) ** 2) / (2 * variance) - np.log(variance) / 2)


def test_the_score_is_the_formula_of_the_documentation(three: Listener, tiny: Catalog) -> None:
    """Worked out by hand for one track, with weights of its own."""
    weights = np.array([1, 2, 0, 1, 3, 1, 0.5, 1, 1], dtype=np.float64)
    config = RankingConfig(
        audio_weight=0.7, genre_weight=0.4, artist_weight=2, dislike_weight=0.9, feature_weights=tuple(weights)
    )
    choice = slate(Ranking(config), three, 1)[0]
    taste, scores = three.profile.tastes[choice.taste_id], tiny.normalized.astype(np.float64)
    liked, disliked = (side[choice.taste_id] for side in (three.context.liked, three.context.disliked))
    cluster = np.flatnonzero(tiny.cluster == tiny.cluster_number(choice.taste_id))
    usual = density(scores[choice.row], 0, np.zeros(9), scores[:0], scores[cluster])
    likes, dislikes = taste.liked.count, taste.disliked.count
    like = density(scores[choice.row], likes, scores[liked].mean(axis=0), scores[liked], scores[cluster])
    dislike = density(scores[choice.row], dislikes, scores[disliked].mean(axis=0), scores[disliked], scores[cluster])
    counts = {
        genre: max(0.0, number - taste.disliked.genres.get(genre, 0) / 2)
        for genre, number in taste.liked.genres.items()
    }
    shares = dict(zip(tiny.genres, tiny.genre_share(int(tiny.cluster[choice.row])).tolist(), strict=True))
    genres = [
        np.log((counts.get(genre, 0) + 2 * shares[genre]) / (sum(counts.values()) + 2) / shares[genre])
        for genre in tiny.genre_names(choice.row)
    ]
    same = [np.sum(tiny.main_artist[side] == tiny.main_artist[choice.row]) for side in (liked, disliked)]
    expected = {
        "audio": 0.7 * (weights * (like - usual)).sum(),
        "genre": 0.4 * (np.mean(genres) + 3),
        "artist": 2 * (np.log1p(same[0]) - np.log1p(same[1])),
        "taste": np.log((likes + 1) / (dislikes + 1)),
        "dislike": -0.9 * dislikes / (dislikes + 4) * (weights * (dislike - usual)).sum(),
    }
    assert pytest.approx(expected, abs=1e-3) == dict(choice.reason.parts)
    assert pytest.approx(sum(expected.values()), abs=1e-3) == choice.score


def test_an_artist_counts_by_likes_and_dislikes(tiny: Catalog) -> None:
    """What is by a liked artist stands first, what is by a disliked one last, all else equal."""
    cluster = np.flatnonzero(tiny.cluster == tiny.cluster_number("salsa"))
    artists, counts = np.unique(tiny.main_artist[cluster], return_counts=True)
    [by_liked, by_disliked] = (cluster[tiny.main_artist[cluster] == one] for one in artists[np.argsort(-counts)[:2]])
    listener = make_listener(tiny, {"salsa": (3, 3)})
    context = replace(
        listener.context,
        liked={"salsa": by_liked[:1].astype(np.int32)},
        disliked={"salsa": by_disliked[:1].astype(np.int32)},
    )
    rows = np.concatenate([by_liked[-1:], by_disliked[-1:]]).astype(np.int32)
    with_artists, without = (
        Ranking(RankingConfig(artist_weight=weight)).score(listener.profile, rows, context).values
        for weight in (1.0, 0.0)
    )
    np.testing.assert_allclose([np.log(2), -np.log(2)], with_artists - without, atol=1e-5)


def test_a_choice_has_the_score_that_rank_gives_it(three: Listener) -> None:
    """Recommend and Rank speak of the same scores and tastes."""
    choices = slate(RANKING, three, 20)
    rows = np.array([choice.row for choice in choices], dtype=np.int32)
    scores = RANKING.score(three.profile, rows, three.context)
    np.testing.assert_allclose([choice.score for choice in choices], scores.values, rtol=1e-5)
    assert tastes_of(choices) == list(scores.taste_ids)


def test_the_reason_names_the_liked_track_that_sounds_most_alike(three: Listener, tiny: Catalog) -> None:
    """It has the highest cosine of all likes of the taste."""
    choice = slate(RANKING, three, 1)[0]
    ones, track = np.ones(9), tiny.normalized[choice.row].astype(np.float64)
    liked = three.context.liked[choice.taste_id].tolist()
    assert max(liked, key=lambda row: cosine(track, tiny.normalized[row], ones)) == choice.reason.nearest_liked
    assert ReasonKind.SIMILAR == choice.reason.kind


def test_the_strongest_features_are_positive_and_fall(three: Listener) -> None:
    """They are the largest shares of the audio part."""
    for choice in slate(RANKING, three, 20):
        shares = [share for _, share in choice.reason.features]
        assert sorted(shares, reverse=True) == shares
        assert min(shares) > 0


def test_dislikes_push_away_what_sounds_like_them(tiny: Catalog) -> None:
    """A track that is close to the disliked tracks loses more than one that is not."""
    with_dislikes = make_listener(tiny, {"salsa": (6, 6)})
    taste = with_dislikes.profile.tastes["salsa"]
    forgiven = replace(with_dislikes.profile, tastes={"salsa": replace(taste, disliked=type(taste.disliked)())})
    rows = np.flatnonzero(tiny.cluster == tiny.cluster_number("salsa")).astype(np.int32)
    sound = Ranking(RankingConfig(genre_weight=0, artist_weight=0))
    loss = (
        sound.score(forgiven, rows, with_dislikes.context).values
        - sound.score(with_dislikes.profile, rows, with_dislikes.context).values
    )
    usual = tiny.normalized[rows].mean(axis=0)
    likeness = (tiny.normalized[rows] - usual) @ (taste.disliked.mean - usual)
    near, far = likeness > np.quantile(likeness, 0.8), likeness < np.quantile(likeness, 0.2)
    assert loss[near].mean() > loss[far].mean() + 1


def test_dislikes_in_one_taste_leave_the_scores_of_another_as_they_are(tiny: Catalog) -> None:
    """Fifty dislikes of metal do not change a single salsa score."""
    calm = make_listener(tiny, {"salsa": (5, 0), "death-metal": (5, 0)})
    angry = make_listener(tiny, {"salsa": (5, 0), "death-metal": (5, 50)})
    assert calm.profile.tastes["salsa"].liked == angry.profile.tastes["salsa"].liked
    rows = np.flatnonzero(tiny.cluster == tiny.cluster_number("salsa")).astype(np.int32)
    expected = RANKING.score(calm.profile, rows, calm.context).values
    np.testing.assert_array_equal(expected, RANKING.score(angry.profile, rows, angry.context).values)


def test_small_pages_reach_every_taste(three: Listener) -> None:
    """With one slot to a page, the three tastes take turns, the one with most likes first."""
    tastes = [tastes_of(page)[0] for page in pages(RANKING, three, limit=1, count=12)]
    assert "death-metal" == tastes[0]
    assert {"death-metal", "j-pop", "salsa"} == set(tastes[:4])
    assert {"death-metal": 7, "j-pop": 4, "salsa": 1} == Counter(tastes)


def test_a_request_may_allow_more_tracks_of_an_artist(three: Listener, tiny: Catalog) -> None:
    """Ten slots have ten artists, or fewer where three tracks of one are allowed."""
    distinct = []
    for limit in (1, 3):
        choices = slate(Ranking(RankingConfig(artist_weight=50)), three, 10, artists_limit=limit)
        distinct.append(len({int(tiny.main_artist[choice.row]) for choice in choices}))
    assert 10 == distinct[0] > distinct[1]


def test_slots_that_active_tastes_cannot_fill_go_to_weak_ones(tiny: Catalog) -> None:
    """When the active taste has three tracks left, the weak one fills the rest, from below: not in between."""
    listener = make_listener(tiny, {"salsa": (9, 0), "bebop": (1, 0)})
    salsa = np.flatnonzero(tiny.cluster == tiny.cluster_number("salsa"))
    left = np.setdiff1d(np.unique(tiny.main_artist[salsa], return_index=True)[1], [])[:3]
    excluded = np.union1d(listener.rated, np.delete(salsa, left)).astype(np.int32)
    shown = tastes_of(slate(RANKING, listener, 10, excluded=excluded))
    counts = Counter(shown)
    assert 1 <= counts["salsa"] <= 3
    assert 10 == counts["salsa"] + counts["bebop"]
    assert counts["salsa"] == Counter(shown[: counts["salsa"] + 2])["salsa"]


def test_a_listener_who_rated_the_nearest_tracks_gets_the_next_ones(tiny: Catalog) -> None:
    """When all first candidates are excluded, more are looked at."""
    few = Ranking(RankingConfig(candidates=1))
    listener = make_listener(tiny, {"salsa": (5, 0)})
    assert 145 == len(slate(few, listener, 150, artists_limit=150))


def test_looking_at_a_part_of_a_cluster_loses_little(tmp_path: Path) -> None:
    """A twelfth of the tracks, from where audio and genres promise most, gives nearly the scores of all."""
    with small_catalog(tmp_path / "catalog.arrow", tracks_per_cluster=3_000) as catalog:
        listener = make_listener(catalog, {"salsa": (2, 1), "j-pop": (4, 0)})
        part, whole = (
            np.mean([choice.score for choice in slate(Ranking(RankingConfig(candidates=count)), listener, 10)])
            for count in (250, 3_000)
        )
    assert 0.995 * whole < part <= whole


def test_the_seed_makes_no_difference(three: Listener) -> None:
    """Nothing in ranking is left to chance."""
    slates = [slate(RANKING, three, 10, seed=seed) for seed in range(3)]
    assert slates[0] == slates[1] == slates[2]
    assert {1.0} == {choice.propensity for choice in slates[0]}


def test_without_likes_rank_falls_back_on_popularity(tiny: Catalog) -> None:
    """Nothing but popularity is known for a listener with dislikes only."""
    listener = make_listener(tiny, {"salsa": (0, 4)})
    scores = RANKING.score(listener.profile, np.arange(9, dtype=np.int32), listener.context)
    np.testing.assert_allclose(tiny.popularity[:9] / 100, scores.values, rtol=1e-6)
    assert [""] * 9 == list(scores.taste_ids)


def test_tracks_of_no_taste_are_scored_by_the_taste_that_likes_them_best(three: Listener, tiny: Catalog) -> None:
    """They stand in one order with the others."""
    baroque = np.flatnonzero(tiny.cluster == tiny.cluster_number("baroque")).astype(np.int32)
    scores = RANKING.score(three.profile, baroque, three.context)
    assert set(scores.taste_ids) <= set(three.profile.tastes)
    salsa = np.flatnonzero(tiny.cluster == tiny.cluster_number("salsa")).astype(np.int32)
    assert scores.values.mean() < RANKING.score(three.profile, salsa, three.context).values.mean()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("audio_weight", -1.0),
        ("genre_weight", float("inf")),
        ("dislike_weight", float("nan")),
        ("feature_weights", (1.0,) * 8),
        ("feature_weights", (0.0,) * 9),
        ("feature_weights", (-1.0, *(1.0,) * 8)),
        ("candidates", 0),
    ],
)
def test_a_bad_option_is_refused_by_name(field: str, value: object) -> None:
    """The operator reads which option is wrong."""
    with pytest.raises(ValueError, match=field):
        RankingConfig(**{field: value})  # type: ignore[arg-type]  # the wrong value is the test


@pytest.mark.parametrize("strategy", [RANKING, Fallback(FallbackConfig())], ids=["ranking", "fallback"])
def test_what_is_remembered_changes_no_slate(three: Listener, tiny: Catalog, strategy: Strategy) -> None:
    """Neither of the same listener nor after a like in one taste; both stages remember beside one another."""
    memoise = partial(ArrayCache(10**6).get, "ana")
    later = make_listener(tiny, {"death-metal": (13, 3), "j-pop": (7, 0), "salsa": (4, 1), "bebop": (1, 0)})
    for listener in (three, three, later, three):
        remembering = replace(listener, context=replace(listener.context, memoise=memoise))
        for each in (strategy, RANKING):
            assert slate(each, listener, 20) == slate(each, remembering, 20)
