"""One listener's turns at a server: a page of recommendations, what they think of it, and what they say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final

import pyarrow as pa
from palate.client import Client, NotFound
from palate.v1 import catalog_pb2, feedback_pb2, recommendation_pb2
from palate_tools.simulation.listener import SimulatedListener
from palate_tools.simulation.tracks import TrackTable

__all__ = ["Habits", "Listening", "Row", "TrackReader", "to_table"]

_DECIMALS: Final = 4


@dataclass(frozen=True, slots=True)
class Habits:
    """How a listener uses palate.

    Attributes:
        page_size: How many tracks they are shown in a turn, 1 to 100.
        feedback: Of how many of them they say what they think; the others they pass over.
        strategy: The strategy that they ask for; empty for that of their stage.
    """

    page_size: int = 10
    feedback: int = 3
    strategy: str = ""

    def asking_for(self, strategy: str) -> "Habits":
        """Return the same habits with another strategy."""
        return replace(self, strategy=strategy)


@dataclass(frozen=True, slots=True)
class Row:
    """One track that was shown. Scores, propensities and confidences are rounded to four decimals.

    Attributes:
        listener: The listener's number in the run.
        kind: The name of the kind.
        seed: What the listener was drawn from.
        user_id: The name that palate knows them by.
        turn: The turn, from 0.
        position: The place on the page, from 0.
        track_id: The track.
        cluster_id: Its genre cluster.
        taste_id: The taste that palate showed it for; may be empty.
        wanted: The listener's own taste that it belongs to, -1 for none.
        strategy: The strategy that chose it.
        model_version: The model that scored it; empty where none did.
        exploration: Whether it was drawn by chance.
        propensity: The probability of that draw, 1 where nothing was drawn.
        score: Palate's score.
        chance: The probability that the listener likes it.
        liked: Whether they do.
        feedback: What they said, True for a like; None where they said nothing.
        revision: Of the profile that the page was made from.
        stage: Of that profile; empty where there was none yet.
        confidence: Of that profile.
    """

    listener: int
    kind: str
    seed: int
    user_id: str
    turn: int
    position: int
    track_id: str
    cluster_id: str
    taste_id: str
    wanted: int
    strategy: str
    model_version: str
    exploration: bool
    propensity: float
    score: float
    chance: float
    liked: bool
    feedback: bool | None
    revision: int
    stage: str
    confidence: float


_TYPES: Final[Mapping[Any, pa.DataType]] = {
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
    bool | None: pa.bool_(),
}
_REPEATED: Final = pa.dictionary(pa.int32(), pa.string())
_SCHEMA: Final = pa.schema([(field.name, _TYPES.get(field.type, _REPEATED)) for field in fields(Row)])


def to_table(rows: Sequence[Row]) -> pa.Table:
    """Return rows as a table with a column for each attribute."""
    columns = {field.name: [getattr(row, field.name) for row in rows] for field in fields(Row)}
    return pa.table({name: pa.array(values, _SCHEMA.field(name).type) for name, values in columns.items()})


class TrackReader:
    """Asks the server for tracks, for each once. Threads may share it."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._known: dict[str, catalog_pb2.Track] = {}

    def table(self, track_ids: Sequence[str]) -> TrackTable:
        """Return some tracks."""
        for track_id in track_ids:
            if track_id not in self._known:
                self._known[track_id] = self._client.get_track(track_id).track
        return TrackTable.of(self._known[track_id] for track_id in track_ids)


@dataclass(frozen=True, slots=True)
class Listening:
    """A listener at a server.

    Attributes:
        number: The listener's number in the run.
        kind: The name of their kind.
        listener: The listener.
        user_id: The name that palate knows them by.
        habits: How they use palate.
        withheld: Ids of tracks that they are not to be shown.
    """

    number: int
    kind: str
    listener: SimulatedListener
    user_id: str
    habits: Habits
    withheld: tuple[str, ...] = ()

    def of_stage(self) -> "Listening":
        """Return the same listener, who takes whatever strategy their stage has."""
        return replace(self, habits=self.habits.asking_for(""))

    def begin(self, client: Client) -> None:
        """Make sure that palate knows nothing of the listener: what an interrupted run left is deleted."""
        try:
            client.delete_profile(self.user_id)
        except NotFound:
            return

    def name(self, client: Client, track_ids: Sequence[str]) -> None:
        """Say that the listener likes some tracks, as new listeners are asked to."""
        client.batch_record_feedback(
            feedback_pb2.RecordFeedbackRequest(
                user_id=self.user_id,
                track_id=track_id,
                verdict=feedback_pb2.VERDICT_LIKE,
                request_id=f"{self.user_id}-named-{number}",
            )
            for number, track_id in enumerate(track_ids)
        )

    def play(self, client: Client, tracks: TrackReader, turn: int) -> list[Row]:
        """Play a turn and return what was shown.

        Args:
            client: Calls the server.
            tracks: Knows the tracks.
            turn: The turn, from 0; the turns before it must have been played.

        Raises:
            CallFailed: When a call fails.
        """
        stage, confidence = self._standing(client)
        page = client.recommend(
            self.user_id,
            page_size=self.habits.page_size,
            strategy=self.habits.strategy,
            exclude_track_ids=self.withheld,
        )
        shown = tracks.table([item.track_id for item in page.items])
        judgement = self.listener.judge(shown, turn)
        ratings = self._spoken(judgement.rating.tolist(), turn)
        self._tell(client, page, ratings, turn)
        wanted = self.listener.wants(shown, turn).tolist()
        heard = zip(wanted, judgement.chance.tolist(), judgement.liked.tolist(), ratings, strict=True)
        standing = page.profile_revision, stage, round(confidence, _DECIMALS)
        return [
            self._row((turn, position), item, cluster_id, facts, standing)
            for position, (item, cluster_id, facts) in enumerate(zip(page.items, shown.cluster_id, heard, strict=True))
        ]

    def _row(
        self,
        place: tuple[int, int],
        item: recommendation_pb2.RecommendedItem,
        cluster_id: str,
        heard: tuple[int, float, bool, bool | None],
        standing: tuple[int, str, float],
    ) -> Row:
        """Return what is written down of a track: where it stood, what palate and what the listener made of it."""
        turn, position = place
        wanted, chance, liked, feedback = heard
        revision, stage, confidence = standing
        return Row(
            listener=self.number,
            kind=self.kind,
            seed=self.listener.seed,
            user_id=self.user_id,
            turn=turn,
            position=position,
            track_id=item.track_id,
            cluster_id=cluster_id,
            taste_id=item.taste_id,
            wanted=wanted,
            strategy=item.strategy,
            model_version=item.model_version,
            exploration=item.exploration,
            propensity=round(item.propensity, _DECIMALS),
            score=round(item.score, _DECIMALS),
            chance=chance,
            liked=liked,
            feedback=feedback,
            revision=revision,
            stage=stage,
            confidence=confidence,
        )

    def _standing(self, client: Client) -> tuple[str, float]:
        try:
            profile = client.get_profile(self.user_id).profile
        except NotFound:
            return "", 0.0
        return profile.stage, profile.confidence

    def _spoken(self, ratings: Sequence[bool], turn: int) -> list[bool | None]:
        """Return the ratings that the listener gives; None where they say nothing."""
        chosen = self.listener.speaks_of(len(ratings), self.habits.feedback, turn)
        return [rating if position in chosen else None for position, rating in enumerate(ratings)]

    def _tell(
        self,
        client: Client,
        page: recommendation_pb2.RecommendResponse,
        ratings: Sequence[bool | None],
        turn: int,
    ) -> None:
        requests = [
            feedback_pb2.RecordFeedbackRequest(
                user_id=self.user_id,
                track_id=item.track_id,
                verdict=feedback_pb2.VERDICT_LIKE if rating else feedback_pb2.VERDICT_DISLIKE,
                request_id=f"{self.user_id}-{turn}-{position}",
                recommendation_id=page.recommendation_id,
            )
            for position, (item, rating) in enumerate(zip(page.items, ratings, strict=True))
            if rating is not None
        ]
        if requests:
            client.batch_record_feedback(requests)
