"""Encode: slates and rankings to the bytes of the public contract, and reasons to sentences."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from palate.catalog.snapshot import Catalog
from palate.domain.track import FEATURES
from palate.plugins.strategy import Choice, Reason, ReasonKind, Rows, Scores
from palate.serving.router import Slate
from palate.v1 import recommendation_pb2

__all__ = ["encode_ranking", "encode_slate", "sentence"]

_FEATURE_WORDS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "danceability": ("hard to dance to", "danceable"),
        "energy": ("calm", "energetic"),
        "valence": ("dark", "cheerful"),
        "tempo": ("slow", "fast"),
        "loudness": ("quiet", "loud"),
        "acousticness": ("electric", "acoustic"),
        "instrumentalness": ("sung", "instrumental"),
        "liveness": ("from the studio", "live"),
        "speechiness": ("without spoken words", "wordy"),
    }
)
"""How tracks sound that have less of a feature than most, and more."""


def encode_slate(
    slate: Slate, rows: Rows, catalog: Catalog, recommendation_id: str, profile_revision: int, next_page_token: str
) -> bytes:
    """Return a slate as a serialized ``RecommendResponse``.

    Args:
        slate: The slate.
        rows: The rows of its items, int32 ``(n,)``.
        catalog: Knows ids, titles and names.
        recommendation_id: Names the slate.
        profile_revision: The profile that it was made from.
        next_page_token: Of the next page, or empty.
    """
    response = recommendation_pb2.RecommendResponse(
        recommendation_id=recommendation_id,
        strategy=slate.strategy,
        profile_revision=profile_revision,
        catalog_version=catalog.version,
        next_page_token=next_page_token,
    )
    levels = catalog.normalized[rows].tolist()
    for placed, track_id, normal_scores in zip(slate.items, catalog.track_ids(rows), levels, strict=True):
        choice = placed.choice
        item = response.items.add(
            track_id=track_id,
            score=choice.score,
            taste_id=choice.taste_id,
            exploration=choice.exploration,
            propensity=choice.propensity,
            strategy=placed.strategy,
            model_version=choice.model_version,
        )
        _fill_reason(item.reason, choice, normal_scores, catalog)
    return response.SerializeToString()


def encode_ranking(
    strategy: str,
    rows: Rows,
    scores: Scores,
    catalog: Catalog,
    profile_revision: int,
    missing_track_ids: Sequence[str],
) -> bytes:
    """Return a ranking as a serialized ``RankResponse``.

    Args:
        strategy: The strategy that scored.
        rows: The tracks, best first, int32 ``(n,)``.
        scores: Their scores, in the same order.
        catalog: Knows their ids.
        profile_revision: The profile that they were scored for.
        missing_track_ids: Tracks that the catalog lacks.
    """
    response = recommendation_pb2.RankResponse(
        strategy=strategy,
        profile_revision=profile_revision,
        catalog_version=catalog.version,
        missing_track_ids=missing_track_ids,
    )
    versions = scores.model_versions or [""] * len(rows)
    columns = catalog.track_ids(rows), scores.values.tolist(), scores.taste_ids, versions
    for track_id, score, taste_id, version in zip(*columns, strict=True):
        response.items.add(
            track_id=track_id,
            score=score,
            taste_id=taste_id,
            propensity=1.0,
            strategy=strategy,
            model_version=version,
        )
    return response.SerializeToString()


def sentence(reason: Reason, *, taste_name: str, nearest: tuple[str, str] | None, levels: Mapping[str, float]) -> str:
    """Say a reason in a short English sentence.

    Args:
        reason: The reason.
        taste_name: Name of the taste, or of the track's genre cluster, to show to people; may be empty.
        nearest: Title and main artist of `Reason.nearest_liked`, or None.
        levels: Normal scores of the recommended track by feature: above 0 is more than most tracks have.
    """
    track = _track(nearest) if nearest else ""
    sound = _sound(reason, levels)
    if reason.kind is ReasonKind.POPULAR:
        return f"Popular in {taste_name}." if taste_name else "Popular with many listeners."
    if reason.kind is ReasonKind.EXPLORATION:
        place = f"near {track}" if track else f"in {taste_name}" if taste_name else "for you"
        return f"Something new {place}, to learn more about what you like."
    if reason.kind is ReasonKind.MODEL:
        opening = f"Predicted from your likes and dislikes{f' in {taste_name}' if taste_name else ''}"
        return f"{opening}; it sounds like {track}{sound}." if track else f"{opening}{sound}."
    if track:
        return f"Sounds like {track}, which you liked{sound}."
    return f"Fits {f'your taste in {taste_name}' if taste_name else 'what you like'}{sound}."


def _track(nearest: tuple[str, str]) -> str:
    """Name a track by its title and, where it is known, its main artist."""
    title, artist = nearest
    return f"“{title}” by {artist}" if artist else f"“{title}”"


def _sound(reason: Reason, levels: Mapping[str, float]) -> str:
    """Say how the track sounds in the features that speak for it: ``: energetic, dark and fast``; or nothing."""
    words = [
        _FEATURE_WORDS[name][levels[name] > 0]
        for name, share in reason.features
        if share > 0 and name in _FEATURE_WORDS and name in levels
    ]
    if not words:
        return ""
    *others, last = words
    return f": {', '.join(others)} and {last}" if others else f": {last}"


def _fill_reason(
    message: recommendation_pb2.Reason, choice: Choice, normal_scores: Sequence[float], catalog: Catalog
) -> None:
    """Write a reason into the message where it stands; a message of its own would be copied there."""
    reason = choice.reason
    liked = reason.nearest_liked
    message.kind = recommendation_pb2.ReasonKind.ValueType(reason.kind)
    message.nearest_liked_track_id = "" if liked is None else catalog.track_id(liked)
    for feature, contribution in reason.features:
        message.strongest_features.add(feature=feature, contribution=contribution)
    for name, value in reason.parts.items():
        message.score_parts.add(name=name, value=value)
    message.sentence = sentence(
        reason,
        taste_name=_taste_name(choice, catalog),
        nearest=None if liked is None else (catalog.title(liked), catalog.main_artist_name(liked)),
        levels=dict(zip(FEATURES, normal_scores, strict=True)),
    )


def _taste_name(choice: Choice, catalog: Catalog) -> str:
    """Return the display name of a choice's taste, or of its track's cluster when it was chosen for none."""
    cluster = catalog.cluster_number(choice.taste_id) if choice.taste_id else int(catalog.cluster[choice.row])
    return choice.taste_id if cluster is None else catalog.clusters[cluster].display_name
