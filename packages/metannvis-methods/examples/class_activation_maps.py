"""Class activation maps on one digit: Grad-CAM of both toolkits, Grad-CAM++, Layer-CAM and Score-CAM, at any layers."""

from __future__ import annotations

from metannvis_methods import explain
from metannvis_plot import grid
from shared import digits_parser, network_and_digit


def main() -> None:
    """Write the figure."""
    parser = digits_parser(__doc__, "class_activation_maps.png")
    parser.add_argument(
        "--layer", nargs="+", default=["conv3"], help="layers of the network, as `metannvis layers` lists them"
    )
    parser.set_defaults(network="cheat-keras")  # its maps show the square in the corner that gives the digit away
    arguments = parser.parse_args()
    example, x = network_and_digit(arguments)
    words = {"target": arguments.digit, "labels": example.labels}

    maps = {}
    for layer in arguments.layer:
        maps[f"{layer}: Grad-CAM, Captum"] = explain(
            example.model, "grad_cam", x, layer=layer, toolset="captum", **words
        )
        for method in ("grad_cam", "grad_cam++", "layer_cam", "score_cam"):
            found = explain(example.model, method, x, layer=layer, toolset="tf-keras-vis", **words)
            maps[f"{layer}: {method}, tf-keras-vis"] = found
    grid(maps, path=arguments.output)
    print(f"wrote {arguments.output}")


if __name__ == "__main__":
    main()
