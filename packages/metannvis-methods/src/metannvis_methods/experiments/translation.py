"""Translation: whether translated networks say what their sources say, in outputs, layers and gradients.

The networks of the examples, and small ones of torchvision and ``keras.applications`` where those are installed, with
random weights, biases and statistics; nothing is downloaded. Each is translated to the other framework and to ONNX, and
compared as ``translate`` compares. The whole zoos are another matter, of hours: ``tox -e zoo``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
from metannvis_translate import MetannvisError, translate
from metannvis_translate.frameworks import require

from metannvis_methods.experiments.results import ExperimentResult, Picture, Table

__all__ = ["experiment"]

Array = np.ndarray[Any, Any]
Progress = Callable[[int, int, str], None]
#: By framework, what a network is translated to.
TARGETS = {"torch": ("keras", "onnx"), "keras": ("torch", "onnx")}
NAMES = {"torch": "PyTorch", "keras": "Keras", "onnx": "ONNX"}
#: Networks of torchvision and of keras.applications, and the side of their images.
TORCHVISION = ("resnet18", "mobilenet_v3_small", "shufflenet_v2_x0_5", "squeezenet1_1")
APPLICATIONS = ("MobileNetV2", "MobileNetV3Small")
SIDE = 96


def experiment(seed: int, size: str, progress: Progress) -> ExperimentResult:
    """Translate each network, and compare."""
    require("torch")
    require("tensorflow")
    rows: list[tuple[Any, ...]] = []
    made = list(_networks(size))
    for k, (name, framework, make, shape) in enumerate(made):
        progress(k, len(made), name)
        model = make(seed)
        x = np.random.default_rng(seed).random((2, *shape), dtype=np.float32)
        rows += [_row(name, framework, to, model, x) for to in TARGETS[framework]]
    table = Table(
        "translation",
        "Differences of translated networks from their sources, relative",
        (
            "network",
            "from",
            "to",
            "agree",
            "outputs",
            "layers",
            "layers compared",
            "gradients (L2)",
            "seconds",
            "error",
        ),
        tuple(rows),
    )
    agree = [row for row in rows if row[3]]
    summary = [
        (
            f"{len(agree)} of {len(rows)} translations of {len(made)} networks agree with their sources; outputs differ by "
            f"{max((row[4] for row in agree), default=float('nan')):.1e} at most."
        ),
        *(f"Not: {row[0]} to {row[2]}: {row[9]}" for row in rows if not row[3]),
    ]
    picture = Picture(
        "translation",
        "Decimal digits in which outputs agree",
        "bars",
        {f"{row[0]} → {row[2]}": -float(np.log10(max(row[4], 1e-12))) for row in agree},
    )
    return ExperimentResult("translation", seed, size, (table,), (picture,), tuple(summary))


def _row(name: str, framework: str, to: str, model: Any, x: Array) -> tuple[Any, ...]:
    start = time.monotonic()
    try:
        report = translate(model, to, example_inputs=x).report
    except MetannvisError as error:
        first = str(error).splitlines()[0]
        return (name, NAMES[framework], NAMES[to], False, None, None, None, None, time.monotonic() - start, first)
    assert report is not None
    compared = sum(row.compared for row in report.layers)
    figures = [report.worst(group) for group in ("outputs", "layers", "gradients")]
    outputs, layers, gradients = (None if np.isnan(figure) else float(figure) for figure in figures)
    seconds = time.monotonic() - start
    return (name, NAMES[framework], NAMES[to], report.passed, outputs, layers, compared, gradients, seconds, None)


def _networks(size: str) -> Iterator[tuple[str, str, Callable[[int], Any], tuple[int, ...]]]:
    """Name, framework, how it is made from a seed, and the shape of an image in its layout."""
    yield "digits", "torch", _torch_digits(plain=False), (1, 28, 28)
    yield "plain", "torch", _torch_digits(plain=True), (1, 28, 28)
    yield "digits", "keras", _keras_digits(plain=False), (28, 28, 1)
    yield "plain", "keras", _keras_digits(plain=True), (28, 28, 1)
    if size == "small":
        return
    for name in TORCHVISION if find_spec("torchvision") else ():
        yield name, "torch", _torchvision(name), (3, SIDE, SIDE)
    for name in APPLICATIONS:
        yield name, "keras", _application(name), (SIDE, SIDE, 3)


def _torch_digits(*, plain: bool) -> Callable[[int], Any]:
    def make(seed: int) -> Any:
        module = import_module("metannvis_methods.examples.torch_network")
        return _torch_randomized((module.Plain() if plain else module.Network(28)).eval(), seed)

    return make


def _keras_digits(*, plain: bool) -> Callable[[int], Any]:
    def make(seed: int) -> Any:
        module = import_module("metannvis_methods.examples.keras_network")
        return _keras_randomized(module.build_plain() if plain else module.build(28), seed)

    return make


def _torchvision(name: str) -> Callable[[int], Any]:
    return lambda seed: _torch_randomized(
        import_module("torchvision.models").get_model(name, weights=None).eval(), seed
    )


def _application(name: str) -> Callable[[int], Any]:
    def make(seed: int) -> Any:
        applications: Any = require("keras").applications
        return _keras_randomized(getattr(applications, name)(weights=None, input_shape=(SIDE, SIDE, 3)), seed)

    return make


def _torch_randomized(model: Any, seed: int) -> Any:
    """The network with random biases and statistics: those that are all zero or one hide errors."""
    torch: Any = require("torch")
    rng = np.random.default_rng(seed)
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if value.ndim == 1 and value.is_floating_point():
                value.copy_(torch.from_numpy(_like(name, tuple(value.shape), rng)))
    return model


def _keras_randomized(model: Any, seed: int) -> Any:
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        if len(weight.shape) == 1 and "float" in str(weight.dtype):
            weight.assign(_like(weight.path, tuple(weight.shape), rng))
    return model


def _like(name: str, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Numbers about one for scales and variances, about zero for biases and means."""
    positive = any(word in name for word in ("var", "gamma", "weight", "scale"))
    drawn = rng.uniform(0.8, 1.2, shape) if positive else rng.normal(scale=0.1, size=shape)
    return drawn.astype(np.float32)
