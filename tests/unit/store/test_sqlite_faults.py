"""What the store says and does when SQLite cannot go on. All faults are caused for real."""

import resource
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest
from palate.domain.apply import replay
from palate.domain.profile import EventKind
from palate.errors import StoreUnavailable
from palate.store import open_store
from palate.store.models import SqlModels
from palate.store.sql import ConnectionPool, SqlStore
from palate.store.sqlite import SqliteDatabase
from support.factories import assert_replay_equals_stored, assert_writable, make_feature_map, record, walk
from support.models import like, make_record, make_run, publish


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a database with some feedback of one listener."""
    path = tmp_path / "palate.db"
    with closing(open_store(f"sqlite:///{path}")) as store, store.transaction() as transaction:
        walk(transaction, "ana", 30)
    return path


class FullDatabase(SqliteDatabase):
    """A database that has no page left: SQLite answers as on a full disk."""

    def open(self) -> sqlite3.Connection:
        """Open a connection and forbid it to add a page."""
        raw = super().open()
        (pages,) = raw.execute("PRAGMA page_count").fetchone()
        raw.execute(f"PRAGMA max_page_count = {pages}")
        return raw


def over(database: SqliteDatabase) -> SqlStore:
    """Return a store over a database whose tables are there."""
    pool = ConnectionPool(database)
    return SqlStore(pool, SqlModels(pool))


@contextmanager
def no_file_may_grow_beyond(size: int) -> Iterator[None]:
    """Let the operating system refuse every write behind a file's first `size` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_unavailable_and_says_what_to_do(path: Path) -> None:
    """Feedback is refused as a whole, reading goes on, and nothing is half-written."""
    with closing(over(FullDatabase(path))) as store:
        with pytest.raises(StoreUnavailable, match=r"palate\.db .* free space"), store.transaction() as transaction:
            walk(transaction, "ana", 500)
        assert_replay_equals_stored(store, "ana")
        assert 30 == len(store.events("ana"))
    with closing(open_store(f"sqlite:///{path}")) as freed, freed.transaction() as transaction:
        assert 31 == record(transaction, "ana", EventKind.LIKE, "a", "metal").revision


def test_a_commit_that_fails_is_undone_and_the_store_stays_usable(path: Path) -> None:
    """When the disk refuses the commit itself, the feedback is not acknowledged and not there."""
    with closing(open_store(f"sqlite:///{path}")) as store:
        store.secret("writes a first page into the log")
        refused = pytest.raises(StoreUnavailable, match="disk")
        with refused, ExitStack() as limited, store.transaction() as transaction:
            record(transaction, "ana", EventKind.LIKE, "refused", "metal")
            limited.enter_context(no_file_may_grow_beyond(path.with_name("palate.db-wal").stat().st_size))
        assert 30 == len(store.events("ana"))
        with store.transaction() as transaction:
            record(transaction, "ana", EventKind.LIKE, "taken", "metal")
        assert ["taken"] == [event.track_id for event in store.events("ana", after=30)]
        assert_replay_equals_stored(store, "ana")


def test_a_read_only_database_can_be_read_but_not_written(path: Path) -> None:
    """Writing says that the right to write is missing."""
    with closing(open_store(f"sqlite:///{path}?mode=ro")) as store:
        assert_replay_equals_stored(store, "ana")
        with pytest.raises(StoreUnavailable, match="right to write"), store.transaction() as transaction:
            record(transaction, "ana", EventKind.LIKE, "a", "metal")


def test_a_locked_database_is_unavailable_and_says_what_to_do(path: Path) -> None:
    """When another program locks the file, writing waits for the timeout and no longer; reading goes on."""
    with closing(open_store(f"sqlite:///{path}?timeout=0.1")) as store:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            with pytest.raises(StoreUnavailable, match="another program holds it"), store.transaction():
                pass
            assert None is not store.header("ana")
        assert_writable(store)


def test_a_missing_folder_is_unavailable_and_says_what_to_do(tmp_path: Path) -> None:
    """The store makes its file, never the folder."""
    with pytest.raises(StoreUnavailable, match="make sure that its folder exists"):
        open_store(f"sqlite:///{tmp_path / 'missing' / 'palate.db'}")


def test_a_file_that_is_no_database_is_unavailable_and_left_alone(tmp_path: Path) -> None:
    """A wrong file is named, not overwritten."""
    path = tmp_path / "notes.txt"
    path.write_bytes(b"not a database " * 100)
    with pytest.raises(StoreUnavailable, match="name another file"):
        open_store(f"sqlite:///{path}")
    assert b"not a database " * 100 == path.read_bytes()


def test_a_damaged_page_is_unavailable_and_says_what_to_do(path: Path) -> None:
    """A database whose pages were overwritten asks for a backup."""
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(StoreUnavailable, match="restore a backup"), closing(open_store(f"sqlite:///{path}")) as store:
        store.profile("ana")


def test_a_damaged_taste_is_unavailable_and_names_the_command_that_fixes_it(path: Path) -> None:
    """A row that cannot be decoded breaks the reads of one listener only."""
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("UPDATE tastes SET state = ? WHERE user_id = 'ana'", (b"{",))
    with closing(open_store(f"sqlite:///{path}")) as store:
        with pytest.raises(StoreUnavailable, match="palate profile rebuild"):
            store.profile("ana")
        assert None is not store.header("ana")


def test_a_damaged_line_of_the_log_is_unavailable_when_its_request_comes_again(path: Path) -> None:
    """The caller is told what to do; nothing breaks that nobody can explain."""
    with closing(open_store(f"sqlite:///{path}")) as store:
        with store.transaction() as transaction:
            record(transaction, "ana", EventKind.LIKE, "a", "metal", request_id="once")
        with closing(sqlite3.connect(path)) as raw, raw:
            raw.execute("UPDATE feedback_log SET kind = 9 WHERE request_id = 'once'")
        with store.transaction() as transaction, pytest.raises(StoreUnavailable, match="palate profile rebuild"):
            transaction.recorded("ana", "once")


def test_a_damaged_model_is_unavailable_by_its_name_and_can_be_replaced(tmp_path: Path) -> None:
    """Its record cannot be read, but serving and training go on."""
    path = tmp_path / "palate.db"
    with closing(open_store(f"sqlite:///{path}")) as store:
        like(store)
        publish(store, "1")
        with closing(sqlite3.connect(path)) as raw, raw:
            raw.execute("UPDATE models SET metrics = '{', state = 99")
        with pytest.raises(StoreUnavailable, match=r"model '1' .* table `models`"):
            store.models.record("1")
        assert "1" == store.models.serving_versions("ana")["metal"].version
        assert "" == publish(store, "2")
        assert "2" == store.models.serving_versions("ana")["metal"].version


def test_a_model_whose_row_is_missing_serves_no_longer_and_can_be_replaced(tmp_path: Path) -> None:
    """A serving version to nothing is none."""
    path = tmp_path / "palate.db"
    with closing(open_store(f"sqlite:///{path}")) as store:
        like(store)
        publish(store, "1")
        with closing(sqlite3.connect(path)) as raw, raw:
            raw.execute("DELETE FROM models")
        assert {} == store.models.serving_versions("ana")
        assert "" == publish(store, "2")
        assert ("2", "") == (
            store.models.serving_versions("ana")["metal"].version,
            store.models.serving_versions("ana")["metal"].previous,
        )


def test_a_lost_header_comes_back_with_models_that_serve(path: Path) -> None:
    """A profile that is rebuilt from its log says that there are models, so that they are looked for."""
    with closing(open_store(f"sqlite:///{path}")) as store:
        like(store, recorded_at=0)
        assert "" == publish(store, "1", labels_revision=31)
        with closing(sqlite3.connect(path)) as raw, raw:
            raw.execute("DELETE FROM profiles")
        profile = replay("ana", store.events("ana"), make_feature_map())
        with store.transaction() as transaction:
            transaction.replace(profile, make_feature_map().fingerprint)
        header = store.header("ana")
        assert header is not None
        assert header.models_revision > 0
        assert "1" == store.models.serving_versions("ana")["metal"].version


def test_a_full_disk_leaves_the_old_model_serving(path: Path) -> None:
    """A publication that does not fit is refused as a whole and can be repeated once there is space."""
    with closing(open_store(f"sqlite:///{path}")) as store:
        like(store, recorded_at=0)
        assert "" == publish(store, "1", labels_revision=31)
    made = make_record("2", labels_revision=31)
    artifact = bytes(1_000_000)
    with closing(over(FullDatabase(path))) as store:
        with pytest.raises(StoreUnavailable, match="free space"):
            store.models.publish(made, artifact, make_run(store, made))
        assert "1" == store.models.serving_versions("ana")["metal"].version
        assert None is store.models.record("2")
    with closing(open_store(f"sqlite:///{path}")) as freed:
        assert "" == freed.models.publish(made, artifact, make_run(freed, made))


def test_a_commit_waits_for_the_disk(path: Path) -> None:
    """WAL with synchronous FULL (2) is what makes a commit survive the loss of power."""
    with closing(SqliteDatabase(path).open()) as raw:
        assert ("wal",) == raw.execute("PRAGMA journal_mode").fetchone()
        assert (2,) == raw.execute("PRAGMA synchronous").fetchone()


def test_an_idle_store_holds_no_more_connections_than_it_needed_at_once(path: Path) -> None:
    """Calls that follow one another share a connection."""
    opened = []

    class CountingDatabase(SqliteDatabase):
        def open(self) -> sqlite3.Connection:
            opened.append(super().open())
            return opened[-1]

    with closing(over(CountingDatabase(path))) as store:
        for _ in range(5):
            store.header("ana")
            assert_writable(store)
        assert 1 == len(opened)
