"""Catalogs to measure with, synthesised once and kept."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from palate.catalog.snapshot import Catalog

from palate_tools.catalog.bundled import bundled_catalog
from palate_tools.catalog.synthesize import synthesize

__all__ = ["synthetic_catalog"]

_SEED: Final = 1


def synthetic_catalog(cache: Path, tracks: int, progress: Callable[[int], None] | None = None) -> Path:
    """Return a catalog of so many tracks, making it when the cache does not have it.

    Args:
        cache: A folder; made when it is missing.
        tracks: How many tracks.
        progress: Called with numbers of further tracks while the catalog is made.

    Raises:
        CatalogError: The cache cannot be written.
    """
    sample_path = bundled_catalog(cache)
    path = cache / f"{sample_path.stem}-{tracks}.catalog"
    if not path.exists():
        unfinished = path.with_suffix(".unfinished")
        with Catalog.open(sample_path) as sample:
            synthesize(sample, tracks, _SEED, unfinished, progress)
        shutil.move(unfinished, path)
    return path
