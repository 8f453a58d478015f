"""The conformance suite over SQLite."""

from pathlib import Path

import pytest
from palate.testing.store import StoreSuite


class TestSqliteStore(StoreSuite):
    """SQLite keeps what a store promises."""

    @pytest.fixture
    def store_url(self, tmp_path: Path) -> str:
        """Return a file that is not there yet."""
        return f"sqlite:///{tmp_path / 'palate.db'}?timeout=1"
