"""Third parties' strategies, installed for one test."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from palate.plugins.loader import installed

__all__ = ["Install", "install"]

Install = Callable[[str, str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Return a function that installs a distribution ``test-NAME`` with a strategy NAME.

    The strategy is the class ``Plugin`` of the code that is given, which becomes the module ``test_NAME_plugin``.
    """
    with monkeypatch.context() as patch:

        def strategy(name: str, code: str) -> None:
            information = tmp_path / "plugins" / f"test_{name}-1.0.dist-info"
            information.mkdir(parents=True)
            metadata = f"Metadata-Version: 2.1\nName: test-{name}\nVersion: 1.0\n"
            (information / "METADATA").write_text(metadata, "utf-8")
            entry_points = f"[palate.strategies]\n{name} = test_{name}_plugin:Plugin\n"
            (information / "entry_points.txt").write_text(entry_points, "utf-8")
            (information.parent / f"test_{name}_plugin.py").write_text(code, "utf-8")
            patch.syspath_prepend(information.parent)
            installed.cache_clear()

        yield strategy
    installed.cache_clear()
