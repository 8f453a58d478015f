"""What all commands share that talk to a server: the options that name it, `--json`, and errors in one sentence."""

import functools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final, TypeVar

import click
import grpc
from click.core import ParameterSource
from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message
from palate.client import CallFailed, Client, NotFound, Unauthenticated, Unreachable
from rich.console import Console

from palate_tools.tables import open_console, print_line

__all__ = ["Session", "advice", "connected", "json_option", "reaching"]

_ADDRESS: Final = "localhost:50051"
_FILE: Final = click.Path(path_type=Path, exists=True, dir_okay=False)
_NOT_FOUND: Final = {
    "profile": "nothing is known of listener {name!r} yet; begin with `palate like {name} TRACK`",
    "feedback": "there is no like or dislike of track {name} to take back",
    "strategy": "there is no strategy {name!r}; `palate strategies` lists those that there are",
    "taste": "there is no taste {name!r}; `palate profile USER` lists the ids of those that there are",
    "genre_cluster": "there is no genre cluster {name!r}; `palate catalog clusters` lists those that there are",
    "model": "{said}; `palate models list` lists those that there are",
}
_UNREACHED: Final = {
    "WRONG_VERSION_NUMBER": "the server at {server} does not encrypt; leave --tls and --tls-ca out",
    "handshake failed": (
        "the server at {server} encrypts, but with a certificate that nobody known here vouches for; "
        "name who does with --tls-ca FILE"
    ),
    "Hostname Verification": (
        "the certificate of the server at {server} is for another name; give that one with --server HOST:PORT"
    ),
    "last error: .*Socket closed": (
        "what listens at {server} hangs up; where it is a palate server that encrypts, add --tls, or --tls-ca FILE"
    ),
}
"""What to say of a server that was not reached, by what is found in what gRPC says of it."""

AnyMessage = TypeVar("AnyMessage", bound=Message)

json_option = click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON, one message a line.")


@dataclass(frozen=True, slots=True)
class Session:
    """One command's connection.

    Attributes:
        client: Calls the server.
        console: Where answers are shown.
        as_json: Whether answers are printed as JSON instead.
    """

    client: Client
    console: Console
    as_json: bool

    def answer(self, message: AnyMessage, show: Callable[[AnyMessage], None]) -> None:
        """Print a message as one line of protobuf JSON, or show it to a person."""
        if self.as_json:
            click.echo(
                MessageToJson(
                    message,
                    preserving_proto_field_name=True,
                    always_print_fields_with_no_presence=True,
                    indent=None,
                    ensure_ascii=False,
                )
            )
        else:
            show(message)

    def answer_pages(
        self, answers: Iterator[AnyMessage], show: Callable[[AnyMessage], None], count: int, *, by_token: bool = False
    ) -> None:
        """Print or show some pages, and tell a person how to see more where there is more.

        Args:
            answers: The pages; each has a `next_page_token`.
            show: Shows one to a person.
            count: How many pages.
            by_token: Whether the command goes on with `--page-token` too.
        """
        token = ""
        for page in islice(answers, count):
            self.answer(page, show)
            token = getattr(page, "next_page_token")  # noqa: B009 - messages share no type that has it
        if token and not self.as_json:
            going_on = f", or --page-token {token}" if by_token else ""
            print_line(self.console, f"for more: --pages {count + 1}{going_on}")

    def acknowledge(self, message: Message, line: str) -> None:
        """Print what was done as JSON, or as a line for a person."""
        self.answer(message, lambda _: print_line(self.console, line))


def connected(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that name a server, and a `Session` as its first argument.

    A call that fails ends the command with one sentence and exit code 1.
    """

    @json_option
    @functools.wraps(command)
    def run(connect: Callable[[], Client], *, as_json: bool, **arguments: Any) -> None:
        with connect() as client:
            command(Session(client, open_console(), as_json), **arguments)

    return reaching(run)


def reaching(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that name a server, and as its first argument what opens a `Client` of it.

    A call that fails ends the command with one sentence and exit code 1.
    """

    @click.option(
        "--server",
        default=_ADDRESS,
        show_default=True,
        envvar="PALATE_SERVER",
        metavar="HOST:PORT",
        help="The server to call; PALATE_SERVER names it too.",
    )
    @click.option(
        "--token",
        envvar="PALATE_TOKEN",
        metavar="TOKEN",
        help="The bearer token, if the server wants one; PALATE_TOKEN holds it too.",
    )
    @click.option("--token-file", type=_FILE, help="A file that holds the token; it outranks PALATE_TOKEN.")
    @click.option("--tls", is_flag=True, help="Encrypt; the system's authorities vouch for the server.")
    @click.option(
        "--tls-ca",
        type=_FILE,
        help="Encrypt; the certificates in this PEM file vouch for the server.",
    )
    @functools.wraps(command)
    def run(
        *,
        server: str,
        token: str | None,
        token_file: Path | None,
        tls: bool,
        tls_ca: Path | None,
        **arguments: Any,
    ) -> None:
        credentials = _trusting(tls_ca) if tls_ca else tls
        if token_file is not None:
            token = _read_token(token_file)
        try:
            command(functools.partial(Client, server, token=token, tls=credentials), **arguments)
        except CallFailed as error:
            raise click.ClickException(advice(error, server)) from error
        except UnicodeEncodeError as error:
            raise click.ClickException(f"{error.object!r} is not valid UTF-8; write it in that encoding") from error

    return run


def advice(error: CallFailed, server: str) -> str:
    """Say what happened and what a person at a terminal can do about it."""
    if isinstance(error, Unreachable):
        for sign, sentence in _UNREACHED.items():
            if re.search(sign, str(error)):
                return sentence.format(server=server)
        return (
            f"no palate server answers at {server}; start one with `palate serve`, "
            "or name another with --server HOST:PORT or PALATE_SERVER, and --tls if it encrypts"
        )
    if isinstance(error, Unauthenticated):
        return "the server wants a token that it knows; send it with PALATE_TOKEN, --token-file FILE or --token TOKEN"
    if isinstance(error, NotFound) and error.kind in _NOT_FOUND:
        return _NOT_FOUND[error.kind].format(name=error.name, said=error)
    return str(error)


def _read_token(path: Path) -> str:
    """Return the token that a file holds, without the line's end. A token on the command line beside it is refused."""
    if click.get_current_context().get_parameter_source("token") is ParameterSource.COMMANDLINE:
        raise click.UsageError("--token and --token-file exclude each other; leave one out")
    try:
        token = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise click.BadParameter(f"{path} cannot be read: {error}", param_hint="--token-file") from error
    if not token:
        raise click.BadParameter(f"{path} is empty; write the token into it", param_hint="--token-file")
    return token


def _trusting(authorities: Path) -> grpc.ChannelCredentials:
    """Return credentials for servers that the certificates in a file vouch for."""
    certificates = authorities.read_bytes()
    if b"-----BEGIN CERTIFICATE-----" not in certificates:
        raise click.BadParameter(f"{authorities} holds no certificate in PEM form", param_hint="--tls-ca")
    return grpc.ssl_channel_credentials(certificates)
