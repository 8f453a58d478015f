"""From serving versions to models, over a real store."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from palate.errors import StoreUnavailable
from palate.models.serving import ServedModels
from palate.store import open_store
from palate.store.contract import ModelState, ServingVersion, Store
from support.models import like, make_record, make_run

FEATURE_MAP = "0123456789abcdef"
ROWS = np.zeros((1, 9), dtype=np.float32)
Make = Callable[..., bytes]
Publish = Callable[..., None]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Return a store with a listener."""
    with closing(open_store(f"sqlite:///{tmp_path / 'palate.db'}")) as opened:
        like(opened)
        yield opened


@pytest.fixture
def publish(store: Store, make_file: Make) -> Publish:
    """Return a function that publishes a version; `content` is stored in place of the file that was hashed."""

    def published(version: str, content: bytes | None = None, learner: str = "logistic", **arguments: Any) -> None:
        file = make_file(version=version, learner=learner, **arguments)
        known = {"sha256": sha256(file).hexdigest(), "size_bytes": len(file), "learner": learner}
        record = make_record(version, **known)
        assert "" == store.models.publish(record, file if content is None else content, make_run(store, record))

    return published


@pytest.fixture
def restart(store: Store) -> Iterator[Callable[[], ServedModels]]:
    """Return a function that makes what a worker has that has loaded nothing yet."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(closing(ServedModels(store.models, FEATURE_MAP, 10**8)))


@pytest.fixture
def served(restart: Callable[[], ServedModels]) -> ServedModels:
    """Return what a worker has."""
    return restart()


def versions(served: ServedModels) -> dict[str, str]:
    """Return the version that serves each taste of ana."""
    return {taste_id: model.version for taste_id, model in served.of("ana", served.serving_versions("ana")).items()}


def state(store: Store, version: str) -> tuple[ModelState, str]:
    """Return a model's state and its reason."""
    record = store.models.record(version)
    assert record is not None
    return record.state, record.reason


def test_a_published_model_serves(publish: Publish, served: ServedModels) -> None:
    """It is found under its taste and answers."""
    publish("v1", bias=1.0)
    models = served.of("ana", served.serving_versions("ana"))
    assert models
    assert ["metal"] == list(models)
    assert 1 == len(models)
    assert pytest.approx(1 / (1 + np.exp(-1))) == models["metal"].probabilities(ROWS)[0]


def test_no_pointer_means_no_model(served: ServedModels) -> None:
    """A taste without one is not there, and asking does no harm."""
    models = served.of("ana", served.serving_versions("ana"))
    assert {} == dict(models)
    assert models.get("metal") is None
    assert not models
    with pytest.raises(KeyError):
        models["metal"]


def test_a_swap_reaches_the_next_answer_and_leaves_the_one_under_way(publish: Publish, served: ServedModels) -> None:
    """No answer mixes two versions of one taste's model."""
    publish("v1")
    under_way = served.of("ana", served.serving_versions("ana"))
    assert "v1" == under_way["metal"].version
    publish("v2")
    assert "v1" == under_way["metal"].version
    assert {"metal": "v2"} == versions(served)


@pytest.mark.parametrize(
    ("reason", "damage"),
    [
        ("SHA-256", lambda file: file[:-1]),
        ("SHA-256", lambda file: bytes(len(file))),
        ("SHA-256", lambda file: file.replace(b"Sigmoid", b"Softmax")),
        ("SHA-256", lambda _: b""),
    ],
    ids=["cut off", "zeros", "other operator", "empty"],
)
def test_a_damaged_model_leaves_the_one_before_serving_and_is_marked(
    store: Store,
    make_file: Make,
    publish: Publish,
    restart: Callable[[], ServedModels],
    reason: str,
    damage: Callable[[bytes], bytes],
) -> None:
    """A half-written model was loaded "successfully", and a stale one served silently, elsewhere."""
    publish("v1")
    publish("v2", content=damage(make_file(version="v2")))
    served = restart()
    assert [{"metal": "v1"}] * 3 == [versions(served) for _ in range(3)]
    served.close()
    assert ModelState.BROKEN is state(store, "v2")[0]
    assert reason in state(store, "v2")[1]
    assert {"metal": "v1"} == versions(restart())


def test_a_damaged_model_is_replaced_by_the_next(publish: Publish, served: ServedModels) -> None:
    """Publishing again is what mends it."""
    publish("v1")
    publish("v2", content=b"noise")
    assert {"metal": "v1"} == versions(served)
    publish("v3")
    assert {"metal": "v3"} == versions(served)


def test_where_none_can_be_used_there_is_no_model(publish: Publish, served: ServedModels) -> None:
    """The taste is ranked then."""
    publish("v1", content=b"noise")
    assert {} == versions(served)
    publish("v2", content=b"more noise")
    assert {} == versions(served)


@pytest.mark.parametrize("fields", [{"user_id": "bob"}, {"taste_id": "latin"}, {"version": "v9"}])
def test_the_model_of_somebody_else_is_not_served(
    store: Store, make_file: Make, served: ServedModels, fields: dict[str, str]
) -> None:
    """A file that stands in the wrong place is broken, however sound."""
    file = make_file(**({"version": "v1"} | fields))
    record = make_record("v1", sha256=sha256(file).hexdigest(), size_bytes=len(file))
    store.models.publish(record, file, make_run(store, record))
    assert {} == versions(served)
    served.close()
    assert ModelState.BROKEN is state(store, "v1")[0]


def test_a_model_for_another_feature_map_is_passed_over_but_not_broken(
    store: Store, publish: Publish, served: ServedModels
) -> None:
    """With another catalog the same normal scores mean other tracks; with the old one it may serve again."""
    publish("v1")
    publish("v2", feature_map="another")
    assert {"metal": "v1"} == versions(served)
    served.close()
    assert ModelState.SERVING is state(store, "v2")[0]


def test_a_pointer_with_another_hash_is_not_followed(publish: Publish, served: ServedModels) -> None:
    """What the serving version names and what was loaded must be the same bytes."""
    publish("v1")
    publish("v2")
    serving_version = served.serving_versions("ana")["metal"]
    assert ("v2", "v1") == (serving_version.version, serving_version.previous)
    models = served.of("ana", {"metal": replace(serving_version, sha256="0" * 64)})
    assert "v1" == models["metal"].version


def test_a_version_that_the_store_does_not_have_is_no_model(served: ServedModels) -> None:
    """A serving version into nowhere leaves the taste without."""
    assert {} == dict(served.of("ana", {"metal": ServingVersion("metal", "gone", "logistic", "0" * 64, "gone too")}))


def test_a_store_that_cannot_be_read_is_no_reason_to_forget_a_model(
    store: Store, publish: Publish, served: ServedModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer fails over to a strategy without models; the next one has them again."""
    publish("v1")
    models = served.of("ana", served.serving_versions("ana"))

    def unreachable(_: str) -> bytes:
        raise StoreUnavailable("database is locked")

    with monkeypatch.context() as fault:
        fault.setattr(store.models, "artifact", unreachable)
        with pytest.raises(StoreUnavailable):
            models.get("metal")
    assert "v1" == models["metal"].version
    served.close()
    assert ModelState.SERVING is state(store, "v1")[0]


def test_a_broken_model_does_no_harm_where_it_cannot_be_marked(
    store: Store, publish: Publish, served: ServedModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one before serves, whether or not the store takes the mark."""
    publish("v1")
    publish("v2", content=b"noise")

    def unreachable(*_: str) -> None:
        raise StoreUnavailable("disk full")

    monkeypatch.setattr(store.models, "mark_broken", unreachable)
    assert {"metal": "v1"} == versions(served)


def test_a_broken_model_that_is_met_while_the_worker_stops_does_no_harm(
    store: Store, publish: Publish, served: ServedModels
) -> None:
    """Nothing is marked any more; the worker that comes next does it."""
    publish("v1")
    publish("v2", content=b"noise")
    served.close()
    assert {"metal": "v1"} == versions(served)
    assert ModelState.SERVING is state(store, "v2")[0]
