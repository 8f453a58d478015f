"""ModelService over a real server, with models that a trainer in another process might have published."""

from collections.abc import Callable, Iterator
from contextlib import closing
from math import isnan
from pathlib import Path

import pytest
from palate.client import Client, InvalidField, NotFound, pages
from palate.store import open_store
from palate.store.contract import Metric, Store
from palate.v1 import model_pb2
from support.models import like, make_artifact, make_record, make_run, publish, reject

FORGED = "forged"


@pytest.fixture
def client(serve: Callable[..., str]) -> Iterator[Client]:
    """Return a client of a server."""
    with Client(serve()) as opened:
        yield opened


@pytest.fixture
def store(client: Client, tmp_path: Path) -> Iterator[Store]:  # noqa: ARG001 - the server makes the database
    """Return the server's store, opened beside it, in which ana has liked something."""
    with closing(open_store(f"sqlite:///{tmp_path / 'palate.db'}")) as opened:
        like(opened)
        yield opened


def test_every_field_of_a_model_is_told(client: Client, store: Store) -> None:
    """GetModel answers with the whole record, times as timestamps."""
    publish(
        store, "1", metrics=(Metric("auc", 0.75, 0.5), Metric("log_loss", 0.5, 0.625, 0.5625)), created_at=1_500_000
    )
    model = client.get_model("1").model
    record = make_record("1")
    assert ("1", "ana", "metal", "logistic") == (model.model_version, model.user_id, model.taste_id, model.learner)
    assert (model_pb2.MODEL_STATE_SERVING, "", False) == (model.state, model.reason, model.pinned)
    assert (1, 100, record.sha256) == (model.label_count, model.size_bytes, model.sha256)
    assert (1, 500_000_000) == (model.create_time.seconds, model.create_time.nanos)
    auc, log_loss = model.metrics
    assert ("auc", 0.75, 0.5, True) == (auc.name, auc.value, auc.ranking_value, isnan(auc.serving_value))
    assert model_pb2.Metric(name="log_loss", value=0.5, ranking_value=0.625, serving_value=0.5625) == log_loss


def test_every_state_has_its_name(client: Client, store: Store) -> None:
    """The numbers of the store are those of the contract."""
    publish(store, "1")
    publish(store, "2")
    store.models.mark_broken("2", "its hash is wrong")
    publish(store, "3")
    reject(store, "4")
    models = client.list_models().models
    assert ["REJECTED", "SERVING", "BROKEN", "RETIRED"] == [
        model_pb2.ModelState.Name(model.state).removeprefix("MODEL_STATE_") for model in models
    ]
    assert ["ranking is better", "", "its hash is wrong", ""] == [model.reason for model in models]


def test_models_are_listed_page_by_page(client: Client, store: Store) -> None:
    """Of all listeners or one, of all tastes or one."""
    like(store, "ben")
    for number in range(12):
        publish(store, f"{number:02}", user_id="ana" if number % 2 else "ben", taste_id="metal" if number % 3 else "")
    first = client.list_models()
    assert [f"{number:02}" for number in range(11, 1, -1)] == [model.model_version for model in first.models]
    assert ["01", "00"] == [m.model_version for m in client.list_models(page_token=first.next_page_token).models]
    mine = [
        model.model_version
        for page in pages(lambda token: client.list_models(user_id="ana", page_size=4, page_token=token))
        for model in page.models
    ]
    assert ["11", "09", "07", "05", "03", "01"] == mine
    assert ["11", "07", "05", "01"] == [
        m.model_version for m in client.list_models(user_id="ana", taste_id="metal").models
    ]
    with pytest.raises(InvalidField):
        client.list_models(user_id="ben", page_token=first.next_page_token)


def test_a_model_is_exported_as_it_was_published(client: Client, store: Store) -> None:
    """To the last byte; an unknown one is not found."""
    artifact = bytes(range(256)) * 4000
    made = make_record("1")
    store.models.publish(made, artifact, make_run(store, made))
    assert artifact == client.export_model("1").onnx
    with pytest.raises(NotFound, match="there is no model 'x'"):
        client.export_model("x")


def test_a_rollback_answers_with_what_serves_now(client: Client, store: Store) -> None:
    """The one before, further back, by name, and for the common model with an empty taste."""
    for version, taste_id in (("1", "metal"), ("2", "metal"), ("3", "metal"), ("4", ""), ("5", "")):
        publish(store, version, taste_id=taste_id)
    assert ["2", "1"] == [client.rollback_model("ana", "metal").model.model_version for _ in range(2)]
    assert "3" == client.rollback_model("ana", "metal", model_version="3").model.model_version
    assert "4" == client.rollback_model("ana", "").model.model_version
    assert {"metal": "3", "": "4"} == {
        name: serving_version.version for name, serving_version in store.models.serving_versions("ana").items()
    }
    for user_id, version in (("ana", "x"), ("ben", ""), ("ben", "1")):
        with pytest.raises(NotFound, match="model"):
            client.rollback_model(user_id, "metal", model_version=version)


def test_a_pinned_model_is_not_replaced_until_it_is_unpinned(client: Client, store: Store) -> None:
    """Pinning is seen by trainers at once."""
    publish(store, "1")
    assert client.pin_model("1").model.pinned
    assert "is pinned" in publish(store, "2")
    assert not client.pin_model("1", pinned=False).model.pinned
    assert "" == publish(store, "3")
    with pytest.raises(NotFound, match="there is no model 'x'"):
        client.pin_model("x")


def test_training_runs_are_listed_newest_first(client: Client, store: Store) -> None:
    """With what came of them, or why nothing did."""
    publish(store, "1")
    store.models.log_run(make_run(store, make_record("2"), model_version="", reason="only likes", started_at=2_000_001))
    locked_out, published = client.list_training_runs(user_id="ana").training_runs
    assert ("run 2", "ana", "metal", "", "only likes") == (
        locked_out.training_run_id,
        locked_out.user_id,
        locked_out.taste_id,
        locked_out.model_version,
        locked_out.reason,
    )
    assert 2_000_001 == locked_out.start_time.ToMicroseconds()
    assert ("run 1", "1", 3000) == (
        published.training_run_id,
        published.model_version,
        published.end_time.ToMicroseconds(),
    )
    first = client.list_training_runs(page_size=1)
    assert ["run 1"] == [
        run.training_run_id
        for run in client.list_training_runs(page_token=first.next_page_token, page_size=1).training_runs
    ]
    assert [] == list(client.list_training_runs(user_id="ben").training_runs)


def test_deleting_a_profile_deletes_its_models(client: Client, store: Store) -> None:
    """Nothing of the listener is left for administrators to see."""
    publish(store, "1")
    assert make_artifact("1") == client.export_model("1").onnx
    client.delete_profile("ana")
    assert ([], []) == (list(client.list_models().models), list(client.list_training_runs().training_runs))
    with pytest.raises(NotFound):
        client.export_model("1")


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda client: client.get_model(""), "model_version"),
        (lambda client: client.export_model("x" * 129), "model_version"),
        (lambda client: client.pin_model("a\0b"), "model_version"),
        (lambda client: client.rollback_model("", "metal"), "user_id"),
        (lambda client: client.rollback_model("ana", "x" * 129), "taste_id"),
        (lambda client: client.rollback_model("ana", "metal", model_version="\0"), "model_version"),
        (lambda client: client.list_models(user_id="\0"), "user_id"),
        (lambda client: client.list_models(page_size=101), "page_size"),
        (lambda client: client.list_training_runs(page_token=FORGED), "page_token"),
    ],
)
def test_a_malformed_field_is_refused_by_its_path(server: str, call: Callable[[Client], object], field: str) -> None:
    """INVALID_ARGUMENT, before the store is asked."""
    with Client(server) as client, pytest.raises(InvalidField, match=f"^{field}: "):
        call(client)
