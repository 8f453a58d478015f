"""The second half of every message about an unknown name."""

import difflib
from collections.abc import Iterable

__all__ = ["suggestion"]


def suggestion(name: str, valid: Iterable[str]) -> str:
    """Return ``"; did you mean NEAREST?"``, or all that is valid where nothing is near."""
    valid = sorted(valid)
    nearest = difflib.get_close_matches(name, valid, n=1, cutoff=0.6)
    return f"; did you mean {nearest[0]}?" if nearest else f"; valid are {', '.join(valid) or 'none'}"
