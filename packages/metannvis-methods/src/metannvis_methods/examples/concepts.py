"""Concepts with known answers: small pictures of coloured shapes with their masks, and networks whose units stand for them.

Each picture shows a few shapes on grey noise: red squares, green discs, blue crosses, yellow stripes. A unit of the planted
layer responds to one colour, the brighter the more; others are random.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.extras import require_extra

__all__ = ["CONCEPTS", "LAYER", "Shapes", "keras_planted", "shapes", "torch_planted", "write_broden"]

Array = np.ndarray[Any, Any]
#: Names, categories and colours of the concepts, in the order of the planted units.
CONCEPTS: Mapping[str, tuple[str, tuple[float, float, float]]] = {
    "red square": ("object", (1, 0, 0)),
    "green disc": ("object", (0, 1, 0)),
    "blue cross": ("object", (0, 0, 1)),
    "yellow stripes": ("texture", (1, 1, 0)),
}
#: Name of the layer that has the planted units, in both networks.
LAYER = "units"
#: Weights by which a unit tells its colour from the others and from grey, and what is taken off.
DETECT: tuple[tuple[float, float, float], ...] = ((1, -1, -1), (-1, 1, -1), (-1, -1, 1), (1, 1, -2))
BIAS = (-0.1, -0.1, -0.1, -0.8)
RANDOM_UNITS = 4


@dataclass(frozen=True)
class Shapes:
    """Pictures and what is in them.

    Attributes
    ----------
    images
        Shape ``(N, 3, S, S)``, float32 in 0…1.
    masks
        Shape ``(N, concepts, S, S)``, true where a concept is.
    names, categories
        Of the concepts.
    classes
        Of each picture, the concept that covers most of it, shape ``(N,)``.
    """

    images: Array
    masks: Array
    names: tuple[str, ...]
    categories: tuple[str, ...]
    classes: Array


def shapes(seed: int, count: int = 60, size: int = 32, most: int = 3) -> Shapes:
    """Pictures drawn by the seed, each with one shape or several.

    Parameters
    ----------
    seed
        Of everything.
    count
        Of pictures.
    size
        Pixels at an edge, at least 16.
    most
        Shapes in a picture; with 1 each picture shows what it is of.

    Raises
    ------
    InvalidArgumentError
        The size is too small for a shape.
    """
    if size < 16 or count < 1:
        raise InvalidArgumentError(f"there is one picture at least, of 16 pixels at an edge, not {count} of {size}")
    rng = np.random.default_rng(seed)
    images = 0.35 + 0.1 * rng.random((count, 1, size, size)) + np.zeros((1, 3, 1, 1))
    masks = np.zeros((count, len(CONCEPTS), size, size), bool)
    rows, columns = np.mgrid[:size, :size]
    for image, mask in zip(images, masks, strict=True):
        for k in rng.permutation(len(CONCEPTS))[: rng.integers(1, most + 1)]:
            radius = int(rng.integers(size // 8, size // 5))
            y, x = rng.integers(radius, size - radius, 2)
            down, right = np.abs(rows - y), np.abs(columns - x)
            inside = np.maximum(down, right) <= radius
            if k == 1:
                inside = down**2 + right**2 <= radius**2
            elif k == 2:
                inside &= np.minimum(down, right) <= radius // 3
            elif k == 3:
                inside &= (rows + columns) % 4 < 2
            inside &= ~mask.any(0)
            brightness = 0.7 + 0.3 * rng.random((size, size))  # no two places are alike
            color = np.array(list(CONCEPTS.values())[k][1])
            image[:, inside] = color[:, None] * brightness[inside]
            mask[k] = inside
    return Shapes(
        images.astype(np.float32),
        masks,
        tuple(CONCEPTS),
        tuple(category for category, _ in CONCEPTS.values()),
        masks.sum((2, 3)).argmax(1),
    )


def _weights(seed: int) -> tuple[Array, Array, Array]:
    """Weights of the planted layer, shape ``(8, 3)``, its biases, and weights of the classes, shape ``(4, 8)``."""
    rng = np.random.default_rng(seed)
    units = np.concatenate([np.array(DETECT), rng.normal(0, 0.5, (RANDOM_UNITS, 3))])
    biases = np.concatenate([np.array(BIAS), np.zeros(RANDOM_UNITS)])
    return (x.astype(np.float32) for x in (units, biases, rng.normal(0, 1, (len(CONCEPTS), len(units)))))  # type: ignore[return-value]


def torch_planted(seed: int = 0) -> Any:
    """A PyTorch network of pictures, channels first; the first units of its layer ``units`` are those of :data:`CONCEPTS`."""
    from collections import OrderedDict

    from metannvis_translate.frameworks import require

    torch: Any = require("torch")
    weights, biases, classes = _weights(seed)
    layers = OrderedDict(
        filters=torch.nn.Conv2d(3, len(weights), 1),
        units=torch.nn.ReLU(),
        small=torch.nn.AvgPool2d(2),
        deep=torch.nn.Conv2d(len(weights), len(weights), 3, padding=1, groups=len(weights)),
        pool=torch.nn.AdaptiveAvgPool2d(1),
        flatten=torch.nn.Flatten(),
        classes=torch.nn.Linear(len(weights), len(CONCEPTS), bias=False),
    )
    network = torch.nn.Sequential(layers).eval()
    with torch.no_grad():
        layers["filters"].weight.copy_(torch.from_numpy(weights[:, :, None, None]))
        layers["filters"].bias.copy_(torch.from_numpy(biases))
        layers["deep"].weight.fill_(1 / 9)
        layers["deep"].bias.zero_()
        layers["classes"].weight.copy_(torch.from_numpy(classes))
    return network


def keras_planted(seed: int = 0) -> Any:
    """The same network in Keras, channels last."""
    from metannvis_translate.frameworks import require

    layers: Any = require("keras").layers
    weights, biases, classes = _weights(seed)
    network = require("keras").Sequential(
        [
            require("keras").Input((None, None, 3)),
            layers.Conv2D(len(weights), 1, name="filters"),
            layers.ReLU(name="units"),
            layers.AveragePooling2D(2, name="small"),
            layers.DepthwiseConv2D(3, padding="same", name="deep"),
            layers.GlobalAveragePooling2D(name="pool"),
            layers.Dense(len(CONCEPTS), use_bias=False, name="classes"),
        ]
    )
    network.get_layer("filters").set_weights([weights.T[None, None], biases])
    network.get_layer("deep").set_weights([np.full((3, 3, len(weights), 1), 1 / 9, np.float32), np.zeros(len(weights))])
    network.get_layer("classes").set_weights([classes.T])
    return network


def write_broden(folder: str | Path, found: Shapes) -> Path:
    """Write pictures and masks in Broden's form (:func:`metannvis_methods.read_broden`).

    Returns
    -------
    pathlib.Path
        The folder.
    """
    image = require_extra("PIL.Image", "images", "Pillow")
    folder = Path(folder)
    (folder / "images").mkdir(parents=True, exist_ok=True)
    categories = tuple(dict.fromkeys(found.categories))
    size = found.images.shape[-1]
    rows = []
    for k, (picture, masks) in enumerate(zip(found.images, found.masks, strict=True)):
        name = f"{k:05}.png"
        pixels = (picture.transpose(1, 2, 0) * 255).round().astype(np.uint8)
        image.fromarray(pixels).save(folder / "images" / name)
        cells = []
        for category in categories:
            numbers = np.zeros((size, size), np.int64)
            for place, of in enumerate(found.categories):
                if of == category:
                    numbers[masks[place]] = place + 1
            mask_file = f"{k:05}_{category}.png"
            coded = np.stack([numbers % 256, numbers // 256, np.zeros_like(numbers)], -1).astype(np.uint8)
            image.fromarray(coded).save(folder / "images" / mask_file)
            cells.append(mask_file)
        rows.append([name, "train" if k % 5 else "val", size, size, size, size, *cells])
    with (folder / "index.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "split", "ih", "iw", "sh", "sw", *categories])
        writer.writerows(rows)
    with (folder / "label.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["number", "name", "category", "frequency", "coverage", "syns"])
        for place, (name, category) in enumerate(zip(found.names, found.categories, strict=True)):
            pictures = found.masks[:, place].any((1, 2))
            writer.writerow(
                [
                    place + 1,
                    name,
                    f"{category}({pictures.sum()})",
                    int(pictures.sum()),
                    float(found.masks[:, place].mean()),
                    "",
                ]
            )
    return folder
