"""Plays the story: a listener of three tastes at a server of their own, trained on the way by the real trainer."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from palate.app.config import Config, LogConfig, load_config
from palate.app.logs import set_up_logs
from palate.client import Client
from palate.v1 import profile_pb2, recommendation_pb2
from palate_tools.catalog.bundled import bundled_catalog
from palate_tools.simulation.kinds import load_kinds
from palate_tools.simulation.listener import SimulatedListener
from palate_tools.simulation.tracks import Cluster, read_clusters
from palate_tools.training.report import TasteReport
from palate_tools.training.tasks import run_tasks, training_tasks

from palate_lab.bench.process import start_server
from palate_lab.simulation.session import Habits, Listening, Row, TrackReader

__all__ = ["LISTENER", "LOVES", "Story", "Trained", "Turn", "begin_story"]

LISTENER: Final = "dana"
LOVES: Final = ("extreme-metal", "j-pop", "latin-pop")
"""The genre clusters that the listener has a taste in."""

_HABITS: Final = Habits(page_size=10, feedback=3)
_TRAIN_FROM: Final = (12, 24, 48, 104)
"""Rated tracks from which a model is trained next: soon after a stage of the stages comes within reach."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One slate, and what the listener thought of it.

    Attributes:
        number: The turn, from 0.
        page: The slate with its reasons.
        rows: What the listener thought of each of its tracks.
        profile: The profile after the turn.
    """

    number: int
    page: recommendation_pb2.RecommendResponse
    rows: Sequence[Row]
    profile: profile_pb2.Profile


@dataclass(frozen=True, slots=True)
class Trained:
    """One training.

    Attributes:
        after: The turn that it came after.
        labels: How many tracks were rated by then.
        reports: What came of it, the common model first.
    """

    after: int
    labels: int
    reports: Sequence[TasteReport]


@dataclass(frozen=True, slots=True)
class Story:
    """A listener at a server that nobody else uses.

    Attributes:
        client: Calls the server.
        config: The server's configuration: where the trainer and whoever draws pictures find catalog and store.
        listener: The listener.
        clusters: The genre clusters that they have a taste in.
    """

    client: Client
    config: Config
    listener: SimulatedListener
    clusters: Sequence[Cluster]

    def tell(self, turns: int) -> Iterator[Turn | Trained]:
        """Play some turns and yield each as it is over, and each training.

        After each of the first slates the listener looks for a track of one of their tastes that they know already.

        Raises:
            CallFailed: When the server goes away.
        """
        reader, due = TrackReader(self.client), list(_TRAIN_FROM)
        listening = Listening(0, "separated", self.listener, LISTENER, _HABITS)
        for number in range(turns):
            page = self.client.recommend(LISTENER, page_size=_HABITS.page_size)
            rows = listening.play(self.client, reader, number)
            if number < len(self.clusters):
                self._look_for(self.clusters[number])
            profile = self.client.get_profile(LISTENER).profile
            yield Turn(number, page, rows, profile)
            if due and profile.interaction_count >= due[0]:
                due.pop(0)
                yield Trained(number, profile.interaction_count, self._train())

    def _look_for(self, cluster: Cluster) -> None:
        """Like the most popular of those tracks of a cluster that are to the listener's liking."""
        tracks = cluster.tracks
        liked = self.listener.liked(tracks, 0)
        best = int(np.argmax(np.where(liked, tracks.popularity, -1.0)))
        self.client.like(LISTENER, tracks.track_id[best], request_id=f"{LISTENER}-{cluster.cluster_id}")

    def _train(self) -> list[TasteReport]:
        tasks = training_tasks(self.config, [LISTENER])
        return [taste for report in run_tasks(tasks, 1, "processes") for taste in report.tastes]


@contextmanager
def begin_story(seed: int) -> Iterator[Story]:
    """Serve the bundled catalog from a data folder that goes away afterwards, to a listener drawn from a seed."""
    set_up_logs(LogConfig(level="warning"))
    with tempfile.TemporaryDirectory(prefix="palate-story-") as name:
        folder = Path(name)
        catalog, data_dir = bundled_catalog(folder), folder / "data"
        with start_server(catalog, data_dir) as server, Client(server.address) as client:
            clusters = [cluster for cluster in read_clusters(client) if cluster.cluster_id in LOVES]
            listener = SimulatedListener.draw(load_kinds()["separated"], seed, clusters)
            yield Story(client, load_config(None, {"data_dir": data_dir, "catalog.path": catalog}), listener, clusters)
