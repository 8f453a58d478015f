"""`palate profile …`: show, export, change and delete what is stored of a listener, and rebuild it from the log."""

from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

import click
from palate.catalog.snapshot import Catalog
from palate.errors import NotFound
from palate.store import open_store
from palate.store.contract import Store
from palate.v1 import profile_pb2
from rich.console import Console
from rich.progress import track

from palate_tools.catalog.bundled import default_catalog
from palate_tools.connecting import Session, connected
from palate_tools.groups import CommandGroup
from palate_tools.picking import pick, title_line, tracks_of
from palate_tools.rebuilding import differences, rebuild_profile
from palate_tools.tables import Column, bar, print_facts, print_line, print_rows

__all__ = ["profile", "show_profile"]

_TOP_GENRES: Final = 3
_TASTES: Final = (
    Column("taste", narrowest=11),
    Column("state"),
    Column("confidence"),
    Column("likes", number=True),
    Column("dislikes", number=True),
    Column("top genres", narrowest=12, under=True),
    Column("most typical", narrowest=12, under=True),
    Column("taste id"),
)
_EVENTS: Final = (
    Column("revision", number=True),
    Column("time"),
    Column("what", narrowest=8),
    Column("taste", under=True),
    Column("track id"),
)
_user = click.argument("user")


@click.group(cls=CommandGroup, default="show")
def profile() -> None:
    """Show, export, change and delete what is stored of a listener.

    `palate profile USER` is `palate profile show USER`.
    """


@profile.command()
@connected
@_user
def show(session: Session, *, user: str) -> None:
    """Show a listener's tastes."""
    session.answer(session.client.get_profile(user), lambda response: show_profile(session, response.profile))


@profile.command()
@connected
@_user
def export(session: Session, *, user: str) -> None:
    """Print all that is stored of a listener: the profile, then the feedback log, oldest first."""
    parts = session.client.export_profile(user)
    if session.as_json:
        for part in parts:
            session.answer(part, lambda _: None)
        return
    first, *events = parts
    show_profile(session, first.profile)
    print_line(session.console, "")
    print_rows(session.console, _EVENTS, [_event_row(part.event) for part in events])


@profile.command()
@connected
@_user
@click.argument("tracks", metavar="TRACK...", nargs=-1, required=True)
def retract(session: Session, *, user: str, tracks: tuple[str, ...]) -> None:
    """Take likes and dislikes of tracks back, as if they had never been given."""
    for picked in [pick(session.client, text) for text in tracks]:
        response = session.client.retract_feedback(user, picked.track_id)
        line = f"retracted {user}'s rating of {title_line(picked)}; profile revision {response.profile_revision}"
        session.acknowledge(response, line)


@profile.command()
@connected
@_user
@click.option(
    "--taste", default="", metavar="ID", help="Only this taste; its tracks stay rated, but count for nothing."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(session: Session, *, user: str, taste: str, yes: bool) -> None:
    """Delete all that is stored of a listener, or one taste."""
    what = f"the taste {taste} of {user}" if taste else f"everything that is stored of {user}"
    if not yes:
        click.confirm(f"Delete {what}?", abort=True)
    if taste:
        response = session.client.delete_taste(user, taste)
        session.acknowledge(response, f"deleted {what}; profile revision {response.profile_revision}")
    else:
        session.acknowledge(session.client.delete_profile(user), f"deleted {what}")


@profile.command()
@click.argument("users", metavar="[USER...]", nargs=-1)
@click.option("--verify", is_flag=True, help="Write nothing; exit with 1 when a rebuild would change a profile.")
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    default=Path("palate-data"),
    show_default=True,
    help="The folder that holds all state.",
)
@click.option(
    "--store",
    "url",
    metavar="URL",
    envvar="PALATE_STORE__URL",
    help="The database; PALATE_STORE__URL names it too.  [default: palate.db in the data folder]",
)
@click.option(
    "--catalog",
    "catalog_path",
    type=click.Path(path_type=Path),
    help="The catalog that the server uses.  [default: catalog.arrow in the data folder, or the bundled one]",
)
def rebuild(
    users: tuple[str, ...], *, verify: bool, data_dir: Path, url: str | None, catalog_path: Path | None
) -> None:
    """Rebuild profiles from the feedback log: those of the USERs, or all.

    It works on the store, not through a server, which may run meanwhile. With --verify, it compares tastes, ratings
    and headers with the log bit for bit, and names every profile that differs.
    """
    with closing(open_store(url or f"sqlite:///{data_dir.absolute() / 'palate.db'}", create=False)) as store:
        with Catalog.open(catalog_path or default_catalog(data_dir)) as catalog:
            feature_map = catalog.feature_map
        chosen = _watched(store, users)
        if not verify:
            count = sum(rebuild_profile(store, user_id, feature_map) for user_id in chosen)
            click.echo(f"rebuilt {count:,} profiles")
            return
        checked = wrong = 0
        for user_id in chosen:
            found = differences(store, user_id, feature_map)
            for difference in found:
                click.echo(f"{user_id}: {difference}")
            checked += 1
            wrong += bool(found)
    click.echo(f"verified {checked:,} profiles: {f'{wrong:,} differ' if wrong else 'all equal their logs'}")
    if wrong:
        raise click.exceptions.Exit(1)


def show_profile(session: Session, shown: profile_pb2.Profile) -> None:
    """Print a profile: facts about the listener, then a row for each taste."""
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


def _watched(store: Store, users: Sequence[str]) -> Iterable[str]:
    """Iterate over the chosen listeners, or all of them, with a progress bar in a terminal."""
    for user_id in users:
        if store.header(user_id) is None and not store.events(user_id, limit=1):
            raise NotFound("profile", user_id)
    total = len(users) or sum(1 for _ in store.user_ids())
    console = Console(stderr=True)
    return track(users or store.user_ids(), "profiles", total, console=console, disable=not console.is_terminal)
