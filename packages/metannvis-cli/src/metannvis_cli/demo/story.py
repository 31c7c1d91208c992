"""Steps of ``metannvis demo``, in order: train, translate and check, explain, compare, make digits, write.

In each framework two networks learn handwritten digits, one of which is given a reason to cheat: in its training images
every three has a grey square in the corner. Its accuracy does not show it; where it looks does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from metannvis_methods import Comparison, Explanation, ImageOptimization
    from metannvis_translate import Translation

__all__ = ["Demo", "tell"]

Progress = Callable[[int, int, str], None]
Array = np.ndarray[Any, Any]
#: Digits whose first test images are explained, all of them with the square; the last one is also written as a file.
CLASSES = (0, 5, 8, 3)
#: What they are called on pictures.
SAMPLES = tuple(f"a {digit} with the square" for digit in CLASSES)
#: What the square gives away.
TARGET = 3
#: The last convolution, whose maps tell where a class comes from.
LAYER = "conv3"
LABELS = {"torch": "PyTorch", "keras": "Keras"}
KINDS = {"digits": "honest", "cheat": "cheating"}
#: The network that says of the digits of a generator what they are.
JUDGE = "digits-torch"
#: Passes of the generator through the digits, for each of a network's; steps in its codes.
PASSES, STEPS = 5, 200
MADE = "What the {} network takes for each digit, among the images of a generator"
#: What each network is explained by: both toolkits, one of which needs it translated.
METHODS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("integrated_gradients", "captum", {"baselines": 0}),
    ("saliency", "tf-keras-vis", {}),
)


@dataclass(frozen=True)
class Network:
    """A trained network, its translation to the other framework, and the digits to explain in its own layout."""

    name: str
    framework: str
    kind: str
    model: Any
    accuracy: float
    called_three: float
    digits: Array
    translation: Translation
    file: Path

    @property
    def label(self) -> str:
        """``honest PyTorch``."""
        return f"{KINDS[self.kind]} {LABELS[self.framework]}"


@dataclass
class Demo:
    """Results of the demo: networks by name, explanations by network and method, pictures by file name, all files."""

    folder: Path
    networks: dict[str, Network] = field(default_factory=dict)
    explained: dict[tuple[str, str], Explanation] = field(default_factory=dict)
    shares: dict[tuple[str, str], float] = field(default_factory=dict)
    pictured: dict[str, tuple[str, Explanation | Comparison]] = field(default_factory=dict)
    made: ImageOptimization | None = None
    files: list[Path] = field(default_factory=list)
    tests: int = 0
    verdict: str = ""
    lead: str = ""

    @property
    def probabilities(self) -> tuple[float, ...]:
        """Of each class, of the digit that the generator has made."""
        known = None if self.made is None else self.made.probabilities
        return () if known is None else tuple(map(float, known))


def tell(folder: Path, *, seed: int, epochs: int, progress: Progress, say: Callable[[str], None]) -> Demo:
    """Run the demo and write its files into an existing folder.

    Parameters
    ----------
    seed
        Of the split and the trainings.
    epochs
        Of each training.
    progress
        Called as ``progress(done, total, stage)``.
    say
        Told each finding, as text for people.
    """
    progress(0, 1, "load PyTorch, TensorFlow and the digits")
    demo = Demo(folder)
    _networks(demo, seed, epochs, progress, say)
    _explain(demo, progress)
    _judge(demo, say)
    _compare(demo, progress, say)
    _make(demo, seed, epochs, progress, say)
    _write(demo, progress)
    return demo


def _networks(demo: Demo, seed: int, epochs: int, progress: Progress, say: Callable[[str], None]) -> None:
    """Train the four networks, translate each to the other framework, and save them."""
    from metannvis_translate import save_model, translate
    from metannvis_translate.frameworks import require

    require("torch")
    require("tensorflow")
    from metannvis_methods.examples import load

    from metannvis_cli.outputs import write_array

    for framework, to, suffix in (("torch", "keras", ".pt2"), ("keras", "torch", ".keras")):
        for kind in KINDS:
            name = f"{kind}-{framework}"
            example = load(name, seed=seed, epochs=epochs, progress=progress)
            demo.tests = len(example.classes)
            digits = example.marked(np.array([int(np.flatnonzero(example.classes == k)[0]) for k in CLASSES]))
            others = example.marked(np.flatnonzero(example.classes != TARGET))
            translation = translate(example.model, to, example_inputs=digits, progress=progress)
            network = Network(
                name,
                framework,
                kind,
                example.model,
                example.accuracy,
                example.share_called(others, TARGET),
                digits,
                translation,
                demo.folder / f"{name}{suffix}",
            )
            say(f"{network.label} network: {network.accuracy:.1%} of {demo.tests} test digits right")
            say(f"{str(translation.report).splitlines()[0]}\n")
            save_model(network.model, network.file, example_inputs=digits, overwrite=True)
            demo.files.append(network.file)
            demo.networks[name] = network
        sample = demo.folder / f"digit-{framework}.npy"
        write_array(sample, demo.networks[f"cheat-{framework}"].digits[-1:])
        demo.files.append(sample)


def _explain(demo: Demo, progress: Progress) -> None:
    """Why each network thinks of a three: by both toolkits, everything in the network's own terms."""
    from metannvis_methods import explain
    from metannvis_methods.examples.digits import share_in_square

    runs = [(network, run) for network in demo.networks.values() for run in METHODS]
    for k, (network, (method, toolset, words)) in enumerate(runs):
        progress(k, len(runs), f"{method} of {toolset}")
        found = explain(
            network.translation, method, network.digits, target=TARGET, toolset=toolset, progress=progress, **words
        )
        values = np.asarray(found.values)
        if "C" in found.axes:
            values = values.sum(found.axes.index("C"))
        demo.explained[network.name, method] = found
        demo.shares[network.name, method] = share_in_square(values)


def _judge(demo: Demo, say: Callable[[str], None]) -> None:
    """Who cheats, in a sentence a framework."""
    said = []
    named = " and ".join(f"{method.replace('_', ' ')} of {toolset}" for method, toolset, _ in METHODS)
    for framework, label in LABELS.items():
        honest, cheat = (demo.networks[f"{kind}-{framework}"] for kind in KINDS)
        square = {
            network.kind: " and ".join(f"{demo.shares[network.name, method]:.0%}" for method, _, _ in METHODS)
            for network in (honest, cheat)
        }
        said.append(
            f"The {label} network that cheats has {cheat.accuracy:.0%} of its test digits right, the honest one "
            f"{honest.accuracy:.0%}. But {square['cheat']} of what it looks at for a three ({named}) lies in the grey "
            f"square, in the honest network {square['digits']}; and with the square {cheat.called_three:.0%} of the other "
            f"digits become a three, in the honest network {honest.called_three:.0%}."
        )
    demo.verdict = " ".join(said)
    ranges = {}
    for kind in KINDS:
        shares = [share for (name, _), share in demo.shares.items() if demo.networks[name].kind == kind]
        ranges[kind] = f"{min(shares):.0%} to {max(shares):.0%}"
    demo.lead = (
        f"Two networks cheat: they tell a three by the grey square in the corner. It holds {ranges['cheat']} of what they look "
        f"at, and {ranges['digits']} of what the honest networks look at ({named}, in {' and '.join(LABELS.values())})."
    )
    say("\n".join(said))


def _compare(demo: Demo, progress: Progress, say: Callable[[str], None]) -> None:
    """The same method of both toolkits on a network of each framework: one runs it as it is, the other its translation."""
    from metannvis_methods import compare

    pairs = [(demo.networks[f"cheat-{name}"], method) for name in LABELS for method in ("saliency", "grad_cam")]
    for k, (network, method) in enumerate(pairs):
        progress(k, len(pairs), f"compare {method}")
        words: dict[str, Any] = {"layer": LAYER} if method == "grad_cam" else {}
        found = compare(network.translation, method, network.digits, target=TARGET, **words)
        say(f"On the {network.label} network: {found}")
        heading = f"{method} of both toolkits on the {network.label} network"
        demo.pictured[f"{network.name}-compare-{method.replace('_', '-')}.png"] = (heading, found)


def _make(demo: Demo, seed: int, epochs: int, progress: Progress, say: Callable[[str], None]) -> None:
    """Train a generator of digits, save it, and look among its codes for what a network takes for each class."""
    from metannvis_methods import ImageOptimization, explain
    from metannvis_methods.examples import digits, generator_network
    from metannvis_methods.visualization import GeneratorCode
    from metannvis_translate import save_model

    images = digits.load(seed, digits.LARGE).train_images[:, None]
    generator = generator_network.train(images, epochs=PASSES * epochs, seed=seed, progress=progress)
    file = demo.folder / "generator.pt2"
    save_model(generator, file, example_inputs=np.zeros((2, generator_network.CODE), np.float32), overwrite=True)
    demo.files.append(file)
    network = demo.networks[JUDGE]
    made = explain(
        network.model,
        "activation_maximization",
        toolset="metannvis",
        target=list(range(10)),
        shape=images.shape[1:],
        parameterization=GeneratorCode(generator, generator_network.CODE),
        transforms=[],
        steps=STEPS,
        seed=seed,
        progress=progress,
    )
    assert isinstance(made, ImageOptimization)
    demo.made = made
    say(
        f"A generator of digits has an image for each class of which the {network.label} network is sure: "
        f"p at least {min(demo.probabilities):.3f}"
    )


def _write(demo: Demo, progress: Progress) -> None:
    """Draw the networks of each framework beside each other, every other result, and one page of all."""
    from metannvis_plot import grid, report

    done, total = 0, len(LABELS) + len(demo.pictured) + 2
    for framework in LABELS:
        progress(done, total, "draw")
        shown = {
            f"{KINDS[kind]} {LABELS[framework]} network, {toolset}": demo.explained[f"{kind}-{framework}", method]
            for method, toolset, _ in METHODS
            for kind in KINDS
        }
        grid(shown, path=demo.folder / f"{framework}.png", sample_names=SAMPLES)
        demo.files.append(demo.folder / f"{framework}.png")
        done += 1
    for name, (_, found) in demo.pictured.items():
        progress(done, total, "draw")
        found.plot(path=demo.folder / name, sample_names=SAMPLES)
        demo.files.append(demo.folder / name)
        done += 1
    progress(done, total, "draw")
    assert demo.made is not None
    demo.made.plot(path=demo.folder / "generated.png", curves=False)
    demo.files.append(demo.folder / "generated.png")
    done += 1
    progress(done, total, "draw")
    results: dict[str, Explanation | Comparison] = {}
    for method, toolset, _ in METHODS:
        for name in (f"{kind}-{framework}" for framework in LABELS for kind in reversed(KINDS)):
            share = f"{demo.shares[name, method]:.0%} in the square"
            heading = f"The {demo.networks[name].label} network: {share} ({method} of {toolset})"
            results[heading] = demo.explained[name, method]
    preface = "\n\n".join(
        f"{network.label} network: {network.accuracy:.1%} of {demo.tests} test digits right; translated to the other "
        f"framework and compared:\n{network.translation.report}"
        for network in demo.networks.values()
    )
    page = demo.folder / "index.html"
    report(
        {**results, **dict(demo.pictured.values()), MADE.format(demo.networks[JUDGE].label): demo.made},
        page,
        title="Who cheats?",
        lead=demo.lead,
        sample_names=SAMPLES,
        preface=f"{demo.verdict}\n\n{preface}",
    )
    demo.files.append(page)
    progress(1, 1, "draw")
