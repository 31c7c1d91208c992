"""Gradient methods on one digit: saliency, input times gradient, integrated gradients, and SmoothGrad over two of them."""

from __future__ import annotations

from metannvis_methods import SmoothGrad, explain
from metannvis_plot import grid
from shared import digits_parser, network_and_digit


def main() -> None:
    """Write the figure."""
    parser = digits_parser(__doc__, "gradients.png")
    parser.add_argument("--steps", type=int, default=50, help="steps of integrated gradients")
    parser.add_argument("--samples", type=int, default=20, help="noisy copies of SmoothGrad")
    arguments = parser.parse_args()
    example, x = network_and_digit(arguments)
    words = {"target": arguments.digit, "labels": example.labels, "toolset": "captum"}
    noise = SmoothGrad(arguments.samples, 0.15)

    path = explain(example.model, "integrated_gradients", x, baselines="black", n_steps=arguments.steps, **words)
    maps = {
        "saliency": explain(example.model, "saliency", x, **words),
        "saliency, SmoothGrad": explain(example.model, "saliency", x, noise=noise, seed=0, **words),
        "input × gradient": explain(example.model, "input_x_gradient", x, **words),
        "integrated gradients": path,
    }
    grid(maps, path=arguments.output)
    print(f"integrated gradients miss what they should add up to by {abs(path.convergence_delta).max():.2g}")
    print(f"wrote {arguments.output}")


if __name__ == "__main__":
    main()
