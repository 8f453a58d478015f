"""A trainer that is killed while it publishes."""

import multiprocessing
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from palate.store.models import SqlModels
from palate.store.sql import ConnectionPool, SqlStore
from palate.store.sqlite import SqliteConnection, SqliteDatabase

from support.models import publish

__all__ = ["dies_publishing"]

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload([__name__])


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
