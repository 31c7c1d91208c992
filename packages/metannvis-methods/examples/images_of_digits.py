"""What each class of a network for digits responds to most: plain, Fourier, towards a mean, with an expert, in code space.

The network, the expert and the generator are trained in some seconds, on the digits of 8×8 pixels that come with scikit-learn.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from metannvis_methods import explain
from metannvis_methods import visualization as v
from metannvis_methods.examples import digits, generator_network, torch_network
from metannvis_plot import plot
from shared import parser


def roughness(images: np.ndarray[Any, Any]) -> float:
    """Mean difference of neighbouring pixels, shape ``(…, H, W)``."""
    return float((np.abs(np.diff(images, axis=-1)).mean() + np.abs(np.diff(images, axis=-2)).mean()) / 2)


def main() -> None:
    """Write the figure, and print what the images have reached."""
    made = parser(__doc__, "images_of_digits.png")
    made.add_argument("--epochs", type=int, default=6, help="passes through the training images")
    made.add_argument("--steps", type=int, default=400, help="steps of each ascent")
    made.add_argument("--seed", type=int, default=0)
    arguments = made.parse_args()

    data = digits.load(0)
    images = data.train_images[:, None]
    network = torch_network.train(
        images, data.train_classes, epochs=arguments.epochs, seed=0, progress=lambda *told: None
    )
    means = v.class_means(images, data.train_classes)
    expert = v.train_denoising_autoencoder(images, epochs=5 * arguments.epochs)
    generator = generator_network.train(images, epochs=5 * arguments.epochs)
    bare: dict[str, Any] = {"parameterization": "pixels", "transforms": []}
    towards: dict[str, Any] = {**bare, "baselines": means, "regularizers": "l2:0.5"}
    quiet: dict[str, Any] = {"parameterization": "pixels:0.1", "transforms": []}
    asked: dict[str, dict[str, Any]] = {
        "plain": {**bare, "steps": min(50, arguments.steps)},
        "Fourier, shifts": {"probability": 0.97},
        "L2 to the mean": towards,
        "from the mean": {**towards, "inputs": means},
        "expert": {**quiet, "regularizers": [v.Expert(expert, 2.0), v.TotalVariation(0.1)]},
        "code": {"parameterization": v.GeneratorCode(generator, generator_network.CODE), "transforms": []},
    }
    print(f"real digits: mean difference of neighbours {roughness(data.test_images):.3f}")
    results = {}
    for name, options in asked.items():
        start = {} if "inputs" in options else {"shape": (1, 8, 8)}
        words = {"target": list(range(10)), "seed": arguments.seed, "steps": arguments.steps, **start, **options}
        began = time.process_time()
        found = explain(network, "activation_maximization", toolset="metannvis", **words)
        results[name] = found
        rough = max(roughness(image) for image in found.images)
        seconds = time.process_time() - began
        print(f"{name}: p at least {found.probabilities.min():.3f}, neighbours at most {rough:.3f}, {seconds:.1f} s")
    plot(results, path=arguments.output)
    print(f"wrote {arguments.output}")


if __name__ == "__main__":
    main()
