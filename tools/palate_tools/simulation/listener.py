"""Simulated listeners: what they like is fixed by a seed, and what they say follows from it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from palate.errors import ConfigError

from palate_tools.simulation.chance import Draws, sigmoid, utility_of
from palate_tools.simulation.kinds import Kind
from palate_tools.simulation.preference import Preference
from palate_tools.simulation.tracks import Cluster, TrackTable, distances

__all__ = ["Judgement", "SimulatedListener", "Taste"]

_KNOWN_TO_MANY: Final = 40.0
"""Popularity that counts neither way."""


@dataclass(frozen=True, slots=True)
class Taste:
    """One taste of a listener.

    Attributes:
        cluster_id: The genre cluster that is wanted.
        weight: How large the taste is; the weights of the tastes of one turn add up to 1.
        first_turn: The turn from which it is there.
        end_turn: The turn from which it is no longer there; None for ever.
        begins: What counts in it at turn 0.
        becomes: What counts in it once it has drifted.
    """

    cluster_id: str
    weight: float
    first_turn: int
    end_turn: int | None
    begins: Preference
    becomes: Preference

    def holds(self, turn: int) -> bool:
        """Return whether the taste is there at a turn."""
        return self.first_turn <= turn and (self.end_turn is None or turn < self.end_turn)


class Judgement(NamedTuple):
    """What a listener thinks and says of some tracks.

    Attributes:
        chance: float64 ``(n,)``, the probability that each is liked.
        liked: bool ``(n,)``, whether it is.
        rating: bool ``(n,)``, what they say of it, True for a like.
    """

    chance: NDArray[np.float64]
    liked: NDArray[np.bool_]
    rating: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class SimulatedListener:
    """A listener of whom everything is known.

    Chances are computed from operations that round the same everywhere, and ratings from hashes: they are the same
    on every machine, whatever else was asked before.

    Attributes:
        kind: What kind of listener it is.
        seed: What the listener was drawn from.
        tastes: What is wanted, now or at some other turn.
    """

    kind: Kind
    seed: int
    tastes: tuple[Taste, ...]

    @classmethod
    def draw(cls, kind: Kind, seed: int, clusters: Sequence[Cluster]) -> Self:
        """Draw the listener of a kind and a seed.

        Args:
            kind: The kind of listener.
            seed: Any whole number.
            clusters: Where there may be tastes.

        Raises:
            ConfigError: When there are fewer clusters than the kind has tastes, those after a shock included.
        """
        needed = kind.tastes + kind.shock_tastes
        if len(clusters) < needed:
            raise ConfigError(
                f"this kind of listener has tastes in {needed} genre clusters, and the catalog has {len(clusters)} "
                "that are large enough"
            )
        draws = Draws(seed, "listener")
        chosen = [clusters[number] for number in _choose(clusters, needed, kind.separation, draws)]
        return cls(kind, seed, tuple(_tastes(kind, chosen, draws)))

    def wants(self, tracks: TrackTable, turn: int = 0) -> NDArray[np.intp]:
        """Return the position in `tastes` of the taste that each track belongs to at a turn, or -1; ``(n,)``."""
        position = {taste.cluster_id: n for n, taste in enumerate(self.tastes) if taste.holds(turn)}
        return np.array([position.get(cluster_id, -1) for cluster_id in tracks.cluster_id], dtype=np.intp)

    def chances(self, tracks: TrackTable, turn: int) -> NDArray[np.float64]:
        """Return the probability that each track is liked at a turn, float64 ``(n,)`` in (0, 1)."""
        wanted = self.wants(tracks, turn)
        utility = np.full(len(tracks), utility_of(self.kind.background))
        for number in range(len(self.tastes)):
            rows = np.flatnonzero(wanted == number)
            if len(rows):
                utility[rows] = self.kind.decisiveness * self._sound(number, tracks.features[rows], turn)
        utility = utility + self._artists(tracks) + self._popularity() * (tracks.popularity - _KNOWN_TO_MANY) / 50.0
        return np.asarray(sigmoid(utility), dtype=np.float64)

    def judge(self, tracks: TrackTable, turn: int) -> Judgement:
        """Return what the listener thinks and says of tracks at a turn.

        What they think of a track is fixed: it changes only where its chance changes.
        """
        chance = self.chances(tracks, turn)
        liked = Draws(self.seed, "likes").uniforms(tracks.track_id) < chance
        wrong = Draws(self.seed, "mislabels").uniforms(tracks.track_id) < self.kind.mislabelled
        return Judgement(chance, liked, liked ^ wrong)

    def liked(self, tracks: TrackTable, turn: int) -> NDArray[np.bool_]:
        """Return which tracks the listener likes at a turn, bool ``(n,)``."""
        return self.judge(tracks, turn).liked

    def ratings(self, tracks: TrackTable, turn: int) -> NDArray[np.bool_]:
        """Return what the listener says of tracks, True for a like, bool ``(n,)``: now and then the wrong way."""
        return self.judge(tracks, turn).rating

    def speaks_of(self, shown: int, count: int, turn: int) -> list[int]:
        """Return the positions of the tracks on a page that the listener gives a rating on, whichever these are.

        Args:
            shown: How many tracks are on the page.
            count: On how many of them they give one.
            turn: The turn.
        """
        return sorted(range(shown), key=Draws(self.seed, "speaks", turn).uniform)[:count]

    def _sound(self, number: int, features: NDArray[np.float32], turn: int) -> NDArray[np.float64]:
        taste = self.tastes[number]
        if not self.kind.drift_turns:
            return taste.begins.utility(features)
        drifted = min(1.0, turn / self.kind.drift_turns)
        return (1.0 - drifted) * taste.begins.utility(features) + drifted * taste.becomes.utility(features)

    def _artists(self, tracks: TrackTable) -> NDArray[np.float64]:
        drawn = Draws(self.seed, "artist").uniforms(artists[0] for artists in tracks.artists)
        share = self.kind.loyal_share
        return self.kind.loyalty * ((drawn < share).astype(np.float64) - (drawn >= 1.0 - share))

    def _popularity(self) -> float:
        return Draws(self.seed, "listener").between(-self.kind.popularity, self.kind.popularity, "popularity")


def _choose(clusters: Sequence[Cluster], count: int, separation: float | None, draws: Draws) -> list[int]:
    """Choose clusters one after the other, by how far each is from those chosen before.

    The first is any. Of the others, sorted by the distance to the nearest chosen one, the one at the quantile
    `separation` is taken, give or take a few places by chance.
    """
    order = sorted(range(len(clusters)), key=lambda number: draws.uniform("cluster", clusters[number].cluster_id))
    if separation is None:
        return order[:count]
    chosen, rest = order[:1], order[1:]
    apart = distances(clusters)
    while len(chosen) < count:
        rest.sort(key=lambda number: (apart[number, chosen].min(), clusters[number].cluster_id))
        place = int(separation * (len(rest) - 1)) + draws.choice(5, "place", len(chosen)) - 2
        chosen.append(rest.pop(min(max(place, 0), len(rest) - 1)))
    return chosen


def _tastes(kind: Kind, clusters: Sequence[Cluster], draws: Draws) -> Iterator[Taste]:
    """Yield the tastes: first those that are there at turn 0, then those that replace the last of them."""
    weights = kind.weights or [1.0] * kind.tastes
    kept = kind.tastes - kind.shock_tastes
    for number, cluster in enumerate(clusters):
        replacing = number >= kind.tastes
        slot = number - kind.shock_tastes if replacing else number
        share = kind.share * weights[slot] / max(weights)
        begins, becomes = (
            Preference.draw(kind, share, cluster.tracks.features, Draws(draws.seed(name, number)))
            for name in ("preference", "drifts to" if kind.drift_turns else "preference")
        )
        yield Taste(
            cluster.cluster_id,
            weights[slot] / sum(weights),
            kind.shock_turn if replacing else 0,
            kind.shock_turn if not replacing and slot >= kept else None,
            begins,
            becomes,
        )
