"""`palate lab evaluate playlists`."""

import os
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from palate.app.config import LogConfig
from palate.app.logs import set_up_logs
from palate.catalog.snapshot import Catalog
from palate.errors import CatalogError
from palate_tools.catalog.build import import_tracks, write_import
from palate_tools.catalog.bundled import bundled_catalog
from palate_tools.tables import open_console, print_facts, print_line

from palate_lab.evaluation.playlists.judging import Judgement, judge, judge_baselines
from palate_lab.evaluation.playlists.listeners import PlaylistListener, draw_listeners, read_playlists
from palate_lab.evaluation.playlists.serving import Served, serve_listeners
from palate_lab.evaluation.playlists.summary import PALATE, print_lines, summarize, write_judgements
from palate_lab.progress import Watcher, show_progress

__all__ = ["evaluate_playlists"]


def evaluate_playlists(  # noqa: PLR0913 - an option each
    path: Path,
    *,
    named: Path | None,
    playlist_column: str | None,
    track_column: str | None,
    playlists_per_listener: int,
    listeners: int,
    seeds: int,
    least: int,
    depths: Sequence[int],
    page_size: int,
    jobs: int,
    out: Path | None,
) -> None:
    """Do what `palate lab evaluate playlists` says: its options are the arguments."""
    set_up_logs(LogConfig(level="error"))
    if out is not None:
        _check_target(out)
    console = open_console()
    with tempfile.TemporaryDirectory(prefix="palate-evaluate-") as name, show_progress() as watch:
        folder = Path(name)
        with _catalog(named, folder, watch) as (catalog, file):
            found = read_playlists(path, catalog, least, playlist_column, track_column)
            drawn = [
                listener
                for seed in range(seeds)
                for listener in draw_listeners(found.rows, playlists_per_listener, listeners, seed)
            ]
            served = serve_listeners(drawn, catalog, file, folder, depth=max(depths), page_size=page_size, watch=watch)
            judgements = _judged(drawn, served, depths)
            judgements += judge_baselines(drawn, file, depths, seed=0, jobs=jobs, watch=watch)
    print_facts(console, {**found.counts, **_about(drawn, served)})
    print_line(console, "")
    print_lines(console, summarize(judgements, seed=0))
    if out is not None:
        write_judgements(judgements, out)


@contextmanager
def _catalog(named: Path | None, folder: Path, watch: Watcher) -> Iterator[tuple[Catalog, Path]]:
    """Open the catalog that is named, or build it where the name is that of a file of tracks."""
    watch("opening the catalog", 0, 1)
    path = bundled_catalog(folder) if named is None else named
    if not _is_catalog(path):
        path = folder / "playlists.catalog"
        write_import(import_tracks([named or path]), path)
    with Catalog.open(path) as catalog:
        yield catalog, path


def _is_catalog(path: Path) -> bool:
    """Return whether a file begins as Arrow files do; one that cannot be opened is left to whoever reads it."""
    try:
        with path.open("rb") as file:
            return file.read(6) == b"ARROW1"
    except OSError:
        return False


def _check_target(out: Path) -> None:
    if out.is_dir():
        raise CatalogError(f"--out {out} is a folder; name a file in it")
    if not out.parent.is_dir() or not os.access(out.parent, os.W_OK):
        raise CatalogError(f"--out {out} cannot be written: its folder does not exist or is closed; name another")


def _judged(listeners: Sequence[PlaylistListener], served: Sequence[Served], depths: Sequence[int]) -> list[Judgement]:
    return [
        judgement
        for listener, shown in zip(listeners, served, strict=True)
        for judgement in judge(PALATE, listener, shown.ranking, depths)
    ]


def _about(listeners: Sequence[PlaylistListener], served: Sequence[Served]) -> dict[str, str]:
    """Say how many listeners there are, what they told, and which strategies answered them."""
    likes = sum(len(listener.likes) for listener in listeners) / len(listeners)
    held = sum(len(listener.relevant) for listener in listeners) / len(listeners)
    strategies = sum((shown.strategies for shown in served), Counter[str]())
    items = strategies.total()
    return {
        "listeners": f"{len(listeners):,}, {likes:.1f} likes told and {held:.1f} tracks held out in the mean",
        "served by": ", ".join(f"{name} {count / items:.1%}" for name, count in strategies.most_common()),
    }
