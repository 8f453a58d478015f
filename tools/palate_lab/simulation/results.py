"""Results on the disk: a manifest that says what was run, and a Parquet file for each batch of listeners."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
from palate.errors import ConfigError

__all__ = ["ResultFolder"]

_MANIFEST: Final = "manifest.json"


class ResultFolder:
    """A folder with the results of one run.

    Args:
        path: The folder; `claim` makes it where it is not there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def claim(self, manifest: Mapping[str, Any]) -> None:
        """Make the folder that of a run, or find it to be.

        Raises:
            ConfigError: When it holds another run or anything else, or cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            held = list(self.path.iterdir())
            if not held:
                self._replace(_MANIFEST, json.dumps(manifest, indent=2, sort_keys=True).encode())
        except OSError as error:
            raise ConfigError(f"{self.path}: cannot be written ({error.strerror}); name another folder") from error
        if held:
            self._require_same(manifest)

    def manifest(self) -> dict[str, Any]:
        """Return what was run.

        Raises:
            ConfigError: When there is no manifest, or it cannot be read.
        """
        path = self.path / _MANIFEST
        try:
            manifest = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise ConfigError(f"{self.path} holds no results of palate: there is no {_MANIFEST} in it") from error
        except (OSError, ValueError) as error:
            raise ConfigError(f"{path}: cannot be read: {error}") from error
        if not isinstance(manifest, dict):
            raise ConfigError(f"{path}: is no manifest of palate; name another folder")
        return manifest

    @property
    def begun(self) -> bool:
        """Whether a batch was written."""
        return any(self.path.glob(_name("*")))

    def has(self, first: int) -> bool:
        """Return whether the batch that begins with a listener was written."""
        return (self.path / _name(first)).exists()

    def write(self, first: int, table: pa.Table) -> None:
        """Write the batch that begins with a listener; see `store`."""
        self.store(_name(first), table)

    def store(self, name: str, table: pa.Table) -> None:
        """Write a table as a Parquet file, whole or not at all.

        Raises:
            ConfigError: When it cannot be written.
        """
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="zstd")
        try:
            self._replace(name, sink.getvalue())
        except OSError as error:
            raise ConfigError(f"{self.path}: cannot be written ({error.strerror})") from error

    def read(self) -> pa.Table:
        """Return all rows that were written, by listener, turn and position.

        Raises:
            ConfigError: When there are none, or they cannot be read.
        """
        parts = sorted(self.path.glob(_name("*")))
        if not parts:
            raise ConfigError(f"{self.path} holds no results yet")
        try:
            return pa.concat_tables([pq.read_table(part) for part in parts]).unify_dictionaries()
        except (OSError, pa.ArrowException) as error:
            raise ConfigError(f"{self.path}: cannot be read: {error}") from error

    def _require_same(self, manifest: Mapping[str, Any]) -> None:
        held = self.manifest()
        different = [key for key in sorted({*held, *manifest}) if held.get(key) != manifest.get(key)]
        if different:
            raise ConfigError(
                f"{self.path} holds another run, of other {' and '.join(different)}; name another folder, or run "
                "with what its manifest says"
            )

    def _replace(self, name: str, content: bytes | pa.Buffer) -> None:
        scratch = self.path / f"{name}.part"
        with scratch.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(self.path / name)


def _name(first: int | str) -> str:
    return f"listeners-{first:06}.parquet" if isinstance(first, int) else f"listeners-{first}.parquet"
