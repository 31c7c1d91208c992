"""What the translator's tests share: ONNX graphs evaluated by somebody else's code."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from metannvis_translate.frameworks.requirements import require
from metannvis_translate.graph.metadata import EXACT_VALUES
from metannvis_translate.passes.decompose import lower

Array = np.ndarray[Any, Any]
#: ``evaluate(hub, {input: array}, names, exact=…) -> {name: array}``
Evaluate = Callable[..., dict[str, Array]]


@pytest.fixture(scope="session")
def evaluate() -> Evaluate:
    """Values of a hub graph: by ONNX Runtime, or (``exact``) in double precision by ONNX's reference evaluator.

    ONNX Runtime has no convolutions in double precision, and the reference evaluator's windows are wrong where padding is
    uneven: there PyTorch computes them.
    """
    import onnx_ir as ir
    from onnx.reference import ReferenceEvaluator

    onnxruntime = require("onnxruntime")
    operators = exact_operators()

    def run(hub: Any, feeds: Mapping[str, Array], names: Sequence[str], *, exact: bool = False) -> dict[str, Array]:
        model = hub.model.clone()
        lower(model.graph)
        proto = ir.to_proto(model)
        if exact:
            evaluator = ReferenceEvaluator(proto, new_ops=operators)
            for node in evaluator.rt_nodes_:
                use_exact_attributes(node)
            return evaluator.run(None, dict(feeds), intermediate=True)
        known = {value.name for value in proto.graph.output} | {value.name for value in proto.graph.input}
        values = {info.name: info for info in proto.graph.value_info}
        proto.graph.output.extend(values[name] for name in dict.fromkeys(names) if name not in known)
        session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
        wanted = [output.name for output in session.get_outputs()]
        return dict(zip(wanted, session.run(wanted, dict(feeds)), strict=True)) | dict(feeds)

    return run


def use_exact_attributes(node: Any) -> None:
    """Give an operator of the reference evaluator the doubles that stand beside its float32 attributes."""
    props = {prop.key: prop.value for prop in node.onnx_node.metadata_props}
    for name, value in json.loads(props.get(EXACT_VALUES, "{}")).items():
        attributes = getattr(node, "attributes_", None)  # of an operator that is evaluated by its function body
        if attributes is not None and name in attributes:
            attributes[name] = float(value)
        elif hasattr(node, name):
            setattr(node, name, float(value))


def exact_operators() -> list[type]:
    """Convolutions and pools of ONNX on PyTorch, and operators that the reference evaluator rounds to single precision."""
    torch = require("torch")
    from onnx.reference.op_run import OpRun

    functional = torch.nn.functional

    def padded(x: Any, pads: Sequence[int], value: float) -> Any:
        half = len(pads) // 2
        flat = [p for k in reversed(range(half)) for p in (pads[k], pads[k + half])]
        return functional.pad(x, flat, value=value)

    def same(x: Any, kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int]) -> list[int]:
        totals = [
            max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
            for n, k, s, d in zip(x.shape[2:], kernel, strides, dilations, strict=True)
        ]
        return [t // 2 for t in totals] + [t - t // 2 for t in totals]

    def settings(x: Any, kernel: Any, strides: Any, dilations: Any, pads: Any, auto_pad: Any) -> tuple[Any, Any, Any]:
        rank = x.ndim - 2
        strides, dilations = strides or [1] * rank, dilations or [1] * rank
        if auto_pad == "SAME_UPPER":
            pads = same(x, kernel, strides, dilations)
        return strides, dilations, pads or [0] * (2 * rank)

    class Conv(OpRun):
        def _run(
            self, X, W, B=None, auto_pad=None, dilations=None, group=1, kernel_shape=None, pads=None, strides=None
        ):
            x, w = torch.tensor(X), torch.tensor(np.ascontiguousarray(W))
            strides, dilations, pads = settings(x, w.shape[2:], strides, dilations, pads, auto_pad)
            function = getattr(functional, f"conv{x.ndim - 2}d")
            bias = None if B is None else torch.tensor(B)
            y = function(padded(x, pads, 0.0), w, bias, stride=strides, dilation=dilations, groups=group)
            return (y.numpy(),)

    class ConvTranspose(OpRun):
        def _run(
            self, X, W, B=None, auto_pad=None, dilations=None, group=1, kernel_shape=None, output_padding=None,
            output_shape=None, pads=None, strides=None,
        ):  # fmt: skip
            x, w = torch.tensor(X), torch.tensor(np.ascontiguousarray(W))
            strides, dilations, pads = settings(x, w.shape[2:], strides, dilations, pads, None)
            function = getattr(functional, f"conv_transpose{x.ndim - 2}d")
            y = function(x, w, stride=strides, dilation=dilations, groups=group)
            half = len(pads) // 2
            extra = output_padding or [0] * half
            y = padded(y, [-p for p in pads[:half]] + [e - p for e, p in zip(extra, pads[half:], strict=True)], 0.0)
            return ((y if B is None else y + torch.tensor(B).reshape(-1, *[1] * half)).numpy(),)

    class MaxPool(OpRun):
        def _run(
            self, X, auto_pad=None, ceil_mode=0, dilations=None, kernel_shape=None, pads=None, storage_order=0, strides=None
        ):  # fmt: skip
            x = torch.tensor(X)
            strides, dilations, pads = settings(x, kernel_shape, strides, dilations, pads, auto_pad)
            function = getattr(functional, f"max_pool{x.ndim - 2}d")
            return (function(padded(x, pads, -np.inf), kernel_shape, strides, dilation=dilations).numpy(),)

    class AveragePool(OpRun):
        def _run(
            self, X, auto_pad=None, ceil_mode=0, count_include_pad=0, dilations=None, kernel_shape=None, pads=None,
            strides=None,
        ):  # fmt: skip
            x = torch.tensor(X)
            strides, _, pads = settings(x, kernel_shape, strides, dilations, pads, auto_pad)
            function = getattr(functional, f"avg_pool{x.ndim - 2}d")
            total, count = (function(padded(v, pads, 0.0), kernel_shape, strides) for v in (x, torch.ones_like(x)))
            return ((total / count).numpy(),)

    class LayerNormalization(OpRun):
        def _run(self, X, Scale, B=None, axis=-1, epsilon=1e-5, stash_type=1):
            axes = tuple(range(axis % X.ndim, X.ndim))
            x = X.astype(np.float64 if stash_type == 11 else np.float32)
            y = (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + epsilon)
            y = y.astype(X.dtype) * Scale
            return (y if B is None else y + B,)

    class HardSwish(OpRun):
        def _run(self, X):
            return (X * np.clip(X / 6 + 0.5, 0, 1),)

    class Erf(OpRun):
        def _run(self, X):
            return (torch.erf(torch.tensor(X)).numpy(),)

    return [Conv, ConvTranspose, MaxPool, AveragePool, LayerNormalization, HardSwish, Erf]


@pytest.fixture(scope="session")
def randomized() -> Callable[[Any, int], Any]:
    """``randomized(model, seed)`` gives every weight of a Keras model a random value, variances positive ones."""

    def randomize(model: Any, seed: int = 0) -> Any:
        rng = np.random.default_rng(seed)
        for weight in model.weights:
            value = rng.normal(size=weight.shape) * 0.5
            if "variance" in weight.path:
                value = np.abs(value) + 0.1
            if np.dtype(weight.dtype).kind == "f" and "seed" not in weight.path:
                weight.assign(value.astype(weight.dtype))
        return model

    return randomize


def relative(a: Array, b: Array) -> float:
    """Largest difference, relative to the largest value of the second."""
    return float(np.abs(np.subtract(a, b, dtype=np.float64)).max() / max(np.abs(b).max(), 1e-30))


@pytest.fixture(scope="session")
def compare_export(evaluate: Evaluate) -> Callable[..., Any]:
    """``compare_export(keras_model, batch=…, dtype=…, tolerance=…)``: every output and every layer of its graph.

    Returns the hub, for more to be asked about it.
    """

    def compare(model: Any, *, batch: int, dtype: str = "float32", tolerance: float = 1e-5, inputs: Any = None) -> Any:
        require("torch")
        from metannvis_translate.frameworks.keras.plugin import framework

        hub = framework.export(model, inputs, dtype=dtype, progress=lambda done, total, stage: None)
        source = framework.as_float64(model) if dtype == "float64" else model
        arrays = framework.example_inputs(model, batch, seed=batch) if inputs is None else inputs
        arrays = [x.astype(dtype) if x.dtype.kind == "f" else x for x in arrays]
        names = [layer.info.name for layer in hub.layers]
        run = framework.run(source, arrays, layers=names)
        assert set(run.layers) == set(names)
        feeds = {port.value: x for port, x in zip(hub.inputs, arrays, strict=True)}
        found = evaluate(hub, feeds, [layer.value for layer in hub.layers], exact=dtype == "float64")
        pairs = [(port.name, port.value, value) for port, value in zip(hub.outputs, run.outputs, strict=True)]
        pairs += [(layer.info.name, layer.value, run.layers[layer.info.name]) for layer in hub.layers]
        for name, value, expected in pairs:
            assert found[value].shape == expected.shape, name
            assert relative(found[value], expected) <= tolerance, name
        return hub

    return compare
