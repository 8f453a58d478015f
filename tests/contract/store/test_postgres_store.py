"""The conformance suites over PostgreSQL."""

from typing import Any

import pytest
from support.model_store_suite import ModelStoreSuite
from support.store_suite import StoreSuite


class PostgresUrl:
    """Where the database of a test is."""

    @pytest.fixture
    def store_url(self, postgres: Any) -> str:
        """Return a schema without tables."""
        url: str = postgres.new_url(timeout="1")
        return url


class TestPostgresStore(PostgresUrl, StoreSuite):
    """PostgreSQL keeps what a store promises."""


class TestPostgresModels(PostgresUrl, ModelStoreSuite):
    """PostgreSQL keeps what a store promises about models."""
