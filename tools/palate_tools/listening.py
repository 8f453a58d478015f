"""`palate recommend`, `like` and `dislike`: ask for slates and rankings, and rate tracks."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import count

import click
from palate.client import pages
from palate.v1 import feedback_pb2, recommendation_pb2

from palate_tools.connecting import Session, connected
from palate_tools.picking import artists, pick, title_line, tracks_of
from palate_tools.tables import Column, print_line, print_rows

__all__ = ["dislike", "like", "recommend"]

_EXPLORED = "✦"
_SLATE = (
    Column("#", number=True),
    Column("title", narrowest=16),
    Column("artists", narrowest=12),
    Column("taste", under=True),
    Column("score", number=True),
    Column("why", narrowest=40, under=True),
    Column("track id"),
)
_RANKING = (*_SLATE[:5], _SLATE[-1])

_user = click.argument("user")
_tracks = click.argument("tracks", metavar="TRACK...", nargs=-1, required=True)
_recommendation = click.option(
    "--recommendation", default="", metavar="ID", help="The slate that the tracks came from, as recommend names it."
)


@click.command()
@connected
@_user
@click.argument("tracks", metavar="[TRACK...]", nargs=-1)
@click.option("--page-size", type=int, default=0, metavar="N", help="Tracks on a page, at most 100.  [default: 10]")
@click.option("--pages", "page_count", type=click.IntRange(1), default=1, metavar="N", help="How many pages.")
@click.option("--page-token", default="", metavar="TOKEN", help="Go on where an earlier page stopped.")
@click.option("--strategy", default="", metavar="NAME", help="A strategy to use in place of the listener's stage.")
@click.option("--exclude", "excluded", multiple=True, metavar="ID", help="A track to leave out. Repeatable.")
@click.option("--rank", is_flag=True, help="Put the TRACKs in the listener's order instead.")
@click.option(
    "--allow-missing", is_flag=True, help="With --rank: take TRACKs as ids, and list those not in the catalog."
)
def recommend(  # noqa: PLR0913 - an option each
    session: Session,
    *,
    user: str,
    tracks: tuple[str, ...],
    page_size: int,
    page_count: int,
    page_token: str,
    strategy: str,
    excluded: tuple[str, ...],
    rank: bool,
    allow_missing: bool,
) -> None:
    """Recommend tracks to a listener.

    With --rank, put TRACKs, by id or title, in the order in which the listener would like them.
    """
    if rank:
        if not tracks or page_size or page_token or excluded or page_count > 1:
            raise click.UsageError("--rank takes TRACKs and --strategy; leave out what pages and excludes")
        _rank(session, user, tracks, strategy, allow_missing=allow_missing)
        return
    if tracks or allow_missing:
        raise click.UsageError("TRACKs and --allow-missing go with --rank; leave them out to get recommendations")

    def page(token: str) -> recommendation_pb2.RecommendResponse:
        return session.client.recommend(
            user, page_size=page_size, page_token=token, strategy=strategy, exclude_track_ids=excluded
        )

    numbers = count(1)
    session.answer_pages(pages(page, page_token), partial(_show_slate, session, numbers), page_count, by_token=True)


@click.command()
@connected
@_user
@_tracks
@_recommendation
def like(session: Session, *, user: str, tracks: tuple[str, ...], recommendation: str) -> None:
    """Record that a listener likes tracks.

    A TRACK is an id, or words of the title and artists that only one track has. `palate profile retract` takes the
    rating back.
    """
    _record(session, tracks, user, recommendation, feedback_pb2.VERDICT_LIKE)


@click.command()
@connected
@_user
@_tracks
@_recommendation
def dislike(session: Session, *, user: str, tracks: tuple[str, ...], recommendation: str) -> None:
    """Record that a listener dislikes tracks.

    A TRACK is an id, or words of the title and artists that only one track has. `palate profile retract` takes the
    rating back.
    """
    _record(session, tracks, user, recommendation, feedback_pb2.VERDICT_DISLIKE)


def _rank(session: Session, user: str, tracks: Sequence[str], strategy: str, *, allow_missing: bool) -> None:
    track_ids = tracks if allow_missing else [pick(session.client, text).track_id for text in tracks]
    ranking = session.client.rank(user, track_ids, strategy=strategy, allow_missing=allow_missing)
    session.answer(ranking, partial(_show_ranking, session))


def _record(
    session: Session,
    texts: Sequence[str],
    user: str,
    recommendation_id: str,
    verdict: feedback_pb2.Verdict.ValueType,
) -> None:
    """Record one rating of some tracks, all together."""
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
