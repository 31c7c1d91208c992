"""A concept in two networks: whether the direction "a grey square in the corner" of a layer speaks for a three.

Testing with concept activation vectors (Kim et al., 2018, arXiv:1711.11279): a linear classifier tells the layer's
values of digits with the square from those of the same digits without; its normal is the concept's direction. The
score is the share of threes whose output grows along it. One network was trained with the square on every three and
on no other digit, one with it on half of all digits.

The score counts signs, not sizes: an output that hardly depends on the concept still grows or shrinks along it.
Compare networks, and repeat with other digits (`--repeats`). The layer without places, behind the last pooling, is asked
unless told otherwise. The network is linear from there, so that all threes agree; in earlier layers (`--layer conv2`)
they need not, and the direction is one of each place by itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from metannvis_methods import examples, explain
from shared import parser
from sklearn.linear_model import LogisticRegression

#: The digit that the square gives away.
DIGIT = 3
#: The layer without places of each framework's networks.
LAYERS = {"torch": "pool", "keras": "largest"}


def values_of(example: examples.Example, images: np.ndarray[Any, Any], layer: str) -> np.ndarray[Any, Any]:
    """What a layer returns, a row a sample."""
    found = explain(example.model, "layer_activation", images, layer=layer, toolset="captum")
    return found.values.reshape(len(images), -1)


def slopes(example: examples.Example, images: np.ndarray[Any, Any], layer: str) -> np.ndarray[Any, Any]:
    """Gradient of the digit's output with respect to the layer, a row a sample.

    Internal influence averages it over the path from a baseline to the input; with the input as the baseline that is a
    point.
    """
    found = explain(
        example.model,
        "internal_influence",
        images,
        layer=layer,
        target=DIGIT,
        baselines=images,
        n_steps=1,
        toolset="captum",
    )
    return found.values.reshape(len(images), -1)


def score(example: examples.Example, layer: str, count: int, seed: int) -> float:
    """Share of threes without a square whose output for three grows in the concept's direction."""
    rng = np.random.default_rng(seed)
    places = rng.permutation(len(example.clean))[:count]
    marked, clean = values_of(example, example.marked(places), layer), values_of(example, example.clean[places], layer)
    samples, answers = np.concatenate([marked, clean]), np.repeat([1, 0], count)
    direction = LogisticRegression(max_iter=1000).fit(samples, answers).coef_[0]
    threes = example.clean[example.classes == DIGIT]
    return float((slopes(example, threes, layer) @ direction > 0).mean())


def main() -> None:
    """Write the figure."""
    made = parser(__doc__, "concepts.png")
    made.add_argument("--framework", choices=LAYERS, default="torch", help="of the networks")
    made.add_argument("--layer", nargs="+", help=f"layers to ask; by default {' or '.join(LAYERS.values())}")
    made.add_argument("--count", type=int, default=60, help="digits with and without the square")
    made.add_argument("--repeats", type=int, default=3, help="draws of these digits")
    made.add_argument("--epochs", type=int, default=6, help="passes through the training images")
    arguments = made.parse_args()
    layers = arguments.layer or [LAYERS[arguments.framework]]

    figure = Figure(figsize=(6, 3.2), layout="constrained")
    ax = figure.subplots()
    for position, kind in enumerate(("cheat", "digits")):
        example = examples.load(f"{kind}-{arguments.framework}", epochs=arguments.epochs)
        scores = np.array([
            [score(example, layer, arguments.count, seed) for seed in range(arguments.repeats)] for layer in layers
        ])  # fmt: skip
        places = np.arange(len(layers)) + 0.38 * (position - 0.5)
        name = "trained with the square on every 3" if kind == "cheat" else "trained with it on half of all digits"
        ax.bar(places, scores.mean(1), 0.36, yerr=scores.std(1), label=name)
        for layer, row in zip(layers, scores, strict=True):
            print(
                f"{example.name}, {layer}: along the square the output for a {DIGIT} grows for {row.mean():.0%} of them"
            )
    ax.set_xticks(np.arange(len(layers)), layers)
    ax.set_ylim(0, 1.35)
    ax.set_ylabel("share of threes")
    ax.set_title(f"Does the square speak for a {DIGIT}?")
    ax.legend(loc="upper center", fontsize="small")
    figure.savefig(arguments.output)
    print(f"wrote {arguments.output}")


if __name__ == "__main__":
    main()
