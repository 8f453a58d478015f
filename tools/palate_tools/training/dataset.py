"""From a profile to what models are fitted to: the ratings that count for a taste, as labels in arrays."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray
from palate.catalog.snapshot import Catalog
from palate.domain import Profile, Rating, Tally, Taste, Verdict
from palate.domain.features import FIXED_POINT
from palate.plugins.learner import Dataset
from palate.plugins.strategy import Context, Rows

__all__ = ["Labels", "with_negatives"]

_FEW: Final = 0.5
"""Dislikes are few below this share of the likes."""


@dataclass(frozen=True, slots=True)
class Labels:
    """What a listener's models are trained and evaluated on, oldest rating first.

    Attributes:
        profile: The profile.
        ratings: The ratings that count for a taste, `n` of them.
        features: float32 ``(n, 9)``, normal scores.
        liked: bool ``(n,)``, True for a like.
        tastes: str ``(n,)``, the taste_id of each.
        rows: int32 ``(n,)``, the catalog's row of each; -1 where the catalog no longer has the track.
        revisions: int64 ``(n,)``, the profile's revision that each rating made.
    """

    profile: Profile
    ratings: tuple[Rating, ...]
    features: NDArray[np.float32]
    liked: NDArray[np.bool_]
    tastes: NDArray[np.str_]
    rows: Rows
    revisions: NDArray[np.int64]

    @classmethod
    def of(cls, profile: Profile, catalog: Catalog, limit: int) -> Self:
        """Collect a profile's labels, the latest `limit` of them."""
        ratings = [rating for rating in profile.ratings.values() if profile.counts(rating)][-limit:]
        raw = np.array([rating.track.features for rating in ratings], dtype=np.float32).reshape(len(ratings), -1)
        return cls(
            profile,
            tuple(ratings),
            catalog.feature_map.normalize(raw) if ratings else np.empty((0, 9), dtype=np.float32),
            np.array([rating.verdict is Verdict.LIKE for rating in ratings], dtype=np.bool_),
            np.array([rating.taste_id for rating in ratings], dtype=np.str_),
            catalog.rows([rating.track_id for rating in ratings]),
            np.array([rating.revision for rating in ratings], dtype=np.int64),
        )

    def __len__(self) -> int:
        """Return the number of labels."""
        return len(self.ratings)

    def counts(self, taste_id: str = "", *, known: bool = False) -> tuple[int, int]:
        """Return the numbers of likes and dislikes.

        Args:
            taste_id: Of this taste; of all tastes when empty.
            known: Only of tracks that the catalog has.
        """
        counted = (self.rows >= 0) if known else np.ones(len(self), dtype=np.bool_)
        if taste_id:
            counted &= self.tastes == taste_id
        likes = int(self.liked[counted].sum())
        return likes, int(counted.sum()) - likes

    def dataset(
        self,
        chosen: NDArray[np.intp],
        weights: NDArray[np.float64],
        background: NDArray[np.float32],
        common: NDArray[np.float64],
    ) -> Dataset:
        """Return the dataset that a model is fitted to.

        Args:
            chosen: Positions of the labels to train on.
            weights: float64 ``(n,)``, of all labels; those of weight 0 are left out.
            background: float32 ``(m, 9)``, normal scores of a sample of the catalog.
            common: float64 ``(k, 9)``, directions that other listeners share.
        """
        chosen = chosen[weights[chosen] > 0]
        features, liked, weight = self.features[chosen], self.liked[chosen], weights[chosen]
        own = weight == weight.max(initial=0.0)
        kinds = [own] if own.all() else [np.ones_like(own), own]
        found = [direction for kind in kinds if (direction := _direction(features[kind], liked[kind])) is not None]
        directions = np.concatenate([np.array(found).reshape(-1, features.shape[1]), common])
        return Dataset(features, liked, weight, directions, background)

    def profile_of(self, chosen: NDArray[np.intp]) -> Profile:
        """Return the profile as it would be had the listener rated only some of the labels."""
        tastes: dict[str, Taste] = {}
        for taste_id in np.unique(self.tastes[chosen]).tolist():
            own = chosen[self.tastes[chosen] == taste_id]
            liked, disliked = (self._tally(own[self.liked[own] == side]) for side in (True, False))
            taste = self.profile.tastes[taste_id]
            tastes[taste_id] = Taste(taste_id, taste.opened, taste.revision, liked, disliked)
        ratings = {self.ratings[n].track_id: self.ratings[n] for n in chosen.tolist()}
        return Profile(self.profile.user_id, self.profile.revision, tastes, ratings)

    def context(self, chosen: NDArray[np.intp], catalog: Catalog) -> Context:
        """Return what a strategy would be given beside that profile, without models."""
        known = chosen[self.rows[chosen] >= 0]
        liked, disliked = (self._rows_by_taste(known[self.liked[known] == side]) for side in (True, False))
        return Context(catalog, liked, disliked)

    def _tally(self, chosen: NDArray[np.intp]) -> Tally:
        steps = np.rint(self.features[chosen].astype(np.float64) * FIXED_POINT).astype(np.int64)
        genres = Counter(genre for n in chosen.tolist() for genre in self.ratings[n].track.genres)
        return Tally(len(chosen), tuple(steps.sum(axis=0).tolist()), dict(genres))

    def _rows_by_taste(self, chosen: NDArray[np.intp]) -> Mapping[str, Rows]:
        return {
            taste_id: self.rows[chosen[self.tastes[chosen] == taste_id]]
            for taste_id in np.unique(self.tastes[chosen]).tolist()
        }


def with_negatives(dataset: Dataset, weight: float, seed: int) -> Dataset:
    """Where dislikes are few, add tracks of the catalog as dislikes of a small weight, as many as there are likes.

    Where there are enough dislikes the dataset is returned unchanged: such tracks do not help there. Calibration uses
    real labels only, and so corrects the share of likes.

    Args:
        dataset: The labels.
        weight: The weight of each added track; 0 adds none.
        seed: For the draw.

    Source:
        Elkan and Noto, *Learning classifiers from only positive and unlabeled data*, KDD 2008.
    """
    likes = dataset.weights[dataset.labels].sum()
    count = min(int(dataset.labels.sum()), len(dataset.background))
    if weight == 0 or count == 0 or dataset.weights.sum() - likes >= _FEW * likes:
        return dataset
    drawn = np.random.default_rng(seed).choice(len(dataset.background), count, replace=False)
    return replace(
        dataset,
        features=np.concatenate([dataset.features, dataset.background[drawn]]),
        labels=np.concatenate([dataset.labels, np.zeros(count, dtype=np.bool_)]),
        weights=np.concatenate([dataset.weights, np.full(count, weight)]),
    )


def _direction(features: NDArray[np.float32], liked: NDArray[np.bool_]) -> NDArray[np.float64] | None:
    """Return liked mean less disliked mean, or None without both."""
    if liked.all() or not liked.any():
        return None
    difference: NDArray[np.float64] = features[liked].mean(axis=0, dtype=np.float64) - features[~liked].mean(
        axis=0, dtype=np.float64
    )
    return difference
