"""Wrong uses of every word of ``explain``: the error, what it says, and that it comes before a model is opened if none is needed."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import numpy as np
import pytest
from metannvis_methods import SegmentationTarget, SmoothGrad, errors, explain
from metannvis_methods.errors import (
    InvalidArgumentError,
    MetannvisError,
    MissingArgumentError,
    ToolsetError,
    UnknownLayerError,
    UnknownMethodError,
    UnknownToolsetError,
)
from metannvis_methods.running import request
from metannvis_methods.running.words import Words
from metannvis_translate import translate
from metannvis_translate.errors import UnknownFrameworkError
from metannvis_translate.frameworks.requirements import require

torch = require("torch")
require("keras")

X = np.random.default_rng(0).standard_normal((2, 2, 6, 6)).astype("float32")
BASE = X * 0


class Wrong(NamedTuple):
    """A call that is wrong: the word, the method, what is given, the error, words of its message.

    ``late``: it takes a model to see it.
    """

    word: str
    method: str
    given: dict[str, Any]
    error: type[Exception]
    says: tuple[str, ...]
    late: bool = False


LAYER = "node_Conv_0"
S, IG, OCC, ABL = "saliency", "integrated_gradients", "occlusion", "feature_ablation"
I, M, T = InvalidArgumentError, MissingArgumentError, ToolsetError  # noqa: E741
WINDOW = {"sliding_window_shapes": (2, 3, 3)}
ASCENT: dict[str, Any] = {"toolset": "tf-keras-vis", "inputs": None, "target": 1, "seed": 0}
TABLE: tuple[Wrong, ...] = (
    Wrong("method", "saliencyy", {}, UnknownMethodError, ("no method 'saliencyy' in toolset 'captum'", "Close: saliency")),
    Wrong("method", 3, {}, UnknownMethodError, ("named by a string, not int",)),  # type: ignore[arg-type]
    Wrong("method", "activation_maximization", {}, UnknownMethodError, ("Toolsets 'metannvis' and 'tf-keras-vis' have it",)),
    Wrong("inputs", S, {"inputs": None}, M, ("saliency of captum needs inputs",)),
    Wrong("inputs", S, {"inputs": "x"}, I, ("no array of real numbers",), True),
    Wrong("inputs", S, {"inputs": X[:0]}, I, ("the input has shape (0, 2, 6, 6)", "no sample")),
    Wrong("inputs", S, {"inputs": (X, X[:0])}, I, ("input 1 has shape",)),
    Wrong("inputs", S, {"inputs": X[0]}, I, ("input 'x' has shape", "not (2, 6, 6)"), True),
    Wrong("inputs", S, {"inputs": X[:, :1]}, I, ("shape", "(2, 1, 6, 6)"), True),
    Wrong("inputs", S, {"inputs": X.astype(str)}, I, ("no array of real numbers",), True),
    Wrong("inputs", S, {"inputs": (X, X)}, I, ("the model has 1 inputs, not 2",), True),
    Wrong("inputs", S, {"inputs": {"x": X, "y": X}}, I, ("the model's inputs are called x, not x, y",), True),
    Wrong("target", S, {"target": 9}, I, ("target 9 is out of range", "(2, 3)"), True),
    Wrong("target", S, {"target": 1.5}, I, ("a target is whole numbers", "1.5")),
    Wrong("target", S, {"target": True}, I, ("a target is whole numbers, not bool",)),
    Wrong("target", S, {"target": {"a": 1}}, I, ("a target is whole numbers",)),
    Wrong("target", S, {"target": [0]}, I, ("1 targets for 2 samples",), True),
    Wrong("target", S, {"target": [0, 1, 2]}, I, ("3 targets for 2 samples", "one a sample"), True),
    Wrong("target", S, {"target": (0, 1)}, I, ("target (0, 1) does not fit",), True),
    Wrong("target", S, {"target": "cat"}, I, ("target='cat' is a class name, which needs labels",)),
    Wrong("target", S, {"target": "negative"}, I, ("is of a single output a sample",), True),
    Wrong("target", S, {"target": lambda output: "x"}, I, ("the target function returned a str",), True),
    Wrong("target", S, {"target": lambda output: output.sum()}, I, ("one number a sample",), True),
    Wrong("target", S, {"target": SegmentationTarget("road")}, I, ("target='road' is a class name",)),
    Wrong("target", "layer_activation", {"layer": LAYER, "target": 1}, I, ("takes no 'target'", "it takes: inputs, layer")),
    Wrong("output", S, {"output": 1.5}, I, ("output is the index, the name or the path", "1.5")),
    Wrong("output", S, {"output": True}, I, ("output is the index, the name or the path",)),
    Wrong("output", S, {"output": "nothing"}, I, ("the model has no output 'nothing'", "There are: 'output'"), True),
    Wrong("output", S, {"output": 3}, I, ("the model has no output 3",), True),
    Wrong("logits", S, {"logits": "yes"}, I, ("logits is True, False or 'auto', not 'yes'",)),
    Wrong("logits", S, {"logits": 1}, I, ("logits is True, False or 'auto', not 1",)),
    Wrong("logits", S, {"logits": True}, I, ("does not come from a softmax or a sigmoid",), True),
    Wrong("labels", S, {"labels": "abc.txt"}, I, ("labels: abc.txt cannot be read: No such file",)),
    Wrong("labels", S, {"labels": 3}, I, ("labels is a list of the names of the classes",)),
    Wrong("labels", S, {"labels": ["cat", "dog", "cow"], "target": "cot"}, I, ("no label 'cot'", "Close: ", "cat")),
    Wrong("layer", S, {"layer": LAYER}, I, ("takes no 'layer' and has no layer variant",)),
    Wrong("layer", S, {"layer": []}, I, ("layer is an empty list",)),
    Wrong("layer", "grad_cam", {"layer": "node_Conv_1"}, UnknownLayerError, ("no layer 'node_Conv_1'", "Close: 'node_Conv_0'"), True),
    Wrong("layer", "layer_conductance", {}, M, ("needs layer=…; there are: node_Conv_0",), True),
    Wrong("neuron", S, {"neuron": (0, 1, 1)}, I, ("takes no 'neuron'",)),
    Wrong("neuron", "neuron_gradient", {"layer": LAYER}, M, ("needs neuron (its own name for it: neuron_selector)",)),
    Wrong("neuron", "neuron_gradient", {"layer": LAYER, "neuron": "x"}, I, ("neuron is a position", "'x'")),
    Wrong("neuron", "neuron_gradient", {"layer": LAYER, "neuron": (0, 1.5, 1)}, I, ("neuron is a position",)),
    Wrong("neuron", "neuron_gradient", {"layer": LAYER, "neuron": (0, 9, 9)}, I, ("neuron (0, 9, 9) is none of layer 'node_Conv_0'", "(4, 4, 4)"), True),
    Wrong("neuron", "neuron_gradient", {"layer": LAYER, "neuron": (0, 1)}, I, ("has 2 entries", "3 axes"), True),
    Wrong("reshape", "grad_cam", {"layer": LAYER, "reshape": 3}, I, ("reshape is 'auto', a grid (h, w), or a function, not 3",)),
    Wrong("reshape", S, {"reshape": (0, 2)}, I, ("reshape is 'auto', a grid (h, w)",)),
    Wrong("reshape", "grad_cam", {"layer": LAYER, "reshape": (2, 3)}, I, ("is for tokens", "node_Conv_0"), True),
    Wrong("baselines", S, {"baselines": 0}, I, ("takes no 'baselines'", "it takes: inputs, target")),
    Wrong("baselines", IG, {"baselines": "blck"}, I, ("not 'blck'", "did you mean 'black'?")),
    Wrong("baselines", IG, {"baselines": "mean"}, M, ("baselines='mean' is of data=…",)),
    Wrong("baselines", IG, {"baselines": "black"}, M, ("does not say what black and white are", "value_range"), True),
    Wrong("baselines", IG, {"baselines": [1, 2]}, I, ("baseline", "axes"), True),
    Wrong("baselines", IG, {"baselines": 0, "options": {"baselines": 0}}, I, ("'baselines' is given twice",)),
    Wrong("baselines", "gradient_shap", {"seed": 0}, M, ("gradient_shap of captum needs baselines",)),
    Wrong("feature_mask", S, {"feature_mask": "grid"}, I, ("takes no 'feature_mask'",)),
    Wrong("feature_mask", ABL, {"feature_mask": "gird"}, I, ("not 'gird'", "did you mean 'grid'?")),
    Wrong("feature_mask", ABL, {"feature_mask": ("grid", {"cell": 3})}, I, ("has the options cells", "cell")),
    Wrong("feature_mask", ABL, {"feature_mask": ("grid", {"cells": 0})}, I, ("cells is a whole number of at least 1, not 0",)),
    Wrong("feature_mask", ABL, {"feature_mask": ("superpixels", {"algorithm": "x"})}, I, ("algorithm is quickshift or slic",)),
    Wrong("feature_mask", ABL, {"feature_mask": X[:, :, :3]}, I, ("feature_mask holds whole numbers",), True),
    Wrong("feature_mask", ABL, {"feature_mask": np.zeros((2, 2, 3, 6), int)}, I, ("feature_mask has shape (2, 2, 3, 6)",), True),
    Wrong("data", IG, {"baselines": "mean", "data": X[:, :1]}, I, ("data have shape (2, 1, 6, 6)",), True),
    Wrong("value_range", S, {"value_range": (1, 0)}, I, ("low below high", "(1, 0)")),
    Wrong("value_range", S, {"value_range": 1}, I, ("a pair of numbers (low, high), not 1",)),
    Wrong("value_range", S, {"value_range": (0, float("nan"))}, I, ("low below high",)),
    Wrong("preprocess", S, {"preprocess": "imagenett"}, I, ("'imagenett' is no preprocessing", "imagenet")),
    Wrong("toolset", S, {"toolset": "captm"}, UnknownToolsetError, ("Did you mean 'captum'?",)),
    Wrong("toolset", S, {"toolset": 3}, I, ("a toolset is named by a string",)),
    Wrong("noise", S, {"noise": "loud"}, I, ("noise is a SmoothGrad(samples, stdev)", "'loud'")),
    Wrong("noise", S, {"noise": {"samples": 3}}, I, ("noise is a SmoothGrad",)),
    Wrong("noise", "feature_permutation", {"noise": SmoothGrad(2), "seed": 0}, I, ("looks at several samples together",), True),
    Wrong("uncertainty", S, {"uncertainty": "masks"}, I, ("uncertainty is an MCDropout(samples)", "'masks'")),
    Wrong("uncertainty", S, {"uncertainty": 5}, I, ("uncertainty is an MCDropout(samples)", "5")),
    Wrong("along", S, {"along": "C"}, I, ("along is an axis of a volume, 'D', 'H' or 'W', not 'C'",)),
    Wrong("along", S, {"along": 2}, I, ("along is an axis of a volume", "2")),
    Wrong("seed", S, {"seed": "x"}, I, ("seed is a whole number of at least 0, not 'x'",)),
    Wrong("seed", S, {"seed": -1}, I, ("seed is a whole number of at least 0, not -1",)),
    Wrong("seed", S, {"seed": 1.5}, I, ("seed is a whole number",)),
    Wrong("seed", S, {"seed": True}, I, ("seed is a whole number",)),
    Wrong("batch_size", S, {"batch_size": 0}, I, ("batch_size is a whole number of at least 1, not 0",)),
    Wrong("batch_size", S, {"batch_size": 1.5}, I, ("batch_size is a whole number",)),
    Wrong("device", S, {"device": "cuda:97"}, I, ("is not there", "cpu"), True),
    Wrong("autocast", S, {"autocast": "int8"}, I, ("autocast is true, false, or one of bfloat16, float16",)),
    Wrong("deadline", S, {"deadline": 0}, I, ("deadline is a number of seconds above 0, not 0",)),
    Wrong("deadline", S, {"deadline": float("nan")}, I, ("deadline is a number of seconds",)),
    Wrong("unfit", S, {"unfit": "maybe"}, I, ("unfit is one of warn, raise, ignore, not 'maybe'",)),
    Wrong("translation", S, {"translation": 3}, I, ("translation is a Translation, or a dict",)),
    Wrong("translation", S, {"translation": {"dtyp": "float64"}}, I, ("no option 'dtyp'", "Close: dtype")),
    Wrong("translation", S, {"translation": {"dtype": "float12"}}, I, ("dtype='float12'",), True),
    Wrong("progress", S, {"progress": 3}, I, ("progress is a function", "not 3")),
    Wrong("init_args", S, {"init_args": 3}, I, ("init_args is a dict of options",)),
    Wrong("init_args", S, {"init_args": {"x": 1}}, T, ("saliency of captum failed with TypeError", "'x'"), True),
    Wrong("exec_args", S, {"exec_args": [1]}, I, ("exec_args is a dict of options",)),
    Wrong("exec_args", IG, {"exec_args": {"method": "magic"}}, T, ("integrated_gradients of captum failed",), True),
    Wrong("options", S, {"options": 3}, I, ("options is a dict of options by their names, not 3",)),
    Wrong("options", S, {"options": {"n_steps": 3}}, I, ("has no option 'n_steps'", "It has: target, abs")),
    Wrong("options", S, {"abz": True}, I, ("no option 'abz'", "Close: abs")),
    Wrong("options", S, {"abs": "maybe"}, I, ("abs of saliency is true or false, not 'maybe'",)),
    Wrong("options", IG, {"n_steps": 0}, I, ("n_steps of integrated_gradients is a whole number of at least 1, not 0",)),
    Wrong("options", IG, {"n_steps": "x"}, I, ("n_steps of integrated_gradients is a whole number",)),
    Wrong("options", IG, {"options": {"method": "rieman_left"}}, I, ("did you mean 'riemann_left'?",)),
    Wrong("options", IG, {"internal_batch_size": 0}, I, ("internal_batch_size of integrated_gradients",)),
    Wrong("options", "layer_conductance", {"layer": LAYER, "n_steps": 0}, I, ("n_steps of layer_conductance",)),
    Wrong("options", "deep_lift", {"eps": -1}, I, ("eps of deep_lift is a number above 0, not -1",)),
    Wrong("options", "gradient_shap", {"baselines": BASE, "n_samples": 0}, I, ("n_samples of gradient_shap",)),
    Wrong("options", "gradient_shap", {"baselines": BASE, "stdevs": "x"}, I, ("stdevs of gradient_shap is a number of at least 0",)),
    Wrong("options", "lime", {"n_samples": 2.5, "seed": 0}, I, ("n_samples of lime is a whole number of at least 1, not 2.5",)),
    Wrong("options", "lime", {"perturbations_per_eval": 0, "seed": 0}, I, ("perturbations_per_eval of lime",)),
    Wrong("options", "lime", {"interpretable_model": 3, "seed": 0}, I, ("a model with a method fit(), not 3",)),
    Wrong("options", "lime", {"similarity_func": 3, "seed": 0}, I, ("similarity_func of lime is a function, not 3",)),
    Wrong("options", "lime_base", {}, M, ("needs interpretable_model, similarity_func",)),
    Wrong("options", OCC, {}, M, ("occlusion of captum needs sliding_window_shapes",)),
    Wrong("options", OCC, {"sliding_window_shapes": 3}, I, ("a tuple of sizes of at least 1", "not 3")),
    Wrong("options", OCC, {"sliding_window_shapes": (2, 0, 3)}, I, ("sliding_window_shapes of occlusion",)),
    Wrong("options", OCC, {"sliding_window_shapes": (1, 2)}, I, ("has 2 entries", "3 axes"), True),
    Wrong("options", OCC, {**WINDOW, "strides": 0}, I, ("strides of occlusion is a size of at least 1", "not 0")),
    Wrong("options", OCC, {**WINDOW, "strides": "x"}, I, ("strides of occlusion",)),
    Wrong("options", "guided_grad_cam", {"layer": LAYER, "interpolate_mode": "bilinar"}, I, ("did you mean 'bilinear'?",)),
    Wrong("options", "activation_maximization", {**ASCENT, "input_range": 3}, I, ("a pair of numbers (low, high)", "not 3")),
    Wrong("options", "activation_maximization", {**ASCENT, "input_range": (1, 0)}, I, ("low below high",)),
    Wrong("options", "activation_maximization", {**ASCENT, "input_range": [(0, 1), (0, 1)]}, I, ("2 ranges for 1 inputs",), True),
    Wrong("options", "activation_maximization", {**ASCENT, "steps": 0}, I, ("steps of activation_maximization",)),
    Wrong("options", "activation_maximization", {**ASCENT, "optimizer": "adm"}, I, ("no optimizer 'adm'", "Close: adam")),
    Wrong("options", "score_cam", {"toolset": "tf-keras-vis", "layer": LAYER, "max_N": 99}, I, ("at most the 4 channels",), True),
)  # fmt: skip


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Any:
    torch.manual_seed(0)

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.act, self.fc = torch.nn.Conv2d(2, 4, 3), torch.nn.ReLU(), torch.nn.Linear(4, 3)

        def forward(self, x: Any) -> Any:
            return self.fc(self.act(self.conv(x)).mean((2, 3)))

    found = tmp_path_factory.mktemp("models") / "net.onnx"
    translate(Network().eval(), "onnx", example_inputs=torch.from_numpy(X)).save(found)
    return found


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Models that were opened."""
    found: list[str] = []
    own = request.open_source

    def noted(model: Any, *arguments: Any, **options: Any) -> Any:
        found.append(str(model))
        return own(model, *arguments, **options)

    monkeypatch.setattr(request, "open_source", noted)
    return found


@pytest.mark.parametrize(
    "wrong", [pytest.param(wrong, id=f"{wrong.word}-{wrong.method}-{k}") for k, wrong in enumerate(TABLE)]
)
def test_a_wrong_use_says_what_is_wrong(wrong: Wrong, path: Any, opened: list[str]) -> None:
    given = {"toolset": "captum", "inputs": X, **wrong.given}
    target = {} if wrong.word in ("target", "labels") or wrong.method not in (IG, OCC, ABL) else {"target": 1}
    inputs = given.pop("inputs")
    with pytest.raises(wrong.error) as caught:
        explain(path, wrong.method, inputs, **target, **given)
    assert isinstance(caught.value, MetannvisError)
    for part in wrong.says:
        assert part in str(caught.value), str(caught.value)
    assert len(str(caught.value)) < 900
    assert bool(opened) == wrong.late, "it takes no model to see that" if opened else "it was seen without a model"


def test_every_word_is_used_wrongly() -> None:
    assert {wrong.word for wrong in TABLE} == {field.name for field in dataclasses.fields(Words)} | {"method"}
    assert len(TABLE) >= 100


def test_what_is_no_model() -> None:
    for model in (3, None, X, "nothing.here"):
        with pytest.raises((UnknownFrameworkError, OSError, errors.MetannvisError)):
            explain(model, S, X, toolset="captum")
