"""The root of the `palate` command line."""

from typing import Final

import click
from palate import __version__

from palate_tools.groups import CommandGroup

__all__ = ["main"]

_COMMANDS: Final = {
    "serve": ("palate_tools.operating:serve", "Serve recommendations."),
    "train": ("palate_tools.operating:train", "Train the models of listeners who are due."),
    "recommend": ("palate_tools.listening:recommend", "Recommend tracks to a listener, or rank some."),
    "like": ("palate_tools.listening:like", "Record that a listener likes tracks."),
    "dislike": ("palate_tools.listening:dislike", "Record that a listener dislikes tracks."),
    "profile": ("palate_tools.profiles:profile", "Show, export, change and delete what is stored of a listener."),
    "search": ("palate_tools.browsing:search", "Find tracks by title and artists."),
    "catalog": ("palate_tools.catalog.commands:catalog", "Build, describe and synthesise catalogs."),
    "models": ("palate_tools.models:models", "List, export, roll back and pin models."),
    "strategies": ("palate_tools.browsing:strategies", "List the installed strategies."),
    "console": ("palate_tools.console.command:console", "Listen and rate in the terminal."),
    "doctor": ("palate_tools.doctor:doctor", "Check the installation, its state and the server."),
    "lab": ("palate_lab.cli:lab", "Simulate, compare and measure: the laboratory."),
}
"""Where each command is, and its line in the help."""


@click.group(cls=CommandGroup, lazy=_COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="palate")
def main() -> None:
    """A music recommendation backend that keeps a listener's several tastes apart."""
