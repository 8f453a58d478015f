"""What features count for."""

import numpy as np
import pytest
from palate.catalog.snapshot import Catalog
from palate.domain.track import FEATURES
from palate_strategies.learners.neural import GENRE_SHARES, SCALES
from sklearn.feature_selection import f_classif


def test_shares_are_those_of_the_bundled_catalog(catalog: Catalog) -> None:
    """They are omega squared, from the F ratio between the tracks' first genres."""
    genres = [catalog.genre_names(row)[0] for row in range(len(catalog))]
    ratios, _ = f_classif(catalog.normalized.astype(np.float64), genres)
    between = (len(set(genres)) - 1) * (ratios - 1)
    assert pytest.approx(between / (between + len(catalog)), abs=0.005) == GENRE_SHARES


def test_what_genres_differ_in_counts_more() -> None:
    """Of all features acousticness counts most and tempo least, and distances keep their size."""
    assert ("acousticness", "tempo") == (FEATURES[SCALES.argmax()], FEATURES[SCALES.argmin()])
    assert pytest.approx(1) == np.square(SCALES).mean()
