"""The pages say what is there: links lead somewhere, commands are commands, and names of the code are its names."""

import ast
import pkgutil
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from palate_tools.cli import main
from support.repository import ROOT

PAGES = sorted(
    page
    for pattern in ("*.md", "docs/*.md", "examples/*/*.md", "tools/palate_tools/**/*.md")
    for page in ROOT.glob(pattern)
)
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
LINK = re.compile(r"\]\(([^)\s]+)\)")
NAME = re.compile(r"palate(?:_strategies|_tools)?(?:\.\w+)+")
OTHER_NAMES = {"palate.toml", "palate.db", "palate.v1", "palate.strategies", "palate.learners"}
"""What looks like the name of something in the code, and is that of a file, of the contract or of entry points."""

over_pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def anchors(page: Path) -> set[str]:
    """Return what the headings of a page are linked by."""
    text = FENCED.sub("", page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def leads_somewhere(page: Path, link: str) -> bool:
    """Return whether a relative link is to a file that is there, and to one of its headings if it names one."""
    path, _, anchor = link.partition("#")
    target = page.parent / path if path else page
    return target.exists() and (not anchor or anchor in anchors(target))


@over_pages
def test_every_link_leads_somewhere(page: Path) -> None:
    """Files and headings that a page links to are there."""
    links = LINK.findall(FENCED.sub("", page.read_text(encoding="utf-8")))
    assert [] == [link for link in links if "://" not in link and not leads_somewhere(page, link)]


def test_the_readme_leads_to_every_guide() -> None:
    """No guide is left for a reader to find."""
    links = LINK.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    assert [] == [guide.name for guide in ROOT.glob("docs/*.md") if f"docs/{guide.name}" not in links]


def examples(page: Path) -> Iterator[str]:
    """Yield the lines of a page's examples that call `palate`."""
    for language, block in FENCED.findall(page.read_text(encoding="utf-8")):
        prompt = {"": r"(?:[A-Z_]+=\S+ )*", "console": r"\$ "}.get(language)
        if prompt is not None:
            yield from (line.partition(" #")[0] for line in re.findall(rf"^{prompt}(palate .*)", block, re.MULTILINE))


def mentions(page: Path) -> Iterator[str]:
    """Yield what a page says of commands in its sentences."""
    for code in INLINE.findall(FENCED.sub("", page.read_text(encoding="utf-8"))):
        if re.match(r"palate [a-z]", code):
            yield code


def found_command(words: list[str]) -> click.Command:
    """Take the names of a command out of a command line, and return the command."""
    command: click.Command = main
    while isinstance(command, click.Group) and words:
        found = command.get_command(click.Context(command), words[0])
        if found is None:
            raise click.UsageError(f"there is no command {words[0]}")
        command = found
        del words[0]
    return command


def flaw_of(line: str, *, whole: bool) -> str:
    """Say what is wrong with a command line, empty when nothing is; one that is not `whole` may lack what it needs."""
    words = shlex.split(line)[1:]
    try:
        command = found_command(words)
        context = click.Context(command)
        given, _, _ = command.make_parser(context).parse_args(words)
        for parameter in command.params:
            value = given.get(parameter.name or "")
            if whole and parameter.required and not value:
                raise click.MissingParameter(ctx=context, param=parameter)
            if isinstance(parameter.type, click.Choice) and value:
                parameter.type_cast_value(context, value)
    except click.BadOptionUsage as error:
        return error.format_message() if whole else ""
    except click.UsageError as error:
        return error.format_message()
    return ""


@over_pages
def test_every_command_line_names_commands_and_options_that_are_there(page: Path) -> None:
    """What a reader copies from a page is understood."""
    flaws = {line: flaw_of(line, whole=True) for line in examples(page)}
    flaws |= {line: flaw_of(line, whole=False) for line in mentions(page)}
    assert {} == {line: flaw for line, flaw in flaws.items() if flaw}


def is_there(name: str) -> bool:
    """Return whether a dotted name is a module or something in one."""
    try:
        pkgutil.resolve_name(name)
    except (ImportError, AttributeError):
        return False
    return True


@over_pages
def test_every_name_of_the_code_is_there(page: Path) -> None:
    """Modules, classes and functions are called what the page calls them."""
    codes = INLINE.findall(FENCED.sub("", page.read_text(encoding="utf-8")))
    names = {code for code in codes if NAME.fullmatch(code)} - OTHER_NAMES
    assert [] == sorted(name for name in names if not is_there(name))


@over_pages
def test_every_python_example_is_python(page: Path) -> None:
    """It parses, and what it imports from palate is there."""
    for language, block in FENCED.findall(page.read_text(encoding="utf-8")):
        if language == "python":
            for node in ast.walk(ast.parse(block)):
                if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(("palate.", "palate_tools.")):
                    assert [] == [each.name for each in node.names if not is_there(f"{node.module}.{each.name}")]
