"""`palate profiles …`: rebuild profiles from the feedback log, or prove that a rebuild would change nothing."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

import click
from palate.catalog.snapshot import Catalog
from palate.domain import Event, Profile, replay
from palate.domain.features import FeatureMap
from palate.errors import NotFound, StoreUnavailable
from palate.store import open_store
from palate.store.contract import Header, Store
from rich.console import Console
from rich.progress import track

from palate_tools.catalog.bundled import default_catalog

__all__ = ["differences", "profiles", "rebuild_profile"]

_NAMED_TRACKS: Final = 3


@click.group()
def profiles() -> None:
    """Look after the stored profiles."""


@profiles.command()
@click.option("--verify", is_flag=True, help="Write nothing; exit with 1 when a rebuild would change a profile.")
@click.option("--user", "users", multiple=True, metavar="USER", help="Only this listener. Repeatable.")
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
    help="The database; PALATE_STORE__URL says so too, and else it is palate.db in the data folder.",
)
@click.option(
    "--catalog",
    "catalog_path",
    type=click.Path(path_type=Path),
    help="The catalog that the server uses; when left out, catalog.arrow in the data folder or the bundled one.",
)
@click.pass_context
def rebuild(
    ctx: click.Context,
    *,
    verify: bool,
    users: tuple[str, ...],
    data_dir: Path,
    url: str | None,
    catalog_path: Path | None,
) -> None:
    """Replay the feedback log of every listener and write the profiles anew.

    The server may run meanwhile. With --verify, tastes, ratings and headers are compared with the replay bit for
    bit, and every profile that differs is named.
    """
    with closing(open_store(url or f"sqlite:///{data_dir.absolute() / 'palate.db'}", create=False)) as store:
        with Catalog.open(catalog_path or default_catalog(data_dir)) as catalog:
            feature_map = catalog.feature_map
        if not verify:
            count = sum(rebuild_profile(store, user_id, feature_map) for user_id in _watched(store, users))
            click.echo(f"rebuilt {count:,} profiles")
        elif not _verify(store, users, feature_map):
            ctx.exit(1)


def rebuild_profile(store: Store, user_id: str, feature_map: FeatureMap) -> bool:
    """Write a profile anew from its log; without a log, delete what is left of it.

    The replay happens before the transaction, so that others can record feedback meanwhile; it is repeated inside
    when they did so for this listener.

    Returns:
        Whether there is a log.
    """
    before = store.header(user_id)
    profile = replay(user_id, store.events(user_id), feature_map)
    with store.transaction() as transaction:
        if transaction.header(user_id) != before:
            profile = replay(user_id, transaction.events(user_id), feature_map)
        if profile.revision:
            transaction.replace(profile, feature_map.fingerprint)
        else:
            transaction.delete(user_id)
    return profile.revision > 0


def differences(store: Store, user_id: str, feature_map: FeatureMap) -> Sequence[str]:
    """Compare a stored profile with the replay of its log, bit for bit.

    Returns:
        One sentence for everything that differs.
    """
    try:
        stored = store.profile(user_id)
    except StoreUnavailable as exc:
        return [str(exc)]
    events = store.events(user_id)
    if stored is None:
        return ["there is a log, but no profile"] if events else []
    profile, header = stored
    if header.feature_map != feature_map.fingerprint:
        maps = f"folded with feature map {header.feature_map}; this catalog's is {feature_map.fingerprint}"
        return [f"{maps}: name the catalog that the server uses with --catalog, or rebuild"]
    known = [event for event in events if event.revision <= header.revision]
    return list(_compared(profile, header, known, replay(user_id, known, feature_map)))


def _compared(profile: Profile, header: Header, events: Sequence[Event], replayed: Profile) -> Iterator[str]:
    if replayed.revision != header.revision:
        yield f"header: revision {header.revision}; the log ends at {replayed.revision}"
    if events and events[0].recorded_at != header.created_at:
        yield f"header: created at {header.created_at}; the log begins at {events[0].recorded_at}"
    for taste_id in sorted(profile.tastes.keys() | replayed.tastes.keys()):
        old, new = profile.tastes.get(taste_id), replayed.tastes.get(taste_id)
        if old is None or new is None:
            yield f"taste {taste_id!r}: {'missing' if old is None else 'not in the log'}"
        elif old.to_bytes() != new.to_bytes():
            yield f"taste {taste_id!r}: not what the log adds up to"
    tracks = profile.ratings.keys() | replayed.ratings.keys()
    wrong = sorted(name for name in tracks if profile.ratings.get(name) != replayed.ratings.get(name))
    if wrong:
        more = ", …" if len(wrong) > _NAMED_TRACKS else ""
        yield f"ratings: {len(wrong):,} not as in the log ({', '.join(map(repr, wrong[:_NAMED_TRACKS]))}{more})"


def _verify(store: Store, users: Sequence[str], feature_map: FeatureMap) -> bool:
    """Name what differs; return whether nothing does."""
    checked = wrong = 0
    for user_id in _watched(store, users):
        found = differences(store, user_id, feature_map)
        for difference in found:
            click.echo(f"{user_id}: {difference}")
        checked += 1
        wrong += bool(found)
    click.echo(f"verified {checked:,} profiles: {f'{wrong:,} differ' if wrong else 'all equal their logs'}")
    return not wrong


def _watched(store: Store, users: Sequence[str]) -> Iterable[str]:
    """Iterate over the chosen listeners, or all of them, with a progress bar in a terminal."""
    for user_id in users:
        if store.header(user_id) is None and not store.events(user_id, limit=1):
            raise NotFound("profile", user_id)
    total = len(users) or sum(1 for _ in store.user_ids())
    console = Console(stderr=True)
    return track(users or store.user_ids(), "profiles", total, console=console, disable=not console.is_terminal)
