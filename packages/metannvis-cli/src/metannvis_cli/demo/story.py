"""What ``metannvis demo`` does, in order: train, translate and check, explain, compare, write."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from metannvis_methods import Comparison, Explanation
    from metannvis_translate import Translation

__all__ = ["Demo", "tell"]

Progress = Callable[[int, int, str], None]
Array = np.ndarray[Any, Any]
#: Digits whose first test images are explained; the last one is also written as a file.
CLASSES = (0, 5, 8, 3)
LAYER = "conv2"
LAYOUTS = {"torch": "PyTorch", "keras": "Keras"}


@dataclass(frozen=True)
class Network:
    """A trained network, its translation to the other framework, and the digits to explain in its own layout."""

    name: str
    label: str
    model: Any
    accuracy: float
    digits: Array
    translation: Translation
    file: Path


@dataclass
class Demo:
    """What the demo made: networks by name, results by file name, all files."""

    folder: Path
    networks: dict[str, Network] = field(default_factory=dict)
    results: dict[str, tuple[str, Explanation | Comparison]] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)
    tests: int = 0


def tell(folder: Path, *, seed: int, epochs: int, steps: int, progress: Progress, say: Callable[[str], None]) -> Demo:
    """Run the demo and write its files into an existing folder.

    Parameters
    ----------
    seed
        Of the split, both trainings and activation maximisation.
    epochs
        Of either training.
    steps
        Of activation maximisation.
    progress
        Called as ``progress(done, total, stage)``.
    say
        Told each finding, as text for people.
    """
    progress(0, 1, "load PyTorch, TensorFlow and the digits")
    demo = Demo(folder)
    _networks(demo, seed, epochs, progress, say)
    _explain(demo, seed, steps, progress)
    _compare(demo, progress, say)
    _write(demo, progress)
    return demo


def _networks(demo: Demo, seed: int, epochs: int, progress: Progress, say: Callable[[str], None]) -> None:
    """Train both networks, translate each to the other framework, and save them."""
    from metannvis_translate import save_model, translate
    from metannvis_translate.frameworks import require

    require("torch")
    require("tensorflow")
    from metannvis_cli.demo import keras_network, torch_network
    from metannvis_cli.demo.digits import load
    from metannvis_cli.outputs import write_array

    data = load(seed)
    demo.tests = len(data.test_images)
    chosen = data.first_of_each(CLASSES)
    for name, module, channels, to, suffix in (
        ("torch", torch_network, 1, "keras", ".pt2"),
        ("keras", keras_network, 3, "torch", ".keras"),
    ):
        train, test = (np.expand_dims(images, channels) for images in (data.train_images, data.test_images))
        model = module.train(train, data.train_classes, epochs=epochs, seed=seed, progress=progress)
        share = module.accuracy(model, test, data.test_classes)
        label = LAYOUTS[name]
        say(f"{label} network: {share:.1%} of {len(test)} test digits right")
        digits = np.ascontiguousarray(test[chosen])
        translation = translate(model, to, example_inputs=digits, progress=progress)
        say(f"\n{label} network translated to {LAYOUTS[to]}:\n{translation.report}\n")
        file = demo.folder / f"digits-{name}{suffix}"
        save_model(model, file, example_inputs=digits, overwrite=True)
        sample = demo.folder / f"digit-{name}.npy"
        write_array(sample, digits[-1:])
        demo.files += [file, sample]
        demo.networks[name] = Network(name, label, model, share, digits, translation, file)


def _explain(demo: Demo, seed: int, steps: int, progress: Progress) -> None:
    """The toolkit of the other framework on each network, everything in the network's own terms."""
    from metannvis_methods import explain

    torch, keras = demo.networks["torch"], demo.networks["keras"]
    targets = list(CLASSES)
    runs: list[tuple[Network, str, str, dict[str, Any]]] = [
        (torch, "tf-keras-vis", "grad_cam", {"target": targets, "layer": LAYER}),
        (torch, "tf-keras-vis", "saliency", {"target": targets}),
        (
            torch,
            "tf-keras-vis",
            "activation_maximization",
            {"target": targets, "seed": seed, "steps": steps, **_ascent()},
        ),
        (keras, "captum", "integrated_gradients", {"target": targets, "baselines": 0}),
        (keras, "captum", "deep_lift", {"target": targets, "baselines": 0}),
        (keras, "captum", "layer_conductance", {"target": targets, "baselines": 0, "layer": LAYER}),
    ]
    for k, (network, toolset, method, words) in enumerate(runs):
        progress(k, len(runs), f"{method} of {toolset}")
        given = None if method == "activation_maximization" else network.digits
        found = explain(network.translation, method, given, toolset=toolset, progress=progress, **words)
        heading = f"{method} of {toolset} on the {network.label} network"
        demo.results[f"{network.name}-{method.replace('_', '-')}.png"] = (heading, found)


def _ascent() -> dict[str, Any]:
    """Activation maximisation for pixels of 0…1 on 8×8 images.

    The toolkit's defaults suit photographs of 0…255: a step of 1, and a jitter of 4 pixels, which is half a digit.
    """
    from metannvis_translate.frameworks import require

    keras = require("keras")
    regularizers = require("tf_keras_vis.activation_maximization.regularizers")
    return {
        "input_range": (0.0, 1.0),
        "input_modifiers": [],
        "optimizer": keras.optimizers.RMSprop(0.02, rho=0.95),
        "regularizers": [regularizers.TotalVariation2D(weight=20.0), regularizers.Norm(weight=20.0, p=2)],
    }


def _compare(demo: Demo, progress: Progress, say: Callable[[str], None]) -> None:
    """The same method of both toolkits, on each network: one runs it as it is, the other its translation."""
    from metannvis_methods import compare

    pairs = [(network, method) for network in demo.networks.values() for method in ("saliency", "grad_cam")]
    for k, (network, method) in enumerate(pairs):
        progress(k, len(pairs), f"compare {method}")
        words: dict[str, Any] = {"layer": LAYER} if method == "grad_cam" else {}
        found = compare(network.translation, method, network.digits, target=list(CLASSES), **words)
        say(f"On the {network.label} network: {found}")
        heading = f"{method} of both toolkits on the {network.label} network"
        demo.results[f"{network.name}-compare-{method.replace('_', '-')}.png"] = (heading, found)


def _write(demo: Demo, progress: Progress) -> None:
    """A figure a result, and one page of all."""
    from metannvis_plot import report

    for k, (name, (_, found)) in enumerate(demo.results.items()):
        progress(k, len(demo.results) + 1, "draw")
        found.plot(path=demo.folder / name)
        demo.files.append(demo.folder / name)
    preface = "\n\n".join(
        f"{network.label} network: {network.accuracy:.1%} of {demo.tests} test digits right; translated to the other "
        f"framework and compared:\n{network.translation.report}"
        for network in demo.networks.values()
    )
    page = demo.folder / "index.html"
    report(dict(demo.results.values()), page, title="MetaNNvis demo", preface=preface)
    demo.files.append(page)
    progress(1, 1, "draw")
