"""Looking after the models."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from palate.errors import InvalidField, NotFound
from palate.serving.fields import PageTokens
from palate.serving.models import ModelService
from palate.store import open_store
from palate.store.contract import Store
from support.models import like, make_artifact, make_record, publish, reject


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Return a store in which ana has liked something."""
    with closing(open_store(f"sqlite:///{tmp_path / 'palate.db'}")) as opened:
        like(opened)
        yield opened


@pytest.fixture
def service(store: Store) -> ModelService:
    """Return the service over that store."""
    return ModelService(store.models, PageTokens(bytes(32)))


@pytest.mark.parametrize("size", [1, 3, 6, 7])
def test_pages_hold_every_model_and_run_once(store: Store, service: ModelService, size: int) -> None:
    """Newest first, and the last page has no token, be it full or not."""
    for version in "123456":
        publish(store, version)
    models, runs, token = [], [], ""
    while page := service.models(page_size=size, page_token=token):
        models += [record.version for record in page.items]
        if not (token := page.next_page_token):
            break
    while run_page := service.runs("ana", page_size=size, page_token=token):
        runs += [run.run_id for run in run_page.items]
        if not (token := run_page.next_page_token):
            break
    assert list("654321") == models
    assert [f"run {version}" for version in "654321"] == runs


def test_what_is_published_between_two_pages_shifts_nothing(store: Store, service: ModelService) -> None:
    """The second page goes on after the last model of the first."""
    for version in "1234":
        publish(store, version)
    first = service.models(page_size=2)
    publish(store, "5")
    second = service.models(page_size=2, page_token=first.next_page_token)
    assert ["4", "3", "2", "1"] == [record.version for record in (*first.items, *second.items)]


def test_a_token_continues_only_its_own_list(store: Store, service: ModelService) -> None:
    """A token of another listener, another taste or of the runs is refused."""
    for version in "12":
        publish(store, version)
    token = service.models("ana", page_size=1).next_page_token
    for user_id, taste_id in (("", ""), ("ben", ""), ("ana", "metal")):
        with pytest.raises(InvalidField, match="page_token"):
            service.models(user_id, taste_id, 1, token)
    with pytest.raises(InvalidField, match="page_token"):
        service.runs("ana", 1, token)


def test_a_file_that_is_no_longer_kept_is_told_from_a_model_that_never_was(store: Store, service: ModelService) -> None:
    """Both are not found, and the sentence says which."""
    publish(store, "0")
    for number in range(1, 10):
        reject(store, str(number))
    assert make_artifact("0") == service.onnx("0")
    with pytest.raises(NotFound, match="model '1' has no file any more; it is rejected"):
        service.onnx("1")
    with pytest.raises(NotFound, match="there is no model 'x'"):
        service.onnx("x")


def test_a_model_is_found_rolled_back_to_and_pinned(store: Store, service: ModelService) -> None:
    """Each answers with the model as it stands now."""
    publish(store, "1")
    publish(store, "2")
    assert make_record("2") == service.model("2")
    assert make_record("1") == service.roll_back("ana", "metal") == service.model("1")
    assert service.pin("1", pinned=True) == service.model("1") == make_record("1", pinned=True)
    for missing in (service.model, service.onnx, lambda name: service.pin(name, pinned=True)):
        with pytest.raises(NotFound, match="there is no model 'x'"):
            missing("x")
