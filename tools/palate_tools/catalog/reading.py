"""Opening files of tracks, whatever their format."""

from pathlib import Path

from palate.errors import CatalogError

from palate_tools.catalog.csv_rows import open_csv
from palate_tools.catalog.parquet_rows import open_parquet
from palate_tools.catalog.rows import Source

__all__ = ["open_source"]


def open_source(path: Path, encoding: str | None = None) -> Source:
    """Open a file of tracks, CSV or Parquet by what stands in it.

    Raises:
        CatalogError: The file cannot be opened, is of another kind, or its encoding is not as told.
    """
    try:
        with path.open("rb") as file:
            start = file.read(4)
        if start == b"PAR1":
            return open_parquet(path)
        _refuse_other_formats(path, start)
        return open_csv(path, encoding)
    except OSError as exc:
        raise CatalogError(f"cannot read {path}: {exc.strerror or exc}") from exc


def _refuse_other_formats(path: Path, start: bytes) -> None:
    if not start:
        raise CatalogError(f"{path} is empty; name a CSV or Parquet file with one track in each row")
    if start.startswith((b"PK\x03\x04", b"\x1f\x8b")):
        raise CatalogError(f"{path} is a spreadsheet or compressed; save it as CSV or Parquet")
    if start.startswith(b"ARRO"):
        raise CatalogError(f"{path} is an Arrow file, perhaps a catalog already; name a CSV or Parquet file")
