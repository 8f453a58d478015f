"""How sure palate is of a taste, and how much its dislikes weigh.

A taste's confidence is a smoothed share: ``likes / (likes + DISLIKE_WEIGHT * dislikes + PRIOR_STRENGTH)``.
It is the posterior mean of a Beta-Bernoulli model whose prior has seen nothing but `PRIOR_STRENGTH` failures,
with dislikes counted in part. It rises with every like, falls with every dislike, and stays in [0, 1).

A profile's confidence is the chance that at least one taste is right, were they independent:
``1 - product(1 - confidence of each taste)``. It is monotone in the same evidence, and opening a new taste
never lowers it.

Source:
    Additive smoothing with a Beta prior: Gelman et al., *Bayesian Data Analysis*, section 2.4. The
    combination is the noisy-or of Pearl, *Probabilistic Reasoning in Intelligent Systems*, section 4.3.2.
"""

import math
from collections.abc import Iterable
from typing import Final

__all__ = ["DISLIKE_WEIGHT", "PRIOR_STRENGTH", "combined_confidence", "confidence", "dislike_pull"]

PRIOR_STRENGTH: Final = 4.0
"""RecordedTrack, in tracks, that it takes to outweigh the doubt about a new taste."""

DISLIKE_WEIGHT: Final = 0.5
"""What a dislike counts for against a like; also the most that the disliked mean moves a centroid."""

_LARGEST: Final = math.nextafter(1.0, 0.0)
"""The largest number below 1, where much evidence would round to 1."""


def confidence(likes: int, dislikes: int) -> float:
    """Return the confidence of a taste with so many standing likes and dislikes, in [0, 1)."""
    return min(likes / (likes + DISLIKE_WEIGHT * dislikes + PRIOR_STRENGTH), _LARGEST)


def combined_confidence(confidences: Iterable[float]) -> float:
    """Return the confidence of a profile from that of its tastes, in [0, 1)."""
    return min(1.0 - math.prod(1.0 - value for value in confidences), _LARGEST)


def dislike_pull(dislikes: int) -> float:
    """Return the weight of the disliked mean against the liked mean, in [0, DISLIKE_WEIGHT)."""
    return DISLIKE_WEIGHT * dislikes / (dislikes + PRIOR_STRENGTH)
