"""Logistic, neural and gbdt: the stages with trained models."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from palate.catalog.snapshot import Catalog
from palate.domain.track import FEATURES
from palate.plugins.strategy import Choice, Context, Declined, ReasonKind, Rows, TasteModel
from palate.serving.profiles import ArrayCache
from palate.testing.catalog import Listener, make_listener
from palate.testing.strategy import pages, slate
from palate_strategies.config import ModelStrategyConfig, RankingConfig
from palate_strategies.model_scoring import accepted_models, scorers_by_models
from palate_strategies.model_strategies import Gbdt, Logistic, ModelStrategy, Neural
from palate_strategies.ranking import Ranking
from support.linear import INTERCEPT, SLOPE, Linear, served

GBDT = Gbdt(ModelStrategyConfig())
CALM = Gbdt(ModelStrategyConfig(exploration=0))


def towards(feature: int, version: str, learner: str = "logistic") -> Linear:
    """Return a model that likes one feature and nothing else."""
    weights = np.zeros(len(FEATURES), dtype=np.float32)
    weights[feature] = 2
    return Linear(version, learner, weights)


@pytest.fixture(scope="module")
def four(tiny: Catalog) -> Listener:
    """Return a listener of three active tastes and a weak one; models serve two of them."""
    listener = make_listener(tiny, {"death-metal": (12, 3), "j-pop": (7, 0), "salsa": (4, 1), "bebop": (1, 0)})
    models = {"death-metal": towards(1, "metal 7", "gbdt"), "j-pop": towards(0, "j-pop 3", "neural")}
    return served(listener, models)


def tastes_of(choices: Sequence[Choice]) -> Counter[str]:
    """Count the choices of each taste that are not explored."""
    return Counter(choice.taste_id for choice in choices if not choice.exploration)


def rows_of(choices: Sequence[Choice]) -> NDArray[np.int32]:
    """Return the rows of choices."""
    return np.array([choice.row for choice in choices], dtype=np.int32)


def cluster_rows(catalog: Catalog, *clusters: str) -> NDArray[np.int32]:
    """Return all tracks of some clusters."""
    numbers = [number for cluster in clusters if (number := catalog.cluster_number(cluster)) is not None]
    return np.flatnonzero(np.isin(catalog.cluster, numbers)).astype(np.int32)


def cluster_of(catalog: Catalog, row: int) -> str:
    """Return the cluster_id of a track."""
    number: int = catalog.cluster[row]
    return catalog.clusters[number].cluster_id


def test_active_tastes_share_evenly_whatever_their_confidence(four: Listener) -> None:
    """What does not look around is split into equal parts."""
    counts = tastes_of(slate(CALM, four, 21))
    assert {"death-metal": 7, "j-pop": 7, "salsa": 7} == counts


def test_explored_tracks_are_marked_and_of_no_active_taste(four: Listener, tiny: Catalog) -> None:
    """Each with the chance that it had; a quarter of a quarter of 48 slots are three."""
    restless = Gbdt(ModelStrategyConfig(exploration=0.25, exploration_floor=1))
    choices = [choice for choice in slate(restless, four, 48) if choice.exploration]
    assert 3 == len(choices)
    for choice in choices:
        assert 0 < choice.propensity < 1
        assert ReasonKind.EXPLORATION is choice.reason.kind
        assert cluster_of(tiny, choice.row) not in {"death-metal", "j-pop", "salsa"}


def test_the_propensity_is_how_often_a_track_is_explored(tiny: Catalog) -> None:
    """The chance that the slate explores at all is part of it."""
    listener = served(make_listener(tiny, {"salsa": (4, 0), "bebop": (1, 0), "baroque": (0, 1)}), {"": Linear("1")})
    left = np.concatenate([cluster_rows(tiny, name)[-4:] for name in ("bebop", "baroque")])
    excluded = np.setdiff1d(np.arange(len(tiny), dtype=np.int32), left)
    restless = Gbdt(ModelStrategyConfig(exploration=1, exploration_floor=1, novelty=0))
    slates = [slate(restless, listener, 2, excluded=excluded, seed=seed) for seed in range(1_500)]
    picks = [choice for choices in slates for choice in choices if choice.exploration]
    propensity = {pick.row: pick.propensity for pick in picks}
    assert pytest.approx(0.5, abs=0.03) == len(picks) / len(slates)
    assert pytest.approx(propensity, abs=0.03) == {
        row: count / len(slates) for row, count in Counter(pick.row for pick in picks).items()
    }
    assert pytest.approx(0.5) == sum(propensity.values())


def test_a_weak_taste_of_one_like_gets_its_chance_however_settled_the_others_are(tiny: Catalog) -> None:
    """In 22.5 % of slates of ten, as its propensity says, and in 19 in a row with a probability of 99 %."""
    listener = served(make_listener(tiny, {"death-metal": (30, 0), "bebop": (1, 0)}), {"": Linear("1")})
    settled = Gbdt(ModelStrategyConfig(exploration_span=4))
    slates = [slate(settled, listener, 10, seed=seed) for seed in range(1_000)]
    bebop = [choice for choices in slates for choice in choices if choice.taste_id == "bebop"]
    likely = [choice for choice in bebop if not choice.exploration]
    assert {0.225} == {round(choice.propensity, 9) for choice in likely}
    assert pytest.approx(0.225, abs=0.02) == len(likely) / len(slates)
    shown = np.array([tastes_of(choices)["bebop"] for choices in slates])
    runs = np.lib.stride_tricks.sliding_window_view(shown, 19).sum(axis=1)
    assert (runs == 0).mean() <= 0.01


def test_exploration_can_be_turned_off(four: Listener) -> None:
    """Nothing is left to chance then."""
    slates = [slate(CALM, four, 10, seed=seed) for seed in range(100)]
    assert all(slates[0] == again for again in slates)
    assert not any(choice.exploration or choice.taste_id == "bebop" for choice in slates[0])


def test_a_taste_with_a_model_gets_what_its_model_finds_likeliest(four: Listener, tiny: Catalog) -> None:
    """In a cluster that is looked at as a whole nothing better is left out, and the order is the model's."""
    choices = [choice for choice in slate(GBDT, four, 30) if choice.taste_id == "death-metal"]
    scores = [choice.score for choice in choices]
    assert sorted(scores, reverse=True) == scores
    unrated = np.setdiff1d(cluster_rows(tiny, "death-metal"), four.rated)
    assert pytest.approx(towards(1, "").probabilities(tiny.normalized[unrated]).max()) == scores[0]
    assert {"metal 7"} == {choice.model_version for choice in choices}
    assert {ReasonKind.MODEL} == {choice.reason.kind for choice in choices}


def test_a_reason_of_a_model_names_its_score_and_the_nearest_like(four: Listener) -> None:
    """What the listener reads stays as in ranking."""
    choice = next(choice for choice in slate(GBDT, four, 10) if choice.taste_id == "j-pop")
    assert {"model": choice.score} == choice.reason.parts
    assert choice.reason.nearest_liked in four.context.liked["j-pop"]
    assert choice.reason.features


def test_a_taste_without_a_model_is_ranked_with_calibrated_scores(four: Listener) -> None:
    """The order is ranking's; the score is the logistic function of its score."""
    choices = [choice for choice in slate(GBDT, four, 40) if choice.taste_id == "salsa" and not choice.exploration]
    ranking = Ranking(RankingConfig()).score(four.profile, rows_of(choices), four.context).values
    assert sorted(ranking, reverse=True) == list(ranking)
    expected = 1 / (1 + np.exp(-(SLOPE * ranking + INTERCEPT)))
    np.testing.assert_allclose(expected, [choice.score for choice in choices], rtol=1e-5)
    for choice in choices:
        assert {"ranking": choice.score} == choice.reason.parts
        assert (ReasonKind.SIMILAR, "") == (choice.reason.kind, choice.model_version)


def test_the_common_model_serves_the_tastes_without_their_own(four: Listener, tiny: Catalog) -> None:
    """Clusters without a taste as well."""
    context = replace(four.context, models={**four.context.models, "": towards(2, "common 1")})
    rows = cluster_rows(tiny, "salsa", "baroque", "j-pop")
    scores = GBDT.score(four.profile, rows, context)
    names = [tiny.clusters[number].cluster_id for number in tiny.cluster[rows].tolist()]
    said = set(zip(names, scores.model_versions, scores.taste_ids, strict=True))
    assert {("salsa", "common 1", "salsa"), ("baroque", "common 1", ""), ("j-pop", "j-pop 3", "j-pop")} == said
    salsa = np.flatnonzero(tiny.cluster[rows] == tiny.cluster_number("salsa"))
    expected = towards(2, "").probabilities(tiny.normalized[rows[salsa]])
    np.testing.assert_allclose(expected, scores.values[salsa], rtol=1e-5)
    slated = slate(GBDT, replace(four, context=context), 40)
    assert {"metal 7", "j-pop 3", "common 1"} == {choice.model_version for choice in slated}


def test_a_model_is_corrected_by_the_offset_of_the_cluster(four: Listener, tiny: Catalog) -> None:
    """Its log-odds move by as much as it says, in `Rank` and in a slate; clusters without an offset stay."""
    common = replace(towards(2, "common 1"), cluster_offsets={"salsa": 1.25, "bebop": -0.5, "gone": 3.0})
    listener = served(four, {"": common})
    rows = cluster_rows(tiny, "salsa", "bebop", "baroque")
    offsets = np.array([{"salsa": 1.25, "bebop": -0.5}.get(cluster_of(tiny, row), 0.0) for row in rows.tolist()])
    plain = towards(2, "").probabilities(tiny.normalized[rows]).astype(np.float64)
    expected = 1 / (1 + np.exp(-(np.log(plain / (1 - plain)) + offsets)))
    np.testing.assert_allclose(expected, GBDT.score(four.profile, rows, listener.context).values, rtol=1e-5)
    for choice in slate(GBDT, listener, 40):
        [again] = GBDT.score(four.profile, rows_of([choice]), listener.context).values
        assert pytest.approx(again) == choice.score


@pytest.mark.parametrize("offset", [-20.0, 20.0])
def test_certain_models_stay_probabilities_whatever_the_offset(four: Listener, tiny: Catalog, offset: float) -> None:
    """No overflow, and nothing that is not a number."""
    certain = replace(towards(1, "1"), weights=np.full(9, 1e6, np.float32), cluster_offsets={"salsa": offset})
    rows = cluster_rows(tiny, "salsa")
    with np.errstate(over="ignore"):  # of the test's own model
        said = certain.probabilities(tiny.normalized[rows])
        scores = GBDT.score(four.profile, rows, served(four, {"": certain}).context).values
    assert {0, 1} <= set(said.tolist())
    assert said[said % 1 == 0].tolist() == scores[said % 1 == 0].tolist()
    assert ((scores >= 0) & (scores <= 1)).all()


def test_every_score_is_a_probability_and_the_same_in_a_slate_as_for_rank(four: Listener) -> None:
    """Explored tracks and ranked tastes too: they all stand in one order."""
    choices = slate(GBDT, four, 40)
    scores = GBDT.score(four.profile, rows_of(choices), four.context)
    np.testing.assert_allclose([choice.score for choice in choices], scores.values, rtol=1e-5)
    assert [choice.model_version for choice in choices] == list(scores.model_versions)
    assert all(0 < choice.score < 1 for choice in choices)


def test_tracks_of_no_taste_are_ranked_where_there_is_no_common_model(four: Listener, tiny: Catalog) -> None:
    """A taste's model says nothing about clusters that it was not trained on."""
    rows = cluster_rows(tiny, "baroque")
    scores = GBDT.score(four.profile, rows, four.context)
    ranking = Ranking(RankingConfig()).score(four.profile, rows, four.context)
    np.testing.assert_allclose(1 / (1 + np.exp(-(SLOPE * ranking.values + INTERCEPT))), scores.values, rtol=1e-5)
    assert list(ranking.taste_ids) == list(scores.taste_ids)
    assert {""} == set(scores.model_versions)


@pytest.mark.parametrize(
    ("stage", "accepted"),
    [(Logistic, {"logistic"}), (Neural, {"logistic", "neural"}), (Gbdt, {"logistic", "neural", "gbdt"})],
)
def test_a_rung_uses_the_models_of_its_own_learner_and_of_lower_ones(
    four: Listener, stage: type[ModelStrategy], accepted: set[str]
) -> None:
    """A learner that nobody has heard of is used by none."""
    learners = dict(
        zip(("death-metal", "j-pop", "salsa", "bebop"), ("logistic", "neural", "gbdt", "unheard"), strict=True)
    )
    listener = served(four, {taste: Linear(learner, learner) for taste, learner in learners.items()})
    versions = {choice.model_version for choice in slate(stage(ModelStrategyConfig()), listener, 40)}
    assert accepted == versions - {""}


@pytest.mark.parametrize("models", [{}, {"death-metal": Linear("1", "gbdt")}, {"baroque": Linear("1")}])
def test_a_listener_whom_no_model_serves_is_left_to_the_stage_below(
    four: Listener, models: Mapping[str, TasteModel]
) -> None:
    """Models of higher stages, and of tastes that the listener does not have, do not count."""
    context = replace(four.context, models=models)
    stage = Logistic(ModelStrategyConfig())
    with pytest.raises(Declined, match="no model of logistic serves 'ana'"):
        slate(stage, replace(four, context=context), 10)
    with pytest.raises(Declined):
        stage.score(four.profile, np.arange(3, dtype=np.int32), context)


def test_the_model_of_a_taste_whose_verdicts_were_taken_back_does_not_count(four: Listener) -> None:
    """Nothing stands any more that it could rest on."""
    taste = four.profile.tastes["j-pop"]
    emptied = replace(taste, liked=type(taste.liked)(), disliked=type(taste.disliked)())
    profile = replace(four.profile, tastes={**four.profile.tastes, "j-pop": emptied})
    versions = {choice.model_version for choice in slate(GBDT, replace(four, profile=profile), 40)}
    assert {"", "metal 7"} == versions


def test_small_pages_reach_every_active_taste_equally(four: Listener) -> None:
    """With one slot to a page the active tastes take turns."""
    tastes = [page[0].taste_id for page in pages(CALM, four, limit=1, count=12)]
    assert {"death-metal": 4, "j-pop": 4, "salsa": 4} == Counter(tastes)


def test_without_active_tastes_the_weak_ones_have_it_all(tiny: Catalog) -> None:
    """As in ranking."""
    listener = served(make_listener(tiny, {"salsa": (1, 0), "bebop": (1, 0)}), {"": Linear("1")})
    counts = tastes_of(slate(CALM, listener, 10))
    assert {"salsa": 5, "bebop": 5} == counts


def test_extreme_calibrations_stay_probabilities(four: Listener, tiny: Catalog) -> None:
    """No overflow, whatever the slope."""
    model = replace(towards(1, "1"), ranking_slope=1e6, ranking_intercept=-3e5)
    scores = GBDT.score(four.profile, cluster_rows(tiny, "salsa"), Context(tiny, {}, {}, {"death-metal": model}))
    assert ((scores.values >= 0) & (scores.values <= 1)).all()


def test_the_stages_stand_in_the_order_of_the_stages() -> None:
    """Each needs more ratings than the one below, ranking included."""
    counts = [stage.stage.min_interactions for stage in (Ranking, Logistic, Neural, Gbdt) if stage.stage]
    assert [5, 10, 15, 100] == counts
    assert sorted(counts) == counts


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("exploration_floor", 1.5),
        ("exploration_span", 0),
        ("exploration_floor", math.nan),
        ("exploration", -0.1),
        ("candidates", 0),
    ],
)
def test_a_bad_option_is_refused_by_name(name: str, value: float) -> None:
    """The operator reads which option is wrong."""
    with pytest.raises(ValueError, match=name):
        ModelStrategyConfig(**{name: value})  # type: ignore[arg-type]  # the wrong value is the test


def test_a_swap_looks_for_no_candidates(four: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where to look depends on the tastes alone; what is remembered changes no slate, and no other model runs."""
    looked, ran = list[int](), set[str]()
    nearest, probabilities = Catalog.nearest, Linear.probabilities

    def counting(catalog: Catalog, cluster: int, *rest: Any) -> Rows:
        looked.append(cluster)
        return nearest(catalog, cluster, *rest)

    def running(model: Linear, features: NDArray[np.float32]) -> NDArray[np.float32]:
        ran.add(model.version)
        return probabilities(model, features)

    monkeypatch.setattr(Catalog, "nearest", counting)
    monkeypatch.setattr(Linear, "probabilities", running)
    memoise = partial(ArrayCache(10**6).get, "ana")
    listener = replace(four, context=replace(four.context, memoise=memoise))
    before = slate(GBDT, listener, 20)
    assert len(looked) >= 3
    assert before == slate(GBDT, four, 20)
    looked.clear()
    ran.clear()
    swapped = served(listener, {**listener.context.models, "j-pop": towards(3, "j-pop 4", "neural")})
    after = slate(GBDT, swapped, 20)
    assert [] == looked
    assert {"j-pop 4"} == ran
    assert {"metal 7", "j-pop 4"} == {choice.model_version for choice in after} - {""}
    assert after == slate(GBDT, served(four, swapped.context.models), 20)


def test_choices_of_explored_tracks_need_no_candidates(four: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    """An explored track is scored by itself, whatever else its taste might offer."""
    monkeypatch.delattr(Catalog, "nearest")
    models = accepted_models(four.profile, four.context, {"gbdt", "neural"})
    [scorer] = scorers_by_models(models, [four.profile.tastes["j-pop"]], four.context, ModelStrategyConfig())
    rows = four.context.catalog.popular(scorer.cluster)[:2]
    scores = [choice.score for choice in scorer.choices(rows, ReasonKind.EXPLORATION)]
    assert scorer.scores(rows).tolist() == scores
