"""Who may import whom. The contracts stand in pyproject.toml."""

import grimp
import pytest
from importlinter.cli import lint_imports
from support.repository import ROOT

TRAINING = {"joblib", "lightgbm", "onnx", "onnxmltools", "scipy", "skl2onnx", "sklearn", "threadpoolctl"}


def test_imports_go_downwards_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every contract holds, however a module is imported and over however many others."""
    monkeypatch.syspath_prepend(ROOT)  # as the linter does, and undone again
    assert 0 == lint_imports(str(ROOT / "pyproject.toml"), no_cache=True, no_logo=True)


def test_only_learners_need_the_training_libraries() -> None:
    """Strategies serve models without the extra that trains them."""
    graph = grimp.build_graph("palate_strategies", "palate", include_external_packages=True, cache_dir=None)
    learners = graph.find_descendants("palate_strategies.learners") | {"palate_strategies.learners"}
    strategies = graph.find_descendants("palate_strategies") - learners
    assert {} == {module: needed for module in strategies if (needed := TRAINING & graph.find_upstream_modules(module))}
    assert any(TRAINING & graph.find_upstream_modules(module) for module in learners)
