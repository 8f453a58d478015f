"""The options of the built-in strategies, as the operator's configuration names them."""

from dataclasses import dataclass
from math import inf

from palate.domain.track import FEATURES

__all__ = ["ColdStartConfig", "FallbackConfig", "ModelStrategyConfig", "RankingConfig", "ScoringConfig"]


@dataclass(frozen=True, kw_only=True)
class ColdStartConfig:
    """The options of cold start.

    Attributes:
        pool: From how many of a cluster's most popular tracks it draws, at least 1; less popular ones follow
            only when these are used up.
        sharpness: How steeply the chance of a track, and of a cluster to come early, rises with its popularity, at
            least 0: the chance is proportional to ``(popularity + 1) ** sharpness``.
    """

    pool: int = 100
    sharpness: float = 4.0

    def __post_init__(self) -> None:
        """Raise ValueError when a field holds what it must not."""
        _require(holds=self.pool >= 1, field="pool", description="must be at least 1")
        _require(holds=0 <= self.sharpness < inf, field="sharpness", description="must be at least 0 and finite")


@dataclass(frozen=True, kw_only=True)
class ScoringConfig:
    """What ranking and fallback share: the weights of the formula, and how many tracks it scores.

    Attributes:
        audio_weight: Weight of the likeness to the liked tracks, at least 0.
        genre_weight: Weight of the taste's genres and of its cluster, at least 0.
        artist_weight: Weight of the artists that are liked and disliked, at least 0.
        dislike_weight: Weight of the likeness to the disliked tracks, at least 0.
        feature_weights: Weight of each audio feature, in the order of `FEATURES`: nine
            numbers of at least 0, not all 0.
        candidates: How many of a taste's tracks are scored, at least 1; more only when these do not fill the slate.
    """

    audio_weight: float = 1.0
    genre_weight: float = 1.0
    artist_weight: float = 3.0
    dislike_weight: float = 1.0
    feature_weights: tuple[float, ...] = (1.0,) * len(FEATURES)
    candidates: int = 1000

    def __post_init__(self) -> None:
        """Raise ValueError when a field holds what it must not."""
        for field in ("audio_weight", "genre_weight", "artist_weight", "dislike_weight"):
            _require(holds=0 <= getattr(self, field) < inf, field=field, description="must be at least 0 and finite")
        weights = self.feature_weights
        _require(
            holds=len(weights) == len(FEATURES) and all(0 <= weight < inf for weight in weights) and any(weights),
            field="feature_weights",
            description=f"must be {len(FEATURES)} finite numbers of at least 0, not all 0: {', '.join(FEATURES)}",
        )
        _require(holds=self.candidates >= 1, field="candidates", description="must be at least 1")


@dataclass(frozen=True, kw_only=True)
class RankingConfig(ScoringConfig):
    """The options of ranking.

    Attributes:
        weak_share: Share of the slots that weak tastes get together while there are active ones, in [0, 1].
    """

    weak_share: float = 0.1

    def __post_init__(self) -> None:
        """Raise ValueError when a field holds what it must not."""
        super().__post_init__()
        _require(holds=0 <= self.weak_share <= 1, field="weak_share", description="must be in [0, 1]")


@dataclass(frozen=True, kw_only=True)
class FallbackConfig(ScoringConfig):
    """The options of fallback: those of the formula, and of exploration.

    Attributes:
        lesser_known: A track counts as lesser-known when its popularity is at or below this quantile of its
            cluster, in (0, 1].
        exploration: Share of the slots that are drawn by chance, in [0, 1]; unless it is 0, at least one slot
            from five slots on.
        exploration_pool: Of how many of the best tracks of a weak taste one is drawn, at least 1.
        novelty: Weight of all clusters without a taste together, where a weak taste weighs as much as its
            expected share of likes; at least 0.
    """

    lesser_known: float = 0.6
    exploration: float = 0.2
    exploration_pool: int = 50
    novelty: float = 1.0

    def __post_init__(self) -> None:
        """Raise ValueError when a field holds what it must not."""
        super().__post_init__()
        _require(holds=0 < self.lesser_known <= 1, field="lesser_known", description="must be in (0, 1]")
        _require(holds=0 <= self.exploration <= 1, field="exploration", description="must be in [0, 1]")
        _require(holds=self.exploration_pool >= 1, field="exploration_pool", description="must be at least 1")
        _require(holds=0 <= self.novelty < inf, field="novelty", description="must be at least 0 and finite")


@dataclass(frozen=True, kw_only=True)
class ModelStrategyConfig(FallbackConfig):
    """The options of logistic, neural and gbdt: what the tastes without a model and the explored slots need.

    Attributes:
        exploration: Share of the slots that explore, those drawn by chance and those of weak tastes together, where
            little is known, in [0, 1].
        exploration_span: Rated tracks from which on that share falls, in inverse proportion to them; at least 1.
        exploration_floor: What is left of it at least, as a share of it, in [0, 1].
    """

    exploration: float = 0.2
    exploration_span: int = 10
    exploration_floor: float = 0.15

    def __post_init__(self) -> None:
        """Raise ValueError when a field holds what it must not."""
        super().__post_init__()
        _require(holds=self.exploration_span >= 1, field="exploration_span", description="must be at least 1")
        _require(holds=0 <= self.exploration_floor <= 1, field="exploration_floor", description="must be in [0, 1]")


def _require(*, holds: bool, field: str, description: str) -> None:
    """Raise ValueError with the name of a configuration field that does not hold what it must."""
    if not holds:
        raise ValueError(f"{field} {description}")
