"""Layers and neurons on one digit: what each channel of a layer contributes, and what its strongest neuron looks at."""

from __future__ import annotations

import numpy as np
from metannvis_methods import explain
from metannvis_plot import plot
from shared import digits_parser, network_and_digit


def main() -> None:
    """Write a figure of the layer, and beside it one of the neuron."""
    parser = digits_parser(__doc__, "layers_and_neurons.png")
    parser.add_argument("--layer", default="conv2", help="a layer of the network, as `metannvis layers` lists them")
    parser.add_argument("--steps", type=int, default=20, help="steps of conductance")
    arguments = parser.parse_args()
    example, x = network_and_digit(arguments)
    words = {"layer": arguments.layer, "labels": example.labels, "toolset": "captum"}

    conductance = explain(
        example.model,
        "layer_conductance",
        x,
        target=arguments.digit,
        baselines="black",
        n_steps=arguments.steps,
        **words,
    )
    plot(conductance, path=arguments.output)
    neuron = tuple(
        int(place) for place in np.unravel_index(np.argmax(conductance.values[0]), conductance.values[0].shape)
    )
    looked = explain(example.model, "neuron_gradient", x, neuron=neuron, **words)
    beside = arguments.output.with_stem(f"{arguments.output.stem}_neuron")
    plot(looked, path=beside)
    print(f"the neuron of {arguments.layer} that contributes most is {neuron} ({conductance.axes[1:]})")
    print(f"wrote {arguments.output} and {beside}")


if __name__ == "__main__":
    main()
