"""PyTorch's functions at zeros, ties, infinite and missing numbers, in both targets, against PyTorch itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from metannvis_translate import translate
from torch import nn
from torch.nn import functional

INF, NAN = float("inf"), float("nan")
Functions = Mapping[str, Callable[..., Any]]


class Several(nn.Module):
    """Functions of the same tensors, each result an output."""

    def __init__(self, functions: Functions) -> None:
        super().__init__()
        self.functions = functions

    def forward(self, *given: Any) -> Any:
        return tuple(function(*given) for function in self.functions.values())


def run(model: Any, given: tuple[Any, ...], names: list[str]) -> dict[str, list[Any]]:
    """Value and derivatives of each output of a PyTorch model."""
    found = {}
    for k, name in enumerate(names):
        leaves = [x.clone().requires_grad_(x.is_floating_point()) for x in given]
        y = model(*leaves)
        y = y[k] if isinstance(y, (tuple, list)) else y
        floats = [x for x in leaves if x.requires_grad]
        slopes = torch.autograd.grad(y.sum(), floats, allow_unused=True) if y.requires_grad else [None] * len(floats)
        found[name] = [y.detach().numpy(), *(np.zeros(x.shape, "f4") if g is None else g.numpy() for g, x in zip(slopes, floats, strict=True))]  # fmt: skip
    return found


def run_keras(model: Any, given: tuple[Any, ...], names: list[str]) -> dict[str, list[Any]]:
    import keras
    import tensorflow as tf

    found, tensors = {}, [tf.constant(x.numpy()) for x in given]
    floats = [x for x in tensors if x.dtype.is_floating]
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(floats)
        outputs = keras.tree.flatten(model(tensors[0] if len(tensors) == 1 else tensors, training=False))
    for name, y in zip(names, outputs, strict=True):
        slopes = tape.gradient(y, floats) if y.dtype.is_floating else [None] * len(floats)
        slopes = [np.zeros(x.shape, "f4") if g is None else tf.convert_to_tensor(g).numpy() for g, x in zip(slopes, floats, strict=True)]  # fmt: skip
        found[name] = [y.numpy(), *slopes]
    return found


def compare(functions: Functions, example: tuple[Any, ...], edges: tuple[Any, ...], target: str) -> None:
    """Values everywhere, derivatives wherever PyTorch has one."""
    names = list(functions)
    wanted = run(Several(functions), edges, names)
    model = translate(Several(functions), target, example_inputs=example, verify=False).model
    found = (run if target == "torch" else run_keras)(model, edges, names)
    for name in names:
        for k, (ours, theirs) in enumerate(zip(found[name], wanted[name], strict=True)):
            where = np.isfinite(theirs) if k else np.ones(theirs.shape, bool)
            np.testing.assert_allclose(ours[where], theirs[where], rtol=1e-5, atol=1e-6, err_msg=f"{name}, {k}")


PAIRS: Functions = {
    "remainder": torch.remainder,
    "fmod": torch.fmod,
    "floor": lambda x, y: torch.div(x, y, rounding_mode="floor"),
    "cut off": lambda x, y: torch.div(x, y, rounding_mode="trunc"),
    "floor_divide": lambda x, y: torch.floor_divide(x.detach(), y.detach()),
    "logaddexp": torch.logaddexp,
    "logaddexp2": torch.logaddexp2,
    "xlogy": torch.xlogy,
    "xlog1py": torch.special.xlog1py,
    "hypot": torch.hypot,
    "copysign": torch.copysign,
    "clamp": lambda x, y: x.clamp(min=y, max=y.abs()),
    "clamp_min": lambda x, y: x.clamp(min=y),
    "fmax": torch.fmax,
    "maximum": torch.maximum,
    "pow": lambda x, y: x.abs() ** y,
}
VALUES = torch.tensor([0.0, -0.0, 1.0, -1.0, 2.5, -7.0, 0.5, 90.0, -120.0, 0.37, 3.0, 1e-30])


@pytest.mark.parametrize("target", ["torch", "keras"])
def test_arithmetic_at_zeros_ties_and_large_numbers(target: str) -> None:
    x, y = torch.meshgrid(VALUES, VALUES, indexing="ij")
    compare(PAIRS, (torch.rand(2, 12) + 0.5, torch.rand(2, 12) + 0.5), (x.contiguous(), y.contiguous()), target)


@pytest.mark.parametrize("target", ["torch", "keras"])
def test_a_quotient_that_is_rounded_up_is_rounded_down_exactly(target: str) -> None:
    functions: Functions = {
        "floor": lambda x, y: torch.div(x.detach(), y.detach(), rounding_mode="floor"),
        "rest": lambda x, y: torch.remainder(x, y.detach()),
    }
    compare(
        functions,
        (torch.rand(2, 2), torch.rand(2, 2)),
        (torch.tensor([[1.0, 3.0]]), torch.tensor([[0.1, 0.3]])),
        target,
    )


SINGLE: Functions = {
    "sign": torch.sign,
    "signbit": torch.signbit,
    "angle": torch.angle,
    "sinc": torch.sinc,
    # PyTorch's own derivative is exact to four digits at −120
    "log_ndtr": lambda x: torch.special.log_ndtr(x.clamp(min=-20)),
    "selu": functional.selu,
    # a native layer in Keras, whose derivative at zero is zero, if its slope is known
    "prelu": lambda x: functional.prelu(x, x.detach()[:1, 0] * 0 + 0.25),
    "std": lambda x: (x * 0).std(1),
    "norm": lambda x: torch.linalg.vector_norm(x * 0, dim=1),
    "norm of 3": lambda x: torch.linalg.vector_norm(x * 0, 3, dim=1),
    "logit": lambda x: torch.logit(x, 0.6),
    "cummax": lambda x: x.cummax(1)[0],
    "logcumsumexp": lambda x: x.logcumsumexp(1),
    "safe softmax": lambda x: torch.ops.aten._safe_softmax(torch.where(x < 200, x - INF, x), 1),
    "cross entropy": lambda x: functional.binary_cross_entropy(x.clamp(0, 1).detach() + x * 0, (x > 0).float()),
}


@pytest.mark.parametrize("target", ["torch", "keras"])
def test_functions_of_one_tensor_at_their_edges(target: str) -> None:
    compare(SINGLE, (torch.rand(2, 12),), (torch.stack([VALUES, VALUES.flip(0), VALUES * 0]),), target)


MISSING: Functions = {
    "sign": torch.sign,
    "angle": torch.angle,
    "largest": lambda x: x.max(1)[0],
    "smallest": lambda x: x.min(1)[0],
    "place": lambda x: x.argmax(1),
    "sorted": lambda x: x.sort(1)[0],
    "from the largest": lambda x: x.topk(2)[0],
    "equal and largest": lambda x: torch.maximum(x * 0 + 3.4e38, x * 0 + 3.4e38),
    "clamp": lambda x: x.clamp(min=torch.tensor(2.0), max=torch.tensor(1.0)),
    "diagonal": lambda x: (x[:, :, None] + x[:, None, :]).diagonal(dim1=1, dim2=2),
}


@pytest.mark.parametrize("target", ["torch", "keras"])
def test_missing_and_infinite_numbers(target: str) -> None:
    edges = torch.tensor([[1.0, NAN, 3.0], [NAN, -1.0, 0.0], [INF, 1.0, 2.0], [-INF, 1.0, 2.0]])
    names, model = list(MISSING), Several(MISSING)
    translated = translate(model, target, example_inputs=(torch.rand(2, 3),), verify=False).model
    found = (run if target == "torch" else run_keras)(translated, (edges,), names)
    for name, output in zip(names, model(edges), strict=True):
        np.testing.assert_array_equal(found[name][0], output.numpy(), err_msg=name)


@pytest.mark.parametrize("target", ["torch", "keras"])
def test_normalization_by_the_batch_is_not_by_running_statistics(target: str) -> None:
    mean, variance = torch.randn(3), torch.rand(3)
    functions = {"by batch": lambda x: functional.batch_norm(x, mean.clone(), variance.clone(), training=True)}
    compare(functions, (torch.randn(2, 3),), (torch.randn(5, 3) * 3 + 1,), target)


@pytest.mark.parametrize("target", ["torch", "keras"])
def test_a_share_of_zero_leaves_out_what_is_added(target: str) -> None:
    product, missing = torch.randn(3, 3), torch.full((3,), NAN)
    functions = {"addmm": lambda x: torch.addmm(missing, x, product, beta=0)}
    compare(functions, (torch.randn(2, 3),), (torch.randn(4, 3),), target)


@pytest.mark.parametrize("reduce", ["amax", "amin"])
def test_equal_extremes_share_the_derivative(reduce: str) -> None:
    index, edges = torch.tensor([[0, 0, 1, 1]]), (torch.zeros(3, 4), torch.tensor([[0.0, 0.0, 1.0, 1.0]] * 3))
    functions = {
        str(self): lambda x, y, self=self: x.scatter_reduce(1, index + 0 * y.long(), y, reduce, include_self=self)
        for self in (True, False)
    }
    for target in ("torch", "keras"):
        compare(functions, (torch.randn(2, 4), torch.randn(2, 4)), edges, target)


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_bags_of_several_sizes_and_empty_ones(mode: str) -> None:
    class Bags(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rows = nn.EmbeddingBag(6, 4, mode=mode)

        def forward(self, indices: Any, offsets: Any) -> Any:
            return self.rows(indices[0], offsets[0])

    model = Bags().eval()
    indices, offsets = torch.tensor([[1, 2, 4, 5, 4, 3]]), torch.tensor([[0, 2, 2, 5]])
    translated = translate(model, "torch", example_inputs=(indices, offsets), verify=False).model
    other = torch.tensor([[5, 5, 0, 1, 2, 3]]), torch.tensor([[0, 0, 1, 4]])
    np.testing.assert_allclose(translated(*other).detach().numpy(), model(*other).detach().numpy(), rtol=1e-6)
