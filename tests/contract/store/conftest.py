"""A store of each kind."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from palate.store import open_store
from palate.store.contract import Store


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of an empty database, for whose locks calls wait a second."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'palate.db'}?timeout=1"
    postgres: Any = request.getfixturevalue("postgres")
    return str(postgres.new_url(timeout="1"))


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """Open the store."""
    with closing(open_store(store_url)) as opened:
        yield opened
