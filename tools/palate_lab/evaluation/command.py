"""`palate lab evaluate labels`."""

import tempfile
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Final

import click
from palate.app.config import LogConfig
from palate.app.logs import set_up_logs
from palate_tools.tables import open_console

from palate_lab.evaluation.harness import EvaluationFailed, evaluate_labels
from palate_lab.evaluation.labelled import LabelledTracks, Split, impossible_sizes, make_splits, read_labelled
from palate_lab.evaluation.summary import print_summary, summarize, to_json
from palate_lab.progress import show_progress

__all__ = ["evaluate_file"]

_LEAST_HELD: Final = 50


def evaluate_file(
    path: Path, *, target: str | None, seeds: int, sizes: Sequence[int], jobs: int, as_json: bool
) -> None:
    """Do what `palate lab evaluate labels` says: its options are the arguments."""
    set_up_logs(LogConfig(level="error"))
    with tempfile.TemporaryDirectory(prefix="palate-evaluate-") as name:
        folder = Path(name)
        with show_progress() as watch:
            watch("building the catalog", 0, 1)
            tracks = read_labelled(path, folder / "labelled.catalog", target)
        splits = _splits(tracks, path, sorted(set(sizes)), seeds)
        with show_progress() as watch:
            trials = evaluate_labels(tracks, splits, folder, folder / "labelled.catalog", jobs, watch)
    summaries = summarize(trials)
    if as_json:
        click.echo(to_json(summaries, trials))
    else:
        print_summary(open_console(), summaries)
    if not all(summary.holds for summary in summaries):
        raise click.exceptions.Exit(1)


def _splits(tracks: LabelledTracks, path: Path, sizes: Sequence[int], seeds: int) -> list[Split]:
    """Draw who is told which labels, and say what of the file and of the sizes is left out."""
    impossible = impossible_sizes(tracks.liked, sizes, _LEAST_HELD)
    for note in (*tracks.notes, *_left_out(impossible)):
        click.echo(f"{path}: {note}", err=True)
    splits = make_splits(tracks.liked, [size for size in sizes if size not in impossible], seeds)
    if not splits:
        raise EvaluationFailed(f"{path}: nothing can be measured; name a smaller number with --n, or another file")
    return splits


def _left_out(impossible: dict[int, str]) -> Iterator[str]:
    for reason, sizes in groupby(impossible, impossible.__getitem__):
        yield f"left out {', '.join(map(str, sizes))} labels: {reason}"
