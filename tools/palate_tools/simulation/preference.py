"""What counts inside one taste: some audio features, each in its own way, and two of them together.

It is on purpose nothing that palate's strategies or learners assume. Features have an ideal point with a width of its
own on either side, within which nothing is lost and beyond which ever less is lost; two of them count together with
a sign; the rest are irrelevant. None of this is a cosine, a linear function or a tree.
"""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray
from palate.domain.track import FEATURE_RANGES, FEATURES

from palate_tools.simulation.chance import Draws, sigmoid
from palate_tools.simulation.kinds import Kind

__all__ = ["FeaturePreference", "Interaction", "Preference"]

_INDIFFERENT: Final = 0.25
"""Share of a width within which every value is as good as the ideal."""

_EXTREMES: Final = (0.1, 0.9)
"""Quantiles of a cluster that say how much a feature varies there."""

_IDEALS: Final = (0.2, 0.8)
"""Where an ideal lies between the extremes: not at an edge, where more would always be better."""

_WIDTHS: Final = (0.15, 0.7)
"""Narrowest and widest side of an ideal, as shares of the distance between the extremes."""

_LEAST_VARIATION: Final = 0.01
"""Share of a feature's whole range that it is taken to vary by at least."""


@dataclass(frozen=True, slots=True)
class FeaturePreference:
    """What one audio feature counts for.

    Attributes:
        feature: Its position in `palate.domain.track.FEATURES`.
        ideal: The best value, in the units of the source.
        below: Width on the side of lower values, in the same units.
        above: Width on the side of higher values.
        importance: What it counts for beside the others.
    """

    feature: int
    ideal: float
    below: float
    above: float
    importance: float

    def fit(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how well values fit, float64 ``(n,)`` in (0, importance]."""
        value = features[:, self.feature]
        distance = np.where(value < self.ideal, (self.ideal - value) / self.below, (value - self.ideal) / self.above)
        lost = np.maximum(distance - _INDIFFERENT, 0.0)
        return np.asarray(self.importance / (1.0 + lost * lost), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Interaction:
    """Two features that count together: both high or both low, or one high and one low.

    Attributes:
        features: Their positions.
        middles: The value of each that is neither high nor low.
        scales: How much of each makes a difference.
        strength: What it counts for; negative where one should be high and the other low.
    """

    features: tuple[int, int]
    middles: tuple[float, float]
    scales: tuple[float, float]
    strength: float

    def fit(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how well values fit, float64 ``(n,)`` between plus and minus the strength."""
        first, second = (
            2.0 * sigmoid((features[:, feature] - middle) / scale) - 1.0
            for feature, middle, scale in zip(self.features, self.middles, self.scales, strict=True)
        )
        return np.asarray(self.strength * first * second, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Preference:
    """A preference over the sound of the tracks of one genre cluster.

    Attributes:
        features: What single features count for.
        interaction: What two of them count for together.
        threshold: The fit of a track that is as likely liked as not.
        spread: By how much fits differ within the cluster.
    """

    features: tuple[FeaturePreference, ...]
    interaction: Interaction
    threshold: float
    spread: float

    @classmethod
    def draw(cls, kind: Kind, share: float, known: NDArray[np.float32], draws: Draws) -> Self:
        """Draw a preference that likes some of a cluster's tracks.

        Args:
            kind: The kind of listener.
            share: Share of the tracks that are more likely liked than not.
            known: float32 ``(n, 9)``, the tracks by which the cluster is known.
            draws: Where chance comes from.
        """
        ordered = np.sort(known.astype(np.float64), axis=0)
        low, high = (ordered[int(quantile * (len(ordered) - 1))] for quantile in _EXTREMES)
        ranges = np.array([top - bottom for bottom, top in FEATURE_RANGES.values()])
        variation = np.maximum(high - low, _LEAST_VARIATION * ranges)
        chosen = sorted(range(len(FEATURES)), key=lambda feature: draws.uniform("matters", feature))[: kind.features]
        features = tuple(_feature(feature, float(low[feature]), float(variation[feature]), draws) for feature in chosen)
        pair = (chosen[0], chosen[-1])
        interaction = Interaction(
            pair,
            (_middle(ordered, pair[0]), _middle(ordered, pair[1])),
            (float(variation[pair[0]]) / 2.0, float(variation[pair[1]]) / 2.0),
            kind.interaction * (1.0 if draws.uniform("together") < 0.5 else -1.0),  # noqa: PLR2004 - a coin
        )
        fits = np.sort(_fit(features, interaction, known))
        threshold = float(fits[int((1.0 - share) * (len(fits) - 1))])
        spread = float(fits[int(0.75 * (len(fits) - 1))] - fits[int(0.25 * (len(fits) - 1))])
        return cls(features, interaction, threshold, max(spread, 0.05))

    def utility(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return how far tracks ``(n, 9)`` are above the threshold, in spreads of the cluster; float64 ``(n,)``."""
        return (_fit(self.features, self.interaction, features) - self.threshold) / self.spread


def _feature(feature: int, low: float, variation: float, draws: Draws) -> FeaturePreference:
    return FeaturePreference(
        feature,
        low + variation * draws.between(*_IDEALS, "ideal", feature),
        variation * draws.between(*_WIDTHS, "below", feature),
        variation * draws.between(*_WIDTHS, "above", feature),
        draws.between(0.5, 1.0, "importance", feature),
    )


def _middle(ordered: NDArray[np.float64], feature: int) -> float:
    return float(ordered[len(ordered) // 2, feature])


def _fit(
    features: tuple[FeaturePreference, ...], interaction: Interaction, tracks: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Add up in a fixed order; a sum over an axis may be in another on another machine."""
    values = tracks.astype(np.float64)
    total = interaction.fit(values)
    for preference in features:
        total = total + preference.fit(values)
    return total
