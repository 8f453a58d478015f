"""The values that a profile is made of. They know nothing of storage, transport or the catalog file.

All of them are frozen: mappings are read-only views, so that nobody who is handed a profile can change it.

A taste's confidence is a smoothed share: ``likes / (likes + DISLIKE_WEIGHT * dislikes + PRIOR_STRENGTH)``.
It is the posterior mean of a Beta-Bernoulli model whose prior has seen nothing but `PRIOR_STRENGTH` failures,
with dislikes counted in part. It rises with every like, falls with every dislike, and stays in [0, 1).

A profile's confidence is the chance that at least one taste is right, were they independent:
``1 - product(1 - confidence of each taste)``. It is monotone in the same counts, and opening a new taste
never lowers it.

Source:
    Additive smoothing with a Beta prior: Gelman et al., *Bayesian Data Analysis*, section 2.4. The
    combination is the noisy-or of Pearl, *Probabilistic Reasoning in Intelligent Systems*, section 4.3.2.
"""

import copyreg
import enum
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from palate.domain.features import FIXED_POINT, Position
from palate.domain.track import FEATURES

__all__ = [
    "ACTIVE_CONFIDENCE",
    "DISLIKE_WEIGHT",
    "PRIOR_STRENGTH",
    "Event",
    "EventKind",
    "Profile",
    "Rating",
    "RecordedTrack",
    "Stage",
    "Tally",
    "Taste",
    "TasteState",
    "Verdict",
    "combined_confidence",
    "confidence",
    "dislike_pull",
    "read_only",
]

copyreg.pickle(MappingProxyType, lambda view: (MappingProxyType, (dict(view),)))
"""Read-only views are copied and sent to other processes like the mappings behind them."""

K = TypeVar("K")
V = TypeVar("V")

PRIOR_STRENGTH: Final = 4.0
"""RecordedTrack, in tracks, that it takes to outweigh the doubt about a new taste."""

DISLIKE_WEIGHT: Final = 0.5
"""What a dislike counts for against a like; also the most that the disliked mean moves a centroid."""

_LARGEST: Final = math.nextafter(1.0, 0.0)
"""The largest number below 1, where many likes would round to 1."""

ACTIVE_CONFIDENCE: Final = 0.3
"""Confidence from which a taste gets its own slots; two likes without a dislike reach it."""

_CANONICAL: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)
"""Writes equal values as equal text."""


def confidence(likes: int, dislikes: int) -> float:
    """Return the confidence of a taste with so many likes and dislikes, in [0, 1)."""
    return min(likes / (likes + DISLIKE_WEIGHT * dislikes + PRIOR_STRENGTH), _LARGEST)


def combined_confidence(confidences: Iterable[float]) -> float:
    """Return the confidence of a profile from that of its tastes, in [0, 1)."""
    return min(1.0 - math.prod(1.0 - value for value in confidences), _LARGEST)


def dislike_pull(dislikes: int) -> float:
    """Return the weight of the disliked mean against the liked mean, in [0, DISLIKE_WEIGHT)."""
    return DISLIKE_WEIGHT * dislikes / (dislikes + PRIOR_STRENGTH)


def read_only(mapping: Mapping[K, V]) -> Mapping[K, V]:
    """Return a read-only view of a mapping that its maker does not change any more."""
    return mapping if isinstance(mapping, MappingProxyType) else MappingProxyType(mapping)


class Verdict(enum.IntEnum):
    """What a listener thinks of a track; the numbers are those of the public contract."""

    LIKE = 1
    DISLIKE = 2


class EventKind(enum.IntEnum):
    """What happened to a profile; the numbers are those of the public contract and of the log."""

    LIKE = 1
    DISLIKE = 2
    RETRACT = 3
    DELETE_TASTE = 4


class TasteState(enum.IntEnum):
    """How established a taste is; the numbers are those of the public contract."""

    ACTIVE = 1
    WEAK = 2
    INACTIVE = 3


@dataclass(frozen=True, slots=True)
class RecordedTrack:
    """What the log keeps of a track, so that a replay needs no catalog.

    Attributes:
        features: Nine values in the units of the source, in the order of `FEATURES`.
        genres: As the catalog names them.
    """

    features: tuple[float, ...]
    genres: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the feedback log.

    Attributes:
        revision: The profile's revision that the event made; the first is 1.
        kind: What happened.
        track_id: The track; empty for DELETE_TASTE.
        taste_id: The taste that it counts for or that is deleted; empty for tracks of excluded kinds.
        track: What is known of the track; None for RETRACT and DELETE_TASTE.
        request_id: The client's, or empty.
        recommendation_id: The slate that the track came from, or empty.
        recorded_at: Microseconds since 1970-01-01 UTC.
    """

    revision: int
    kind: EventKind
    track_id: str = ""
    taste_id: str = ""
    track: RecordedTrack | None = None
    request_id: str = ""
    recommendation_id: str = ""
    recorded_at: int = 0


@dataclass(frozen=True, slots=True)
class Rating:
    """The current like or dislike of one track.

    Attributes:
        track_id: The track.
        verdict: Like or dislike.
        taste_id: The taste that it was given for; empty for tracks of excluded kinds.
        track: What was known of the track when it was rated.
        revision: The profile's revision that the verdict made.
    """

    track_id: str
    verdict: Verdict
    taste_id: str
    track: RecordedTrack
    revision: int


@dataclass(frozen=True, slots=True)
class Tally:
    """What the liked, or the disliked, tracks of a taste add up to.

    Attributes:
        count: How many tracks.
        total: Sum of their normal scores, nine whole multiples of 2**-16.
        genres: How many of them have each genre; a read-only view.
    """

    count: int = 0
    total: tuple[int, ...] = (0,) * len(FEATURES)
    genres: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make the mapping read-only."""
        object.__setattr__(self, "genres", read_only(self.genres))

    @property
    def mean(self) -> NDArray[np.float32]:
        """Mean normal scores, float32 ``(9,)``; zeros without tracks."""
        return (np.array(self.total, dtype=np.float64) / (FIXED_POINT * max(self.count, 1))).astype(np.float32)

    def adjusted(self, position: Position, genres_of_track: Iterable[str], sign: int) -> "Tally":
        """Return the tally with a track put in (`sign` +1) or taken out again (-1)."""
        total = tuple(old + sign * step for old, step in zip(self.total, position, strict=True))
        genres = dict(self.genres)
        for genre in genres_of_track:
            genres[genre] = genres.get(genre, 0) + sign
        return Tally(self.count + sign, total, {genre: n for genre, n in genres.items() if n})

    def to_json(self) -> dict[str, Any]:
        """Return the tally as what JSON has."""
        return {"count": self.count, "total": self.total, "genres": dict(self.genres)}

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> Self:
        """Read what `to_json` returned."""
        return cls(state["count"], tuple(state["total"]), state["genres"])


@dataclass(frozen=True, slots=True)
class Taste:
    """One coherent part of a listener's liking.

    Attributes:
        taste_id: The genre cluster that opened it.
        opened: The profile's revision at which it was opened; ratings before it belong to a deleted
            predecessor and do not count.
        revision: The profile's revision at which it last changed.
        liked: What its liked tracks add up to.
        disliked: What its disliked tracks add up to.
    """

    taste_id: str
    opened: int
    revision: int
    liked: Tally = Tally()
    disliked: Tally = Tally()

    @property
    def is_empty(self) -> bool:
        """Whether it has no rating, neither a like nor a dislike."""
        return self.liked.count == 0 and self.disliked.count == 0

    @property
    def confidence(self) -> float:
        """How sure palate is of the taste, in [0, 1)."""
        return confidence(self.liked.count, self.disliked.count)

    @property
    def state(self) -> TasteState:
        """Whether the taste has its own slots, is explored, or has no likes at all."""
        if self.liked.count == 0:
            return TasteState.INACTIVE
        return TasteState.ACTIVE if self.confidence >= ACTIVE_CONFIDENCE else TasteState.WEAK

    @property
    def centroid(self) -> NDArray[np.float32]:
        """The liked mean moved away from the disliked mean, float32 ``(9,)`` in normal scores.

        ``mean(liked) - dislike_pull(dislikes) * mean(disliked)``: Rocchio's formula with a weight that grows
        with the number of dislikes.

        Source:
            Rocchio, *Relevance feedback in information retrieval*, 1971; Manning, Raghavan and Schütze,
            *Introduction to Information Retrieval*, section 9.1.1.
        """
        return self.liked.mean - np.float32(dislike_pull(self.disliked.count)) * self.disliked.mean

    @property
    def genre_distribution(self) -> dict[str, float]:
        """Share of each genre, largest first; the shares add up to 1. Empty when nothing is left.

        A genre's weight is the number of liked tracks that have it, less half the number of disliked ones,
        and never below 0. Genres of equal weight stand in alphabetical order.
        """
        weights = {
            genre: likes - DISLIKE_WEIGHT * self.disliked.genres.get(genre, 0)
            for genre, likes in self.liked.genres.items()
        }
        total = sum(weight for weight in weights.values() if weight > 0)
        ordered = sorted(weights.items(), key=lambda item: (-item[1], item[0]))
        return {genre: weight / total for genre, weight in ordered if weight > 0}

    def holds(self, rating: Rating) -> bool:
        """Return whether a rating counts for this taste."""
        return rating.taste_id == self.taste_id and rating.revision >= self.opened

    def to_bytes(self) -> bytes:
        """Return the taste as canonical JSON: equal tastes have equal bytes."""
        state = {
            "taste_id": self.taste_id,
            "opened": self.opened,
            "revision": self.revision,
            "liked": self.liked.to_json(),
            "disliked": self.disliked.to_json(),
        }
        return _CANONICAL.encode(state).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what `to_bytes` wrote."""
        state = json.loads(data)
        for side in ("liked", "disliked"):
            state[side] = Tally.from_json(state[side])
        return cls(**state)


@dataclass(frozen=True, slots=True)
class Profile:
    """A listener's tastes and what they have rated.

    Attributes:
        user_id: The listener.
        revision: Grows by one with every event; 0 for a listener without any.
        tastes: By taste_id; a read-only view.
        ratings: By track_id; a read-only view.
    """

    user_id: str
    revision: int = 0
    tastes: Mapping[str, Taste] = field(default_factory=dict)
    ratings: Mapping[str, Rating] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make the mappings read-only."""
        object.__setattr__(self, "tastes", read_only(self.tastes))
        object.__setattr__(self, "ratings", read_only(self.ratings))

    @property
    def interaction_count(self) -> int:
        """How many tracks are rated."""
        return len(self.ratings)

    @property
    def confidence(self) -> float:
        """How sure palate is of all tastes taken together, in [0, 1)."""
        return combined_confidence(taste.confidence for taste in self.tastes.values())

    def counts(self, rating: Rating) -> bool:
        """Return whether a rating counts for a taste that the profile has."""
        taste = self.tastes.get(rating.taste_id)
        return taste is not None and taste.holds(rating)

    def tastes_in(self, *states: TasteState) -> tuple[Taste, ...]:
        """Return the tastes in any of the given states, most confident first, then by taste_id."""
        chosen = (taste for taste in self.tastes.values() if taste.state in states)
        return tuple(sorted(chosen, key=lambda taste: (-taste.confidence, taste.taste_id)))


@dataclass(frozen=True, slots=True)
class Stage:
    """From where on a strategy applies: a profile must reach both figures and, where learners are named, have a model.

    Attributes:
        min_confidence: The profile's confidence, in [0, 1).
        min_interactions: The profile's number of rated tracks.
        learners: A model of one of these learners must serve the listener; empty where no model is needed.
    """

    min_confidence: float
    min_interactions: int
    learners: frozenset[str] = frozenset()

    def admits(self, profile: Profile) -> bool:
        """Return whether a profile has come this far."""
        return profile.confidence >= self.min_confidence and profile.interaction_count >= self.min_interactions

    def has_model(self, learners: Iterable[str]) -> bool:
        """Return whether a listener with models of these learners has one that the strategy needs, if it needs any."""
        return not self.learners or not self.learners.isdisjoint(learners)
