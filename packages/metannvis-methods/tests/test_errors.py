"""What goes wrong says what, where and what to do, and leaves everything as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from metannvis_methods import errors, explain, perform_attribution, perform_feature_visualization
from metannvis_methods.errors import (
    InvalidArgumentError,
    MetannvisError,
    MissingArgumentError,
    MissingFrameworkError,
    ToolsetError,
    UnknownFrameworkError,
    UnknownMethodError,
    UnknownToolsetError,
)
from metannvis_methods.running import request
from metannvis_translate.errors import EquivalenceError, UnsupportedOperatorError, UntrustedModelError
from metannvis_translate.frameworks.requirements import require


def test_the_tree() -> None:
    for name, builtin in (
        ("UnknownMethodError", LookupError),
        ("UnknownToolsetError", LookupError),
        ("UnknownMetricError", LookupError),
        ("ToolsetError", RuntimeError),
    ):
        error = getattr(errors, name)
        assert issubclass(error, MetannvisError)
        assert issubclass(error, builtin)
        assert name in (errors.__doc__ or "")


def test_unknown_method_and_toolset(digits: Any) -> None:
    with pytest.raises(UnknownMethodError, match="Close: saliency"):
        explain(digits.torch, "salience", digits.x)
    with pytest.raises(UnknownMethodError, match="Toolset 'captum' has it"):
        perform_attribution(digits.torch, "deep_lift", "tf-keras-vis")
    with pytest.raises(UnknownMethodError, match="perform_feature_visualization and explain do"):
        perform_attribution(digits.torch, "activation_maximization")
    with pytest.raises(UnknownMethodError, match="perform_attribution and explain do"):
        perform_feature_visualization(digits.torch, "saliency")
    with pytest.raises(UnknownToolsetError, match="captum, .*tf-keras-vis"):
        explain(digits.torch, "saliency", digits.x, toolset="lucid")


@pytest.mark.parametrize("model", [3, object(), np.ones(3), lambda x: x, None])
def test_an_object_that_is_no_model(model: Any) -> None:
    with pytest.raises(UnknownFrameworkError, match="no model"):
        explain(model, "saliency", np.ones((1, 3)), toolset="captum")


def test_the_method_is_looked_up_before_the_model() -> None:
    with pytest.raises(UnknownMethodError):
        explain(object(), "salience")


def test_missing_arguments_are_found_before_anything_is_translated(
    digits: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import metannvis_translate

    def never(*_: Any, **__: Any) -> None:
        raise RuntimeError("translated")

    monkeypatch.setattr(metannvis_translate, "translate", never)
    with pytest.raises(MissingArgumentError, match=r"needs target .*score"):
        perform_attribution(digits.torch, "grad_cam", "tf-keras-vis", exec_args={"seed_input": digits.x})
    with pytest.raises(MissingArgumentError, match="needs inputs"):
        explain(digits.keras, "integrated_gradients", toolset="captum")
    with pytest.raises(MissingArgumentError, match="needs baselines"):
        explain(digits.keras, "gradient_shap", digits.x_last)
    with pytest.raises(MissingArgumentError, match="needs neuron"):
        explain(digits.keras, "neuron_gradient", digits.x_last, layer="conv1")
    with pytest.raises(MissingArgumentError, match=r"give inputs \(seed_input\) or dummy_input"):
        explain(digits.torch, "activation_maximization", target=1)
    with pytest.raises(InvalidArgumentError, match=r"no option 'normalise_map'. Close: normalize_map"):
        explain(digits.torch, "saliency", digits.x, toolset="tf-keras-vis", normalise_map=False)
    with pytest.raises(InvalidArgumentError, match="batch_size is a whole number"):
        explain(digits.torch, "saliency", digits.x, toolset="captum", batch_size=0)


@pytest.mark.parametrize("toolset", ["captum", "tf-keras-vis"])
@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
def test_inputs_of_the_wrong_shape_or_dtype(framework: str, toolset: str, rgb: Any) -> None:
    model, x = (rgb.torch, rgb.x) if framework == "torch" else (rgb.keras, rgb.x_last)
    for wrong in (x[:, :2], x[..., None], np.ones((2, 7))):
        with pytest.raises(InvalidArgumentError, match="shape"):
            explain(model, "saliency", wrong, target=0, toolset=toolset)
    for wrong in (x.astype(complex), x.astype(str), np.array([object()])):
        with pytest.raises(InvalidArgumentError, match="dtype"):
            explain(model, "saliency", wrong, target=0, toolset=toolset)


@pytest.mark.parametrize("toolset", ["captum", "tf-keras-vis"])
def test_a_target_that_is_not_there(toolset: str, rgb: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"target 5 is out of range: the output has shape \(4, 5\)"):
        explain(rgb.torch, "saliency", rgb.x, target=5, toolset=toolset)


def test_a_package_that_is_not_installed(digits: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request, "installed", lambda spec: spec.toolset != "captum")
    with pytest.raises(MissingFrameworkError, match=r"pip install 'metannvis-methods\[captum\]'"):
        explain(digits.torch, "saliency", digits.x, toolset="captum")


def test_the_toolkits_own_error_is_chained(digits: Any) -> None:
    with pytest.raises(ToolsetError, match="integrated_gradients of captum failed with") as caught:
        explain(digits.torch, "integrated_gradients", digits.x, target=0, exec_args={"method": "magic"})
    assert caught.value.__cause__ is not None
    exec_args = {"inputs": digits.x, "target": 0, "nonsense": 1}
    with pytest.raises(ToolsetError, match="nonsense"):
        perform_attribution(digits.torch, "saliency", "captum", exec_args=exec_args)


def test_an_operator_that_cannot_be_translated() -> None:
    torch = require("torch")

    class Odd(torch.nn.Module):  # type: ignore[name-defined]
        def forward(self, x: Any) -> Any:
            return torch.linalg.eigvals(x).real + torch.special.zeta(x, x)[..., 0]

    with pytest.raises(MetannvisError) as caught:
        explain(Odd(), "saliency", np.eye(3)[None] + 2, target=0, toolset="tf-keras-vis")
    assert isinstance(caught.value, UnsupportedOperatorError)


def test_a_translation_that_fails_the_gate(digits: Any) -> None:
    from metannvis_translate import Tolerance

    tiny = {"tolerance": Tolerance(outputs=1e-30, layers=1e-30, gradients_l2=1e-30)}
    with pytest.raises(EquivalenceError):
        explain(digits.torch, "saliency", digits.x, target=0, toolset="tf-keras-vis", translation=tiny)


def test_a_file_that_would_run_code(tmp_path: Path) -> None:
    path = tmp_path / "net.pt"
    require("torch").save(require("torch").nn.Sequential(), path)
    before = path.read_bytes()
    with pytest.raises(UntrustedModelError):
        explain(path, "saliency", np.ones((1, 3)), toolset="captum")
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_tensors_of_the_other_framework_are_refused_where_their_layout_is_unclear(digits: Any) -> None:
    tf = require("tensorflow")
    with pytest.raises(InvalidArgumentError, match="layout is unclear"):
        explain(digits.torch, "saliency", tf.constant(digits.x), target=0, toolset="captum")
