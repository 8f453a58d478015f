"""From values to messages of the public contract."""

from google.protobuf.timestamp_pb2 import Timestamp

from palate.catalog.snapshot import Catalog
from palate.catalog.tracks import FEATURES, Track
from palate.service.profiles import ProfileView, TasteView
from palate.service.recommend import Ranking, Recommendation
from palate.strategy.contract import Choice
from palate.strategy.reasons import sentence
from palate.strategy.registry import Registered
from palate.strategy.router import Placed
from palate.tastes import Event
from palate.v1 import catalog_pb2, profile_pb2, recommendation_pb2, strategy_pb2

__all__ = [
    "event_message",
    "profile_message",
    "rank_response",
    "recommend_response",
    "strategy_message",
    "track_message",
]


def track_message(track: Track) -> catalog_pb2.Track:
    """Convert a track."""
    return catalog_pb2.Track(
        track_id=track.track_id,
        title=track.title,
        artists=track.artists,
        genres=track.genres,
        genre_cluster_id=track.cluster_id,
        popularity=track.popularity,
        features=_features_message(track.features),
        excluded=track.excluded,
    )


def recommend_response(recommendation: Recommendation, catalog: Catalog) -> recommendation_pb2.RecommendResponse:
    """Convert a slate."""
    return recommendation_pb2.RecommendResponse(
        recommendation_id=recommendation.recommendation_id,
        strategy=recommendation.strategy,
        items=[_item(placed, catalog) for placed in recommendation.items],
        profile_revision=recommendation.listener.profile.revision,
        catalog_version=recommendation.catalog_version,
        next_page_token=recommendation.next_page_token,
    )


def rank_response(ranking: Ranking, catalog: Catalog) -> recommendation_pb2.RankResponse:
    """Convert a ranking."""
    versions = ranking.scores.model_versions or [""] * len(ranking.rows)
    columns = (catalog.track_ids(ranking.rows), ranking.scores.values.tolist(), ranking.scores.taste_ids, versions)
    return recommendation_pb2.RankResponse(
        items=[
            recommendation_pb2.RecommendedItem(
                track_id=track_id,
                score=score,
                taste_id=taste_id,
                propensity=1.0,
                strategy=ranking.strategy,
                model_version=version,
            )
            for track_id, score, taste_id, version in zip(*columns, strict=True)
        ],
        strategy=ranking.strategy,
        profile_revision=ranking.profile_revision,
        catalog_version=catalog.version,
        missing_track_ids=ranking.missing_track_ids,
    )


def profile_message(view: ProfileView) -> profile_pb2.Profile:
    """Convert a profile."""
    profile = view.profile
    return profile_pb2.Profile(
        user_id=profile.user_id,
        revision=profile.revision,
        interaction_count=profile.interaction_count,
        confidence=profile.confidence,
        stage=view.stage,
        tastes=[_taste(taste) for taste in view.tastes],
    )


def event_message(event: Event) -> profile_pb2.FeedbackEvent:
    """Convert a line of the feedback log."""
    time = Timestamp()
    time.FromMicroseconds(event.recorded_at)
    return profile_pb2.FeedbackEvent(
        revision=event.revision,
        kind=profile_pb2.FeedbackKind.ValueType(event.kind),
        track_id=event.track_id,
        taste_id=event.taste_id,
        request_id=event.request_id,
        recommendation_id=event.recommendation_id,
        record_time=time,
    )


def strategy_message(registered: Registered) -> strategy_pb2.Strategy:
    """Convert a strategy."""
    stage = registered.stage
    return strategy_pb2.Strategy(
        name=registered.name,
        state=strategy_pb2.StrategyState.ValueType(registered.state),
        distribution=registered.distribution,
        version=registered.version,
        ladder_position=registered.ladder_position,
        min_confidence=stage.min_confidence if stage else 0.0,
        min_interactions=stage.min_interactions if stage else 0,
        reason=registered.reason,
    )


def _item(placed: Placed, catalog: Catalog) -> recommendation_pb2.RecommendedItem:
    choice = placed.choice
    return recommendation_pb2.RecommendedItem(
        track_id=catalog.track_id(choice.row),
        score=choice.score,
        taste_id=choice.taste_id,
        reason=_reason(choice, catalog),
        exploration=choice.exploration,
        propensity=choice.propensity,
        strategy=placed.strategy,
        model_version=choice.model_version,
    )


def _reason(choice: Choice, catalog: Catalog) -> recommendation_pb2.Reason:
    reason = choice.reason
    cluster = catalog.cluster_number(choice.taste_id) if choice.taste_id else int(catalog.cluster[choice.row])
    taste_name = choice.taste_id if cluster is None else catalog.clusters[cluster].display_name
    nearest = None if reason.nearest_liked is None else catalog.track(reason.nearest_liked)
    return recommendation_pb2.Reason(
        kind=recommendation_pb2.ReasonKind.ValueType(reason.kind),
        nearest_liked_track_id=nearest.track_id if nearest else "",
        strongest_features=[
            recommendation_pb2.FeatureContribution(feature=feature, contribution=contribution)
            for feature, contribution in reason.features
        ],
        score_parts=[recommendation_pb2.ScorePart(name=name, value=value) for name, value in reason.parts.items()],
        sentence=sentence(
            reason, taste_name=taste_name, nearest=(nearest.title, nearest.artists[0]) if nearest else None
        ),
    )


def _taste(view: TasteView) -> profile_pb2.Taste:
    taste = view.taste
    likes = taste.liked.count
    return profile_pb2.Taste(
        taste_id=taste.taste_id,
        display_name=view.display_name,
        state=profile_pb2.TasteState.ValueType(taste.state),
        centroid=taste.centroid.tolist() if likes else (),
        centroid_features=_features_message(view.centroid_features) if view.centroid_features else None,
        likes=likes,
        dislikes=taste.disliked.count,
        confidence=taste.confidence,
        genre_distribution=[
            profile_pb2.GenreShare(genre=genre, share=share) for genre, share in taste.genre_distribution.items()
        ],
        medoid_track_id=view.medoid_track_id,
        revision=taste.revision,
    )


def _features_message(features: tuple[float, ...]) -> catalog_pb2.AudioFeatures:
    return catalog_pb2.AudioFeatures(**dict(zip(FEATURES, features, strict=True)))
