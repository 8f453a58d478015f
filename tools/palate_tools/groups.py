"""Command groups that import a command only when it is used, and what to install where that fails."""

import os
import pkgutil
from collections.abc import Mapping
from typing import Any, Final

import click
from palate.errors import PalateError
from palate.suggestion import suggestion

__all__ = ["CommandGroup", "call", "installing"]

_LONGEST: Final = 200
"""Characters of a command's first sentence that a group's help shows, over several lines."""


class CommandGroup(click.Group):
    """A group whose commands are imported when they are used, so that its help needs none of them.

    Args:
        lazy: For each command the dotted name of its object and one line of help.
        default: The command that runs where none is named: ``palate profile ana`` is ``palate profile show ana``.
        extra: The extra that brings the libraries which its commands need.
        settings: What `click.Group` takes.

    Attributes:
        default: The command that runs where none is named, or empty.
    """

    def __init__(
        self,
        *,
        lazy: Mapping[str, tuple[str, str]] | None = None,
        default: str = "",
        extra: str = "train",
        **settings: Any,
    ) -> None:
        super().__init__(no_args_is_help=not default, **settings)
        self._lazy = lazy or {}
        self.default = default
        self._extra = extra

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - the signature is click's
        """Return the names of the commands, in the order in which they are written."""
        return [*self._lazy, *self.commands]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command; None when there is none of this name."""
        if cmd_name not in self._lazy:
            return super().get_command(ctx, cmd_name)
        os.environ.setdefault("GRPC_VERBOSITY", "ERROR")  # gRPC reads it when imported; errors are shown without it
        command: click.Command = pkgutil.resolve_name(self._lazy[cmd_name][0])
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the default command in front where none is named."""
        if self.default and not (args and args[0] in {*self.commands, *ctx.help_option_names}):
            takes_arguments = any(isinstance(each, click.Argument) for each in self.commands[self.default].params)
            if not args or args[0].startswith("-") or takes_arguments:
                args = [self.default, *args]
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is named, or say which name is near."""
        name, names = args[0], self.list_commands(ctx)
        if name not in names and not name.startswith("-") and not ctx.resilient_parsing:
            ctx.fail(f"there is no command {name!r}{suggestion(name, names)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        """List the commands without importing them."""
        own = {name: command.get_short_help_str(_LONGEST) for name, command in self.commands.items()}
        with formatter.section("Commands"):
            formatter.write_dl([*((name, summary) for name, (_, summary) in self._lazy.items()), *own.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; what palate refuses, and what is not installed, ends it with one sentence."""
        try:
            return super().invoke(ctx)
        except PalateError as error:
            raise _Refused(str(error)) from error
        except ModuleNotFoundError as error:
            if error.name is None or error.name.startswith("palate"):
                raise
            raise _Refused(f"{error.name} is not installed; {installing(self._extra)}") from error


class _Refused(click.ClickException):
    exit_code = 2


def call(target: str, /, **arguments: Any) -> Any:
    """Import a function by its dotted name, ``"package.module:function"``, and call it."""
    return pkgutil.resolve_name(target)(**arguments)


def installing(extra: str) -> str:
    """Say how to install an extra: ``"pip install 'palate[train]', or in a clone …"``."""
    return f"pip install 'palate[{extra}]', or in a clone pip install -e '.[{extra}]'"
