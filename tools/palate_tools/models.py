"""`palate models …`: look at models and runs, and say which model serves."""

from functools import partial
from math import isnan
from pathlib import Path

import click
from palate.client import NotFound, pages
from palate.suggestion import suggestion
from palate.v1 import model_pb2

from palate_tools.connecting import Session, connected
from palate_tools.groups import CommandGroup
from palate_tools.tables import Column, print_facts, print_line, print_rows

__all__ = ["models"]

_MODELS = (
    Column("version"),
    Column("listener", narrowest=8),
    Column("taste", narrowest=8),
    Column("learner"),
    Column("state"),
    Column("labels", number=True),
    Column("AUC", number=True),
    Column("ranking", number=True),
    Column("trained at", spare=True),
    Column("reason", narrowest=16, spare=True),
)
_RUNS = (
    Column("started at"),
    Column("seconds", number=True),
    Column("listener", narrowest=8),
    Column("taste", narrowest=8),
    Column("version"),
    Column("reason", narrowest=24, under=True),
)
_COMMON = "(common)"
_LARGEST_PAGE = 100
_user = click.argument("user", metavar="[USER]", default="")
_pages = click.option("--pages", "page_count", type=click.IntRange(1), default=1, metavar="N", help="How many pages.")
_page_size = click.option(
    "--page-size", type=int, default=0, metavar="N", help="How many on a page, at most 100.  [default: 10]"
)
_version = click.argument("version", metavar="VERSION")


@click.group(cls=CommandGroup, default="list")
def models() -> None:
    """List, export, roll back and pin models. `palate models [USER]` is `palate models list [USER]`."""


@models.command("list")
@connected
@_user
@click.option("--taste", default="", metavar="TASTE", help="Only those of this taste.")
@_page_size
@_pages
def list_models(session: Session, *, user: str, taste: str, page_size: int, page_count: int) -> None:
    """List models, newest first: those of a listener, or all."""

    def page(token: str) -> model_pb2.ListModelsResponse:
        return session.client.list_models(user_id=user, taste_id=taste, page_size=page_size, page_token=token)

    session.answer_pages(pages(page), partial(_show_models, session), page_count)


@models.command()
@connected
@_version
def show(session: Session, *, version: str) -> None:
    """Show all that is known of a model."""
    session.answer(session.client.get_model(version), lambda answer: _show_model(session, answer.model))


@models.command()
@connected
@_version
@click.argument("path", metavar="FILE.onnx", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
def export(session: Session, *, version: str, path: Path, force: bool) -> None:
    """Write a model as an ONNX file that other tools open."""
    answer = session.client.export_model(version)
    try:
        with path.open("wb" if force else "xb") as file:
            file.write(answer.onnx)
    except FileExistsError as error:
        raise click.ClickException(f"{path} exists; name another file, or replace it with --force") from error
    except OSError as error:
        raise click.ClickException(f"cannot write {path}: {error.strerror}; name another file") from error
    session.acknowledge(answer, f"wrote {path}: {len(answer.onnx):,} bytes")


@models.command()
@connected
@click.argument("user")
@click.option("--taste", default="", metavar="TASTE", help="The taste; the common model when left out.")
@click.option("--to", "version", default="", metavar="VERSION", help="The model to go back to; else the one before.")
def rollback(session: Session, *, user: str, taste: str, version: str) -> None:
    """Put an earlier model of a taste back in service."""
    try:
        answer = session.client.rollback_model(user, taste, model_version=version)
    except NotFound as error:
        mistake = _without_model(session, user, taste)
        if not mistake:
            raise
        raise click.ClickException(mistake) from error
    name = answer.model.model_version
    session.acknowledge(answer, f"{name} serves {user}'s {taste or _COMMON} again; pin it to keep the trainer off it")


@models.command()
@connected
@_version
def pin(session: Session, *, version: str) -> None:
    """Keep a model in service: training does not replace it."""
    session.acknowledge(session.client.pin_model(version, pinned=True), f"pinned {version}")


@models.command()
@connected
@_version
def unpin(session: Session, *, version: str) -> None:
    """Let training replace a model again."""
    session.acknowledge(session.client.pin_model(version, pinned=False), f"unpinned {version}")


@models.command()
@connected
@_user
@_page_size
@_pages
def runs(session: Session, *, user: str, page_size: int, page_count: int) -> None:
    """List runs of the trainer, newest first: those of a listener, or all."""

    def page(token: str) -> model_pb2.ListTrainingRunsResponse:
        return session.client.list_training_runs(user_id=user, page_size=page_size, page_token=token)

    session.answer_pages(pages(page), partial(_show_runs, session), page_count)


def _without_model(session: Session, user: str, taste: str) -> str:
    """Say that no model of a listener's is of this taste, and of which some are; empty when one is."""

    def page(token: str) -> model_pb2.ListModelsResponse:
        return session.client.list_models(user_id=user, page_size=_LARGEST_PAGE, page_token=token)

    tastes = {model.taste_id for answer in pages(page) for model in answer.models}
    if taste in tastes:
        return ""
    named = sorted(tastes - {""})
    if not tastes:
        return f"listener {user!r} has no models; `palate models list` lists those that there are"
    if not taste:
        return f"listener {user!r} has no common model; name one of the tastes with --taste: {', '.join(named)}"
    if not named:
        return f"listener {user!r} has no model of taste {taste!r}, only the common one; leave --taste out for it"
    return f"listener {user!r} has no model of taste {taste!r}{suggestion(taste, named)}"


def _show_models(session: Session, answer: model_pb2.ListModelsResponse) -> None:
    if not answer.models:
        print_line(session.console, "there are no models; `palate train` makes them once listeners are due")
        return
    print_rows(session.console, _MODELS, [_model_row(model) for model in answer.models])


def _model_row(model: model_pb2.Model) -> list[str]:
    auc = next((metric for metric in model.metrics if metric.name == "auc"), None)
    return [
        model.model_version,
        model.user_id,
        model.taste_id or _COMMON,
        model.learner,
        _state(model),
        str(model.label_count),
        "" if auc is None else _figure(auc.value, 3),
        "" if auc is None else _figure(auc.ranking_value, 3),
        f"{model.create_time.ToDatetime():%Y-%m-%d %H:%M}",
        model.reason,
    ]


def _show_model(session: Session, model: model_pb2.Model) -> None:
    figures = {metric.name.replace("_", "-"): _compared(metric) for metric in model.metrics}
    facts = {
        "version": model.model_version,
        "listener": model.user_id,
        "taste": model.taste_id or _COMMON,
        "learner": model.learner,
        "state": _state(model),
        "reason": model.reason,
        "labels": str(model.label_count),
        **figures,
        "size": f"{model.size_bytes:,} bytes",
        "sha256": model.sha256,
        "trained at": f"{model.create_time.ToDatetime():%Y-%m-%d %H:%M:%S} UTC",
    }
    print_facts(session.console, facts)


def _compared(metric: model_pb2.Metric) -> str:
    new, ranking, serving = (_figure(one, 4) for one in (metric.value, metric.ranking_value, metric.serving_value))
    return f"{new}, ranking {ranking}, in service then {serving}"


def _figure(value: float, digits: int) -> str:
    return "-" if isnan(value) else f"{value:.{digits}f}"


def _state(model: model_pb2.Model) -> str:
    name = model_pb2.ModelState.Name(model.state).removeprefix("MODEL_STATE_").lower()
    return f"{name}, pinned" if model.pinned else name


def _show_runs(session: Session, answer: model_pb2.ListTrainingRunsResponse) -> None:
    if not answer.training_runs:
        print_line(session.console, "there are no runs; `palate train` makes them once listeners are due")
        return
    print_rows(session.console, _RUNS, [_run_row(run) for run in answer.training_runs])


def _run_row(run: model_pb2.TrainingRun) -> list[str]:
    seconds = (run.end_time.ToNanoseconds() - run.start_time.ToNanoseconds()) / 1e9
    return [
        f"{run.start_time.ToDatetime():%Y-%m-%d %H:%M:%S}",
        f"{seconds:.2f}",
        run.user_id,
        run.taste_id or _COMMON,
        run.model_version,
        run.reason,
    ]
