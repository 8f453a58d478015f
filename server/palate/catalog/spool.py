"""Columns on their way into a file: appended to temporary files and mapped, so that memory stays bounded."""

import hashlib
import io
import mmap
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from palate.catalog.layout import ArrayPlace

__all__ = ["ArrayPacker", "ReleasingSink", "Spool", "Workspace"]


class Spool:
    """One buffer of a column, written piece by piece. A `Workspace` makes it.

    Args:
        file: The temporary file, unbuffered, so that closing it never fails.

    Attributes:
        size: Bytes written so far.
    """

    def __init__(self, file: io.FileIO) -> None:
        self._file = file
        self._hash = hashlib.blake2b(digest_size=16)
        self._mapping: mmap.mmap | None = None
        self.size = 0

    def append(self, values: NDArray[Any]) -> None:
        """Write an array's bytes in row-major order."""
        data = np.ascontiguousarray(values).reshape(-1).view(np.uint8).data
        self._hash.update(data)
        self.size += len(data)
        while data:
            data = data[self._file.write(data) :]

    def digest(self) -> bytes:
        """Return a hash of everything written."""
        return self._hash.digest()

    def map(self) -> pa.Buffer:
        """Return everything written, read-only and mapped into memory. Nothing can be appended afterwards."""
        if self.size == 0:
            return pa.py_buffer(b"")
        self._mapping = self._mapping or mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        return pa.py_buffer(self._mapping)

    def release(self) -> None:
        """Let the operating system take back the memory of pages that were read; they stay readable."""
        if self._mapping is not None and hasattr(mmap, "MADV_DONTNEED"):
            self._mapping.madvise(mmap.MADV_DONTNEED)


class Workspace:
    """A temporary folder of spools that vanishes on `close`.

    Args:
        parent: The folder to make it in.
        prefix: What its name begins with.

    Attributes:
        folder: The folder.
    """

    def __init__(self, parent: Path, prefix: str) -> None:
        self._stack = ExitStack()
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(dir=parent, prefix=prefix)))
        self._spools: dict[str, Spool] = {}

    def spool(self, name: str) -> Spool:
        """Return the spool of a name, and make it when there is none."""
        if name not in self._spools:
            file = (self.folder / name).open("w+b", buffering=0)
            self._spools[name] = Spool(self._stack.enter_context(file))
        return self._spools[name]

    def release(self) -> None:
        """Let the operating system take back the memory of everything that was read."""
        for spool in self._spools.values():
            spool.release()

    def close(self) -> None:
        """Close all files and delete the folder; what is mapped stays readable."""
        self._stack.close()


class ArrayPacker:
    """Lays arrays of any dtype and shape one after another, each from a multiple of eight bytes.

    Args:
        spool: Where to.

    Attributes:
        places: Where each array stands, by name.
    """

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self.places: dict[str, ArrayPlace] = {}

    def put(self, name: str, values: NDArray[Any]) -> None:
        """Write a whole array."""
        self.begin(name)
        self._spool.append(values)
        self.end(name, values.dtype, values.shape)

    def begin(self, name: str) -> None:
        """Begin an array that is then appended to the spool in parts."""
        self._spool.append(np.zeros(-self._spool.size % 8, dtype=np.uint8))
        self.places[name] = ArrayPlace(self._spool.size, "", ())

    def end(self, name: str, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
        """Say what the array that was begun turned out to be."""
        self.places[name] = ArrayPlace(self.places[name].offset, dtype.str, shape)


class ReleasingSink(io.RawIOBase):
    """Writes to a file and after each write lets go of the pages that were read for it.

    Args:
        file: Where to.
        workspace: What is being written.
    """

    def __init__(self, file: io.BufferedWriter, workspace: Workspace) -> None:
        super().__init__()
        self._target = file
        self._workspace = workspace

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, data: Any) -> int:
        """Write bytes."""
        written = self._target.write(data)
        self._workspace.release()
        return written
