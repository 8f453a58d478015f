"""The root of the `palate` command line: names its commands and imports each only when it is used."""

import os
import pkgutil
from typing import Any, Final, NamedTuple

import click
from palate import __version__
from palate.errors import PalateError
from palate.suggestion import suggestion

from palate_tools.extras import installing

__all__ = ["main"]


class _Command(NamedTuple):
    target: str
    summary: str


_COMMANDS: Final = {
    "serve": _Command("palate_tools.serving:serve", "Serve recommendations."),
    "recommend": _Command("palate_tools.listening:recommend", "Recommend tracks to a listener."),
    "rank": _Command("palate_tools.listening:rank", "Put tracks in a listener's order."),
    "like": _Command("palate_tools.listening:like", "Record that a listener likes tracks."),
    "dislike": _Command("palate_tools.listening:dislike", "Record that a listener dislikes tracks."),
    "retract": _Command("palate_tools.listening:retract", "Take likes and dislikes back."),
    "profile": _Command("palate_tools.listening:profile", "Show a listener's tastes."),
    "export": _Command("palate_tools.listening:export", "Print everything stored about a listener."),
    "delete-taste": _Command("palate_tools.listening:delete_taste", "Delete one taste."),
    "delete-profile": _Command("palate_tools.listening:delete_profile", "Delete everything about a listener."),
    "search": _Command("palate_tools.browsing:search", "Find tracks by title and artists."),
    "track": _Command("palate_tools.browsing:track", "Show one track."),
    "clusters": _Command("palate_tools.browsing:clusters", "List the genre clusters."),
    "strategies": _Command("palate_tools.browsing:strategies", "List the installed strategies."),
    "health": _Command("palate_tools.browsing:health", "Show whether the server takes calls."),
    "catalog": _Command("palate_tools.catalog.commands:catalog", "Build, describe and synthesise catalogs."),
    "profiles": _Command("palate_tools.profiles:profiles", "Rebuild profiles from the feedback log."),
    "train": _Command("palate_tools.training.commands:train", "Train the models of listeners who are due."),
    "models": _Command("palate_tools.models:models", "List, export, roll back and pin models."),
    "evaluate": _Command("palate_lab.evaluation.commands:evaluate", "Measure palate on real labels and playlists."),
    "simulate": _Command("palate_lab.simulation.commands:simulate_command", "Let simulated listeners use a server."),
    "compare": _Command("palate_lab.comparison.commands:compare_command", "Compare palate with other ways."),
    "console": _Command("palate_tools.console.command:console", "Listen and judge in the terminal."),
    "sceptic": _Command("palate_lab.ablation.commands:sceptic", "Put palate to a sceptic's tests."),
    "report": _Command("palate_lab.report.command:report", "Draw what palate knows of a listener."),
    "demo": _Command("palate_lab.demo:demo", "Walk a listener of three tastes up the stages."),
    "bench": _Command("palate_lab.bench.commands:bench", "Measure the server under load."),
}


class _LazyGroup(click.Group):
    """Lists its commands without importing them, so that `palate --help` answers at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - the signature is click's
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as above
        if cmd_name not in _COMMANDS:
            return None
        os.environ.setdefault("GRPC_VERBOSITY", "ERROR")  # gRPC reads it when imported; what fails is said without it
        command: click.Command = pkgutil.resolve_name(_COMMANDS[cmd_name].target)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in _COMMANDS and not name.startswith("-") and not ctx.resilient_parsing:
            ctx.fail(f"there is no command {name!r}{suggestion(name, _COMMANDS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - as above
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.summary) for name, command in _COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except PalateError as exc:
            raise _Refused(str(exc)) from exc
        except ModuleNotFoundError as exc:
            if exc.name is None or exc.name.startswith("palate"):
                raise
            raise _Refused(f"{exc.name} is not installed; {installing('train')}") from exc


class _Refused(click.ClickException):
    """What palate refuses to do ends the command with one sentence."""

    exit_code = 2


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="palate")
def main() -> None:
    """A music recommendation backend that keeps a listener's several tastes apart."""
