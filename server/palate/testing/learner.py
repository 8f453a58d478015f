"""The suite that every learner must pass: derive a class from `LearnerSuite` and name the learner in it."""

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from palate.domain.track import FEATURES
from palate.plugins.learner import INPUT, OUTPUT, Dataset, FittedModel, Learner

__all__ = ["LearnerSuite", "make_dataset"]


def make_dataset(count: int, seed: int = 0) -> Dataset:
    """Return labels of a listener who likes what is danceable and of middling energy, with some noise.

    Args:
        count: Number of labels.
        seed: For everything that is drawn.
    """
    generator = np.random.default_rng(seed)
    background = _normal_scores(generator, 500)
    features = _normal_scores(generator, count)
    utility = 2 * features[:, 0] - 2 * features[:, 1] ** 2 + 1
    liked = generator.random(count) < 1 / (1 + np.exp(-2 * utility))
    return Dataset(
        features=features,
        labels=liked,
        weights=np.ones(count),
        directions=np.eye(1, len(FEATURES)),
        background=background,
    )


def _normal_scores(generator: np.random.Generator, count: int) -> NDArray[np.float32]:
    return generator.normal(size=(count, len(FEATURES))).round(3).astype(np.float32)


class LearnerSuite:
    """What holds for every learner. Its tests take the learner with its default configuration.

    Attributes:
        learner: The learner's class.
    """

    learner: ClassVar[type[Any]]

    @pytest.fixture
    def made(self) -> Learner:
        """Return the learner with its defaults."""
        learner: Learner = self.learner(self.learner.config_type())
        return learner

    @pytest.mark.parametrize("kind", [True, False])
    def test_labels_of_one_kind_are_refused(self, made: Learner, kind: bool) -> None:
        """Without likes or without dislikes there is nothing to tell apart."""
        dataset = make_dataset(30)
        with pytest.raises(ValueError, match="likes"):
            made.fit(replace(dataset, labels=np.full(30, kind)), 0)

    def test_it_tells_likes_from_dislikes(self, made: Learner) -> None:
        """Fitted to 300 labels, it puts a liked track above a disliked one in more than three of four pairs."""
        fitted, unseen = made.fit(make_dataset(300), 0), make_dataset(1000, seed=1)
        logits = fitted.logits(unseen.features)
        wins = logits[unseen.labels][:, None] > logits[~unseen.labels]
        assert wins.mean() > 0.75

    def test_the_same_dataset_and_seed_give_the_same_bytes(self, made: Learner) -> None:
        """Training can be repeated."""
        first, second = (made.fit(make_dataset(60), 7).to_onnx(1.5, 0.25) for _ in range(2))
        assert first == second

    @pytest.mark.parametrize("count", [10, 300])
    def test_the_export_says_what_the_model_says(self, made: Learner, count: int) -> None:
        """Its probabilities are within a millionth of the calibrated native ones, at every jump too."""
        dataset = make_dataset(count)
        fitted = made.fit(dataset, 0)
        _agree(fitted, np.concatenate([dataset.background, fitted.boundaries()]))

    def test_features_that_never_vary_do_no_harm(self, made: Learner) -> None:
        """A catalog may have the same value everywhere."""
        dataset = make_dataset(50)
        features, background = dataset.features.copy(), dataset.background.copy()
        features[:, 2:], background[:, 2:] = 0, 0
        _agree(made.fit(replace(dataset, features=features, background=background), 0), background)

    def test_tracks_that_are_all_alike_get_the_share_of_likes(self, made: Learner) -> None:
        """Where nothing tells tracks apart, three likes of four are a probability near three quarters."""
        dataset = make_dataset(80)
        same = replace(
            dataset,
            features=np.ones_like(dataset.features),
            background=np.ones_like(dataset.background),
            labels=np.arange(80) % 4 > 0,
        )
        fitted = made.fit(same, 0)
        _agree(fitted, same.background)
        assert pytest.approx(np.log(3), abs=0.25) == fitted.logits(same.features[:1])[0]

    def test_contradictory_labels_cancel_out(self, made: Learner) -> None:
        """Each track liked once and disliked once: the log-odds stay near 0."""
        dataset = make_dataset(60)
        fitted = made.fit(_twice(dataset, np.ones(60)), 0)
        _agree(fitted, dataset.background)
        assert np.abs(fitted.logits(dataset.features)).max() < 0.25

    def test_heavy_labels_outweigh_light_ones(self, made: Learner) -> None:
        """Against the opposite labels with a hundredth of their weight they have it their way."""
        dataset = make_dataset(200)
        logits = made.fit(_twice(dataset, np.full(200, 0.01)), 0).logits(dataset.features)
        assert logits[dataset.labels].mean() > logits[~dataset.labels].mean() + 0.5


def _twice(dataset: Dataset, weights: NDArray[np.float64]) -> Dataset:
    """Return a dataset with the opposite of every label added, at other weights."""
    return replace(
        dataset,
        features=np.concatenate([dataset.features] * 2),
        labels=np.concatenate([dataset.labels, ~dataset.labels]),
        weights=np.concatenate([dataset.weights, weights]),
    )


def _agree(fitted: FittedModel, features: NDArray[np.float32]) -> None:
    """Check that the export's probabilities are those of the model."""
    native = 1 / (1 + np.exp(-(1.5 * fitted.logits(features) - 0.25)))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(fitted.to_onnx(1.5, -0.25), options, providers=["CPUExecutionProvider"])
    exported = session.run([OUTPUT], {INPUT: features})[0]
    assert np.float32 == exported.dtype
    assert exported.shape == native.shape
    assert np.abs(native - exported).max() < 1e-6
