"""What the console does to a server, without a screen: one listener's slates, ratings, tastes and models."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, TypeAlias

from palate.client import Client, NotFound, pages
from palate.v1 import catalog_pb2, feedback_pb2, model_pb2, profile_pb2, recommendation_pb2, strategy_pb2

from palate_tools.picking import title_line
from palate_tools.simulation.kinds import load_kinds
from palate_tools.simulation.listener import SimulatedListener
from palate_tools.simulation.tracks import Cluster, read_clusters

__all__ = ["DISLIKE", "LIKE", "Pick", "Rating", "Session", "Slate"]

Rating: TypeAlias = feedback_pb2.Verdict.ValueType

LIKE: Final = feedback_pb2.VERDICT_LIKE
DISLIKE: Final = feedback_pb2.VERDICT_DISLIKE
_RATINGS: Final[Mapping[int, Rating]] = {
    profile_pb2.FEEDBACK_KIND_LIKE: LIKE,
    profile_pb2.FEEDBACK_KIND_DISLIKE: DISLIKE,
}
_FOUND: Final = 50
_MODELS: Final = 50


@dataclass(frozen=True, slots=True)
class Pick:
    """One track of a slate, with why it is there."""

    track: catalog_pb2.Track
    item: recommendation_pb2.RecommendedItem


@dataclass(frozen=True, slots=True)
class Slate:
    """One page of recommendations.

    Attributes:
        picks: The tracks, in the order to show them.
        answer: The response that they came with.
        page: 1 for the first page.
        first: The number of the first track; pages are numbered on.
    """

    picks: tuple[Pick, ...]
    answer: recommendation_pb2.RecommendResponse
    page: int
    first: int = 1


@dataclass(frozen=True, slots=True)
class _Judged:
    """A rating that can be undone: what stood before it, None for nothing."""

    track: catalog_pb2.Track
    before: Rating | None


class Session:
    """One listener at a console.

    Calls block, and must come one at a time; any thread may make them.

    Args:
        connect: Opens a connection to the server.

    Raises:
        CallFailed: From every method that calls.
    """

    def __init__(self, connect: Callable[[], Client]) -> None:
        self.user_id = ""
        self.ratings: dict[str, Rating] = {}
        self._connect = connect
        self._client = connect()
        self._judged: list[_Judged] = []
        self._tracks: dict[str, catalog_pb2.Track] = {}
        self._catalog_version = ""

    @property
    def address(self) -> str:
        """The server's ``HOST:PORT``."""
        return self._client.address

    def reconnect(self) -> None:
        """Open the connection anew, and ask whether the server is back.

        gRPC by itself waits longer and longer before it looks for a server that went away.
        """
        self._client.close()
        self._client = self._connect()
        self._client.check_health()

    def close(self) -> None:
        """Close the connection; a call in flight is cancelled."""
        self._client.close()

    def choose(self, user_id: str) -> None:
        """Take up a listener, with the current ratings; a new one has none."""
        ratings = self._standing(user_id)
        self.user_id, self.ratings = user_id, ratings
        self._judged.clear()

    @cached_property
    def stages(self) -> tuple[strategy_pb2.Strategy, ...]:
        """The strategies that stand on the stages, from the bottom up."""
        return tuple(
            strategy
            for strategy in self._client.list_strategies().strategies
            if strategy.stage_number and strategy.state == strategy_pb2.STRATEGY_STATE_LOADED
        )

    @cached_property
    def clusters(self) -> Mapping[str, catalog_pb2.GenreCluster]:
        """The genre clusters by their ids."""
        every = pages(lambda token: self._client.list_genre_clusters(page_token=token))
        return {cluster.genre_cluster_id: cluster for page in every for cluster in page.genre_clusters}

    def guest(self, kind: str, seed: int) -> SimulatedListener:
        """Draw a simulated listener of one of `palate_tools.simulation.kinds`.

        Raises:
            ConfigError: When the catalog has too few genre clusters for this kind.
        """
        return SimulatedListener.draw(load_kinds()[kind], seed, self._grounds)

    def profile(self) -> profile_pb2.Profile:
        """Return what is known of the listener; an empty profile on the lowest stage for a new one."""
        try:
            return self._client.get_profile(self.user_id).profile
        except NotFound:
            stage = self.stages[0].name if self.stages else ""
            return profile_pb2.Profile(user_id=self.user_id, stage=stage)

    def recommend(self, after: Slate | None = None) -> Slate:
        """Return the first slate, or the page after another one."""
        token = after.answer.next_page_token if after else ""
        answer = self._client.recommend(self.user_id, page_token=token)
        if answer.catalog_version != self._catalog_version:
            self._tracks.clear()
            self._catalog_version = answer.catalog_version
        picks = tuple(Pick(self._track(item.track_id), item) for item in answer.items)
        if after is None or not token:
            return Slate(picks, answer, page=1)
        return Slate(picks, answer, after.page + 1, after.first + len(after.picks))

    def judge(self, track: catalog_pb2.Track, rating: Rating, recommendation_id: str = "") -> None:
        """Record a rating; it takes the place of an earlier one on the same track."""
        self._client.record_feedback(self.user_id, track.track_id, rating, recommendation_id=recommendation_id)
        self._judged.append(_Judged(track, self.ratings.get(track.track_id)))
        self.ratings[track.track_id] = rating

    def undo(self) -> str:
        """Take the last rating back, so that what stood before stands again.

        Returns:
            The track's title line; empty when there is no rating to take back.
        """
        if not self._judged:
            return ""
        last = self._judged[-1]
        if last.before is None:
            self._client.retract_feedback(self.user_id, last.track.track_id)
            del self.ratings[last.track.track_id]
        else:
            self._client.record_feedback(self.user_id, last.track.track_id, last.before)
            self.ratings[last.track.track_id] = last.before
        self._judged.pop()
        return title_line(last.track)

    def search(self, words: str) -> Sequence[catalog_pb2.Track]:
        """Return the first tracks whose title and artists have some words."""
        return self._client.search_tracks(words, page_size=_FOUND).tracks

    def models(self) -> Sequence[model_pb2.Model]:
        """Return the listener's latest models, newest first."""
        return self._client.list_models(user_id=self.user_id, page_size=_MODELS).models

    def rollback(self, model: model_pb2.Model) -> model_pb2.Model:
        """Put an earlier model of its taste back in service, and return it as it stands now."""
        version = model.model_version
        return self._client.rollback_model(model.user_id, model.taste_id, model_version=version).model

    @cached_property
    def _grounds(self) -> Sequence[Cluster]:
        """The clusters that a simulated listener may have tastes in."""
        return read_clusters(self._client)

    def _track(self, track_id: str) -> catalog_pb2.Track:
        if track_id not in self._tracks:
            self._tracks[track_id] = self._client.get_track(track_id).track
        return self._tracks[track_id]

    def _standing(self, user_id: str) -> dict[str, Rating]:
        """Return the current ratings, from the feedback log."""
        standing: dict[str, Rating] = {}
        try:
            for part in self._client.export_profile(user_id):
                if part.HasField("event") and part.event.kind in _RATINGS:
                    standing[part.event.track_id] = _RATINGS[part.event.kind]
                elif part.event.kind == profile_pb2.FEEDBACK_KIND_RETRACT:
                    standing.pop(part.event.track_id, None)
        except NotFound:
            return {}
        return standing
