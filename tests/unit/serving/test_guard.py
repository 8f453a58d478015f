"""The guard keeps artists apart, whatever a strategy answers, and so does a slate that several strategies fill."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from palate.catalog.snapshot import Catalog
from palate.domain import Profile
from palate.metrics import Metrics
from palate.plugins import (
    Choice,
    Context,
    Reason,
    ReasonKind,
    Registered,
    Registry,
    Rows,
    Scores,
    SlateRequest,
    Stage,
    StrategyState,
)
from palate.serving.guard import guarded_choices
from palate.serving.router import Router
from palate.testing.catalog import make_listener, small_catalog
from palate.testing.strategy import most_of_an_artist

NOTHING = np.empty(0, dtype=np.int32)
TRACKS = 5 * 6
"""Of the first cluster, by six artists or so."""


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalog]:
    """Return a catalog of few artists."""
    path = tmp_path_factory.mktemp("few") / "catalog.arrow"
    with small_catalog(path, tracks_per_cluster=60, artists=20) as opened:
        yield opened


def choices_of(rows: Sequence[int]) -> list[Choice]:
    """Return choices that only their rows distinguish."""
    return [Choice(row, 0.5, Reason(ReasonKind.POPULAR)) for row in rows]


@given(
    rows=st.lists(st.integers(0, TRACKS - 1), unique=True),
    before=st.lists(st.integers(0, TRACKS - 1), max_size=15),
    limit=st.integers(1, 40),
    artists_limit=st.integers(1, 3),
    span=st.integers(1, 12),
)
def test_an_artist_never_comes_too_soon(
    few: Catalog, rows: list[int], before: list[int], limit: int, artists_limit: int, span: int
) -> None:
    """Tracks that come too soon move down; those before them and after them keep their order."""
    artists = _spread(few, before, artists_limit, span)
    request = SlateRequest(limit, NOTHING, artists, 0, artists_limit, span)
    kept, dropped = guarded_choices(choices_of(rows), request, few)
    shown = [choice.row for choice in kept]
    assert most_of_an_artist([*artists, *few.main_artist[shown].tolist()], span) <= artists_limit
    assert len(rows) == len(shown) + sum(dropped.values())
    by_artist = {artist: [row for row in rows if few.main_artist[row] == artist] for artist in set(few.main_artist)}
    for artist, own in by_artist.items():
        assert own[: sum(few.main_artist[row] == artist for row in shown)] == [r for r in shown if r in own]
    again, none = guarded_choices(kept, request, few)
    assert (kept, {}) == (again, dict(none))


def _spread(few: Catalog, rows: Sequence[int], artists_limit: int, span: int) -> list[int]:
    """Return artists of slots before, as a slate may have them."""
    kept, _ = guarded_choices(
        choices_of(list(dict.fromkeys(rows))), SlateRequest(100, NOTHING, (), 0, artists_limit, span), few
    )
    artists: list[int] = few.main_artist[[choice.row for choice in kept]].tolist()
    return artists


def test_what_cannot_come_at_all_is_dropped(few: Catalog) -> None:
    """One artist alone fills one slot; the strategies below fill the others."""
    artist = int(few.main_artist[0])
    own = np.flatnonzero(few.main_artist == artist)[:5].tolist()
    kept, dropped = guarded_choices(choices_of(own), SlateRequest(20, NOTHING, (), 0), few)
    assert own[:1] == [choice.row for choice in kept]
    assert {"too many of an artist": len(own) - 1} == dict(dropped)


@dataclass(frozen=True)
class Options:
    """No options."""


class Everything:
    """A strategy that offers all tracks artist by artist, as far as they are not taken."""

    config_type: ClassVar[type[Options]] = Options
    stage: ClassVar[Stage | None] = None

    def __init__(self, count: int) -> None:
        self.count = count

    def recommend(self, profile: Profile, request: SlateRequest, context: Context) -> Sequence[Choice]:  # noqa: ARG002
        """Return the first tracks."""
        rows = np.setdiff1d(np.arange(len(context.catalog)), request.excluded)
        return choices_of(rows[np.argsort(context.catalog.main_artist[rows], kind="stable")][: self.count].tolist())

    def score(self, profile: Profile, rows: Rows, context: Context) -> Scores:  # noqa: ARG002
        """Score all alike."""
        return Scores(np.zeros(len(rows), np.float32), [""] * len(rows))


def test_strategies_that_fill_a_slate_together_keep_artists_apart(few: Catalog) -> None:
    """Where one ends and the next begins, the artists before count."""
    stages = [
        Registered(name, "theirs", "1", StrategyState.LOADED, strategy=Everything(count), stage=stage)
        for name, count, stage in (("low", 400, Stage(0.0, 0)), ("high", 30, Stage(0.0, 1)))
    ]
    ana = make_listener(few, {"salsa": (1, 0)})
    with closing(Router(Registry(stages), 5, Metrics())) as router:
        slate = asyncio.run(router.recommend(ana.profile, SlateRequest(40, NOTHING, (), 0), ana.context))
    artists = few.main_artist[[placed.choice.row for placed in slate.items]].tolist()
    assert {"low", "high"} == {placed.strategy for placed in slate.items}
    assert 1 == most_of_an_artist(artists)
