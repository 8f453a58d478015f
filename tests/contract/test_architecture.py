"""Who may know whom."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import palate
import palate_strategies
import pytest

FLOORS = [
    {"bursts", "errors", "lru", "observer", "service_names", "suggestion", "__init__", "v1"},
    {"catalog"},
    {"tastes"},
    {"strategy", "store"},
    {"models"},
    {"config"},
    {"service"},
    {"rpc"},
    {"logs", "metrics", "scraping", "serve", "run", "client", "testing"},
]
TRAINING = {"lightgbm", "onnx", "onnxmltools", "sklearn", "skl2onnx", "joblib"}
RUNTIME = {"alembic", "grpc", "onnxruntime", "prometheus_client", "psycopg", "pyarrow", "sqlalchemy", "sqlite3"}
SERVER = Path(palate.__file__).parent


def imports(path: Path) -> Iterator[str]:
    """Yield the dotted names that a module imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def floor_of(name: str) -> int:
    """Return the floor that a part of the server stands on."""
    return next(number for number, parts in enumerate(FLOORS) if name in parts)


def sources(root: Path) -> list[Path]:
    """Return the modules below a folder, generated ones left out."""
    return [path for path in sorted(root.rglob("*.py")) if "_pb2" not in path.name]


@pytest.mark.parametrize("path", sources(SERVER), ids=lambda path: str(path.relative_to(SERVER)))
def test_a_module_of_the_server_imports_only_from_its_own_floor_and_those_below(path: Path) -> None:
    """The server's parts know only what lies beneath them."""
    part = path.relative_to(SERVER).parts[0].removesuffix(".py")
    named = [name.split(".")[1] for name in imports(path) if name.startswith("palate.")]
    assert [] == [name for name in named if floor_of(name) > floor_of(part)]


@pytest.mark.parametrize("path", sources(SERVER), ids=lambda path: str(path.relative_to(SERVER)))
def test_the_server_imports_no_training_library_and_no_tool(path: Path) -> None:
    """Serving needs neither the training extra nor the command line."""
    assert set() == {name.split(".")[0] for name in imports(path)} & (TRAINING | {"palate_tools", "palate_strategies"})


STRATEGIES = Path(palate_strategies.__file__).parent
LEARNERS = sources(STRATEGIES / "learners")


@pytest.mark.parametrize(
    "path", [path for path in sources(STRATEGIES) if path not in LEARNERS], ids=lambda path: path.name
)
def test_strategies_reach_nothing_but_their_context(path: Path) -> None:
    """A strategy sees values, never transport, store or runtime, and needs no training library."""
    roots = {".".join(name.split(".")[:2]) for name in imports(path)}
    assert set() == {name.split(".")[0] for name in roots} & (RUNTIME | TRAINING | {"palate_tools"})
    own = {name for name in roots if name.startswith("palate.")}
    assert own <= {"palate.plugins", "palate.domain", "palate.catalog"}


@pytest.mark.parametrize("path", LEARNERS, ids=lambda path: path.name)
def test_learners_know_of_the_server_what_models_are(path: Path) -> None:
    """A learner sees labels and says how its models are served; it reaches neither transport, store nor runtime."""
    roots = {".".join(name.split(".")[:2]) for name in imports(path)}
    assert set() == {name.split(".")[0] for name in roots} & (RUNTIME | {"palate_tools"})
    assert {name for name in roots if name.startswith("palate.")} <= {"palate.catalog", "palate.models"}


def test_the_plugin_contract_pulls_in_no_transport_store_or_runtime() -> None:
    """`import palate.plugins` stays light for those who write plugins."""
    code = "import sys, palate.plugins; print(*{name.split('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert set() == set(loaded.stdout.split()) & (RUNTIME | TRAINING)


def test_the_source_folders_are_no_packages() -> None:
    """`import server` must never work."""
    code = "import server"
    outcome = subprocess.run([sys.executable, "-c", code], capture_output=True, cwd="/", check=False)
    assert 1 == outcome.returncode
