"""The client itself."""

import json
import uuid
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Any, Self, TypeVar

import grpc
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc

from palate.client.errors import TimedOut, Unreachable, translated
from palate.client.retries import SERVICE_CONFIG
from palate.v1 import (
    catalog_pb2,
    catalog_pb2_grpc,
    feedback_pb2,
    feedback_pb2_grpc,
    model_pb2,
    model_pb2_grpc,
    profile_pb2,
    profile_pb2_grpc,
    recommendation_pb2,
    recommendation_pb2_grpc,
    strategy_pb2,
    strategy_pb2_grpc,
)

__all__ = ["Client"]

Response = TypeVar("Response")


class Client:
    """A connection to one palate server. Safe to share among threads; close it, or use it in a `with`.

    Each has a connection of its own, which one worker of the server answers; several reach several workers.

    Feedback gets a `request_id` where the caller gives none, so that gRPC may repeat it without harm. A caller
    who tries again after an error should make the id and send it both times.

    Args:
        address: ``HOST:PORT``.
        token: The bearer token, where the server wants one.
        timeout: Seconds that one call may take, retries included; for an export, the whole stream.
        tls: True for a certificate that the system's authorities vouch for, or credentials of
            `grpc.ssl_channel_credentials`. Without it nothing is encrypted, the token included.
        wait_for_ready: Whether a call waits, up to its timeout, for a server that is not there yet.

    Raises:
        CallFailed: From every method; `palate.client.errors` draws the kinds.
    """

    def __init__(
        self,
        address: str = "localhost:50051",
        *,
        token: str | None = None,
        timeout: float = 10.0,
        tls: bool | grpc.ChannelCredentials = False,
        wait_for_ready: bool = False,
    ) -> None:
        self.address = address
        self._timeout = timeout
        self._metadata = (("authorization", f"Bearer {token}"),) if token else ()
        self._wait_for_ready = wait_for_ready
        self._channel = _open(address, tls)
        self._recommendation = recommendation_pb2_grpc.RecommendationServiceStub(self._channel)
        self._feedback = feedback_pb2_grpc.FeedbackServiceStub(self._channel)
        self._profile = profile_pb2_grpc.ProfileServiceStub(self._channel)
        self._catalog = catalog_pb2_grpc.CatalogServiceStub(self._channel)
        self._strategy = strategy_pb2_grpc.StrategyServiceStub(self._channel)
        self._model = model_pb2_grpc.ModelServiceStub(self._channel)
        self._health: Any = health_pb2_grpc.HealthStub(self._channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; calls in flight are cancelled."""
        self._channel.close()

    def ready(self) -> bool:
        """Return whether a server is there and takes calls."""
        try:
            return self.check_health().status == health_pb2.HealthCheckResponse.SERVING
        except (Unreachable, TimedOut):
            return False

    def check_health(self, service: str = "") -> health_pb2.HealthCheckResponse:
        """Return the health of one of `palate.client.SERVICES`, or of the whole server."""
        request = health_pb2.HealthCheckRequest(service=service)
        response: health_pb2.HealthCheckResponse = self._call(self._health.Check, request)
        return response

    def recommend(
        self,
        user_id: str,
        *,
        page_size: int = 0,
        page_token: str = "",
        strategy: str = "",
        exclude_track_ids: Iterable[str] = (),
    ) -> recommendation_pb2.RecommendResponse:
        """Return a slate; an unknown listener gets a cold start."""
        request = recommendation_pb2.RecommendRequest(
            user_id=user_id,
            page_size=page_size,
            page_token=page_token,
            strategy=strategy,
            exclude_track_ids=exclude_track_ids,
        )
        return self._call(self._recommendation.Recommend, request)

    def rank(
        self, user_id: str, track_ids: Iterable[str], *, strategy: str = "", allow_missing: bool = False
    ) -> recommendation_pb2.RankResponse:
        """Return the caller's own tracks in the listener's order."""
        request = recommendation_pb2.RankRequest(
            user_id=user_id, track_ids=track_ids, strategy=strategy, allow_missing=allow_missing
        )
        return self._call(self._recommendation.Rank, request)

    def like(
        self, user_id: str, track_id: str, *, recommendation_id: str = "", request_id: str = ""
    ) -> feedback_pb2.RecordFeedbackResponse:
        """Record that a listener likes a track."""
        return self.record_feedback(
            user_id, track_id, feedback_pb2.VERDICT_LIKE, recommendation_id=recommendation_id, request_id=request_id
        )

    def dislike(
        self, user_id: str, track_id: str, *, recommendation_id: str = "", request_id: str = ""
    ) -> feedback_pb2.RecordFeedbackResponse:
        """Record that a listener dislikes a track."""
        return self.record_feedback(
            user_id, track_id, feedback_pb2.VERDICT_DISLIKE, recommendation_id=recommendation_id, request_id=request_id
        )

    def record_feedback(
        self,
        user_id: str,
        track_id: str,
        verdict: feedback_pb2.Verdict.ValueType,
        *,
        recommendation_id: str = "",
        request_id: str = "",
    ) -> feedback_pb2.RecordFeedbackResponse:
        """Record a like or dislike; it is durable when this returns."""
        request = feedback_pb2.RecordFeedbackRequest(
            user_id=user_id,
            track_id=track_id,
            verdict=verdict,
            recommendation_id=recommendation_id,
            request_id=request_id or _new_request_id(),
        )
        return self._call(self._feedback.RecordFeedback, request)

    def batch_record_feedback(
        self, requests: Iterable[feedback_pb2.RecordFeedbackRequest]
    ) -> feedback_pb2.BatchRecordFeedbackResponse:
        """Record up to 1,000 likes and dislikes together or not at all. The requests are left as they are."""
        batch = feedback_pb2.BatchRecordFeedbackRequest(requests=requests)
        for request in batch.requests:
            request.request_id = request.request_id or _new_request_id()
        return self._call(self._feedback.BatchRecordFeedback, batch)

    def retract_feedback(
        self, user_id: str, track_id: str, *, request_id: str = ""
    ) -> feedback_pb2.RetractFeedbackResponse:
        """Take the rating of a track back."""
        request = feedback_pb2.RetractFeedbackRequest(
            user_id=user_id, track_id=track_id, request_id=request_id or _new_request_id()
        )
        return self._call(self._feedback.RetractFeedback, request)

    def get_profile(self, user_id: str) -> profile_pb2.GetProfileResponse:
        """Return a listener's profile."""
        return self._call(self._profile.GetProfile, profile_pb2.GetProfileRequest(user_id=user_id))

    def export_profile(self, user_id: str) -> Iterator[profile_pb2.ExportProfileResponse]:
        """Iterate over a listener's profile and then over the feedback log, oldest first."""
        request = profile_pb2.ExportProfileRequest(user_id=user_id)
        with translated(self.address):
            yield from self._begin(self._profile.ExportProfile, request)

    def delete_taste(self, user_id: str, taste_id: str, *, request_id: str = "") -> profile_pb2.DeleteTasteResponse:
        """Delete one taste; its tracks stay rated."""
        request = profile_pb2.DeleteTasteRequest(
            user_id=user_id, taste_id=taste_id, request_id=request_id or _new_request_id()
        )
        return self._call(self._profile.DeleteTaste, request)

    def delete_profile(self, user_id: str) -> profile_pb2.DeleteProfileResponse:
        """Delete everything that is stored about a listener."""
        return self._call(self._profile.DeleteProfile, profile_pb2.DeleteProfileRequest(user_id=user_id))

    def get_track(self, track_id: str) -> catalog_pb2.GetTrackResponse:
        """Return one track."""
        return self._call(self._catalog.GetTrack, catalog_pb2.GetTrackRequest(track_id=track_id))

    def search_tracks(
        self, query: str, *, page_size: int = 0, page_token: str = "", genre_cluster_id: str = ""
    ) -> catalog_pb2.SearchTracksResponse:
        """Find tracks by the words of their title and artists."""
        request = catalog_pb2.SearchTracksRequest(
            query=query, page_size=page_size, page_token=page_token, genre_cluster_id=genre_cluster_id
        )
        return self._call(self._catalog.SearchTracks, request)

    def list_genre_clusters(self, *, page_size: int = 0, page_token: str = "") -> catalog_pb2.ListGenreClustersResponse:
        """List the genre clusters."""
        request = catalog_pb2.ListGenreClustersRequest(page_size=page_size, page_token=page_token)
        return self._call(self._catalog.ListGenreClusters, request)

    def list_strategies(self) -> strategy_pb2.ListStrategiesResponse:
        """List every installed strategy, loaded or not."""
        return self._call(self._strategy.ListStrategies, strategy_pb2.ListStrategiesRequest())

    def list_models(
        self, *, user_id: str = "", taste_id: str = "", page_size: int = 0, page_token: str = ""
    ) -> model_pb2.ListModelsResponse:
        """List models, newest first."""
        request = model_pb2.ListModelsRequest(
            user_id=user_id, taste_id=taste_id, page_size=page_size, page_token=page_token
        )
        return self._call(self._model.ListModels, request)

    def get_model(self, model_version: str) -> model_pb2.GetModelResponse:
        """Return one model."""
        return self._call(self._model.GetModel, model_pb2.GetModelRequest(model_version=model_version))

    def export_model(self, model_version: str) -> model_pb2.ExportModelResponse:
        """Return the ONNX file of a model."""
        return self._call(self._model.ExportModel, model_pb2.ExportModelRequest(model_version=model_version))

    def rollback_model(
        self, user_id: str, taste_id: str, *, model_version: str = ""
    ) -> model_pb2.RollbackModelResponse:
        """Put an earlier model of a taste, or with an empty `taste_id` of the common model, back in service."""
        request = model_pb2.RollbackModelRequest(user_id=user_id, taste_id=taste_id, model_version=model_version)
        return self._call(self._model.RollbackModel, request)

    def pin_model(self, model_version: str, *, pinned: bool = True) -> model_pb2.PinModelResponse:
        """Keep a model in service, or let it be replaced again."""
        request = model_pb2.PinModelRequest(model_version=model_version, pinned=pinned)
        return self._call(self._model.PinModel, request)

    def list_training_runs(
        self, *, user_id: str = "", page_size: int = 0, page_token: str = ""
    ) -> model_pb2.ListTrainingRunsResponse:
        """List runs of the trainer, newest first."""
        request = model_pb2.ListTrainingRunsRequest(user_id=user_id, page_size=page_size, page_token=page_token)
        return self._call(self._model.ListTrainingRuns, request)

    def _call(self, method: Callable[..., Response], request: Message) -> Response:
        with translated(self.address):
            return self._begin(method, request)

    def _begin(self, method: Callable[..., Response], request: Message) -> Response:
        return method(request, timeout=self._timeout, metadata=self._metadata, wait_for_ready=self._wait_for_ready)


def _open(address: str, tls: bool | grpc.ChannelCredentials) -> grpc.Channel:
    options = [("grpc.service_config", json.dumps(SERVICE_CONFIG)), ("grpc.use_local_subchannel_pool", 1)]
    if tls is False:
        return grpc.insecure_channel(address, options=options)
    return grpc.secure_channel(address, grpc.ssl_channel_credentials() if tls is True else tls, options=options)


def _new_request_id() -> str:
    return uuid.uuid4().hex
