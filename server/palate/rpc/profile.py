"""ProfileService."""

import asyncio
from collections.abc import AsyncIterator

from palate.domain import EventKind
from palate.rpc.convert import event_message, profile_message
from palate.rpc.interceptor import CallContext
from palate.serving.feedback import Feedback, FeedbackService
from palate.serving.fields import identifier, optional_identifier
from palate.serving.profile_views import ProfileService, ProfileView
from palate.v1 import profile_pb2, profile_pb2_grpc

__all__ = ["ProfileServicer"]


class ProfileServicer(profile_pb2_grpc.ProfileServiceServicer):
    """Reads, exports and deletes profiles."""

    def __init__(self, profiles: ProfileService, feedback: FeedbackService) -> None:
        self._profiles = profiles
        self._feedback = feedback

    async def GetProfile(
        self,
        request: profile_pb2.GetProfileRequest,
        context: CallContext,
    ) -> profile_pb2.GetProfileResponse:
        """Return a profile."""
        view = await self._profiles.view(identifier("user_id", request.user_id))
        return profile_pb2.GetProfileResponse(profile=profile_message(view))

    async def ExportProfile(
        self,
        request: profile_pb2.ExportProfileRequest,
        context: CallContext,
    ) -> AsyncIterator[profile_pb2.ExportProfileResponse]:
        """Stream a profile, then its log."""
        async for part in self._profiles.export(identifier("user_id", request.user_id)):
            if isinstance(part, ProfileView):
                yield profile_pb2.ExportProfileResponse(profile=profile_message(part))
            else:
                for event in part:
                    yield profile_pb2.ExportProfileResponse(event=event_message(event))

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
