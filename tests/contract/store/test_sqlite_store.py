"""The conformance suites over SQLite."""

from pathlib import Path

import pytest
from support.model_store_suite import ModelStoreSuite
from support.store_suite import StoreSuite


class SqliteUrl:
    """Where the database of a test is."""

    @pytest.fixture
    def store_url(self, tmp_path: Path) -> str:
        """Return a file that is not there yet."""
        return f"sqlite:///{tmp_path / 'palate.db'}?timeout=1"


class TestSqliteStore(SqliteUrl, StoreSuite):
    """SQLite keeps what a store promises."""


class TestSqliteModels(SqliteUrl, ModelStoreSuite):
    """SQLite keeps what a store promises about models."""
