"""What can go wrong says so in its own documented error or warning, and leaves models, inputs and files as they were.

One row a case in ``CASES``, run on a PyTorch and on a Keras network in the state that users leave them in: partly in training
mode, with a frozen layer and a hook.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from metannvis_methods import explain, perform_attribution
from metannvis_methods.errors import (
    InvalidArgumentError,
    LayerChoiceWarning,
    MethodChoiceWarning,
    MissingArgumentError,
    UnknownFrameworkError,
    UnknownLayerError,
    UnknownMethodError,
    UnknownToolsetError,
)
from metannvis_translate import save_model
from metannvis_translate.frameworks.requirements import require

require("torch")
require("tensorflow")
from .states import ABROAD, assert_documented, assert_says, hashes, made, other, slash, state  # noqa: E402

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Case:
    """A call that has to be refused.

    Attributes
    ----------
    call
        Takes the model, images in its layout and the framework's key.
    error
        Class of the error, and no other.
    says
        Regular expressions, each found in the message.
    """

    call: Callable[[Any, Array, str], Any]
    error: type[Exception]
    says: tuple[str, ...]


def first_channels(x: Array, framework: str) -> Array:
    """Images that lack a channel."""
    return x[:, :2] if framework == "torch" else x[..., :2]


CASES: dict[str, Case] = {
    "unknown method": Case(
        lambda m, x, _: explain(m, "salience", x, target=0),
        UnknownMethodError,
        ("'salience'", "Close: saliency", "integrated_gradients"),
    ),
    "unknown toolset": Case(
        lambda m, x, _: explain(m, "saliency", x, target=0, toolset="lucid"),
        UnknownToolsetError,
        ("'lucid'", "captum", "tf-keras-vis"),
    ),
    "toolset without the method": Case(
        lambda m, x, _: explain(m, "deep_lift", x, target=0, toolset="tf-keras-vis"),
        UnknownMethodError,
        ("'deep_lift'", "tf-keras-vis", "'captum' has it"),
    ),
    "missing score": Case(
        lambda m, x, _: perform_attribution(m, "grad_cam", "tf-keras-vis", exec_args={"seed_input": x}),
        MissingArgumentError,
        ("grad_cam of tf-keras-vis needs", "target", "score"),
    ),
    "missing inputs": Case(
        lambda m, _x, _: explain(m, "integrated_gradients", target=0, toolset="captum"),
        MissingArgumentError,
        ("integrated_gradients of captum needs inputs",),
    ),
    "missing baselines": Case(
        lambda m, x, _: explain(m, "gradient_shap", x, target=0),
        MissingArgumentError,
        ("gradient_shap of captum needs baselines",),
    ),
    "missing layer": Case(
        lambda m, x, _: explain(m, "layer_conductance", x, target=0),
        MissingArgumentError,
        ("layer_conductance of captum needs layer", "conv", "block.conv1"),
    ),
    "no model": Case(
        lambda _m, x, _: explain({"weights": x}, "saliency", x, target=0, toolset="captum"),
        UnknownFrameworkError,
        ("dict", "no model"),
    ),
    "wrong shape, at home": Case(
        lambda m, x, f: explain(m, "saliency", first_channels(x, f), target=0, toolset=ABROAD[other(f)]),
        InvalidArgumentError,
        ("shape",),
    ),
    "wrong shape, abroad": Case(
        lambda m, x, f: explain(m, "saliency", first_channels(x, f), target=0, toolset=ABROAD[f]),
        InvalidArgumentError,
        ("shape",),
    ),
    "one image without a batch": Case(
        lambda m, x, f: explain(m, "saliency", x[0], target=0, toolset=ABROAD[f]),
        InvalidArgumentError,
        ("shape",),
    ),
    "wrong dtype, at home": Case(
        lambda m, x, f: explain(m, "saliency", x.astype("complex64"), target=0, toolset=ABROAD[other(f)]),
        InvalidArgumentError,
        ("dtype", "complex64"),
    ),
    "wrong dtype, abroad": Case(
        lambda m, x, f: explain(m, "saliency", x.astype("U8"), target=0, toolset=ABROAD[f]),
        InvalidArgumentError,
        ("dtype", "<U"),
    ),
    "unknown layer, at home": Case(
        lambda m, x, f: explain(m, "grad_cam", x, target=0, layer=f"block{slash(f)}con1", toolset=ABROAD[other(f)]),
        UnknownLayerError,
        ("no layer 'block.con1'", "Close: .*'block.conv1'"),
    ),
    "unknown layer, abroad": Case(
        lambda m, x, f: explain(m, "grad_cam", x, target=0, layer=f"block{slash(f)}con1", toolset=ABROAD[f]),
        UnknownLayerError,
        ("no layer 'block.con1'", "Close: .*'block.conv1'"),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_case(name: str, framework: str, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    model, x = made(framework)
    before, values = state(model), x.tobytes()
    case = CASES[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MethodChoiceWarning)
        with pytest.raises(case.error) as caught:
            case.call(model, x, framework)
    assert type(caught.value) is case.error
    assert_says(str(caught.value), case.says)
    assert_documented(case.error)
    assert state(model) == before
    assert x.tobytes() == values
    assert not hashes(folder)
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("name", CASES)
def test_case_on_a_file(name: str, framework: str, folder: Path) -> None:
    """The same with a model file: it is opened, or not, and is the same file afterwards."""
    model, x = made(framework)
    path = folder / ("net.pt2" if framework == "torch" else "net.keras")
    save_model(model.eval() if framework == "torch" else model, path, example_inputs=x)
    before = hashes(folder)
    assert before
    case = CASES[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MethodChoiceWarning)
        with pytest.raises(case.error) as caught:
            case.call(path, x, framework)
    assert_says(str(caught.value), case.says)
    assert hashes(folder) == before


# ------------------------------------------------------------------------------------------- warnings, not errors


def test_two_toolsets_that_have_the_method(framework: str) -> None:
    model, x = made(framework)
    before = state(model)
    with pytest.warns(MethodChoiceWarning) as caught:
        found = explain(model, "saliency", x, target=0)
    (warning,) = caught
    assert found.toolset == ABROAD[other(framework)]
    assert_says(
        str(warning.message),
        (f"took 'saliency' of '{found.toolset}'", f"also 'saliency' of '{ABROAD[framework]}'", "toolset="),
    )
    assert warning.filename == __file__
    assert_documented(MethodChoiceWarning)
    assert state(model) == before


def test_no_layer_where_one_is_needed(framework: str) -> None:
    model, x = made(framework)
    before = state(model)
    with pytest.warns(LayerChoiceWarning, match="finish_execution_with_layer") as caught:
        pending = perform_attribution(model, "layer_conductance", exec_args={"inputs": x, "target": 0})
    assert caught[0].filename == __file__
    assert f"block{slash(framework)}conv1" in [row.source.name for row in pending.layers]
    assert_documented(LayerChoiceWarning)
    assert state(model) == before
