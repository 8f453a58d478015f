"""Pictures of listeners with much, little and nothing to draw: nothing breaks, nothing is cut off, nobody is warned."""

import io
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from palate.plugins.learner import Dataset
from palate_lab.report import describing
from palate_lab.report.lettering import fitted, width_of, writable
from palate_lab.report.pictures.boosted import draw_boosted, draw_boosting, importances
from palate_lab.report.pictures.compared import Compared, draw_compared
from palate_lab.report.pictures.confidence import apart, draw_confidence
from palate_lab.report.pictures.features import draw_features, draw_genres, percentiles
from palate_lab.report.pictures.logistic import calibration, draw_logistic, terms
from palate_lab.report.pictures.profile_map import draw_profile_map, project
from palate_lab.report.pictures.progress import draw_progress, trailing_mean
from palate_lab.report.pictures.score_parts import draw_score_parts
from palate_lab.report.pictures.slates import draw_cold_start, draw_fallback
from palate_lab.report.theme import colours_of, in_theme
from palate_lab.report.values import Fitted, History, Item, Labelled, Listener, Progress, Publication, Slate, Taste
from palate_strategies.learners.gbdt import Gbdt, GbdtConfig, LearningCurves
from palate_strategies.learners.logistic import Logistic, LogisticConfig

LONG = "An extraordinarily long name of a taste that nobody could ever fit anywhere"
RNG_SEED = 5


def taste(number: int, **changes: Any) -> Taste:
    """Return an active taste."""
    centroid = np.linspace(-1, 1, 9) * (number + 1)
    given: dict[str, Any] = {
        "taste_id": f"taste-{number}",
        "name": LONG,
        "likes": 4,
        "dislikes": 2,
        "confidence": 0.4,
        "active": True,
        "centroid": centroid,
        "genres": (("a-very-long-genre-indeed-with-many-words", 0.6), ("ska", 0.4)),
    }
    return Taste(**given | changes)


def listener(tastes: int, rated: int, *, strategies: tuple[str, ...] = ()) -> Listener:
    """Return a listener with some active tastes and some rated tracks, every other one liked."""
    random = np.random.default_rng(RNG_SEED)
    names = [f"taste-{number % max(tastes, 1)}" for number in range(rated)]
    labelled = Labelled(random.normal(size=(rated, 9)), np.arange(rated) % 2 == 0, np.array(names, dtype=np.str_))
    positions = np.arange(1.0, rated + 1)
    stages = strategies or tuple("cold_start" if number < 2 else "ranking" for number in range(rated))
    progress = Progress(
        "rated track", positions, labelled.liked.astype(float), 3, stages, (Publication(1.5, "neural", 12),)
    )
    return Listener(
        user_id="ana",
        origin="ana, a listener of a test.",
        catalog_version="0",
        stage="ranking",
        confidence=0.5,
        tastes=tuple(taste(number) for number in range(tastes)),
        labelled=labelled,
        catalog=random.normal(size=(60, 9)),
        catalog_tastes=np.array([f"taste-{number % 4}" for number in range(60)]),
        history=History(
            positions.astype(np.int64),
            np.linspace(0, 0.5, rated),
            {f"taste-{number}": np.linspace(0, 0.4, rated) for number in range(tastes)},
            stages,
        ),
        slates={},
        progress=progress,
    )


def slate(*titles: str) -> Slate:
    """Return a slate of tracks with some titles; every other one explores."""
    items = [
        Item(
            title,
            f"{title} and friends",
            LONG,
            f"taste-{n % 3}",
            40,
            1.5 - n,
            {"audio": 1.0, "dislike": -n},
            n % 2 == 1,
        )
        for n, title in enumerate(titles)
    ]
    return Slate("fallback", 3, tuple(items))


def dataset(count: int) -> Dataset:
    """Return labels that follow the first feature."""
    random = np.random.default_rng(RNG_SEED)
    features = random.normal(size=(count, 9)).astype(np.float32)
    return Dataset(features, features[:, 0] > 0, np.ones(count), np.empty((0, 9)), features)


def fitted_with(model: Any, given: Dataset) -> Fitted[Any]:
    """Return a model with what it says of its labels."""
    logits = model.logits(given.features)
    return Fitted(model, logits, logits, logits, 1.0, 0.0, 0.8, 0.5)


def assert_sound(draw: Callable[[], Figure]) -> Figure:
    """Draw, save, and hold that nothing sticks out of the paper."""
    with in_theme():
        figure = draw()
        figure.savefig(io.BytesIO(), format="png")
        drawn, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
        assert 0 <= drawn.x0 < drawn.x1 <= width, f"cut off: {drawn} of {width} x {height}"
        assert 0 <= drawn.y0 < drawn.y1 <= height, f"cut off: {drawn} of {width} x {height}"
    return figure


@pytest.mark.parametrize(("tastes", "rated"), [(0, 0), (0, 1), (1, 1), (1, 8), (2, 8), (3, 40), (8, 80)])
def test_every_picture_of_a_profile_is_drawn_whatever_there_is(tastes: int, rated: int) -> None:
    """No taste, one, or more than there are colours; no label, one, or many."""
    known = listener(tastes, rated)
    for draw in (
        lambda: draw_profile_map(known, project(known)),
        lambda: draw_features(known),
        lambda: draw_genres(known),
        lambda: draw_confidence(known),
        lambda: draw_progress(known.progress, known.user_id),
    ):
        assert_sound(draw)
    for describe in (
        describing.tastes,
        describing.features,
        describing.genres,
        describing.confidence,
        describing.progress,
    ):
        assert describe(known)


def test_stages_that_follow_closely_are_named_without_running_into_one_another() -> None:
    """Six stages within six tracks of sixty."""
    stages = ("cold_start", "fallback", "ranking", "logistic", "neural", *("gbdt",) * 55)
    figure = assert_sound(lambda: draw_confidence(listener(2, 60, strategies=stages)))
    names = {stage.replace("_", " ") for stage in stages}
    texts = [text for text in figure.findobj(Text) if text.get_text() in names]
    assert 6 == len(texts)
    boxes = [text.get_window_extent() for text in texts]
    assert not any(one.overlaps(two) for n, one in enumerate(boxes) for two in boxes[n + 1 :])


@pytest.mark.parametrize(
    "titles", [(), ("Solo",), ("T" * 200, "恋するフォーチュンクッキー", "사랑 $5 $6", "🎵", "ไทย", "نور")]
)
def test_every_slate_is_drawn_whatever_its_titles(titles: tuple[str, ...]) -> None:
    """Nothing, one track, and titles that are long, in other scripts or look like formulas."""
    shown, known = slate(*titles), listener(2, 8)
    assert_sound(lambda: draw_cold_start(shown))
    assert_sound(lambda: draw_fallback(shown, known))
    assert_sound(lambda: draw_score_parts(shown, known))
    assert all(title in describing.slate(shown) for title in titles)


@pytest.mark.parametrize("count", [9, 60])
def test_models_are_drawn_from_few_and_many_labels(count: int) -> None:
    """What the learners fit is shown, and told in words."""
    given = dataset(count)
    logistic = fitted_with(Logistic(LogisticConfig()).fit(given, 1), given)
    trees = fitted_with(Gbdt(GbdtConfig()).fit(given, 1), given)
    curves = Gbdt(GbdtConfig(max_trees=40)).learning_curves(given, 1)
    assert_sound(lambda: draw_logistic(logistic, given.labels))
    assert_sound(lambda: draw_boosted(trees, given.labels))
    assert_sound(lambda: draw_boosting(curves))
    assert "AUC" in describing.logistic(logistic)
    assert "AUC" in describing.boosted(trees, given.labels)
    assert f"at {curves.chosen} trees" in describing.boosting(curves)


def test_labels_of_one_kind_and_none_are_drawn_too() -> None:
    """Two likes, a single one, or nothing."""
    given = dataset(30)
    logistic = Logistic(LogisticConfig()).fit(given, 1)
    trees = Gbdt(GbdtConfig()).fit(given, 1)
    for count in (1, 2):
        few = Dataset(
            given.features[:count], np.ones(count, np.bool_), np.ones(count), given.directions, given.background
        )
        assert_sound(partial(draw_logistic, fitted_with(logistic, few), few.labels))
        assert_sound(partial(draw_boosted, fitted_with(trees, few), few.labels))
    nothing, nobody = np.empty(0), np.empty(0, np.bool_)
    assert_sound(lambda: draw_logistic(Fitted(logistic, nothing, nothing, nothing, 1, 0, 0, 0), nobody))
    assert_sound(lambda: draw_boosted(Fitted(trees, nothing, nothing, nothing, 1, 0, 0, 0), nobody))
    assert_sound(lambda: draw_boosting(LearningCurves(nothing, nothing, nothing, nothing, nothing, 0, 0)))


def test_the_heaviest_weight_is_that_of_the_feature_that_decides() -> None:
    """Weights, importances and the early stop are the learners' own."""
    given = dataset(200)
    name, weight = terms(Logistic(LogisticConfig()).fit(given, 1))[0]
    assert ("danceability", True) == (name, weight > 0)
    shares = importances(Gbdt(GbdtConfig()).fit(given, 1))
    assert "danceability" == shares[0][0]
    assert pytest.approx(1) == sum(share for _, share in shares)
    learner = Gbdt(GbdtConfig(max_trees=60))
    curves = learner.learning_curves(given, 1)
    assert (
        learner.fit(given, 1).booster.num_trees()
        == curves.chosen
        == 1 + int(np.argmin(curves.log_loss[: curves.chosen]))
    )


def test_algorithms_are_drawn_with_their_intervals() -> None:
    """As many rows as algorithms; none is fine too."""
    names = ("oracle", "palate", LONG)
    figures = {title: dict.fromkeys(names, (0.5, 0.4, 0.6)) for title in ("Liked", "Found")}
    figures["Found"][LONG] = (np.nan, np.nan, np.nan)
    compared = Compared(names, 3, 4, figures)
    assert_sound(lambda: draw_compared(compared))
    assert f"Found: oracle 50%, palate 50%, {LONG} unknown." in describing.compared(compared)
    assert_sound(lambda: draw_compared(Compared((), 0, 0, {})))


def test_a_taste_keeps_its_colour_and_inactive_ones_are_grey() -> None:
    """Colours go to active tastes alone, and no two of the first six share one."""
    tastes = [taste(0, active=False), *(taste(number) for number in range(1, 7))]
    colours = colours_of(tastes)
    assert 7 == len({colours[one.taste_id] for one in tastes})
    assert colours["taste-0"] == colours["never heard of"]


def test_letters_that_the_typeface_lacks_are_named_by_their_script() -> None:
    """Runs within a text, whole texts, and mixtures; what can be written stays."""
    assert "Atrévete-Te-Te" == writable("Atrévete-Te-Te")
    assert "YELL ([Han] ver.)" == writable("YELL (中吉 ver.)")
    assert "(in Japanese)" == writable("恋するフォーチュンクッキー")
    assert "(in Korean)" == writable("사랑")
    assert "(in Han characters)" == writable("春泥棒")


def test_texts_are_cut_to_the_width_that_there_is() -> None:
    """Short ones stay; long ones end in an ellipsis and fit."""
    assert "Solo" == fitted("Solo", 2, 10)
    cut = fitted("word " * 50, 2, 10)
    assert cut.endswith("…")
    assert 1.7 < width_of(cut, 10) <= 2


def test_labels_are_moved_apart_in_their_order() -> None:
    """Equal heights end up at least so far apart, others stay where they are."""
    moved = apart([0.5, 0.9, 0.5], 0.1)
    assert 0.9 == moved[1]
    assert pytest.approx(0.1) == abs(moved[0] - moved[2])


def test_the_line_through_likes_is_a_trailing_mean() -> None:
    """The first values have fewer before them."""
    np.testing.assert_allclose([1, 0.5, 0.5, 1], trailing_mean(np.array([1.0, 0, 1, 1]), 2))


def test_calibration_has_the_interval_of_wilson() -> None:
    """Eight of ten: the published interval of 95 %, and bins that are equal."""
    [(predicted, observed, low, high, count), *others] = calibration(np.full(50, 0.7), np.arange(50) % 10 < 8)
    assert 10 == count
    assert pytest.approx([0.7, 0.8, 0.490, 0.943], abs=0.001) == [predicted, observed, low, high]
    assert 4 == len(others)


def test_percentiles_are_those_of_the_normal_distribution() -> None:
    """The median of the catalog is at 50."""
    assert 50 == percentiles(taste(0))[4]
    assert pytest.approx(84.13, abs=0.01) == percentiles(taste(0))[8]
