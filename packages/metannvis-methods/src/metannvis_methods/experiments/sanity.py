"""Sanity checks: what is left of a map when the weights of the network are drawn anew, layer by layer from the output down.

Adebayo et al.: Sanity Checks for Saliency Maps, 2018, arXiv:1810.03292. A method whose map stays shows the image, not what
the network has learnt. Networks of digits are trained, one a seed, and each is explained before and after each step for the
classes that it predicted with its own weights.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from metannvis_translate.frameworks import require

from metannvis_methods import explain
from metannvis_methods.errors import MetannvisError
from metannvis_methods.examples import digits
from metannvis_methods.experiments.maps import sanity_word, signed_maps, title
from metannvis_methods.experiments.method_words import methods_of, words_for
from metannvis_methods.experiments.results import ExperimentResult, Picture, Table
from metannvis_methods.metrics.randomization.similarity import SIMILARITIES, similarity
from metannvis_methods.metrics.randomization.weights import randomized
from metannvis_methods.registry.spec import MethodSpec

__all__ = ["ABOVE", "BELOW", "CHANGING", "KEEPING", "experiment"]

Array = np.ndarray[Any, Any]
Progress = Callable[[int, int, str], None]
#: Methods that have to change, to below that signed rank correlation; and one that changes less, by at least so much.
CHANGING: tuple[tuple[str, str], ...] = (
    ("captum", "saliency"),
    ("captum", "grad_cam"),
    ("captum", "integrated_gradients"),
)
KEEPING: tuple[str, str] = ("captum", "guided_backprop")
BELOW, ABOVE = 0.3, 0.2
#: Options of some methods. Saliency with signs: the rank correlation with signs would be that of magnitudes; fewer passes where
#: one takes longer than all others together.
OPTIONS: Mapping[tuple[str, str], Mapping[str, Any]] = {
    ("captum", "saliency"): {"abs": False},
    ("metannvis", "extremal_perturbation"): {"n_steps": 100},
    ("metannvis", "xrai"): {"n_steps": 10},
    ("captum", "kernel_shap"): {"n_samples": 100},
    ("captum", "lime"): {"n_samples": 100},
}
#: Layer of maps and of class activation maps: the last convolution.
LAYER = "relu2"
TOOLSETS = ("captum", "grad-cam", "metannvis", "tf-keras-vis", "zennit")
SEEDS = {"full": 3, "small": 1}
EPOCHS = {"full": 10, "small": 3}
#: Images, the first of each class.
CLASSES = {"full": tuple(range(10)), "small": (0, 1, 2, 3)}
ORIGINAL = "trained"


@dataclass
class Cascade:
    """Similarities to the maps of the trained network: by method, of shape (steps, measures, images); and maps of one image."""

    steps: tuple[str, ...] = ()
    similarities: dict[str, list[Array]] = field(default_factory=dict)
    maps: dict[str, list[Array]] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)


def experiment(seed: int, size: str, progress: Progress) -> ExperimentResult:
    """Train, draw anew, explain, compare."""
    require("torch")
    require("tensorflow")
    specs = methods_of(*TOOLSETS, size=size)
    seeds = [seed + k for k in range(SEEDS[size])]
    found = [_cascade(specs, each, size, progress) for each in seeds]
    steps = found[0].steps
    last = {title(spec): _last(found, title(spec)) for spec in specs}
    rows = [
        (spec.toolset, spec.key, sanity_word(spec), *last[title(spec)].mean(0), last[title(spec)][:, 0].std())
        for spec in specs
        if len(last[title(spec)])
    ]
    rows.sort(key=lambda row: row[3])
    tables = (
        Table(
            "sanity",
            f"Similarity to the trained network's map when all layers are random, mean over {len(seeds)} seeds",
            ("toolset", "method", "published", *SIMILARITIES, "spread of spearman over seeds"),
            tuple(tuple(float(c) if isinstance(c, np.floating) else c for c in row) for row in rows),
        ),
        Table(
            "sanity-steps",
            "Similarity after each step",
            ("seed", "toolset", "method", "drawn down to", *SIMILARITIES),
            tuple(_steps(found, seeds, specs)),
        ),
        Table(
            "sanity-excluded",
            "Methods that refuse these networks",
            ("method", "because"),
            tuple(dict.fromkeys((name, why) for one in found for name, why in one.errors.items())),
        ),
    )
    return ExperimentResult(
        "sanity", seed, size, tables, tuple(_pictures(found, steps, specs)), tuple(_summary(last, rows))
    )


def _cascade(specs: Sequence[MethodSpec], seed: int, size: str, progress: Progress) -> Cascade:
    """One network of one seed, step by step."""
    from metannvis_methods.examples import torch_network

    torch: Any = require("torch")
    data = digits.load(seed, digits.LARGE)
    train = np.expand_dims(data.train_images, 1)
    model = torch_network.train(
        train, data.train_classes, epochs=EPOCHS[size], seed=seed, progress=progress, plain=True
    )
    images = np.expand_dims(data.test_images[data.first_of_each(CLASSES[size])], 1)
    with torch.no_grad():
        classes = model(torch.from_numpy(images)).argmax(1).tolist()
    found = Cascade()
    first: dict[str, Array] = {}
    stages: list[tuple[str, Any]] = [(ORIGINAL, model)]
    steps = [ORIGINAL]
    runs = iter(randomized(model, images[:2], scheme="cascading", seed=seed))
    stage: tuple[str, Any] | None = stages[0]
    while stage is not None:
        name, drawn = stage
        for k, spec in enumerate(specs):
            label = title(spec)
            progress(
                k, len(specs), f"seed {seed}, weights drawn down to {name}: {label}" if name != ORIGINAL else label
            )
            if label in found.errors:
                continue
            try:
                maps = _explained(spec, drawn, images, classes, size, seed)
            except MetannvisError as error:
                found.errors[label] = str(error)
                found.similarities.pop(label, None)
                continue
            if name == ORIGINAL:
                first[label] = maps
                found.similarities[label] = []
            else:
                found.similarities[label].append(
                    np.stack([similarity(measure, first[label], maps) for measure in SIMILARITIES])
                )
            found.maps.setdefault(label, []).append(maps[-1])
        stage = next(runs, None)
        if stage is not None:
            steps.append(stage[0])
    found.steps = tuple(steps)
    return found


def _explained(spec: MethodSpec, model: Any, images: Array, classes: list[int], size: str, seed: int) -> Array:
    words: dict[str, Any] = {
        **words_for(spec, LAYER, size, channels_last=False),
        **OPTIONS.get((spec.toolset, spec.key), {}),
    }
    if spec.by_role("target", "score") is not None:
        words["target"] = classes
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # maps of random networks that are all zero, and the like
        return signed_maps(explain(model, spec.key, images, toolset=spec.toolset, seed=seed, **words))


def _last(found: Sequence[Cascade], name: str) -> Array:
    """Similarities at the last step, in the mean over images: shape (seeds, measures); empty where the method is refused."""
    return np.array([one.similarities[name][-1].mean(-1) for one in found if name in one.similarities])


def _steps(found: Sequence[Cascade], seeds: Sequence[int], specs: Sequence[MethodSpec]) -> list[tuple[Any, ...]]:
    return [
        (seed, spec.toolset, spec.key, step, *map(float, values.mean(-1)))
        for one, seed in zip(found, seeds, strict=True)
        for spec in specs
        if title(spec) in one.similarities
        for step, values in zip(one.steps[1:], one.similarities[title(spec)], strict=True)
    ]


def _pictures(found: Sequence[Cascade], steps: tuple[str, ...], specs: Sequence[MethodSpec]) -> list[Picture]:
    """The cascade of some methods as maps, and of those that are published as lines."""
    one = found[0]
    shown = [f"{key} ({toolset})" for toolset, key in (*CHANGING, KEEPING)]
    pictures = [
        Picture(
            "sanity-cascade",
            "Maps of one image while weights are drawn anew, from the output down",
            "images",
            {name: np.stack(one.maps[name]) for name in shown if len(one.maps.get(name, ())) == len(steps)},
            options={"sample_names": tuple(steps[:1]) + tuple(f"down to {step}" for step in steps[1:])},
        )
    ]
    return [*pictures, *_lines(_steps(found, range(len(found)), specs), steps)]


def _lines(rows: Sequence[tuple[Any, ...]], steps: tuple[str, ...]) -> list[Picture]:
    """A figure a measure, of the table of steps: lines of the methods whose sanity checks are published."""
    published = [spec for spec in methods_of(*TOOLSETS) if spec.sanity]
    pictures = []
    for k, measure in enumerate(SIMILARITIES, 4):
        lines = {}
        for spec in published:
            by_step = [[row[k] for row in rows if row[1:4] == (spec.toolset, spec.key, step)] for step in steps[1:]]
            if all(by_step):
                lines[title(spec)] = [1.0, *(float(np.mean(values)) for values in by_step)]
        pictures.append(
            Picture(
                f"sanity-{measure.replace('_', '-')}",
                f"Similarity to the map of the trained network: {measure}",
                "lines",
                lines,
                steps,
                {"label": measure},
            )
        )
    return pictures


def _summary(last: Mapping[str, Array], rows: Sequence[tuple[Any, ...]]) -> list[str]:
    """What came out, in a few lines."""
    lines = []
    keeping = last[f"{KEEPING[1]} ({KEEPING[0]})"][:, 0]
    for toolset, key in CHANGING:
        values = last[f"{key} ({toolset})"][:, 0]
        said = "below" if (values < BELOW).all() else "NOT below"
        shown = ", ".join(f"{v:.2f}" for v in values)
        lines.append(f"{key}: signed rank correlation {shown} when all layers are random, {said} {BELOW:g}.")
        gap = keeping - values
        said = "above" if (gap >= ABOVE).all() else "NOT above"
        lines.append(f"  {KEEPING[1]} lies {', '.join(f'{v:+.2f}' for v in gap)} beside it, {said} it by {ABOVE:g}.")
    lines.append(f"{KEEPING[1]}: {', '.join(f'{v:.2f}' for v in keeping)}.")
    changed = sum(row[3] < BELOW for row in rows)
    lines.append(f"Of {len(rows)} methods {changed} are below {BELOW:g} in the mean.")
    return lines
