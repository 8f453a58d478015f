"""What the suites for stores share."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from palate.store import open_store
from palate.store.contract import Store

__all__ = ["OpenedStore"]


class OpenedStore:
    """A store for each test. Subclasses say in the fixture `store_url` where it is."""

    @pytest.fixture
    def store_url(self) -> str:
        """Return the URL of a new, empty database. It should wait for locks no longer than a second."""
        raise NotImplementedError("override the fixture store_url")

    @pytest.fixture
    def store(self, store_url: str) -> Iterator[Store]:
        """Open the store."""
        with closing(open_store(store_url)) as opened:
            yield opened
