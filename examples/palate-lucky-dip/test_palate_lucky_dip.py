"""Lucky dip passes the suite of all strategies, and draws fairly."""

from collections.abc import Iterator, Sequence

import pytest
from palate.catalog.snapshot import Catalog
from palate.plugins import Choice, SlateRequest
from palate.testing.catalog import Listener, make_listener, small_catalog
from palate.testing.strategy import StrategySuite
from palate_lucky_dip import LuckyDip, LuckyDipConfig


class TestLuckyDip(StrategySuite):
    """What holds for every strategy."""

    strategy = LuckyDip


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalog]:
    """Return a small catalog."""
    with small_catalog(tmp_path_factory.mktemp("catalog") / "catalog.arrow") as opened:
        yield opened


def draw(listener: Listener, limit: int, pool: int) -> Sequence[Choice]:
    """Return a slate."""
    request = SlateRequest(limit, listener.rated, (), seed=1)
    return LuckyDip(LuckyDipConfig(pool=pool)).recommend(listener.profile, request, listener.context)


def test_every_active_taste_is_drawn_from_and_no_other(catalog: Catalog) -> None:
    """Pools are of about equal size, so no taste has it all."""
    listener = make_listener(catalog, {"salsa": (20, 0), "j-pop": (2, 0), "bebop": (1, 0)})
    assert {"salsa", "j-pop"} == {choice.taste_id for choice in draw(listener, limit=100, pool=200)}


def test_the_propensity_grows_as_the_pool_shrinks(catalog: Catalog) -> None:
    """Each draw is even among what the draws before it have left."""
    listener = make_listener(catalog, {"salsa": (20, 0)})
    propensities = [choice.propensity for choice in draw(listener, limit=20, pool=30)]
    assert 20 == len(propensities)
    assert sorted(propensities) == propensities
    assert 0 < propensities[0] < 1 / 20


def test_an_empty_pool_is_refused() -> None:
    """The operator is told at the start."""
    with pytest.raises(ValueError, match="at least 1"):
        LuckyDipConfig(pool=0)
