"""PyTorch's operator database (``op_db``), computed by translations to Keras and to canonical PyTorch.

Each operator with samples of single precision is a module: tensors of the sample are its inputs, the rest are constants. It goes
through the public ``translate(..., verify=False)``; outputs and gradients are compared with the operator's own, on the sample and
on edges made from it: zeros of both signs, ties, large, tiny, infinite and missing numbers, repeated indices, and those negative ones that
the database has.

A sample's axis 0 is no batch, as a rule: each tensor is handed over with an axis of one in front, which the module takes away.

``python -m packages.metannvis-translate.conformance.run_torch_operators keras torch --only 'scatter.*'`` runs a part.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import itertools
import json
import re
import signal
import subprocess
import sys
import time
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

__all__ = [
    "FRAMEWORKS",
    "Outcome",
    "operators",
    "read_table",
    "run_all",
    "run_operator",
    "short",
    "summary",
    "table_path",
]

Array = np.ndarray[Any, Any]

FRAMEWORKS = ("keras", "torch")
#: Samples of an operator, spread over those that the database has.
FEW, ALL = 3, 10
#: Seconds for one operator.
LIMIT = 240

# --- which operators, and of what kind -----------------------------------------------------------------------------------------

#: Kinds that no share is asked of: what no graph of ONNX can say, or ``keras.ops`` has nothing for.
KINDS: dict[str, str] = {
    "linear algebra": r"(linalg\.(?!cross|diagonal|vecdot|norm|matrix_norm|vector_norm|multi_dot|vander|matrix_power)|cholesky|lu|lu_\w+|geqrf|ormqr|"
    r"triangular_solve|svd|pca_lowrank|pinverse|logdet|matrix_exp|svd_lowrank).*|norm\.nuc",
    "special function": r"special\.(?!xlog1py|entr|ndtr$|log_ndtr).*|polygamma.*|mvlgamma.*|igammac?|lgamma|digamma",
    "random or in place": r".*_like|new_empty.*|empty.*|rand.*|normal.*|bernoulli|multinomial|uniform|cauchy|exponential|geometric|"
    r"log_normal|.*dropout.*|nn\.functional\.fractional.*|nn\.functional\.rrelu|resize_.*|zero_|jiterator.*",
    "complex": r"fft\..*|stft|istft|complex|polar|linalg\.polar|view_as_.*|cdouble|cfloat|chalf|real|imag|.*\.complex",
    "sparse": r".*sparse.*",
}  # fmt: skip
NOT_RANDOM = r"(zeros|ones|full)_like"
#: What operators of the other kinds call for some of their samples, which are of these kinds then: a norm that is the largest
#: singular value, a negative power of a matrix.
DECOMPOSITIONS = r"aten::(_linalg_(svd|eigh|det|slogdet|solve_ex)|linalg_(inv_ex|eig|qr|lu|cholesky_ex|lu_factor_ex)).*"


#: What is not compared: a pattern of operators, of edges, of what (``output``, ``gradient`` or either), of targets; and why.
NOT_COMPARED: tuple[tuple[str, str, str, str, str], ...] = (
    # --- PyTorch itself leaves it open, or says something else on another device or for another size
    (
        r"(new_)?empty.*",
        r".*",
        "output",
        "keras|torch",
        "undefined: memory that nobody has written",
    ),
    (
        r"(kthvalue|topk|sort|msort|argsort|mode|median|nanmedian|masked\.median|unique)",
        r"(?!sample|no flag).*",
        "integer output|gradient",
        "keras|torch",
        "undefined: which of several equal elements is taken",
    ),
    (
        r"(mode|unique)",
        r"missing.*",
        "output",
        "keras|torch",
        "undefined: where PyTorch sorts what is not a number depends on where it stands",
    ),
    (
        r"(bucketize|searchsorted)",
        r"(?!sample|repeated|no flag).*",
        "output",
        "keras|torch",
        "undefined: a list that is not sorted any more is searched in an order of its own",
    ),
    (
        r"isin",
        r"missing.*",
        "output",
        "keras|torch",
        "undefined: PyTorch finds what is not a number, which nothing is equal to, by its place in a sorted list or not at all",
    ),
    (
        r"(byte|char|short|int|long|bool|half|bfloat16)",
        r"both signs|ties|halves|large|infinite.*|missing.*",
        "output",
        "keras|torch",
        "undefined: a number outside the range of the integers is cast to whatever the processor makes of it",
    ),
    (
        r"(nn\.functional\.grid_sample|grid_sampler.*)",
        r"large|infinite.*|missing.*",
        "output|gradient",
        "keras",
        "undefined: a place outside the integers' range, or one whose fraction single precision does not hold",
    ),
    (
        r"as_strided_scatter",
        r".*",
        "gradient",
        "keras|torch",
        "PyTorch's derivative is not that of what it computes: it forgets the offset, and that a single number is replaced",
    ),
    (
        r"_segment_reduce.*",
        r"(?!sample).*",
        "gradient",
        "keras|torch",
        "undefined: of equal extremes PyTorch gives each the whole derivative or a share of it, as the tensor lies in memory",
    ),
    # --- as exact as single precision lets it be
    (
        r"(nn\.functional\.(conv_transpose.*|linear_cross_entropy.*|interpolate\.(linear|bilinear|bicubic|trilinear))|i?stft|fft\..*)",
        r"large",
        "output|gradient",
        "keras|torch",
        "rounding: sums of terms above a hundred million that nearly cancel, as exact as the order of adding up lets them be",
    ),
    (
        r"(linalg\.vector_norm|corrcoef|nn\.functional\.cosine_similarity)",
        r"tiny",
        "gradient|output",
        "keras",
        "rounding: squares of tiny numbers are below those that TensorFlow computes with",
    ),
    (
        r"gradient",
        r"tiny|zeros.*",
        "output|gradient",
        "keras",
        "rounding: quotients of products that are below every number",
    ),
    # --- not numbers, or not finite ones, where another order of operations makes something else of them
    (
        (r"(nn\.functional\.(interpolate\.(linear|bilinear|bicubic|trilinear)|upsample_bilinear|grid_sample|embedding_bag)|_?upsample.*|grid_sampler.*|"
        r"native_(layer|group)_norm|nn\.functional\.(scaled_dot_product_attention|multi_head_attention_forward)|cdist|i?stft|fft\..*|"
        r"torch\.ops\.aten\._scaled_dot_product.*)"),
        r"infinite.*|missing.*",
        "output",
        "keras|torch",
        "order: an infinite number times a share of zero, or less another one, is not a number; PyTorch leaves it out in some places",
    ),
    (
        r"nn\.functional\.(interpolate\.area|adaptive_avg_pool.*|conv_transpose.*)",
        r"infinite.*|missing.*",
        "output",
        "keras",
        "order: an infinite number times a share of zero is not a number; TensorFlow multiplies by shares that PyTorch leaves out",
    ),
    # --- Keras differs, and the documentation of the suite says so
    (
        r"acosh",
        r"both signs|ties|halves|large|tiny|zeros.*",
        "gradient",
        "keras",
        "Keras: outside of its domain it is not a number, nor is its derivative, which PyTorch goes on with",
    ),
    (
        r"nn\.functional\.adaptive_max_pool3d",
        r"zeros.*|both signs|ties|halves|large|tiny",
        "gradient",
        "keras",
        "Keras: which of several equal entries has the derivative, TensorFlow's pools in space decide for themselves",
    ),
    (
        r"(nn\.functional\.(adaptive_|fractional_)?max_pool.*|max_pool2d_with_indices_backward|nn\.functional\.max_unpool.*)",
        r"missing.*|infinite.*",
        "output",
        "keras",
        "Keras: its own layer of a max pool passes over what is not a number",
    ),
    (
        r"(softmax|softmin|masked\.softmax|masked\.softmin|nn\.functional\.soft(max|min)|torch\.ops\.aten\._safe_softmax)(\..*)?",
        r"infinite.*|missing.*",
        "output",
        "keras",
        "Keras: its own layer of a softmax makes zeros of the finite numbers beside an infinite one, where PyTorch has no number",
    ),
    (
        r"(linalg\.(slog)?det|logdet)",
        r"(?!sample|missing|infinite).*",
        "output|gradient",
        "keras|torch",
        "rounding: a determinant that is zero; TensorFlow's derivative raises, the logarithm is of what rounding leaves",
    ),
    (
        r"nn\.functional\.embedding(_bag)?",
        r".*",
        "gradient",
        "keras|torch",
        "the derivative by a table of weights, which PyTorch leaves out at padding and divides by frequencies where it is told to",
    ),
)  # fmt: skip


def is_compared(name: str, edge: str, what: str, framework: str) -> bool:
    """Whether the suite compares ``"float output"``, ``"integer output"`` or ``"gradient"`` of an operator at an edge."""
    return not any(
        re.fullmatch(operator, name) and re.fullmatch(edges, edge) and re.search(whats, what) and re.fullmatch(targets, framework)
        for operator, edges, whats, targets, _ in NOT_COMPARED
    )  # fmt: skip


def kind_of(name: str) -> str:
    """Which of :data:`KINDS` an operator belongs to, ``"plain"`` if none."""
    if re.fullmatch(NOT_RANDOM, name):
        return "plain"
    return next((kind for kind, pattern in KINDS.items() if re.fullmatch(pattern, name)), "plain")


@functools.cache
def operators() -> dict[str, Any]:
    """Rows of the database that compute in single precision, by name and variant."""
    import torch
    from torch.testing._internal.common_methods_invocations import op_db

    rows = [row for row in op_db if torch.float32 in row.supported_dtypes("cpu")]
    return {f"{row.name}.{row.variant_test_name}" if row.variant_test_name else row.name: row for row in rows}


# --- one call ------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Call:
    """An operator with a sample: the leaves of its arguments, and which of them are inputs."""

    name: str
    function: Any
    leaves: Sequence[Any]
    structure: Any
    inputs: tuple[int, ...]

    def __call__(self, tensors: Sequence[Any], *, double: bool = False) -> list[Any]:
        """The tensors that it returns, complex ones as pairs of real ones."""
        import torch
        from torch.utils import _pytree as pytree

        def wide(leaf: Any) -> Any:
            return leaf.double() if double and isinstance(leaf, torch.Tensor) and leaf.is_floating_point() else leaf

        leaves = list(map(wide, self.leaves))
        for place, tensor in zip(self.inputs, tensors, strict=True):
            leaves[place] = wide(tensor)
        first, args, kwargs = pytree.tree_unflatten(leaves, self.structure)
        found = pytree.tree_leaves(self.function(first, *args, **kwargs))
        return [torch.view_as_real(t) if t.is_complex() else t for t in found if isinstance(t, torch.Tensor)]


def calls_of(name: str, row: Any, count: int, *, indices: bool) -> list[Call]:
    """Calls with some samples of an operator. ``indices``: integers and flags are inputs too, instead of constants."""
    import torch
    from torch.utils import _pytree as pytree

    torch.manual_seed(0)
    samples = list(itertools.islice(row.sample_inputs("cpu", torch.float32, requires_grad=False), 200))
    if len(samples) > count:
        samples = [samples[round(k * (len(samples) - 1) / (count - 1))] for k in range(count)]
    calls = []
    for sample in samples:
        leaves, structure = pytree.tree_flatten((sample.input, tuple(sample.args), dict(sample.kwargs)))
        leaves = [
            leaf.detach().contiguous() if type(leaf) is torch.Tensor and leaf.layout is torch.strided else leaf
            for leaf in leaves
        ]
        inputs = tuple(
            k for k, leaf in enumerate(leaves)
            if type(leaf) is torch.Tensor and leaf.layout is torch.strided and not leaf.is_complex()
            and (leaf.is_floating_point() or indices)
        )  # fmt: skip
        calls.append(Call(name, row.op, leaves, structure, inputs))
    return calls


def module_of(calls: Sequence[Call]) -> Any:
    """A module that makes all calls, each input with an axis of one in front."""
    import torch

    class Operators(torch.nn.Module):
        def forward(self, *given: Any) -> Any:
            rest, returned = iter(given), []
            for call in calls:
                returned += call([tensor.select(0, 0) for tensor in itertools.islice(rest, len(call.inputs))])
            return tuple(returned)

    return Operators().eval()


# --- inputs --------------------------------------------------------------------------------------------------------------------


def spread(tensor: Any, values: Sequence[float]) -> Any:
    """A tensor of floats filled with the values, over and over."""
    import torch

    filled = torch.tensor(values, dtype=tensor.dtype).repeat(-(-max(tensor.numel(), 1) // len(values)))
    return filled[: tensor.numel()].reshape(tensor.shape)


#: What is made of an input of floats, by the name of the edge; of indices, see :func:`edges`.
FLOATS: dict[str, Any] = {
    "zeros": lambda x: spread(x, [0.0, -0.0]),
    "both signs": lambda x: spread(x, [0.0, -1.0, -0.0, 2.0, -2.5]),
    "ties": lambda x: spread(x, [1.0, 1.0, 0.0, 2.0, 1.0, 2.0, -1.0]),
    "halves": lambda x: spread(x, [0.5, -0.5, 1.5, -1.5, 2.5, 0.49999997]),
    "large": lambda x: spread(x, [90.0, -90.0, 120.0, -1e4, 1e6, 3.0]),
    "tiny": lambda x: spread(x, [1e-30, -1e-30, 1e-20, 1e-7]),
    "infinite": lambda x: spread(x, [float("inf"), 1.0, -float("inf"), -2.0, 0.5]),
    "missing": lambda x: spread(x, [1.0, -2.0, float("nan"), 0.5, 3.0, -0.5, 2.0]),
}


def edges(tensors: Sequence[Any]) -> Iterator[tuple[str, list[Any]]]:
    """The sample, and what is made of it."""
    yield "sample", list(tensors)
    if any(t.is_floating_point() for t in tensors):
        for name, make in FLOATS.items():
            yield name, [make(t) if t.is_floating_point() else t for t in tensors]
            # the second operand keeps its values: at such an edge of both, the two often cancel
            if sum(t.is_floating_point() for t in tensors) > 1 and name in ("zeros", "infinite", "missing"):
                first = next(k for k, t in enumerate(tensors) if t.is_floating_point())
                yield f"{name} in the first", [make(t) if k == first else t for k, t in enumerate(tensors)]
    if any(not t.is_floating_point() and t.numel() for t in tensors):

        def index(t: Any, make: Any) -> Any:
            return t if t.is_floating_point() or not t.numel() or str(t.dtype) == "torch.bool" else make(t)

        yield "repeated indices", [index(t, lambda i: i.flatten()[0].expand_as(i).contiguous()) for t in tensors]
        yield "no flag", [t & False if str(t.dtype) == "torch.bool" else t for t in tensors]


# --- outcomes ------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """What became of an operator: ``passed``, ``refused``, ``wrong``, ``crashed``, or ``skipped`` (nothing can be compared)."""

    status: str
    reason: str = ""


class Timeout(BaseException):
    """An operator takes too long."""


def run_operator(name: str, frameworks: Sequence[str], count: int = FEW) -> dict[str, Outcome]:
    """Translate an operator with its samples, compute, compare: an outcome a framework."""
    row = operators()[name]
    done: dict[str, Outcome] = {}
    for indices in (True, False):
        left = [f for f in frameworks if f not in done or (done[f].status in ("refused", "crashed") and not indices)]
        try:
            calls = [
                call for call in calls_of(name, row, count, indices=indices)
                if is_settled(call) and (kind_of(name) != "plain" or is_plain(call))
            ]  # fmt: skip
        except Exception as error:  # noqa: BLE001  # the database cannot make its samples here
            return dict.fromkeys(frameworks, Outcome("skipped", f"no samples: {first_line(error)}"))
        if not indices and all(
            call.inputs == other.inputs
            for call, other in zip(calls, calls_of(name, row, count, indices=True), strict=False)
        ):
            break
        calls = [call for call in calls if call.inputs]
        if not calls:
            if indices:
                return dict.fromkeys(
                    frameworks, Outcome("skipped", "no sample computes a tensor from others, the same each time")
                )
            break
        for framework in left:
            found = run_calls(calls, framework)
            if framework not in done or found.status in ("passed", "wrong"):
                done[framework] = found
    return done


def is_settled(call: Call) -> bool:
    """Whether a call returns tensors, strided ones, and the same twice."""
    import torch

    try:
        tensors = [call.leaves[k] for k in call.inputs]
        one, two = call([t.clone() for t in tensors]), call([t.clone() for t in tensors])
        return bool(one) and all(
            torch.allclose(a.double(), b.double(), equal_nan=True) for a, b in zip(one, two, strict=True)
        )
    except Exception:  # noqa: BLE001  # a sample that the operator itself refuses, or a layout that has no such comparison
        return False


def is_plain(call: Call) -> bool:
    """Whether a call draws no random numbers, however they are seeded, and needs no decomposition of a matrix."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    called = []

    class Calls(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            called.append(func)
            return func(*args, **(kwargs or {}))

    with Calls():
        call([call.leaves[k].clone() for k in call.inputs])
    drawn = any(torch.Tag.nondeterministic_seeded in f.tags and "scaled_dot" not in f._opname for f in called)
    return not drawn and not any(re.fullmatch(DECOMPOSITIONS, func.name()) for func in called)


def run_calls(calls: Sequence[Call], framework: str) -> Outcome:
    """All calls in one module, which saves most of the time; one by one where that does not pass."""
    if kind_of(calls[0].name) != "plain":
        alone = run_module(calls[:1], framework)
        if alone.status == "refused":  # no share is asked of this kind: what is said of one sample will do
            return alone
    together = run_module(calls, framework)
    if together.status in ("passed", "wrong") or len(calls) == 1:
        return together
    if together.status == "refused" and "has no ONNX operator for it" in together.reason:
        alone = run_module(calls[:1], framework)
        if short(alone.reason) == short(together.reason):  # none of the others has it either
            return alone
    outcomes = [run_module([call], framework) for call in calls]
    for status in ("wrong", "crashed", "refused"):
        for k, outcome in enumerate(outcomes):
            if outcome.status == status:
                share = sum(other.status == status for other in outcomes)
                return Outcome(status, f"{outcome.reason} [sample {k}; {share} of {len(outcomes)}]")
    return Outcome("passed")


def run_module(calls: Sequence[Call], framework: str) -> Outcome:
    """Translate one module, and compare on the sample and its edges."""
    import torch
    from metannvis_translate import MetannvisError, translate

    tensors = [call.leaves[k] for call in calls for k in call.inputs]
    try:
        translation = translate(
            module_of(calls), framework, example_inputs=tuple(t[None] for t in tensors), verify=False
        )
    except MetannvisError as error:
        return Outcome("refused", str(error).strip())
    except Exception as error:  # noqa: BLE001  # what else is raised is what this looks for
        return Outcome("crashed", f"in translation: {type(error).__name__}: {first_line(error)}")
    compute = {"keras": by_keras, "torch": by_torch}[framework]
    for edge, given in edges(tensors):
        rest = iter(given)
        parts = [list(itertools.islice(rest, len(call.inputs))) for call in calls]
        try:
            wanted, slopes, weights = native(calls, parts)
        except Exception:  # noqa: BLE001  # the operator itself does not take this
            if edge == "sample":
                return Outcome("skipped", "the operator cannot compute its own sample's gradient")
            continue
        try:
            sloped = is_compared(calls[0].name, edge, "gradient", framework) and any(s is not None for s in slopes)
            found, gradients = compute(translation, [t[None] for t in given], weights, sloped)
        except Exception as error:  # noqa: BLE001
            return Outcome("crashed", f"when it runs ({edge}): {type(error).__name__}: {first_line(error)}")
        if len(found) != len(wanted):
            return Outcome("wrong", f"{len(found)} outputs instead of {len(wanted)}")
        exact = functools.cache(lambda parts=parts, weights=weights: native(calls, parts, weights, double=True))
        for k, (ours, theirs) in enumerate(zip(found, wanted, strict=True)):
            kind = "float output" if theirs.dtype.kind == "f" else "integer output"
            compared = is_compared(calls[0].name, edge, kind, framework) or ours.shape != theirs.shape
            difference = compared and differs(ours, theirs, lambda k=k, exact=exact: exact()[0][k])
            if difference:
                return Outcome("wrong", f"{edge}: output {k}: {difference}")
        if edge.startswith(("infinite", "missing")) or not is_compared(calls[0].name, edge, "gradient", framework):
            continue  # a derivative there is what an order of operations makes of it
        for k, (ours, theirs) in enumerate(zip(gradients, slopes, strict=True)):
            if theirs is None or ours is None:
                continue
            # where PyTorch's derivative is infinite or no number there is none
            ours = np.where(np.isfinite(theirs), ours, theirs) if ours.shape == theirs.shape else ours
            difference = differs(ours, theirs, lambda k=k, exact=exact: exact()[1][k])
            if difference:
                return Outcome("wrong", f"{edge}: gradient {k}: {difference}")
    torch.compiler.reset()
    return Outcome("passed")


def native(calls: Sequence[Call], parts: Sequence[Sequence[Any]], weights: Any = None, *, double: bool = False) -> Any:
    """Outputs, gradients of a weighted sum of them, and the weights, by PyTorch's own operators."""
    import torch

    outputs, gradients, used = [], [], []
    torch.manual_seed(1)
    for call, part in zip(calls, parts, strict=True):
        dtype = torch.float64 if double else torch.float32
        leaves = [t.detach().clone().to(dtype).requires_grad_() if t.is_floating_point() else t.clone() for t in part]
        found = call([t * 1 if t.requires_grad else t for t in leaves], double=double)
        total = None
        for out in found:
            weight = torch.as_tensor(weights[len(used)]) if weights is not None else torch.randn(out.shape)
            used.append(weight.numpy())
            if out.requires_grad and out.is_floating_point():
                term = (out * weight.to(out.dtype)).sum()
                total = term if total is None else total + term
            outputs.append(out.detach().numpy())
        wanted = [t for t in leaves if t.requires_grad]
        slopes: Any = [None] * len(wanted)
        if total is not None and wanted:
            try:
                slopes = torch.autograd.grad(total, wanted, allow_unused=True)
            except (NotImplementedError, RuntimeError):  # the operator has no derivative: the values are compared
                slopes = [None] * len(wanted)
        gradients += [None if g is None else g.numpy() for g in slopes]
    return outputs, gradients, used


def by_keras(
    translation: Any, tensors: Sequence[Any], weights: Sequence[Array], sloped: bool
) -> tuple[list[Array], list[Array | None]]:
    """Outputs and gradients of a Keras model, in the source's layout."""
    import keras
    import tensorflow as tf

    arrays = [np.asarray(translation.to_target(t.numpy(), index=k)) for k, t in enumerate(tensors)]
    given = [tf.convert_to_tensor(a) for a in arrays]
    watched = [k for k, t in enumerate(tensors) if t.is_floating_point()]
    with tf.GradientTape() as tape:
        tape.watch([given[k] for k in watched])
        found = keras.tree.flatten(translation.model(given[0] if len(given) == 1 else given, training=False))
        terms = []
        for k, (out, weight) in enumerate(zip(found, weights, strict=True)):
            if out.dtype.is_floating:
                permutation = translation.outputs[k].permutation
                turned = weight.transpose(permutation) if permutation and len(permutation) == weight.ndim else weight
                terms.append(tf.reduce_sum(out * tf.cast(turned, out.dtype)))
        total = tf.add_n([tf.cast(term, terms[0].dtype) for term in terms]) if terms else None
    slopes = (
        tape.gradient(total, [given[k] for k in watched]) if total is not None and sloped else [None] * len(watched)
    )
    outputs = [
        np.asarray(translation.to_source(np.asarray(out), role="output", index=k)) for k, out in enumerate(found)
    ]
    gradients = [
        None
        if slope is None
        else np.asarray(translation.to_source(np.asarray(tf.convert_to_tensor(slope)), index=k))[0]
        for k, slope in zip(watched, slopes, strict=True)
    ]
    return outputs, gradients


def by_torch(
    translation: Any, tensors: Sequence[Any], weights: Sequence[Array], sloped: bool
) -> tuple[list[Array], list[Array | None]]:
    """Outputs and gradients of a canonical PyTorch model."""
    import torch
    from torch.utils import _pytree as pytree

    arrays = [np.asarray(translation.to_target(t.numpy(), index=k)) for k, t in enumerate(tensors)]
    given = [
        torch.from_numpy(np.array(a, order="C")).requires_grad_(t.is_floating_point())
        for a, t in zip(arrays, tensors, strict=True)
    ]
    found, terms = pytree.tree_leaves(translation.model(*given)), []
    for port, out, weight in zip(translation.outputs, found, weights, strict=True):
        turned = weight.transpose(port.permutation) if len(port.permutation or ()) == weight.ndim else weight
        if out.requires_grad and out.shape == turned.shape:  # another shape is found below
            terms.append((out * torch.from_numpy(np.array(turned, order="C")).to(out.dtype)).sum())
    watched = [k for k, t in enumerate(given) if t.requires_grad]
    slopes = (
        torch.autograd.grad(sum(terms), [given[k] for k in watched], allow_unused=True)
        if terms and watched and sloped
        else [None] * len(watched)
    )
    outputs = [
        np.asarray(translation.to_source(out.detach().numpy(), role="output", index=k)) for k, out in enumerate(found)
    ]
    gradients = [
        None if g is None else np.asarray(translation.to_source(g.numpy(), index=k))[0]
        for k, g in zip(watched, slopes, strict=True)
    ]
    return outputs, gradients


def differs(ours: Array, theirs: Array, exact: Any) -> str:
    """How two arrays differ, ``""`` if they do not: where the source itself is not exact, by more than it is."""
    if ours.shape != theirs.shape:
        return f"shape {ours.shape} instead of {theirs.shape}"
    if ours.dtype != theirs.dtype:
        return f"dtype {ours.dtype} instead of {theirs.dtype}"
    if theirs.dtype.kind in "biu":
        return (
            ""
            if np.array_equal(ours, theirs)
            else f"{ours.flat[first(ours != theirs)]} instead of {theirs.flat[first(ours != theirs)]}"
        )
    with np.errstate(all="ignore"):
        ours, theirs = ours.astype(np.float64), theirs.astype(np.float64)
        finite = np.isfinite(theirs)
        largest = np.abs(theirs[finite]).max(initial=0.0)
        apart = np.abs(ours - theirs)
        close = apart <= 1e-4 * np.abs(theirs) + 1e-5 * min(largest, 1e3) + 1e-7
        close |= (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
        if close.all():
            return ""
        try:
            true = np.asarray(exact(), np.float64)
            error = np.abs(theirs - true)
            # rounded differently: no farther from the exact value than ten times what the source is, or both beyond its range
            close |= np.isfinite(ours) & np.isfinite(error) & (np.abs(ours - true) <= 10 * error + 1e-5 * np.abs(true))
            close |= (ours == true) | (np.abs(ours - true) <= 1e-5 * np.abs(true)) | (np.isnan(ours) & np.isnan(true))
            close |= (np.abs(true) > 3e38) & (np.abs(ours) > 3e38) & (np.sign(ours) == np.sign(true))
        except Exception:  # noqa: BLE001  # the operator does not compute in double precision
            pass
    if close.all():
        return ""
    place = first(~close)
    return f"{np.count_nonzero(~close)} of {close.size}: {ours.flat[place]:.7g} instead of {theirs.flat[place]:.7g}"


def first(mask: Array) -> int:
    """Place of the first true entry."""
    return int(np.argmax(mask))


def first_line(error: BaseException) -> str:
    """Enough of a message to tell what went wrong."""
    return " ".join(str(error).split())[:300]


def short(reason: str) -> str:
    """A refusal without what differs between samples: the reason of a row of the table."""
    reason = re.sub(r" ?Register a converter:.*", "", reason.split("\n")[0])
    reason = re.sub(r" \[sample \d+; \d+ of \d+\]", "", reason)
    reason = re.sub(r" \[[^\]]*\.py:\d+ in .*", "", reason)
    reason = re.sub(r"\x1b\[\d*m", "", reason)
    reason = re.sub(r"0x[0-9a-f]+", "…", reason)
    return reason[:200].strip()


# --- all of them ---------------------------------------------------------------------------------------------------------------


def table_path(framework: str) -> Path:
    """The checked-in table of what does not pass, and why."""
    return Path(__file__).with_name(f"torch_operators_{framework}.json")


def read_table(framework: str) -> dict[str, tuple[str, str]]:
    """Name of each operator that is not expected to pass → what becomes of it, and the reason."""
    rows = json.loads(table_path(framework).read_text(encoding="utf-8"))
    return {name: (row["status"], row["reason"]) for row in rows for name in row["operators"]}


def write_table(framework: str, outcomes: dict[str, Outcome]) -> None:
    """Write what does not pass, one row a kind and reason; what was not run stays as it is."""
    rows = defaultdict(list)
    if table_path(framework).exists():
        outcomes = {
            name: Outcome(*said) for name, said in read_table(framework).items() if name not in outcomes
        } | outcomes
    for name, outcome in sorted(outcomes.items()):
        if outcome.status != "passed":
            rows[kind_of(name), outcome.status, short(outcome.reason)].append(name)
    table = [{"kind": k, "status": s, "reason": r, "operators": names} for (k, s, r), names in sorted(rows.items())]
    table_path(framework).write_text(json.dumps(table, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def documentation(outcomes: dict[str, dict[str, Outcome]], run: str) -> str:
    """The page about the suite: counts by kind for each framework, and what is not compared."""
    titles = {"keras": "Keras", "torch": "canonical PyTorch"}
    words = ("passed", "refused", "wrong", "crashed", "skipped")
    text = HEAD.format(run=run, count=len(operators()))
    shares = []
    for framework, found in outcomes.items():
        counts: dict[str, Counter[str]] = {kind: Counter() for kind in ("plain", *KINDS)}
        for name, outcome in found.items():
            counts[kind_of(name)][outcome.status] += 1
        counts["all"] = sum(counts.values(), Counter())
        text += f"\n## To {titles[framework]}\n\n| kind | {' | '.join(words)} | of |\n| --- |{' ---: |' * (len(words) + 1)}\n"
        for kind, count in counts.items():
            text += f"| {kind} | {' | '.join(str(count[word]) for word in words)} | {count.total()} |\n"
        plain = counts["plain"]
        share = plain["passed"] / max(plain.total() - plain["skipped"], 1)
        shares.append(f"{share:.1%} pass to {titles[framework]}")
    text += f"\nOf the plain operators that compute something, {' and '.join(shares)}.\n"
    text += (
        "\n## What is not compared\n\n| operators | edges | what | target | why |\n| --- | --- | --- | --- | --- |\n"
    )
    for pattern, edge, what, target, why in NOT_COMPARED:
        cells = (f"`{pattern}`", f"`{edge}`", what, target, why)
        text += f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"
    return text


HEAD = """# PyTorch's operator database

Each operator of PyTorch's own database (`op_db`, single precision: {count} operators and variants) is translated with samples of its own,
to Keras and to canonical PyTorch, and compared with PyTorch on the sample and on edges made from it: zeros of both signs, ties, large,
tiny, infinite and missing numbers, repeated indices. Outputs and gradients. `tox -e torch-operators` runs it;
`conformance/torch_operators_keras.json` and `torch_operators_torch.json` say what does not pass and why.

*Refused* is a documented refusal, *skipped* an operator that computes no tensor from others. Of decompositions of linear algebra, special
functions that `keras.ops` lacks, random and in-place operators, complex and sparse ones no share is asked. Samples of plain operators that
call a decomposition (the nuclear norm, a negative power of a matrix) or draw random numbers are of those kinds, and left out.

{run}
"""


def summary(outcomes: dict[str, Outcome]) -> str:
    """Counts by kind."""
    counts: dict[str, Counter[str]] = {kind: Counter() for kind in ("plain", *KINDS)}
    for name, outcome in outcomes.items():
        counts[kind_of(name)][outcome.status] += 1
    counts["all"] = sum(counts.values(), Counter())
    head = ("passed", "refused", "wrong", "crashed", "skipped")
    lines = [f"{'kind':20}" + "".join(f"{word:>9}" for word in (*head, "of"))]
    for kind, count in counts.items():
        lines.append(f"{kind:20}" + "".join(f"{n:9}" for n in (*(count[word] for word in head), count.total())))
    return "\n".join(lines)


def run_all(
    frameworks: Sequence[str], names: Sequence[str], results: Path, *, count: int = FEW, chunk: int = 60, jobs: int = 1
) -> dict[str, dict[str, Outcome]]:
    """Run operators in child processes, some at a time, a chunk each; what is in the file of results already is not run again."""
    while True:
        have = read_results(results)
        left = [name for name in names if not all((f, name) in have for f in frameworks)]
        if not left:
            break
        command = [
            sys.executable,
            "-m",
            __spec__.name if __spec__ else __name__,
            *frameworks,
            "--child",
            "--results",
            str(results),
        ]
        parts = [left[start : start + chunk] for start in range(0, min(len(left), jobs * chunk), chunk)]
        children = [
            subprocess.Popen([*command, "--samples", str(count), "--names", *part], stdout=subprocess.DEVNULL)
            for part in parts
        ]
        for child in children:
            child.wait()
        now = read_results(results)
        for part in parts:
            stuck = next((name for name in part if not all((f, name) in now for f in frameworks)), None)
            if stuck is not None:
                write_results(results, stuck, dict.fromkeys(frameworks, Outcome("crashed", "the process ended")), 0.0)
    have = read_results(results)
    return {f: {name: have[f, name] for name in names} for f in frameworks}


def read_results(path: Path) -> dict[tuple[str, str], Outcome]:
    """Framework and operator → outcome."""
    if not path.exists():
        return {}
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {(row["framework"], row["name"]): Outcome(row["status"], row["reason"]) for row in rows}


def write_results(path: Path, name: str, outcomes: dict[str, Outcome], seconds: float) -> None:
    """Append an operator's outcomes."""
    rows = [
        {"framework": framework, "name": name, **dataclasses.asdict(outcome), "seconds": round(seconds, 1)}
        for framework, outcome in outcomes.items()
    ]
    with path.open("a", encoding="utf-8") as file:  # at once, beside what others append
        file.write("".join(json.dumps(row) + "\n" for row in rows))


def run_here(frameworks: Sequence[str], names: Sequence[str], results: Path, count: int) -> None:
    """Run operators in this process."""
    from metannvis_translate.frameworks.requirements import require

    if "keras" in frameworks:
        require("tensorflow")
    require("torch")

    def stop(*_: Any) -> None:
        raise Timeout

    signal.signal(signal.SIGALRM, stop)
    warnings.simplefilter("ignore")
    for name in names:
        start = time.monotonic()
        signal.alarm(LIMIT)
        try:
            outcomes = run_operator(name, frameworks, count)
        except Timeout:
            outcomes = dict.fromkeys(frameworks, Outcome("crashed", f"it takes more than {LIMIT} s"))
        finally:
            signal.alarm(0)
        write_results(results, name, outcomes, time.monotonic() - start)


def main() -> int:
    """Run from the command line; 1 if an operator is wrong or ends the process and no table says so."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("frameworks", nargs="+", choices=FRAMEWORKS)
    parser.add_argument("--only", default="", help="regular expression that an operator's name has to match")
    parser.add_argument("--names", nargs="*", help="names of operators")
    parser.add_argument(
        "--samples", type=int, default=FEW, help=f"samples an operator ({FEW}; {ALL} are all that are asked for)"
    )
    parser.add_argument("--results", type=Path, default=Path("torch_operators.jsonl"), help="where to go on from")
    parser.add_argument("--jobs", type=int, default=1, help="processes at a time")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--write", action="store_true", help="write the tables of what does not pass")
    parser.add_argument("--document", metavar="RUN", help="write the page of the docs, with these words about the run")
    options = parser.parse_args()
    if options.child:
        run_here(options.frameworks, options.names, options.results, options.samples)
        return 0
    if options.document:
        known = {f: {n: Outcome(*o) for n, o in read_table(f).items()} for f in options.frameworks}
        page = documentation(
            {f: {n: rows.get(n, Outcome("passed")) for n in operators()} for f, rows in known.items()}, options.document
        )
        (Path(__file__).parent.parent / "docs" / "torch_operators.md").write_text(page, encoding="utf-8")
        return 0
    names = options.names or [name for name in operators() if re.match(options.only, name)]
    start, bad = time.monotonic(), 0
    outcomes = run_all(options.frameworks, names, options.results, count=options.samples, jobs=options.jobs)
    for framework in options.frameworks:
        for name, outcome in outcomes[framework].items():
            if outcome.status not in ("passed", "skipped"):
                sys.stdout.write(f"{framework:6} {outcome.status:8} {name}: {short(outcome.reason)}\n")
        sys.stdout.write(f"{framework}\n{summary(outcomes[framework])}\n")
        if options.write:
            write_table(framework, outcomes[framework])
        expected = read_table(framework) if table_path(framework).exists() else {}
        for name, outcome in outcomes[framework].items():
            said = expected.get(name, ("", ""))[0]
            bad += outcome.status in ("wrong", "crashed") and outcome.status != said
    sys.stdout.write(f"{time.monotonic() - start:.0f} s\n")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
