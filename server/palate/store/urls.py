"""What the URLs of all databases say alike."""

import math
from typing import Final

from palate.errors import ConfigError

__all__ = ["timeout_seconds"]

_LONGEST_TIMEOUT: Final = 3600


def timeout_seconds(text: str) -> float:
    """Read a timeout. ConfigError when it is no number from 0 to an hour."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds <= _LONGEST_TIMEOUT:
        raise ConfigError(f"the timeout {text!r} in the database URL is no number of seconds from 0 to 3600")
    return seconds
