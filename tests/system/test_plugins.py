"""What a third party's strategy is handed in a running server cannot be changed by it."""

from collections.abc import Callable

import pytest
from palate.catalog.snapshot import Catalog
from palate.client import Client, StrategyFailed
from support.plugins import Install

CHANGING = """
from dataclasses import dataclass


@dataclass(frozen=True)
class NoOptions:
    pass


def zero(array):
    array[:] = 0


def attempts(profile, request, context):
    taste_id = next(iter(profile.tastes))
    taste, catalog = profile.tastes[taste_id], context.catalog
    yield "pop a taste", lambda: profile.tastes.pop(taste_id)
    yield "delete a taste", lambda: profile.tastes.__delitem__(taste_id)
    yield "empty the tastes", lambda: profile.tastes.clear()
    yield "put in a taste", lambda: profile.tastes.update(other=taste)
    yield "pop a rating", lambda: profile.ratings.popitem()
    yield "put in a rating", lambda: profile.ratings.update(other=None)
    yield "set the revision", lambda: setattr(profile, "revision", 99)
    yield "set the tastes", lambda: setattr(profile, "tastes", {})
    yield "set a tally", lambda: setattr(taste, "liked", taste.disliked)
    yield "empty the genres", lambda: taste.liked.genres.clear()
    yield "pop the liked tracks", lambda: context.liked.popitem()
    yield "change the liked tracks", lambda: zero(context.liked[taste_id])
    yield "pop the disliked tracks", lambda: context.disliked.popitem()
    yield "change the disliked tracks", lambda: zero(context.disliked[taste_id])
    yield "put in a model", lambda: context.models.update(other=None)
    yield "set the models", lambda: setattr(context, "models", {})
    yield "change what is excluded", lambda: zero(request.excluded)
    yield "set the limit", lambda: setattr(request, "limit", 100)
    yield "change what is memoised", lambda: zero(context.memoise(taste, "mine", lambda: catalog.features.copy()))
    for name in (
        "features", "normalized", "popularity", "cluster", "main_artist", "cluster_mean", "cluster_variance"
    ):
        yield f"change {name}", lambda name=name: zero(getattr(catalog, name))
    number = catalog.cluster_number(taste_id)
    yield "change what is popular", lambda: zero(catalog.popular(number))
    yield "change the shares of genres", lambda: zero(catalog.genre_share(number))


class Plugin:
    config_type = NoOptions
    stage = None

    def __init__(self, config):
        pass

    def recommend(self, profile, request, context):
        changed = []
        for name, attempt in attempts(profile, request, context):
            try:
                attempt()
            except (AttributeError, TypeError, ValueError):
                continue
            changed.append(name)
        raise RuntimeError(f"it could {changed}")

    def score(self, profile, rows, context):
        return None
"""


def test_a_strategy_that_tries_to_change_what_it_is_handed_cannot(
    serve: Callable[..., str], install: Install, catalog: Catalog
) -> None:
    """Every attempt is an error, and what everybody is answered afterwards is what it was before."""
    install("changing", CHANGING)
    metal = catalog.track_ids(catalog.popular(catalog.cluster_number("metal") or 0)[:6])
    salsa = catalog.track_ids(catalog.popular(catalog.cluster_number("latin-dance") or 0)[:6])
    with Client(serve()) as client:
        for user_id in ("ana", "ben"):
            for track_id in (*metal[:4], *salsa[:4]):
                client.like(user_id, track_id)
            client.dislike(user_id, metal[4])

        def answers() -> list[object]:
            return [
                answer
                for user_id in ("ana", "ben")
                for answer in (
                    client.get_profile(user_id),
                    [(item.track_id, item.score) for item in client.recommend(user_id, page_size=20).items],
                    client.rank(user_id, [*metal, *salsa]),
                )
            ]

        before = answers()
        with pytest.raises(StrategyFailed, match=r"it could \[\]"):
            client.recommend("ana", strategy="changing", page_size=7)
        client.like("eve", metal[0])
        assert before == answers()
