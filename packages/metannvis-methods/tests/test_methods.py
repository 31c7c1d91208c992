"""Every method, on a model as it is and on a translated one, against the toolkit called directly on a native
twin.

One row a method in ``CASES``; a method that is registered and has no row fails.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from metannvis_methods import MethodSpec, explain, list_methods
from metannvis_methods.toolsets.load import import_quietly, load_class
from metannvis_translate.frameworks.requirements import require

SEED = 3


@dataclass(frozen=True)
class Case:
    """How a method is called, by us and directly.

    Attributes
    ----------
    words
        Options in the toolkit's own names, the same for both calls.
    target
        Whether the method has one.
    tolerance
        Largest max|a − b| / max|b| of a sample.
    dtype
        In what the twin and the translation compute.
    """

    words: Mapping[str, Any] = field(default_factory=dict)
    target: bool = True
    tolerance: float = 1e-9
    dtype: str = "float64"


BASELINE = {"baselines": 0.1}
FEW_STEPS = {"n_steps": 8, **BASELINE}
BLOCKS = {"feature_mask": 4, **BASELINE}
BASELINES = {"baselines": "two"}
RANDOM = {"baselines": "two", "n_samples": 3, "stdevs": 0.1}

CASES: dict[tuple[str, str], Case] = {
    ("captum", "integrated_gradients"): Case(FEW_STEPS),
    ("captum", "saliency"): Case({"abs": False}),
    ("captum", "input_x_gradient"): Case(),
    ("captum", "deep_lift"): Case(BASELINE),
    ("captum", "gradient_shap"): Case(RANDOM),
    ("captum", "deconvolution"): Case(),
    ("captum", "feature_ablation"): Case(BLOCKS),
    ("captum", "feature_permutation"): Case({"feature_mask": 4}),
    ("captum", "layer_integrated_gradients"): Case(FEW_STEPS),
    ("captum", "layer_deep_lift"): Case(BASELINE),
    ("captum", "layer_gradient_shap"): Case(RANDOM),
    ("captum", "layer_feature_ablation"): Case({"layer_mask": 3}),
    ("captum", "layer_gradient_x_activation"): Case(),
    # its own sum: ours is another, see test_axioms.py
    ("captum", "layer_conductance"): Case({**FEW_STEPS, "method": "gausslegendre"}),
    ("captum", "layer_activation"): Case(target=False),
    ("captum", "grad_cam"): Case(),
    ("captum", "neuron_integrated_gradients"): Case(FEW_STEPS, target=False),
    ("captum", "neuron_deep_lift"): Case(BASELINE, target=False),
    ("captum", "neuron_gradient_shap"): Case(RANDOM, target=False),
    ("captum", "neuron_feature_ablation"): Case(BLOCKS, target=False),
    ("captum", "neuron_deconvolution"): Case(target=False),
    ("captum", "neuron_gradient"): Case(target=False),
    ("captum", "neuron_conductance"): Case({**FEW_STEPS, "method": "gausslegendre"}),
    ("captum", "deep_lift_shap"): Case(BASELINES),
    ("captum", "guided_backprop"): Case(),
    ("captum", "occlusion"): Case({"sliding_window_shapes": (1, 4, 3), "strides": (1, 3, 2), **BASELINE}),
    ("captum", "shapley_value_sampling"): Case({"feature_mask": 3, "n_samples": 3, **BASELINE}),
    ("captum", "shapley_values"): Case({"feature_mask": 99, **BASELINE}),
    ("captum", "lime"): Case({"feature_mask": 3, "n_samples": 20, **BASELINE}),
    ("captum", "kernel_shap"): Case({"feature_mask": 3, "n_samples": 20, **BASELINE}),
    ("captum", "layer_deep_lift_shap"): Case(BASELINES),
    ("captum", "internal_influence"): Case(FEW_STEPS),
    ("captum", "neuron_deep_lift_shap"): Case(BASELINES, target=False),
    ("captum", "neuron_guided_backprop"): Case(target=False),
    ("tf-keras-vis", "activation_maximization"): Case({"steps": 3, "input_modifiers": [], "input_range": (0.0, 1.0)}),
    ("tf-keras-vis", "saliency"): Case({"keepdims": True, "normalize_map": False, "gradient_modifier": None}),
    ("tf-keras-vis", "smooth_grad"): Case({"smooth_samples": 3}),
    ("tf-keras-vis", "grad_cam"): Case({"normalize_cam": False, "activation_modifier": None}),
    ("tf-keras-vis", "grad_cam++"): Case({"expand_cam": False, "activation_modifier": None}),
    # it refuses double precision: it multiplies by weights in float32
    ("tf-keras-vis", "score_cam"): Case({"activation_modifier": None}, tolerance=1e-5, dtype="float32"),
    ("tf-keras-vis", "layer_cam"): Case({"expand_cam": False, "normalize_cam": False}),
}
#: Methods that these twins say nothing of, in the toolkit's own hands; the folder captum_twins asks others.
ELSEWHERE = {
    ("captum", "lrp"): "refuses nn.Flatten and nn.ZeroPad2d, which the twins have",
    ("captum", "layer_lrp"): "as lrp",
    ("captum", "layer_feature_permutation"): "refuses every target",
    ("captum", "guided_grad_cam"): "is rectified, and so zero for most samples at their layers",
    ("captum", "lime_base"): "takes one sample, and is nothing but what it is given",
}
OURS = ("captum", "tf-keras-vis")
TARGET = [1, 0, 3, 2]


def by_key(spec: MethodSpec) -> str:
    return f"{spec.toolset}-{spec.key}"


def rows(toolset: str) -> list[MethodSpec]:
    return [spec for spec in list_methods() if spec.toolset == toolset]


def test_every_registered_method_has_a_case() -> None:
    registered = {(spec.toolset, spec.key) for spec in list_methods() if spec.toolset in OURS}
    assert registered == {*CASES, *ELSEWHERE}


def relative(a: np.ndarray, b: np.ndarray) -> float:
    """max|a − b| / max|b| of the worst sample."""
    assert a.shape == b.shape
    a, b = a.reshape(len(a), -1), b.reshape(len(b), -1)
    scale = np.abs(b).max(axis=1)
    assert (scale > 0).sum() >= 2, "results that are all zero show nothing"
    return float((np.abs(a - b).max(axis=1) / np.where(scale > 0, scale, 1)).max())


def fill(words: Mapping[str, Any], x: np.ndarray, layer_shape: tuple[int, ...]) -> dict[str, Any]:
    """Case options with their arrays, channels first."""
    filled = dict(words)
    if filled.get("baselines") == "two":
        filled["baselines"] = x[:2] * 0.3
    if "feature_mask" in filled:
        size = filled["feature_mask"]
        grid = np.add.outer(np.arange(x.shape[2]) // size * 100, np.arange(x.shape[3]) // (4 if size == 4 else 10))
        filled["feature_mask"] = (np.unique(grid, return_inverse=True)[1].reshape(grid.shape))[None, None]
    if "layer_mask" in filled:
        count = int(np.prod(layer_shape))
        filled["layer_mask"] = (np.arange(count) % 11).reshape(1, *layer_shape)
    return filled


def captum_directly(spec: MethodSpec, model: Any, x: np.ndarray, layer: str, neuron: Any, case: Case) -> np.ndarray:
    """The toolkit on a PyTorch model, by its own documentation; channels first."""
    torch = require("torch")
    cls = load_class(spec)
    layer_shape = tuple(dict(shapes(model, x))[layer][1:])
    words = fill(case.words, x, layer_shape)
    call = {
        name: torch.from_numpy(np.asarray(value)) if isinstance(value, np.ndarray) else value
        for name, value in words.items()
    }
    init = {"layer": dict(model.named_modules())[layer]} if spec.by_role("layer") else {}
    if spec.kind == "neuron":
        call["neuron_selector"] = neuron
    if case.target:
        call["target"] = TARGET
    torch.manual_seed(SEED)
    np.random.seed(SEED)  # noqa: NPY002  # what the toolkit draws from
    if "deep_lift" in spec.key:
        model = copy.deepcopy(model)
        init = {"layer": model.get_submodule(layer)} if init else {}
        for module in model.modules():  # Captum takes two adjacent modules that it hooks on for one
            if not list(module.children()):
                module.register_forward_pre_hook(lambda _module, given: tuple(value.view_as(value) for value in given))
    from metannvis_methods.toolsets.captum.shapley_sums import summed_as

    method = cls(model, **init)
    with summed_as(torch.float64):  # where Captum has single; test_ground_truth.py has all coalitions one by one
        return method.attribute(torch.from_numpy(x).requires_grad_(), **call).detach().numpy()


def shapes(model: Any, x: np.ndarray) -> list[tuple[str, tuple[int, ...]]]:
    torch = require("torch")
    found: list[tuple[str, tuple[int, ...]]] = []
    hooks = [
        module.register_forward_hook(lambda _m, _a, out, name=name: found.append((name, tuple(out.shape))))
        for name, module in model.named_modules()
    ]
    with torch.no_grad():
        model(torch.from_numpy(x).to(next(model.parameters()).dtype))
    for hook in hooks:
        hook.remove()
    return found


CAPTUM_SAYS = [
    "ignore:Setting forward, backward hooks:UserWarning",
    "ignore:Setting backward hooks on ReLU:UserWarning",
    "ignore:You are providing multiple inputs for Lime:UserWarning",
]


@pytest.mark.filterwarnings(*CAPTUM_SAYS)
@pytest.mark.parametrize("where", ["native", "translated"])
@pytest.mark.parametrize("spec", [spec for spec in rows("captum") if (spec.toolset, spec.key) in CASES], ids=by_key)
def test_captum(spec: MethodSpec, where: str, twins: Any) -> None:
    case = CASES[spec.toolset, spec.key]
    in_torch, in_keras = twins.layers[0]
    expected = captum_directly(spec, twins.torch64, twins.x, in_torch, twins.neuron, case)
    layer_shape = tuple(dict(shapes(twins.torch64, twins.x))[in_torch][1:])
    words = fill(case.words, twins.x, layer_shape)
    words |= {"target": TARGET} if case.target else {}
    words |= {"toolset": "captum", "seed": SEED}
    if "method" in words:
        words["options"] = {"method": words.pop("method")}
    if where == "native":
        words |= {"layer": in_torch} if spec.by_role("layer") else {}
        words |= {"neuron": twins.neuron} if spec.kind == "neuron" else {}
        found = explain(twins.torch64, spec.key, twins.x, **words)
        assert found.translation is None
        assert found.axes == "NCHW"
        values = found.values
    else:
        words = {name: last(value) for name, value in words.items()}
        words |= {"layer": in_keras} if spec.by_role("layer") else {}
        words |= {"neuron": (*twins.neuron[1:], twins.neuron[0])} if spec.kind == "neuron" else {}
        found = explain(twins.keras, spec.key, twins.x_last, translation={"dtype": "float64"}, **words)
        assert found.translation is not None
        assert found.translation["passed"]
        assert found.axes == "NHWC"
        values = found.values.transpose(0, 3, 1, 2)
    assert relative(values, expected) <= case.tolerance
    assert found.layer == words.get("layer")
    assert np.array_equal(found.inputs, twins.x if where == "native" else twins.x_last)


def last(value: Any) -> Any:
    """Channels last, if it is an array of images or one number an axis."""
    if isinstance(value, tuple) and len(value) == 3:
        return (*value[1:], value[0])
    return value.transpose(0, 2, 3, 1) if isinstance(value, np.ndarray) else value


def tf_keras_vis_directly(spec: MethodSpec, model: Any, x: np.ndarray, layer: str, case: Case) -> np.ndarray:
    """The toolkit on a Keras model, by its own documentation; channels last."""
    tf = require("tensorflow")
    cls = load_class(spec)
    score = import_quietly("tf_keras_vis.utils.scores").CategoricalScore(TARGET)
    call = dict(case.words)
    if spec.kind == "layer":
        call |= {"penultimate_layer": layer, "seek_penultimate_conv_layer": False}
    np.random.seed(SEED)  # noqa: NPY002
    return np.asarray(cls(model)(score, tf.constant(x, case.dtype), **call))


@pytest.mark.filterwarnings("ignore:The structure of `inputs`:UserWarning")
@pytest.mark.parametrize("where", ["native", "translated"])
@pytest.mark.parametrize("spec", rows("tf-keras-vis"), ids=by_key)
def test_tf_keras_vis(spec: MethodSpec, where: str, twins: Any, capsys: pytest.CaptureFixture[str]) -> None:
    case = CASES[spec.toolset, spec.key]
    layer = "conv2"  # tf-keras-vis itself cannot name a nested one
    flat = flatten_by_hand(twins, case.dtype)
    x = twins.x * 0.5 + 0.5 if spec.kind == "feature_visualization" else twins.x
    x_last = np.ascontiguousarray(x.transpose(0, 2, 3, 1))
    expected = tf_keras_vis_directly(spec, flat, x_last, layer, case)
    capsys.readouterr()
    words: dict[str, Any] = {**case.words, "target": TARGET, "toolset": "tf-keras-vis", "seed": SEED}
    words |= {"layer": layer} if spec.kind == "layer" else {}
    if where == "native":
        model = twins.keras64 if case.dtype == "float64" else twins.keras
        found = explain(model, spec.key, x_last, **words)
        assert found.translation is None
        values = found.values
    else:
        found = explain(twins.torch, spec.key, x, translation={"dtype": case.dtype}, **words)
        assert found.translation is not None
        assert found.translation["passed"]
        values = found.values.transpose(0, 2, 3, 1) if found.values.ndim == 4 else found.values
    expected_axes = {3: "NHW", 4: "NHWC" if where == "native" else "NCHW"}
    assert found.axes == expected_axes[found.values.ndim]
    assert relative(values, expected) <= case.tolerance
    assert capsys.readouterr().out == ""


def flatten_by_hand(twins: Any, dtype: str) -> Any:
    """The Keras network with its nested block written out, since tf-keras-vis fails on nested models."""
    keras = require("keras")
    model = twins.keras64 if dtype == "float64" else twins.keras
    if twins.name == "digits":
        return model

    def copied(layer: Any, name: str) -> Any:
        return type(layer).from_config({**layer.get_config(), "name": name})

    block = model.get_layer("block")
    inner = {layer.name: copied(layer, f"block_{layer.name}") for layer in block.layers}
    outer = {layer.name: copied(layer, layer.name) for layer in model.layers if layer is not block}
    image = keras.Input((20, 28, 3), dtype=dtype)
    x = image
    for name in ("pad", "conv1", "norm", "relu1"):
        x = outer[name](x)
    y = x
    for name in ("conv1", "norm", "relu", "conv2"):
        y = inner[name](y)
    x = inner["add"]([x, y])
    for name in ("relu2", "conv2", "relu3", "pool", "flatten", "fc"):
        x = outer[name](x)
    for copies, source in ((inner, block), (outer, model)):
        for name, layer in copies.items():
            layer.set_weights(source.get_layer(name).get_weights())
    return keras.Model(image, x)


def test_one_sample_through_a_batch_norm_in_front_of_tokens() -> None:
    """PyTorch's own gradient is wrong there: see ``sound_batch_norms``."""
    torch = require("torch")
    nn = torch.nn

    class Tokens(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bn, self.norm = nn.BatchNorm2d(4), nn.LayerNorm(4)
            nn.init.uniform_(self.bn.running_var, 0.5, 2)

        def forward(self, x: Any) -> Any:
            return self.norm(self.bn(x).flatten(2).transpose(1, 2))[:, 3]

    torch.manual_seed(0)
    model = Tokens().eval()
    x = np.random.default_rng(0).standard_normal((2, 4, 3, 5)).astype("float32")
    both = explain(model, "saliency", x, target=1, toolset="captum")
    one = explain(model, "saliency", x[:1], target=1, toolset="captum")
    np.testing.assert_allclose(one.values[0], both.values[0], rtol=1e-4, atol=1e-6)
