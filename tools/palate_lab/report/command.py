"""`palate lab report`: of a simulated listener whose story is played for it, or of one at a running server."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import click
from click.core import ParameterSource
from palate.catalog.snapshot import Catalog
from palate.client import Client
from palate_tools.simulation.tracks import TrackTable
from palate_tools.tables import open_console, print_line
from palate_tools.training.commands import training_config
from palate_tools.training.resources import open_resources

from palate_lab.report.album import pictures_of
from palate_lab.report.gathering import gather, read_labels
from palate_lab.report.page import write_report
from palate_lab.report.pictures.compared import Compared, read_comparison
from palate_lab.report.values import Listener
from palate_lab.story import LISTENER, Story, Trained, Turn, begin_story

__all__ = ["make_report", "report_on_simulated", "report_on_story", "report_on_user"]

_OF_LISTENERS: Final = ("server", "token", "token_file", "tls", "tls_ca", "data_dir", "config_path")


def report_on_simulated(seed: int, turns: int, comparison: Path | None, folder: Path) -> Path:
    """Play the story of a simulated listener, draw it, and return the path of the page.

    Raises:
        ConfigError: When the comparison cannot be read or the folder cannot be written.
    """
    compared = _compared(comparison)
    with begin_story(seed) as story:
        return report_on_story(story, list(story.tell(turns)), folder, compared)


def report_on_story(
    story: Story, told: Sequence[Turn | Trained], folder: Path, compared: Compared | None = None
) -> Path:
    """Draw a story whose server still runs.

    Raises:
        ConfigError: When the folder cannot be written.
    """
    turns = sum(isinstance(event, Turn) for event in told)
    origin = f"A simulated listener, seed {story.listener.seed}, after {turns} slates of the real server."
    with open_resources(story.config) as resources:
        labels = read_labels(resources, LISTENER)
        listener = gather(story.client, resources, labels, origin, told)
        listener = replace(
            listener, progress=replace(listener.progress, note=_scarcity(story, resources.catalog, listener))
        )
        return write_report(listener, pictures_of(listener, resources, labels, compared), folder)


def report_on_user(
    client: Client,
    user_id: str,
    config_path: Path | None,
    data_dir: Path | None,
    comparison: Path | None,
    folder: Path,
) -> Path:
    """Draw a listener of a running server.

    Raises:
        NotFound: When the server knows no such listener.
        ConfigError: When something that is to be read or written cannot be.
    """
    compared = _compared(comparison)
    client.get_profile(user_id)  # whoever is unknown is told so before a store is looked for
    with open_resources(training_config(config_path, data_dir)) as resources:
        labels = read_labels(resources, user_id)
        listener = gather(client, resources, labels, f"{user_id}, a listener of a running server.")
        return write_report(listener, pictures_of(listener, resources, labels, compared), folder)


def _compared(folder: Path | None) -> Compared | None:
    return None if folder is None else read_comparison(folder)


def _scarcity(story: Story, catalog: Catalog, listener: Listener) -> str:
    """Say how much there was to like, and how much of it is used up: what is rated is not shown again."""
    tracks = TrackTable.from_catalog(catalog)
    likable = int((story.listener.liked(tracks, 0) & (story.listener.wants(tracks) >= 0)).sum())
    wanted = {taste.cluster_id for taste in story.listener.tastes}
    found = sum(taste.likes for taste in listener.tastes if taste.taste_id in wanted)
    return (
        f"What is rated is not shown again, so that the slates grow harder to fill: of {likable} tracks of the three "
        f"genre clusters that {listener.user_id} likes, {found} are rated as liked in the end."
    )


def make_report(  # noqa: PLR0913 - an option each
    connect: Callable[[], Client],
    *,
    user: str | None,
    config_path: Path | None,
    data_dir: Path | None,
    seed: int,
    turns: int,
    comparison: Path | None,
    out: Path,
) -> None:
    """Do what `palate lab report` says: its options are the arguments."""
    _require_fitting(user)
    if user is None:
        page = report_on_simulated(seed, turns, comparison, out)
    else:
        with connect() as client:
            page = report_on_user(client, user, config_path, data_dir, comparison, out)
    print_line(open_console(), f"The report is in {page}.")


def _require_fitting(user: str | None) -> None:
    """Refuse options that would have no effect."""
    ctx = click.get_current_context()
    unused = ("seed", "turns") if user is not None else _OF_LISTENERS
    for name in unused:
        if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            option = "--" + name.removesuffix("_path").replace("_", "-")
            needed = "goes without USER" if user is not None else "needs USER: name the listener to draw"
            raise click.UsageError(f"{option} {needed}")
