"""Addition: ``keras.ops.add`` as Keras on TensorFlow computes it.

It takes a second operand with a single axis longer than one for a bias of the first one's last axis, or else of axis 1, if the
lengths agree, wherever that axis really is: to ``(N, 3, 3, 1)`` it adds ``(3, 1)`` along axis 1. Models were trained that way,
so a translation has to add that way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx_ir as ir

    from metannvis_translate.frameworks.keras.exporter.builder import KerasEmitter

__all__ = ["keras_sum", "line_of"]


def line_of(sizes: tuple[int | None, ...], part: tuple[int | None, ...]) -> tuple[int, ...] | None:
    """Shape that Keras' ``add`` gives its second operand, if that is not what it is broadcast as.

    Where a size beside one is free, the second operand has a batch, and is a bias at no batch size but by chance.
    """
    long = [size for size in part if size != 1]
    if len(long) != 1 or long[0] is None or len(sizes) < 2 or long[0] not in (sizes[1], sizes[-1]):
        return None
    axis = len(sizes) - 1 if sizes[-1] == long[0] else 1
    if len(sizes) - len(part) + part.index(long[0]) == axis:
        return None
    return (long[0], *[1] * (len(sizes) - 1 - axis))


def keras_sum(
    e: KerasEmitter, x: ir.Value, y: ir.Value, *, shape: tuple[int | None, ...] | None, is_sure: bool = True
) -> ir.Value:
    """The sum of two values; refused if that it is ``keras.ops.add`` makes a difference and is not sure."""
    line = line_of(e.shape(x), e.shape(y))
    if line is not None:
        if not is_sure:
            e.refuse(
                "keras.ops.add computes this sum along another axis than + does, and a traced layer may mean either"
            )
        y = e.reshape(y, list(line), result=line)
    return e.emit("Add", x, y, shape=shape)
