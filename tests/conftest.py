"""What tests share: the bundled catalog and a real server on a free port."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest
from hypothesis import settings
from palate.catalog.snapshot import Catalog
from palate.config import LogConfig, load_config
from palate.logs import set_up_logs
from palate.testing.server import running_server
from palate_tools.catalog.bundled import bundled_catalog

Serve = Callable[..., str]

settings.register_profile("untimed", settings.default, deadline=None)  # a busy machine is no failure
settings.load_profile("untimed")


@pytest.fixture(scope="session", autouse=True)
def logs() -> None:
    """Keep the log as quiet as a server's."""
    set_up_logs(LogConfig(level="warning", format="json"))


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
