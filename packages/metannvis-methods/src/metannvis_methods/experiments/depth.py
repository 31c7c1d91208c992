"""Depth: how well Grad-CAM tells two digits of one image apart, from the last convolution to the first.

Networks that take the largest value of each channel of their last convolution, wherever it is, know a digit anywhere. They
are shown two different digits side by side, and explained for each of the two classes: how much of a map lies in the half
that has its own digit says how discriminative the layer is. Half of a map is chance. Selvaraju et al., 2016,
arXiv:1610.02391, found deep layers to localize classes and shallow ones not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from metannvis_translate.frameworks import require

from metannvis_methods import evaluate
from metannvis_methods.examples import load
from metannvis_methods.experiments.results import ExperimentResult, Picture, Table
from metannvis_methods.experiments.sources import SOURCES, Source
from metannvis_methods.results.evaluation import Evaluation

__all__ = ["experiment", "pairs"]

Array = np.ndarray[Any, Any]
Progress = Callable[[int, int, str], None]
#: From deep to shallow.
LAYERS = ("conv3", "conv2", "conv1")
#: Maps of positive values: what speaks for the class.
METHODS: dict[str, dict[str, Any]] = {
    "grad_cam (captum)": {"method": "grad_cam", "toolset": "captum", "relu_attributions": True},
    "grad_cam (tf-keras-vis)": {"method": "grad_cam", "toolset": "tf-keras-vis"},
    "grad_cam (grad-cam)": {"method": "grad_cam", "toolset": "grad-cam", "relu": True},
    "hires_cam (grad-cam)": {"method": "hires_cam", "toolset": "grad-cam", "relu": True},
    "layer_cam (grad-cam)": {"method": "layer_cam", "toolset": "grad-cam", "relu": True},
}
#: Share of a map in half of the image that says nothing.
CHANCE = 0.5
EPOCHS = {"full": 6, "small": 2}
PAIRS = {"full": 100, "small": 6}


def pairs(images: Array, classes: Array, count: int, seed: int) -> tuple[Array, Array]:
    """Images of two different digits side by side, shape ``(count, 28, 56)``, and their classes, shape ``(count, 2)``."""
    rng = np.random.default_rng(seed)
    found: list[tuple[int, int]] = []
    while len(found) < count:
        left, right = rng.integers(0, len(images), 2)
        if classes[left] != classes[right]:
            found.append((int(left), int(right)))
    places = np.array(found)
    return np.concatenate([images[places[:, 0]], images[places[:, 1]]], axis=2), classes[places]


def experiment(seed: int, size: str, progress: Progress) -> ExperimentResult:
    """Train a network of each framework, and explain both digits of each image at each layer."""
    require("torch")
    require("tensorflow")
    rows: list[tuple[Any, ...]] = []
    pictures: list[Picture] = []
    right: dict[str, float] = {}
    for source in SOURCES.values():
        name = source.name
        example = load(f"digits-{source.key}", seed=seed, epochs=EPOCHS[size], progress=progress)
        images, classes = pairs(example.clean.squeeze(source.axis), example.classes, PAIRS[size], seed)
        model, given = source.module.for_size(example.model, *images.shape[1:]), source.arranged(images)
        right[name] = _both_first(source.module.outputs(model, given), classes)
        found = _measured(model, given, classes, seed, name, progress)
        for method in METHODS:
            for layer in LAYERS:
                shares = np.concatenate([_shares(one, f"{method} at {layer}") for one in found])
                seen = shares[~np.isnan(shares)]
                figures = (float(seen.mean()), float((seen > CHANCE).mean())) if len(seen) else (None, None)
                rows.append((name, method, layer, *figures, 1 - len(seen) / len(shares)))
        pictures.append(_picture(source, found))
    table = Table(
        "depth",
        "Share of a map in the half of its own digit (chance: 0.5), how often it is more than half, share of empty maps",
        ("trained in", "method", "layer", "share in own half", "more than half", "empty maps"),
        tuple(rows),
    )
    lines = Picture(
        "depth-layers",
        "Share of a map in the half of its own digit, from deep to shallow",
        "lines",
        {
            f"{method}, {name}": [np.nan if row[3] is None else row[3] for row in rows if row[:2] == (name, method)]
            for name in right
            for method in METHODS
        },
        LAYERS,
        {"label": "share in own half", "line": CHANCE},
    )
    summary = [f"The network of {name} has both digits of {right[name]:.0%} of the images first." for name in right]
    for method in METHODS:
        shown = {layer: [row[3] for row in rows if row[1:3] == (method, layer)] for layer in LAYERS}
        told = ", ".join(
            f"{layer} {' and '.join('–' if v is None else f'{v:.2f}' for v in values)}"
            for layer, values in shown.items()
        )
        summary.append(f"{method}: {told} of the map in its own half (PyTorch and Keras).")
    return ExperimentResult("depth", seed, size, (table,), (lines, *pictures), tuple(summary))


def _shares(found: Evaluation, name: str) -> Array:
    """Share of each map in the half of its digit, shape ``(N,)``; NaN of one that is zero everywhere and lies in neither."""
    values = np.asarray(found.explanations[found.methods.index(name)].values)
    empty = ~values.reshape(len(values), -1).any(1)
    shares: Array = np.where(empty, np.nan, found.of(name, "mass_accuracy"))
    return shares


def _both_first(outputs: Array, classes: Array) -> float:
    """Share of images whose two digits have the two largest outputs."""
    first = np.argsort(-outputs, axis=1)[:, :2]
    return float((np.sort(first, axis=1) == np.sort(classes, axis=1)).all(1).mean())


def _measured(
    model: Any, images: Array, classes: Array, seed: int, name: str, progress: Progress
) -> tuple[Evaluation, Evaluation]:
    """Maps for the left digits, and for the right ones."""
    methods = {
        f"{method} at {layer}": {**words, "layer": layer} for method, words in METHODS.items() for layer in LAYERS
    }
    halves = np.zeros((2, 28, 56), bool)
    halves[0, :, :28] = halves[1, :, 28:] = True

    def told(side: int) -> Progress:
        which = ("left", "right")[side]
        return lambda done, total, step: progress(done, total, f"{which} digits, network of {name}: {step}")

    left, right = (
        evaluate(
            model,
            methods,
            images,
            metrics=["mass_accuracy"],
            masks=halves[side],
            target=classes[:, side].tolist(),
            seed=seed,
            progress=told(side),
            unfit="ignore",
        )
        for side in (0, 1)
    )
    return left, right


def _picture(source: Source, found: tuple[Evaluation, Evaluation]) -> Picture:
    """Grad-CAM of one image, for both digits, at every layer."""
    method = next(iter(METHODS))
    shown = {
        f"{side} digit, {layer}": found[k].explanations[found[k].methods.index(f"{method} at {layer}")]
        for k, side in enumerate(("left", "right"))
        for layer in LAYERS
    }
    return Picture(
        f"depth-{source.key}",
        f"Grad-CAM for each of two digits, network of {source.name}, from deep to shallow",
        "grid",
        shown,
        options={"sample": 0},
    )
