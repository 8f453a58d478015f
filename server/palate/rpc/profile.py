"""ProfileService."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Executor

from palate.domain import EventKind
from palate.rpc.convert import event_message, profile_message
from palate.rpc.fields import identifier, optional_identifier
from palate.rpc.threads import CallContext, in_thread
from palate.serving.feedback import Feedback, FeedbackService
from palate.serving.profiles import ProfileService, ProfileView
from palate.v1 import profile_pb2, profile_pb2_grpc

__all__ = ["ProfileServicer"]


class ProfileServicer(profile_pb2_grpc.ProfileServiceServicer):
    """Reads, exports and deletes profiles."""

    def __init__(self, profiles: ProfileService, feedback: FeedbackService, executor: Executor) -> None:
        self._profiles = profiles
        self._feedback = feedback
        self._executor = executor

    async def GetProfile(
        self,
        request: profile_pb2.GetProfileRequest,
        context: CallContext,
    ) -> profile_pb2.GetProfileResponse:
        """Return a profile."""
        user_id = identifier("user_id", request.user_id)
        view = await in_thread(self._executor, self._profiles.view, user_id)
        return profile_pb2.GetProfileResponse(profile=profile_message(view))

    async def ExportProfile(
        self,
        request: profile_pb2.ExportProfileRequest,
        context: CallContext,
    ) -> AsyncIterator[profile_pb2.ExportProfileResponse]:
        """Stream a profile, then its log."""
        pages = self._pages(identifier("user_id", request.user_id))
        while (page := await in_thread(self._executor, next, pages, None)) is not None:
            for response in page:
                yield response

    async def DeleteTaste(
        self,
        request: profile_pb2.DeleteTasteRequest,
        context: CallContext,
    ) -> profile_pb2.DeleteTasteResponse:
        """Delete a taste."""
        feedback = Feedback(
            identifier("user_id", request.user_id),
            EventKind.DELETE_TASTE,
            taste_id=identifier("taste_id", request.taste_id),
            request_id=optional_identifier("request_id", request.request_id),
        )
        [recorded] = await asyncio.wrap_future(self._feedback.record([feedback]))
        return profile_pb2.DeleteTasteResponse(profile_revision=recorded.revision)

    async def DeleteProfile(
        self,
        request: profile_pb2.DeleteProfileRequest,
        context: CallContext,
    ) -> profile_pb2.DeleteProfileResponse:
        """Delete a profile and its log."""
        await asyncio.wrap_future(self._feedback.delete_profile(identifier("user_id", request.user_id)))
        return profile_pb2.DeleteProfileResponse()

    def _pages(self, user_id: str) -> Iterator[list[profile_pb2.ExportProfileResponse]]:
        """Iterate over an export, many parts at a time, since each change of thread costs more than a part."""
        for part in self._profiles.export(user_id):
            if isinstance(part, ProfileView):
                yield [profile_pb2.ExportProfileResponse(profile=profile_message(part))]
            else:
                yield [profile_pb2.ExportProfileResponse(event=event_message(event)) for event in part]
