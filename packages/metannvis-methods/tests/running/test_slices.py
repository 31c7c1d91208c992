"""Methods for images, slice by slice along an axis of volumes."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
from metannvis_methods import SmoothGrad, compare, explain, perform_attribution
from metannvis_methods.errors import InvalidArgumentError
from metannvis_translate import translate
from metannvis_translate.frameworks.requirements import require

torch = require("torch")
nn = torch.nn
SHAPE = (2, 3, 4, 12, 10)  # samples, channels, depth, height, width
VOLUMES = np.random.default_rng(0).uniform(0, 1, SHAPE)
TARGETS = [1, 2]


class InVolume(nn.Module):
    """The model of one slice, written by hand: what the slices of a volume are explained for."""

    def __init__(self, model: Any, volume: np.ndarray, axis: int, place: int) -> None:
        super().__init__()
        self.model, self.axis, self.place = model, axis, place
        self.register_buffer("volume", torch.from_numpy(volume))

    def forward(self, x: Any) -> Any:
        parts = list(self.volume.expand(len(x), *self.volume.shape[1:]).unbind(self.axis))
        parts[self.place] = x
        return self.model(torch.stack(parts, self.axis))


@functools.cache
def model() -> Any:
    torch.manual_seed(0)
    layers = (nn.Conv3d(3, 6, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool3d(2), nn.Flatten(), nn.Linear(48, 3))
    made = nn.Sequential(*layers).double().eval()
    with torch.no_grad():
        made[-1].weight *= 50  # LIME's penalty leaves nothing of faint changes
    return made


@functools.cache
def source(framework: str) -> tuple[Any, np.ndarray]:
    if framework == "torch":
        return model(), VOLUMES
    made = translate(model(), framework, example_inputs=VOLUMES, dtype="float64").model
    return made, np.moveaxis(VOLUMES, 1, -1) if framework == "tensorflow" else VOLUMES


#: Methods with their toolsets and options; some with what is said of a slice.
METHODS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "lime": ("lime", "captum", {"n_samples": 30}),
    "lime-reference": ("lime", "captum", {"num_samples": 30, "num_features": 5, "hide_color": None}),
    "kernel_shap": ("kernel_shap", "captum", {"n_samples": 20, "feature_mask": ("grid", {"cells": 3})}),
    "occlusion": ("occlusion", "captum", {"sliding_window_shapes": (3, 4, 5), "strides": (3, 2, 5), "baselines": 0.2}),
    "feature_ablation": ("feature_ablation", "captum", {"feature_mask": "superpixels", "baselines": "black"}),
    "integrated_gradients": ("integrated_gradients", "captum", {"n_steps": 8, "baselines": "blur"}),
    "guided_backprop": ("guided_backprop", "captum", {}),
    "noise": ("saliency", "captum", {"abs": False}),
    "rise": ("rise", "metannvis", {"n_masks": 20, "cells": 3}),
    "sobol": ("sobol", "metannvis", {"n_designs": 4, "cells": 2}),
    "xrai": ("xrai", "metannvis", {"n_steps": 4}),
    "lrp": ("lrp", "zennit", {"composite": "epsilon", "stabilizer": 1e-9}),
}
LAST = {"occlusion": {"sliding_window_shapes": (4, 5, 3), "strides": (2, 5, 3), "baselines": 0.2}}


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("framework", ["torch", "tensorflow", "onnx"])
def test_each_slice_is_what_the_model_of_that_slice_gives(framework: str, name: str) -> None:
    """Of the samples each its target, of the slices each its superpixels, and the same random numbers."""
    (key, toolset, options), (net, x) = METHODS[name], source(framework)
    if framework == "tensorflow":
        options = LAST.get(name, options)
    words = {"toolset": toolset, "seed": 3, "unfit": "ignore"}
    found = explain(net, key, x, along="D", target=TARGETS, translation={"dtype": "float64"}, **options, **words)
    assert found.axes.replace("C", "") == "NDHW"
    assert (found.target, len(found.prediction)) == (TARGETS, 2)
    values, axes = found.values, found.axes
    if "C" in axes:
        values = np.moveaxis(values, axes.index("C"), 1)
    for sample, place in ((0, 0), (1, 2)):
        volume = VOLUMES[sample : sample + 1]
        alone = InVolume(model(), volume, 2, place)
        options = METHODS[name][2]
        expected = explain(alone, key, volume[:, :, place], target=TARGETS[sample], **options, **words).values
        here = values[sample].take(place, 1 if "C" in axes else 0)
        assert np.abs(expected).max() > 0
        np.testing.assert_allclose(here, expected[0], rtol=0, atol=1e-6 * np.abs(expected).max())


@pytest.mark.parametrize("along", ["h", "W"])
def test_along_another_axis(along: str) -> None:
    axis = {"h": 3, "W": 4}[along]
    found = explain(model(), "saliency", VOLUMES, along=along, target=1, toolset="captum").values
    whole = explain(model(), "saliency", VOLUMES, target=1, toolset="captum").values
    np.testing.assert_allclose(found, whole, rtol=1e-9)  # the gradient of a slice is a slice of the gradient
    assert found.shape[axis] == VOLUMES.shape[axis]


def test_saliency_of_keras_keeps_no_channels() -> None:
    net, x = source("tensorflow")
    words = {"target": 1, "toolset": "tf-keras-vis", "normalize_map": False}
    found = explain(net, "saliency", x, along="D", **words)
    assert (found.axes, found.values.shape) == ("NDHW", (2, 4, 12, 10))
    np.testing.assert_allclose(found.values, explain(net, "saliency", x, **words).values, rtol=1e-6)


def test_noise_is_of_the_volume_and_rows_are_bounded() -> None:
    rows = []
    model_ = model()
    hook = model_.register_forward_hook(lambda module, given, output: rows.append(len(output)))
    words = {"target": 1, "toolset": "captum", "noise": SmoothGrad(3, 0.2), "seed": 1}
    try:
        found = explain(model_, "saliency", VOLUMES, along="D", batch_size=1, **words).values
    finally:
        hook.remove()
    np.testing.assert_allclose(found, explain(model_, "saliency", VOLUMES, **words).values, rtol=1e-9)
    assert max(rows) == 1


def test_masks_and_baselines_as_volumes_are_cut_to_slices() -> None:
    mask = np.zeros((1, 1, 4, 12, 10), int)
    mask[..., 5:] = 7
    baseline = np.random.default_rng(1).uniform(0, 1, (1, 3, 4, 12, 10))
    words = {"target": 1, "toolset": "captum"}
    found = explain(model(), "feature_ablation", VOLUMES, along="D", feature_mask=mask, baselines=baseline, **words)
    alone = InVolume(model(), VOLUMES[:1], 2, 3)
    given = {"feature_mask": (mask[:, :, 3] > 0).astype(int), "baselines": baseline[:, :, 3]}
    expected = explain(alone, "feature_ablation", VOLUMES[:1, :, 3], **given, **words).values
    np.testing.assert_allclose(found.values[0, :, 3], expected[0], rtol=1e-9)


def test_progress_counts_all_slices() -> None:
    told: list[tuple[int, int]] = []
    words = {"feature_mask": ("grid", {"cells": 2}), "toolset": "captum", "target": 1}
    progress = lambda done, total, stage: told.append((done, total)) if stage == "run" else None  # noqa: E731
    explain(model(), "feature_ablation", VOLUMES, along="D", progress=progress, **words)
    assert told[-1] == (40, 40)  # 2 volumes of 4 slices with 4 cells each, and each slice as it is
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_by_the_toolkits_own_arguments() -> None:
    given = {"inputs": VOLUMES, "target": 1}
    found = perform_attribution(model(), "lime", "captum", exec_args={**given, "n_samples": 10}, along="D", seed=0)
    words = {"target": 1, "n_samples": 10, "along": "D", "seed": 0}
    np.testing.assert_array_equal(found, explain(model(), "lime", VOLUMES, toolset="captum", **words).values)


def test_comparing_and_repeating() -> None:
    rows = compare(model(), "saliency", VOLUMES, along="D", target=1).rows
    assert max(row["max_rel"] for row in rows) < 1e-5
    words = {"along": "D", "n_samples": 10, "feature_mask": ("grid", {"cells": 2}), "seed": 0, "target": 1}
    found = explain(model(), "lime", VOLUMES, toolset="captum", unfit="ignore", **words)
    assert found.record.words["along"] == "D"
    np.testing.assert_array_equal(found.rerun(model()).values, found.values)


@pytest.mark.parametrize(
    ("method", "words", "message"),
    [
        ("saliency", {"along": "Z"}, "'D', 'H' or 'W', not 'Z'"),
        ("grad_cam", {"along": "D", "layer": "0", "toolset": "captum"}, "explains a layer"),
        ("activation_maximization", {"along": "D", "target": 1, "toolset": "tf-keras-vis"}, "makes an input"),
        ("feature_permutation", {"along": "D"}, "several samples together"),
        (
            "saliency",
            {"along": "D", "inputs": VOLUMES[:, :, 0]},
            "for volumes with that axis, and the input has the axes",
        ),
        ("integrated_gradients", {"along": "D", "data": VOLUMES, "baselines": "neutral"}, "neutral"),
    ],
)
def test_what_cannot_go_slice_by_slice_is_refused(method: str, words: dict[str, Any], message: str) -> None:
    given = {"inputs": VOLUMES, "target": 1, **words}
    net = (
        model()
        if given["inputs"].ndim == 5
        else nn.Sequential(nn.Conv2d(3, 3, 3), nn.Flatten(), nn.LazyLinear(3)).double()
    )
    if given["inputs"].ndim == 4:
        net(torch.from_numpy(given["inputs"]))
    with pytest.raises(InvalidArgumentError, match=message):
        explain(net, method, given.pop("inputs"), **{"toolset": {"saliency": "captum"}.get(method), **given})


def test_of_several_inputs_none_is_sliced() -> None:
    class Two(nn.Module):
        def forward(self, a: Any, b: Any) -> Any:
            return (a * b).sum((1, 2, 3, 4), keepdim=False)[:, None]

    with pytest.raises(InvalidArgumentError, match="models with one input"):
        explain(Two(), "saliency", (VOLUMES, VOLUMES), along="D", toolset="captum")
