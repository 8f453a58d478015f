"""What the version before wrote opens, with everything in it, and serves."""

from contextlib import closing
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from palate.catalog.snapshot import Catalog
from palate.client import Client
from palate.domain.apply import replay
from palate.errors import StoreUnavailable
from palate.models.artifact import verify
from palate.store import open_store
from palate.store.contract import ModelState, ServingVersion
from support.processes import in_processes, open_and_read
from support.version_before import answered_profiles, old_catalog, old_rows, write_old_store

USERS = ["ana", "ben", "häßlich 日本"]


@pytest.fixture
def old_url(store_url: str) -> str:
    """Return the URL of a store that the version before wrote."""
    write_old_store(store_url)
    return store_url


def read_only(url: str) -> str:
    """Return the URL that opens a store for reading only."""
    if url.startswith("sqlite"):
        return f"{url}&mode=ro"
    return url.replace("-csearch_path", "-cdefault_transaction_read_only%3Don%20-csearch_path")


def test_profiles_are_as_they_were_and_replay_bit_for_bit(old_url: str, catalog: Catalog) -> None:
    """Every taste has the stored bytes, and the replay of the log under the bundled catalog gives the same."""
    stored = {(row["user_id"], row["taste_id"]): row["state"] for row in old_rows("tastes")}
    tastes: dict[tuple[str, str], bytes] = {}
    with closing(open_store(old_url)) as store:
        assert sorted(USERS) == list(store.user_ids())
        for user_id in USERS:
            found = store.profile(user_id)
            assert found is not None
            profile, header = found
            assert catalog.feature_map.fingerprint == header.feature_map
            replayed = replay(user_id, store.events(user_id), catalog.feature_map)
            assert profile == replayed
            assert list(profile.ratings) == list(replayed.ratings)
            tastes |= {(user_id, name): taste.to_bytes() for name, taste in replayed.tastes.items()}
    assert stored == tastes


def test_the_whole_log_is_there(old_url: str) -> None:
    """Every event has the fields of its row."""
    rows = {(row["user_id"], row["revision"]): row for row in old_rows("feedback_log")}
    with closing(open_store(old_url)) as store:
        for user_id in USERS:
            for event in store.events(user_id):
                row = rows.pop((user_id, event.revision))
                identifiers = event.kind, event.track_id, event.taste_id, event.request_id, event.recorded_at
                names = "kind", "track_id", "taste_id", "request_id", "recorded_at"
                assert tuple(row[name] for name in names) == identifiers
                assert (row["features"] is None) == (event.track is None)
    assert {} == rows


def test_models_serve_and_are_on_record_as_they_were(old_url: str) -> None:
    """Serving versions, records and runs are those of its tables, and its files are sound."""
    records = {row["version"]: row for row in old_rows("models")}
    serving = {
        row["taste_id"]: ServingVersion(
            row["taste_id"],
            row["version"],
            records[row["version"]]["recipe"],
            records[row["version"]]["sha256"],
            row["previous"],
        )
        for row in old_rows("model_pointers")
    }
    with closing(open_store(old_url)) as store:
        assert serving == store.models.serving_versions("ana")
        found = {record.version: (record.learner, record.state, record.sha256) for record in store.models.records()}
        assert {version: (row["recipe"], row["state"], row["sha256"]) for version, row in records.items()} == found
        runs = {run.run_id: run.generation for run in store.models.runs()}
        assert {row["run_id"]: row["incarnation"] for row in old_rows("training_runs")} == runs
        for version in serving.values():
            artifact = store.models.artifact(version.version)
            assert artifact is not None
            metadata = verify(artifact, version.sha256)
            assert (version.version, version.learner) == (metadata.version, metadata.learner)


def test_its_models_can_be_rolled_back_and_its_profiles_deleted(old_url: str) -> None:
    """Writing goes on where the version before stopped."""
    with closing(open_store(old_url)) as store:
        before = store.models.serving_versions("ana")["techno-trance"]
        assert before.previous == store.models.rollback("ana", "techno-trance").version
        replaced = store.models.record(before.version)
        assert replaced is not None
        assert ModelState.RETIRED is replaced.state
        with store.transaction() as transaction:
            assert transaction.delete("ana")
        assert ({}, []) == (store.models.serving_versions("ana"), list(store.models.runs("ana")))
        assert ["ben", "häßlich 日本"] == list(store.user_ids())


def test_processes_that_open_it_at_once_all_find_everything(old_url: str) -> None:
    """One of them migrates, and the others wait for it."""
    events = sum(row["user_id"] == "ana" for row in old_rows("feedback_log"))
    serving = sorted(row["version"] for row in old_rows("model_pointers"))
    assert [(events, serving)] * 3 == in_processes(open_and_read, old_url, "ana", "ana", "ana")


def test_it_is_not_migrated_by_who_may_only_read(old_url: str) -> None:
    """The error says that its tables are old; once migrated, it is read like any other."""
    with pytest.raises(StoreUnavailable, match="could not be brought up to date"):
        open_store(read_only(old_url))
    with pytest.raises(StoreUnavailable, match="an older palate"):
        open_store(old_url, migrate=False)
    open_store(old_url).close()
    with closing(open_store(read_only(old_url))) as store:
        assert 2 == len(store.models.serving_versions("ana"))


def test_a_server_answers_from_it(old_url: str, serve: Any) -> None:
    """Profiles are what the version before answered, its models serve, and feedback goes on."""
    with Client(serve(store__url=old_url)) as client:
        answers = {user_id: MessageToDict(client.get_profile(user_id).profile) for user_id in USERS}
        for user_id, profile in answered_profiles().items():
            for name in ("revision", "interactionCount", "stage", "confidence"):
                assert profile[name] == answers[user_id][name], name
            known = ("tasteId", "likes", "dislikes", "confidence", "revision", "centroid", "medoidTrackId")
            tastes = [{name: taste.get(name) for name in known} for taste in answers[user_id]["tastes"]]
            assert [{name: taste.get(name) for name in known} for taste in profile["tastes"]] == tastes
        slate = client.recommend("ana")
        assert ("gbdt", 10) == (slate.strategy, len(slate.items))
        revision = client.like("ana", slate.items[0].track_id).profile_revision
        assert int(answered_profiles()["ana"]["revision"]) + 1 == revision


def test_its_catalog_opens(tmp_path: Any) -> None:
    """Tracks, clusters and the feature map are read from its file."""
    with Catalog.open(old_catalog(tmp_path)) as catalog:
        assert (200, "9e9a9065cf4a564c") == (len(catalog), catalog.version)
        assert 35 == len(catalog.clusters)
        assert catalog.track(7).track_id == catalog.track_id(7)
