"""Surrogate models on one digit: LIME as in its reference and KernelShap, over superpixels or a grid."""

from __future__ import annotations

from metannvis_methods import explain
from metannvis_plot import grid
from shared import digits_parser, network_and_digit


def main() -> None:
    """Write the figure."""
    parser = digits_parser(__doc__, "surrogates.png")
    parser.add_argument("--samples", type=int, default=200, help="perturbed copies of the digit")
    parser.add_argument("--cells", type=int, default=5, help="cells at an edge of the grid")
    arguments = parser.parse_args()
    example, x = network_and_digit(arguments)
    mask = ("grid", {"cells": arguments.cells})
    words = {"target": arguments.digit, "labels": example.labels, "feature_mask": mask, "seed": 0, "toolset": "captum"}

    lime = explain(example.model, "lime", x, num_samples=arguments.samples, hide_color=0, **words)
    shap = explain(example.model, "kernel_shap", x, n_samples=arguments.samples, baselines="black", **words)
    grid({"LIME": lime, "KernelShap": shap}, path=arguments.output)
    positive, negative = lime.segments(num_features=4)
    sides = ["for" if positive.any() else "", "against" if negative.any() else ""]
    said = " and ".join(filter(None, sides)) or "neither for nor against"
    print(f"the four strongest segments speak {said} a {arguments.digit}")
    print(f"wrote {arguments.output}")


if __name__ == "__main__":
    main()
