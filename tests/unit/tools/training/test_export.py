"""The comparison of a model and its export."""

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from palate.models.artifact import METADATA_KEY, Metadata
from palate.plugins.learner import FittedModel, Learner
from palate.testing.learner import make_dataset
from palate_strategies.learners.gbdt import Gbdt, GbdtConfig
from palate_strategies.learners.logistic import Logistic, LogisticConfig
from palate_strategies.learners.neural import Neural, NeuralConfig
from palate_tools.training.export import ExportMismatch, verify_export, with_metadata

METADATA = Metadata(
    version="1",
    user_id="ana",
    taste_id="metal",
    learner="gbdt",
    feature_map="map",
    labels_revision=120,
    label_count=100,
    ranking_slope=1.0,
    ranking_intercept=0.0,
    metrics={"auc": 0.75},
    libraries={"numpy": "2"},
)
SLOPE, INTERCEPT = 1.5, -0.25
CATALOG = make_dataset(1).background


@pytest.fixture(scope="module")
def trees() -> FittedModel:
    """Return a model with trees."""
    return Gbdt(GbdtConfig()).fit(make_dataset(200), 0)


def artifact_of(fitted: FittedModel) -> bytes:
    """Return a model's file."""
    return with_metadata(fitted.to_onnx(SLOPE, INTERCEPT), METADATA)


@pytest.mark.parametrize("learner", [Logistic(LogisticConfig()), Neural(NeuralConfig()), Gbdt(GbdtConfig())])
def test_an_export_as_it_should_be_passes(learner: Learner) -> None:
    """All three families are within a millionth over the catalog and at every threshold."""
    fitted = learner.fit(make_dataset(200), 0)
    verify_export(fitted, artifact_of(fitted), SLOPE, INTERCEPT, CATALOG)


def test_a_threshold_that_is_one_float_off_is_found(trees: FittedModel) -> None:
    """Not a row of the catalog may be near it; the rows beside the threshold show it."""
    model = onnx.load_model_from_string(artifact_of(trees))
    node = next(node for node in model.graph.node if node.op_type == "TreeEnsembleRegressor")
    attribute = next(one for one in node.attribute if one.name == "nodes_values_as_tensor")
    thresholds = numpy_helper.to_array(attribute.t).copy()
    changed = np.flatnonzero(thresholds)[0]
    thresholds[changed] = np.nextafter(np.float32(thresholds[changed]), np.float32(np.inf)) + 1e-9
    attribute.t.CopyFrom(numpy_helper.from_array(thresholds, attribute.t.name))
    with pytest.raises(ExportMismatch, match="of the thresholds"):
        verify_export(trees, model.SerializeToString(), SLOPE, INTERCEPT, CATALOG)


def test_the_worst_row_is_in_the_message(trees: FittedModel) -> None:
    """With another calibration than it was exported with, the message names row, values and features."""
    with pytest.raises(ExportMismatch) as caught:
        verify_export(trees, artifact_of(trees), SLOPE, INTERCEPT + 0.5, CATALOG)
    native = 1 / (1 + np.exp(-(SLOPE * trees.logits(CATALOG) + INTERCEPT + 0.5)))
    exported = 1 / (1 + np.exp(-(SLOPE * trees.logits(CATALOG) + INTERCEPT)))
    worst = int(np.abs(native - exported).argmax())
    message = str(caught.value)
    assert f"at row {worst} of the catalog" in message
    assert f"native {native[worst]:.9f}" in message
    assert str([float(value) for value in CATALOG[worst]]) in message


def test_a_probability_that_is_no_number_is_a_mismatch(trees: FittedModel) -> None:
    """Not a number differs from everything."""
    with pytest.raises(ExportMismatch, match="by inf at row 0"):
        verify_export(trees, artifact_of(trees), np.nan, INTERCEPT, CATALOG)


def test_a_file_that_a_server_would_refuse_is_a_mismatch(trees: FittedModel) -> None:
    """Here it lacks its metadata."""
    with pytest.raises(ExportMismatch, match=r"a server would refuse the exported model: .*metadata"):
        verify_export(trees, trees.to_onnx(SLOPE, INTERCEPT), SLOPE, INTERCEPT, CATALOG)


def test_a_file_says_what_it_is(trees: FittedModel) -> None:
    """Palate's own entry holds everything; others say the most important to readers of other tools."""
    model = onnx.load_model_from_string(artifact_of(trees))
    properties = {entry.key: entry.value for entry in model.metadata_props}
    assert METADATA == Metadata.from_json(properties[METADATA_KEY])
    assert ("gbdt", "100", "danceability") == (
        properties["learner"],
        properties["label_count"],
        properties["features"].split(", ")[0],
    )
