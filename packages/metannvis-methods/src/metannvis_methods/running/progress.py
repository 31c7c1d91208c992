"""Progress: how many rows have passed through the model, of those that a method is expected to take."""

from __future__ import annotations

import ast
import inspect
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from metannvis_methods.models.arrays import to_numpy
from metannvis_methods.models.registry import adapter_for
from metannvis_methods.registry.spec import MethodSpec
from metannvis_methods.registry.toolset import Progress
from metannvis_methods.running.call import RunningCall
from metannvis_methods.running.slices import count_of_slices, first_slice
from metannvis_methods.toolsets.load import load_class

__all__ = ["STAGE", "Meter", "expected_rows", "formula_value", "rows_by_formula"]

STAGE = "run"


class Meter:
    """What is told of a run: it begins at 0, never goes back, and ends at the total.

    It is also what a toolset calls with ``(done, total, stage)`` where it counts by itself, which is handed on as it is.

    Parameters
    ----------
    progress
        The caller's.
    total
        Rows that are expected to pass through the model.
    """

    looks_at_last = expects_last = False

    def __init__(self, progress: Progress, total: int) -> None:
        self.progress, self.total, self.done = progress, max(1, total), 0
        self.counts_itself = False
        #: What the caller's function raised, which is none of the toolkit's errors.
        self.raised: BaseException | None = None

    @property
    def wants(self) -> bool:
        """Every pass counts."""
        return True

    def hear(self, given: Sequence[Any], outputs: Sequence[tuple[str, Any]], final: Any = None) -> None:
        """A pass through the model."""
        self.passed(int(given[0].shape[0]) if given and getattr(given[0], "shape", ()) else 1)

    def passed(self, rows: int) -> None:
        """So many rows have passed."""
        done = min(self.done + rows, self.total - 1)
        if done > self.done and not self.counts_itself:
            self.done = done
            self._tell(done, self.total, STAGE)

    def begin(self) -> None:
        """Nothing has passed yet."""
        self._tell(0, self.total, STAGE)

    def end(self) -> None:
        """The method is done."""
        if not self.counts_itself:
            self._tell(self.total, self.total, STAGE)

    def __call__(self, done: int, total: int, stage: str) -> None:
        """A toolset's own count."""
        self.counts_itself = True
        self._tell(done, total, stage)

    def _tell(self, done: int, total: int, stage: str) -> None:
        try:
            self.progress(done, total, stage)
        except BaseException as error:
            self.raised = error
            raise


#: Times that a sample passes, by the method, and the options that say so with the toolkits' defaults.
STEPS = {
    "integrated_gradients": ("n_steps", 50),
    "conductance": ("n_steps", 50),
    "internal_influence": ("n_steps", 50),
    "gradient_shap": ("n_samples", 5),
    "lime": ("n_samples", 50),
    "lime_base": ("n_samples", 50),
    "kernel_shap": ("n_samples", 50),
    "smooth_grad": ("smooth_samples", 20),
}
#: What formulas of rows may hold.
OPERATORS: Mapping[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.FloorDiv: operator.floordiv, ast.Pow: operator.pow
}  # fmt: skip
FUNCTIONS: Mapping[str, Callable[..., Any]] = {"factorial": math.factorial, "max": max, "min": min, "len": len}
#: Most that is expected of the orders of features, whose number has no bound.
MANY = 10**9


def expected_rows(call: RunningCall, layer: Sequence[int | None] = ()) -> int:
    """Rows that are expected to pass through the model, in the terms of the model that runs.

    ``layer`` is the shape of what the layer returns.
    """
    count = int(call.inputs[0].shape[0]) if call.inputs else 1
    copies = 1 if call.words.noise is None else call.words.noise.samples
    masks = 1 if call.words.uncertainty is None else call.words.uncertainty.samples
    slices = count_of_slices(call)
    one = call if call.words.along is None else first_slice(call, adapter_for(call.framework))
    return max(1, count * copies * masks * slices * _a_sample(one, layer))


def _a_sample(call: RunningCall, layer: Sequence[int | None]) -> int:
    spec = call.spec
    base = spec.key.removeprefix("layer_").removeprefix("neuron_")
    if base in STEPS:
        name, default = STEPS[base]
        value = call.call_options.get(name)
        return (default if not isinstance(value, int) else value) + (2 if call.option("delta") else 0)
    if base == "deep_lift_shap":
        drawn = call.option("distribution")
        drawn = drawn[0] if isinstance(drawn, tuple) else drawn
        return 2 * int(drawn.shape[0]) if getattr(drawn, "shape", ()) else 2
    if base in ("score_cam", "ablation_cam"):
        channels = _channels(call, layer)
        most = min(channels, call.call_options.get("max_N") or channels)
        # the layer is looked at by a pass of its own, which counts where each pass is told
        return most + adapter_for(call.framework).tells_passes
    if base == "occlusion":
        return 1 + _windows(call)
    if base in ("feature_ablation", "feature_permutation", "shapley_value_sampling", "shapley_values"):
        features = _features(call, layer)
        if base == "shapley_values":
            return 1 + min(MANY, features * math.factorial(min(features, 12)))
        if base == "shapley_value_sampling":
            return 1 + features * int(call.call_options.get("n_samples", 25))
        return 1 + features
    counted = None if spec.passes.isdigit() else rows_by_formula(spec, _known(call, layer))
    return counted or spec.rows_a_sample or 1


def rows_by_formula(spec: MethodSpec, known: Mapping[str, Any]) -> int | None:
    """What :attr:`MethodSpec.passes` says, with options as they are known and the others by the defaults of the row's class.

    ``None`` if the row says nothing, or speaks of what is not known.
    """
    cls = load_class(spec)
    function = getattr(cls, "attribute", cls.__call__)
    defaults = {name: p.default for name, p in inspect.signature(function).parameters.items()}
    try:
        return int(formula_value(spec.passes, {**defaults, **known}))
    except (ValueError, TypeError, SyntaxError):
        return None


def formula_value(formula: str, known: Mapping[str, Any]) -> float:
    """The value of a formula: numbers, names, ``+ - * // **`` and the functions ``factorial``, ``max``, ``min`` and ``len``.

    Raises
    ------
    ValueError
        It holds something else, or a name that is not known.
    """

    def value(node: ast.AST) -> Any:
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.Name) and node.id in known:
            return known[node.id]
        if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
            return OPERATORS[type(node.op)](value(node.left), value(node.right))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FUNCTIONS:
            return FUNCTIONS[node.func.id](*map(value, node.args))
        raise ValueError(f"{ast.unparse(node)} in {formula!r}")

    found: float = value(ast.parse(formula, mode="eval").body)
    return found


def _known(call: RunningCall, layer: Sequence[int | None]) -> dict[str, Any]:
    """Options of a call, and what formulas of rows name beside them."""
    options = {name: value for name, value in call.call_options.items() if value is not None}
    counts = getattr(load_class(call.spec), "counts", None)  # of which only the method knows: cells of a grid
    return {**options, "features": _features(call, layer), **(counts(call) if counts is not None else {})}


def _channels(call: RunningCall, layer: Sequence[int | None]) -> int:
    last = -1 if adapter_for(call.framework).channels_last else 1
    axis = last if call.arrange is None else call.arrange.channel
    return (layer[axis] or 1) if len(layer) > 1 else 1


def _features(call: RunningCall, layer: Sequence[int | None]) -> int:
    mask = call.option("feature_mask", "layer_mask")
    if mask is not None:
        masks = mask if isinstance(mask, tuple) else (mask,)
        return len(np.unique(np.concatenate([np.unique(to_numpy(item)) for item in masks])))
    if call.spec.kind == "layer":
        return math.prod(size or 1 for size in layer[1:])
    return sum(math.prod(tuple(x.shape)[1:]) for x in call.inputs)


def _windows(call: RunningCall) -> int:
    several = len(call.inputs) > 1 or call.several
    windows, strides = call.option("window"), call.option("stride")
    count = 0
    for place, x in enumerate(call.inputs):
        shape = tuple(x.shape)[1:]
        window = windows[place] if several and isinstance(windows[0], (tuple, list)) else windows
        stride: Any = 1 if strides is None else strides
        if several and isinstance(strides, (tuple, list)):
            stride = strides[place]
        steps = stride if isinstance(stride, (tuple, list)) else (stride,) * len(shape)
        count += math.prod(
            1 + math.ceil(max(size - wide, 0) / step) for size, wide, step in zip(shape, window, steps, strict=False)
        )
    return count
