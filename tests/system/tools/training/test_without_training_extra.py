"""A server that has no training library serves models of all three families."""

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from palate.app.config import Config
from palate.client import Client
from palate.store.contract import Store
from palate_tools.training.resources import Resources
from palate_tools.training.trainer import train_listener

BLOCKER = """
import sys

class Absent:
    names = {"dask", "joblib", "lightgbm", "onnx", "onnxmltools", "scipy", "skl2onnx", "sklearn", "threadpoolctl"}

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in self.names:
            raise ModuleNotFoundError(f"{name} is not installed", name=name)

sys.meta_path.insert(0, Absent())
"""
"""Taken up by every Python process that finds it as `sitecustomize`: the training extra is not there."""


@pytest.fixture
def bare(tmp_path: Path) -> dict[str, str]:
    """Return an environment in which no training library can be imported."""
    folder = tmp_path / "bare"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(textwrap.dedent(BLOCKER), encoding="utf-8")
    return {**os.environ, "PYTHONPATH": str(folder)}


def test_a_server_without_the_training_extra_serves_models_of_all_families(
    tell: Callable[..., None], resources: Callable[..., Resources], store: Store, config: Config, bare: dict[str, str]
) -> None:
    """Each listener's slate names the version of the model that the trainer published for them."""
    published = {}
    for learner in ("logistic", "neural", "gbdt"):
        tell(learner, 120)
        reports = train_listener(resources(allow=(learner,)), learner, np.zeros((0, 9))).tastes
        assert learner in {report.learner for report in reports}
        published[learner] = {
            serving_version.version for serving_version in store.models.serving_versions(learner).values()
        }
    environment = {
        **bare,
        "PALATE_DATA_DIR": str(config.data_dir),
        "PALATE_CATALOG__PATH": str(config.catalog_path),
        "PALATE_SERVER__PORT": "0",
    }
    blocked = subprocess.run(
        [sys.executable, "-c", "import sklearn"], env=environment, check=False, capture_output=True
    )
    assert b"sklearn is not installed" in blocked.stderr
    code = "from palate.app.config import *; from palate.app.run import *; run(load_config())"
    with subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().split()[-1]
        try:
            with Client(address) as client:
                for learner, versions in published.items():
                    slate = client.recommend(learner)
                    assert "gbdt" == slate.strategy
                    assert versions >= {item.model_version for item in slate.items if item.model_version} != set()
        finally:
            process.terminate()
