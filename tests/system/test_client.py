"""The Python client, against a real server and against one that fails on purpose."""

import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from hashlib import sha256
from itertools import islice
from typing import Any

import grpc
import palate.client
import palate.errors
import pytest
from google.protobuf.message import Message
from google.rpc import status_pb2
from grpc_status import rpc_status
from palate.client import (
    SERVICE_CONFIG,
    SERVICES,
    CallFailed,
    Client,
    InvalidField,
    NotFound,
    Overloaded,
    PermissionDenied,
    StrategyFailed,
    TimedOut,
    Unauthenticated,
    Unavailable,
    Unreachable,
    errors,
    pages,
)
from palate.rpc.errors import TABLE, status_of
from palate.v1 import (
    catalog_pb2,
    feedback_pb2,
    model_pb2,
    profile_pb2,
    recommendation_pb2,
    strategy_pb2,
)
from support.waiting import eventually

CONTRACTS = (catalog_pb2, feedback_pb2, model_pb2, profile_pb2, recommendation_pb2, strategy_pb2)
METHODS = [
    method
    for contract in CONTRACTS
    for service in contract.DESCRIPTOR.services_by_name.values()
    for method in service.methods
]

Serve = Callable[..., str]


@pytest.fixture(scope="module")
def client(server: str) -> Iterator[Client]:
    """Return a client of a real server."""
    with Client(server) as opened:
        yield opened


@pytest.fixture
def track_ids(client: Client) -> list[str]:
    """Return the ids of some tracks."""
    return [track.track_id for track in client.search_tracks("love", page_size=5).tracks]


class Failing(grpc.GenericRpcHandler):
    """A gRPC server that answers with the given statuses, and then with empty messages."""

    def __init__(self) -> None:
        self.outcomes: list[status_pb2.Status] = []
        self.answers = threading.Event()
        self.answers.set()
        self.requests: list[bytes] = []
        self.peers: list[str] = []

    def service(self, handler_call_details: Any) -> Any:  # noqa: ARG002 - gRPC fixes the signature
        """Answer every unary method."""
        return grpc.unary_unary_rpc_method_handler(self._answer)

    def _answer(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        self.requests.append(request)
        self.peers.append(context.peer())
        self.answers.wait()
        if self.outcomes:
            context.abort_with_status(rpc_status.to_status(self.outcomes.pop(0)))
        return b""


@contextmanager
def listening(failing: Failing, port: int = 0) -> Iterator[str]:
    """Run it and yield its address."""
    server = grpc.server(ThreadPoolExecutor(4), handlers=[failing])
    port = server.add_insecure_port(f"localhost:{port}")
    server.start()
    try:
        yield f"localhost:{port}"
    finally:
        server.stop(None).wait()


@pytest.fixture
def failing() -> Failing:
    """Return the failures to come."""
    return Failing()


@pytest.fixture
def patient(failing: Failing) -> Iterator[Client]:
    """Return a client of a server that fails."""
    with listening(failing) as address, Client(address) as client:
        yield client


def failure(error: Exception) -> status_pb2.Status:
    """Return what a palate server answers with when a call meets an error."""
    return status_of(error, "r-1")


UNAVAILABLE = failure(palate.errors.StoreUnavailable("the store is locked"))
EXHAUSTED = failure(palate.errors.Overloaded("256 calls are in hand already"))


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_every_method_of_the_contract_has_a_method_of_the_client(method: Any) -> None:
    """Nothing of the contract is out of reach."""
    assert callable(getattr(Client, re.sub("(?<!^)([A-Z])", r"_\1", method.name).lower()))


def test_a_session_from_a_cold_start_to_a_profile(client: Client, track_ids: list[str]) -> None:
    """Slates, feedback, profile, export and deletion go through, with plain arguments and messages back."""
    slate = client.recommend("ana", page_size=3, exclude_track_ids=track_ids)
    assert 3 == len(slate.items)
    like = client.like("ana", track_ids[0], recommendation_id=slate.recommendation_id)
    dislike = client.dislike("ana", track_ids[1])
    assert (1, 2) == (like.profile_revision, dislike.profile_revision)
    ranking = client.rank("ana", [*track_ids, "nothing"], allow_missing=True)
    assert (5, ["nothing"]) == (len(ranking.items), list(ranking.missing_track_ids))
    assert 3 == client.retract_feedback("ana", track_ids[1]).profile_revision
    assert 1 == client.get_profile("ana").profile.interaction_count
    assert 4 == client.delete_taste("ana", like.taste_id).profile_revision
    kinds = [part.WhichOneof("part") for part in client.export_profile("ana")]
    assert ["profile", *["event"] * 4] == kinds
    client.delete_profile("ana")
    with pytest.raises(NotFound):
        client.get_profile("ana")


def test_the_catalog_and_the_strategies_can_be_read(client: Client, track_ids: list[str]) -> None:
    """Tracks, clusters and strategies come back as messages of the contract."""
    assert track_ids[0] == client.get_track(track_ids[0]).track.track_id
    assert 1 < len(client.list_genre_clusters().genre_clusters)
    assert "cold_start" in {strategy.name for strategy in client.list_strategies().strategies}


def test_the_model_methods_reach_the_server(client: Client) -> None:
    """Lists are empty and names unknown as long as there are no models."""
    assert not client.list_models(user_id="ana").models
    assert not client.list_training_runs().training_runs
    for call in (client.get_model, client.pin_model):
        with pytest.raises(NotFound) as raised:
            call("v1")
        assert ("model", "v1") == (raised.value.kind, raised.value.name)
    with pytest.raises(NotFound):
        client.rollback_model("ana", "metal")


def test_pages_go_on_to_the_last_one(client: Client) -> None:
    """All clusters come, each once, and in order, whatever the size of a page."""
    whole = client.list_genre_clusters().genre_clusters
    parts = list(pages(lambda token: client.list_genre_clusters(page_size=7, page_token=token)))
    assert list(whole) == [cluster for part in parts for cluster in part.genre_clusters]
    assert [7] * (len(parts) - 1) == [len(part.genre_clusters) for part in parts[:-1]]


def test_pages_of_a_slate_repeat_nothing_and_can_be_taken_up_again(client: Client) -> None:
    """A walk that begins at a token sees what a walk through it sees."""
    walk = list(islice(pages(lambda token: client.recommend("pia", page_token=token)), 3))
    again = next(pages(lambda token: client.recommend("pia", page_token=token), walk[1].next_page_token))
    assert walk[2] == again
    assert 30 == len({item.track_id for page in walk for item in page.items})


def test_feedback_carries_a_request_id_of_its_own_where_the_caller_gives_none(
    client: Client, track_ids: list[str]
) -> None:
    """Each call makes another one, so that they count apart; a given one is kept."""
    client.like("eva", track_ids[0])
    client.like("eva", track_ids[1], request_id="mine")
    batch = [
        feedback_pb2.RecordFeedbackRequest(user_id="eva", track_id=track, verdict=feedback_pb2.VERDICT_LIKE)
        for track in track_ids[2:4]
    ]
    client.batch_record_feedback(batch)
    _, *events = client.export_profile("eva")
    made = [part.event.request_id for part in events]
    assert "mine" == made[1]
    assert 4 == len(set(made) - {""})
    assert ["", ""] == [request.request_id for request in batch]


def test_the_same_request_id_again_is_harmless(client: Client, track_ids: list[str]) -> None:
    """A caller who does not know whether the first try arrived may try again."""
    first = client.like("tom", track_ids[0], request_id="once")
    assert first == client.like("tom", track_ids[0], request_id="once")
    assert 1 == client.get_profile("tom").profile.revision


def test_what_does_not_exist_is_named(client: Client) -> None:
    """NotFound says what was looked for, and the request id under which the server's log tells more."""
    with pytest.raises(NotFound) as raised:
        client.get_track("nothing")
    assert ("track", "nothing") == (raised.value.kind, raised.value.name)
    assert raised.value.details.request_id
    assert isinstance(raised.value.__cause__, grpc.RpcError)


def test_a_malformed_field_is_named(client: Client) -> None:
    """InvalidField says which field, and what would be right."""
    with pytest.raises(InvalidField, match="1 to 100 are allowed") as raised:
        client.recommend("ana", page_size=1000)
    assert "page_size" == raised.value.path


def test_errors_of_a_stream_are_translated_too(client: Client) -> None:
    """An export fails when it is read, as any other call does."""
    with pytest.raises(NotFound) as raised:
        list(client.export_profile("nobody"))
    assert "profile" == raised.value.kind


def test_a_token_opens_a_server_that_wants_one(serve: Serve) -> None:
    """Without the token nothing goes; with a client's token all but the models."""
    address = serve(auth__tokens=[{"name": "shop", "sha256": sha256(b"sesame").hexdigest()}])
    with Client(address) as stranger, pytest.raises(Unauthenticated):
        stranger.recommend("ana")
    with Client(address, token="sesame") as shop:  # noqa: S106 - a token of this test only
        assert shop.recommend("ana").items
        with pytest.raises(PermissionDenied):
            shop.list_models()


def seen_by_a_caller(error: type[palate.errors.PalateError]) -> str:
    """Return the name that an error of the server has for its caller, who tries again for either reason."""
    reasons_to_wait = (palate.errors.StoreUnavailable, palate.errors.ShuttingDown)
    return "Unavailable" if error in reasons_to_wait else error.__name__


@pytest.mark.parametrize(
    "error",
    [
        palate.errors.InvalidField("requests[3].track_id", "is required"),
        palate.errors.NotFound("track", "x"),
        palate.errors.StrategyFailed("ranking", "1.0", "it broke"),
        palate.errors.StrategyDeclined("logistic", "1.0", "no model"),
        palate.errors.Overloaded("busy"),
        palate.errors.StoreUnavailable("locked"),
        palate.errors.ShuttingDown("stopping"),
        palate.errors.Unauthenticated("who?"),
        palate.errors.PermissionDenied("no"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_every_error_of_the_server_arrives_as_its_own_kind(
    failing: Failing, patient: Client, error: palate.errors.PalateError
) -> None:
    """What the server raises is what the client raises, by name, with its sentence, code and request id."""
    failing.outcomes = [failure(error)] * 4
    with pytest.raises(CallFailed) as raised:
        patient.get_track("x")
    assert seen_by_a_caller(type(error)) == type(raised.value).__name__
    assert (raised.value.details.retry_delay is None) != isinstance(raised.value, (Overloaded, Unavailable))
    assert (str(error), TABLE[type(error)].code) == (str(raised.value), raised.value.code)
    assert "r-1" == raised.value.details.request_id


def test_the_errors_above_are_all_that_the_server_knows() -> None:
    """A new kind of error needs its counterpart here."""
    names = {seen_by_a_caller(error) for error in TABLE}
    assert names == set(errors.__all__) & names


def test_details_can_be_read_without_the_sentence(failing: Failing, patient: Client) -> None:
    """The strategy that failed and the time to wait are data."""
    failing.outcomes = [failure(palate.errors.StrategyFailed("ranking", "1.0", "it broke"))]
    with pytest.raises(StrategyFailed) as broken:
        patient.recommend("ana", strategy="ranking")
    assert "ranking" == broken.value.strategy
    failing.outcomes = [EXHAUSTED] * 4
    with pytest.raises(Overloaded) as busy:
        patient.recommend("ana")
    assert 0.1 == busy.value.details.retry_delay


def test_a_mistake_of_the_server_is_a_plain_call_failed(failing: Failing, patient: Client) -> None:
    """It has no kind of its own; its request id leads to the log."""
    failing.outcomes = [failure(KeyError("x"))]
    with pytest.raises(CallFailed, match="r-1") as raised:
        patient.get_track("x")
    assert (CallFailed, grpc.StatusCode.INTERNAL) == (type(raised.value), raised.value.code)


@pytest.mark.parametrize("outcome", [UNAVAILABLE, EXHAUSTED], ids=["unavailable", "exhausted"])
def test_a_call_is_repeated_until_it_succeeds(failing: Failing, patient: Client, outcome: status_pb2.Status) -> None:
    """Two failures of a passing kind go by unnoticed."""
    failing.outcomes = [outcome] * 2
    assert catalog_pb2.GetTrackResponse() == patient.get_track("x")
    assert 3 == len(failing.requests)


def test_a_repeated_feedback_is_the_same_to_the_byte(failing: Failing, patient: Client) -> None:
    """Every attempt carries the one request id, so that the server counts it once."""
    failing.outcomes = [UNAVAILABLE] * 2
    patient.like("ana", "x")
    assert (3, 1) == (len(failing.requests), len(set(failing.requests)))


def test_what_would_fail_again_is_not_repeated(failing: Failing, patient: Client) -> None:
    """A track that is not there is asked for once."""
    failing.outcomes = [failure(palate.errors.NotFound("track", "x"))]
    with pytest.raises(NotFound):
        patient.get_track("x")
    assert 1 == len(failing.requests)


def test_a_call_that_keeps_failing_is_given_up_after_four_attempts(failing: Failing, patient: Client) -> None:
    """The error of the last attempt is raised."""
    failing.outcomes = [UNAVAILABLE] * 9
    with pytest.raises(Unavailable, match="the store is locked"):
        patient.get_track("x")
    assert 4 == len(failing.requests)


@pytest.mark.parametrize(
    "call",
    [lambda client: client.delete_profile("ana"), lambda client: client.rollback_model("ana", "metal")],
    ids=["delete_profile", "rollback_model"],
)
def test_what_must_not_be_done_twice_is_repeated_only_where_nothing_was_done(
    failing: Failing, patient: Client, call: Callable[[Client], Message]
) -> None:
    """An overloaded server did nothing; one that became unavailable may have."""
    failing.outcomes = [EXHAUSTED]
    call(patient)
    assert 2 == len(failing.requests)
    failing.outcomes = [UNAVAILABLE]
    with pytest.raises(Unavailable):
        call(patient)
    assert 3 == len(failing.requests)


def test_the_service_config_names_every_service() -> None:
    """No service is left without retries."""
    configs: Any = SERVICE_CONFIG["methodConfig"]
    assert [{"service": service} for service in SERVICES] == configs[0]["name"]


def test_a_call_that_takes_too_long_times_out(failing: Failing) -> None:
    """The timeout covers the whole call."""
    failing.answers.clear()
    with listening(failing) as address, Client(address, timeout=0.05) as client:
        with pytest.raises(TimedOut):
            client.get_track("x")
        failing.answers.set()


def test_a_server_that_is_not_there_is_unreachable() -> None:
    """The error names the address."""
    with Client(f"localhost:{free_port()}") as client:
        with pytest.raises(Unreachable, match=client.address):
            client.recommend("ana")
        assert not client.ready()


def test_a_client_can_wait_for_its_server(failing: Failing) -> None:
    """With wait_for_ready, a call made before the server is there succeeds once it is."""
    port = free_port()
    with Client(f"localhost:{port}", wait_for_ready=True) as client, ThreadPoolExecutor(1) as pool:
        answer = pool.submit(client.get_track, "x")
        eventually(answer.running)
        with listening(failing, port):
            assert catalog_pb2.GetTrackResponse() == answer.result()


def test_a_server_that_serves_is_ready(client: Client) -> None:
    """So is each of its services."""
    assert client.ready()
    assert {1} == {client.check_health(service).status for service in SERVICES}


def test_threads_can_share_a_client(client: Client, track_ids: list[str]) -> None:
    """Of many calls at once, each gets its own answer."""
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(client.get_track, track_ids * 8))
    assert track_ids * 8 == [answer.track.track_id for answer in answers]


def test_each_client_has_a_connection_of_its_own(failing: Failing) -> None:
    """Several workers are only reached over several of them; the calls of one client share one."""
    with listening(failing) as address, Client(address) as first, Client(address) as second:
        for client in (first, second, first):
            client.recommend("ana")
    one, other, again = failing.peers
    assert (one, True) == (again, one != other)


def test_importing_the_client_leaves_the_server_out() -> None:
    """A caller needs neither catalog, store nor runtime in memory."""
    code = "import sys, palate.client; print(*{name.split('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert set() == {"pyarrow", "onnxruntime", "sqlalchemy", "numpy", "pydantic", "alembic"} & set(loaded)
    assert "grpc" in loaded


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port: int = probe.getsockname()[1]
        return port
