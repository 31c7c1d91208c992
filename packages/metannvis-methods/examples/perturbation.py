"""Perturbation methods on one digit: occlusion by windows, ablation of a grid, and Shapley values of the grid's cells."""

from __future__ import annotations

from metannvis_methods import explain
from metannvis_plot import grid
from shared import digits_parser, network_and_digit


def main() -> None:
    """Write the figure."""
    parser = digits_parser(__doc__, "perturbation.png")
    parser.add_argument("--window", type=int, default=5, help="pixels at an edge of the window")
    parser.add_argument("--cells", type=int, default=4, help="cells at an edge of the grid")
    parser.add_argument("--samples", type=int, default=10, help="orders in which features are added")
    arguments = parser.parse_args()
    example, x = network_and_digit(arguments)
    words = {"target": arguments.digit, "labels": example.labels, "baselines": "black", "toolset": "captum"}
    cells = ("grid", {"cells": arguments.cells})

    edge, channels_first = arguments.window, x.shape[1] == 1
    window = (1, edge, edge) if channels_first else (edge, edge, 1)  # in the network's own layout
    stride = (1, 2, 2) if channels_first else (2, 2, 1)
    maps = {
        "occlusion": explain(example.model, "occlusion", x, sliding_window_shapes=window, strides=stride, **words),
        "ablation": explain(example.model, "feature_ablation", x, feature_mask=cells, **words),
        "Shapley values": explain(
            example.model, "shapley_value_sampling", x, feature_mask=cells, n_samples=arguments.samples, seed=0, **words
        ),
    }
    grid(maps, path=arguments.output)
    print(f"wrote {arguments.output}")


if __name__ == "__main__":
    main()
