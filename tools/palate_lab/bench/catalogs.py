"""Catalogs to measure with, synthesised once and kept."""

import hashlib
import shutil
from collections.abc import Callable
from importlib.resources import files
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
    path = cache / f"synthetic-{_fingerprint()}-{tracks}.catalog"
    if not path.exists():
        unfinished = path.with_suffix(".unfinished")
        with Catalog.open(sample_path) as sample:
            synthesize(sample, tracks, _SEED, unfinished, progress)
        shutil.move(unfinished, path)
    return path


def _fingerprint() -> str:
    """Name the code and the data that catalogs are made by, so that a change of either makes new ones."""
    folders = (files("palate.catalog"), files("palate_tools.catalog"), files("palate_tools").joinpath("data"))
    sources = sorted((entry for folder in folders for entry in folder.iterdir() if entry.is_file()), key=str)
    return hashlib.blake2b(b"\0".join(entry.read_bytes() for entry in sources), digest_size=6).hexdigest()
