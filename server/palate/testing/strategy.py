"""The suite that every strategy must pass. It needs pytest.

A strategy's test begins as::

    class TestMine(StrategySuite):
        strategy = Mine

and is then free to ask for more.
"""

import dataclasses
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, Final

import numpy as np
import pytest

from palate.catalog.snapshot import Catalog
from palate.domain import read_only
from palate.plugins.strategy import Choice, SlateRequest, Stage, Strategy
from palate.serving.guard import guarded_choices
from palate.testing.catalog import Listener, make_listener, small_catalog

__all__ = ["LISTENERS", "StrategySuite", "artists_of", "most_of_an_artist", "pages", "slate"]

LISTENERS: Final[Mapping[str, Mapping[str, tuple[int, int]]]] = {
    "without feedback": {},
    "with one taste": {"death-metal": (8, 1)},
    "with three tastes": {"death-metal": (12, 2), "j-pop": (7, 0), "salsa": (5, 3)},
    "with weak tastes only": {"death-metal": (1, 0), "baroque": (1, 4)},
    "with dislikes only": {"death-metal": (0, 5), "bebop": (0, 1)},
    "with 10,000 ratings": {"death-metal": (1400, 90), "j-pop": (1300, 190), "salsa": (400, 1000)}
    | dict.fromkeys(("baroque", "bebop", "bossa-nova", "outlaw-country"), (1200, 205)),
}
"""Likes and dislikes of each listener of the suite, by cluster_id."""

LIMITS: Final = (1, 7, 100)


class StrategySuite:
    """What the contract promises, tried on a small real catalog with several listeners.

    Attributes:
        strategy: The class under test.
        options: Fields of its configuration that differ from their defaults.
    """

    strategy: ClassVar[type[Strategy]]
    options: ClassVar[Mapping[str, Any]] = {}

    def prepared(self, listener: Listener) -> Listener:
        """Return a listener as the strategy meets them; override it to give them models."""
        return listener

    @pytest.fixture(params=sorted(LISTENERS))
    def listener(self, request: pytest.FixtureRequest) -> Listener:
        """Return each of the listeners in turn."""
        listener = self.prepared(_listener(request.param))
        return replace(listener, context=replace(listener.context, models=read_only(listener.context.models)))

    @pytest.fixture
    def subject(self) -> Strategy:
        """Return the strategy, configured."""
        return self.strategy(self.strategy.config_type(**self.options))

    def test_the_configuration_is_a_frozen_dataclass_with_defaults(self) -> None:
        """An operator who gives no options gets a strategy, and nothing can change it later."""
        config = self.strategy.config_type()
        assert dataclasses.is_dataclass(config)
        for name in ("anything", *(field.name for field in dataclasses.fields(config))):
            with pytest.raises(dataclasses.FrozenInstanceError):
                setattr(config, name, None)

    def test_the_stage_is_a_confidence_and_a_count_or_none(self) -> None:
        """The stages can be ordered by it."""
        stage = self.strategy.stage or Stage(0.0, 0)
        assert 0 <= stage.min_confidence < 1
        assert stage.min_interactions >= 0

    @pytest.mark.parametrize("limit", LIMITS)
    def test_no_slate_is_longer_than_asked_for(self, subject: Strategy, listener: Listener, limit: int) -> None:
        """The limit is kept, whatever it is."""
        assert len(slate(subject, listener, limit)) <= limit

    @pytest.mark.parametrize("limit", LIMITS)
    def test_no_track_is_rated_excluded_or_repeated(self, subject: Strategy, listener: Listener, limit: int) -> None:
        """Three pages in a row show every track at most once, and never a rated one."""
        shown = [choice.row for page in pages(subject, listener, limit, count=3) for choice in page]
        assert len(set(shown)) == len(shown)
        assert not set(listener.rated.tolist()) & set(shown)

    def test_no_track_is_of_an_excluded_cluster(self, subject: Strategy, listener: Listener) -> None:
        """What is excluded from the catalog is in no slate."""
        catalog = listener.context.catalog
        clusters = {int(catalog.cluster[choice.row]) for choice in slate(subject, listener, 100)}
        assert not [number for number in clusters if catalog.clusters[number].excluded]

    @pytest.mark.parametrize("limit", LIMITS)
    @pytest.mark.parametrize("artists_limit", [1, 2])
    def test_no_artist_comes_more_often_than_asked(
        self, subject: Strategy, listener: Listener, limit: int, artists_limit: int
    ) -> None:
        """Among any ten slots in a row an artist has no more than the request allows."""
        choices = slate(subject, listener, limit, artists_limit=artists_limit)
        assert most_of_an_artist(artists_of(listener, choices)) <= artists_limit

    def test_the_artists_of_the_slots_before_count(self, subject: Strategy, listener: Listener) -> None:
        """A strategy that fills up a slate, or makes the next page, goes on with the artist limit."""
        first = artists_of(listener, slate(subject, listener, 20))
        second = artists_of(listener, slate(subject, listener, 20, artists=first))
        assert most_of_an_artist([*first, *second]) <= 1

    def test_equal_requests_get_equal_slates(self, subject: Strategy, listener: Listener) -> None:
        """Chance comes from the request's seed alone, in every thread."""
        expected = slate(subject, listener, 20)
        with ThreadPoolExecutor(4) as pool:
            again = list(pool.map(lambda _: slate(subject, listener, 20), range(8)))
        assert [expected] * 8 == again

    def test_every_choice_is_sound(self, subject: Strategy, listener: Listener) -> None:
        """The server's own guard drops and moves nothing: scores are finite, propensities in (0, 1], artists apart."""
        request = SlateRequest(100, listener.rated, (), seed=2)
        choices = subject.recommend(listener.profile, request, listener.context)
        kept, dropped = guarded_choices(choices, request, listener.context.catalog)
        assert (tuple(choices), {}) == (kept, dict(dropped))

    def test_every_reason_is_sound(self, subject: Strategy, listener: Listener) -> None:
        """Reasons name liked tracks of the taste, three features at the most, and parts that add up to the score."""
        for choice in slate(subject, listener, 20):
            liked = listener.context.liked.get(choice.taste_id, np.empty(0))
            assert choice.reason.nearest_liked is None or choice.reason.nearest_liked in liked
            assert len(choice.reason.features) <= 3
            parts = math.fsum(choice.reason.parts.values())
            assert not choice.reason.parts or math.isclose(choice.score, parts, abs_tol=1e-5)

    def test_every_taste_that_is_named_is_a_taste_of_the_listener(self, subject: Strategy, listener: Listener) -> None:
        """A choice is made for a taste that is there, or for none."""
        assert {choice.taste_id for choice in slate(subject, listener, 20)} <= {"", *listener.profile.tastes}

    def test_a_catalog_with_five_tracks_left_gives_no_others(self, subject: Strategy, listener: Listener) -> None:
        """When nearly all is excluded the slate is short, not wrong."""
        tracks = len(listener.context.catalog)
        left = np.random.default_rng(5).choice(tracks, 5, replace=False)
        excluded = np.setdiff1d(np.arange(tracks, dtype=np.int32), left)
        assert {choice.row for choice in slate(subject, listener, 20, excluded=excluded)} <= set(left.tolist())

    def test_a_catalog_with_nothing_left_gives_nothing(self, subject: Strategy, listener: Listener) -> None:
        """When everything is excluded the slate is empty."""
        everything = np.arange(len(listener.context.catalog), dtype=np.int32)
        assert [] == list(slate(subject, listener, 20, excluded=everything))

    def test_a_taste_that_the_catalog_no_longer_knows_does_no_harm(self, subject: Strategy, listener: Listener) -> None:
        """A listener outlives the catalog in which they liked something."""
        gone = [replace(taste, taste_id=f"gone-{taste_id}") for taste_id, taste in listener.profile.tastes.items()]
        profile = replace(listener.profile, tastes={taste.taste_id: taste for taste in gone})
        stranger = replace(listener, profile=profile)
        assert {""} >= {choice.taste_id for choice in slate(subject, stranger, 20)}

    @pytest.mark.parametrize("count", [0, 1000])
    def test_every_track_gets_a_finite_score(self, subject: Strategy, listener: Listener, count: int) -> None:
        """Rated tracks and tracks of excluded clusters are scored like any other."""
        catalog = listener.context.catalog
        rows = np.random.default_rng(6).choice(len(catalog), count, replace=False).astype(np.int32)
        scores = subject.score(listener.profile, rows, listener.context)
        assert np.dtype(np.float32) == scores.values.dtype
        assert (count,) == scores.values.shape
        assert np.isfinite(scores.values).all()
        assert count == len(scores.taste_ids)
        assert len(scores.model_versions) in {0, count}
        assert set(scores.taste_ids) <= {"", *listener.profile.tastes}

    def test_a_track_gets_the_same_score_in_any_company(self, subject: Strategy, listener: Listener) -> None:
        """Scores of one listener can be compared between calls."""
        rows = np.arange(0, 1000, 10, dtype=np.int32)
        together = subject.score(listener.profile, rows, listener.context).values
        apart = subject.score(listener.profile, rows[::-1][:50], listener.context).values
        np.testing.assert_allclose(together[::-1][:50], apart, rtol=1e-5, atol=1e-6)

    def test_what_it_is_given_cannot_be_changed(self, listener: Listener) -> None:
        """Profiles, contexts and catalogs serve many calls; as on a server, they refuse to be written to."""
        profile, context, catalog = listener.profile, listener.context, listener.context.catalog
        tallies = [tally for taste in profile.tastes.values() for tally in (taste.liked, taste.disliked)]
        mappings: list[Any] = [profile.tastes, profile.ratings, context.liked, context.disliked, context.models]
        for mapping in (*mappings, *(tally.genres for tally in tallies)):
            with pytest.raises(AttributeError):
                mapping.pop("anything", None)
            with pytest.raises(TypeError):
                mapping["anything"] = None
        memoised = [context.memoise(taste, "written to", lambda: np.ones(3)) for taste in profile.tastes.values()]
        own = catalog.features, catalog.normalized, catalog.popularity, catalog.cluster, catalog.main_artist
        made = catalog.occasional, catalog.cluster_mean, catalog.cluster_variance, catalog.genre_share(0)
        rated = listener.rated, *context.liked.values(), *context.disliked.values()
        arrays: list[Any] = [*own, *made, *rated, *memoised, catalog.popular(0)]
        for array in arrays:
            with pytest.raises(ValueError, match="read-only"):
                array[...] = 0

    def test_what_it_is_given_stays_as_it_is(self, subject: Strategy, listener: Listener) -> None:
        """Profiles are shared between calls; a strategy changes nothing in them."""
        before = _bytes_of(listener)
        slate(subject, listener, 20)
        subject.score(listener.profile, np.arange(50, dtype=np.int32), listener.context)
        assert before == _bytes_of(listener)


def slate(subject: Strategy, listener: Listener, limit: int, **changes: Any) -> Sequence[Choice]:
    """Ask for one slate; arrays that a strategy must not write to cannot be written to."""
    request = replace(SlateRequest(limit, listener.rated, (), seed=1), **changes)
    request.excluded.flags.writeable = False
    return subject.recommend(listener.profile, request, listener.context)


def artists_of(listener: Listener, choices: Sequence[Choice]) -> list[int]:
    """Return the main artists of choices."""
    artists: list[int] = listener.context.catalog.main_artist[[choice.row for choice in choices]].tolist()
    return artists


def most_of_an_artist(artists: Sequence[int], span: int = 10) -> int:
    """Return how many slots one artist has among `span` in a row at the most."""
    windows = (artists[end - span if end > span else 0 : end] for end in range(1, len(artists) + 1))
    return max((max(Counter(window).values()) for window in windows), default=0)


def pages(subject: Strategy, listener: Listener, limit: int, count: int) -> Iterator[Sequence[Choice]]:
    """Ask for one page after another, as the server does."""
    excluded = listener.rated
    for number in range(count):
        page = slate(subject, listener, limit, excluded=excluded, seed=number)
        excluded = np.union1d(excluded, [choice.row for choice in page]).astype(np.int32)
        yield page


@cache
def _catalog() -> Catalog:
    """Return the small catalog, the same for all tests of the process; an open file outlives its name."""
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        return small_catalog(Path(folder) / "catalog.arrow")


@cache
def _listener(name: str) -> Listener:
    """Return a listener of the suite, the same for all tests of the process."""
    return make_listener(_catalog(), LISTENERS[name])


def _bytes_of(listener: Listener) -> tuple[object, ...]:
    """Return all that a strategy could change, as values that it cannot."""
    tastes = tuple(taste.to_bytes() for taste in listener.profile.tastes.values())
    context = listener.context
    rows = tuple((key, rows.tobytes()) for side in (context.liked, context.disliked) for key, rows in side.items())
    return tastes, tuple(listener.profile.ratings.items()), rows
