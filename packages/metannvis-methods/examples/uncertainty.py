"""DeepLift, deterministic and over dropout masks, on a digit and on noisy copies; and whether the network is calibrated."""

from __future__ import annotations

import numpy as np
from metannvis_methods import MCDropout, calibration, explain, fit_temperature, predict_uncertain
from metannvis_plot import grid, plot, spread
from shared import digits_parser, network_and_digit

LEVELS = (0.1, 0.2, 0.3, 0.4, 0.6)


def alike(a: np.ndarray, b: np.ndarray) -> float:
    """Cosine of the angle between two maps."""
    return float((a * b).sum() / max(np.linalg.norm(a) * np.linalg.norm(b), 1e-12))


def main() -> None:
    """Write the figures."""
    parser = digits_parser(__doc__, "uncertainty.png")
    parser.add_argument("--masks", type=int, default=50, help="dropout masks")
    parser.add_argument("--copies", type=int, default=8, help="noisy copies at each level")
    arguments = parser.parse_args()
    example, x = network_and_digit(arguments)
    output = arguments.output
    words = {"target": arguments.digit, "labels": example.labels, "toolset": "captum", "baselines": 0.0}
    masks = {"uncertainty": MCDropout(arguments.masks), "seed": 0}

    fixed = explain(example.model, "deep_lift", x, **words)
    drawn = explain(example.model, "deep_lift", x, **words, **masks)
    spread(drawn, path=output)
    found = predict_uncertain(example.model, x, MCDropout(arguments.masks), seed=0, labels=example.labels)
    plot(found, path=beside(output, "prediction"))

    print("noise  deterministic  over masks   (cosine with the map of the clean digit)")
    rng = np.random.default_rng(0)
    shown = {"deterministic": fixed}
    for level in LEVELS:
        noisy = np.repeat(x, arguments.copies, axis=0)
        noisy = (noisy + rng.normal(0, level, noisy.shape)).astype(np.float32)
        one = explain(example.model, "deep_lift", noisy, unfit="ignore", **words)
        many = explain(example.model, "deep_lift", noisy, unfit="ignore", **words, **masks)
        near = [alike(row, fixed.values[0]) for row in one.values]
        over = [alike(row, drawn.values[0]) for row in many.values]
        print(f"{level:5.1f}  {np.mean(near):13.3f}  {np.mean(over):10.3f}")
        if level == LEVELS[2]:
            shown |= {
                "over masks": explain(example.model, "deep_lift", x, **words, **masks),
                f"deterministic, noise {level}": explain(example.model, "deep_lift", noisy[:1], **words),
                f"over masks, noise {level}": explain(example.model, "deep_lift", noisy[:1], **words, **masks),
            }
    grid(shown, show_input=False, path=beside(output, "noise"))

    images = predict_uncertain(example.model, example.images, MCDropout(arguments.masks), seed=0)
    half = len(images.mean) // 2
    classes = example.classes[half:]
    before = calibration(softmax(images.mean[half:]), classes)
    temperature = fit_temperature(images.mean[:half], example.classes[:half])
    after = calibration(softmax(images.mean[half:] / temperature), classes)
    plot(after, title=f"temperature {temperature:.2f}", path=beside(output, "calibration"))
    print(f"expected calibration error {before.error:.3f}, with temperature {temperature:.2f} {after.error:.3f}")
    print(f"wrote {output}")


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities of logits, rows of shape ``(N, classes)``."""
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def beside(path: object, name: str) -> str:
    """A file beside the figure."""
    text = str(path)
    stem, dot, ending = text.rpartition(".")
    return f"{stem}_{name}{dot}{ending}"


if __name__ == "__main__":
    main()
