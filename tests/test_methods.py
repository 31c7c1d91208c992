"""Every registered method on the demo's two networks and on RGB ones, against its toolkit called directly on a native twin.

Captum runs on the PyTorch networks as they are and on translations of the Keras ones, tf-keras-vis the other way round. The
twins (``twins.py``) and the direct calls use nothing of ours. One row a method; a registered method without one fails.
"""

from __future__ import annotations

import copy
import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import torch
from metannvis_methods import MethodSpec, explain, list_methods
from metannvis_methods.toolsets.captum.shapley_sums import summed_as
from metannvis_methods.toolsets.load import import_quietly
from metannvis_translate.frameworks.requirements import require

require("tensorflow")
import captum.attr  # noqa: E402
import tensorflow as tf  # noqa: E402
from captum.attr._core.deep_lift import SUPPORTED_NON_LINEAR  # noqa: E402

import_quietly("tf_keras_vis")  # it warns when it is imported
from tf_keras_vis.utils.scores import CategoricalScore  # noqa: E402

from .twins import SOURCES, Twins  # noqa: E402

Array = np.ndarray[Any, Any]
SEED = 3
TOOLSETS = ("captum", "tf-keras-vis")
EXACT_VALUES = 1e-9


@dataclass(frozen=True)
class Case:
    """How a method is called, by us and directly.

    Attributes
    ----------
    cls
        The toolkit's class.
    words
        Arguments by the toolkit's names, the same for both calls; ``BASELINE``, ``BASELINES``, ``BLOCKS``, ``NEURONS`` stand for arrays.
    target
        Whether the method has one.
    layer
        Whether it is asked about a layer, or about a neuron of one.
    tolerance, dtype, why
        Largest max|a − b| / max|b| of a sample; what everything computes in; why that is not double.
    """

    cls: str
    words: Mapping[str, Any] = field(default_factory=dict)
    target: bool = True
    layer: str = ""
    tolerance: float = EXACT_VALUES
    dtype: str = "float64"
    why: str = ""


#: One baseline, of noise: on a constant one neighbours are equal but for rounding, which then decides what a maximum pool
#: takes. Two baselines; groups of 4×4 pixels over all channels; groups of a layer's neurons.
BASELINE, BASELINES, BLOCKS, NEURONS = "a baseline", "two baselines", "blocks of pixels", "groups of neurons"
PATH = {"n_steps": 6, "baselines": BASELINE}
SHAP = {"baselines": BASELINES, "n_samples": 3, "stdevs": 0.1}
ABLATE = {"feature_mask": BLOCKS, "baselines": BASELINE}
SIGNED = {"activation_modifier": None}

CASES: dict[tuple[str, str], Case] = {
    ("captum", "integrated_gradients"): Case("IntegratedGradients", PATH),
    ("captum", "saliency"): Case("Saliency"),
    ("captum", "input_x_gradient"): Case("InputXGradient"),
    ("captum", "deep_lift"): Case("DeepLift", {"baselines": BASELINE}),
    ("captum", "gradient_shap"): Case("GradientShap", SHAP),
    ("captum", "deconvolution"): Case("Deconvolution"),
    ("captum", "feature_ablation"): Case("FeatureAblation", ABLATE),
    ("captum", "feature_permutation"): Case("FeaturePermutation", {"feature_mask": BLOCKS}),
    ("captum", "layer_integrated_gradients"): Case("LayerIntegratedGradients", PATH, layer="layer"),
    ("captum", "layer_deep_lift"): Case("LayerDeepLift", {"baselines": BASELINE}, layer="layer"),
    ("captum", "layer_gradient_shap"): Case("LayerGradientShap", SHAP, layer="layer"),
    ("captum", "layer_feature_ablation"): Case("LayerFeatureAblation", {"layer_mask": NEURONS}, layer="layer"),
    ("captum", "layer_gradient_x_activation"): Case("LayerGradientXActivation", layer="layer"),
    ("captum", "layer_conductance"): Case("LayerConductance", {**PATH, "method": "gausslegendre"}, layer="layer"),
    ("captum", "layer_activation"): Case("LayerActivation", target=False, layer="layer"),
    ("captum", "grad_cam"): Case("LayerGradCam", layer="layer"),
    ("captum", "neuron_integrated_gradients"): Case("NeuronIntegratedGradients", PATH, False, "neuron"),
    ("captum", "neuron_deep_lift"): Case("NeuronDeepLift", {"baselines": BASELINE}, False, "neuron"),
    ("captum", "neuron_gradient_shap"): Case("NeuronGradientShap", SHAP, False, "neuron"),
    ("captum", "neuron_feature_ablation"): Case("NeuronFeatureAblation", ABLATE, False, "neuron"),
    ("captum", "neuron_deconvolution"): Case("NeuronDeconvolution", {}, False, "neuron"),
    ("captum", "neuron_gradient"): Case("NeuronGradient", {}, False, "neuron"),
    ("captum", "neuron_conductance"): Case("NeuronConductance", {**PATH, "method": "gausslegendre"}, layer="neuron"),
    ("tf-keras-vis", "activation_maximization"): Case(
        # modifiers draw from generators that no seed reaches: without them; test_methods_in_the_mean has them
        "activation_maximization.ActivationMaximization",
        {"steps": 3, "input_modifiers": [], "input_range": (0.0, 1.0)},
    ),
    ("tf-keras-vis", "saliency"): Case("saliency.Saliency", {"keepdims": True, "normalize_map": False}),
    ("tf-keras-vis", "smooth_grad"): Case("saliency.Saliency", {"smooth_samples": 3}),
    ("tf-keras-vis", "grad_cam"): Case("gradcam.Gradcam", {"normalize_cam": False, **SIGNED}, layer="layer"),
    ("tf-keras-vis", "grad_cam++"): Case(
        "gradcam_plus_plus.GradcamPlusPlus", {"expand_cam": False, **SIGNED}, layer="layer"
    ),
    ("tf-keras-vis", "score_cam"): Case(
        "scorecam.Scorecam",
        SIGNED,
        layer="layer",
        tolerance=1e-5,
        dtype="float32",
        why="multiplies by weights that it makes in float32, and so refuses a model in double precision",
    ),
    ("tf-keras-vis", "layer_cam"): Case(
        "layercam.Layercam", {"expand_cam": False, "normalize_cam": False}, layer="layer"
    ),
}

#: Compared on networks of their own, written for them: packages/metannvis-methods/tests/test_captum_core.py, and tox -e captum-twins.
ELSEWHERE = {
    ("captum", key)
    for key in (
        "deep_lift_shap", "guided_backprop", "guided_grad_cam", "occlusion", "shapley_value_sampling", "shapley_values",
        "lime", "kernel_shap", "lime_base", "lrp", "layer_deep_lift_shap", "internal_influence", "layer_lrp",
        "layer_feature_permutation", "neuron_deep_lift_shap", "neuron_guided_backprop",
    )
}  # fmt: skip


def registered() -> list[MethodSpec]:
    """Every row of the two toolkits."""
    return [spec for spec in list_methods() if spec.toolset in TOOLSETS]


def test_every_registered_method_has_a_case() -> None:
    assert {(spec.toolset, spec.key) for spec in registered()} == {*CASES, *ELSEWHERE}
    for case in CASES.values():
        assert case.dtype == "float64" or case.why


def relative(found: Array, expected: Array) -> float:
    """max|a − b| / max|b| of the worst sample; samples that are zero in both agree, and few may be."""
    assert found.shape == expected.shape
    a, b = found.reshape(len(found), -1), expected.reshape(len(expected), -1)
    scale = np.abs(b).max(axis=1)
    assert (scale > 0).sum() >= len(b) - 2, "results that are all zero show nothing"
    return float((np.abs(a - b).max(axis=1) / np.where(scale > 0, scale, 1)).max())


def output_of(module: torch.nn.Module, layer: str, x: Array) -> Array:
    """What a module's layer puts out."""
    seen: list[torch.Tensor] = []
    hook = module.get_submodule(layer).register_forward_hook(lambda _m, _a, out: seen.append(out))
    with torch.no_grad():
        module(torch.from_numpy(x))
    hook.remove()
    found: Array = seen[0].numpy()
    return found


def busy_neuron(twins: Twins, layer: str, x: Array) -> tuple[int, ...]:
    """A neuron that most images excite and most outputs heed, so that no result is zero; channels first."""
    given = torch.from_numpy(x).requires_grad_()
    method = captum.attr.LayerGradientXActivation(twins.in_torch, twins.in_torch.get_submodule(layer))
    influence = np.abs(method.attribute(given, target=list(twins.classes)).detach().numpy())
    return tuple(int(k) for k in np.unravel_index(np.median(influence, axis=0).argmax(), influence.shape[1:]))


def filled(words: Mapping[str, Any], x: Array, layer: Array | None) -> dict[str, Any]:
    """A case's arguments with their arrays, channels first."""
    blocks = np.add.outer(np.arange(x.shape[2]) // 4 * 100, np.arange(x.shape[3]) // 4)
    arrays = {
        BASELINE: np.random.default_rng(9).uniform(-0.2, 0.2, (1, *x.shape[1:])),
        BASELINES: x[:2] * 0.3,
        BLOCKS: np.unique(blocks, return_inverse=True)[1].reshape(1, 1, *blocks.shape),
    }
    if layer is not None:
        arrays[NEURONS] = (np.arange(layer[0].size) % 11).reshape(1, *layer.shape[1:])
    return {name: arrays.get(value, value) if isinstance(value, str) else value for name, value in words.items()}


def captum_directly(case: Case, module: Any, x: Array, layer: str, words: Mapping[str, Any]) -> Array:
    """Captum on a PyTorch module, by its own documentation; channels first."""
    call = {k: torch.from_numpy(np.ascontiguousarray(v)) if isinstance(v, np.ndarray) else v for k, v in words.items()}
    if "DeepLift" in case.cls:  # Captum takes two adjacent modules that it hooks on for one
        module = copy.deepcopy(module)
        for part in module.modules():
            if not list(part.children()):
                part.register_forward_pre_hook(lambda _module, given: tuple(value.view_as(value) for value in given))
    method = getattr(captum.attr, case.cls)
    method = method(module, module.get_submodule(layer)) if case.layer else method(module)
    torch.manual_seed(SEED)
    np.random.seed(SEED)  # noqa: NPY002  # what the toolkit draws from
    # Captum adds up Shapley values in single precision, whatever the model is
    with patch.dict(SUPPORTED_NON_LINEAR, {torch.nn.MaxPool2d: rule_of_pools}), summed_as(torch.float64):
        values: Array = method.attribute(torch.from_numpy(x).requires_grad_(), **call).detach().numpy()
    return values


def rule_of_pools(module: Any, inputs: Any, outputs: Any, grad_input: Any, grad_output: Any, eps: float = 1e-10) -> Any:
    """DeepLift's rule where windows overlap, whose shares Captum's own lets overwrite each other."""
    (x, x0), (y, y0), (grad, _) = inputs.chunk(2), outputs.chunk(2), grad_output.chunk(2)
    top = torch.maximum(y, y0)

    def share(values: Any, weights: Any) -> Any:
        with torch.enable_grad():
            values = values.detach().requires_grad_()
            size, stride, padding = module.kernel_size, module.stride, module.padding
            pooled = torch.nn.functional.max_pool2d(values, size, stride, padding, module.dilation, module.ceil_mode)
            return torch.autograd.grad((pooled * weights).sum(), values)[0]

    gained, change = share(x, grad * (top - y0)) + share(x0, grad * (y - top)), x - x0
    multiplier = torch.where(change.abs() < eps, grad_input.chunk(2)[0], gained / change)
    return torch.cat([multiplier, multiplier])


CAPTUM_SAYS = (
    "ignore:Setting forward, backward hooks:UserWarning",
    "ignore:Setting backward hooks on ReLU:UserWarning",
)


@pytest.mark.filterwarnings(*CAPTUM_SAYS)
@pytest.mark.parametrize("key", [key for toolset, key in CASES if toolset == "captum"])
@pytest.mark.parametrize("name", SOURCES)
def test_captum(name: str, key: str, network: Any) -> None:
    twins: Twins = network(name)
    case = CASES["captum", key]
    x = twins.first(twins.images)
    at_home = twins.framework == "torch"
    for layer, (in_torch, _) in twins.layers.items() if case.layer else [(None, ("", ""))]:
        output = output_of(twins.in_torch, in_torch, x) if layer else None
        words = filled(case.words, x, output)
        own = {k: in_own_layout(v, twins) for k, v in words.items()}
        if "method" in own:
            own["options"] = {"method": own.pop("method")}
        if case.target:
            words["target"] = own["target"] = list(twins.classes)
        if layer and output is not None:
            own["layer"] = layer
        if case.layer == "neuron" and output is not None:
            neuron = busy_neuron(twins, in_torch, x)
            words["neuron_selector"], own["neuron"] = neuron, neuron if at_home else (*neuron[1:], neuron[0])
        expected = captum_directly(case, twins.in_torch, x, in_torch, words)
        if at_home:
            found = explain(twins.double, key, twins.images, toolset="captum", seed=SEED, **own)
        else:
            precision = {"dtype": case.dtype}
            found = explain(twins.model, key, twins.images, toolset="captum", seed=SEED, translation=precision, **own)
            assert found.translation is not None
            assert found.translation["passed"]
        assert found.layer == layer
        assert found.axes == ("NCHW" if at_home else "NHWC")
        assert relative(twins.first(found.values), expected) <= case.tolerance, layer


def in_own_layout(value: Any, twins: Twins) -> Any:
    """An array that lies channels first as the network has it."""
    if not isinstance(value, np.ndarray) or twins.framework == "torch":
        return value
    return value.transpose(0, 2, 3, 1)


def tf_keras_vis_class(case: Case) -> Any:
    """The toolkit's class."""
    module, _, name = case.cls.rpartition(".")
    return getattr(importlib.import_module(f"tf_keras_vis.{module}"), name)


@pytest.mark.filterwarnings("ignore:The structure of `inputs`:UserWarning")
@pytest.mark.parametrize("key", [spec.key for spec in registered() if spec.toolset == "tf-keras-vis"])
@pytest.mark.parametrize("name", SOURCES)
def test_tf_keras_vis(name: str, key: str, network: Any, capsys: pytest.CaptureFixture[str]) -> None:
    twins: Twins = network(name)
    case = CASES["tf-keras-vis", key]
    at_home = twins.framework == "tensorflow"
    flat = twins.in_keras(case.dtype)
    images = twins.images
    if key == "activation_maximization":  # within its range
        images = (images - images.min()) / np.ptp(images)
    for layer, (_, in_keras) in twins.layers.items() if case.layer else [(None, ("", ""))]:
        call = dict(case.words)
        own = dict(case.words)
        if layer:
            call |= {"penultimate_layer": in_keras, "seek_penultimate_conv_layer": False}
            own["layer"] = layer
        np.random.seed(SEED)  # noqa: NPY002  # what the toolkit draws from
        given = tf.constant(twins.last(images), case.dtype)
        expected = np.asarray(tf_keras_vis_class(case)(flat)(CategoricalScore(list(twins.classes)), given, **call))
        capsys.readouterr()
        own |= {"target": list(twins.classes), "toolset": "tf-keras-vis", "seed": SEED}
        if at_home:
            model = twins.double if case.dtype == "float64" else twins.model
            found = explain(model, key, images, **own)
            assert found.translation is None
        else:
            found = explain(twins.model, key, images, translation={"dtype": case.dtype}, **own)
            assert found.translation is not None
            assert found.translation["passed"]
        assert capsys.readouterr().out == ""
        assert found.layer == layer
        assert found.axes == {3: "NHW", 4: "NHWC" if at_home else "NCHW"}[expected.ndim]
        assert relative(twins.last(found.values), expected) <= case.tolerance, layer
