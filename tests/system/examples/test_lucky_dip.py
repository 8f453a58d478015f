"""The example plugin is installed as its users would install it, and serves."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.repository import ROOT

EXAMPLE = ROOT / "examples" / "palate-lucky-dip"

SESSION = """
import json, sys
from palate.client import Client
from palate.app.config import load_config
from palate.app.embedded import running_server
from palate.v1.strategy_pb2 import StrategyState

catalog, data_dir, options = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
keys = {"catalog.path": catalog, "data_dir": data_dir, "server.port": 0, "strategies.options": options}
with running_server(load_config(None, keys)) as address, Client(address) as client:
    start = client.recommend("ana", page_size=60)
    liked = [(item.track_id, client.like("ana", item.track_id).taste_id) for item in start.items]
    slate = client.recommend("ana", strategy="lucky_dip")
    ranked = client.rank("ana", [item.track_id for item in slate.items], strategy="lucky_dip")
    print(json.dumps({
        "liked": liked,
        "strategy": slate.strategy,
        "items": [[item.track_id, item.taste_id, item.exploration, item.propensity] for item in slate.items],
        "ranked": [[item.track_id, item.taste_id] for item in ranked.items],
        "listed": {
            each.name: [StrategyState.Name(each.state), each.distribution, each.version, each.stage_number]
            for each in client.list_strategies().strategies
        },
    }))
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that pip has installed the example in."""
    target = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--no-cache-dir", "--target", str(target), str(EXAMPLE)], check=True)
    return target


def run(site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python with the plugin installed."""
    environment = os.environ | {"PYTHONPATH": str(site)}
    return subprocess.run(
        [sys.executable, *arguments], env=environment, cwd=site, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def session(site: Path, catalog_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return what a listener with some likes got from a server that has the plugin."""
    data_dir, options = tmp_path_factory.mktemp("data"), json.dumps({"lucky_dip": {"pool": 20}})
    outcome = run(site, "-c", SESSION, str(catalog_path), str(data_dir), options)
    assert 0 == outcome.returncode, outcome.stderr
    return json.loads(outcome.stdout.splitlines()[-1])


def test_the_server_lists_the_plugin_with_its_distribution(session: Any) -> None:
    """It is loaded, stands on no stage, and changes nothing for palate's own strategies."""
    assert ["STRATEGY_STATE_LOADED", "palate-lucky-dip", "0.1.0", 0] == session["listed"]["lucky_dip"]
    assert 1 == session["listed"]["cold_start"][3]


def test_the_plugin_answers_by_name_with_draws_from_the_listeners_tastes(session: Any) -> None:
    """Every item is marked as drawn by chance, for a taste, and is nothing that was rated."""
    assert "lucky_dip" == session["strategy"]
    assert 0 < len(session["items"])
    rated, tastes = {track for track, _ in session["liked"]}, {taste for _, taste in session["liked"]}
    for track, taste, exploration, propensity in session["items"]:
        assert track not in rated
        assert taste in tastes
        assert exploration
        assert 0 < propensity <= 1


def test_the_plugin_ranks_what_it_drew_for_the_same_tastes(session: Any) -> None:
    """Both of its methods work through the server."""
    assert sorted(item[0] for item in session["items"]) == sorted(track for track, _ in session["ranked"])


def test_a_misspelt_option_of_the_plugin_is_refused_with_the_nearest_one(
    site: Path, catalog_path: Path, tmp_path: Path
) -> None:
    """Options of third parties are checked like palate's own."""
    outcome = run(site, "-c", SESSION, str(catalog_path), str(tmp_path), json.dumps({"lucky_dip": {"pol": 20}}))
    assert 1 == outcome.returncode
    assert "strategies.options.lucky_dip.pol: unknown key; did you mean pool?" in outcome.stderr


def test_the_plugins_own_tests_pass_where_it_is_installed(site: Path) -> None:
    """They run the suite that palate ships for strategies."""
    outcome = run(site, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(EXAMPLE))
    assert 0 == outcome.returncode, outcome.stdout
