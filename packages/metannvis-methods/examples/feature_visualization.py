"""Feature visualisation on a VGG: inputs that filters, neurons, whole layers or classes respond to most.

By activation maximisation, as in the report of the tool of 2022, on a network of Keras or of torchvision, for which it
is translated. Weights are
downloaded where there is a network connection; without one, or with `--weights none`, they are random, which is said
loudly.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from imagenet import opened
from metannvis_methods import explain
from metannvis_methods.inputs.preprocessing import as_pictures, ends
from metannvis_plot import images
from shared import parser

NETWORKS = {"keras": "VGG16", "torchvision": "vgg16"}
LAYERS = {"keras": "block5_conv3", "torchvision": "features.28"}


def mean_square(output: Any) -> Any:
    """A score of tf-keras-vis, which calls it with what the layer returns in Keras: one number a sample."""
    import tensorflow as tf

    return tf.reduce_mean(output**2, axis=tuple(range(1, len(output.shape))))


def main() -> None:
    """Write the figure."""
    made = parser(__doc__, "feature_visualization.png")
    made.add_argument("--library", choices=NETWORKS, default="keras")
    made.add_argument("--weights", choices=("pretrained", "none"), default="pretrained")
    made.add_argument("--size", type=int, default=224, help="pixels at an edge")
    what = made.add_mutually_exclusive_group()
    what.add_argument("--filters", type=int, nargs="+", default=[0, 10, 63, 127], help="filters of the layer")
    what.add_argument(
        "--neurons", nargs="+", help="places of the layer's output, such as 7,7,10 in the network's layout"
    )
    what.add_argument("--layers", nargs="+", help="layers as wholes: the mean square of what they return")
    what.add_argument("--targets", type=int, nargs="+", help="classes instead of filters, such as 20 (water ouzel)")
    made.add_argument("--layer", help=f"by default the last convolution: {', '.join(LAYERS.values())}")
    made.add_argument("--steps", type=int, default=200, help="steps of gradient ascent")
    made.add_argument("--seed", type=int, default=0)
    arguments = made.parse_args()

    net, wanted, names = opened(arguments.library, NETWORKS[arguments.library], arguments.size, arguments.weights)
    layer = arguments.layer or LAYERS[arguments.library]
    axes = "NHWC" if arguments.library == "keras" else "NCHW"
    shape = [{"N": 1, "C": 3}.get(letter, arguments.size) for letter in axes]
    black, white = ends(wanted, np.zeros(shape), axes)
    rng = np.random.default_rng(arguments.seed)

    begin = ((black + white) / 2 + 0.1 * (white - black) * rng.uniform(-1, 1, shape)).astype(
        "float32"
    )  # grey, and a little noise

    asked: dict[str, dict[str, Any]]
    if arguments.targets:
        asked = {names[k]: {"target": k} for k in arguments.targets}
    elif arguments.layers:
        asked = {name: {"score": mean_square, "model_modifier": {"extract": name}} for name in arguments.layers}
    else:
        places = {f"neuron {text}": tuple(map(int, text.split(","))) for text in arguments.neurons or ()}
        chosen = places or {f"filter {k}": k for k in arguments.filters}
        within = {"model_modifier": {"extract": layer}}
        asked = {f"{layer}, {text}": {"target": place, **within} for text, place in chosen.items()}

    pictures = []
    for options in asked.values():
        e = explain(
            net,
            "activation_maximization",
            begin,
            toolset="tf-keras-vis",
            steps=arguments.steps,
            input_range=(float(black.min()), float(white.max())),
            regularizers={"total_variation": 0.1},
            input_modifiers="jitter:8, rotate:3",
            seed=arguments.seed,
            **options,
        )
        pictures.append(as_pictures(wanted, e.values, axes)[0])
    images(np.stack(pictures), axes=axes, sample_names=list(asked), path=arguments.output)
    print(f"wrote {arguments.output}")


if __name__ == "__main__":
    main()
