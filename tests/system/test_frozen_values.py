"""A plugin that writes to what it is given fails, and changes nothing for anybody."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from palate.catalog.snapshot import Catalog
from palate.client import Client, StrategyFailed
from palate.plugins.loader import installed

VANDAL = """
from dataclasses import dataclass


@dataclass(frozen=True)
class Config:
    pass


def first(mapping):
    return next(iter(mapping.values()))


ATTEMPTS = [
    lambda profile, request, context: profile.tastes.pop("metal"),
    lambda profile, request, context: profile.ratings.clear(),
    lambda profile, request, context: setattr(profile, "tastes", {}),
    lambda profile, request, context: first(profile.tastes).liked.genres.clear(),
    lambda profile, request, context: context.liked.pop("metal"),
    lambda profile, request, context: first(context.liked).fill(0),
    lambda profile, request, context: context.disliked.update(metal=request.excluded),
    lambda profile, request, context: context.models.clear(),
    lambda profile, request, context: request.excluded.fill(0),
    lambda profile, request, context: context.catalog.cluster_mean.fill(0),
    lambda profile, request, context: context.catalog.normalized.fill(0),
    lambda profile, request, context: context.catalog.popularity.fill(0),
    lambda profile, request, context: context.catalog.popular(0).fill(0),
    lambda profile, request, context: context.memoise(first(profile.tastes), "x", lambda: request.excluded + 1).fill(0),
]


class Vandal:
    config_type = Config
    stage = None

    def __init__(self, config):
        pass

    def recommend(self, profile, request, context):
        ATTEMPTS[request.limit - 1](profile, request, context)
        return []

    def score(self, profile, rows, context):
        rows.fill(0)
"""
ATTEMPTS = VANDAL.count("lambda profile")


@pytest.fixture
def vandal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """Install a strategy that writes to what it is given, one thing for each page size, and return its name."""
    information = tmp_path / "plugin" / "vandal-1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: vandal\nVersion: 1.0\n", "utf-8")
    (information / "entry_points.txt").write_text("[palate.strategies]\nvandal = vandal:Vandal\n", "utf-8")
    (information.parent / "vandal.py").write_text(VANDAL, "utf-8")
    with monkeypatch.context() as patch:
        patch.syspath_prepend(information.parent)
        installed.cache_clear()
        yield "vandal"
    installed.cache_clear()


def test_a_plugin_that_writes_to_what_it_is_given_changes_nothing(
    serve: Callable[..., str], vandal: str, catalog: Catalog
) -> None:
    """Each attempt ends in an error of the plugin, and profiles and slates stay as they were."""
    metal = catalog.track_ids(catalog.popular(catalog.cluster_number("metal") or 0)[:6])
    with Client(serve()) as client:
        for user_id in ("ana", "bob"):
            client.like(user_id, *metal[:1])
            client.like(user_id, *metal[1:2])
            client.dislike(user_id, *metal[2:3])
        before = [(client.get_profile(one), client.recommend(one)) for one in ("ana", "bob")]
        for attempt in range(ATTEMPTS):
            with pytest.raises(StrategyFailed, match=r"TypeError|ValueError|AttributeError|FrozenInstanceError"):
                client.recommend("ana", page_size=attempt + 1, strategy=vandal)
        with pytest.raises(StrategyFailed, match="ValueError"):
            client.rank("ana", metal, strategy=vandal)
        assert before == [(client.get_profile(one), client.recommend(one)) for one in ("ana", "bob")]
