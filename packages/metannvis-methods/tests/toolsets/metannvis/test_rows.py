"""Every method of ours has a test against a reference that is not ours, and asks for what it needs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from metannvis_methods import describe_method, explain, list_methods
from metannvis_methods.errors import MissingFrameworkError
from metannvis_methods.registry.table import registry
from metannvis_methods.running import request

from .networks import inputs, randomized, torch, torch_network

#: Where each method is held against its formula, a closed form, or a package of others.
REFERENCES = {
    "rise": "test_rise.py",
    "sobol": "test_sobol.py",
    "cam": "test_class_activation.py",
    "linear_approximation": "test_class_activation.py",
    "extremal_perturbation": "test_extremal.py",
    "sensitivity_analysis": "test_taylor.py",
    "simple_taylor": "test_taylor.py",
    "blur_integrated_gradients": "test_paths.py",
    "guided_integrated_gradients": "test_paths.py",
    "xrai": "test_paths.py",
    "deep_lift_linear": "test_deep_lift_parts.py",
    "deep_lift_reveal_cancel": "test_deep_lift_parts.py",
    "deconvnet": "test_reconstruction.py",
    "filter_guided_backprop": "test_reconstruction.py",
    "layer_vanilla_gradient": "test_reconstruction.py",
    "attn_lrp": "test_attention_relevance.py",
    "activation_maximization": "test_activation_maximization.py",
    "render": "test_activation_maximization.py",
    "deep_dream": "test_deep_dream.py",
    "invert_representation": "test_deep_dream.py",
}


def test_every_row_has_a_reference() -> None:
    assert {spec.key for spec in list_methods(toolset="metannvis")} == set(REFERENCES)
    for key, name in REFERENCES.items():
        assert f'"{key}"' in Path(__file__).with_name(name).read_text(encoding="utf-8"), key


def test_rows_that_differentiate_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    toolset = registry.toolset("metannvis")
    needs = {spec.key: toolset.packages_for(spec) for spec in toolset.rows}
    assert {key for key, packages in needs.items() if not packages} == {"rise", "sobol"}
    monkeypatch.setattr("metannvis_translate.frameworks.is_installed", lambda package: package != "torch")
    assert "rise" in describe_method("rise") and request.installed(next(s for s in toolset.rows if s.key == "rise"))
    model = torch_network("image")
    with pytest.raises(
        MissingFrameworkError, match=r"needs packages that are not installed: pip install 'metannvis-translate"
    ):
        explain(model, "simple_taylor", inputs("image"), target=1)


@pytest.mark.parametrize("spec", list_methods(toolset="metannvis"), ids=lambda spec: spec.key)
def test_what_a_row_does_not_take_is_refused_before_a_model_is_opened(spec: object) -> None:
    with pytest.raises(ValueError, match="has no option 'n_mask'"):
        explain("none.onnx", spec.key, np.ones((1, 2)), n_mask=3, toolset="metannvis")  # type: ignore[attr-defined]


@pytest.mark.parametrize("key", ["deep_lift_linear", "deep_lift_reveal_cancel", "attn_lrp"])
def test_functions_have_their_rules_in_an_exported_program(key: str) -> None:
    """Whose functions are operators, called otherwise, some of them with their arguments in another order."""
    nn = torch.nn
    torch.manual_seed(0)
    middle = (
        [nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2)] if "lift" in key else [nn.LayerNorm([6, 14, 10]), nn.GELU()]
    )
    net = nn.Sequential(nn.Conv2d(3, 6, 3), *middle, nn.Flatten(), nn.LazyLinear(3))
    x = inputs("image").astype("float32")
    net(torch.from_numpy(x))
    net = randomized(net).float()
    program = torch.export.export(net, (torch.from_numpy(x),))
    words = {"target": 1, "toolset": "metannvis", "unfit": "ignore"}
    expected = explain(net, key, x, **words).values
    found = explain(program, key, x, **words).values
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
