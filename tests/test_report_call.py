"""The call of the original report, as it was written."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from metannvis_methods import perform_attribution
from metannvis_methods.toolsets.load import import_quietly
from metannvis_translate.frameworks.requirements import require

require("tensorflow")
import_quietly("tf_keras_vis")  # it warns when it is imported
from tf_keras_vis.gradcam import Gradcam  # noqa: E402
from tf_keras_vis.utils.scores import CategoricalScore  # noqa: E402


@pytest.mark.filterwarnings("ignore:The structure of `inputs`:UserWarning")
def test_the_call_of_the_report(network: Any) -> None:
    twins = network("torch_digits")
    torch_model = twins.model
    x = torch.from_numpy(twins.images.astype("float32"))
    y = torch.tensor(twins.classes)
    before = {key: value.clone() for key, value in torch_model.state_dict().items()}

    found = perform_attribution(
        torch_model,
        method_key="grad_cam",
        toolset="tf-keras-vis",
        init_args={"layer": torch_model.conv2},
        exec_args={"score": CategoricalScore(y.tolist()), "seed_input": x, "normalize_cam": False},
    )

    direct = Gradcam(twins.in_keras("float32"))(
        CategoricalScore(y.tolist()),
        twins.last(twins.images).astype("float32"),
        penultimate_layer="conv2",
        seek_penultimate_conv_layer=False,
        normalize_cam=False,
    )
    assert isinstance(found, np.ndarray)
    assert found.shape == (5, 8, 8)
    scale = np.abs(direct).max(axis=(1, 2))
    assert (scale > 0).sum() >= 3
    assert (np.abs(found - direct).max(axis=(1, 2)) <= 1e-5 * scale).all()
    assert all(torch.equal(value, before[key]) for key, value in torch_model.state_dict().items())
    assert not x.requires_grad
    assert not any(module._forward_hooks or module._backward_hooks for module in torch_model.modules())
