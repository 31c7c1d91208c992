"""Feature visualisation on a VGG: inputs that filters of a layer, or classes, respond to most (activation maximisation).

As in the report of the tool of 2022, on a network of Keras or of torchvision, for which it is translated. Weights are
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


def main() -> None:
    """Write the figure."""
    made = parser(__doc__, "feature_visualization.png")
    made.add_argument("--library", choices=NETWORKS, default="keras")
    made.add_argument("--weights", choices=("pretrained", "none"), default="pretrained")
    made.add_argument("--size", type=int, default=224, help="pixels at an edge")
    what = made.add_mutually_exclusive_group()
    what.add_argument("--filters", type=int, nargs="+", default=[0, 10, 63, 127], help="filters of the layer")
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

    options: dict[str, Any] = {} if arguments.targets else {"model_modifier": {"extract": layer}}
    pictures = []
    for target in arguments.targets or arguments.filters:
        e = explain(
            net,
            "activation_maximization",
            begin,
            target=target,
            toolset="tf-keras-vis",
            steps=arguments.steps,
            input_range=(float(black.min()), float(white.max())),
            regularizers={"total_variation": 0.1},
            input_modifiers="jitter:8, rotate:3",
            seed=arguments.seed,
            **options,
        )
        pictures.append(as_pictures(wanted, e.values, axes)[0])
    shown = (
        [names[k] for k in arguments.targets]
        if arguments.targets
        else [f"{layer}, filter {k}" for k in arguments.filters]
    )
    images(np.stack(pictures), axes=axes, sample_names=shown, path=arguments.output)
    print(f"wrote {arguments.output}")


if __name__ == "__main__":
    main()
