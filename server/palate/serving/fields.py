"""What the fields of a request must look like, page tokens included.

InvalidField names the path and what would be right.
"""

import base64
import binascii
import hashlib
import hmac
from typing import Final

from palate.errors import InvalidField

__all__ = [
    "MAX_IDENTIFIER_BYTES",
    "PageTokens",
    "identifier",
    "optional_identifier",
    "page_size",
    "repeated",
    "text",
]

MAX_IDENTIFIER_BYTES: Final = 128
_DIGEST_BYTES: Final = 16
_MAX_TOKEN_BYTES: Final = 65_536


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


class PageTokens:
    """Seals and opens page tokens.

    A token is its payload behind a keyed BLAKE2b digest of the binding and the payload. The binding holds
    whatever must be equal on both pages; it is not part of the token.

    Args:
        secret: The key, 32 bytes, the same for every worker.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def seal(self, binding: tuple[str, ...], payload: bytes) -> str:
        """Return a token that carries the payload."""
        return base64.urlsafe_b64encode(self._digest(binding, payload) + payload).decode()

    def open(self, binding: tuple[str, ...], token: str) -> bytes:
        """Return the payload of a token. InvalidField when it was not sealed for this binding."""
        try:
            sealed = base64.b64decode(token.encode(), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError) as error:
            raise _refusal() from error
        if not _DIGEST_BYTES <= len(sealed) <= _MAX_TOKEN_BYTES:
            raise _refusal()
        digest, payload = sealed[:_DIGEST_BYTES], sealed[_DIGEST_BYTES:]
        if not hmac.compare_digest(digest, self._digest(binding, payload)):
            raise _refusal()
        return payload

    def _digest(self, binding: tuple[str, ...], payload: bytes) -> bytes:
        keyed = hashlib.blake2b(key=self._secret, digest_size=_DIGEST_BYTES)
        for part in (*(text.encode() for text in binding), payload):
            keyed.update(len(part).to_bytes(4) + part)
        return keyed.digest()


def _refusal() -> InvalidField:
    return InvalidField(
        "page_token",
        "does not continue this request: the catalog or the request has changed since the page that gave it, or "
        "this server never gave it; start again at the first page, with an empty page_token",
    )
