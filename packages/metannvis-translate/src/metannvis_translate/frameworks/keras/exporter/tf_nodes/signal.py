"""Complex numbers and Fourier transforms. ONNX has no complex tensors: each is a real and an imaginary part."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from metannvis_translate.frameworks.keras.exporter.layers.reshape import cut
from metannvis_translate.frameworks.keras.exporter.tf_nodes.elementwise import root_of_squares
from metannvis_translate.frameworks.keras.exporter.tf_nodes.registry import Complex, Node, tf_node
from metannvis_translate.graph.metadata import STOP_GRADIENT

if TYPE_CHECKING:
    import onnx_ir as ir


def _parts(n: Node, k: int) -> tuple[ir.Value, ir.Value]:
    """Real and imaginary part of an operand."""
    x = n.operand(k)
    if isinstance(x, Complex):
        return n.as_value(x.real), n.as_value(x.imaginary)
    value = n.value(k)
    zeros = n.e.emit("Mul", value, n.e.scalar(0.0, value), shape=n.e.shape(value))
    return value, n.e.emit(STOP_GRADIENT, zeros, shape=n.e.shape(value))


@tf_node("Complex")
def complex_of(n: Node) -> Complex:
    one, other = n.value(0), n.value(1)
    return Complex(one, other)


@tf_node("Real")
def Real(n: Node) -> ir.Value:
    return _parts(n, 0)[0]


@tf_node("Imag")
def Imag(n: Node) -> ir.Value:
    return _parts(n, 0)[1]


@tf_node("Conj")
def Conj(n: Node) -> Complex:
    real, imaginary = _parts(n, 0)
    return Complex(real, n.e.emit("Neg", imaginary, shape=n.e.shape(imaginary)))


@tf_node("ComplexAbs")
def ComplexAbs(n: Node) -> ir.Value:
    return root_of_squares(n, *_parts(n, 0))


@tf_node("Angle")
def Angle(n: Node) -> ir.Value:
    real, imaginary = _parts(n, 0)
    return n.emit("Atan2", imaginary, real)


def product(n: Node) -> Complex:
    """The product of two complex tensors."""
    (a, b), (c, d) = _parts(n, 0), _parts(n, 1)
    real = n.emit("Sub", n.emit("Mul", a, c), n.emit("Mul", b, d))
    return Complex(real, n.emit("Add", n.emit("Mul", a, d), n.emit("Mul", b, c)))


# --- transforms -------------------------------------------------------------------------------------------------------


def _count(n: Node) -> int:
    """Over how many of the last axes the transform goes."""
    return int(n.kind[-2]) if n.kind.endswith("D") else 1


def _transformed(n: Node, pair: ir.Value, axis: int, **options: Any) -> ir.Value:
    """A transform of pairs along one axis; its own length, unless one is asked for."""
    e = n.e
    shape = list(e.shape(pair))
    length = options.pop("length", None)
    size = shape[axis] if length is None else length
    shape[axis] = size // 2 + 1 if options.get("onesided") and size is not None else size
    wanted = None if length is None else np.asarray(length, np.int64)
    return e.emit("DFT", pair, wanted, np.asarray(axis, np.int64), shape=[*shape[:-1], 2], **options)


def _pair(n: Node, real: ir.Value, imaginary: ir.Value) -> ir.Value:
    rank = n.e.rank(real)
    ends = [n.e.unsqueeze(part, [rank]) for part in (real, imaginary)]
    return n.e.emit("Concat", *ends, axis=rank, shape=(*n.e.shape(real), 2))


def _split(n: Node, pair: ir.Value) -> Complex:
    last = n.e.rank(pair) - 1
    real, imaginary = (n.e.squeeze(cut(n.e, pair, {last: slice(k, k + 1)}), [last]) for k in range(2))
    return Complex(real, imaginary)


@tf_node(*(f"{way}FFT{axes}" for way in ("", "I") for axes in ("", "2D", "3D")))
def FFT(n: Node) -> Complex:
    pair = _pair(n, *_parts(n, 0))
    for axis in range(n.e.rank(pair) - 1 - _count(n), n.e.rank(pair) - 1):
        pair = _transformed(n, pair, axis, inverse=int(n.kind.startswith("I")))
    return _split(n, pair)


@tf_node("RFFT", "RFFT2D", "RFFT3D")
def RFFT(n: Node) -> Complex:
    """Of real numbers: half of the last axis, the other half is its mirror image."""
    x, lengths = n.value(0), n.ints(1)
    rank = n.e.rank(x)
    pair = _transformed(n, n.e.unsqueeze(x, [rank]), rank - 1, onesided=1, length=lengths[-1])
    for axis, length in zip(range(rank - len(lengths), rank - 1), lengths, strict=False):
        pair = _transformed(n, pair, axis, length=length)
    return _split(n, pair)


@tf_node("IRFFT", "IRFFT2D", "IRFFT3D")
def IRFFT(n: Node) -> ir.Value:
    """Back to real numbers: the missing half is put in its place."""
    lengths = n.ints(1)
    pair = _pair(n, *_parts(n, 0))
    rank = n.e.rank(pair) - 1
    for axis, length in zip(range(rank - len(lengths), rank - 1), lengths, strict=False):
        pair = _transformed(n, pair, axis, inverse=1, length=length)
    return _split(n, _transformed(n, _mirrored(n, pair, rank - 1, lengths[-1]), rank - 1, inverse=1)).real


def _mirrored(n: Node, pair: ir.Value, axis: int, length: int) -> ir.Value:
    """All ``length`` entries of a spectrum of real numbers, of its first half."""
    e = n.e
    half, size = length // 2 + 1, e.shape(pair)[axis]
    if size is None:
        n.refuse("a spectrum of free size")
    pair = cut(e, pair, {axis: slice(0, half)}) if size > half else pair
    if size < half:
        pads = np.zeros((2, e.rank(pair)), np.int64)
        pads[1, axis] = half - size
        shape = [half if k == axis else s for k, s in enumerate(e.shape(pair))]
        pair = e.emit("Pad", pair, pads.ravel(), None, mode="constant", shape=shape)
    if length < 3:
        return pair
    rest = cut(e, pair, {axis: slice(length - half, 0, -1)})
    signs = np.asarray([1, -1], pair.dtype.numpy() if pair.dtype is not None else np.float32)
    rest = e.emit("Mul", rest, e.constant(signs), shape=e.shape(rest))
    shape = [length if k == axis else s for k, s in enumerate(e.shape(pair))]
    return e.emit("Concat", pair, rest, axis=axis, shape=shape)
