"""Every method of the toolsets, how it is called, and everything around a call that has to stay as it was."""

from __future__ import annotations

import importlib
import logging
import random
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from metannvis_methods import Explanation, explain
from metannvis_translate.frameworks.requirements import require

__all__ = ["CASES", "THREADS", "Case", "at_once", "called", "hurried", "made", "model_state", "surroundings"]

Array = np.ndarray[Any, Any]
Key = tuple[str, str]
THREADS = 4
LAYER = "conv2"


@dataclass(frozen=True)
class Case:
    """How a method is called.

    Attributes
    ----------
    words
        Options in the toolkit's own names; ``MASK`` and ``BASELINES`` stand for arrays, which lie like the inputs.
    target, layer, neuron
        What it is asked about.
    single
        It takes one sample, and functions that see tensors of the model that runs.
    score
        It is asked about a network of one output a sample.
    pooled
        It is asked about a network that ends in global average pooling and a dense layer, at what is pooled.
    refused
        What a refusal says that depends on the weights, and is the same in threads as alone.
    """

    words: Mapping[str, Any] = field(default_factory=dict)
    target: bool = True
    layer: bool = False
    neuron: bool = False
    single: bool = False
    score: bool = False
    pooled: bool = False
    refused: str = ""


MASK, BASELINES, WINDOW = "mask", "baselines", "window"
STEPS = {"n_steps": 4, "baselines": 0.1}
DRAWS = {"baselines": BASELINES, "n_samples": 3, "stdevs": 0.1}
ABLATE = {"feature_mask": MASK, "baselines": 0.1}
OF_LAYER: dict[str, Any] = {"layer": True}
OF_NEURON: dict[str, Any] = {"layer": True, "neuron": True, "target": False}


def _similarity(original: Any, perturbed: Any, features: Any, **words: Any) -> Any:
    return require("torch").exp(-((original - perturbed) ** 2).mean())


def _perturbed(original: Any, **words: Any) -> Any:
    return original + 0.1 * require("torch").randn_like(original)


def _features(sample: Any, original: Any, **words: Any) -> Any:
    return require("torch").stack([sample.sum(), (sample**2).sum(), sample.max()]).reshape(1, -1)


def _linear() -> Any:
    from captum._utils.models.linear_model import SkLearnLinearRegression

    return SkLearnLinearRegression()


LIME_BASE = {
    "interpretable_model": _linear,
    "similarity_func": _similarity,
    "perturb_func": _perturbed,
    "perturb_interpretable_space": False,
    "from_interp_rep_transform": None,
    "to_interp_rep_transform": _features,
    "n_samples": 5,
}

CASES: dict[Key, Case] = {
    ("captum", "saliency"): Case(),
    ("captum", "integrated_gradients"): Case(STEPS),
    ("captum", "input_x_gradient"): Case(),
    ("captum", "deep_lift"): Case({"baselines": 0.1}),
    ("captum", "deep_lift_shap"): Case({"baselines": BASELINES}),
    ("captum", "gradient_shap"): Case(DRAWS),
    ("captum", "guided_backprop"): Case(),
    ("captum", "deconvolution"): Case(),
    ("captum", "guided_grad_cam"): Case(**OF_LAYER),
    ("captum", "lrp"): Case(),
    ("captum", "feature_ablation"): Case(ABLATE),
    ("captum", "feature_permutation"): Case({"feature_mask": MASK}),
    ("captum", "occlusion"): Case({"sliding_window_shapes": WINDOW, "baselines": 0.1}),
    ("captum", "shapley_value_sampling"): Case({**ABLATE, "n_samples": 3}),
    ("captum", "shapley_values"): Case(ABLATE),
    ("captum", "lime"): Case({**ABLATE, "n_samples": 8}),
    ("captum", "kernel_shap"): Case({**ABLATE, "n_samples": 8}),
    ("captum", "lime_base"): Case(LIME_BASE, single=True),
    ("captum", "layer_activation"): Case(target=False, layer=True),
    ("captum", "layer_conductance"): Case(STEPS, **OF_LAYER),
    ("captum", "layer_integrated_gradients"): Case(STEPS, **OF_LAYER),
    ("captum", "internal_influence"): Case(STEPS, **OF_LAYER),
    ("captum", "layer_gradient_x_activation"): Case(**OF_LAYER),
    ("captum", "layer_gradient_shap"): Case(DRAWS, **OF_LAYER),
    ("captum", "layer_deep_lift"): Case({"baselines": 0.1}, **OF_LAYER),
    ("captum", "layer_deep_lift_shap"): Case({"baselines": BASELINES}, **OF_LAYER),
    ("captum", "layer_feature_ablation"): Case(**OF_LAYER),
    ("captum", "layer_feature_permutation"): Case(target=False, layer=True, score=True),
    ("captum", "layer_lrp"): Case(**OF_LAYER),
    ("captum", "grad_cam"): Case(**OF_LAYER),
    ("captum", "neuron_gradient"): Case(**OF_NEURON),
    ("captum", "neuron_integrated_gradients"): Case(STEPS, **OF_NEURON),
    ("captum", "neuron_conductance"): Case(STEPS, layer=True, neuron=True),
    ("captum", "neuron_deep_lift"): Case({"baselines": 0.1}, **OF_NEURON),
    ("captum", "neuron_deep_lift_shap"): Case({"baselines": BASELINES}, **OF_NEURON),
    ("captum", "neuron_gradient_shap"): Case(DRAWS, **OF_NEURON),
    ("captum", "neuron_feature_ablation"): Case(ABLATE, **OF_NEURON),
    ("captum", "neuron_guided_backprop"): Case(**OF_NEURON),
    ("captum", "neuron_deconvolution"): Case(**OF_NEURON),
    **{
        ("grad-cam", key): Case(**OF_LAYER)
        for key in (
            *("grad_cam", "grad_cam++", "hires_cam", "grad_cam_elementwise", "xgrad_cam", "layer_cam", "shapley_cam"),
            *("finer_cam", "eigen_grad_cam", "seg_eigen_cam", "ablation_cam", "score_cam"),
        )
    },
    **{("grad-cam", key): Case(target=False, layer=True) for key in ("eigen_cam", "kpca_cam", "random_cam")},
    ("grad-cam", "fem"): Case({"k": 0.1}, target=False, layer=True),
    ("grad-cam", "full_grad"): Case(),
    ("grad-cam", "deep_feature_factorization"): Case({"n_components": 2}, target=False, layer=True),
    ("metannvis", "rise"): Case({"n_masks": 6, "cells": 2}),
    ("metannvis", "sobol"): Case({"n_designs": 2, "cells": 2}),
    ("metannvis", "extremal_perturbation"): Case({"areas": (0.3,), "n_steps": 3}),
    ("metannvis", "simple_taylor"): Case({"n_steps": 40}, refused="has no root on the line"),
    **{
        ("metannvis", key): Case({"n_steps": 4})
        for key in ("blur_integrated_gradients", "guided_integrated_gradients", "xrai")
    },
    **{
        ("metannvis", key): Case()
        for key in ("sensitivity_analysis", "deep_lift_linear", "deep_lift_reveal_cancel", "attn_lrp")
    },
    ("metannvis", "linear_approximation"): Case(**OF_LAYER),
    ("metannvis", "cam"): Case(layer=True, pooled=True),
    ("metannvis", "deconvnet"): Case(target=False, layer=True),
    ("metannvis", "layer_vanilla_gradient"): Case(target=False, layer=True),
    ("metannvis", "filter_guided_backprop"): Case({"channel": 1}, target=False, layer=True),
    ("metannvis", "activation_maximization"): Case({"steps": 2}),
    ("metannvis", "render"): Case({"steps": 2}),
    ("metannvis", "deep_dream"): Case({"steps": 2, "octaves": 1}, target=False, layer=True),
    ("metannvis", "invert_representation"): Case({"steps": 2}, target=False, layer=True),
    **{("zennit", key): Case() for key in ("lrp", "deep_taylor", "excitation_backprop")},
    **{("zennit", f"layer_{key}"): Case(**OF_LAYER) for key in ("lrp", "deep_taylor", "excitation_backprop")},
    ("tf-keras-vis", "activation_maximization"): Case({"steps": 2, "input_range": (0.0, 1.0)}),
    ("tf-keras-vis", "saliency"): Case({"keepdims": True}),
    ("tf-keras-vis", "smooth_grad"): Case({"smooth_samples": 3, "keepdims": True}),
    ("tf-keras-vis", "grad_cam"): Case(**OF_LAYER),
    ("tf-keras-vis", "grad_cam++"): Case(**OF_LAYER),
    ("tf-keras-vis", "score_cam"): Case(**OF_LAYER),
    ("tf-keras-vis", "layer_cam"): Case(**OF_LAYER),
}


def made(framework: str, *, score: bool = False, pooled: bool = False, seed: int = 0) -> Any:
    """A small image network of (N, 2, 6, 5) or (N, 6, 5, 2) in a state of its owner's: training, a frozen weight, a hook."""
    return (_torch if framework == "torch" else _keras)(score, pooled, seed)


def _torch(score: bool, pooled: bool, seed: int) -> Any:
    torch = require("torch")
    nn = torch.nn

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1, self.norm, self.relu1 = nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU()
            self.pool, self.conv2, self.relu2 = nn.MaxPool2d(2), nn.Conv2d(4, 5, 2), nn.ReLU()
            self.drop, self.fc = nn.Dropout(0.5), nn.Linear(5 if pooled else 10, 1 if score else 4)

        def forward(self, x: Any) -> Any:
            x = self.pool(self.relu1(self.norm(self.conv1(x))))
            x = self.relu2(self.conv2(x))
            x = self.fc(self.drop(x.mean((2, 3)) if pooled else x.flatten(1)))
            return x[:, 0] if score else x

    net = Net()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in (*net.parameters(), *net.buffers()):
            if tensor.is_floating_point():
                noise = torch.rand(tensor.shape, generator=generator)
                tensor.copy_(noise - 0.5 if tensor.ndim > 1 else 0.5 + noise)
    net.pool.eval()
    net.conv1.weight.requires_grad_(False)
    net.conv2.register_forward_hook(_nothing)
    net.fc.note = "its owner's"
    return net


def _nothing(*_: Any) -> None:
    return None


def _keras(score: bool, pooled: bool, seed: int) -> Any:
    require("tensorflow")
    keras = require("keras")
    layers = keras.layers
    image = keras.Input((6, 5, 2), name="image")
    x = layers.BatchNormalization(name="norm")(layers.Conv2D(4, 3, padding="same", name="conv1")(image))
    x = layers.MaxPooling2D(2, name="pool")(layers.ReLU(name="relu1")(x))
    x = layers.ReLU(name="relu2")(layers.Conv2D(5, 2, name="conv2")(x))
    x = layers.GlobalAveragePooling2D(name="average")(x) if pooled else layers.Flatten(name="flatten")(x)
    x = layers.Dropout(0.5, name="drop")(x)
    x = layers.Dense(1 if score else 4, name="fc")(x)
    model = keras.Model(image, layers.Reshape((), name="one")(x) if score else x, name="net")
    drawn = np.random.default_rng(seed)
    model.set_weights(
        [drawn.uniform(0.5 * (w.ndim == 1) - 0.5, 0.5 + (w.ndim == 1), w.shape) for w in model.get_weights()]
    )
    model.get_layer("conv1").trainable = False
    return model


def called(key: Key, framework: str, model: Any, number: int) -> Explanation:
    """A call of a method on a model, with inputs and a seed of its own for each number."""
    toolset, method = key
    case = CASES[key]
    first = framework == "torch"
    samples = 1 if case.single else 3
    x = (
        np.random.default_rng(number)
        .uniform(0, 1, (samples, 2, 6, 5) if first else (samples, 6, 5, 2))
        .astype("float32")
    )
    mask = np.arange(30).reshape(6, 5) // 10
    arrays: dict[str, Any] = {
        MASK: mask[None, None] if first else mask[None, :, :, None],
        BASELINES: x[:2] * 0.3,
        WINDOW: (2, 3, 5) if first else (3, 5, 2),
    }
    words = {name: arrays.get(value, value) if isinstance(value, str) else value for name, value in case.words.items()}
    if "interpretable_model" in words:
        words["interpretable_model"] = words["interpretable_model"]()
    if case.target:
        words["target"] = number % 4 if case.single else [number % 4, 1, 2][:samples]
    if case.layer:
        words["layer"] = "relu2" if case.pooled else LAYER
    if case.neuron:
        words["neuron"] = (2, 1, 0) if first else (1, 0, 2)
    return explain(model, method, x, toolset=toolset, seed=7 + number, **words)


def model_state(model: Any) -> dict[str, Any]:
    """Everything of a model that a toolkit could change: modes, hooks, attributes, weights."""
    found: dict[str, Any] = {}
    if hasattr(model, "named_modules"):
        for name, module in model.named_modules():
            for key, value in module.__dict__.items():
                is_registry = key.startswith("_") and isinstance(value, (dict, set))
                found[f"{name}.{key}"] = (
                    (id(value), list(value.items() if hasattr(value, "items") else value))
                    if (is_registry and "hooks" in key)
                    else (sorted(value) if is_registry else value)
                )
        for name, tensor in (*model.named_parameters(), *model.named_buffers()):
            found[f"{name} tensor"] = (id(tensor), tensor.requires_grad, tensor.grad, tensor.detach().numpy().tobytes())
        return found
    for layer in (model, *model.layers):
        states = [id(value) for value in (layer._inbound_nodes, layer._outbound_nodes)]
        sizes = [len(value) for value in (layer._inbound_nodes, layer._outbound_nodes)]
        activation = getattr(layer, "activation", None)
        found[layer.name] = (sorted(vars(layer)), layer.trainable, activation, states, sizes, str(layer.get_config()))
        for weight in layer.weights:
            found[weight.path] = (id(weight), weight.trainable, weight.numpy().tobytes())
    return found


def surroundings() -> dict[str, Any]:
    """What belongs to the process: streams, warnings filters, generators, modes, logging levels, patched functions."""
    torch, tf = require("torch"), require("tensorflow")
    from tensorflow.python.eager import context

    eager = context.context()
    return {
        "streams": (sys.stdout, sys.stderr),
        "filters": list(warnings.filters),
        "showwarning": warnings.showwarning,
        "random": random.getstate(),
        "numpy": repr(np.random.get_state()),  # noqa: NPY002
        "torch": torch.get_rng_state().numpy().tobytes(),
        "tensorflow": (eager._seed, eager._rng.getstate()),
        "modes": (torch.is_grad_enabled(), torch.get_default_dtype(), tf.executing_eagerly()),
        "functions": (torch.nn.functional.embedding_bag, torch.autograd.Function.__dict__["apply"]),
        "levels": {name: logging.getLogger(name).level for name in ("torch.onnx", "torch.export", "tf2onnx")},
    }


@contextmanager
def hurried() -> Iterator[None]:
    """Threads take turns a thousand times as often as they usually do; TensorFlow's generator has a seed."""
    for module in (
        "torch",
        "tensorflow",
        "torch.onnx",
        "torch.export",
        "captum.attr",
        "pytorch_grad_cam",
        "zennit.composites",
    ):
        require(module)  # not in a hurry, which makes imports take many times as long
    importlib.import_module("sympy")  # its import leaves a warnings filter behind, for its own warnings
    require("tensorflow").random.set_seed(5)
    before = sys.getswitchinterval()
    sys.setswitchinterval(5e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def at_once(tasks: Sequence[Callable[[], Any]]) -> list[Any]:
    """What each task gives (its exception if it raises), each in a thread of its own, all started together."""
    found: list[Any] = [None] * len(tasks)
    start = threading.Barrier(len(tasks))

    def work(number: int) -> None:
        start.wait()
        try:
            found[number] = tasks[number]()
        except Exception as error:  # noqa: BLE001  # told to the test, whatever it is
            found[number] = error

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(tasks))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found
