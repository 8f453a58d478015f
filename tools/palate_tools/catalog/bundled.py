"""The catalog that palate brings along."""

import hashlib
from importlib.resources import files
from pathlib import Path

from palate import __version__
from palate.catalog.layout import FORMAT
from palate.errors import CatalogError

from palate_tools.catalog.build import SAMPLE, import_tracks, write_import

__all__ = ["bundled_catalog", "bundled_path", "default_catalog"]

_SOURCE = "bundled sample of the Spotify Tracks Dataset (Kaggle, CC0)"


def bundled_catalog(folder: Path) -> Path:
    """Return the bundled catalog in a data folder, building it when it is not there or of another version.

    Args:
        folder: The data folder; made when it is missing.

    Raises:
        CatalogError: The folder cannot be made or written.
    """
    path = bundled_path(folder)
    if not path.exists():
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise CatalogError(f"cannot make the data folder {folder}: {exc.strerror}; name another") from exc
        write_import(import_tracks([SAMPLE]), path, source=_SOURCE)
    return path


def bundled_path(folder: Path) -> Path:
    """Return where the bundled catalog of this version is in a data folder, built or not."""
    return folder / f"bundled-{_fingerprint()}.catalog"


def default_catalog(data_dir: Path) -> Path:
    """Return the catalog that serves where none is named: ``catalog.arrow`` in the data folder, or the bundled one.

    Raises:
        CatalogError: The bundled catalog has to be built and cannot be.
    """
    own = data_dir / "catalog.arrow"
    return own if own.exists() else bundled_catalog(data_dir)


def _fingerprint() -> str:
    """Name everything that the file depends on: the tracks, the genre clusters, this version and its file format."""
    clusters = files("palate.catalog").joinpath("genre_clusters.toml").read_bytes()
    content = b"\0".join([SAMPLE.read_bytes(), clusters, __version__.encode(), str(FORMAT).encode()])
    return hashlib.blake2b(content, digest_size=6).hexdigest()
