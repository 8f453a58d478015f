"""The second half of every message about an unknown name."""

import difflib
from collections.abc import Iterable

__all__ = ["nearest", "suggestion"]


def nearest(name: str, valid: Iterable[str]) -> str:
    """Return the valid name that is most like another; empty where none is near."""
    return next(iter(difflib.get_close_matches(name, sorted(valid), n=1, cutoff=0.6)), "")


def suggestion(name: str, valid: Iterable[str], *, before: str = "") -> str:
    """Return ``"; did you mean NEAREST?"``, or all that is valid where nothing is near.

    Args:
        name: The name that is not known.
        valid: Those that are.
        before: What stands before every name and makes none more like another.
    """
    valid = sorted(valid)
    near = nearest(name, valid)
    if near:
        return f"; did you mean {before}{near}?"
    return f"; valid are {', '.join(f'{before}{other}' for other in valid) or 'none'}"
