"""All pictures of one listener, in the order in which they are shown, each with its words."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from matplotlib.figure import Figure
from palate import __version__
from palate_strategies.learners.gbdt import Gbdt, GbdtModel
from palate_strategies.learners.logistic import LogisticModel
from palate_strategies.learners.neural import NeuralModel
from palate_tools.training.dataset import Labels
from palate_tools.training.resources import Resources

from palate_lab.report import describing
from palate_lab.report.fitting import dataset_of, fit_learner, lacking, seed_for
from palate_lab.report.pictures.boosted import draw_boosted, draw_boosting
from palate_lab.report.pictures.compared import Compared, draw_compared
from palate_lab.report.pictures.confidence import draw_confidence
from palate_lab.report.pictures.features import draw_features, draw_genres
from palate_lab.report.pictures.logistic import draw_logistic
from palate_lab.report.pictures.profile_map import draw_profile_map, project
from palate_lab.report.pictures.progress import draw_progress
from palate_lab.report.pictures.score_parts import draw_score_parts
from palate_lab.report.pictures.slates import draw_cold_start, draw_fallback
from palate_lab.report.pictures.surface import draw_surface, respond
from palate_lab.report.values import Listener

__all__ = ["SECTIONS", "Omitted", "Picture", "pictures_of"]

SECTIONS: Final = ("The way up", "The profile", "Slates", "Models", "Beside others")


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture.

    Attributes:
        name: Of its files.
        section: Of `SECTIONS`.
        draw: Draws it.
        alt: What it shows, in figures, for those who do not see it.
        caption: What to know to read it, and what it was made from.
    """

    name: str
    section: str
    draw: Callable[[], Figure]
    alt: str
    caption: str


@dataclass(frozen=True, slots=True)
class Omitted:
    """A picture that there is nothing to draw for.

    Attributes:
        what: Which picture.
        reason: Why, and what would help.
    """

    what: str
    reason: str


class _Unknown(Exception):
    """A model of somebody else's learner, of which nothing but its answers is known."""


def pictures_of(
    listener: Listener, resources: Resources, labels: Labels, compared: Compared | None
) -> Iterator[Picture | Omitted]:
    """Yield every picture of a listener, or why there is none.

    Args:
        listener: What `gather` returned.
        resources: Has the learners.
        labels: The listener's labels.
        compared: A comparison, where there is one.
    """
    source = f"{listener.origin} Catalog {listener.catalog_version}, palate {__version__}."
    for found in (
        *_profile_pictures(listener),
        *_slate_pictures(listener),
        *_model_pictures(listener, resources, labels),
        *_comparison_pictures(compared),
    ):
        if isinstance(found, Picture) and found.section != SECTIONS[-1]:
            yield replace(found, caption=f"{found.caption} {source}")
        else:
            yield found


def _profile_pictures(listener: Listener) -> Iterator[Picture]:
    way, profile, *_ = SECTIONS
    progress = listener.progress
    yield Picture(
        "stages",
        way,
        partial(draw_progress, progress, listener.user_id),
        describing.progress(listener),
        "Shading and the names above say which strategy was in charge; a dashed line is a model that was published, "
        f"and the learner that made it. {progress.note}".rstrip(),
    )
    yield Picture(
        "confidence",
        way,
        partial(draw_confidence, listener),
        describing.confidence(listener),
        "The profile's confidence is the chance that at least one taste is right; a taste's grows with likes and "
        "falls with dislikes. Thin grey lines are tastes that are not active.",
    )
    projection = project(listener)
    yield Picture(
        "tastes",
        profile,
        partial(draw_profile_map, listener, projection),
        describing.tastes(listener),
        f"The plane is that of {projection.method}, over nine features mapped to normal scores. Shaded: 1.5 standard "
        "deviations of the likes. A centroid moves away from what is disliked, and so off the middle of the likes.",
    )
    yield Picture(
        "features",
        profile,
        partial(draw_features, listener),
        describing.features(listener),
        "The other tastes are drawn in grey behind each.",
    )
    yield Picture(
        "genres",
        profile,
        partial(draw_genres, listener),
        describing.genres(listener),
        "At most six genres of each taste are shown.",
    )


def _slate_pictures(listener: Listener) -> Iterator[Picture | Omitted]:
    drawings: Sequence[tuple[str, Callable[..., Figure], str]] = (
        ("cold_start", draw_cold_start, "Every track is drawn by chance, popular ones more often."),
        (
            "fallback",
            partial(draw_fallback, listener=listener),
            "Explored tracks are shaded, with the chance of the draw, the propensity that an evaluation weighs by.",
        ),
        (
            "ranking",
            partial(draw_score_parts, listener=listener),
            "Colours are those of the tastes. Scores compare within a taste, and every taste has slots of its own.",
        ),
    )
    for strategy, draw, caption in drawings:
        slate = listener.slates.get(strategy)
        if slate is None:
            yield Omitted(f"a {strategy} slate", "the server made none; palate strategies says what is loaded")
        else:
            yield Picture(f"slate-{strategy}", SECTIONS[2], partial(draw, slate), describing.slate(slate), caption)


def _model_pictures(listener: Listener, resources: Resources, labels: Labels) -> Iterator[Picture | Omitted]:
    reason = lacking(labels)
    if reason:
        yield Omitted("models", reason)
        return
    makers: dict[str, Callable[..., Iterator[Picture]]] = {
        "logistic": _logistic_pictures,
        "gbdt": _gbdt_pictures,
        "neural": _neural_pictures,
    }
    for name, make in makers.items():
        if name not in resources.learners:
            yield Omitted(f"a model by {name}", "the learner is not loaded; training.allow says what may be")
            continue
        try:
            yield from make(listener, resources, labels)
        except (ValueError, _Unknown) as error:
            yield Omitted(f"a model by {name}", str(error))


def _logistic_pictures(_: Listener, resources: Resources, labels: Labels) -> Iterator[Picture]:
    fitted = _fitted(resources, labels, "logistic", LogisticModel)
    yield Picture(
        "logistic",
        SECTIONS[3],
        partial(draw_logistic, fitted, labels.liked),
        describing.logistic(fitted),
        "Features are normal scores, so that weights compare. Probabilities are calibrated; the bars at the right are "
        "Wilson's 95 % intervals of five equal bins.",
    )


def _gbdt_pictures(_: Listener, resources: Resources, labels: Labels) -> Iterator[Picture]:
    fitted = _fitted(resources, labels, "gbdt", GbdtModel)
    yield Picture(
        "gbdt",
        SECTIONS[3],
        partial(draw_boosted, fitted, labels.liked),
        describing.boosted(fitted, labels.liked),
        "Importances are those of the trees. Rated tracks are scored by models that have not seen them; marks are "
        "medians.",
    )
    learner = resources.learners["gbdt"].learner
    if isinstance(learner, Gbdt):
        curves = learner.learning_curves(dataset_of(resources, labels), seed_for(labels))
        yield Picture(
            "gbdt-training",
            SECTIONS[3],
            partial(draw_boosting, curves),
            describing.boosting(curves),
            "Trees alone, without the network beside them. Training stops where the held-out log-loss is least; "
            "the curves go on to the most trees that it may grow.",
        )


def _neural_pictures(listener: Listener, resources: Resources, labels: Labels) -> Iterator[Picture]:
    surface = respond(_fitted(resources, labels, "neural", NeuralModel), resources.background)
    yield Picture(
        "neural",
        SECTIONS[3],
        partial(draw_surface, surface, listener.labelled),
        describing.surface(surface),
        "Partial dependence: the two features on which the response depends most are set, the other seven are those "
        "of a sample of the catalog. Tracks beyond the edges are drawn on them.",
    )


def _fitted(resources: Resources, labels: Labels, name: str, kind: type[Any]) -> Any:
    fitted = fit_learner(resources, labels, name)
    if not isinstance(fitted.model, kind):
        raise _Unknown(f"the learner {name!r} is not palate's own, and says nothing of its inside")
    return fitted


def _comparison_pictures(compared: Compared | None) -> Iterator[Picture | Omitted]:
    if compared is None:
        yield Omitted(
            "strategies compared", "palate lab compare --out DIR plays them, and --comparison DIR draws what came of it"
        )
        return
    yield Picture(
        "compared",
        SECTIONS[-1],
        partial(draw_compared, compared),
        describing.compared(compared),
        "Everybody begins with the same tracks and learns from what they have shown themselves; the oracle knows the "
        f"listeners' minds. Bootstrap intervals over listeners; read from palate lab compare by palate {__version__}.",
    )
