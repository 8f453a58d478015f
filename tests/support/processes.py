"""Processes that write to a store, some of which are killed. New processes can import them from here only."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Mapping
from contextlib import closing
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar

from palate.domain.profile import EventKind
from palate.store import open_store
from palate.store.models import SqlModels
from palate.store.sql import ConnectionPool, SqlStore
from palate.store.sqlite import SqliteConnection, SqliteDatabase

from support.factories import record
from support.models import publish

__all__ = [
    "dies_publishing",
    "in_processes",
    "open_and_read",
    "publish_forever",
    "publish_some",
    "record_forever",
    "record_some",
    "until_killed",
]

Result = TypeVar("Result")

Forever = Callable[[str, str, Connection], None]

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload([__name__, "palate.domain.apply", "palate.store.postgres", "palate.store.sqlite"])


def in_processes(work: Callable[[str, str], Result], url: str, *names: str) -> list[Result]:
    """Let a process for each name do some work on a store at the same time, and return what it returned."""
    with _processes.Pool(len(names)) as pool:
        return pool.starmap(work, [(url, name) for name in names], chunksize=1)


def record_some(url: str, name: str) -> bytes:
    """Record 25 likes of ana's and return a secret of the store."""
    with closing(open_store(url)) as store:
        for number in range(25):
            with store.transaction() as transaction:
                record(transaction, "ana", EventKind.LIKE, f"track {name}-{number}", "metal")
        return store.secret("shared")


def publish_some(url: str, name: str) -> None:
    """Publish 20 models of ana's metal."""
    with closing(open_store(url)) as store:
        for number in range(20):
            publish(store, f"{number:02} {name}")


def open_and_read(url: str, name: str) -> tuple[int, list[str]]:
    """Open a store and return how many events of a listener it has, and the versions that serve them."""
    with closing(open_store(url)) as store:
        serving = [serving.version for serving in store.models.serving_versions(name).values()]
        return len(store.events(name)), sorted(serving)


def until_killed(work: Forever, url: str, name: str, acknowledgements: int) -> list[str]:
    """Let a process work on a store, kill it after some acknowledgements, and return all that it gave."""
    reader, writer = _processes.Pipe(duplex=False)
    process = _processes.Process(target=work, args=(url, name, writer))
    process.start()
    writer.close()
    received = [reader.recv() for _ in range(acknowledgements)]
    process.kill()
    process.join()
    while True:
        try:
            received.append(reader.recv())
        except EOFError:
            reader.close()
            return received


def record_forever(url: str, name: str, acknowledgements: Connection) -> None:
    """Record likes and dislikes and acknowledge each by its track, which is never the same."""
    store = open_store(url)
    for number in count():
        with store.transaction() as transaction:
            track_id = f"{name} {number}"
            record(transaction, "ana", EventKind(1 + number % 2), track_id, f"taste {number % 3}")
        acknowledgements.send(track_id)


def publish_forever(url: str, name: str, acknowledgements: Connection) -> None:
    """Publish models of ana's metal and acknowledge each by its version."""
    store = open_store(url)
    for number in count():
        publish(store, version := f"{name} {number:05}")
        acknowledgements.send(version)


class _DyingConnection(SqliteConnection):
    """A connection that kills its process instead of executing one statement too many."""

    def __init__(self, database: SqliteDatabase, statements: int) -> None:
        super().__init__(database)
        self._left = statements

    def execute(self, sql: str, parameters: Mapping[str, object] = {}) -> list[tuple[Any, ...]]:
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self._left -= 1
        return super().execute(sql, parameters)


class _DyingDatabase(SqliteDatabase):
    def __init__(self, path: Path, statements: int) -> None:
        super().__init__(path)
        self._statements = statements

    def connect(self) -> SqliteConnection:
        return _DyingConnection(self, self._statements)


def dies_publishing(path: Path, version: str, statements: int) -> bool:
    """Let a process publish a model and kill it after so many statements, BEGIN and COMMIT counted.

    Returns:
        Whether it was killed; not when publishing takes no more statements than that.
    """
    process = _processes.Process(target=_publish, args=(path, version, statements))
    process.start()
    process.join()
    if process.exitcode not in (0, -signal.SIGKILL):
        raise RuntimeError(f"the process ended with {process.exitcode}")
    return process.exitcode != 0


def _publish(path: Path, version: str, statements: int) -> None:
    pool = ConnectionPool(_DyingDatabase(path, statements))
    publish(SqlStore(pool, SqlModels(pool)), version)
