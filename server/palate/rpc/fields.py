"""What the fields of a request must look like; InvalidField names the path and what would be right."""

from typing import Final

from palate.errors import InvalidField

__all__ = ["MAX_IDENTIFIER_BYTES", "identifier", "optional_identifier", "page_size", "repeated", "text"]

MAX_IDENTIFIER_BYTES: Final = 128


def identifier(path: str, value: str) -> str:
    """Return a required identifier: 1 to 128 bytes of UTF-8 without NUL."""
    return text(path, value, MAX_IDENTIFIER_BYTES)


def optional_identifier(path: str, value: str) -> str:
    """Return an identifier or an empty string."""
    return text(path, value, MAX_IDENTIFIER_BYTES) if value else ""


def text(path: str, value: str, max_bytes: int) -> str:
    """Return a required text of 1 to `max_bytes` bytes without NUL."""
    if not value:
        raise InvalidField(path, f"is required: 1 to {max_bytes} bytes")
    size = len(value.encode())
    if size > max_bytes:
        raise InvalidField(path, f"has {size} bytes; at most {max_bytes} are allowed")
    if "\0" in value:
        raise InvalidField(path, "contains a NUL character; leave it out")
    return value


def page_size(value: int, default: int = 10, largest: int = 100) -> int:
    """Return the number of items on a page; 0 means the default."""
    if not 0 <= value <= largest:
        raise InvalidField("page_size", f"is {value}; 1 to {largest} are allowed, and 0 means {default}")
    return value or default


def repeated(path: str, count: int, largest: int, smallest: int = 0) -> None:
    """Check the length of a repeated field."""
    if not smallest <= count <= largest:
        raise InvalidField(path, f"has {count} entries; {smallest} to {largest} are allowed")
