"""`palate lab ablate`: the tests are fair ones."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from palate.catalog.snapshot import Catalog
from palate_lab.ablation import command
from palate_lab.ablation.cases import Case, Verdict, judge, make_cases
from palate_lab.ablation.effects import slope
from palate_lab.ablation.evidence import make_populations
from palate_lab.ablation.lists import ActiveTastes, draw_up, draw_up_diverse
from palate_lab.comparison.baselines import History, ItemSpace, MergedCentroid, PerTaste
from palate_lab.comparison.metrics import intra_list_diversity
from palate_lab.comparison.protocol import DEPTH, World, make_world
from palate_tools.cli import main
from palate_tools.simulation.kinds import load_kinds

KINDS = load_kinds()


@pytest.fixture(scope="module")
def world(catalog: Catalog) -> World:
    """Return the bundled catalog."""
    return make_world(catalog)


@pytest.fixture(scope="module")
def separated(world: World) -> list[Case]:
    """Return ten listeners of three separate tastes."""
    return make_cases({"separated": KINDS["separated"]}, 10, 0, world)


def test_the_verdicts_are_counted_and_few_listeners_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last line is the count; below 24 listeners it says how little that is worth."""
    found = [Verdict(1, "Is it so?", "It is.", passed=True), Verdict(2, "And so?", "It is.", passed=False)]
    monkeypatch.setattr(command, "run_tests", lambda *_: found)
    few, enough = (CliRunner().invoke(main, ["lab", "ablate", "--listeners", count]) for count in ("23", "24"))
    assert (1, 1) == (few.exit_code, enough.exit_code)
    assert "1 of 2 hold" == enough.stdout.splitlines()[-1]
    assert ["1 of 2 hold", "Intervals over so few listeners (23) say little"] == [
        line.partition(":")[0] for line in few.stdout.splitlines()[-2:]
    ]


@pytest.fixture(scope="module")
def verdicts() -> list[dict[str, Any]]:
    """Return what the command says of the smallest populations."""
    result = CliRunner().invoke(main, ["lab", "ablate", "--listeners", "2", "--json"])
    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert (0 if all(verdict["passed"] for verdict in found) else 1) == result.exit_code, result.output
    return found


def test_every_test_has_a_verdict_a_criterion_and_figures(verdicts: list[dict[str, Any]]) -> None:
    """In the order of their numbers."""
    assert [*range(1, 9)] == [verdict["number"] for verdict in verdicts]
    assert all(verdict["criterion"] and verdict["figures"] for verdict in verdicts)


def test_isolation_holds_however_few_listeners_there_are(verdicts: list[dict[str, Any]]) -> None:
    """It is no matter of chance."""
    isolation = verdicts[4]
    assert isolation["passed"]
    assert 0 < int(isolation["figures"]["other tastes"])


def test_listeners_say_what_they_like_of_each_taste_by_its_weight(world: World) -> None:
    """Nine of ten of one taste where it is nine times as large; and no listener says what is to be found."""
    said: Counter[int] = Counter()
    for case in make_cases({"dominated": KINDS["dominated"]}, 10, 0, world):
        wanted = case.subject.listener.wants(world.tracks)[case.history.rows]
        liked = case.subject.listener.liked(world.tracks.take(case.history.rows), 0)
        said.update(wanted[liked].tolist())
        assert [] == np.intersect1d(case.history.rows, case.subject.withheld).tolist()
    assert (20, 30) == (said[1], said[-1])
    assert 150 < said[0] <= 190  # one of them has no nineteen such tracks to name


def test_populations_differ_and_the_tuning_one_is_no_other(world: World) -> None:
    """Nobody is tuned on whom they are judged by."""
    populations = make_populations(6, 0, world)
    seeds = [case.subject.listener.seed for cases in populations.values() for case in cases]
    assert len(seeds) == len(set(seeds))


def test_a_taste_has_slots_from_two_likes_on(catalog: Catalog) -> None:
    """What was said of others is not heard, and no rated track comes back."""
    first, second = (np.flatnonzero(catalog.cluster == number)[:4].astype(np.int32) for number in (3, 9))
    rows = np.concatenate([first, second[:1]])
    history = History(rows, np.ones(5, dtype=np.bool_))
    base = MergedCentroid(ItemSpace(catalog))
    found = ActiveTastes(catalog, PerTaste(catalog, base)).recommend(history, 20, np.random.default_rng(0))
    assert 20 == len(found)
    expected = base.recommend(History.of_likes(first.tolist()), 21, np.random.default_rng(0))
    assert [row for row in expected.tolist() if row not in rows][:20] == found.tolist()


def test_a_list_is_made_as_diverse_as_another(catalog: Catalog, separated: Sequence[Case]) -> None:
    """Or as near to it as re-ranking its thousand best comes."""
    space = ItemSpace(catalog)
    base = MergedCentroid(space)
    plain, wide = draw_up(base, separated), [case.subject.withheld for case in separated]
    diverse = draw_up_diverse(base, space, separated, wide)
    for before, after, other in zip(plain, diverse, wide, strict=True):
        wanted, was, now = (intra_list_diversity(space.of(rows).toarray()) for rows in (other, before, after))
        assert DEPTH == len(set(after.tolist()))
        assert now >= min(wanted, was) - 1e-6
        assert now >= wanted - 0.05


def test_what_is_found_is_judged_by_what_was_withheld(separated: Sequence[Case]) -> None:
    """A list of nothing but that is perfect in its order; an empty one finds nothing."""
    perfect = judge([case.subject.withheld for case in separated], separated)
    nothing = judge([case.subject.withheld[:0] for case in separated], separated)
    assert pytest.approx([1.0] * 10) == perfect.ndcg.tolist()
    assert [1.0] * 10 == perfect.worst.tolist()
    assert [0.0] * 10 == nothing.ndcg.tolist() == nothing.worst.tolist()


def test_the_slope_is_what_a_gain_rises_by_from_dose_to_dose() -> None:
    """Of a gain of 0.2 + 0.5 times the dose it is 0.5; of the same gain everywhere it is 0."""
    noise = np.linspace(-0.01, 0.01, 9)
    assert pytest.approx(0.5) == slope({dose: 0.2 + 0.5 * dose + noise for dose in (0.0, 0.5, 1.0)}, 0).value
    flat = slope(dict.fromkeys((0.0, 0.5, 1.0), 0.2 + noise), 0)
    assert pytest.approx(0.0) == flat.value
    assert not flat.above_zero
