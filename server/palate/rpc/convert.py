"""From values to messages of the public contract."""

from google.protobuf.timestamp_pb2 import Timestamp

from palate.domain import Event
from palate.domain.track import FEATURES, Track
from palate.plugins.registry import Registered
from palate.serving.profile_views import ProfileView, TasteView
from palate.store.contract import ModelRecord, TrainingRun
from palate.v1 import catalog_pb2, model_pb2, profile_pb2, strategy_pb2

__all__ = [
    "event_message",
    "model_message",
    "profile_message",
    "strategy_message",
    "track_message",
    "training_run_message",
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
    return profile_pb2.FeedbackEvent(
        revision=event.revision,
        kind=profile_pb2.FeedbackKind.ValueType(event.kind),
        track_id=event.track_id,
        taste_id=event.taste_id,
        request_id=event.request_id,
        recommendation_id=event.recommendation_id,
        record_time=_timestamp(event.recorded_at),
        features=_features_message(event.track.features) if event.track else None,
        genres=event.track.genres if event.track else (),
    )


def model_message(record: ModelRecord) -> model_pb2.Model:
    """Convert what is known of a model."""
    return model_pb2.Model(
        model_version=record.version,
        user_id=record.user_id,
        taste_id=record.taste_id,
        learner=record.learner,
        state=model_pb2.ModelState.ValueType(record.state),
        reason=record.reason,
        metrics=[
            model_pb2.Metric(
                name=metric.name,
                value=metric.value,
                ranking_value=metric.ranking_value,
                serving_value=metric.serving_value,
            )
            for metric in record.metrics
        ],
        label_count=record.label_count,
        size_bytes=record.size_bytes,
        sha256=record.sha256,
        create_time=_timestamp(record.created_at),
        pinned=record.pinned,
    )


def training_run_message(run: TrainingRun) -> model_pb2.TrainingRun:
    """Convert a run of the trainer."""
    return model_pb2.TrainingRun(
        training_run_id=run.run_id,
        user_id=run.user_id,
        taste_id=run.taste_id,
        model_version=run.model_version,
        reason=run.reason,
        start_time=_timestamp(run.started_at),
        end_time=_timestamp(run.ended_at),
    )


def strategy_message(registered: Registered) -> strategy_pb2.Strategy:
    """Convert a strategy."""
    stage = registered.stage
    return strategy_pb2.Strategy(
        name=registered.name,
        state=strategy_pb2.StrategyState.ValueType(registered.state),
        distribution=registered.distribution,
        version=registered.version,
        stage_number=registered.stage_number,
        min_confidence=stage.min_confidence if stage else 0.0,
        min_interactions=stage.min_interactions if stage else 0,
        reason=registered.reason,
    )


def _timestamp(microseconds: int) -> Timestamp:
    time = Timestamp()
    time.FromMicroseconds(microseconds)
    return time


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
