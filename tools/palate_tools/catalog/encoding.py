"""How the text of a CSV file is encoded."""

import codecs
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from palate.errors import CatalogError

__all__ = ["Encoding", "detect_encoding"]

_BLOCK: Final = 1 << 22
_REPLACEMENT: Final = "�"
_UNUSED_IN_CP1252: Final = frozenset(b"\x81\x8d\x8f\x90\x9d")
_C1_CONTROLS: Final = frozenset(range(0x80, 0xA0))
_ASCII: Final = range(0x80)


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a file's text is encoded.

    Attributes:
        name: Python's name of the codec.
        how: How it is known, such as ``"detected"``.
        damaged: Whether some bytes do not decode; they become U+FFFD.
    """

    name: str
    how: str
    damaged: bool = False

    @property
    def is_utf8(self) -> bool:
        """Whether the bytes can be read as they are."""
        return not self.damaged and codecs.lookup(self.name).name == "utf-8"


def detect_encoding(path: Path, explicit: str | None = None) -> Encoding:
    """Find a file's encoding by reading all of it.

    A byte order mark decides. Text that decodes as UTF-8 is UTF-8, and so is text where ten times as many
    characters beyond ASCII decode as do not: a few bytes are damaged then, or the last line is cut off within
    a character. Everything else is cp1252 when it has bytes that mean something there and control characters
    in latin-1, and latin-1 when not.

    Raises:
        CatalogError: The explicit encoding is unknown or does not fit the file.
    """
    if explicit is not None:
        return _checked(path, explicit)
    marked = _byte_order_mark(path)
    if marked:
        return Encoding(marked, "from its byte order mark")
    census = _census(path)
    if census.decoded >= 10 * census.damaged:
        return Encoding("utf-8", "detected", damaged=census.damaged > 0 or census.cut_off)
    high_bytes = census.high_bytes
    if high_bytes & _C1_CONTROLS and not high_bytes & _UNUSED_IN_CP1252:
        return Encoding("cp1252", "detected")
    return Encoding("latin-1", "detected")


def _byte_order_mark(path: Path) -> str | None:
    with path.open("rb") as file:
        start = file.read(4)
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    return "utf-8-sig" if start.startswith(codecs.BOM_UTF8) else None


@dataclass(slots=True)
class _Census:
    """Characters beyond ASCII that decode as UTF-8, how many do not, and the bytes beyond ASCII."""

    decoded: int = 0
    damaged: int = 0
    cut_off: bool = False
    high_bytes: set[int] = field(default_factory=set)

    def count(self, block: bytes, text: str) -> None:
        wrong = text.count(_REPLACEMENT) - block.count(_REPLACEMENT.encode())
        self.damaged += wrong
        self.decoded += len(text) - len(text.encode("ascii", "ignore")) - wrong
        self.high_bytes.update(byte for byte in set(block) if byte not in _ASCII)


def _census(path: Path) -> _Census:
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    census = _Census()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            census.count(block, decoder.decode(block))
    census.cut_off = bool(decoder.decode(b"", final=True))
    return census


def _checked(path: Path, name: str) -> Encoding:
    try:
        "a".encode(name)  # refuses codecs such as base64 that make no text
        decoder = codecs.getincrementaldecoder(name)()
    except LookupError as exc:
        raise CatalogError(f"--encoding {name} is unknown; name one such as utf-8, cp1252 or latin-1") from exc
    with path.open("rb") as file:
        position = 0
        try:
            while block := file.read(_BLOCK):
                decoder.decode(block)
                position += len(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError as exc:
            raise CatalogError(
                f"{path} is not {name}: {exc.reason} near byte {position + exc.start}; "
                "leave --encoding out to have it detected"
            ) from exc
    return Encoding(name, "as told")
