"""What a listener does at a terminal: ask for slates, like and dislike, look at the profile and delete it."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import count

import click
from palate.client import pages
from palate.v1 import feedback_pb2, profile_pb2, recommendation_pb2

from palate_tools.connecting import Session, connected, user_option
from palate_tools.picking import artists, pick, title_line, tracks_of
from palate_tools.tables import Column, bar, print_facts, print_line, print_rows

__all__ = [
    "delete_profile",
    "delete_taste",
    "dislike",
    "export",
    "like",
    "profile",
    "rank",
    "recommend",
    "retract",
    "show_profile",
]

_EXPLORED = "✦"
_TOP_GENRES = 3
_SLATE = (
    Column("#", number=True),
    Column("title", narrowest=24),
    Column("artists", narrowest=12),
    Column("taste"),
    Column("score", number=True),
    Column("why", narrowest=40, under=True),
    Column("track id", spare=True),
)
_RANKING = (*_SLATE[:5], Column("track id"))
_TASTES = (
    Column("taste", narrowest=11),
    Column("state"),
    Column("confidence"),
    Column("likes", number=True),
    Column("dislikes", number=True),
    Column("top genres", narrowest=12),
    Column("most typical", narrowest=12),
    Column("taste id", spare=True),
)
_EVENTS = (
    Column("revision", number=True),
    Column("time"),
    Column("what"),
    Column("taste"),
    Column("track id"),
)

_recommendation_option = click.option(
    "--recommendation", default="", metavar="ID", help="The slate that the tracks came from, as recommend names it."
)


@click.command()
@connected
@user_option
@click.option("--page-size", type=int, default=0, metavar="N", help="Tracks on a page, at most 100.  [default: 10]")
@click.option("--pages", "page_count", type=click.IntRange(1), default=1, metavar="N", help="How many pages.")
@click.option("--page-token", default="", metavar="TOKEN", help="Go on where an earlier page stopped.")
@click.option("--strategy", default="", metavar="NAME", help="A strategy to use in place of the listener's stage.")
@click.option("--exclude", "excluded", multiple=True, metavar="ID", help="A track to leave out. Repeatable.")
def recommend(
    session: Session,
    *,
    user: str,
    page_size: int,
    page_count: int,
    page_token: str,
    strategy: str,
    excluded: tuple[str, ...],
) -> None:
    """Recommend tracks to a listener."""

    def page(token: str) -> recommendation_pb2.RecommendResponse:
        return session.client.recommend(
            user, page_size=page_size, page_token=token, strategy=strategy, exclude_track_ids=excluded
        )

    numbers = count(1)
    session.answer_pages(pages(page, page_token), partial(_show_slate, session, numbers), page_count, by_token=True)


@click.command()
@connected
@click.argument("tracks", metavar="TRACK...", nargs=-1, required=True)
@user_option
@click.option("--strategy", default="", metavar="NAME", help="A strategy to use in place of the listener's stage.")
@click.option("--allow-missing", is_flag=True, help="Take TRACKs as ids, and list those that the catalog lacks.")
def rank(session: Session, *, tracks: tuple[str, ...], user: str, strategy: str, allow_missing: bool) -> None:
    """Put tracks, by id or title, in the order in which a listener would like them."""
    track_ids = tracks if allow_missing else [pick(session.client, text).track_id for text in tracks]
    ranking = session.client.rank(user, track_ids, strategy=strategy, allow_missing=allow_missing)
    session.answer(ranking, partial(_show_ranking, session))


@click.command()
@connected
@click.argument("tracks", metavar="TRACK...", nargs=-1, required=True)
@user_option
@_recommendation_option
def like(session: Session, *, tracks: tuple[str, ...], user: str, recommendation: str) -> None:
    """Record that a listener likes tracks.

    A TRACK is an id, or words of the title and artists that only one track has.
    """
    _record(session, tracks, user, recommendation, feedback_pb2.VERDICT_LIKE)


@click.command()
@connected
@click.argument("tracks", metavar="TRACK...", nargs=-1, required=True)
@user_option
@_recommendation_option
def dislike(session: Session, *, tracks: tuple[str, ...], user: str, recommendation: str) -> None:
    """Record that a listener dislikes tracks.

    A TRACK is an id, or words of the title and artists that only one track has.
    """
    _record(session, tracks, user, recommendation, feedback_pb2.VERDICT_DISLIKE)


@click.command()
@connected
@click.argument("tracks", metavar="TRACK...", nargs=-1, required=True)
@user_option
def retract(session: Session, *, tracks: tuple[str, ...], user: str) -> None:
    """Take likes and dislikes back, as if they had never been given."""
    for track in [pick(session.client, text) for text in tracks]:
        response = session.client.retract_feedback(user, track.track_id)
        line = f"retracted what {user} thought of {title_line(track)}; profile revision {response.profile_revision}"
        session.acknowledge(response, line)


@click.command()
@connected
@click.argument("user")
def profile(session: Session, *, user: str) -> None:
    """Show a listener's tastes."""
    session.answer(session.client.get_profile(user), lambda response: show_profile(session, response.profile))


@click.command()
@connected
@click.argument("user")
def export(session: Session, *, user: str) -> None:
    """Print everything that is stored about a listener: the profile, then the feedback log, oldest first."""
    parts = session.client.export_profile(user)
    if session.as_json:
        for part in parts:
            session.answer(part, lambda _: None)
        return
    first, *events = parts
    show_profile(session, first.profile)
    print_rows(session.console, _EVENTS, [_event_row(part.event) for part in events])


@click.command()
@connected
@click.argument("taste")
@user_option
@click.confirmation_option(prompt="Delete this taste?", help="Do not ask.")
def delete_taste(session: Session, *, taste: str, user: str) -> None:
    """Delete one taste, by its id. Its tracks stay rated, but count for nothing."""
    response = session.client.delete_taste(user, taste)
    line = f"deleted the taste {taste} of {user}; profile revision {response.profile_revision}"
    session.acknowledge(response, line)


@click.command()
@connected
@click.argument("user")
@click.confirmation_option(prompt="Delete everything that is stored about this listener?", help="Do not ask.")
def delete_profile(session: Session, *, user: str) -> None:
    """Delete everything that is stored about a listener."""
    session.acknowledge(session.client.delete_profile(user), f"deleted the profile of {user}")


def _record(
    session: Session,
    texts: Sequence[str],
    user: str,
    recommendation_id: str,
    verdict: feedback_pb2.Verdict.ValueType,
) -> None:
    """Record one verdict on some tracks, all together."""
    tracks = [pick(session.client, text) for text in texts]
    batch = session.client.batch_record_feedback(
        feedback_pb2.RecordFeedbackRequest(
            user_id=user, track_id=track.track_id, verdict=verdict, recommendation_id=recommendation_id
        )
        for track in tracks
    )
    done = "liked" if verdict == feedback_pb2.VERDICT_LIKE else "disliked"
    for track, response in zip(tracks, batch.responses, strict=True):
        counted = f"counts for {response.taste_id}" if response.taste_id else "counts for no taste"
        line = f"{done} {title_line(track)}: {counted}; profile revision {response.profile_revision}"
        session.acknowledge(response, line)


def _show_slate(session: Session, numbers: Iterator[int], slate: recommendation_pb2.RecommendResponse) -> None:
    tracks = tracks_of(session.client, (item.track_id for item in slate.items))
    rows = [
        [
            str(next(numbers)),
            track.title,
            artists(track),
            item.taste_id or "-",
            f"{item.score:.3f}",
            _why(item),
            item.track_id,
        ]
        for track, item in zip(tracks, slate.items, strict=True)
    ]
    print_rows(session.console, _SLATE, rows)
    if any(item.exploration for item in slate.items):
        print_line(session.console, f"{_EXPLORED} drawn by chance, with that probability, to learn more", "dim")
    print_line(
        session.console,
        f"strategy {_strategies(slate.strategy, slate.items)} · profile revision {slate.profile_revision}"
        f" · catalog {slate.catalog_version} · recommendation {slate.recommendation_id}",
    )
    _show_models(session, slate.items)


def _show_models(session: Session, items: Iterable[recommendation_pb2.RecommendedItem]) -> None:
    """Name the models that scored a slate, as `palate models` lists them; nothing where no model had a part."""
    tastes: dict[str, dict[str, None]] = {}
    for item in items:
        if item.model_version:
            tastes.setdefault(item.model_version, {})[item.taste_id or "-"] = None
    if tastes:
        used = "; ".join(f"{version} for {', '.join(served)}" for version, served in tastes.items())
        print_line(session.console, f"models: {used}")


def _why(item: recommendation_pb2.RecommendedItem) -> str:
    return f"{_EXPLORED} {item.propensity:.2g} {item.reason.sentence}" if item.exploration else item.reason.sentence


def _strategies(answered: str, items: Iterable[recommendation_pb2.RecommendedItem]) -> str:
    """Name the strategy that answered, and those that filled up."""
    others = Counter(item.strategy for item in items if item.strategy != answered)
    filled = ", ".join(f"{count} by {strategy}" for strategy, count in others.items())
    return f"{answered} ({filled})" if filled else answered


def _show_ranking(session: Session, ranking: recommendation_pb2.RankResponse) -> None:
    tracks = tracks_of(session.client, (item.track_id for item in ranking.items))
    rows = [
        [str(number), track.title, artists(track), item.taste_id or "-", f"{item.score:.3f}", item.track_id]
        for number, (track, item) in enumerate(zip(tracks, ranking.items, strict=True), 1)
    ]
    print_rows(session.console, _RANKING, rows)
    print_line(
        session.console,
        f"strategy {ranking.strategy} · profile revision {ranking.profile_revision}"
        f" · catalog {ranking.catalog_version}",
    )
    if ranking.missing_track_ids:
        print_line(session.console, f"not in the catalog: {', '.join(ranking.missing_track_ids)}")


def show_profile(session: Session, shown: profile_pb2.Profile) -> None:
    """Print a profile: what holds for the listener, then a row for each taste."""
    facts = {
        "listener": shown.user_id,
        "stage": shown.stage,
        "confidence": bar(shown.confidence),
        "rated tracks": str(shown.interaction_count),
        "revision": str(shown.revision),
    }
    print_facts(session.console, facts)
    print_line(session.console, "")
    print_rows(session.console, _TASTES, [_taste_row(session, taste) for taste in shown.tastes])


def _taste_row(session: Session, taste: profile_pb2.Taste) -> list[str]:
    [medoid] = tracks_of(session.client, [taste.medoid_track_id]) if taste.medoid_track_id else [None]
    top = taste.genre_distribution[:_TOP_GENRES]
    return [
        taste.display_name,
        profile_pb2.TasteState.Name(taste.state).removeprefix("TASTE_STATE_").lower(),
        bar(taste.confidence),
        str(taste.likes),
        str(taste.dislikes),
        ", ".join(f"{share.genre} {share.share:.0%}" for share in top) or "-",
        title_line(medoid) if medoid else "-",
        taste.taste_id,
    ]


def _event_row(event: profile_pb2.FeedbackEvent) -> list[str]:
    return [
        str(event.revision),
        event.record_time.ToDatetime().isoformat(" ", "seconds"),
        profile_pb2.FeedbackKind.Name(event.kind).removeprefix("FEEDBACK_KIND_").lower().replace("_", " "),
        event.taste_id or "-",
        event.track_id or "-",
    ]
