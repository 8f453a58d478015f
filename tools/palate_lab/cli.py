"""`palate lab …`: the options of each command. What a command runs is imported when it runs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click
from palate.client import Client
from palate_tools.connecting import json_option, reaching
from palate_tools.groups import CommandGroup, call

__all__ = ["lab"]

_FILE: Final = click.Path(path_type=Path)
_STORY_SEED: Final = 10
"""What the listener of the story is drawn from; the documentation of the report says how it was chosen."""
_STORY_TURNS: Final = 36
"""Slates that this listener is shown."""

_seed = click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="The seed of all draws.")
_kind = click.option("--kind", "names", multiple=True, metavar="NAME", help="Only this kind. Repeatable.")
_kinds = click.option(
    "--kinds", "kinds_path", type=_FILE, metavar="FILE", help="A TOML file with kinds of listeners of your own."
)
_catalog = click.option(
    "--catalog", type=_FILE, metavar="FILE", help="The catalog file.  [default: the one that palate brings]"
)
_page_size = click.option(
    "--page-size", type=click.IntRange(1, 100), default=10, show_default=True, help="Tracks on a page."
)
_jobs = click.option("--jobs", default=-1, help="How many processes work.  [default: one for each processor]")
_story_seed = click.option(
    "--seed", default=_STORY_SEED, show_default=True, type=click.IntRange(0), help="The simulated listener's seed."
)
_story_turns = click.option(
    "--turns", default=_STORY_TURNS, show_default=True, type=click.IntRange(1), help="Slates that listener is shown."
)
_story_out = click.option(
    "--out", type=_FILE, default=Path("palate-report"), show_default=True, metavar="DIR", help="Where the report goes."
)


@click.group(cls=CommandGroup, extra="lab")
def lab() -> None:
    """Simulate listeners, compare, measure and draw.

    These commands start servers of their own, except simulate and report, which can use yours. All but simulate need
    the extra lab: `pip install 'palate[lab]'`.
    """


@lab.command()
@reaching
@json_option
@click.option("--listeners", type=click.IntRange(1), default=80, show_default=True, help="How many listeners.")
@click.option("--turns", type=click.IntRange(1), default=40, show_default=True, help="Pages that each is shown.")
@_seed
@click.option("--out", type=_FILE, required=True, metavar="DIR", help="Where results go.")
@_kinds
@_kind
@_page_size
@click.option("--feedback", type=click.IntRange(0, 100), default=3, show_default=True, help="Ratings on a page.")
@click.option("--strategy", default="", metavar="NAME", help="A strategy to use in place of the listeners' stages.")
@click.option(
    "--concurrency", type=click.IntRange(1, 256), default=8, show_default=True, help="How many listeners at once."
)
def simulate(connect: Callable[[], Client], **options: Any) -> None:
    """Let simulated listeners use a server, and write down what they were shown and liked.

    The same command continues an interrupted run. Listeners are named after the seed; what the server knows of
    listeners of these names is deleted first.
    """
    call("palate_lab.simulation.command:simulate_listeners", connect=connect, **options)


@lab.command()
@click.option("--listeners", type=click.IntRange(1), default=200, show_default=True, help="How many listeners.")
@click.option("--turns", type=click.IntRange(1), default=30, show_default=True, help="Pages that each is shown.")
@_seed
@click.option("--strategy", "strategies", multiple=True, metavar="NAME", help="A strategy to play too. Repeatable.")
@click.option("--baseline", "baselines", multiple=True, metavar="NAME", help="Only this baseline. Repeatable.")
@_kinds
@_kind
@_catalog
@click.option("--out", type=_FILE, default=Path("palate-comparison"), show_default=True, metavar="DIR", help="Results.")
@_page_size
@click.option("--feedback", type=click.IntRange(1, 100), default=3, show_default=True, help="Ratings on a page.")
@click.option("--known", type=click.IntRange(1), default=1, show_default=True, help="Tracks of each taste named first.")
@click.option(
    "--train-at",
    multiple=True,
    type=click.IntRange(1),
    default=(5, 10, 20),
    show_default=True,
    help="A turn to train before. Repeatable.",
)
@_jobs
def compare(**options: Any) -> None:
    """Compare palate with other ways to recommend, for the same simulated listeners.

    Starts servers of its own, trains with the real trainer, and fits the baselines in the same run. Everybody begins
    with the same tracks that each listener names, and then has a feedback loop of their own.
    """
    call("palate_lab.comparison.command:compare_all", **options)


@lab.command()
@click.option("--listeners", type=click.IntRange(2), default=30, show_default=True, help="How many of each population.")
@_seed
@_catalog
@click.option("--json", "as_json", is_flag=True, help="Print each verdict as a line of JSON.")
def ablate(**options: Any) -> None:
    """Run eight controlled tests of what separate tastes contribute.

    Each test prints the criterion that it was given beforehand. Exits with 1 where one does not hold.
    """
    call("palate_lab.ablation.command:run_and_show", **options)


@lab.group(cls=CommandGroup, extra="lab")
def evaluate() -> None:
    """Measure palate on real labels and playlists."""


@evaluate.command()
@click.argument("path", metavar="CSV", type=_FILE)
@click.option("--target", metavar="COLUMN", help="The column of 1 and 0.  [default: target, liked or label]")
@click.option("--seeds", default=20, show_default=True, type=click.IntRange(min=1), help="Draws of each size.")
@click.option(
    "--n",
    "sizes",
    multiple=True,
    type=click.IntRange(min=4),
    default=(20, 50, 100, 200, 500, 1000),
    show_default=True,
    help="How many labels to tell. Repeatable.",
)
@_jobs
@click.option("--json", "as_json", is_flag=True, help="Print all figures as JSON.")
def labels(**options: Any) -> None:
    """Measure what is served to a listener whose likes and dislikes are in a file.

    Builds a catalog of the file's tracks, starts a server on it, records some of the labels, trains, and has it rank
    the others, next to references that are fitted in the same run. Exits with 1 where what is served is worse than
    the best of them.
    """
    call("palate_lab.evaluation.command:evaluate_file", **options)


@evaluate.command()
@click.argument("path", metavar="CSV", type=_FILE)
@click.option("--catalog", "named", type=_FILE, help="A catalog, or a file of tracks.  [default: the bundled catalog]")
@click.option("--playlist-column", metavar="COLUMN", help="The column of playlists; guessed when left out.")
@click.option("--track-column", metavar="COLUMN", help="The column of track ids; guessed when left out.")
@click.option(
    "--playlists-per-listener", default=3, show_default=True, type=click.IntRange(min=1), help="What one is made of."
)
@click.option("--listeners", default=100, show_default=True, type=click.IntRange(min=1), help="Listeners of each seed.")
@click.option("--seeds", default=1, show_default=True, type=click.IntRange(min=1), help="How often to draw listeners.")
@click.option("--least", default=10, show_default=True, type=click.IntRange(min=2), help="Tracks of a playlist.")
@click.option(
    "--depth",
    "depths",
    multiple=True,
    default=(100, 500),
    show_default=True,
    type=click.IntRange(1, 1_000),
    help="How many tracks to look at. Repeatable.",
)
@click.option("--page-size", default=100, show_default=True, type=click.IntRange(1, 100), help="Tracks on a page.")
@_jobs
@click.option("--out", type=_FILE, help="A Parquet file for the figures of each listener.")
def playlists(**options: Any) -> None:
    """Measure what is served to listeners who are made of playlists.

    Each listener is a few playlists. Half of the tracks of each are told to a server as likes, and the other half is
    looked for in what it recommends of the whole catalog, next to baselines that are fitted in the same run.
    """
    call("palate_lab.evaluation.playlists.command:evaluate_playlists", **options)


@lab.command()
@reaching
@click.argument("user", metavar="[USER]", required=False)
@click.option("--config", "config_path", type=_FILE, metavar="FILE", help="The server's configuration; with USER.")
@click.option(
    "--data-dir", type=_FILE, metavar="DIR", help="The server's data folder; with USER.  [default: palate-data]"
)
@_story_seed
@_story_turns
@click.option(
    "--comparison", type=_FILE, metavar="DIR", help="What `palate lab compare --out DIR` wrote, to be drawn too."
)
@_story_out
def report(connect: Callable[[], Client], **options: Any) -> None:
    """Draw what palate knows of a listener: one page for a browser, and each picture as PNG.

    Without USER, a simulated listener of three tastes first reaches every stage at a server of their own, which takes
    a minute.
    """
    call("palate_lab.report.command:make_report", connect=connect, **options)


@lab.command()
@_story_turns
@_story_seed
@_story_out
def demo(**options: Any) -> None:
    """Follow a listener of three tastes from cold start to models of their own.

    The listener hears ten tracks in a turn and rates three of them, drawn by chance. In each of the first three turns
    they also like a track that they know already, one of each taste. The real trainer trains models on the way, which
    serve from the next call on. In the end the command draws a report.
    """
    call("palate_lab.demo:tell_story", **options)


@lab.command()
@click.option(
    "--tracks",
    "sizes",
    multiple=True,
    default=(10_000, 100_000, 1_000_000),
    show_default=True,
    type=click.IntRange(min=2_000),
    help="A catalog size to measure on. Repeatable.",
)
@click.option(
    "--seconds",
    default=8.0,
    show_default=True,
    type=click.FloatRange(min=0, min_open=True),
    help="For each kind of call; twice as long for Recommend without swaps.",
)
@click.option("--rounds", default=4, show_default=True, type=click.IntRange(min=1), help="Parts of these seconds.")
@click.option("--concurrency", default=16, show_default=True, type=click.IntRange(min=1), help="Calls in flight.")
@click.option(
    "--listeners", default=500, show_default=True, type=click.IntRange(min=2), help="Listeners of three tastes."
)
@click.option(
    "--only",
    "groups",
    multiple=True,
    type=click.Choice(("calls", "blocking", "training", "scoring", "swaps", "memory")),
    help="Measure only this group of rows. Repeatable.",
)
@click.option("--trained", default=3, show_default=True, type=click.IntRange(min=1), help="Listeners to train.")
@click.option("--labels", default=200, show_default=True, type=click.IntRange(min=30), help="Labels of each of them.")
@click.option("--swaps", default=1_000, show_default=True, type=click.IntRange(min=4), help="Swaps under load.")
@click.option(
    "--swaps-per-second", default=10.0, show_default=True, type=click.FloatRange(min=1), help="How many in a second."
)
@click.option(
    "--memory-swaps", default=2_000, show_default=True, type=click.IntRange(min=8), help="Swaps of the memory curve."
)
@click.option("--cache", type=_FILE, help="Where catalogs are cached.  [default: palate-bench in the system's temp]")
@click.option("--json", "json_path", type=_FILE, help="A file for all figures.")
def bench(**options: Any) -> None:
    """Measure the server under load, and how models are trained and swapped.

    Starts the real server on synthesised catalogs and drives it from this process. Prints ratios to an empty call
    within the same run, beside the budgets. Needs Linux.
    """
    call("palate_lab.bench.command:measure_all", **options)
