"""What the tests of the strategies share."""

from collections.abc import Iterator

import pytest
from palate.catalog.snapshot import Catalog
from palate.testing.catalog import small_catalog


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalog]:
    """Return a catalog with 150 tracks in each cluster."""
    with small_catalog(tmp_path_factory.mktemp("tiny") / "catalog.arrow", tracks_per_cluster=150) as opened:
        yield opened
