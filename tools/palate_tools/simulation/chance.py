"""Arithmetic that gives the same bits on every machine.

Draws are hashes of a seed and names, so that none depends on what was drawn before it. Functions are made of
``+ - * /``, `numpy.sqrt` and comparisons alone, which IEEE 754 rounds correctly everywhere; `exp` and `log` come from
the machine's mathematical library and differ in their last bits.
"""

from collections.abc import Iterable
from hashlib import blake2b
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["Draws", "sigmoid", "utility_of"]

_BYTES: Final = 8
_UNIT: Final = 2.0**-53
_SPARE_BITS: Final = 11


class Draws:
    """Independent uniform draws, each named, all from one seed.

    Args:
        seed: Any whole number.
        names: What the draws are for; draws for different purposes are independent.
    """

    def __init__(self, seed: int, *names: object) -> None:
        self._hash = blake2b("\0".join(map(str, (seed, *names))).encode(), digest_size=_BYTES)

    def uniform(self, *names: object) -> float:
        """Return the draw of this name, a multiple of 2**-53 in [0, 1)."""
        return self._bits("\0".join(map(str, names))) * _UNIT

    def between(self, low: float, high: float, *names: object) -> float:
        """Return the draw of this name, spread evenly over [low, high)."""
        return low + (high - low) * self.uniform(*names)

    def choice(self, count: int, *names: object) -> int:
        """Return the draw of this name as one of ``range(count)``."""
        return int(self.uniform(*names) * count)

    def uniforms(self, names: Iterable[str]) -> NDArray[np.float64]:
        """Return the draws of many names, float64 ``(n,)``; each is what `uniform` returns for it."""
        return np.array([self._bits(name) for name in names], dtype=np.float64) * _UNIT

    def seed(self, *names: object) -> int:
        """Return the draw of this name as a seed, a whole number below 2**53."""
        return self._bits("\0".join(map(str, names)))

    def _bits(self, name: str) -> int:
        state = self._hash.copy()
        state.update(b"\0" + name.encode())
        return int.from_bytes(state.digest()) >> _SPARE_BITS


def sigmoid(utility: Any) -> Any:
    """Map a utility, or an array of them, to a chance in (0, 1): ``(1 + u / sqrt(1 + u²)) / 2``.

    Not the logistic function, which a model could fit exactly and a machine computes inexactly. Its tails are
    heavier: there are surprises on both sides.
    """
    return 0.5 + 0.5 * utility / np.sqrt(1.0 + utility * utility)


def utility_of(chance: float) -> float:
    """Return what `sigmoid` maps to a chance in (0, 1)."""
    centred = 2.0 * chance - 1.0
    return float(centred / np.sqrt(1.0 - centred * centred))
