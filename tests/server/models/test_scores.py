"""What models have said is kept."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from palate.models.scores import RememberedModel, score_cache
from palate.models.session import ServedModel
from palate.strategy.contract import TasteModel

Make = Callable[..., ServedModel]
ROWS = np.random.default_rng(2).normal(size=(2000, 9)).astype(np.float32)


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that gets the number of rows of every run."""
    counted: list[int] = []
    run = ServedModel.probabilities

    def counting(model: ServedModel, features: NDArray[np.float32]) -> NDArray[np.float32]:
        counted.append(len(features))
        return run(model, features)

    monkeypatch.setattr(ServedModel, "probabilities", counting)
    return counted


def test_the_same_rows_are_run_once(make_model: Make, runs: list[int]) -> None:
    """The second answer is the first one, and nobody can change it."""
    served = make_model(version="v1", recipe="neural", cluster_offsets={"jazz": 0.5})
    model: TasteModel = RememberedModel(served, score_cache(10**6))
    runs.clear()
    first = model.probabilities(ROWS)
    assert first is model.probabilities(ROWS.copy())
    assert [2000] == runs
    np.testing.assert_array_equal(served.probabilities(ROWS), first)
    with pytest.raises(ValueError, match="read-only"):
        first[0] = 1
    known = (model.version, model.recipe, model.ranking_slope, model.ranking_intercept, model.cluster_offsets)
    assert ("v1", "neural", 2.0, -1.0, {"jazz": 0.5}) == known


def test_other_rows_and_other_versions_get_their_own_answers(make_model: Make) -> None:
    """An answer belongs to one version and to all values and the order of the rows."""
    answers = score_cache(10**6)
    one, two = (RememberedModel(make_model(version=f"v{bias}", bias=bias), answers) for bias in (1.0, 2.0))
    for model, bias in ((one, 1.0), (two, 2.0), (one, 1.0)):
        for rows in (ROWS, ROWS[:1000], ROWS[::-1], ROWS + np.float32(1)):
            logits = rows.astype(np.float64) @ np.linspace(-1, 1, 9) + bias
            np.testing.assert_allclose(1 / (1 + np.exp(-logits)), model.probabilities(rows), atol=1e-6)


def test_few_rows_leave_no_trace(make_model: Make) -> None:
    """The chosen ones of a slate are quicker run than looked for."""
    answers = score_cache(10**6)
    RememberedModel(make_model(), answers).probabilities(ROWS[:10])
    assert 0 == answers.size_bytes


def test_no_more_is_kept_than_there_is_room_for(make_model: Make, runs: list[int]) -> None:
    """Without room every answer is worked out."""
    model = RememberedModel(make_model(), score_cache(0))
    runs.clear()
    np.testing.assert_array_equal(model.probabilities(ROWS), model.probabilities(ROWS))
    assert [2000, 2000] == runs
