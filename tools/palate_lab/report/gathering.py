"""Gathers what pictures are drawn from: from the server what it says, from its store what it says it by."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from palate.catalog.snapshot import Catalog
from palate.client import Client
from palate.domain import Profile, apply_events
from palate.errors import NotFound
from palate.plugins.registry import Registered
from palate.serving.profiles import load_profile
from palate.store.contract import ModelState
from palate.v1 import profile_pb2, recommendation_pb2
from palate_tools.training.dataset import Labels
from palate_tools.training.report import Outcome
from palate_tools.training.resources import Resources

from palate_lab.report.values import History, Item, Labelled, Listener, Progress, Publication, Slate, Taste
from palate_lab.story import Trained, Turn

__all__ = ["gather", "happened", "read_labels"]

_ASKED: Final = ("cold_start", "fallback", "ranking")
_FIRST_ONES: Final = ("cold_start", "fallback")
_SERVED: Final = frozenset({ModelState.SERVING, ModelState.RETIRED})
_PAGE: Final = 10
_WINDOW: Final = 10
_STRETCHES: Final = 20
_TURNS_WINDOW: Final = 5
_STEPS: Final = 400
"""After at most so many lines of a log a profile is looked at: more would be drawn on top of one another."""


def read_labels(resources: Resources, user_id: str) -> Labels:
    """Return a listener's labels.

    Raises:
        NotFound: When there is no such listener.
    """
    stored = load_profile(resources.store, resources.catalog.feature_map, user_id)
    if stored is None:
        raise NotFound("profile", user_id)
    return Labels.of(stored[0], resources.catalog, resources.config.max_labels)


def gather(
    client: Client,
    resources: Resources,
    labels: Labels,
    origin: str,
    told: Sequence[Turn | Trained] = (),
) -> Listener:
    """Gather everything about a listener that is not a model.

    Args:
        client: Calls the server.
        resources: Has the server's catalog and store.
        labels: What `read_labels` returned.
        origin: Where the listener comes from, in a sentence.
        told: What happened to a simulated listener; slates and likes are taken from there where they are.

    Raises:
        CallFailed: When a call fails.
    """
    user_id, catalog = labels.profile.user_id, resources.catalog
    profile = client.get_profile(user_id).profile
    history = _history(resources, user_id)
    slates = _asked(client, catalog, profile) | happened(catalog, told)
    return Listener(
        user_id=user_id,
        origin=origin,
        catalog_version=catalog.version,
        stage=profile.stage,
        confidence=profile.confidence,
        tastes=tuple(_taste(taste) for taste in profile.tastes),
        labelled=Labelled(labels.features.astype(np.float64), labels.liked, labels.tastes),
        catalog=catalog.normalized.astype(np.float64),
        catalog_tastes=np.array([cluster.cluster_id for cluster in catalog.clusters])[catalog.cluster],
        history=history,
        slates=slates,
        progress=_told_progress(told) if told else _logged_progress(resources, labels, history),
    )


def happened(catalog: Catalog, told: Sequence[Turn | Trained]) -> dict[str, Slate]:
    """Return the first slates of the lowest stages that a simulated listener was shown."""
    slates: dict[str, Slate] = {}
    rated = 0
    for turn in told:
        if isinstance(turn, Turn):
            if turn.page.strategy in _FIRST_ONES:
                slates.setdefault(turn.page.strategy, _slate(catalog, turn.page, rated))
            rated = turn.profile.interaction_count
    return slates


def _asked(client: Client, catalog: Catalog, profile: profile_pb2.Profile) -> dict[str, Slate]:
    """Ask for a slate of each strategy by name; one that is not loaded, or has nothing to say, is left out."""
    loaded = {strategy.name for strategy in client.list_strategies().strategies}
    pages = [client.recommend(profile.user_id, page_size=_PAGE, strategy=name) for name in _ASKED if name in loaded]
    return {page.strategy: _slate(catalog, page, profile.interaction_count) for page in pages if page.items}


def _slate(catalog: Catalog, page: recommendation_pb2.RecommendResponse, rated: int) -> Slate:
    rows = catalog.rows([item.track_id for item in page.items]).tolist()
    items = [_item(catalog, row, item) for row, item in zip(rows, page.items, strict=True) if row >= 0]
    return Slate(page.strategy, rated, tuple(items))


def _item(catalog: Catalog, row: int, item: recommendation_pb2.RecommendedItem) -> Item:
    return Item(
        title=catalog.title(row),
        artists=", ".join(catalog.artists(row)),
        cluster=catalog.clusters[catalog.cluster[row]].display_name,
        taste_id=item.taste_id,
        popularity=int(catalog.popularity[row]),
        score=item.score,
        parts={part.name: part.value for part in item.reason.score_parts},
        exploration=item.exploration,
        propensity=item.propensity,
    )


def _taste(taste: profile_pb2.Taste) -> Taste:
    return Taste(
        taste_id=taste.taste_id,
        name=taste.display_name,
        likes=taste.likes,
        dislikes=taste.dislikes,
        confidence=taste.confidence,
        active=taste.state == profile_pb2.TASTE_STATE_ACTIVE,
        centroid=np.array(taste.centroid, dtype=np.float64),
        genres=tuple((share.genre, share.share) for share in taste.genre_distribution),
    )


def _history(resources: Resources, user_id: str) -> History:
    """Replay the log and look at the profile every now and then."""
    profiles = list(_replayed(resources, user_id))
    names = dict.fromkeys(taste_id for profile in profiles for taste_id in profile.tastes)
    return History(
        given=np.array([profile.revision for profile in profiles], dtype=np.int64),
        confidence=np.array([profile.confidence for profile in profiles]),
        tastes={name: np.array([_confidence(profile, name) for profile in profiles]) for name in names},
        stages=tuple(_stage(resources.registry.stages, profile) for profile in profiles),
    )


def _replayed(resources: Resources, user_id: str) -> Iterator[Profile]:
    events = resources.store.events(user_id)
    step = -(-len(events) // _STEPS) or 1
    profile = Profile(user_id)
    for start in range(0, len(events), step):
        profile = apply_events(profile, events[start : start + step], resources.catalog.feature_map)
        yield profile


def _confidence(profile: Profile, taste_id: str) -> float:
    taste = profile.tastes.get(taste_id)
    return taste.confidence if taste is not None else 0.0


def _stage(stages: Sequence[Registered], profile: Profile) -> str:
    return next(stage.name for stage in reversed(stages) if stage.stage is not None and stage.stage.admits(profile))


def _told_progress(told: Sequence[Turn | Trained]) -> Progress:
    turns = [turn for turn in told if isinstance(turn, Turn)]
    return Progress(
        unit="turn",
        positions=np.array([turn.number + 1.0 for turn in turns]),
        liked=np.array([np.mean([row.liked for row in turn.rows]) for turn in turns]),
        window=_TURNS_WINDOW,
        strategies=tuple(turn.page.strategy for turn in turns),
        publications=tuple(_told_publications(told)),
    )


def _told_publications(told: Sequence[Turn | Trained]) -> Iterator[Publication]:
    for training in told:
        if isinstance(training, Trained):
            published = [report.learner for report in training.reports if report.outcome is Outcome.PUBLISHED]
            if published:
                yield Publication(training.after + 1.5, published[0], training.labels)


def _logged_progress(resources: Resources, labels: Labels, history: History) -> Progress:
    positions = np.arange(1.0, len(labels) + 1)
    places = np.minimum(np.searchsorted(history.given, labels.revisions), len(history.given) - 1)
    records = resources.store.models.records(labels.profile.user_id)
    served = [one for one in records if not one.taste_id and one.state in _SERVED]
    return Progress(
        unit="rated track",
        positions=positions,
        liked=labels.liked.astype(np.float64),
        window=max(_WINDOW, len(labels) // _STRETCHES),
        strategies=tuple(history.stages[place] for place in places.tolist()),
        publications=tuple(
            Publication(int((labels.revisions <= one.labels_revision).sum()) + 0.5, one.learner, one.label_count)
            for one in sorted(served, key=lambda record: record.version)
        ),
    )
