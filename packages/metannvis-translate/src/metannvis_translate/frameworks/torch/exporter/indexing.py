"""Indexing: reads and assignments through masks and lists of places, and the search in sorted sequences.

PyTorch's exporter takes the places of a mask for places of one axis, refuses masks beside whole axes, and writes shapes that
nobody knows before the model runs. Here a mask that is given one value for all of its places is a ``Where``; any other is its
places, and nothing is expanded that has its size already.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import onnx_ir as ir
import torch
from onnx import TensorProto
from onnx.helper import make_tensor
from onnxscript import opset20 as op
from onnxscript.onnx_types import INT64

__all__ = ["translations"]


# The exporter reads signatures: parameters are named and typed as the operator's schema in PyTorch has them.
def index(self, indices: Sequence[INT64 | None]):  # type: ignore[no-untyped-def]
    return _read(self, indices)


def index_put(self, indices: Sequence[INT64 | None], values, accumulate: bool = False):  # type: ignore[no-untyped-def]
    return _put(self, indices, values, accumulate)


def embedding_bag(  # type: ignore[no-untyped-def]
    weight, indices, offsets, scale_grad_by_freq: bool = False, mode: int = 0, sparse: bool = False,
    per_sample_weights=None, include_last_offset: bool = False, padding_idx: int | None = -1,
):  # fmt: skip
    found = _bags(weight, indices, offsets, mode, per_sample_weights, include_last_offset, padding_idx)
    # what else PyTorch returns is for its own derivative
    return found, offsets, offsets, offsets


def masked_scatter(self, mask, source):  # type: ignore[no-untyped-def]
    return _fill_in_order(self, mask, source)


def masked_select(self, mask):  # type: ignore[no-untyped-def]
    line = op.Constant(value_ints=[-1])
    if list(self.shape) != list(mask.shape):
        self, mask = op.Where(mask, self, self), op.Where(op.Equal(self, self), mask, mask)
    return op.Compress(op.Reshape(self, line), op.Reshape(mask, line), axis=0)


def searchsorted(  # type: ignore[no-untyped-def]
    sorted_sequence, self, out_int32: bool = False, right: bool = False, side: str | None = None, sorter=None
):
    return _search(sorted_sequence, self, right or side == "right", sorter, out_int32)


def searchsorted_scalar(  # type: ignore[no-untyped-def]
    sorted_sequence, self: float, out_int32: bool = False, right: bool = False, side: str | None = None, sorter=None
):
    number = op.Constant(value=make_tensor("value", TensorProto.DOUBLE, [], [self]))
    value = op.CastLike(number, sorted_sequence)
    return _search(sorted_sequence, value, right or side == "right", sorter, out_int32, rank=0)


def bucketize(self, boundaries, out_int32: bool = False, right: bool = False):  # type: ignore[no-untyped-def]
    return _search(boundaries, self, right, None, out_int32)


def repeat_interleave(repeats, output_size: int | None = None):  # type: ignore[no-untyped-def]
    from onnxscript.function_libs.torch_lib.ops.core import aten_repeat_interleave_Tensor

    if output_size is None:
        return aten_repeat_interleave_Tensor(repeats)
    # how many entries have all of their repetitions in front of a place
    ends = op.CumSum(repeats, op.Constant(value_int=0))
    places = op.Constant(value_ints=list(range(output_size)))
    done = op.LessOrEqual(ends, op.Unsqueeze(op.CastLike(places, repeats), op.Constant(value_ints=[1])))
    return op.ReduceSum(op.CastLike(done, repeats), op.Constant(value_ints=[1]), keepdims=0)


@dataclass
class Places:
    """What an index says, axis by axis.

    Attributes
    ----------
    axes, others
        Axes that are indexed, and those that are taken whole.
    parts
        The places along each indexed axis, all of one shape where ``rank`` is the number of its axes.
    shape
        Their shape, ``None`` where a size is not known beforehand.
    """

    axes: list[int]
    others: list[int]
    parts: list[Any]
    rank: int
    shape: list[int | None]

    @property
    def is_in_place(self) -> bool:
        """Whether the places' axes stand where those that are indexed stood; else they stand in front."""
        return self.axes[-1] - self.axes[0] + 1 == len(self.axes)

    @property
    def before(self) -> int:
        """How many whole axes stand in front of the places' axes."""
        return self.axes[0] if self.is_in_place else 0


def _places(x: Any, indices: Sequence[Any]) -> Places:
    axis = 0
    parts: list[tuple[int, Any, list[int | None]]] = []
    for entry in indices:
        if entry is None:
            axis += 1
        elif entry.dtype == ir.DataType.BOOL:
            rank = len(entry.shape)
            found = op.NonZero(entry)
            for k in range(rank):
                row = op.Gather(found, op.Constant(value_int=k), axis=0)
                parts.append((axis + k, row, [None]))
            axis += rank
        else:
            places = entry if entry.dtype == ir.DataType.INT64 else op.Cast(entry, to=ir.DataType.INT64.value)
            parts.append((axis, places, [size if isinstance(size, int) else None for size in entry.shape]))
            axis += 1
    rank = max(len(shape) for _, _, shape in parts)
    aligned = [[*[1] * (rank - len(shape)), *shape] for _, _, shape in parts]
    # a size of None is a size, whichever: one that is 1 in all the others stays what it is
    shape = [next((size for size in sizes if size != 1), 1) for sizes in zip(*aligned, strict=True)]
    values = [value for _, value, _ in parts]
    if any(sizes != aligned[0] for sizes in aligned) or len({len(shape) for _, _, shape in parts}) > 1:
        zero = op.Constant(value_int=0)
        for k, (_, value, _) in enumerate(parts):
            for j, (_, other, _) in enumerate(parts):
                if j != k and aligned[j] != [1] * rank:
                    value = op.Add(value, op.Mul(other, zero))
            values[k] = value
    axes = [axis for axis, _, _ in parts]
    return Places(axes, [k for k in range(len(x.shape)) if k not in axes], values, rank, shape)


def _turned(value: Any, order: Sequence[int]) -> Any:
    return value if list(order) == list(range(len(order))) else op.Transpose(value, perm=list(order))


def _index_of(places: Places) -> Any:
    last = op.Constant(value_ints=[-1])
    parts = [op.Unsqueeze(part, last) for part in places.parts]
    return parts[0] if len(parts) == 1 else op.Concat(*parts, axis=-1)


def _read(x: Any, indices: Sequence[Any]) -> Any:
    places = _places(x, indices)
    if len(places.axes) == 1:
        return op.Gather(x, places.parts[0], axis=places.axes[0])
    found = op.GatherND(_turned(x, places.axes + places.others), _index_of(places))
    rank, before = places.rank, places.before
    rest = range(rank + before, rank + len(places.others))
    return _turned(found, [*range(rank, rank + before), *range(rank), *rest])


def _put(x: Any, indices: Sequence[Any], values: Any, accumulate: bool) -> Any:
    given: list[int | None] = [size if isinstance(size, int) else None for size in values.shape]
    named = [(axis, entry) for axis, entry in enumerate(indices) if entry is not None]
    if not named:
        raise NotImplementedError("an assignment without an index")
    if len(named) == 1 and named[0][1].dtype == ir.DataType.BOOL:
        axis, mask = named[0]
        behind = len(x.shape) - axis - len(mask.shape)
        if len(given) <= behind or given[-1 - behind] == 1:
            return _where(x, mask, values, len(given), behind, accumulate)
    places = _places(x, indices)
    rank, before = places.rank, places.before
    whole = rank + len(places.others)
    index, turned = _index_of(places), _turned(x, places.axes + places.others)
    if len(given) < whole:
        values = op.Unsqueeze(values, op.Constant(value_ints=list(range(whole - len(given)))))
        given = [*[1] * (whole - len(given)), *given]
    order = [*range(before, before + rank), *range(before), *range(before + rank, whole)]
    values, given = _turned(values, order), [given[k] for k in order]
    sizes: list[int | None] = [size if isinstance(size, int) else None for size in x.shape]
    wanted = places.shape + [sizes[axis] for axis in places.others]
    if any(have == 1 != want for have, want in zip(given, wanted, strict=True)):
        if None in wanted:
            # what stands there has the shape that is wanted; whether it equals itself is asked for that shape alone
            there = op.GatherND(turned, index)
            values = op.Where(op.Equal(there, there), values, values)
        else:
            values = op.Expand(values, op.Constant(value_ints=wanted))
    result = op.ScatterND(turned, index, values, reduction="add" if accumulate else "none")
    back = places.axes + places.others
    return _turned(result, [back.index(k) for k in range(len(back))])


def _where(x: Any, mask: Any, values: Any, rank: int, behind: int, accumulate: bool) -> Any:
    """What a mask shows replaced by values that are the same for all that it shows."""
    depth = len(mask.shape)
    if behind:
        mask = op.Unsqueeze(mask, op.Constant(value_ints=list(range(-behind, 0))))
    if rank > behind and depth > 1:
        # one axis of the values stands for all of the mask's
        first = rank - behind
        values = op.Unsqueeze(values, op.Constant(value_ints=list(range(first, first + depth - 1))))
    return op.Where(mask, op.Add(x, values) if accumulate else values, x)


def _fill_in_order(x: Any, mask: Any, source: Any) -> Any:
    """What a mask shows replaced by the elements of another tensor in their order."""
    if list(mask.shape) != list(x.shape):
        if len(mask.shape) > len(x.shape):
            x = op.Where(mask, x, x)
        mask = op.Where(op.Equal(x, x), mask, mask)
    line = op.Constant(value_ints=[-1])
    shown = op.Cast(op.Reshape(mask, line), to=ir.DataType.INT64.value)
    counted = op.Sub(op.CumSum(shown, op.Constant(value_int=0)), shown)
    # behind the last place that is shown the count may be the number of elements, of which none is asked for
    place = op.Mul(counted, shown)
    found = op.Gather(op.Reshape(source, line), place, axis=0)
    return op.Where(mask, op.Reshape(found, op.Shape(x)), x)


def _bags(weight: Any, indices: Any, offsets: Any, mode: int, shares: Any, ends: bool, padding: int | None) -> Any:
    """Sums, means or extremes of rows, by bags that begin at given places of one long list."""
    first, last = op.Constant(value_ints=[0]), op.Constant(value_ints=[-1])
    if ends:
        offsets = op.Slice(offsets, first, last, first)
    rows = op.Gather(weight, indices, axis=0)
    if shares is not None:
        rows = op.Mul(rows, op.Unsqueeze(shares, last))
    ones = op.Add(op.Mul(indices, op.Constant(value_int=0)), op.Constant(value_int=1))
    place = op.Sub(op.CumSum(ones, op.Constant(value_int=0)), op.Constant(value_int=1))
    begun = op.CastLike(op.LessOrEqual(op.Unsqueeze(offsets, last), op.Unsqueeze(place, first)), indices)
    # the bag that began last: of two that begin at one place the first is empty
    bag = op.Unsqueeze(op.ReduceSum(begun, first, keepdims=0), first)
    several = op.Add(op.Mul(offsets, op.Constant(value_int=0)), op.Constant(value_int=1))
    number = op.Unsqueeze(op.CumSum(several, op.Constant(value_int=0)), last)
    inside = op.Equal(bag, number)
    if padding is not None and padding >= 0:
        inside = op.And(inside, op.Unsqueeze(op.Not(op.Equal(indices, op.Constant(value_int=padding))), first))
    share = op.CastLike(inside, rows)
    zero = op.CastLike(op.Constant(value_float=0.0), rows)
    if mode == 2:
        lowest = op.CastLike(op.Constant(value_float=-float("inf")), rows)
        within = op.Where(op.Unsqueeze(inside, last), op.Unsqueeze(rows, first), lowest)
        none = op.Equal(op.ReduceMax(share, op.Constant(value_ints=[1]), keepdims=1), zero)
        return op.Where(none, zero, op.ReduceMax(within, op.Constant(value_ints=[1]), keepdims=0))
    total = op.MatMul(share, rows)
    if mode == 0:
        return total
    count = op.ReduceSum(share, op.Constant(value_ints=[1]), keepdims=1)
    return op.Div(total, op.Max(count, op.CastLike(op.Constant(value_float=1.0), rows)))


def _search(sequence: Any, value: Any, right: bool, sorter: Any, out_int32: bool, *, rank: int | None = None) -> Any:
    """How many entries of a sorted sequence, along the last axis, stand in front of a value.

    As PyTorch has it, what is not a number stands behind everything.
    """
    if sorter is not None:
        sequence = op.GatherElements(sequence, sorter, axis=-1)
    rank = len(value.shape) if rank is None else rank
    last = op.Constant(value_ints=[-1])
    rows = len(sequence.shape) if sorter is None else len(sorter.shape)
    each = sequence if rows == 1 else op.Unsqueeze(sequence, op.Constant(value_ints=[-2]))
    alone = op.Unsqueeze(value, last)
    behind = op.Greater(each, alone) if right else op.GreaterOrEqual(each, alone)
    kind = ir.DataType.INT32 if out_int32 else ir.DataType.INT64
    return op.ReduceSum(op.Cast(op.Not(behind), to=kind.value), last, keepdims=0)


def translations() -> dict[Any, Callable[..., Any]]:
    """Rows for ``torch.onnx.export(custom_translation_table=...)``."""
    aten = torch.ops.aten
    return {
        aten.bucketize.Tensor: bucketize,
        aten.repeat_interleave.Tensor: repeat_interleave,
        aten.index.Tensor: index,
        aten.index_put.default: index_put,
        aten.embedding_bag.padding_idx: embedding_bag,
        aten._embedding_bag.default: embedding_bag,
        aten._embedding_bag_forward_only.default: embedding_bag,
        aten.masked_scatter.default: masked_scatter,
        aten.masked_select.default: masked_select,
        aten.searchsorted.Tensor: searchsorted,
        aten.searchsorted.Scalar: searchsorted_scalar,
    }
