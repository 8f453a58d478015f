"""What pictures are drawn from: plain values, gathered from a server and its store."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["Fitted", "History", "Item", "Labelled", "Listener", "Progress", "Publication", "Slate", "Taste"]

Floats = NDArray[np.float64]
Model = TypeVar("Model")


@dataclass(frozen=True, slots=True, eq=False)
class Taste:
    """A taste as the server tells it.

    Attributes:
        taste_id: Its id.
        name: Its name for people.
        likes: Standing likes.
        dislikes: Standing dislikes.
        confidence: In [0, 1].
        active: Whether it has slots of its own in every slate.
        centroid: float64 ``(9,)`` in normal scores; empty without likes.
        genres: Genres and their shares, largest first.
    """

    taste_id: str
    name: str
    likes: int
    dislikes: int
    confidence: float
    active: bool
    centroid: Floats
    genres: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """The rated tracks, in the order in which they were rated.

    Attributes:
        features: float64 ``(n, 9)``, normal scores.
        liked: bool ``(n,)``.
        tastes: The taste_id of each.
    """

    features: Floats
    liked: NDArray[np.bool_]
    tastes: NDArray[np.str_]


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """A profile after each line of its log.

    Attributes:
        given: int64 ``(m,)``, how many lines the log had.
        confidence: float64 ``(m,)``, of the whole profile.
        tastes: By taste_id the taste's confidence, float64 ``(m,)``; 0 before it was opened.
        stages: The stage that the profile reached.
    """

    given: NDArray[np.int64]
    confidence: Floats
    tastes: Mapping[str, Floats]
    stages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Item:
    """One track of a slate.

    Attributes:
        title: Its title.
        artists: Its artists, in one text.
        cluster: The name of its genre cluster.
        taste_id: The taste that it was chosen for; may be empty.
        popularity: From 0 to 100.
        score: The strategy's score.
        parts: What the score is the sum of, by name.
        exploration: Whether it is there to learn more.
        propensity: The probability with which it was picked.
    """

    title: str
    artists: str
    cluster: str
    taste_id: str
    popularity: int
    score: float
    parts: Mapping[str, float] = field(default_factory=dict)
    exploration: bool = False
    propensity: float = 1.0


@dataclass(frozen=True, slots=True)
class Slate:
    """A slate.

    Attributes:
        strategy: Who made it.
        rated: How many tracks had been rated by then.
        items: Its tracks, in order.
    """

    strategy: str
    rated: int
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Publication:
    """A model that went into service.

    Attributes:
        position: The place in `Progress.positions` from which it may serve.
        learner: The learner that trained it.
        labels: On how many labels.
    """

    position: float
    learner: str
    labels: int


@dataclass(frozen=True, slots=True, eq=False)
class Progress:
    """How much of what a listener was shown, or has rated, they like.

    Attributes:
        unit: What positions count: "turn" or "rated track".
        positions: float64 ``(m,)``, ascending.
        liked: float64 ``(m,)``, shares in [0, 1].
        window: Over how many positions the line that is drawn through them is a mean.
        strategies: Who was in charge at each position.
        publications: Models that went into service.
        note: What else there is to know of it, in a sentence; may be empty.
    """

    unit: str
    positions: Floats
    liked: Floats
    window: int
    strategies: tuple[str, ...]
    publications: tuple[Publication, ...]
    note: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Fitted(Generic[Model]):
    """What a learner makes of the labels.

    Attributes:
        model: The model, fitted to all labels.
        held_out: float64 ``(n,)``, calibrated log-odds of each label by a model that has not seen it.
        seen: float64 ``(n,)``, calibrated log-odds of each label by `model`.
        catalog: float64 ``(tracks,)``, calibrated log-odds of every track of the catalog by `model`.
        slope: Of the calibration.
        intercept: Of the calibration.
        auc: Held out.
        log_loss: Held out, in nats.
    """

    model: Model
    held_out: Floats
    seen: Floats
    catalog: Floats
    slope: float
    intercept: float
    auc: float
    log_loss: float


@dataclass(frozen=True, slots=True, eq=False)
class Listener:
    """All that is known of one listener at one moment.

    Attributes:
        user_id: The listener.
        origin: Where the listener comes from, in a sentence.
        catalog_version: The version of the catalog.
        stage: The stage that the profile has reached.
        confidence: Of the whole profile.
        tastes: Their tastes, most confident first.
        labelled: The tracks that they have rated.
        catalog: float64 ``(tracks, 9)``, normal scores of the whole catalog.
        catalog_tastes: The cluster of each track of the catalog, as a taste_id.
        history: How the profile came about.
        slates: Slates by strategy.
        progress: How much they liked on the way.
    """

    user_id: str
    origin: str
    catalog_version: str
    stage: str
    confidence: float
    tastes: tuple[Taste, ...]
    labelled: Labelled
    catalog: Floats
    catalog_tastes: NDArray[np.str_]
    history: History
    slates: Mapping[str, Slate]
    progress: Progress
