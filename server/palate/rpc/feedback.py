"""FeedbackService."""

import asyncio
from concurrent.futures import Future

from palate.domain import EventKind
from palate.errors import InvalidField
from palate.rpc.interceptor import CallContext
from palate.serving.feedback import Feedback, FeedbackService, Recorded
from palate.serving.fields import identifier, optional_identifier, repeated
from palate.v1 import feedback_pb2, feedback_pb2_grpc

__all__ = ["FeedbackServicer"]

_MAX_BATCH = 1_000


class FeedbackServicer(feedback_pb2_grpc.FeedbackServiceServicer):
    """Takes likes, dislikes and retractions; answers once they are durable."""

    def __init__(self, service: FeedbackService) -> None:
        self._service = service

    async def RecordFeedback(
        self,
        request: feedback_pb2.RecordFeedbackRequest,
        context: CallContext,
    ) -> feedback_pb2.RecordFeedbackResponse:
        """Record one like or dislike."""
        [recorded] = await asyncio.wrap_future(self._service.record([_feedback(request)]))
        return feedback_pb2.RecordFeedbackResponse(profile_revision=recorded.revision, taste_id=recorded.taste_id)

    async def BatchRecordFeedback(
        self,
        request: feedback_pb2.BatchRecordFeedbackRequest,
        context: CallContext,
    ) -> feedback_pb2.BatchRecordFeedbackResponse:
        """Record several ratings together."""
        repeated("requests", len(request.requests), _MAX_BATCH, smallest=1)
        recorded = await asyncio.wrap_future(await asyncio.to_thread(self._record_batch, request))
        return feedback_pb2.BatchRecordFeedbackResponse(
            responses=[
                feedback_pb2.RecordFeedbackResponse(profile_revision=item.revision, taste_id=item.taste_id)
                for item in recorded
            ]
        )

    async def RetractFeedback(
        self,
        request: feedback_pb2.RetractFeedbackRequest,
        context: CallContext,
    ) -> feedback_pb2.RetractFeedbackResponse:
        """Take a rating back."""
        feedback = Feedback(
            identifier("user_id", request.user_id),
            EventKind.RETRACT,
            track_id=identifier("track_id", request.track_id),
            request_id=optional_identifier("request_id", request.request_id),
        )
        [recorded] = await asyncio.wrap_future(self._service.record([feedback]))
        return feedback_pb2.RetractFeedbackResponse(profile_revision=recorded.revision)

    def _record_batch(self, request: feedback_pb2.BatchRecordFeedbackRequest) -> Future[list[Recorded]]:
        """Check and look up a batch, which for a thousand takes too long for the event loop."""
        return self._service.record(
            [_feedback(item, f"requests[{number}].") for number, item in enumerate(request.requests)]
        )


def _feedback(request: feedback_pb2.RecordFeedbackRequest, path: str = "") -> Feedback:
    if request.verdict not in (feedback_pb2.VERDICT_LIKE, feedback_pb2.VERDICT_DISLIKE):
        raise InvalidField(
            f"{path}verdict", f"is {request.verdict}; VERDICT_LIKE (1) or VERDICT_DISLIKE (2) is required"
        )
    return Feedback(
        identifier(f"{path}user_id", request.user_id),
        EventKind(request.verdict),
        track_id=identifier(f"{path}track_id", request.track_id),
        request_id=optional_identifier(f"{path}request_id", request.request_id),
        recommendation_id=optional_identifier(f"{path}recommendation_id", request.recommendation_id),
        path=path,
    )
