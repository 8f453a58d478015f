"""The methods that are called, and requests of listeners of three tastes, serialized before anything is measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from palate.catalog.snapshot import Catalog
from palate.v1 import feedback_pb2, recommendation_pb2

__all__ = [
    "BARE",
    "BATCH",
    "INTERCEPTED",
    "RANK",
    "RECOMMEND",
    "RECORD",
    "Listener",
    "make_listeners",
    "with_request_id",
]

BARE: Final = "/palate.bench.EmptyService/Answer"
"""Goes straight to its handler: the server stack and nothing of palate."""
INTERCEPTED: Final = "/palate.v1.EmptyService/Answer"
"""Goes through what every call of palate goes through: admission, parsing, errors, the log."""
RECOMMEND: Final = "/palate.v1.RecommendationService/Recommend"
RANK: Final = "/palate.v1.RecommendationService/Rank"
RECORD: Final = "/palate.v1.FeedbackService/RecordFeedback"
BATCH: Final = "/palate.v1.FeedbackService/BatchRecordFeedback"
_TASTES: Final = 3
_LIKES: Final = 10
_DISLIKES: Final = 2
_IN_PLAY: Final = 16
_RANKED: Final = 100
_REQUEST_ID_TAG: Final = bytes([feedback_pb2.RecordFeedbackRequest.REQUEST_ID_FIELD_NUMBER << 3 | 2])


@dataclass(frozen=True, slots=True)
class Listener:
    """A listener and the requests made for them, as bytes.

    Attributes:
        preparation: BatchRecordFeedback with ten likes and two dislikes in each of three tastes.
        recommend: Recommend for ten items.
        rank: Rank of a hundred tracks, half of them of the three tastes.
        feedback: RecordFeedback on 48 further tracks of the tastes, three likes to a dislike, without request_id.
    """

    preparation: bytes
    recommend: bytes
    rank: bytes
    feedback: Sequence[bytes]


def make_listeners(catalog: Catalog, count: int) -> list[Listener]:
    """Make listeners whose tastes and tracks are drawn by chance, the same for the same catalog."""
    random = np.random.default_rng(count)
    clusters = [
        np.flatnonzero(catalog.cluster == number).astype(np.int32)
        for number in range(len(catalog.clusters))
        if number not in catalog.excluded_clusters and catalog.track_counts[number] >= _LIKES + _DISLIKES + _IN_PLAY
    ]
    return [_listener(catalog, f"listener-{number}", clusters, random) for number in range(count)]


def with_request_id(feedback: bytes, number: int) -> bytes:
    """Add a request_id to a serialized RecordFeedbackRequest: fields of a message may stand in any order."""
    return feedback + _REQUEST_ID_TAG + b"\x10" + b"%016x" % number


def _listener(
    catalog: Catalog, user_id: str, clusters: Sequence[NDArray[np.int32]], random: np.random.Generator
) -> Listener:
    tastes = [clusters[number] for number in random.permutation(len(clusters))[:_TASTES]]
    drawn = np.stack([random.choice(rows, _LIKES + _DISLIKES + _IN_PLAY, replace=False) for rows in tastes])
    rated, in_play = drawn[:, : _LIKES + _DISLIKES], drawn[:, _LIKES + _DISLIKES :]
    verdicts = [*[feedback_pb2.VERDICT_LIKE] * _LIKES, *[feedback_pb2.VERDICT_DISLIKE] * _DISLIKES] * _TASTES
    others = random.integers(len(catalog), size=_RANKED)
    ranked = list(dict.fromkeys([*in_play.ravel().tolist(), *others.tolist()]))[:_RANKED]
    preparation = feedback_pb2.BatchRecordFeedbackRequest(
        requests=[
            feedback_pb2.RecordFeedbackRequest(user_id=user_id, track_id=track_id, verdict=verdict)
            for track_id, verdict in zip(catalog.track_ids(rated.ravel()), verdicts, strict=True)
        ]
    )
    track_ids = catalog.track_ids(np.array(ranked, dtype=np.int32))
    return Listener(
        preparation=preparation.SerializeToString(),
        recommend=recommendation_pb2.RecommendRequest(user_id=user_id).SerializeToString(),
        rank=recommendation_pb2.RankRequest(user_id=user_id, track_ids=track_ids).SerializeToString(),
        feedback=[
            feedback_pb2.RecordFeedbackRequest(
                user_id=user_id,
                track_id=track_id,
                verdict=feedback_pb2.VERDICT_LIKE if number % 4 else feedback_pb2.VERDICT_DISLIKE,
            ).SerializeToString()
            for number, track_id in enumerate(catalog.track_ids(random.permutation(in_play.ravel())))
        ],
    )
