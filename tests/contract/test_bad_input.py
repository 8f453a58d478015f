"""Bad input gets the right status and a sentence that says what to do."""

import base64
import hashlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RequestInfo, RetryInfo
from grpc_status import rpc_status
from palate.catalog.snapshot import Catalog
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
)

STUBS = {
    "RecommendationService": recommendation_pb2_grpc.RecommendationServiceStub,
    "FeedbackService": feedback_pb2_grpc.FeedbackServiceStub,
    "ProfileService": profile_pb2_grpc.ProfileServiceStub,
    "CatalogService": catalog_pb2_grpc.CatalogServiceStub,
    "ModelService": model_pb2_grpc.ModelServiceStub,
}


class Refusal:
    """How a call failed."""

    def __init__(self, error: grpc.RpcError) -> None:
        status: Any = rpc_status.from_call(error)  # type: ignore[arg-type]  # an RpcError of a call is a call
        self.code: grpc.StatusCode = error.code()
        self.message: str = status.message
        self._details = status.details

    def detail(self, kind: Callable[[], Message]) -> Any:
        """Return the detail of a type; fails when it is missing."""
        for packed in self._details:
            message = kind()
            if packed.Unpack(message):
                return message
        raise AssertionError(f"no {kind} in {self._details}")

    @property
    def field(self) -> str:
        """The path of the field that was refused."""
        path: str = self.detail(BadRequest).field_violations[0].field
        return path


Call = Callable[..., Any]


def caller(channel: grpc.Channel) -> Call:
    """Return a function that calls a method by its name."""

    def call(method: str, request: Message, metadata: Any = None) -> Any:
        service, name = method.split(".")
        return getattr(STUBS[service](channel), name)(request, timeout=20, metadata=metadata)

    return call


@pytest.fixture
def call(channel: grpc.Channel) -> Call:
    """Return a function that calls a method of the module's server."""
    return caller(channel)


def refused(call: Call, method: str, request: Message, metadata: Any = None) -> Refusal:
    """Call a method that must fail."""
    with pytest.raises(grpc.RpcError) as caught:
        call(method, request, metadata)
    return Refusal(caught.value)


def recommend(**fields: Any) -> recommendation_pb2.RecommendRequest:
    """Return a request for a slate."""
    return recommendation_pb2.RecommendRequest(**{"user_id": "ana", **fields})


def verdict(**fields: Any) -> feedback_pb2.RecordFeedbackRequest:
    """Return a like of nothing in particular."""
    return feedback_pb2.RecordFeedbackRequest(**{"user_id": "ana", "track_id": "x", "verdict": 1, **fields})


FORGED = "forged"


@pytest.mark.parametrize(
    ("method", "request_message", "field"),
    [
        ("RecommendationService.Recommend", recommend(user_id=""), "user_id"),
        ("RecommendationService.Recommend", recommend(user_id="x" * 129), "user_id"),
        ("RecommendationService.Recommend", recommend(user_id="a\0b"), "user_id"),
        ("RecommendationService.Recommend", recommend(page_size=-1), "page_size"),
        ("RecommendationService.Recommend", recommend(page_size=101), "page_size"),
        ("RecommendationService.Recommend", recommend(page_size=10**9), "page_size"),
        ("RecommendationService.Recommend", recommend(page_token=FORGED), "page_token"),
        ("RecommendationService.Recommend", recommend(page_token=f"{FORGED}é\0"), "page_token"),
        ("RecommendationService.Recommend", recommend(page_token="A" * 200_000), "page_token"),
        ("RecommendationService.Recommend", recommend(exclude_track_ids=["a", ""]), "exclude_track_ids[1]"),
        ("RecommendationService.Recommend", recommend(exclude_track_ids=["a"] * 10_001), "exclude_track_ids"),
        ("RecommendationService.Rank", recommendation_pb2.RankRequest(user_id="ana"), "track_ids"),
        (
            "RecommendationService.Rank",
            recommendation_pb2.RankRequest(user_id="ana", track_ids=["a", "b", "a"]),
            "track_ids[2]",
        ),
        (
            "RecommendationService.Rank",
            recommendation_pb2.RankRequest(user_id="ana", track_ids=[str(n) for n in range(1_001)]),
            "track_ids",
        ),
        ("FeedbackService.RecordFeedback", verdict(verdict=0), "verdict"),
        ("FeedbackService.RecordFeedback", verdict(verdict=7), "verdict"),
        ("FeedbackService.RecordFeedback", verdict(track_id=""), "track_id"),
        ("FeedbackService.RecordFeedback", verdict(request_id="x" * 129), "request_id"),
        ("FeedbackService.BatchRecordFeedback", feedback_pb2.BatchRecordFeedbackRequest(), "requests"),
        (
            "FeedbackService.BatchRecordFeedback",
            feedback_pb2.BatchRecordFeedbackRequest(requests=[verdict(), verdict(track_id="")]),
            "requests[1].track_id",
        ),
        ("CatalogService.SearchTracks", catalog_pb2.SearchTracksRequest(), "query"),
        ("CatalogService.SearchTracks", catalog_pb2.SearchTracksRequest(query="a", page_token=FORGED), "page_token"),
        ("ModelService.ListModels", model_pb2.ListModelsRequest(page_token=FORGED), "page_token"),
    ],
)
def test_a_malformed_field_is_named_by_its_path(call: Call, method: str, request_message: Message, field: str) -> None:
    """INVALID_ARGUMENT with a BadRequest, and nothing of the call was done."""
    refusal = refused(call, method, request_message)
    assert grpc.StatusCode.INVALID_ARGUMENT == refusal.code
    assert field == refusal.field
    assert refusal.message.startswith(f"{field}: ")


@pytest.mark.parametrize(
    ("method", "request_message", "reason", "name"),
    [
        ("RecommendationService.Recommend", recommend(strategy="rankin"), "STRATEGY_NOT_FOUND", "rankin"),
        ("FeedbackService.RecordFeedback", verdict(track_id="nothing"), "TRACK_NOT_FOUND", "nothing"),
        ("CatalogService.GetTrack", catalog_pb2.GetTrackRequest(track_id="nothing"), "TRACK_NOT_FOUND", "nothing"),
        (
            "CatalogService.SearchTracks",
            catalog_pb2.SearchTracksRequest(query="a", genre_cluster_id="polka"),
            "GENRE_CLUSTER_NOT_FOUND",
            "polka",
        ),
        ("ProfileService.GetProfile", profile_pb2.GetProfileRequest(user_id="who"), "PROFILE_NOT_FOUND", "who"),
        ("ProfileService.ExportProfile", profile_pb2.ExportProfileRequest(user_id="who"), "PROFILE_NOT_FOUND", "who"),
        ("ProfileService.DeleteProfile", profile_pb2.DeleteProfileRequest(user_id="who"), "PROFILE_NOT_FOUND", "who"),
        (
            "ProfileService.DeleteTaste",
            profile_pb2.DeleteTasteRequest(user_id="who", taste_id="metal"),
            "TASTE_NOT_FOUND",
            "metal",
        ),
        (
            "FeedbackService.RetractFeedback",
            feedback_pb2.RetractFeedbackRequest(user_id="who", track_id="x"),
            "FEEDBACK_NOT_FOUND",
            "x",
        ),
        ("ModelService.GetModel", model_pb2.GetModelRequest(model_version="1"), "MODEL_NOT_FOUND", "1"),
    ],
)
def test_what_does_not_exist_is_named(
    call: Call, method: str, request_message: Message, reason: str, name: str
) -> None:
    """NOT_FOUND with an ErrorInfo that a program can read."""
    if method == "ProfileService.ExportProfile":
        unary, call = call, lambda *arguments: list(unary(*arguments))
    refusal = refused(call, method, request_message)
    assert grpc.StatusCode.NOT_FOUND == refusal.code
    info = refusal.detail(ErrorInfo)
    assert (reason, name) == (info.reason, info.metadata["name"])


def test_page_tokens_are_bound_to_the_request_that_they_continue(call: Call) -> None:
    """Another listener, another strategy or a changed byte makes a token foreign."""
    page = call("RecommendationService.Recommend", recommend())
    token = page.next_page_token
    sealed = bytearray(base64.urlsafe_b64decode(token))
    sealed[-1] ^= 1
    changed = base64.urlsafe_b64encode(bytes(sealed)).decode()
    for request in (
        recommend(page_token=token, user_id="bob"),
        recommend(page_token=token, strategy="cold_start"),
        recommend(page_token=changed),
    ):
        refusal = refused(call, "RecommendationService.Recommend", request)
        assert "page_token" == refusal.field
        assert "the catalog or the request has changed" in refusal.message
        assert "start again at the first page" in refusal.message
    assert 10 == len(call("RecommendationService.Recommend", recommend(page_token=token)).items)


def test_zero_stands_for_the_default_page_size(call: Call) -> None:
    """Ten items, as the contract says."""
    assert 10 == len(call("RecommendationService.Recommend", recommend(page_size=0)).items)


def test_a_batch_is_recorded_as_a_whole_or_not_at_all(call: Call, catalog: Catalog) -> None:
    """One unknown track leaves no trace of the others."""
    known = catalog.track_id(0)
    batch = feedback_pb2.BatchRecordFeedbackRequest(
        requests=[verdict(user_id="batch", track_id=known), verdict(user_id="batch", track_id="nothing")]
    )
    assert grpc.StatusCode.NOT_FOUND == refused(call, "FeedbackService.BatchRecordFeedback", batch).code
    profile = profile_pb2.GetProfileRequest(user_id="batch")
    assert grpc.StatusCode.NOT_FOUND == refused(call, "ProfileService.GetProfile", profile).code


def test_feedback_on_an_excluded_kind_opens_no_taste(call: Call, catalog: Catalog) -> None:
    """Sleep music is rated, so that it counts as an interaction, but never learned."""
    [cluster] = catalog.excluded_clusters
    row = int((catalog.cluster == cluster).argmax())
    answer = call("FeedbackService.RecordFeedback", verdict(user_id="sleeper", track_id=catalog.track_id(row)))
    assert "" == answer.taste_id
    profile = call("ProfileService.GetProfile", profile_pb2.GetProfileRequest(user_id="sleeper")).profile
    assert [] == list(profile.tastes)
    assert 1 == profile.interaction_count


def test_errors_carry_the_request_id_that_the_client_sent(call: Call) -> None:
    """What a client logs can be found in the server's log."""
    refusal = refused(call, "RecommendationService.Recommend", recommend(user_id=""), [("x-request-id", "r-7")])
    assert "r-7" == refusal.detail(RequestInfo).request_id


@pytest.fixture
def served(serve: Callable[..., str]) -> Iterator[Callable[..., Call]]:
    """Return a function that starts a server with some configuration and returns how to call it."""
    channels = []

    def start(**overrides: Any) -> Call:
        channel = grpc.insecure_channel(serve(**overrides))
        channels.append(channel)
        return caller(channel)

    yield start
    for channel in channels:
        channel.close()


def test_methods_need_credentials_and_admin_methods_the_role(served: Callable[..., Call]) -> None:
    """With tokens configured, nobody calls without one, and ModelService wants an admin's."""
    tokens = [
        {"name": role, "role": role, "sha256": hashlib.sha256(f"{role} secret".encode()).hexdigest()}
        for role in ("client", "admin")
    ]
    call = served(auth__tokens=tokens)
    models = model_pb2.ListModelsRequest()
    for metadata in (None, [("authorization", "Bearer wrong")], [("authorization", "Basic admin secret")]):
        refusal = refused(call, "ModelService.ListModels", models, metadata)
        assert grpc.StatusCode.UNAUTHENTICATED == refusal.code
        assert "CREDENTIALS_REQUIRED" == refusal.detail(ErrorInfo).reason
    client, admin = ([("authorization", f"Bearer {role} secret")] for role in ("client", "admin"))
    assert call("RecommendationService.Recommend", recommend(), client).items
    refusal = refused(call, "ModelService.ListModels", models, client)
    assert grpc.StatusCode.PERMISSION_DENIED == refusal.code
    assert [] == list(call("ModelService.ListModels", models, admin).models)


def test_a_locked_store_is_unavailable_until_it_is_free_again(
    served: Callable[..., Call], tmp_path: Path, catalog: Catalog
) -> None:
    """Feedback that cannot be written is refused, reads go on, and nothing was changed."""
    call = served(store__url=f"sqlite:///{tmp_path / 'palate.db'}?timeout=0.3")
    track_ids = [catalog.track_id(row) for row in range(2)]
    call("FeedbackService.RecordFeedback", verdict(track_id=track_ids[0]))
    other = sqlite3.connect(tmp_path / "palate.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    refusal = refused(call, "FeedbackService.RecordFeedback", verdict(track_id=track_ids[1]))
    assert grpc.StatusCode.UNAVAILABLE == refusal.code
    assert refusal.detail(RetryInfo).retry_delay.ToMilliseconds() > 0
    assert call("RecommendationService.Recommend", recommend()).items
    other.execute("ROLLBACK")
    other.close()
    assert 2 == call("FeedbackService.RecordFeedback", verdict(track_id=track_ids[1])).profile_revision


def test_a_store_that_is_only_readable_serves_slates_and_refuses_feedback(
    served: Callable[..., Call], tmp_path: Path, catalog: Catalog
) -> None:
    """The message says what is wrong with the database and what to do."""
    url = f"sqlite:///{tmp_path / 'palate.db'}"
    like = verdict(track_id=catalog.track_id(0))
    served(store__url=url)("FeedbackService.RecordFeedback", like)
    call = served(store__url=f"{url}?mode=ro")
    assert 1 == call("RecommendationService.Recommend", recommend()).profile_revision
    refusal = refused(call, "FeedbackService.RecordFeedback", like)
    assert grpc.StatusCode.UNAVAILABLE == refusal.code
    assert "right to write" in refusal.message
