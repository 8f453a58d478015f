"""Page tokens: opaque to clients, bound to the request that they continue, and safe against forgery."""

import base64
import binascii
import hashlib
import hmac
from typing import Final

from palate.errors import InvalidField

__all__ = ["PageTokens"]

_DIGEST_BYTES: Final = 16
_MAX_TOKEN_BYTES: Final = 65_536


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
