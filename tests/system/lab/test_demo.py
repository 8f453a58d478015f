"""`palate lab demo`, told to its end."""

import re
from pathlib import Path
from typing import Any


def test_the_demo_climbs_from_cold_start_to_a_model_trained_on_the_way(demo: Any) -> None:
    """Each stage answers in turn, and the model that training published serves the very next slate."""
    assert (0, None) == (demo.result.exit_code, demo.result.exception), demo.result.output
    strategies = re.findall(r"^turn +\d+  (\w+)", demo.result.stdout, re.MULTILINE)
    assert ["cold_start", "fallback", "ranking", "logistic", "neural"] == list(dict.fromkeys(strategies))
    published = re.findall(r"common model by logistic, .* published as (\S+)", demo.result.stdout)
    served = re.findall(r"^turn .* logistic .*\(models (\S+)\)$", demo.result.stdout, re.MULTILINE)
    assert published == served[:1]


def test_the_demo_ends_with_the_path_of_its_report(demo: Any) -> None:
    """The last line says where the pictures are."""
    page = demo.folder / "report.html"
    assert demo.result.stdout.endswith(f"Pictures of all this: {page}\n")
    assert page.exists()


def test_the_same_seed_tells_the_same_story(demo: Any, again: Any, other: Any) -> None:
    """But for the versions of its models, which name the time, a story depends on its seed alone."""
    assert _story(demo) == _story(again)
    assert _story(demo) != _story(other)


def test_the_same_seed_draws_the_same_pictures(demo: Any, again: Any, other: Any) -> None:
    """Every file of the report has the same bytes; another listener's have others, but for the first slate."""
    assert _files(demo.folder) == _files(again.folder)
    shared = dict(_files(demo.folder).items() & _files(other.folder).items())
    assert ["slate-cold_start.png"] == list(shared)


def _story(told: Any) -> str:
    story = re.sub(r"[0-9a-f]{14}-[0-9a-f]{8}-[0-9a-f]{8}", "VERSION", told.result.stdout)
    return story.replace(str(told.folder), "DIR")


def _files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}
