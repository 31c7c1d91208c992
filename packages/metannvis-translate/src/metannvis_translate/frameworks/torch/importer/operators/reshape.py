"""Shapes: transposing, reshaping, broadcasting, tiling; functions where no toolkit has rules for a module."""

from __future__ import annotations

import dataclasses
import math
import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from metannvis_translate.frameworks.torch.importer.registry import converter
from metannvis_translate.graph import layout
from metannvis_translate.graph.layout import LaidOut, identity
from metannvis_translate.graph.metadata import DOMAIN
from metannvis_translate.importing.values import ConstantValue, Value

if TYPE_CHECKING:
    from metannvis_translate.frameworks.torch.importer.context import TorchImporter


def in_sequence(ctx: TorchImporter, data: Value) -> Any:
    """A tensor whose elements follow each other as those of the logical value do; its shape may be another."""
    x = ctx.placed(data)
    perm = layout.transpose(x.order, identity(x.rank))
    shape = ctx.shape(0)
    if perm is None or (shape is not None and layout.is_reshape(perm, x.arrange(shape))):
        return x.tensor
    return ctx.transpose(x.tensor, perm)


@converter("Transpose", since=1)
def Transpose(ctx: TorchImporter, data: Value, *, perm: Sequence[int] | None = None) -> Value:
    """Nothing is moved: the result lies as the input does, its axes have other names."""
    perm = tuple(perm if perm is not None else reversed(range(data.rank)))
    if isinstance(data, ConstantValue):
        return dataclasses.replace(data, array=data.array.transpose(perm), name=f"{data.name}.{perm}")
    return LaidOut(data.tensor, tuple(perm.index(axis) for axis in data.order))


@converter("Reshape", since=5)
def Reshape(ctx: TorchImporter, data: Value, shape: Value, *, allowzero: int = 0) -> Value:
    """``torch.flatten`` where it is one, else ``torch.reshape``."""
    wanted = ctx.sizes(shape, "shape")
    if isinstance(data, ConstantValue) and not any(isinstance(size, torch.fx.Node) for size in wanted):
        settled = [data.array.shape[k] if size == 0 and not allowzero else size for k, size in enumerate(wanted)]
        return dataclasses.replace(data, array=data.array.reshape(settled), name=f"{data.name}.{settled}")
    have = ctx.shape(0) or (None,) * data.rank
    known = list(ctx.node.outputs[0].shape or ())
    if 0 in known and all(isinstance(size, int) for size in known):  # none is found out by counting elements
        return LaidOut(ctx.function(torch.reshape, in_sequence(ctx, data), tuple(known)), identity(len(known)))
    batch_stays = wanted[0] == 0 and not allowzero if len(wanted) == 2 else False
    if len(wanted) == 2 and data.rank > 1 and not isinstance(wanted[1], torch.fx.Node):
        inner = None if None in have[1:] else math.prod(size or 0 for size in have[1:])
        if (batch_stays and wanted[1] in (-1, inner)) or (wanted[0] == -1 and wanted[1] == inner):
            return LaidOut(ctx.function(torch.flatten, in_sequence(ctx, data), 1), identity(2))
    tensor = in_sequence(ctx, data)
    free = any(isinstance(size, int) and size == -1 for size in wanted)
    sizes: list[Any] = []
    for k, size in enumerate(wanted):
        if isinstance(size, torch.fx.Node) or size != 0 or allowzero:
            sizes.append(size)
        elif have[k] is not None:
            sizes.append(have[k])
        elif not free:
            sizes.append(-1)
            free = True
        else:
            x = ctx.placed(data)
            sizes.append(ctx.method("size", x.tensor, x.axis(k)))
    if free:
        sizes = _without_open_size(ctx, data, have, sizes)
    settled = [size for size in sizes if isinstance(size, int)]
    if 0 in settled and -1 in settled:
        ctx.refuse("of a tensor without elements no size is left to be found out")
    return LaidOut(ctx.function(torch.reshape, tensor, tuple(sizes)), identity(len(sizes)))


def _without_open_size(ctx: TorchImporter, data: Value, have: Sequence[int | None], sizes: Sequence[Any]) -> list[Any]:
    """The sizes of a reshape with its -1 told by the one axis of the input that is free, where there is one.

    PyTorch would find a size for -1 also where the input has another size on an axis that is not free, and mix what
    stands on two axes (samples and time) without a word. A size that is told makes it refuse.
    """
    unknown = [k for k, size in enumerate(have) if size is None]
    others = [size for size in sizes if not (isinstance(size, int) and size == -1)]
    if len(unknown) > 1 or any(isinstance(size, torch.fx.Node) for size in others):
        return list(sizes)
    wanted, given = math.prod(others), math.prod(size for size in have if size is not None)
    if not wanted or not given:
        return list(sizes)
    told: Any
    if not unknown:
        told = given // wanted
    else:
        x = ctx.placed(data)
        told = ctx.method("size", x.tensor, x.axis(unknown[0]))
        share = math.gcd(wanted, given)
        if given != share:
            told = ctx.function(operator.mul, told, given // share)
        if wanted != share:
            told = ctx.function(operator.floordiv, told, wanted // share)
    return [told if isinstance(size, int) and size == -1 else size for size in sizes]


@converter("Flatten", since=1)
def Flatten(ctx: TorchImporter, input: Value, *, axis: int = 1) -> LaidOut:
    """``torch.flatten``."""
    rank = input.rank
    axis = axis + rank if axis < 0 else axis
    tensor = in_sequence(ctx, input)
    if axis == 0:
        return LaidOut(ctx.function(torch.reshape, tensor, (1, -1)), identity(2))
    if axis == rank:
        return LaidOut(ctx.function(torch.reshape, tensor, (-1, 1)), identity(2))
    if axis > 1:
        tensor = ctx.function(torch.flatten, ctx.plain(input).tensor, 0, axis - 1)
    return LaidOut(ctx.function(torch.flatten, tensor, 1), identity(2))


@converter("Squeeze", since=1)
def Squeeze_1(ctx: TorchImporter, data: Value, *, axes: Sequence[int] | None = None) -> Value:
    """``torch.squeeze``."""
    if axes is None:
        shape = data.array.shape if isinstance(data, ConstantValue) else ctx.shape(0)
        if shape is None:
            ctx.refuse("which axes it removes is not known")
        axes = [axis for axis, size in enumerate(shape) if size == 1]
    gone = sorted(axis % data.rank for axis in axes)
    if isinstance(data, ConstantValue):
        array = data.array.squeeze(tuple(gone))
        return dataclasses.replace(data, array=array, name=f"{data.name}.{array.shape}")
    dims = tuple(sorted(data.axis(axis) for axis in gone))
    return LaidOut(ctx.function(torch.squeeze, data.tensor, dims), layout.kept_axes(data.order, gone)) if gone else data


@converter("Squeeze", since=13)
def Squeeze(ctx: TorchImporter, data: Value, axes: Value | None = None) -> Value:
    """``torch.squeeze``."""
    return Squeeze_1(ctx, data, axes=None if axes is None else ctx.known(axes, "axes").reshape(-1).tolist())


@converter("Unsqueeze", since=1)
def Unsqueeze_1(ctx: TorchImporter, data: Value, *, axes: Sequence[int]) -> Value:
    """``torch.unsqueeze``."""
    rank = data.rank + len(axes)
    new = sorted(axis % rank for axis in axes)
    if isinstance(data, ConstantValue):
        array = np.expand_dims(data.array, tuple(new))
        return dataclasses.replace(data, array=array, name=f"{data.name}.{array.shape}")
    old = [axis for axis in range(rank) if axis not in new]
    order = [old[axis] for axis in data.order]
    tensor = data.tensor
    for axis in new:
        order.insert(axis, axis)
        tensor = ctx.function(torch.unsqueeze, tensor, axis)
    return LaidOut(tensor, tuple(order))


@converter("Unsqueeze", since=13)
def Unsqueeze(ctx: TorchImporter, data: Value, axes: Value) -> Value:
    """``torch.unsqueeze``."""
    return Unsqueeze_1(ctx, data, axes=ctx.known(axes, "axes").reshape(-1).tolist())


@converter("Expand", since=8)
def Expand(ctx: TorchImporter, input: Value, shape: Value) -> LaidOut:
    """``Tensor.expand``."""
    x = ctx.placed(input)
    sizes = ctx.sizes(shape, "shape")
    rank = max(x.rank, len(sizes))
    sizes = [1] * (rank - len(sizes)) + sizes
    if rank > x.rank:
        x = ctx.plain(x)
    have: tuple[int | None, ...] = ctx.shape(0) or (None,) * x.rank
    have = (1,) * (rank - len(have)) + have
    order = x.order if rank == x.rank else identity(rank)
    # a size of one keeps what is there, which PyTorch writes as -1; an axis in front has no size to keep
    settled = []
    for axis in range(rank):
        keep = isinstance(sizes[axis], int) and (sizes[axis] == 1 or sizes[axis] == have[axis])
        settled.append((-1 if axis >= rank - x.rank else 1) if keep else sizes[axis])
    if all(isinstance(size, int) and size == -1 for size in settled):
        return LaidOut(x.tensor, order)
    return LaidOut(ctx.method("expand", x.tensor, tuple(settled[axis] for axis in order)), order)


@converter("Tile", since=6)
def Tile(ctx: TorchImporter, input: Value, repeats: Value) -> LaidOut:
    """``torch.tile``, also a free number of times."""
    x = ctx.placed(input)
    counts = ctx.sizes(repeats, "repeats")
    return LaidOut(ctx.function(torch.tile, x.tensor, x.arrange(counts)), x.order)


@converter("DepthToSpace", since=1)
def DepthToSpace(ctx: TorchImporter, input: Value, *, blocksize: int, mode: str = "DCR") -> LaidOut:
    """``nn.PixelShuffle``, after bringing the channels into its order."""
    x = ctx.plain(input)
    tensor = x.tensor
    if mode == "DCR":
        tensor = ctx.function(torch.unflatten, tensor, 1, (blocksize * blocksize, -1))
        tensor = ctx.function(torch.flatten, ctx.function(torch.transpose, tensor, 1, 2), 1, 2)
    return LaidOut(ctx.module(nn.PixelShuffle(blocksize), tensor), identity(4))


@converter("SpaceToDepth", since=1)
def SpaceToDepth(ctx: TorchImporter, input: Value, *, blocksize: int, mode: str = "DCR") -> LaidOut:
    """``nn.PixelUnshuffle``, and the channels into ONNX's order."""
    x = ctx.plain(input)
    tensor = ctx.module(nn.PixelUnshuffle(blocksize), x.tensor)
    if mode == "CRD":
        return LaidOut(tensor, identity(4))
    tensor = ctx.function(torch.unflatten, tensor, 1, (-1, blocksize * blocksize))
    return LaidOut(ctx.function(torch.flatten, ctx.function(torch.transpose, tensor, 1, 2), 1, 2), identity(4))


@converter("Roll", domain=DOMAIN)
def Roll(ctx: TorchImporter, X: Value, *, shifts: Sequence[int], dims: Sequence[int] = ()) -> LaidOut:
    """``torch.roll``."""
    x = ctx.placed(X) if dims else ctx.plain(X)
    where = tuple(x.axis(axis) for axis in dims)
    arguments = (tuple(shifts), where) if where else (shifts[0],)
    return LaidOut(ctx.function(torch.roll, x.tensor, *arguments), x.order)
