"""Models that are swapped while listeners are served."""

import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import grpc
import pytest
from click.testing import CliRunner
from palate.catalog.snapshot import Catalog
from palate.client import Client, StrategyDeclined
from palate.store import open_store
from palate.store.contract import ModelState, Store
from palate_tools.listening import recommend
from palate_tools.models import models
from support.models import make_record, make_run
from support.repository import DOCS
from support.waiting import eventually

GUIDE = DOCS / "reference" / "metrics.md"
MODEL_COUNTERS = ("palate_model_sessions_opened_total", "palate_models_broken_total", "palate_model_swaps_total")
Make = Callable[..., bytes]
Publish = Callable[..., None]


@pytest.fixture
def client(serve: Callable[..., str], free_port: int) -> Iterator[Client]:
    """Return a client of a server whose database is in the test's folder."""
    with Client(serve(server__metrics_port=free_port)) as opened:
        yield opened


@pytest.fixture
def store(tmp_path: Path, client: Client) -> Iterator[Store]:  # noqa: ARG001 - the server makes the database
    """Return the store of that server, as a trainer in another process opens it."""
    with closing(open_store(f"sqlite:///{tmp_path / 'palate.db'}")) as opened:
        yield opened


@pytest.fixture
def tastes(client: Client, catalog: Catalog) -> Sequence[str]:
    """Let ana like and dislike tracks of two tastes, and return them."""
    clusters = _clusters(catalog)
    for cluster in clusters:
        rows = (catalog.cluster == catalog.cluster_number(cluster)).nonzero()[0][:9]
        for number, row in enumerate(rows.tolist()):
            rate = client.dislike if number % 3 == 2 else client.like
            rate("ana", catalog.track_id(row))
    return clusters


def _clusters(catalog: Catalog) -> tuple[str, str]:
    """Return the two largest clusters that are recommended from."""
    sizes = {
        cluster.cluster_id: int((catalog.cluster == number).sum())
        for number, cluster in enumerate(catalog.clusters)
        if not cluster.excluded
    }
    first, second, *_ = sorted(sizes, key=lambda cluster_id: -sizes[cluster_id])
    return first, second


@pytest.fixture
def publish(store: Store, catalog: Catalog, make_file: Make) -> Publish:
    """Return a function that publishes a version for a taste of ana's."""

    def published(version: str, taste_id: str, *, noise: bool = False, **arguments: Any) -> None:
        known = {"version": version, "taste_id": taste_id, "feature_map": catalog.feature_map.fingerprint}
        file = make_file(**(known | arguments))
        record = make_record(version, taste_id=taste_id, sha256=sha256(file).hexdigest(), size_bytes=len(file))
        run = make_run(store, record)
        assert "" == store.models.publish(record, b"noise" if noise else file, run)

    return published


def versions(client: Client, taste_id: str) -> set[str]:
    """Return the versions that scored what a slate shows of a taste."""
    items = client.recommend("ana", page_size=20).items
    return {item.model_version for item in items if item.taste_id == taste_id and not item.exploration}


def test_a_swap_reaches_the_next_slate_though_slates_are_cached(
    client: Client, tastes: Sequence[str], publish: Publish, store: Store
) -> None:
    """Ranking, then the first model, then the second, then the first again; each slate is also asked for twice."""
    first, second = tastes
    seen = [versions(client, first), versions(client, first)]
    publish("v1", first)
    seen += [versions(client, first), versions(client, first)]
    publish("v2", first, bias=1.0)
    seen += [versions(client, first), versions(client, first)]
    store.models.rollback("ana", first)
    seen += [versions(client, first)]
    assert [{""}, {""}, {"v1"}, {"v1"}, {"v2"}, {"v2"}, {"v1"}] == seen
    assert {""} == versions(client, second)


def test_slates_of_different_models_have_different_names(
    client: Client, tastes: Sequence[str], publish: Publish
) -> None:
    """Everything that a slate was made from is in its name."""
    names = []
    for number in range(3):
        publish(f"v{number}", tastes[0])
        names.append(client.recommend("ana").recommendation_id)
    assert 3 == len(set(names))


def test_a_slate_on_the_terminal_names_the_models_that_scored_it(
    client: Client, tastes: Sequence[str], publish: Publish
) -> None:
    """As `palate models` lists them; without models there is no such line."""
    command = ["ana", "--page-size", "20", "--server", client.address]
    assert "models:" not in CliRunner().invoke(recommend, command).stdout
    publish("v1", tastes[0])
    lines = CliRunner().invoke(recommend, command).stdout.splitlines()
    assert [f"models: v1 for {tastes[0]}"] == [line for line in lines if line.startswith("models: ")]
    publish("c1", "")
    [line] = [
        line for line in CliRunner().invoke(recommend, command).stdout.splitlines() if line.startswith("models: ")
    ]
    parts = (part.split(" for ") for part in line.removeprefix("models: ").split("; "))
    said = {(version, taste) for version, served in parts for taste in served.split(", ")}
    items = client.recommend("ana", page_size=20).items
    assert {(item.model_version, item.taste_id or "-") for item in items if item.model_version} == said
    assert ("c1", "-") in said, "an explored track of no taste"


def test_a_broken_model_changes_no_answer(
    client: Client, tastes: Sequence[str], publish: Publish, store: Store
) -> None:
    """The model before serves on, and the broken one is listed as such."""
    publish("v1", tastes[0])
    before = client.recommend("ana").items
    publish("v2", tastes[0], noise=True)
    after = client.recommend("ana").items
    pairs = [
        [(item.track_id, item.model_version) for item in items if not item.exploration] for items in (before, after)
    ]
    assert [version for _, version in pairs[0]].count("v1") > 3
    assert {version for _, version in pairs[1]} == {"", "v1"}
    assert "SHA-256" in _reason_once_broken(store, "v2")


def test_swaps_and_broken_models_are_in_metrics_and_listing(
    client: Client,
    tastes: Sequence[str],
    publish: Publish,
    store: Store,
    scrape: Callable[..., dict[tuple[str, ...], float]],
    tmp_path: Path,
) -> None:
    """A model whose file was overwritten in the store is counted and listed beside the one that serves on."""
    client.recommend("ana")
    publish("v1", tastes[0])
    client.recommend("ana")
    before = scrape()
    assert (1, 0, 1) == tuple(before[name,] for name in MODEL_COUNTERS)
    assert 64 * 1024 < before["palate_model_sessions_bytes",]
    assert {("palate_models_served_total", "logistic")} == set(scrape("palate_models_served_total"))
    publish("v2", tastes[0])
    with closing(sqlite3.connect(tmp_path / "palate.db")) as database, database:
        database.execute("UPDATE model_artifacts SET onnx = 'nonsense, as text' WHERE version = 'v2'")
    client.recommend("ana")
    assert (1, 1, 2) == tuple(scrape()[name,] for name in MODEL_COUNTERS)
    _reason_once_broken(store, "v2")
    assert 1 == _count_broken(tmp_path)
    listed = CliRunner().invoke(models, ["list", "--server", client.address]).stdout.splitlines()
    assert [("v2", True), ("v1", False)] == [(line.split()[0], "broken" in line) for line in listed[1:]]
    publish("v3", tastes[0])
    assert 0 == _count_broken(tmp_path)


def _count_broken(folder: Path) -> int:
    """Return what the query of docs/reference/metrics.md says."""
    [query] = re.findall(r"```sql\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    with closing(sqlite3.connect(folder / "palate.db")) as database:
        [(count,)] = database.execute(query)
    return int(count)


def _reason_once_broken(store: Store, version: str) -> str:
    """Wait until a model is marked, which happens beside the answer, and return the reason."""

    def broken() -> bool:
        record = store.models.record(version)
        return record is not None and record.state is ModelState.BROKEN

    eventually(broken)
    record = store.models.record(version)
    assert record is not None
    return record.reason


def test_rank_names_the_model_of_every_track(
    client: Client, catalog: Catalog, tastes: Sequence[str], publish: Publish
) -> None:
    """The tastes without one have no version, and all scores are probabilities."""
    publish("v1", tastes[0])
    track_ids = [catalog.track_id(row) for row in range(0, len(catalog), 30)]
    items = client.rank("ana", track_ids).items
    own = {item.track_id for item in items if item.model_version}
    assert own == {track_id for track_id in track_ids if _cluster_of(catalog, track_id) == tastes[0]}
    assert all(0 <= item.score <= 1 for item in items)


def _cluster_of(catalog: Catalog, track_id: str) -> str:
    row = catalog.row(track_id)
    assert row is not None
    return catalog.track(row).cluster_id


def test_a_listener_without_models_is_ranked_and_told_so_by_name(client: Client, tastes: Sequence[str]) -> None:
    """By their stage nothing has failed; by name there is nothing to show."""
    assert len(tastes) == 2
    assert "ranking" == client.recommend("ana").strategy
    with pytest.raises(StrategyDeclined, match="no model of logistic serves 'ana'") as caught:
        client.recommend("ana", strategy="logistic")
    assert grpc.StatusCode.FAILED_PRECONDITION is caught.value.code
    with pytest.raises(StrategyDeclined, match="no model of logistic serves 'ana'"):
        client.rank("ana", [item.track_id for item in client.recommend("ana").items], strategy="logistic")


def test_the_stage_of_a_profile_is_the_strategy_that_answers(
    client: Client, tastes: Sequence[str], publish: Publish, store: Store
) -> None:
    """Without a model, with one, with one that cannot be used, and where the one before it cannot be used either."""
    steps: list[tuple[str, Callable[[], object]]] = [
        ("ranking", lambda: None),
        ("neural", lambda: publish("v1", tastes[0])),
        ("neural", lambda: publish("v2", tastes[0], noise=True)),
        ("neural", lambda: store.models.rollback("ana", tastes[0], "v1")),
        ("neural", lambda: publish("v3", tastes[0], feature_map="another")),
        ("ranking", lambda: publish("v4", tastes[0], feature_map="another")),
    ]
    for expected, step in steps:
        step()
        slate = client.recommend("ana", page_size=20)
        track_ids = [item.track_id for item in slate.items]
        stages = [client.get_profile("ana").profile.stage, slate.strategy, client.rank("ana", track_ids).strategy]
        assert [expected] * 3 == stages


def test_swaps_under_load_fail_no_call_and_mix_no_versions(
    client: Client, tastes: Sequence[str], publish: Publish
) -> None:
    """Each answer has one version of the taste's model, and no answer is older than the swap before it."""
    publish("v100", tastes[0])

    def served(_: int) -> list[set[str]]:
        return [versions(client, tastes[0]) for _ in range(10)]

    with ThreadPoolExecutor(3) as pool:
        answers = pool.map(served, range(3))
        for number in range(101, 116):
            publish(f"v{number}", tastes[0], bias=number / 100)
            assert {f"v{number}"} == versions(client, tastes[0])
        seen = [each for answer in answers for each in answer]
    assert {1} == {len(each) for each in seen}
