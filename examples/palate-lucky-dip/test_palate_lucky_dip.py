"""Lucky dip passes the suite of all strategies, and draws fairly."""

import pytest
from palate.catalog.snapshot import Catalog
from palate.testing.catalog import make_listener
from palate.testing.strategy import StrategySuite, slate
from palate_lucky_dip import LuckyDip, LuckyDipConfig


class TestLuckyDip(StrategySuite):
    """What holds for every strategy, and what only this one promises."""

    strategy = LuckyDip

    def test_every_active_taste_is_drawn_from(self, catalog: Catalog) -> None:
        """Pools are of about equal size, so no taste has it all."""
        listener = make_listener(catalog, {"salsa": (20, 0), "j-pop": (2, 0), "bebop": (1, 0)})
        drawn = {choice.taste_id for choice in slate(LuckyDip(LuckyDipConfig()), listener, 100)}
        assert {"salsa", "j-pop"} == drawn

    def test_the_propensity_grows_as_the_pool_shrinks(self, catalog: Catalog) -> None:
        """Each draw is even among what the draws before it have left."""
        listener = make_listener(catalog, {"salsa": (20, 0)})
        propensities = [choice.propensity for choice in slate(LuckyDip(LuckyDipConfig(pool=30)), listener, 20)]
        assert sorted(propensities) == propensities
        assert 0 < propensities[0] < 1 / 20

    def test_an_empty_pool_is_refused(self) -> None:
        """The operator is told at the start."""
        with pytest.raises(ValueError, match="at least 1"):
            LuckyDipConfig(pool=0)
