"""`palate search` and `strategies`, `palate catalog track` and `clusters`: what a server has."""

from functools import partial

import click
from palate.client import pages
from palate.v1 import catalog_pb2, strategy_pb2

from palate_tools.connecting import Session, connected
from palate_tools.groups import CommandGroup
from palate_tools.picking import artists, pick
from palate_tools.tables import Column, print_facts, print_line, print_rows

__all__ = ["clusters", "search", "strategies", "track"]

_TRACKS = (
    Column("title", narrowest=16),
    Column("artists", narrowest=12),
    Column("genres", narrowest=12, spare=True),
    Column("cluster", under=True),
    Column("popularity", number=True),
    Column("track id"),
)
_CLUSTERS = (
    Column("cluster id"),
    Column("name", narrowest=12),
    Column("tracks", number=True),
    Column("excluded"),
    Column("genres", narrowest=24),
)
_STRATEGIES = (
    Column("stage", number=True),
    Column("strategy"),
    Column("state"),
    Column("min confidence", number=True),
    Column("min rated", number=True),
    Column("distribution"),
    Column("reason", narrowest=12),
)


@click.command()
@connected
@click.argument("words", nargs=-1, required=True)
@click.option("--cluster", default="", metavar="ID", help="Only tracks of this genre cluster.")
@click.option("--page-size", type=int, default=0, metavar="N", help="Tracks on a page, at most 100.  [default: 10]")
@click.option("--pages", "page_count", type=click.IntRange(1), default=1, metavar="N", help="How many pages.")
@click.option("--page-token", default="", metavar="TOKEN", help="Go on where an earlier page stopped.")
def search(
    session: Session, *, words: tuple[str, ...], cluster: str, page_size: int, page_count: int, page_token: str
) -> None:
    """Find tracks by words of their title and artists."""

    def page(token: str) -> catalog_pb2.SearchTracksResponse:
        return session.client.search_tracks(
            " ".join(words), page_size=page_size, page_token=token, genre_cluster_id=cluster
        )

    session.answer_pages(pages(page, page_token), partial(_show_found, session), page_count, by_token=True)


@click.command()
@connected
@click.argument("track", metavar="TRACK")
def track(session: Session, *, track: str) -> None:
    """Show one track of the server's catalog, by its id or its title."""
    answer = session.client.get_track(pick(session.client, track).track_id)
    session.answer(answer, lambda response: _show_track(session, response.track))


@click.command()
@connected
def clusters(session: Session) -> None:
    """List the genre clusters of the server's catalog; a taste begins in one of them."""
    for page in pages(lambda token: session.client.list_genre_clusters(page_token=token)):
        session.answer(page, partial(_show_clusters, session))


@click.group(cls=CommandGroup, default="list")
def strategies() -> None:
    """List the installed strategies. `palate strategies` is `palate strategies list`."""


@strategies.command("list")
@connected
def list_strategies(session: Session) -> None:
    """List the installed strategies: the stages, lowest first, then those that answer only when named."""
    session.answer(session.client.list_strategies(), partial(_show_strategies, session))


def _show_found(session: Session, found: catalog_pb2.SearchTracksResponse) -> None:
    if not found.tracks:
        print_line(session.console, "no track has those words in its title and artists")
        return
    rows = [
        [
            track.title,
            artists(track),
            ", ".join(track.genres),
            track.genre_cluster_id,
            str(track.popularity),
            track.track_id,
        ]
        for track in found.tracks
    ]
    print_rows(session.console, _TRACKS, rows)


def _show_track(session: Session, track: catalog_pb2.Track) -> None:
    features = {field.name: f"{getattr(track.features, field.name):.3g}" for field in track.features.DESCRIPTOR.fields}
    print_facts(
        session.console,
        {
            "title": track.title,
            "artists": artists(track),
            "genres": ", ".join(track.genres),
            "genre cluster": f"{track.genre_cluster_id}{' (never recommended)' if track.excluded else ''}",
            "popularity": str(track.popularity),
            "track id": track.track_id,
            **features,
        },
    )


def _show_clusters(session: Session, page: catalog_pb2.ListGenreClustersResponse) -> None:
    rows = [
        [
            cluster.genre_cluster_id,
            cluster.display_name,
            f"{cluster.track_count:,}",
            "excluded" if cluster.excluded else "",
            ", ".join(cluster.genres),
        ]
        for cluster in page.genre_clusters
    ]
    print_rows(session.console, _CLUSTERS, rows)


def _show_strategies(session: Session, listed: strategy_pb2.ListStrategiesResponse) -> None:
    rows = [
        [
            str(strategy.stage_number or "-"),
            strategy.name,
            strategy_pb2.StrategyState.Name(strategy.state).removeprefix("STRATEGY_STATE_").lower().replace("_", " "),
            f"{strategy.min_confidence:.2f}",
            str(strategy.min_interactions),
            f"{strategy.distribution} {strategy.version}",
            strategy.reason,
        ]
        for strategy in listed.strategies
    ]
    print_rows(session.console, _STRATEGIES, rows)
