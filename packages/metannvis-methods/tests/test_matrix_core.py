"""A twentieth of the matrix of methods and models, and cells that were wrong once; all of it: ``tox -e matrix``."""

from __future__ import annotations

import pytest
from metannvis_translate.frameworks.requirements import require

require("torch")
require("tensorflow")
from ..matrix.cells import Cell, outcome  # noqa: E402
from ..matrix.checks import fault, twentieth  # noqa: E402

#: What the matrix has found: values that were wrong, or errors of a toolkit's own.
MENDED = (
    Cell("tensorflow", "text", "captum", "layer_feature_ablation"),
    Cell("torch", "text", "captum", "layer_deep_lift_shap"),
    Cell("torch", "text", "captum", "grad_cam"),
    Cell("torch", "text", "captum", "guided_grad_cam"),
    Cell("torch", "text", "tf-keras-vis", "activation_maximization"),
    Cell("tensorflow", "text", "tf-keras-vis", "grad_cam"),
    Cell("tensorflow", "resnet", "captum", "lrp"),
    Cell("tensorflow", "cnn", "captum", "layer_lrp"),
    Cell("torch", "two inputs", "tf-keras-vis", "smooth_grad"),
    Cell("torch", "text", "metannvis", "extremal_perturbation"),
    Cell("torch", "text", "metannvis", "xrai"),
    Cell("torch", "text", "captum", "shapley_values"),
    Cell("torch", "text", "captum", "shapley_value_sampling"),
    Cell("torch", "resnet", "metannvis", "deep_lift_reveal_cancel"),
)


@pytest.mark.parametrize("cell", list(dict.fromkeys((*twentieth(), *MENDED))), ids=str)
def test_cell(cell: Cell) -> None:
    assert fault(cell, outcome(cell)) == ""
