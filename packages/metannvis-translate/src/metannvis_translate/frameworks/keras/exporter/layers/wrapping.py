"""Layers that hold another one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metannvis_translate.frameworks.keras.exporter.layers.registry import keras_layer

if TYPE_CHECKING:
    import onnx_ir as ir

    from metannvis_translate.frameworks.keras.exporter.builder import KerasEmitter


@keras_layer("TimeDistributed")
def TimeDistributed(e: KerasEmitter, layer: Any, x: ir.Value, mask: Any = None) -> ir.Value:
    """The layer on all steps of all samples at once, as on a larger batch."""
    inner = layer.layer
    batch, time, *rest = e.shape(x)
    together = None if batch is None or time is None else batch * time
    if any(size is None for size in rest):
        e.refuse(f"the sizes {tuple(rest)} of a step are not all known")
    flat = e.reshape(x, [-1, *rest], result=(together, *rest))
    given = {}
    if mask is not None and inner._call_has_mask_arg:
        given["mask"] = e.reshape(mask, [-1, *e.shape(mask)[2:]], result=(together, *e.shape(mask)[2:]))
    y = e.inner(inner, flat, **given)
    if isinstance(y, (list, tuple)):
        e.refuse("its layer puts out several tensors")
    _, *sizes = e.shape(y)
    if any(size is None for size in sizes):
        e.refuse(f"the sizes {tuple(sizes)} of what its layer puts out are not all known")
    size = -1 if time is None else time
    if time is None:
        shape = e.emit("Shape", x, start=0, end=2, dtype="int64", shape=[2])
        if sizes:
            known = e.ints(*(int(size or 0) for size in sizes))
            shape = e.emit("Concat", shape, known, axis=0, shape=[2 + len(sizes)])
        return e.emit("Reshape", y, shape, shape=(batch, None, *sizes))
    return e.reshape(y, [-1, size, *sizes], result=(batch, time, *sizes))
