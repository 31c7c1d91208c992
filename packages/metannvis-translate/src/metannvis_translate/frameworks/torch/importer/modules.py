"""Modules for what ``torch.nn`` has none for, or computes otherwise than the source.

Each takes and gives plain tensors, holds no Python closures, and so copies, pickles and exports like any other.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = [
    "SELU",
    "Add",
    "AvgPool",
    "Celu",
    "Clip",
    "HardSigmoid",
    "LocalResponseNorm",
    "Maximum",
    "Minimum",
    "PReLU",
    "Resample",
    "RoundedSoftmax",
    "SameAvgPool",
    "SamePad",
    "Shrink",
    "Take",
]


class Add(nn.Module):
    """One addition. A module, so that rules for additions (layer-wise relevance propagation) find it."""

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Sum of two tensors, or of a tensor and a number."""
        return a + b


class _Extremum(nn.Module):
    """``ties``: whether the gradient goes to the ``"first"`` operand where both are equal, or ``"half"`` to each."""

    def __init__(self, ties: str = "half") -> None:
        super().__init__()
        self.ties = ties

    def extra_repr(self) -> str:
        """What ``repr`` shows."""
        return f"ties={self.ties!r}"


class Maximum(_Extremum):
    """Elementwise maximum of two tensors."""

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """NaN where either is NaN."""
        if self.ties == "first":
            return torch.where((a >= b) | torch.isnan(a), a, b)
        return torch.maximum(a, torch.as_tensor(b, dtype=a.dtype, device=a.device))


class Minimum(_Extremum):
    """Elementwise minimum of two tensors."""

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """NaN where either is NaN."""
        if self.ties == "first":
            return torch.where((a <= b) | torch.isnan(a), a, b)
        return torch.minimum(a, torch.as_tensor(b, dtype=a.dtype, device=a.device))


class Clip(nn.Module):
    """Limits to an interval, either end of which may be open (``None``).

    ``closed``: the gradient is one *at* the bounds, as TensorFlow has it; else whatever ``torch.clamp`` has there.
    """

    def __init__(self, min: float | None = None, max: float | None = None, *, closed: bool = False) -> None:
        super().__init__()
        self.min, self.max, self.closed = min, max, closed

    def forward(self, x: Tensor) -> Tensor:
        """The upper bound wins where the lower one is above it."""
        if not self.closed:
            return torch.clamp(x, self.min, self.max)
        if self.min is not None:
            x = torch.where(x < self.min, self.min, x)
        return x if self.max is None else torch.where(x > self.max, self.max, x)

    def extra_repr(self) -> str:
        """What ``repr`` shows."""
        return f"min={self.min}, max={self.max}, closed={self.closed}"


class PReLU(nn.PReLU):
    """Leaky ReLU with a weight of any shape that broadcasts, computed as Keras does: no gradient at zero."""

    def __init__(self, weight: nn.Parameter) -> None:
        nn.Module.__init__(self)
        self.num_parameters = weight.numel()
        self.weight = weight

    def forward(self, x: Tensor) -> Tensor:
        """Same shape as ``x``."""
        return torch.relu(x) - self.weight * torch.relu(-x)


class SELU(nn.Module):
    """``gamma · x`` above zero, ``gamma · alpha · (eˣ − 1)`` below; at zero the derivative is ``gamma``, as in TensorFlow."""

    def __init__(self, alpha: float, gamma: float) -> None:
        super().__init__()
        self.alpha, self.gamma = alpha, gamma

    def forward(self, x: Tensor) -> Tensor:
        """Same shape as ``x``."""
        # what is not chosen is cut off before the exponential, whose overflow would make the gradient NaN
        return torch.where(x >= 0, self.gamma * x, self.gamma * self.alpha * torch.expm1(torch.clamp(x, max=0)))


class Celu(nn.Module):
    """``max(0, x) + min(0, alpha · (e^(x/alpha) − 1))`` with TensorFlow's gradient at zero (both terms count)."""

    def __init__(self, alpha: float) -> None:
        super().__init__()
        self.alpha = alpha

    def forward(self, x: Tensor) -> Tensor:
        """Same shape as ``x``."""
        above, below = torch.where(x < 0, 0.0, x), torch.where(x > 0, 0.0, x)
        return above + self.alpha * torch.expm1(below / self.alpha)


class HardSigmoid(nn.Module):
    """``alpha · x + beta``, limited to 0 … 1; ``nn.Hardsigmoid`` has its slope in single precision only."""

    def __init__(self, alpha: float, beta: float) -> None:
        super().__init__()
        self.alpha, self.beta = alpha, beta

    def forward(self, x: Tensor) -> Tensor:
        """Same shape as ``x``."""
        return F.hardtanh(x * self.alpha + self.beta, 0.0, 1.0)


class Shrink(nn.Module):
    """``x + bias`` below ``-lambd``, ``x − bias`` above ``lambd``, else 0."""

    def __init__(self, bias: float, lambd: float) -> None:
        super().__init__()
        self.bias, self.lambd = bias, lambd

    def forward(self, x: Tensor) -> Tensor:
        """Same shape as ``x``."""
        return torch.where(x < -self.lambd, x + self.bias, torch.where(x > self.lambd, x - self.bias, 0.0))


class RoundedSoftmax(nn.Softmax):
    """``nn.Softmax`` with each step rounded, as the standard's function computes it for 16-bit floats."""

    def forward(self, x: Tensor) -> Tensor:
        """Same shape as ``x``."""
        powers = torch.exp(x - x.amax(self.dim, True))
        return powers / powers.sum(self.dim, True)


def same_pads_of(x: Tensor, extent: Sequence[int], stride: Sequence[int], *, lower: bool) -> list[tuple[int, int]]:
    """Pads (begin, end) of each spatial axis with which a window gives ``ceil(size / stride)`` results."""
    pairs = []
    for size, wide, step in zip(x.shape[2:], extent, stride, strict=True):
        total = max((-(-size // step) - 1) * step + wide - size, 0)
        before = -(-total // 2) if lower else total // 2
        pairs.append((before, total - before))
    return pairs


class SamePad(nn.Module):
    """Pads the spatial axes so that a window with this stride gives ``ceil(size / stride)`` results.

    For inputs of free size; of a pad that cannot be halved the larger part goes behind, with ``lower`` before.
    """

    def __init__(
        self, extent: Sequence[int], stride: Sequence[int], *, lower: bool = False, value: float = 0.0
    ) -> None:
        super().__init__()
        self.extent, self.stride, self.lower, self.value = tuple(extent), tuple(stride), lower, value

    def forward(self, x: Tensor) -> Tensor:
        """``(N, C, *space)`` to ``(N, C, *padded)``."""
        pairs = same_pads_of(x, self.extent, self.stride, lower=self.lower)
        return F.pad(x, [width for pair in reversed(pairs) for width in pair], value=self.value)


class AvgPool(nn.Module):
    """Average pooling with any pads and dilations, where ``nn.AvgPool2d`` and its siblings cannot do it.

    ``pads`` as in ONNX: all beginnings, then all ends. ``ceil`` lets the last window reach over the end; what lies there
    counts neither in the sum nor, even with ``include_pad``, in the number it is divided by.
    """

    def __init__(
        self,
        kernel: Sequence[int],
        stride: Sequence[int],
        pads: Sequence[int],
        dilation: Sequence[int],
        *,
        include_pad: bool,
        ceil: bool,
    ) -> None:
        super().__init__()
        self.kernel, self.stride, self.pads, self.dilation = tuple(kernel), tuple(stride), tuple(pads), tuple(dilation)
        self.include_pad, self.ceil = include_pad, ceil

    def forward(self, x: Tensor) -> Tensor:
        """``(N, C, *space)`` to ``(N, C, *pooled)``."""
        rank = len(self.kernel)
        inner: list[int] = []
        over: list[int] = []
        for k in range(rank):
            before, after = self.pads[k], self.pads[k + rank]
            extent = self.dilation[k] * (self.kernel[k] - 1) + 1
            left = x.shape[2 + k] + before + after - extent
            steps = left // self.stride[k]
            if self.ceil and left % self.stride[k] and (steps + 1) * self.stride[k] < x.shape[2 + k] + before:
                steps += 1
            inner = [before, after, *inner]
            over = [0, max(steps * self.stride[k] - left, 0), *over]
        counted = torch.ones_like(x[:1, :1])
        counted = F.pad(F.pad(counted, inner, value=1.0 if self.include_pad else 0.0), over)
        return self._sum(F.pad(F.pad(x, inner), over)) / self._sum(counted)

    def _sum(self, x: Tensor) -> Tensor:
        for k, (kernel, stride, dilation) in enumerate(zip(self.kernel, self.stride, self.dilation, strict=True)):
            extent = dilation * (kernel - 1) + 1
            x = x.unfold(2 + k, extent, stride)[..., ::dilation].sum(-1)
        return x


class SameAvgPool(nn.Module):
    """Average pooling of an input of free size that gives ``ceil(size / stride)`` results.

    Pads are counted with ``include_pad`` only.
    """

    def __init__(
        self,
        kernel: Sequence[int],
        stride: Sequence[int],
        dilation: Sequence[int],
        *,
        include_pad: bool,
        lower: bool,
    ) -> None:
        super().__init__()
        self.kernel, self.stride, self.dilation = tuple(kernel), tuple(stride), tuple(dilation)
        self.include_pad, self.lower = include_pad, lower

    def forward(self, x: Tensor) -> Tensor:
        """``(N, C, *space)`` to ``(N, C, *pooled)``."""
        extent = [d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True)]
        begins, ends = zip(*same_pads_of(x, extent, self.stride, lower=self.lower), strict=True)
        pads = (*begins, *ends)
        pool = AvgPool(self.kernel, self.stride, pads, self.dilation, include_pad=self.include_pad, ceil=False)
        return pool(x)


class LocalResponseNorm(nn.LocalResponseNorm):
    """``nn.LocalResponseNorm`` for even sizes, whose longer half ONNX puts behind the channel, PyTorch before it."""

    def forward(self, x: Tensor) -> Tensor:
        """``(N, C, *space)`` to the same."""
        return super().forward(x.flip(1)).flip(1)


class Take(nn.Module):
    """Takes entries along axes by index, for nearest-neighbour resizing and padding that PyTorch has no mode for."""

    def __init__(self, dims: Sequence[int], indices: Sequence[Tensor]) -> None:
        super().__init__()
        self.dims = tuple(dims)
        for dim, index in zip(dims, indices, strict=True):
            self.register_buffer(f"index_{dim}", index)

    def forward(self, x: Tensor) -> Tensor:
        """As many axes as ``x``."""
        for dim in self.dims:
            x = torch.index_select(x, dim, getattr(self, f"index_{dim}"))
        return x


class Resample(nn.Module):
    """Interpolates along axes with a matrix each, of shape (new size, old size)."""

    def __init__(self, dims: Sequence[int], matrices: Sequence[Tensor]) -> None:
        super().__init__()
        self.dims = tuple(dims)
        for dim, matrix in zip(dims, matrices, strict=True):
            self.register_buffer(f"matrix_{dim}", matrix)

    def forward(self, x: Tensor) -> Tensor:
        """As many axes as ``x``."""
        for dim in self.dims:
            x = torch.movedim(torch.movedim(x, dim, -1) @ getattr(self, f"matrix_{dim}").T, -1, dim)
        return x
