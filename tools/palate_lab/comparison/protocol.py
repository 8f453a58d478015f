"""What all algorithms are given alike: the same listeners, as many tracks to show, and the same tracks to find."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Final

import numpy as np
from numpy.typing import NDArray
from palate.catalog.snapshot import Catalog
from palate.plugins.strategy import Rows
from palate_tools.simulation.chance import Draws
from palate_tools.simulation.listener import SimulatedListener
from palate_tools.simulation.tracks import Cluster, TrackTable, group_by_cluster

from palate_lab.comparison.baselines import eligible_rows
from palate_lab.simulation.run import Plan
from palate_lab.simulation.session import Listening

__all__ = ["DEPTH", "Course", "Play", "Shown", "Subject", "World", "make_world"]

DEPTH: Final = 100
"""How long the list is that every algorithm draws up in the end."""

_WITHHELD: Final = 0.3
"""Share of what a listener likes that nobody may show before the end, so that there is something to find then."""


@dataclass(frozen=True, slots=True)
class Course:
    """How a comparison goes.

    Attributes:
        plan: The listeners, how many turns they play, and how they use what they are shown.
        known: How many tracks of each taste they name at the start, as new listeners are asked to.
        train_at: The turns before which models are trained.
    """

    plan: Plan
    known: int
    train_at: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """The catalog as listeners hear it and as algorithms know it.

    Attributes:
        catalog: The catalog.
        tracks: Its tracks, row by row.
        eligible: Rows of the tracks that may be recommended, ascending.
        clusters: Where there may be tastes.
    """

    catalog: Catalog
    tracks: TrackTable
    eligible: Rows
    clusters: Sequence[Cluster]


def make_world(catalog: Catalog) -> World:
    """Hear a catalog."""
    tracks = TrackTable.from_catalog(catalog)
    excluded = {catalog.clusters[number].cluster_id for number in catalog.excluded_clusters}
    return World(catalog, tracks, eligible_rows(catalog), group_by_cluster(tracks, excluded))


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """A listener and what is to be found for them.

    Attributes:
        number: The listener's number in the plan.
        kind: The name of their kind.
        listener: The listener.
        known: Rows of the tracks that they name at the start.
        withheld: Rows that nobody may show before the end: what is to be found then.
        passed_over: Rows that are liked too, and are left out of the list in the end: they count neither way.
        relevant: The withheld rows of each taste that is there in the end, by cluster_id.
        shares: Share of each cluster in what is liked in the end; clusters without likes are left out.
    """

    number: int
    kind: str
    listener: SimulatedListener
    known: Rows
    withheld: Rows
    passed_over: Rows
    relevant: Mapping[str, Rows]
    shares: Mapping[str, float]

    @classmethod
    def of(cls, course: Course, number: int, world: World) -> "Subject":
        """Return a listener of a plan.

        Raises:
            ConfigError: When there are too few clusters for the kind.
        """
        listening = course.plan.listening(number, world.clusters)
        listener = listening.listener
        tracks = world.tracks.take(world.eligible)
        last = course.plan.turns
        liked = world.eligible[listener.liked(tracks, last)]
        kept_back = Draws(listener.seed, "withheld").uniforms(world.tracks.track_id[row] for row in liked) < _WITHHELD
        withheld = liked[kept_back]
        cluster_ids = [world.tracks.cluster_id[row] for row in liked.tolist()]
        wanted = {taste.cluster_id for taste in listener.tastes if taste.holds(last)}
        of_cluster = np.array([world.tracks.cluster_id[row] for row in withheld.tolist()], dtype=object)
        return cls(
            number,
            listening.kind,
            listener,
            np.setdiff1d(_named(listener, world, course.known), withheld, assume_unique=True),
            withheld,
            liked[~kept_back],
            {cluster_id: withheld[of_cluster == cluster_id] for cluster_id in sorted(wanted)},
            {name: cluster_ids.count(name) / len(cluster_ids) for name in sorted(set(cluster_ids))},
        )

    def listening(self, course: Course, world: World, name: str, strategy: str) -> Listening:
        """Return the listener as a user of palate.

        Args:
            course: How the comparison goes.
            world: The catalog.
            name: Begins the name that palate knows them by.
            strategy: The strategy that they ask for; empty for that of their stage.
        """
        habits = course.plan.habits.asking_for(strategy)
        withheld = tuple(world.catalog.track_ids(self.withheld))
        user_id = f"{name}-{course.plan.seed}-{self.number}"
        return Listening(self.number, self.kind, self.listener, user_id, habits, withheld)


def _named(listener: SimulatedListener, world: World, count: int) -> Rows:
    """Return the most popular tracks that are liked of each taste at the start."""
    tracks = world.tracks.take(world.eligible)
    wanted, liked = listener.wants(tracks), listener.liked(tracks, 0)
    named = []
    for taste in range(len(listener.tastes)):
        own = np.flatnonzero((wanted == taste) & liked)
        named.append(world.eligible[own[np.argsort(-tracks.popularity[own], kind="stable")[:count]]])
    return np.concatenate(named).astype(np.int32)


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """Tracks that were shown, turn by turn.

    Attributes:
        turn: int64 ``(n,)``, the turn of each.
        rows: int32 ``(n,)``, the tracks.
        chance: float64 ``(n,)``, the probability that the listener likes each.
        liked: bool ``(n,)``, whether they do.
        said: bool ``(n,)``, whether they said what they think of it.
        rating: bool ``(n,)``, what they say, True for a like.
        predicted: float64 ``(n,)``, the chance that the algorithm gave it; not a number where it gives none.
        strategy: object ``(n,)``, the strategy that chose each; empty for what is no strategy.
    """

    turn: NDArray[np.int64]
    rows: Rows
    chance: NDArray[np.float64]
    liked: NDArray[np.bool_]
    said: NDArray[np.bool_]
    rating: NDArray[np.bool_]
    predicted: NDArray[np.float64]
    strategy: NDArray[np.object_]

    @classmethod
    def concatenate(cls, parts: Sequence["Shown"]) -> "Shown":
        """Return several turns as one."""
        return cls(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)))


@dataclass(frozen=True, slots=True, eq=False)
class Play:
    """What one algorithm did for one listener.

    Attributes:
        algorithm: Its name.
        listener: The listener's number in the plan.
        shown: What it showed.
        ranking: int32 ``(DEPTH,)``, the list that it drew up in the end, best first.
    """

    algorithm: str
    listener: int
    shown: Shown
    ranking: Rows
