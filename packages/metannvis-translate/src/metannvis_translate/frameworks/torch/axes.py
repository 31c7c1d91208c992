"""Axis meanings of PyTorch tensors, from the operators that they pass while a model runs.

Every form of a model runs the same operators: a module, a function that its ``forward`` calls, an exported program, what
TorchScript compiled. They are watched below the layer that takes them apart for gradients, where a convolution is one operator
and so is an LSTM. The letters are those of :class:`~metannvis_translate.LayerInfo`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from metannvis_translate.frameworks.torch.kinds import operator_name
from metannvis_translate.graph.axes import image_axes

if TYPE_CHECKING:
    import torch

__all__ = ["Passages", "watching"]

#: Operators over images: the number of spatial axes is in their name, or follows from their weights.
SPATIAL = re.compile(
    r"(conv|conv_transpose|slow_conv|slow_conv_dilated|thnn_conv|deform_conv|max_pool|avg_pool|adaptive_max_pool|adaptive_avg_pool"
    r"|fractional_max_pool|max_unpool|reflection_pad|replication_pad|upsample_\w+|grid_sampler_)([1-3])d(_with_indices)?"
)
IMAGES = (
    "convolution", "mkldnn_convolution", "cudnn_convolution", "batch_norm", "native_batch_norm", "native_batch_norm_legit",
    "native_batch_norm_legit_no_training", "cudnn_batch_norm", "instance_norm", "group_norm", "native_group_norm",
    "pixel_shuffle", "pixel_unshuffle", "grid_sampler", "channel_shuffle",
)  # fmt: skip
RECURRENT = ("lstm", "gru", "rnn_tanh", "rnn_relu")
#: Operators over the last axis, which say that three axes are tokens where nothing else says what they are.
OVER_FEATURES = (
    "layer_norm", "native_layer_norm", "rms_norm", "fused_rms_norm", "linear", "native_multi_head_attention",
    "transformer_encoder_layer_fwd",
)  # fmt: skip
#: Operators that say nothing of one value by another of the same shape.
MIXING = frozenset((
    "matmul", "bmm", "baddbmm", "mm", "einsum", "tensordot", "view", "reshape", "unsafe_view", "reshape_alias", "as_strided",
    "unfold", "im2col", "col2im", "outer", "ger", "cdist", "embedding_bag", "gather", "take", "index",
    "scaled_dot_product_attention",
))  # fmt: skip
REDUCTIONS = frozenset((
    "mean", "sum", "amax", "amin", "max", "min", "prod", "var", "std", "logsumexp", "norm", "linalg_vector_norm", "nansum",
    "nanmean", "argmax", "argmin", "any", "all", "median",
))  # fmt: skip
#: Operators on whose first or second operand whole numbers are looked up, and the place of those.
LOOKUPS = {"embedding": 1, "embedding_bag": 1}


@dataclass(frozen=True)
class Value:
    """A tensor that passed: a number of its own, and its shape."""

    key: int
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Passage:
    """One operator that ran: its operands, tensors among them as :class:`Value`, what was named, and its results."""

    operator: str
    operands: tuple[Any, ...]
    named: dict[str, Any]
    results: tuple[Value, ...]

    @property
    def values(self) -> list[Value]:
        """Tensors among the operands, those in lists too."""
        return [value for item in (*self.operands, *self.named.values()) for value in _values(item)]

    def operand(self, place: int, name: str, default: Any = None) -> Any:
        """An operand by its place or name."""
        return self.operands[place] if place < len(self.operands) else self.named.get(name, default)


@dataclass
class Passages:
    """What passed while a model ran."""

    rows: list[Passage] = field(default_factory=list)
    value_of: Callable[[Any], Value] = field(default=lambda tensor: Value(id(tensor), tuple(tensor.shape)), repr=False)

    def infer(self, inputs: Sequence[Value]) -> dict[int, str]:
        """Letters by key: what the operators say; where they say nothing, what is usual."""
        found: dict[int, str] = {}
        self._spread(found)
        for value in inputs:
            rank = len(value.shape)
            self._settle(value, {1: "N", 2: "NF", 3: "NTF"}.get(rank) or image_axes(rank), found)
        for row in self.rows:
            if row.operator in OVER_FEATURES and row.values and len(row.values[0].shape) == 3:
                self._settle(row.values[0], "NTF", found)
        return found

    def looked_up(self, inputs: Sequence[Value]) -> list[int]:
        """Places of the inputs whose numbers come to a table as they are, or through what only moves or casts them."""
        origin: dict[int, set[int]] = {value.key: {place} for place, value in enumerate(inputs)}
        found: set[int] = set()
        for row in self.rows:
            place = LOOKUPS.get(row.operator)
            index = row.operands[place] if place is not None and place < len(row.operands) else None
            if isinstance(index, Value):
                found |= origin.get(index.key, set())
            elif place is None:
                from_inputs = set().union(*(origin.get(value.key, set()) for value in row.values))
                for value in row.results if from_inputs and row.operator not in OVER_FEATURES else ():
                    origin.setdefault(value.key, set()).update(from_inputs)
        return sorted(found)

    def _settle(self, value: Value, letters: str, found: dict[int, str]) -> None:
        if value.key not in found and len(letters) == len(value.shape):
            found[value.key] = letters
            self._spread(found)

    def _spread(self, found: dict[int, str]) -> None:
        before = -1
        while len(found) > before:
            before = len(found)
            for rows in (self.rows, reversed(self.rows)):
                for row in rows:
                    _apply(row, found)


def _apply(row: Passage, found: dict[int, str]) -> None:
    def learn(value: Any, letters: str | None) -> None:
        if isinstance(value, Value) and letters and len(letters) == len(value.shape):
            found.setdefault(value.key, letters)

    def of(value: Any) -> str | None:
        return found.get(value.key) if isinstance(value, Value) else None

    source = next(iter(row.values), None)
    result = row.results[0] if row.results else None
    if source is None or result is None:
        return
    rank = len(source.shape)
    if _is_over_images(row):
        for value in (source, result):
            learn(value, image_axes(len(value.shape)) or {2: "NF"}.get(len(value.shape)))
    elif row.operator in RECURRENT:
        _recurrent(row, learn)
    elif row.operator == "embedding":
        _table, indices = row.operands[:2]
        letters = of(indices) or {1: "N", 2: "NT"}.get(len(indices.shape))
        learn(indices, letters)
        learn(result, f"{letters}F" if letters and "F" not in letters else None)
    elif row.operator in ("transpose", "swapaxes", "swapdims", "permute", "movedim", "moveaxis", "t"):
        order = _order(row, rank)
        if of(source):
            learn(result, "".join(of(source)[axis] for axis in order))  # type: ignore[index]
        elif of(result):
            learn(source, "".join(of(result)[order.index(axis)] for axis in range(rank)))  # type: ignore[index]
    elif row.operator in ("linear", "addmm"):
        if row.operator == "addmm":
            source = row.values[1] if len(row.values) > 1 else source
        if len(source.shape) == 2:
            learn(source, "NF")
            learn(result, "NF")
        elif before := of(source):
            learn(result, before[:-1] + ("C" if before[-1] == "C" else "F"))
        elif of(result):
            learn(source, of(result))
    elif row.operator in ("flatten", "view", "reshape", "unsafe_view") and rank != len(result.shape):
        learn(result, "NF" if len(result.shape) == 2 and result.shape[0] == source.shape[0] else None)
    elif row.operator in ("unsqueeze", "squeeze", "select") or row.operator in REDUCTIONS:
        _dropping(row, source, result, of, learn)
    elif row.operator not in MIXING:
        _same(row, found)


def _is_over_images(row: Passage) -> bool:
    """Whether an operator takes images with a batch in front, which it may be given without."""
    rank = len(row.values[0].shape)
    named = SPATIAL.fullmatch(row.operator)
    if named:
        return rank == int(named[2]) + 2
    if row.operator in ("convolution", "mkldnn_convolution", "cudnn_convolution"):
        return len(row.values) > 1 and rank == len(row.values[1].shape)
    return row.operator in IMAGES and rank > 1


def _recurrent(row: Passage, learn: Callable[[Any, str | None], None]) -> None:
    # a packed sequence comes with its lengths behind it, and has no axis of time
    flags = [item for item in (*row.operands, *row.named.values()) if isinstance(item, bool)]
    if len(row.values[0].shape) != 3 or len(flags) < 4:
        return
    letters = "NTF" if flags[-1] else "TNF"
    learn(row.values[0], letters)
    learn(row.results[0], letters)
    for state in row.results[1:]:
        learn(state, "?NF")


def _order(row: Passage, rank: int) -> list[int]:
    """The order in which a permuting operator puts axes."""
    if row.operator == "permute":
        return [int(axis) % rank for axis in row.operand(1, "dims")]
    order = list(range(rank))
    if row.operator == "t":
        return order[::-1]
    one, other = row.operand(1, "dim0", row.named.get("axis0")), row.operand(2, "dim1", row.named.get("axis1"))
    if row.operator in ("movedim", "moveaxis"):
        starts, ends = (
            [int(a) % rank for a in (x if isinstance(x, (list, tuple)) else [x])] for x in row.operands[1:3]
        )
        rest = iter(axis for axis in order if axis not in starts)
        places = dict(zip(ends, starts, strict=True))
        return [places[axis] if axis in places else next(rest) for axis in order]
    one, other = int(one) % rank, int(other) % rank
    order[one], order[other] = other, one
    return order


def _dropping(
    row: Passage,
    source: Value,
    result: Value,
    of: Callable[[Any], str | None],
    learn: Callable[[Any, str | None], None],
) -> None:
    """Operators that drop axes, or add one."""
    rank, given = len(source.shape), row.operand(1, "dim")
    if given is None and row.operator in REDUCTIONS:
        return
    if given is None:
        axes = [axis for axis, size in enumerate(source.shape) if size == 1]
    else:
        axes = [int(axis) for axis in (given if isinstance(given, (list, tuple)) else [given]) if isinstance(axis, int)]
    if row.operator == "unsqueeze":
        if len(axes) == 1 and of(result):
            axis = axes[0] % (rank + 1)
            learn(source, of(result)[:axis] + of(result)[axis + 1 :])  # type: ignore[index]
        return
    dropped = {axis % rank for axis in axes} if rank else set()
    if before := of(source):
        kept = "".join(letter for axis, letter in enumerate(before) if axis not in dropped)
        learn(result, before if len(result.shape) == rank else kept.replace("C", "F") if len(kept) == 2 else kept)
    elif len(result.shape) == rank:
        learn(source, of(result))


def _same(row: Passage, found: dict[int, str]) -> None:
    """Values of one rank that agree in their sizes, or differ along one axis only, mean the same."""
    values = [*row.values, *row.results]
    for value in values:
        if value.key not in found:
            continue
        for other in values:
            if other.key in found or len(other.shape) != len(value.shape):
                continue
            if sum(a != b for a, b in zip(value.shape, other.shape, strict=True)) <= 1:
                found[other.key] = found[value.key]


def _values(item: Any) -> Iterator[Value]:
    if isinstance(item, Value):
        yield item
    elif isinstance(item, (tuple, list)):
        for part in item:
            yield from _values(part)


@contextmanager
def watching(note: Callable[[str], None]) -> Iterator[Passages]:
    """What passes while a model runs inside, without gradients; ``note`` is called with the name of each operator."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils.weak import WeakTensorKeyDictionary

    known: Any = WeakTensorKeyDictionary()
    numbers = iter(range(1 << 62))

    def value_of(tensor: torch.Tensor) -> Value:
        if tensor not in known:
            known[tensor] = next(numbers)
        return Value(known[tensor], tuple(int(size) for size in tensor.shape))

    def noted(item: Any) -> Any:
        if isinstance(item, torch.Tensor):
            return value_of(item)
        if isinstance(item, (tuple, list)):
            return tuple(map(noted, item))
        return item

    passages = Passages(value_of=value_of)

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None) -> Any:
            result = func(*args, **(kwargs or {}))
            operator = operator_name(func)
            note(operator)
            named = {name: noted(item) for name, item in (kwargs or {}).items()}
            passages.rows.append(Passage(operator, noted(args), named, tuple(_values(noted(_listed(result))))))
            return result

    # in inference mode operators are not taken apart into those that have derivatives
    with torch.inference_mode(), Watch():
        yield passages


def _listed(result: Any) -> Iterable[Any]:
    return list(result) if isinstance(result, (tuple, list)) else [result]
