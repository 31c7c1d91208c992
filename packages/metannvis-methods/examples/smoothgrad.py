"""SmoothGrad over saliency, integrated gradients and guided backpropagation of one digit, beside each without noise."""

from __future__ import annotations

from matplotlib.figure import Figure
from metannvis_methods import SmoothGrad, explain
from metannvis_plot import heatmap
from shared import digits_parser, network_and_digit

METHODS = {
    "saliency": {},
    "integrated_gradients": {"baselines": "black"},
    "guided_backprop": {},
}


def main() -> None:
    """Write the figure."""
    parser = digits_parser(__doc__, "smoothgrad.png")
    parser.add_argument("--samples", type=int, default=50, help="noisy copies")
    parser.add_argument("--stdev", type=float, default=0.15, help="of the noise, as a share of the range of the pixels")
    arguments = parser.parse_args()
    example, x = network_and_digit(arguments)
    words = {"target": arguments.digit, "labels": example.labels, "toolset": "captum"}
    noise = SmoothGrad(arguments.samples, arguments.stdev)

    figure = Figure(figsize=(10, 6.5), layout="constrained")
    above, below = figure.subplots(2, len(METHODS))
    for place, (method, own) in enumerate(METHODS.items()):
        name = method.replace("_", " ")
        heatmap(explain(example.model, method, x, **own, **words), ax=above[place], title=name)
        smooth = explain(example.model, method, x, noise=noise, seed=0, **own, **words)
        heatmap(smooth, ax=below[place], title=f"{name}, SmoothGrad")
    figure.savefig(arguments.output)
    print(f"wrote {arguments.output}")


if __name__ == "__main__":
    main()
