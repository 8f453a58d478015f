"""No built-in strategy shows an artist again too soon, whoever the listener is and however long the page."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from palate.catalog.snapshot import Catalog
from palate.plugins.strategy import Strategy
from palate.testing.catalog import make_listener, small_catalog
from palate.testing.strategy import artists_of, most_of_an_artist, slate
from palate_strategies.cold_start import ColdStart
from palate_strategies.config import ColdStartConfig, FallbackConfig, ModelStrategyConfig, RankingConfig
from palate_strategies.fallback import Fallback
from palate_strategies.model_strategies import Gbdt, Logistic, Neural
from palate_strategies.ranking import Ranking
from support.linear import Linear

CLUSTERS = ["baroque", "bebop", "death-metal", "j-pop", "outlaw-country", "salsa"]
RATINGS = st.dictionaries(st.sampled_from(CLUSTERS), st.tuples(st.integers(0, 12), st.integers(0, 6)), min_size=1)
STRATEGIES: list[Strategy] = [
    ColdStart(ColdStartConfig()),
    Fallback(FallbackConfig(exploration=0.5)),
    Ranking(RankingConfig(artist_weight=20, weak_share=0.3)),
    Logistic(ModelStrategyConfig(exploration=0.6)),
    Neural(ModelStrategyConfig()),
    Gbdt(ModelStrategyConfig(artist_weight=20, exploration=1.0, exploration_floor=1.0)),
]


@pytest.fixture(scope="module")
def few_artists(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalog]:
    """Return a catalog in which a few artists have most of the tracks."""
    path = tmp_path_factory.mktemp("few") / "catalog.arrow"
    with small_catalog(path, tracks_per_cluster=150, artists=200) as opened:
        yield opened


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda strategy: type(strategy).__name__)
@settings(max_examples=15)
@given(ratings=RATINGS, artists_limit=st.sampled_from([1, 1, 2]), seed=st.integers(0, 99), modelled=st.integers(0, 3))
def test_ten_slots_in_a_row_have_as_many_of_an_artist_as_asked(
    few_artists: Catalog,
    strategy: Strategy,
    ratings: Mapping[str, tuple[int, int]],
    artists_limit: int,
    seed: int,
    modelled: int,
) -> None:
    """On pages of a hundred, over two pages in a row, with and without models."""
    listener = make_listener(few_artists, ratings, seed=seed)
    models = {taste_id: Linear(f"{taste_id} 1") for taste_id in [*sorted(ratings)[:modelled], ""]}
    listener = replace(listener, context=replace(listener.context, models=models))
    artists: list[int] = []
    excluded = listener.rated
    for page in range(2):
        choices = slate(
            strategy, listener, 100, seed=page, excluded=excluded, artists=artists, artists_limit=artists_limit
        )
        excluded = np.union1d(excluded, [choice.row for choice in choices]).astype(np.int32)
        artists += artists_of(listener, choices)
    assert most_of_an_artist(artists) <= artists_limit
