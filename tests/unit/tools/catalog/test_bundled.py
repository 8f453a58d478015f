"""The bundled catalog is there whenever it is needed."""

from pathlib import Path

import pytest
from palate.catalog.genres import GenreClusters
from palate.catalog.snapshot import Catalog
from palate.errors import CatalogError
from palate_tools.catalog.build import SAMPLE, import_tracks
from palate_tools.catalog.bundled import bundled_catalog


def test_bundled_catalog_is_built_once(tmp_path: Path) -> None:
    """The second call finds the file of the first."""
    first = bundled_catalog(tmp_path / "data")
    written = first.stat().st_mtime_ns

    assert first == bundled_catalog(tmp_path / "data")
    assert written == first.stat().st_mtime_ns


def test_bundled_catalog_has_the_sample(catalog: Catalog) -> None:
    """Of 2,850 rows three have no tempo and 72 are further rows of a track; all have a genre that is placed."""
    imported = import_tracks([SAMPLE])

    assert (2850, 3, 72) == (imported.rows_read, imported.refused, imported.merged)
    assert imported.placement is not None
    assert (2775, 0) == (imported.placement.by_genre, imported.placement.by_features)
    assert (2775, 114) == (len(catalog), len(catalog.genres))
    assert tuple(catalog.clusters) == GenreClusters.load().clusters


def test_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    """A file in the way of the data folder is named."""
    (tmp_path / "data").write_bytes(b"")

    with pytest.raises(CatalogError, match="cannot make the data folder"):
        bundled_catalog(tmp_path / "data")
