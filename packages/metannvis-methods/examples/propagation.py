"""Propagation by rules on one digit: DeepLift, layer-wise relevance propagation, guided backpropagation and deconvolution.

They hook on modules: the network is brought into a form first in which every activation is a module of its own.
"""

from __future__ import annotations

from metannvis_methods import explain
from metannvis_plot import grid
from shared import digits_parser, network_and_digit


def main() -> None:
    """Write the figure."""
    arguments = digits_parser(__doc__, "propagation.png").parse_args()
    example, x = network_and_digit(arguments)
    words = {"target": arguments.digit, "labels": example.labels, "toolset": "captum"}

    difference = explain(example.model, "deep_lift", x, baselines="black", **words)
    maps = {
        "DeepLift": difference,
        "LRP, epsilon rule": explain(example.model, "lrp", x, **words),
        "guided backpropagation": explain(example.model, "guided_backprop", x, **words),
        "deconvolution": explain(example.model, "deconvolution", x, **words),
    }
    grid(maps, path=arguments.output)
    print(f"DeepLift misses what it should add up to by {abs(difference.convergence_delta).max():.2g}")
    print(f"wrote {arguments.output}")


if __name__ == "__main__":
    main()
