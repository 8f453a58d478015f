"""Cold start."""

from collections import Counter
from collections.abc import Sequence
from itertools import islice

import numpy as np
import pytest
from palate.catalog.snapshot import Catalog
from palate.plugins.strategy import Choice, ReasonKind
from palate.testing.catalog import Listener, make_listener
from palate.testing.strategy import pages, slate
from palate_strategies.cold_start import ColdStart
from palate_strategies.config import ColdStartConfig

COLD_START = ColdStart(ColdStartConfig())


def clusters_of(choices: Sequence[Choice], listener: Listener) -> list[str]:
    """Return the cluster of each choice."""
    catalog = listener.context.catalog
    return [catalog.clusters[catalog.cluster[choice.row]].cluster_id for choice in choices]


@pytest.fixture(scope="module")
def nobody(tiny: Catalog) -> Listener:
    """Return a listener of whom nothing is known."""
    return make_listener(tiny, {})


def test_a_slate_goes_round_all_clusters_before_it_returns_to_one(nobody: Listener) -> None:
    """Eight clusters have tracks: the first eight slots are theirs, and so are the next eight."""
    clusters = clusters_of(slate(COLD_START, nobody, 16), nobody)
    assert [8, 8] == [len(set(clusters[:8])), len(set(clusters[8:]))]


def test_a_page_begins_with_the_clusters_that_the_last_one_left_out(nobody: Listener) -> None:
    """Pages of four and four show all eight clusters."""
    first, second = pages(COLD_START, nobody, limit=4, count=2)
    assert 8 == len(set(clusters_of([*first, *second], nobody)))


def test_clusters_with_nothing_but_dislikes_come_last(tiny: Catalog) -> None:
    """As long as other clusters have tracks, one that is only disliked has none in the slate."""
    listener = make_listener(tiny, {"bebop": (0, 1), "salsa": (1, 9)})
    clusters = clusters_of(slate(COLD_START, listener, 100), listener)
    assert "bebop" not in clusters
    assert "salsa" in clusters


def test_a_cluster_that_is_only_disliked_is_better_than_nothing(tiny: Catalog) -> None:
    """When all other clusters are excluded, the disliked one fills the slate."""
    listener = make_listener(tiny, {"bebop": (0, 1)})
    others = np.flatnonzero(tiny.cluster != tiny.cluster_number("bebop")).astype(np.int32)
    excluded = np.union1d(others, listener.rated)
    assert {"bebop"} == set(clusters_of(slate(COLD_START, listener, 10, excluded=excluded), listener))


def test_occasional_music_comes_last(catalog: Catalog) -> None:
    """No nursery rhyme, Disney or Christmas song is among the first, and paging reaches them all the same."""
    nobody = make_listener(catalog, {})
    first = {choice.row for seed in range(30) for choice in slate(COLD_START, nobody, 100, seed=seed)}
    assert not catalog.occasional[sorted(first)].any()
    some = np.flatnonzero(catalog.occasional)[:5]
    excluded = np.setdiff1d(np.arange(len(catalog), dtype=np.int32), some)
    assert set(some.tolist()) == {choice.row for choice in slate(COLD_START, nobody, 10, excluded=excluded)}


def test_who_likes_music_for_children_gets_it(catalog: Catalog) -> None:
    """What somebody likes is no longer occasional."""
    parent = make_listener(catalog, {"children": (2, 0)})
    assert "children" in clusters_of(slate(COLD_START, parent, 100), parent)


def test_popular_clusters_come_first(catalog: Catalog) -> None:
    """The first of thirty slots, one for a cluster, have more popular tracks than the last ones."""
    nobody = make_listener(catalog, {})
    slates = [[catalog.popularity[choice.row] for choice in slate(COLD_START, nobody, 30, seed=n)] for n in range(50)]
    means = np.mean(slates, axis=0)
    assert means[:10].mean() > means[20:].mean() + 5


def test_popular_tracks_come_more_often(nobody: Listener) -> None:
    """Slates over many listeners are far more popular than the catalog, and show far more than its top."""
    choices = [choice for seed in range(100) for choice in slate(COLD_START, nobody, 8, seed=seed)]
    popularity = nobody.context.catalog.popularity
    assert np.mean([popularity[choice.row] for choice in choices]) > 2 * popularity.mean()
    assert len({choice.row for choice in choices}) > 250


def test_listeners_differ(nobody: Listener) -> None:
    """A hundred seeds make a hundred slates."""
    slates = {tuple(choice.row for choice in slate(COLD_START, nobody, 10, seed=seed)) for seed in range(100)}
    assert 100 == len(slates)


def test_paging_reaches_every_artist_of_the_catalog(nobody: Listener) -> None:
    """Pages go on past the popular lists until nothing is left."""
    catalog = nobody.context.catalog
    shown: set[int] = set()
    for page in islice(pages(COLD_START, nobody, limit=100, count=100), 100):
        if not page:
            break
        shown |= {choice.row for choice in page}
    excluded = [cluster.excluded for cluster in catalog.clusters]
    assert set(np.flatnonzero(~np.array(excluded)[catalog.cluster]).tolist()) == shown


def test_the_propensity_is_how_often_a_track_is_drawn(tiny: Catalog) -> None:
    """With one cluster left, the frequency of a first pick over many seeds is the propensity it is given."""
    left = tiny.popular(tiny.cluster_number("salsa") or 0)[::20]
    excluded = np.setdiff1d(np.arange(len(tiny), dtype=np.int32), left)
    listener = make_listener(tiny, {})
    picks = [slate(COLD_START, listener, 1, excluded=excluded, seed=seed)[0] for seed in range(2_000)]
    propensity = {pick.row: pick.propensity for pick in picks}
    counts = Counter(pick.row for pick in picks)
    assert pytest.approx(propensity, abs=0.04) == {row: count / len(picks) for row, count in counts.items()}
    assert len(propensity) > 2


def test_the_reason_is_popularity(nobody: Listener) -> None:
    """A choice says that it is popular, and its score is its popularity."""
    choice = slate(COLD_START, nobody, 1)[0]
    share = nobody.context.catalog.popularity[choice.row] / 100
    assert (ReasonKind.POPULAR, {"popularity": share}) == (choice.reason.kind, dict(choice.reason.parts))
    assert share == choice.score


def test_scores_are_popularity(nobody: Listener) -> None:
    """A caller's own tracks are put in the order of their popularity."""
    rows = np.arange(30, dtype=np.int32)
    scores = COLD_START.score(nobody.profile, rows, nobody.context)
    np.testing.assert_allclose(nobody.context.catalog.popularity[rows] / 100, scores.values, rtol=1e-6)


@pytest.mark.parametrize(("field", "value"), [("pool", 0), ("sharpness", -0.1), ("sharpness", float("nan"))])
def test_a_bad_option_is_refused_by_name(field: str, value: float) -> None:
    """The operator reads which option is wrong."""
    with pytest.raises(ValueError, match=field):
        ColdStartConfig(**{field: value})  # type: ignore[arg-type]  # the wrong value is the test
