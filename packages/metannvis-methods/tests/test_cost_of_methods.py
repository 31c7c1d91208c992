"""What a method costs: the rows that pass through the model for each sample, counted, are what its row says."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
import pytest
from metannvis_methods import MethodSpec, explain, list_methods
from metannvis_methods.registry.table import registry
from metannvis_translate.frameworks.requirements import require

torch = require("torch")
keras = require("keras")

SEEN: list[int] = []
COUNTED: list[int] = []
#: Options of our own methods.
OWN = {"n_masks": 7, "n_designs": 3, "channel": 1}
#: Options, two of each, which the formulas are worked out for.
SETTINGS = (
    {"n_steps": 5, "n_samples": 4, "features": 3, "baselines": 3, "channels": 4, "smooth_samples": 3, "steps": 3, "windows": 3, **OWN},
    {"n_steps": 8, "n_samples": 6, "features": 4, "baselines": 2, "channels": 6, "smooth_samples": 4, "steps": 2, "windows": 2, **OWN},
)  # fmt: skip
SAMPLES = 2


class Network(torch.nn.Module):
    def __init__(self, channels: int, outputs: int = 3) -> None:
        super().__init__()
        self.conv, self.act, self.pool = torch.nn.Conv2d(2, channels, 3), torch.nn.ReLU(), torch.nn.AvgPool2d(4)
        self.flat, self.fc = torch.nn.Flatten(), torch.nn.Linear(channels, outputs)

    def forward(self, x: Any) -> Any:
        return self.fc(self.flat(self.pool(self.act(self.conv(x)))))


class Counted(keras.layers.Layer):
    """Its input, the rows of which it counts."""

    seen: ClassVar[list[int]] = SEEN

    def call(self, x: Any) -> Any:
        if hasattr(x, "numpy"):
            self.seen.append(len(x))
        return x


@contextmanager
def counting(toolset: Any) -> Iterator[None]:
    """Rows that the toolset passes through the model, the prediction left out."""

    def count(module: Any, given: Any) -> None:
        rows = given[0].shape[0] if isinstance(module, torch.nn.Conv2d) else None
        if type(rows) is int:  # no size of a trace
            SEEN.append(rows)

    own, cls = type(toolset).run, type(toolset)

    def run(self: Any, call: Any) -> Any:
        SEEN.clear()
        found = own(self, call)
        COUNTED[:] = SEEN
        return found

    hook = torch.nn.modules.module.register_module_forward_pre_hook(count)
    cls.run = run
    try:
        yield
    finally:
        cls.run = own
        hook.remove()


#: Methods that make images, and what of the formulas of their rows is not in the settings.
ASCENT = {"deep_dream": {"octaves": 2, "octave_scale": 1.1}}


def words_of(spec: MethodSpec, setting: dict[str, int]) -> dict[str, Any]:
    mask = (np.arange(36).reshape(1, 1, 6, 6) * setting["features"] // 36).repeat(2, 1)
    cells = setting["channels"] * 16
    base = np.random.default_rng(3).standard_normal((setting["baselines"], 2, 6, 6)).astype("float32")
    words: dict[str, Any] = {}
    for argument in spec.call:
        if argument.role == "distribution":
            words["baselines"] = base
        elif argument.role == "feature_mask":
            words[argument.name] = mask
        elif argument.role == "layer_mask":
            words[argument.name] = np.arange(cells).reshape(1, setting["channels"], 4, 4) * setting["features"] // cells
        elif argument.role == "window" and argument.name != "shape":
            words |= {argument.name: (2, 6, 6 // setting["windows"]), "strides": (2, 6, 6 // setting["windows"])}
        elif argument.name in setting and argument.role is None:
            words[argument.name] = setting[argument.name]
    if spec.optimizes:
        return {
            "steps": 3,
            "seed": 1,
            **({"target": 1} if spec.by_role("target") else {"layer": "conv"}),
            **ASCENT.get(spec.key, {}),
        }
    if spec.key == "activation_maximization":
        words["input_modifiers"] = []
    if spec.by_role("layer"):
        words["layer"] = "conv" if spec.key != "cam" else "act"  # what is pooled
    if spec.by_role("neuron"):
        words["neuron"] = (1, 2, 1)
    if spec.by_role("target", "score"):
        words["target"] = 1
    if spec.key == "layer_feature_permutation":  # it refuses every class
        words["target"] = lambda output: output[:, 1]
    return words | ({"seed": 1} if spec.stochastic else {})


ROWS = [spec for spec in list_methods() if spec.framework in ("torch", "tensorflow", None) and spec.key != "lime_base"]


@pytest.mark.parametrize("spec", ROWS, ids=lambda spec: f"{spec.toolset}-{spec.key}")
def test_the_passes_of_a_method_are_those_that_its_row_says(spec: MethodSpec) -> None:
    x = np.random.default_rng(0).standard_normal((SAMPLES, 2, 6, 6)).astype("float32")
    for setting in SETTINGS:
        model: Any
        if spec.framework != "tensorflow":
            torch.manual_seed(0)
            model = Network(setting["channels"]).eval()
        else:
            given = keras.Input((6, 6, 2))
            map_ = keras.layers.Conv2D(setting["channels"], 3, activation="relu", name="conv")(Counted()(given))
            model = keras.Model(given, keras.layers.Dense(3)(keras.layers.GlobalAveragePooling2D()(map_)))
        values = x if spec.framework != "tensorflow" else np.ascontiguousarray(x.transpose(0, 2, 3, 1))
        with counting(registry.toolset(spec.toolset)), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            explain(model, spec.key, values, toolset=spec.toolset, **words_of(spec, setting))
        words = words_of(spec, setting) if spec.optimizes else {}
        known = {"factorial": math.factorial, "max": max, "len": len, "areas": (0.1,), **setting, **words}
        says = eval(spec.passes, {"__builtins__": {}}, known)  # noqa: S307  # a formula of the row, of this repository
        assert sum(COUNTED) / SAMPLES == says, spec.passes
