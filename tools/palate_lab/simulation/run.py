"""A whole run: many listeners side by side, written down batch by batch."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event, local
from typing import Any, Final

from palate import __version__
from palate.client import Client
from palate_tools.simulation.chance import Draws
from palate_tools.simulation.kinds import Kind
from palate_tools.simulation.listener import SimulatedListener
from palate_tools.simulation.tracks import Cluster, read_clusters

from palate_lab.simulation.results import ResultFolder
from palate_lab.simulation.session import Habits, Listening, Row, TrackReader, to_table

__all__ = ["Plan", "simulate"]

BATCH: Final = 20
"""Listeners in one file of results: what an interrupted run has to play again at most."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run is made of; two runs of one plan against one catalog give the same bytes.

    Attributes:
        seed: Everything that is drawn is drawn from it.
        listeners: How many there are; they take turns over the kinds.
        turns: How many turns each plays.
        kinds: The kinds, by name.
        habits: How the listeners use palate.
    """

    seed: int
    listeners: int
    turns: int
    kinds: Mapping[str, Kind]
    habits: Habits

    def listening(self, number: int, clusters: Sequence[Cluster], name: str = "simulated") -> Listening:
        """Return one of the listeners, from 0.

        Args:
            number: Which one.
            clusters: Where there may be tastes.
            name: Begins the name that palate knows them by.

        Raises:
            ConfigError: When there are too few clusters for the kind.
        """
        kinds = list(self.kinds)
        kind = kinds[number % len(kinds)]
        seed = Draws(self.seed, "run").seed(number)
        listener = SimulatedListener.draw(self.kinds[kind], seed, clusters)
        return Listening(number, kind, listener, f"{name}-{self.seed}-{number}", self.habits)

    def manifest(self, catalog_version: str) -> dict[str, Any]:
        """Return everything that the results depend on."""
        return {
            "palate": __version__,
            "catalog_version": catalog_version,
            "seed": self.seed,
            "listeners": self.listeners,
            "turns": self.turns,
            "page_size": self.habits.page_size,
            "feedback": self.habits.feedback,
            "strategy": self.habits.strategy,
            "kinds": {name: kind.model_dump() for name, kind in self.kinds.items()},
        }


def simulate(clients: Sequence[Client], plan: Plan, folder: ResultFolder, played: Callable[[int], None]) -> None:
    """Play a run, or what is left of it.

    A listener of whom nothing was written down begins anew, so that the results are those of a run that was never
    interrupted.

    Args:
        clients: Call the server. As many listeners play side by side, each over one; the results do not depend on it.
        plan: The run.
        folder: Where results are written.
        played: Told how many turns were played, again and again.

    Raises:
        CallFailed: When the server goes away or refuses a call. What was written down stands.
        ConfigError: When the folder holds something else, or the catalog has too few clusters.
    """
    first = clients[0]
    folder.claim(plan.manifest(first.list_genre_clusters(page_size=1).catalog_version))
    left = [batch for batch in _batches(plan.listeners) if not folder.has(batch.start)]
    played(plan.turns * (plan.listeners - sum(len(batch) for batch in left)))
    if not left:
        return
    clusters, tracks, stop = read_clusters(first), TrackReader(first), Event()
    free, own = iter(clients), local()

    def take_client() -> None:
        own.client = next(free)

    def play(number: int) -> list[Row]:
        listening = plan.listening(number, clusters)
        listening.begin(own.client)
        rows: list[Row] = []
        for turn in range(plan.turns):
            if stop.is_set():
                break
            rows.extend(listening.play(own.client, tracks, turn))
            played(1)
        return rows

    with ThreadPoolExecutor(len(clients), initializer=take_client) as pool:
        try:
            for batch in left:
                folder.write(batch.start, to_table([row for rows in pool.map(play, batch) for row in rows]))
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)


def _batches(listeners: int) -> Iterator[range]:
    for first in range(0, listeners, BATCH):
        yield range(first, min(first + BATCH, listeners))
