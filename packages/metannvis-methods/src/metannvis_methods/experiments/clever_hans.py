"""Clever Hans: labels that only a grey square gives away, and methods that have to point at it.

The labels of handwritten digits are permuted, so that a digit says nothing of its label, and a square of 5×5 pixels in the
corner is as bright as the label is large: a network that is right looks at the square. One is trained in Keras, and
explained by the toolsets of PyTorch, and one in PyTorch, explained by tf-keras-vis: every map is one of a translated
network, and is held against the map of a native twin with the same weights. Our own toolset explains both. A control
network, of digits with their own labels and without the square, shows what a map has there when nothing is to be seen.

After the experiment of Lapuschkin et al.: Unmasking Clever Hans predictors, 2019, arXiv:1902.10178.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from metannvis_translate.frameworks import require

from metannvis_methods.examples import digits
from metannvis_methods.experiments.cam_bounds import bounds
from metannvis_methods.experiments.maps import measured, sanity_word, title
from metannvis_methods.experiments.method_words import EXCLUDED, methods_of, words_for
from metannvis_methods.experiments.results import ExperimentResult, Picture, Table
from metannvis_methods.experiments.sources import SOURCES, Source
from metannvis_methods.registry.spec import MethodSpec
from metannvis_methods.results.evaluation import Evaluation

__all__ = ["CHANCE", "CONTROL", "REACHED", "experiment"]

Array = np.ndarray[Any, Any]
Progress = Callable[[int, int, str], None]
#: Share of the pixels that the square has; what a method has to reach, and must not on the control network, in its units.
CHANCE, REACHED, CONTROL = 25 / 784, 10.0, 3.0
#: Layer of maps and of class activation maps: the first convolution, as large as the image.
LAYER = "relu1"
#: Trained in which framework, explained by which toolsets.
DIRECTIONS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("keras", ("captum", "grad-cam", "zennit", "metannvis")),
    ("torch", ("tf-keras-vis", "metannvis")),
)
#: Images that are explained, and passes through the training images.
IMAGES = {"full": 100, "small": 8}
EPOCHS = {"full": 20, "small": 5}
HEADER = (
    "trained in",
    "toolset",
    "method",
    "sanity checks",
    "share in square",
    "× chance",
    "pointing game",
    "control × chance",
    "twin differs",
    "seconds",
)


@dataclass(frozen=True)
class Networks:
    """Networks of one framework, and the images that they are explained on, in its layout."""

    source: Source
    hans: Any
    twin: Any
    control: Any
    images: Array
    accuracy: float
    without_square: float
    control_accuracy: float


def experiment(seed: int, size: str, progress: Progress) -> ExperimentResult:
    """Train both networks and their controls, explain all, measure."""
    require("torch")
    require("tensorflow")
    found = {framework: _networks(SOURCES[framework], seed, size, progress) for framework, _ in DIRECTIONS}
    rows: list[tuple[Any, ...]] = []
    pictures: list[Picture] = []
    causes: list[tuple[Any, ...]] = []
    failed: list[tuple[Any, ...]] = []
    for framework, toolsets in DIRECTIONS:
        networks = found[framework]
        specs = methods_of(*toolsets, size=size)
        hans, control, twin = _evaluated(networks, specs, seed, size, progress)
        failed += [
            (SOURCES[framework].name, spec.toolset, spec.key, hans.errors[title(spec), ""])
            for spec in specs
            if (title(spec), "") in hans.errors
        ]
        rows += [_row(framework, spec, hans, control, twin) for spec in specs]
        pictures += _pictures(framework, toolsets, specs, hans)
        causes += [
            (SOURCES[framework].name, *row) for row in bounds(networks.hans, networks.images, LAYER, digits.in_square())
        ]
    rows.sort(key=lambda row: (row[0], -(row[5] if row[5] is not None else -1.0)))
    pictures += _bars(rows)
    tables = (
        Table("clever-hans", "Share of each method's map in the square that gives the label away", HEADER, tuple(rows)),
        Table(
            "clever-hans-networks",
            "The networks",
            ("trained in", "right, with the square", "right, without it", "control network right"),
            tuple((n.source.name, n.accuracy, n.without_square, n.control_accuracy) for n in found.values()),
        ),
        Table(
            "clever-hans-causes",
            f"Why maps that weigh whole channels of {LAYER} do not reach the square",
            ("trained in", "map", "× chance", "× chance, as wide as the layer sees the square"),
            tuple(causes),
        ),
        Table(
            "clever-hans-excluded",
            "Methods that map no image, and those that refuse this network",
            ("trained in", "toolset", "method", "because"),
            (*((None, *key, f"it {why}") for key, why in EXCLUDED.items()), *failed),
        ),
    )
    return ExperimentResult("clever-hans", seed, size, tables, tuple(pictures), tuple(_summary(tables[1].rows, rows)))


def _networks(source: Source, seed: int, size: str, progress: Progress) -> Networks:
    """A network whose labels only the square gives away, its twin, and one that has never seen the square."""
    data = digits.load(seed, digits.LARGE)
    rng = np.random.default_rng(seed)
    train, test = rng.permutation(data.train_classes), rng.permutation(data.test_classes)
    clued, clued_test = (
        source.arranged(digits.labelled(images, labels))
        for images, labels in ((data.train_images, train), (data.test_images, test))
    )
    plain, plain_test = (source.arranged(images) for images in (data.train_images, data.test_images))

    def trained(images: Array, labels: Array) -> Any:
        return source.module.train(images, labels, epochs=EPOCHS[size], seed=seed, progress=progress, plain=True)

    hans, control = trained(clued, train), trained(plain, data.train_classes)
    return Networks(
        source,
        hans,
        source.twin_of(hans),
        control,
        clued_test[: IMAGES[size]],
        source.module.accuracy(hans, clued_test, test),
        source.module.accuracy(hans, plain_test, test),
        source.module.accuracy(control, plain_test, data.test_classes),
    )


def _evaluated(
    networks: Networks, specs: tuple[MethodSpec, ...], seed: int, size: str, progress: Progress
) -> tuple[Evaluation, Evaluation, Evaluation]:
    """Maps of the network, of its control and of its native twin, measured."""
    source = networks.source
    words, turned = (
        {title(spec): words_for(spec, LAYER, size, channels_last=last) for spec in specs}
        for last in (source.channels_last, not source.channels_last)
    )
    images, name = networks.images, source.name
    runs = (
        (networks.hans, images, words, f"network of {name}"),
        (networks.control, images, words, f"control of {name}"),
        (networks.twin, source.turned(images), turned, f"twin of the network of {name}"),
    )
    square = digits.in_square()
    one, two, three = (
        measured(model, x, specs, said, square, seed=seed, stage=stage, progress=progress)
        for model, x, said, stage in runs
    )
    return one, two, three


def _row(framework: str, spec: MethodSpec, hans: Evaluation, control: Evaluation, twin: Evaluation) -> tuple[Any, ...]:
    """Figures of a method; ``None`` where it failed."""
    name = title(spec)
    share, pointing = (_mean(hans, name, metric) for metric in ("mass_accuracy", "pointing_game"))
    other, same = (_mean(evaluation, name, "mass_accuracy") for evaluation in (control, twin))
    explanation = hans.explanations[hans.methods.index(name)]
    return (
        SOURCES[framework].name,
        spec.toolset,
        spec.key,
        sanity_word(spec),
        share,
        None if share is None else share / CHANCE,
        pointing,
        None if other is None else other / CHANCE,
        None if share is None or same is None else abs(share - same),
        None if explanation is None else explanation.seconds,
    )


def _mean(evaluation: Evaluation, method: str, metric: str) -> float | None:
    if (method, "") in evaluation.errors or (method, metric) in evaluation.errors:
        return None
    return float(evaluation.of(method, metric).mean())


def _pictures(
    framework: str, toolsets: tuple[str, ...], specs: tuple[MethodSpec, ...], hans: Evaluation
) -> list[Picture]:
    """All maps of one image side by side, a figure a toolset, and four channels of the first convolution."""
    explained = dict(zip((title(spec) for spec in specs), hans.explanations, strict=True))
    made = []
    for toolset in toolsets:
        shown = {
            spec.key: explained[title(spec)]
            for spec in specs
            if spec.toolset == toolset and explained[title(spec)] is not None
        }
        made.append(
            Picture(
                f"clever-hans-{framework}-{toolset}",
                f"A network of {SOURCES[framework].name} that reads its labels off a square, explained by {toolset}",
                "grid",
                shown,
                options={"sample": 0},
            )
        )
    channels = explained.get("layer_gradient_x_activation (captum)")
    if channels is not None:
        made.append(
            Picture(
                f"clever-hans-{framework}-channels",
                "Four channels of the first convolution: gradient × activation",
                "channels",
                {"": channels},
                options={"channels": 4, "sample": 0},
            )
        )
    return made


def _bars(rows: list[tuple[Any, ...]]) -> list[Picture]:
    """The ranking, a figure a framework."""
    return [
        Picture(
            f"clever-hans-{source.key}-ranking",
            f"Share of each map in the square, in units of chance: network of {source.name}",
            "bars",
            {f"{row[2]} ({row[1]})": row[5] for row in rows if row[0] == source.name and row[5] is not None},
            options={"label": "× chance; dashed: what is asked of methods that pass sanity checks", "line": REACHED},
        )
        for source in SOURCES.values()
    ]


def _summary(networks: Sequence[tuple[Any, ...]], rows: Sequence[tuple[Any, ...]]) -> list[str]:
    """What came out, in a few lines, of the rows of the tables."""
    lines = []
    for name, with_square, without, _ in networks:
        mine = [row for row in rows if row[0] == name]
        ran = [row for row in mine if row[5] is not None]
        passing = [row for row in ran if row[3] == "passes"]
        short = [row for row in passing if row[5] < REACHED]
        loud = [row for row in ran if row[7] is not None and row[7] >= CONTROL]
        lines += [
            f"Trained in {name}: {with_square:.0%} of the permuted labels right with the square, {without:.0%} without it.",
            (
                f"  {len(passing) - len(short)} of {len(passing)} methods that are published to pass sanity checks put "
                f"at least {REACHED:g} × chance into the square; of all {len(ran)}, {sum(row[5] >= REACHED for row in ran)}."
            ),
        ]
        lines += [f"  Below: {_listed(short, 5)}."] if short else []
        lines += [
            (
                f"  On the control network {len(ran) - len(loud)} of {len(ran)} stay below {CONTROL:g} × chance; translated "
                f"and native twin differ by {max(row[8] for row in ran if row[8] is not None):.1e} at most."
            )
        ]
        lines += [f"  Not below on the control network: {_listed(loud, 7)}."] if loud else []
        refused = [f"{row[2]} ({row[1]})" for row in mine if row[5] is None]
        lines += [f"  Refused this network: {', '.join(refused)}."] if refused else []
    return lines


def _listed(rows: Sequence[tuple[Any, ...]], column: int) -> str:
    return ", ".join(f"{row[2]} ({row[1]}) {row[column]:.1f}" for row in rows)
