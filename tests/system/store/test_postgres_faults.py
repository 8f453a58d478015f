"""What the store says and does when PostgreSQL cannot go on. All faults are caused for real."""

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from palate.domain.profile import EventKind
from palate.errors import ConfigError, StoreUnavailable
from palate.store import open_store
from palate.store.contract import Store
from palate.store.postgres import PostgresDatabase
from sqlalchemy import make_url
from support.factories import assert_replay_equals_stored, assert_writable, record, walk


@pytest.fixture
def url(postgres: Any) -> str:
    """Return an empty schema, for which calls wait half a second."""
    return str(postgres.new_url(timeout="0.5"))


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """Return a store with some feedback of one listener."""
    with closing(open_store(url)) as opened:
        with opened.transaction() as transaction:
            walk(transaction, "ana", 30)
        yield opened


def database(url: str) -> PostgresDatabase:
    """Return the database of a URL."""
    return PostgresDatabase.from_url(make_url(url).difference_update_query(["timeout"]), create=True)


@pytest.fixture
def disconnect(postgres: Any) -> Callable[[], None]:
    """Return a function that ends all connections of palate."""

    def end() -> None:
        postgres.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name='palate'")

    return end


def test_idle_connections_that_the_server_has_closed_fail_no_call(store: Store, disconnect: Callable[[], None]) -> None:
    """They are found to be closed before they are used, however many there are."""
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: store.profile("ana"), range(40)))
    disconnect()
    for _ in range(6):
        assert_replay_equals_stored(store, "ana")
        assert_writable(store)


def test_a_connection_that_is_lost_in_a_transaction_undoes_it(store: Store, disconnect: Callable[[], None]) -> None:
    """What it had written is not there, the caller is told, and the next transaction is as any other."""
    with pytest.raises(StoreUnavailable, match="cannot be used"), store.transaction() as transaction:  # noqa: PT012 - its end counts
        record(transaction, "ana", EventKind.LIKE, "lost", "metal")
        disconnect()
        record(transaction, "ana", EventKind.LIKE, "never", "metal")
    with store.transaction() as transaction:
        assert 31 == record(transaction, "ana", EventKind.LIKE, "written", "metal").revision
    assert_replay_equals_stored(store, "ana")


def test_a_commit_that_gets_no_answer_is_not_acknowledged(store: Store, disconnect: Callable[[], None]) -> None:
    """The caller is told that it failed, and may ask again with the same request_id."""
    with pytest.raises(StoreUnavailable), store.transaction() as transaction:  # noqa: PT012 - its end counts
        record(transaction, "ana", EventKind.LIKE, "lost", "metal")
        disconnect()
    assert 30 == len(store.events("ana"))


def test_a_locked_table_is_unavailable_and_says_what_to_do(store: Store, postgres: Any, url: str) -> None:
    """Reading and writing wait for the timeout and no longer."""
    schema = re.findall(r"test_\d+", url)[0]
    with psycopg.connect(postgres.server.get_uri()) as other:
        other.execute(f"LOCK TABLE {schema}.profiles IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(StoreUnavailable, match="another program holds it"):
            store.header("ana")
        other.rollback()
    assert None is not store.header("ana")


def test_a_statement_that_takes_too_long_is_unavailable(postgres: Any) -> None:
    """The server's own limit ends in the same words as a lock."""
    url = postgres.new_url().replace("-csearch_path", "-cstatement_timeout%3D500%20-csearch_path")
    with closing(database(url).connect()) as connection:
        with pytest.raises(StoreUnavailable, match="statement_timeout"):
            connection.execute("SELECT pg_sleep(20)")
        assert [(1,)] == connection.execute("SELECT 1")


def test_a_read_only_server_can_be_read_but_not_written(store: Store, url: str) -> None:
    """A standby serves slates and says where feedback has to go."""
    read_only = url.replace("-csearch_path", "-cdefault_transaction_read_only%3Don%20-csearch_path")
    assert_replay_equals_stored(store, "ana")
    with closing(open_store(read_only)) as standby:
        assert_replay_equals_stored(standby, "ana")
        with pytest.raises(StoreUnavailable, match="primary"), standby.transaction() as transaction:
            record(transaction, "ana", EventKind.LIKE, "a", "metal")


def test_a_server_that_is_killed_and_started_again_is_used_again(store: Store, postgres: Any) -> None:
    """Without opening the store again; what was acknowledged is there."""
    postgres.kill()
    try:
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match="make sure that the server runs"):
                store.header("ana")
    finally:
        postgres.start()
    assert_replay_equals_stored(store, "ana")
    assert_writable(store)


def test_a_wrong_password_is_named_but_not_shown(postgres: Any) -> None:
    """The sentence says what to correct."""
    rules = Path(postgres.server.pgdata) / "pg_hba.conf"
    rules.write_text(f"local all guarded scram-sha-256\n{rules.read_text(encoding='utf-8')}", encoding="utf-8")
    postgres.execute("CREATE ROLE guarded LOGIN SUPERUSER PASSWORD 'hunter2'")
    postgres.execute("SELECT pg_reload_conf()")
    url = postgres.new_url().replace("postgres:@", "guarded:{}@")
    open_store(url.format("hunter2")).close()
    with pytest.raises(StoreUnavailable, match=r"password authentication failed .* password .* in the URL") as caught:
        open_store(url.format("hunter3"))
    assert "hunter3" not in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("/postgres?", "/nothing?", '"nothing" does not exist'),
        ("search_path%3Dtest", "search_path%3Dnothing", "schema"),
        ("/postgres?", "/ascii?", "SQL_ASCII; create one in UTF8"),
        ("host=", "host=/nowhere", "make sure that the server runs"),
    ],
    ids=["database", "schema", "encoding", "host"],
)
def test_what_cannot_be_a_store_is_named(postgres: Any, url: str, old: str, new: str, sentence: str) -> None:
    """Before anything is written."""
    if new == "/ascii?":
        postgres.execute("CREATE DATABASE ascii ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0")
    with pytest.raises((ConfigError, StoreUnavailable), match=sentence):
        open_store(url.replace(old, new))


def test_a_commit_waits_for_the_disk_whatever_the_server_does_by_default(url: str) -> None:
    """An acknowledged event is durable."""
    hasty = url.replace("-csearch_path", "-csynchronous_commit%3Doff%20-csearch_path")
    with closing(database(hasty).open()) as raw:
        assert ("on",) == raw.execute("SHOW synchronous_commit").fetchone()
