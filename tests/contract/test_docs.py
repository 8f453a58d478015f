"""The pages say what is there, and leave nothing out that a reader looks up."""

import ast
import json
import pkgutil
import re
import runpy
import shlex
from collections.abc import Iterator
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import click
import numpy as np
import palate.client
import palate.errors
import palate.plugins
import pytest
from palate.app.config import Config, StageConfig, TokenConfig
from palate.catalog.snapshot import Catalog
from palate.client import Client
from palate.domain.profile import Profile
from palate.metrics import Metrics
from palate.plugins.learner import Learner
from palate.plugins.strategy import Context, SlateRequest, Strategy
from palate.rpc.errors import TABLE
from palate.service_names import SERVICES
from palate_lab.comparison.measures import METRICS
from palate_lab.simulation.session import Row
from palate_strategies.cold_start import ColdStart
from palate_strategies.fallback import Fallback
from palate_strategies.learners import gbdt, logistic, neural
from palate_strategies.model_strategies import Gbdt, Logistic, ModelStrategy, Neural
from palate_strategies.ranking import Ranking
from palate_tools.catalog.columns import NAMES
from palate_tools.cli import main
from palate_tools.console.screens.listening import ListeningScreen
from palate_tools.console.screens.search import SearchScreen
from palate_tools.simulation.kinds import Kind, load_kinds
from prometheus_client import CollectorRegistry
from pydantic import BaseModel
from support.repository import DOCS, ROOT
from textual.binding import Binding

PAGES = sorted(
    page
    for pattern in ("*.md", "docs/**/*.md", "examples/*/*.md", "tools/palate_tools/**/*.md")
    for page in ROOT.glob(pattern)
)
GUIDES = sorted(page for page in DOCS.glob("*/*.md") if page.parent.name != "research")
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
LINK = re.compile(r"\]\(([^)\s]+)\)")
NAME = re.compile(r"palate(?:_strategies|_tools|_lab)?(?:\.\w+)+")
SOURCE = re.compile(r"(?:[\w-]+/)*\w+\.(?:py|toml)")
OTHER_NAMES = {"palate.toml", "palate.db", "palate.v1", "palate.strategies", "palate.learners"}
"""What looks like the name of something in the code, and is that of a file, of the contract or of entry points."""
NEVER_IN_A_CALL = {"PalateError", "ConfigError", "CatalogError"}
OLD_WORDS = re.compile(
    r"\b(rungs?|ladder|refold(ed|ing)?|folded|bursts?|in hand|mend(s|ed|ing)?|incarnations?|sceptics?|recipes?"
    r"|locked out|look(s|ing)? around|st(ands|ood) still|anew)\b",
    re.IGNORECASE,
)
MAX_WORDS = 15_000

over_pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def text_of(*path: str) -> str:
    """Return a page's text."""
    return DOCS.joinpath(*path).read_text(encoding="utf-8")


def prose_of(page: Path) -> str:
    """Return a page's text without its examples."""
    return FENCED.sub("", page.read_text(encoding="utf-8"))


def first_cells(text: str) -> set[str]:
    """Return what stands as code in the first cells of a page's tables."""
    return {code for cell in re.findall(r"^\| ([^|]*)\|", text, re.MULTILINE) for code in INLINE.findall(cell)}


def anchors(page: Path) -> set[str]:
    """Return what the headings of a page are linked by."""
    headings = re.findall(r"^#+ (.+)$", prose_of(page), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def leads_somewhere(page: Path, link: str) -> bool:
    """Return whether a relative link is to a file that is there, and to one of its headings if it names one."""
    path, _, anchor = link.partition("#")
    target = page.parent / path if path else page
    return target.exists() and (not anchor or anchor in anchors(target))


@over_pages
def test_every_link_leads_somewhere(page: Path) -> None:
    """Files and headings that a page links to are there."""
    links = LINK.findall(prose_of(page))
    assert [] == [link for link in links if "://" not in link and not leads_somewhere(page, link)]


def test_every_page_that_the_code_names_is_there() -> None:
    """A message or a docstring that leads to a page leads somewhere."""
    named = {
        (source.name, page)
        for folder in ("server", "strategies", "tools")
        for source in (ROOT / folder).rglob("*.[pt][yo]*")
        if source.suffix in {".py", ".toml"}
        for page in re.findall(r"docs/[\w/-]+\.md", source.read_text(encoding="utf-8"))
    }
    assert [] == sorted((source, page) for source, page in named if not (ROOT / page).is_file())


def test_the_contents_list_every_page_and_the_readme_leads_to_them() -> None:
    """No page is left for a reader to find."""
    listed = re.findall(r"^[\w-]+/[\w-]+$", text_of("index.md"), re.MULTILINE)
    assert sorted(f"{page.parent.name}/{page.stem}" for page in DOCS.glob("*/*.md")) == sorted(listed)
    assert "docs/index.md" in LINK.findall((ROOT / "README.md").read_text(encoding="utf-8"))


def test_every_picture_is_used() -> None:
    """An image that no page shows is deleted."""
    shown = {Path(link).name for page in PAGES for link in LINK.findall(page.read_text(encoding="utf-8"))}
    assert [] == [image.name for image in (DOCS / "images").iterdir() if image.name not in shown]


def test_the_guides_can_be_read_in_an_hour() -> None:
    """Tutorial, how-to guides, reference and explanation together stay within their budget of words."""
    words = [word for page in GUIDES for word in page.read_text(encoding="utf-8").split()]
    assert MAX_WORDS >= len(words)


@over_pages
def test_every_page_uses_the_words_of_the_glossary(page: Path) -> None:
    """Metaphors that the field's own words replaced do not come back; the changelog tells which they were."""
    if page.name != "CHANGELOG.md":
        assert [] == [found[0] for found in OLD_WORDS.finditer(prose_of(page))]


def examples(page: Path) -> Iterator[str]:
    """Yield the lines of a page's examples that call `palate`."""
    for language, block in FENCED.findall(page.read_text(encoding="utf-8")):
        prompt = {"": r"(?:[A-Z_]+=\S+ )*", "console": r"\$ "}.get(language)
        if prompt is not None:
            yield from (line.partition(" #")[0] for line in re.findall(rf"^{prompt}(palate .*)", block, re.MULTILINE))


def mentions(page: Path) -> Iterator[str]:
    """Yield what a page says of commands in its sentences."""
    for code in INLINE.findall(prose_of(page)):
        if re.match(r"palate [a-z]", code):
            yield re.sub(r"[\[\]]|\.\.\.", "", code)


def found_command(words: list[str]) -> click.Command:
    """Take the names of a command out of a command line, and return the command."""
    command: click.Command = main
    while isinstance(command, click.Group) and words:
        context = click.Context(command)
        found = command.get_command(context, words[0])
        if found is None:
            default = getattr(command, "default", "")
            found = command.get_command(context, default) if default else None
            if found is None:
                raise click.UsageError(f"there is no command {words[0]}")
            return found
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
    if page.name == "CHANGELOG.md":
        return
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
    names = {code for code in INLINE.findall(prose_of(page)) if NAME.fullmatch(code)} - OTHER_NAMES
    assert page.name == "CHANGELOG.md" or [] == sorted(name for name in names if not is_there(name))


@over_pages
def test_every_python_example_is_python(page: Path) -> None:
    """It parses, and what it imports from palate is there."""
    for language, block in FENCED.findall(page.read_text(encoding="utf-8")):
        if language == "python":
            for node in ast.walk(ast.parse(block)):
                if isinstance(node, ast.ImportFrom) and re.match(
                    r"palate(_tools|_lab|_strategies)?\.", node.module or ""
                ):
                    assert [] == [each.name for each in node.names if not is_there(f"{node.module}.{each.name}")]


def test_the_strategy_of_the_guide_makes_a_slate(catalog: Catalog, tmp_path: Path) -> None:
    """Whoever copies it has a strategy that works."""
    [code, _] = [
        block for language, block in FENCED.findall(text_of("how-to", "write-a-strategy.md")) if language == "python"
    ]
    module = tmp_path / "palate_loudest.py"
    module.write_text(code, encoding="utf-8")
    names = runpy.run_path(str(module))
    strategy = names["Loudest"](names["LoudestConfig"]())
    request = SlateRequest(limit=10, excluded=np.array([0], dtype=np.int32), artists=(), seed=1)
    choices = strategy.recommend(Profile("ana"), request, Context(catalog, {}, {}))
    scores = strategy.score(
        Profile("ana"), np.array([choice.row for choice in choices], dtype=np.int32), Context(catalog, {}, {})
    )
    assert 10 == len(choices)
    assert [choice.score for choice in choices] == scores.values.tolist()


def test_every_file_of_the_architecture_is_there() -> None:
    """The page and its pictures name files that a newcomer can open."""
    pictures = runpy.run_path(str(DOCS / "diagrams.py"))["PICTURES"]
    labels = [label for picture in pictures.values() for label in re.findall(r'class="file"[^>]*>([^<]+)<', picture)]
    named = {code for code in INLINE.findall(text_of("explanation", "architecture.md")) if SOURCE.fullmatch(code)}
    folders = (ROOT, ROOT / "server/palate", ROOT / "tools/palate_tools/training")
    assert [] == [
        name for name in sorted({*named, *labels}) if not any((folder / name).is_file() for folder in folders)
    ]


def test_the_pictures_are_those_that_their_script_draws() -> None:
    """`python docs/diagrams.py` was run after the last change."""
    for name, picture in runpy.run_path(str(DOCS / "diagrams.py"))["PICTURES"].items():
        assert picture == (DOCS / "images" / f"{name}.svg").read_text(encoding="utf-8"), name


def leaf_commands(command: click.Command, names: tuple[str, ...]) -> Iterator[str]:
    """Yield the names of all commands below one, such as ``palate catalog build``."""
    if not isinstance(command, click.Group):
        yield " ".join(names)
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        assert found is not None
        yield from leaf_commands(found, (*names, name))


def test_every_command_is_documented() -> None:
    """The reference has a line for each command, and for no other."""
    text = text_of("reference", "command-line.md")
    lines = {code for code in INLINE.findall(text) if code.startswith("palate ")} - {"palate COMMAND --help"}
    expected = set(leaf_commands(main, ("palate",)))
    assert [] == sorted(name for name in expected if not any(f"{line} ".startswith(f"{name} ") for line in lines))


def test_every_option_of_the_connection_is_documented() -> None:
    """The reference says how a client finds its server."""
    command = found_command(["search"])
    shared = {option for each in command.params for option in each.opts if option[2:] in {"server", "token", "json"}}
    shared |= {option for each in command.params for option in each.opts if option.startswith(("--tls", "--token"))}
    documented = {code.split()[0] for code in first_cells(text_of("reference", "command-line.md")) if code[0] == "-"}
    assert shared == documented


def written(default: object) -> str:
    """Return a default as the reference writes it."""
    if default is None or default == "":
        return "none"
    return f"`{json.dumps(default) if isinstance(default, tuple | dict) else default}`"


def table_keys(table: type[BaseModel], prefix: str = "") -> dict[str, str]:
    """Return the keys of a table of the configuration with their defaults, as the reference writes them."""
    keys: dict[str, str] = {}
    for name, field in table.model_fields.items():
        default = "required" if field.is_required() else field.get_default(call_default_factory=True)
        if isinstance(default, BaseModel):
            keys |= table_keys(type(default), f"{prefix}{name}.")
        else:
            keys[prefix + name] = default if default == "required" else written(default)
    return keys


def test_every_key_of_the_configuration_is_documented_with_its_default() -> None:
    """The reference has every key and what it is unless set, and no other."""
    rows = re.findall(r"^\| `([\w.]+)` \| (.+?) \|", text_of("reference", "configuration.md"), flags=re.MULTILINE)
    assert table_keys(Config) | table_keys(TokenConfig) | table_keys(StageConfig) == dict(rows)


@pytest.mark.parametrize(
    "config_type",
    [
        *(strategy.config_type for strategy in (ColdStart, Fallback, Ranking, ModelStrategy)),
        *(learner.config_type for learner in (logistic.Logistic, neural.Neural, gbdt.Gbdt)),
    ],
    ids=lambda config_type: config_type.__name__,
)
def test_every_option_of_a_plugin_is_documented_with_its_default(config_type: Any) -> None:
    """An operator finds each option and what it is unless set."""
    words = {
        "feature_weights": "nine times 1.0",
        "width": "1/9",
        "trees_share": "1/3",
        "network": "`neural`'s defaults",
    }
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \|", text_of("reference", "strategy-options.md"), flags=re.MULTILINE)
    expected = {
        (each.name, words.get(each.name, str(each.default)))
        for each in fields(config_type)
        if each.default is not MISSING or each.name in words
    }
    assert len(fields(config_type)) == len(expected)
    assert set() == expected - set(rows)


@pytest.mark.parametrize("strategy", [ColdStart, Fallback, Ranking, Logistic, Neural, Gbdt])
def test_every_stage_is_documented(strategy: Any) -> None:
    """The table says from where on each strategy applies."""
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", strategy.__name__).lower()
    page = text_of("explanation", "tastes-and-feedback.md")
    row = re.search(rf"^\| `{name}` \| ([\d.]+)[^|]* \| (\d+) \|$", page, re.MULTILINE)
    assert row is not None
    assert (strategy.stage.min_confidence, strategy.stage.min_interactions) == (float(row[1]), int(row[2]))


def test_every_error_is_documented_with_its_status() -> None:
    """The reference has the table of the code, and no call can end with an error that is not in it."""
    rows = re.findall(r"^\|[^|]+\| `(\w+)` \| `(\w+)` \|", text_of("reference", "errors.md"), re.MULTILINE)
    assert {error.__name__: row.code.name for error, row in TABLE.items()} == dict(rows)
    assert set(palate.errors.__all__) - NEVER_IN_A_CALL == {error.__name__ for error in TABLE}


def test_every_metric_is_documented() -> None:
    """The reference has every metric with its labels, and no other."""
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    names = {family.name + ("_total" if family.type == "counter" else "") for family in registry.collect()}
    assert vars(metrics)
    rows = re.findall(r"^\| `(palate_\w+)` \|", text_of("reference", "metrics.md"), flags=re.MULTILINE)
    assert sorted(names) == sorted(rows)


def test_every_method_of_the_contract_is_documented() -> None:
    """The reference has a line for each method."""
    documented = re.findall(r"^\|[^|]*\| `(\w+)` \|", text_of("reference", "contract.md"), flags=re.MULTILINE)
    modules = [pkgutil.resolve_name(f"palate.v1.{name}_pb2") for name in CONTRACT]
    services = [service for module in modules for service in module.DESCRIPTOR.services_by_name.values()]
    assert set(SERVICES) == {service.full_name for service in services}
    assert [method.name for service in services for method in service.methods] == documented


CONTRACT = ("recommendation", "feedback", "profile", "catalog", "strategy", "model")


def test_every_public_name_of_the_client_is_documented() -> None:
    """A caller finds everything that `palate.client` offers."""
    guide = text_of("how-to", "call-palate.md")
    methods = {name for name in vars(Client) if name[0] != "_"}
    methods -= {
        re.sub("(?<!^)([A-Z])", r"_\1", name).lower() for name in INLINE.findall(text_of("reference", "contract.md"))
    }
    assert [] == sorted(name for name in {*palate.client.__all__, *methods} if not re.search(rf"\b{name}\b", guide))


def test_every_public_name_of_the_plugin_api_is_documented() -> None:
    """Whoever writes a plugin finds every value that it meets, and every member of the protocols."""
    page = text_of("reference", "plugin-api.md")
    members = {name for protocol in (Strategy, Learner) for name in vars(protocol) if name[0] != "_"}
    members |= {name for protocol in (Strategy, Learner) for name in protocol.__annotations__}
    names = {*palate.plugins.__all__, *members} - {"Registered", "Registry", "StrategyState"}
    assert [] == sorted(name for name in names if not re.search(rf"\b{name}\b", page))


def test_every_column_of_a_catalog_file_is_documented() -> None:
    """The reference has each name by which a field is found, the best first."""
    rows = re.findall(r"^\| `(\w+)` \| (?:yes|no) \| ([^|]+)", text_of("reference", "catalog-files.md"), re.MULTILINE)
    documented = {field: tuple(re.findall(r"`(\w+)`", names)) for field, names in rows}
    assert {field: names for field, names in NAMES.items() if names != (field,)} == documented


def test_every_key_of_the_console_is_documented() -> None:
    """The guide says what each does."""
    guide = text_of("how-to", "use-the-console.md")
    for screen in (ListeningScreen, SearchScreen):
        for binding in screen.BINDINGS:
            if isinstance(binding, Binding) and binding.show:
                assert f"`{binding.key_display or binding.key}`" in guide, binding


def test_kinds_of_listeners_and_the_columns_of_results_are_documented() -> None:
    """The page about simulated listeners leaves nothing out."""
    names = {*load_kinds(), *Kind.model_fields, *(field.name for field in fields(Row))}
    assert [] == sorted(names - first_cells(text_of("research", "simulation.md")))


def test_metrics_of_comparisons_are_documented() -> None:
    """The page about comparisons says what each is."""
    assert [] == sorted(set(METRICS) - first_cells(text_of("research", "comparison.md")))
