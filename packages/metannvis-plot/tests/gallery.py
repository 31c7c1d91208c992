"""A gallery of figures: every kind of each kind of data that it can show, drawn of numbers that are the same on every machine."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from metannvis_plot import plot

from .conftest import make_explanation

H, W = 12, 18
#: Kinds of figures by kind of data; all other pairs are refused.
SHOWN = {
    "landscape": ("overview", "heatmap", "overlay", "masked", "contour", "channels", "grid", "comparison", "images"),
    "grey": ("overview", "heatmap", "overlay", "masked", "contour", "channels", "grid", "comparison", "images"),
    "signal": ("curve", "channels", "grid", "comparison"),
    "volume": (
        "volume",
        "overview",
        "heatmap",
        "overlay",
        "masked",
        "contour",
        "channels",
        "grid",
        "comparison",
        "images",
    ),
    "table": ("bars", "grid", "comparison"),
    "text": ("text", "tokens", "grid", "comparison"),
    "segmentation": ("overview", "heatmap", "overlay", "masked", "contour", "channels", "grid", "comparison", "images"),
}
WORDS = ("not", "a", "good", "film", "##s")


def ramp(*shape: int) -> np.ndarray:
    """Smooth numbers about zero without any symmetry, the largest near the first corner."""
    grids = np.meshgrid(*(np.linspace(0, 1, size) for size in shape), indexing="ij")
    waves = sum(np.cos((2.0 + k) * grid + 0.7 * k) for k, grid in enumerate(grids))
    return np.asarray(waves - 1.1 * grids[-1] + 0.4 * grids[0] * grids[-1])


def photograph() -> np.ndarray:
    """An image H × W × 3 without any symmetry: red grows to the right, green downwards, a blue square at the top left."""
    image = np.zeros((H, W, 3))
    image[..., 0] = np.linspace(0, 1, W)
    image[..., 1] = np.linspace(0, 0.7, H)[:, np.newaxis]
    image[1:4, 1:5] = (0, 0, 1)
    return image


def data(name: str) -> dict[str, Any]:
    """Values, axes, and what is known of an explanation of one kind of data."""
    images = {"inputs": photograph()[np.newaxis], "input_axes": "NHWC"}
    if name == "landscape":
        values = np.stack([ramp(H, W), 0.5 * ramp(H, W)[:, ::-1], 0.2 * ramp(H, W)], axis=-1)
        return {"values": values[np.newaxis], "axes": "NHWC", **images}
    if name == "grey":
        return {
            "values": ramp(H, W)[np.newaxis, np.newaxis],
            "axes": "NCHW",
            "inputs": photograph().mean(-1)[np.newaxis, np.newaxis],
            "input_axes": "NCHW",
        }
    if name == "signal":
        inputs = np.stack([np.sin(np.linspace(0, 9, 60)), np.linspace(-1, 1, 60) ** 3])[np.newaxis]
        values = np.stack([ramp(60), 0.3 * ramp(60)[::-1]])[np.newaxis]
        return {"values": values, "axes": "NCL", "inputs": inputs, "input_axes": "NCL"}
    if name == "volume":
        values, inputs = ramp(7, H, W), np.abs(ramp(7, H, W))
        values[:, 1:4, 9:15] = -3.0
        inputs[:, 7:11, 1:7] = 4.0
        both = {"values": values, "inputs": inputs}
        return {"axes": "NCDHW", "input_axes": "NCDHW", **{name: x[np.newaxis, np.newaxis] for name, x in both.items()}}
    if name == "table":
        inputs = np.array([[39.0, 1200.0, 0.5, -3.0]])
        return {"values": np.array([[0.4, -1.0, 2.0, -0.1]]), "axes": "NF", "inputs": inputs, "input_axes": "NF"}
    if name == "text":
        values = np.array([[-2.0, 0.1, 1.5, 0.7, -0.4]])
        return {"values": values, "axes": "NT", "inputs": np.arange(5)[np.newaxis], "input_axes": "NT"}
    region = np.zeros((1, H, W), bool)
    region[0, 6:11, 9:16] = True
    region[0, 6, 9] = False
    return {
        "values": ramp(H, W)[np.newaxis],
        "axes": "NHW",
        **images,
        "region": region,
        "output_axes": "NCHW",
        "target": "class 2 where argmax, sum",
    }


def explained(name: str, **changes: Any) -> Any:
    """An explanation of one kind of data."""
    known = {**data(name), **changes}
    return make_explanation(known.pop("values"), known.pop("axes"), **known)


def draw(name: str, kind: str, **options: Any) -> Figure:
    """One figure of the gallery."""
    if name == "text" and kind != "comparison":
        options["names"] = WORDS
    result = explained(name)
    if kind == "channels" and kind in SHOWN[name] and name != "signal":  # of a layer
        stack = [ramp(H // 2, W // 2), -ramp(H // 2, W // 2)[::-1], 0.4 * ramp(H // 2, W // 2)[:, ::-1]]
        known = {"kind": "layer", "layer": "conv2", "method": "layer_activation"}
        result = explained(name, values=np.stack(stack)[np.newaxis], axes="NCHW", **known)
    if kind == "images":
        result = explained(
            name,
            values=result.inputs,
            axes=result.input_axes,
            kind="feature_visualization",
            method="activation_maximization",
        )
    if kind == "comparison":
        other = explained(name, values=0.6 * np.abs(result.values), toolset="tf-keras-vis")
        return plot([result, other], kind=kind, **options)
    if kind == "grid" and name in ("signal", "table", "text"):
        layer = explained(name, values=np.array([[0.4, -0.9, 0.2]]), axes="NC", kind="layer", layer="fc")
        return plot({"input": result, "fc": layer}, kind=kind, **options)
    if kind == "grid":
        cam = explained(name, values=np.array([[[0.1, 0.9, 0.2], [0.0, 0.3, 0.5]]]), axes="NHW", method="grad_cam",
                        kind="layer", layer="conv2")  # fmt: skip
        return plot({"input": result, "conv2": cam}, kind=kind, **options)
    return plot(result, kind=kind, **options)


ROWS = [(name, kind) for name, kinds in SHOWN.items() for kind in kinds]
