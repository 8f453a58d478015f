"""What a strategy is: the only part of palate that a third party builds on.

A strategy turns a request and a profile into choices. It sees frozen values and a context, never protobuf,
gRPC, SQL or onnxruntime. `palate.testing.strategy` holds the suite that every strategy must pass.
"""

import enum
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from palate.domain.profile import Profile, Stage, Taste, read_only
from palate.domain.track import GenreCluster

__all__ = [
    "CatalogIndex",
    "Choice",
    "Context",
    "Declined",
    "Reason",
    "ReasonKind",
    "Rows",
    "Scores",
    "SlateRequest",
    "Stage",
    "Strategy",
    "TasteModel",
]

A = TypeVar("A", bound=NDArray[Any])
Rows: TypeAlias = NDArray[np.int32]
"""Tracks as row numbers of the catalog, int32 ``(n,)``."""


class ReasonKind(enum.IntEnum):
    """What a reason rests on; the numbers are those of the public contract."""

    POPULAR = 1
    SIMILAR = 2
    EXPLORATION = 3
    MODEL = 4


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a track was chosen, in data.

    Attributes:
        kind: What the reason rests on.
        nearest_liked: Row of the liked track that sounds most alike, or None.
        features: The features that added most to the track's score with their shares of it, strongest
            first; at most three.
        parts: The parts that the score is the sum of, by name.
    """

    kind: ReasonKind
    nearest_liked: int | None = None
    features: tuple[tuple[str, float], ...] = ()
    parts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Choice:
    """One track that a strategy puts into a slate.

    Attributes:
        row: The track.
        score: Higher is better; comparable within one slate.
        reason: Why it was chosen.
        taste_id: The taste that it was chosen for, or empty.
        exploration: Whether it is there to learn more about the listener, not because it should please.
        propensity: Probability with which it was picked, given the picks before; 1 where nothing was left to
            chance.
        model_version: The model that scored it, or empty.
    """

    row: int
    score: float
    reason: Reason
    taste_id: str = ""
    exploration: bool = False
    propensity: float = 1.0
    model_version: str = ""


@dataclass(frozen=True, slots=True)
class SlateRequest:
    """What is asked of a strategy.

    Attributes:
        limit: How many choices at the most, at least 1.
        excluded: Rows that must not be chosen, ascending and distinct: what the listener rated, what the
            caller excluded, what earlier pages and higher stages showed.
        artists: Main artists (as `CatalogIndex.main_artist` numbers them) of the slots before, in the order shown.
        seed: For `numpy.random.default_rng`. It differs between listeners, revisions and pages and is equal
            for equal requests, so that a slate can be made again.
        artists_limit: How many tracks of one main artist `artists_span` slots in a row may have, at least 1. The
            server holds every strategy to it: a track that comes too soon is moved down, or dropped where it cannot
            come at all.
        artists_span: Over how many slots `artists_limit` holds, those in `artists` included.
    """

    limit: int
    excluded: Rows
    artists: Sequence[int]
    seed: int
    artists_limit: int = 1
    artists_span: int = 10


@dataclass(frozen=True, slots=True)
class Scores:
    """A strategy's opinion of given tracks.

    Attributes:
        values: float32 ``(n,)``, higher is better.
        taste_ids: For each track the taste that scores it, or empty.
        model_versions: For each track the model that scored it, or empty; empty as a whole without models.
    """

    values: NDArray[np.float32]
    taste_ids: Sequence[str]
    model_versions: Sequence[str] = ()


class CatalogIndex(Protocol):
    """What strategies may ask of the catalog. All arrays are read-only and belong to the catalog.

    Attributes:
        version: The catalog's version.
        clusters: All genre clusters; their positions are the numbers in `cluster`.
        features: float32 ``(tracks, 9)`` in the units of the source.
        normalized: float32 ``(tracks, 9)`` normal scores; see `palate.domain.features.FeatureMap`.
        popularity: uint8 ``(tracks,)`` from 0 to 100.
        cluster: uint8 ``(tracks,)``, positions in `clusters`.
        main_artist: int32 ``(tracks,)``, equal for tracks of the same main artist.
        occasional: bool ``(tracks,)``, whether a track is music for some listeners or times of the year, such as music
            for children or for Christmas.
        cluster_mean: float32 ``(clusters, 9)``, mean normal scores of each cluster's tracks.
        cluster_variance: float32 ``(clusters, 9)``, their variance, a little above 0 where all are equal; 1 for
            clusters without tracks.
    """

    version: str
    clusters: Sequence[GenreCluster]
    features: NDArray[np.float32]
    normalized: NDArray[np.float32]
    popularity: NDArray[np.uint8]
    cluster: NDArray[np.uint8]
    main_artist: NDArray[np.int32]
    occasional: NDArray[np.bool_]
    cluster_mean: NDArray[np.float32]
    cluster_variance: NDArray[np.float32]

    def __len__(self) -> int:
        """Return the number of tracks."""

    def cluster_number(self, cluster_id: str) -> int | None:
        """Return the position of a cluster in `clusters`, or None when this catalog has no such cluster."""

    def popular(self, cluster: int) -> Rows:
        """Return the most popular tracks of a cluster, most popular first: at most 1,024, one per artist."""

    def popularity_quantile(self, cluster: int, share: float) -> float:
        """Return the popularity below which `share` of the cluster's tracks lie, to the nearest percent."""

    def nearest(self, cluster: int, direction: NDArray[np.float32], affinity: NDArray[np.float32], limit: int) -> Rows:
        """Return candidates: tracks of a cluster from the regions that promise the highest scores.

        Takes time that depends on `limit` and hardly on the size of the catalog. A region's promise is the
        cosine of its mean with `direction` plus the mean affinity of its genres; whole regions are taken,
        best first, until they hold `limit` tracks or the cluster is used up. The rows are not sorted.

        Args:
            cluster: Position in `clusters`.
            direction: float32 ``(9,)`` in normal scores.
            affinity: float32 ``(genres,)`` from `genre_weights`, already weighted against the cosine.
            limit: At least how many rows, while the cluster has them.
        """

    def by_artists(self, artists: NDArray[np.int32]) -> Rows:
        """Return all tracks of main artists, as `main_artist` numbers them; artist by artist."""

    def genre_weights(self, distribution: Mapping[str, float]) -> NDArray[np.float32]:
        """Return a genre distribution as float32 ``(genres,)``; genres unknown to the catalog are left out."""

    def genre_share(self, cluster: int) -> NDArray[np.float32]:
        """Return each genre's share among a cluster's tracks, float32 ``(genres,)``: all above 0, adding up to 1."""

    def genre_affinity(self, rows: Rows, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the mean weight of each track's genres, float32 ``(n,)``; 0 for tracks without genres."""


class TasteModel(Protocol):
    """A trained model of one taste, opened."""

    @property
    def version(self) -> str:
        """The model's version."""

    @property
    def learner(self) -> str:
        """The learner that trained it."""

    @property
    def ranking_slope(self) -> float:
        """With `ranking_intercept`, what turns a ranking score of this listener into log-odds of a like.

        So tastes with and without a model can stand in one order.
        """

    @property
    def ranking_intercept(self) -> float:
        """See `ranking_slope`."""

    @property
    def cluster_offsets(self) -> Mapping[str, float]:
        """By cluster_id, what is to be added to the log-odds of tracks of that cluster; at most 20 from 0.

        Features do not say all that makes a listener like a genre. It is 0 for clusters that are not there.
        """

    def probabilities(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the calibrated probability of a like for normal scores ``(n, 9)``, float32 ``(n,)``; no offsets."""


class Declined(Exception):
    """Raised by a strategy that has nothing to say of a listener: the stage below is asked, and nothing has failed."""


class Memoise(Protocol):
    """See `Context.memoise`."""

    def __call__(self, taste: Taste, key: Hashable, find: Callable[[], A], /) -> A:
        """Return what was found for an equal taste under that key, or find it now."""


def _find_anew(taste: Taste, key: Hashable, find: Callable[[], A], /) -> A:  # noqa: ARG001 - it caches nothing
    """Find an array anew whenever it is asked for."""
    return find()


@dataclass(frozen=True, slots=True)
class Context:
    """What a strategy may reach besides the request and the profile: frozen values, nothing that does I/O.

    Attributes:
        catalog: The catalog.
        liked: Rows of the liked tracks of each taste, by taste_id; tracks that the catalog no longer has are left
            out. A read-only view of read-only arrays.
        disliked: The same of the disliked tracks.
        models: The model that serves each taste, by taste_id, opened; under the empty string the listener's common
            model, which serves the tastes that have none of their own. A read-only view.
        memoise: Called with a taste, a key and a function that finds an array, such as rows or their scores, returns
            that array, read-only. It may be from an earlier call, so it must depend on nothing but the taste, the key
            and the catalog; the key must tell apart whatever else it depends on, such as the strategy's configuration
            or a model's version.
    """

    catalog: CatalogIndex
    liked: Mapping[str, Rows]
    disliked: Mapping[str, Rows]
    models: Mapping[str, TasteModel] = field(default_factory=partial(read_only, {}))
    memoise: Memoise = _find_anew

    def __post_init__(self) -> None:
        """Make the mappings read-only."""
        for name in ("liked", "disliked", "models"):
            object.__setattr__(self, name, read_only(getattr(self, name)))


class Strategy(Protocol):
    """A strategy: a class that an entry point of the group ``palate.strategies`` names.

    The class is called with its configuration and must keep no state between calls; several threads call it
    at once.

    Attributes:
        config_type: A frozen dataclass; the operator's table ``[strategies.options.NAME]`` becomes one.
        stage: From where on it applies, unless the operator says otherwise; None answers only by name.
    """

    config_type: ClassVar[type[Any]]
    stage: ClassVar[Stage | None]

    def __init__(self, config: Any) -> None:
        """Keep the configuration, an instance of `config_type`."""

    def recommend(self, profile: Profile, request: SlateRequest, context: Context) -> Sequence[Choice]:
        """Return a slate in the order to show it.

        Fewer choices than asked for are filled up from the stages below. Rows that are excluded, repeated or
        of excluded clusters are dropped by the server, and artists that come too soon are moved down.
        """

    def score(self, profile: Profile, rows: Rows, context: Context) -> Scores:
        """Score given tracks; rated tracks and tracks of excluded clusters are scored like any other."""
