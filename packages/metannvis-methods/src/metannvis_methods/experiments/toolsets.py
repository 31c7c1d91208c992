"""Toolsets side by side: Saliency and Grad-CAM of every toolkit that has them, on networks of both frameworks.

By each toolkit's own defaults; with the options aligned, so that all compute the same; and aligned and as large as the
input. One toolkit runs the network as it is, the others its translation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from metannvis_translate.frameworks import require

from metannvis_methods import compare
from metannvis_methods.examples import digits
from metannvis_methods.experiments.results import ExperimentResult, Picture, Table
from metannvis_methods.experiments.sources import SOURCES, Source
from metannvis_methods.results.comparison import Comparison

__all__ = ["MODES", "experiment"]

Array = np.ndarray[Any, Any]
Progress = Callable[[int, int, str], None]
#: Words of :func:`metannvis_methods.compare` for each way to compare.
MODES: dict[str, dict[str, Any]] = {
    "default": {"align": False},
    "aligned": {"align": True},
    "scaled to the input": {"align": True, "expand": True},
}
METHODS = ("saliency", "grad_cam")
LAYER = "relu2"
EPOCHS = {"full": 10, "small": 3}
#: Images that are compared, and of those the ones that are drawn.
CLASSES = {"full": tuple(range(10)), "small": (0, 3)}
DRAWN = 3
FIGURES = ("max_rel", "rel_l2", "cosine", "spearman")


def experiment(seed: int, size: str, progress: Progress) -> ExperimentResult:
    """Train a network of each framework, and compare on it."""
    require("torch")
    require("tensorflow")
    rows: list[tuple[Any, ...]] = []
    pictures: list[Picture] = []
    notes: dict[tuple[str, str], tuple[str, ...]] = {}
    for source in SOURCES.values():
        name = source.name
        model, images = _network(source, seed, size, progress)
        for method in METHODS:
            for k, (mode, words) in enumerate(MODES.items()):
                progress(k, len(MODES), f"{method} on the network of {name}, {mode}")
                layer: dict[str, Any] = {"layer": LAYER} if method == "grad_cam" else {}
                found = compare(model, method, images, seed=seed, **words, **layer)
                rows += [
                    (name, method, mode, f"{row['a']} − {row['b']}", *(float(row[figure]) for figure in FIGURES))
                    for row in found.rows
                ]
                notes[method, mode] = found.notes
                pictures.append(_picture(source, method, mode, found))
    tables = (
        Table(
            "toolsets",
            "Differences of the worst image",
            ("trained in", "method", "options", "toolkits", *FIGURES),
            tuple(rows),
        ),
        Table(
            "toolsets-options",
            "What makes them comparable",
            ("method", "options", "set"),
            tuple((*key, note) for key, several in notes.items() for note in several),
        ),
    )
    summary = [
        _told(method, mode, [row for row in rows if row[1:3] == (method, mode)]) for method in METHODS for mode in MODES
    ]
    return ExperimentResult("toolsets", seed, size, tables, tuple(pictures), tuple(summary))


def _told(method: str, mode: str, rows: list[tuple[Any, ...]]) -> str:
    """A line on a method and a way to compare."""
    empty = sum(not np.isfinite(row[4]) for row in rows)
    largest = max(row[4] for row in rows if np.isfinite(row[4]))
    beside = f" ({empty} pairs have an image where one map is all zero, and no ratio exists)" if empty else ""
    return (
        f"{method}, {mode}: {len(rows)} pairs of toolkits, largest difference {largest:.1e} of the largest value{beside}, "
        f"smallest rank correlation {min(row[7] for row in rows):.3f}."
    )


def _network(source: Source, seed: int, size: str, progress: Progress) -> tuple[Any, Array]:
    """A network that knows digits, and one image of each class, in its layout."""
    data = digits.load(seed, digits.LARGE)
    model = source.module.train(
        source.arranged(data.train_images),
        data.train_classes,
        epochs=EPOCHS[size],
        seed=seed,
        progress=progress,
        plain=True,
    )
    return model, source.arranged(data.test_images[data.first_of_each(CLASSES[size])])


def _picture(source: Source, method: str, mode: str, found: Comparison) -> Picture:
    return Picture(
        f"toolsets-{source.key}-{method.replace('_', '-')}-{mode.replace(' ', '-')}",
        f"{method} of all toolkits on the network of {source.name}, {mode}",
        "comparison",
        {"": found},
        options={"sample": list(range(min(DRAWN, len(found.explanations[0].values))))},
    )
