"""Convolutional LSTMs, step by step: the gates are convolutions of the input and of what the last step returned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metannvis_translate.frameworks.keras.exporter.layers.conv import convolution, image, kernel_perm, restore
from metannvis_translate.frameworks.keras.exporter.layers.recurrent_steps import flipped, stepwise
from metannvis_translate.frameworks.keras.exporter.layers.registry import keras_layer

if TYPE_CHECKING:
    import onnx_ir as ir

    from metannvis_translate.frameworks.keras.exporter.builder import KerasEmitter


@keras_layer("ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D")
def ConvLSTM(e: KerasEmitter, layer: Any, x: ir.Value, initial_state: Any = None, mask: Any = None) -> Any:
    """The four gates of Keras in one convolution each, for all steps of the input at once."""
    import keras

    cell = layer.cell
    rank, ones = int(cell.rank), (1,) * int(cell.rank)
    if mask is not None:
        mask = keras.tree.flatten(mask)[0]
    if layer.go_backwards:
        x = flipped(e, x)
        mask = None if mask is None else flipped(e, mask)
    states = None if initial_state is None else keras.tree.flatten(initial_state)
    if layer.stateful and states is None:
        e.note("it starts every call from the state that it held when it was translated (stateful=True)")
        states = [e.variable(v, f"state_{k}", layer=layer) for k, v in enumerate(keras.tree.flatten(layer.states))]
    batch, time, *sizes = e.shape(x)
    if any(size is None for size in sizes):
        e.refuse(f"sizes {tuple(sizes)} are not all known")
    together = None if batch is None or time is None else batch * time
    y = image(e, e.reshape(x, [-1, *sizes], result=(together, *sizes)), cell.data_format)
    y = convolution(
        e,
        y,
        e.weight_of(cell, "kernel", perm=kernel_perm(rank)),
        e.weight_of(cell, "bias") if cell.use_bias else None,
        group=1,
        strides=cell.strides,
        dilations=cell.dilation_rate,
        padding=cell.padding,
    )
    y = restore(e, y, cell.data_format)
    inside = e.shape(y)[1:]
    if time is None:
        e.refuse("the number of its steps is not known")
    from_x = e.reshape(y, [-1, time, *inside], result=(batch, time, *inside))
    recurrent = e.weight_of(cell, "recurrent_kernel", perm=kernel_perm(rank))
    axis = 1 if cell.data_format == "channels_first" else rank + 1

    def step(now: ir.Value, current: list[ir.Value]) -> tuple[ir.Value, list[ir.Value]]:
        h, c = current
        from_h = convolution(
            e,
            image(e, h, cell.data_format),
            recurrent,
            None,
            group=1,
            strides=ones,
            dilations=ones,
            padding="same",
        )
        gates = e.emit("Add", now, restore(e, from_h, cell.data_format), shape=e.shape(now))
        shape = e.shape(c)
        i, f, g, o = e.emit_many("Split", gates, axis=axis, num_outputs=4, outputs=4, shapes=[shape] * 4)
        i, f, o = (e.activate(cell.recurrent_activation, gate) for gate in (i, f, o))
        kept = e.emit("Mul", f, c, shape=shape)
        c = e.emit("Add", kept, e.emit("Mul", i, e.activate(cell.activation, g), shape=shape), shape=shape)
        h = e.emit("Mul", o, e.activate(cell.activation, c), shape=shape)
        return h, [h, c]

    y, last, ends = stepwise(e, layer, from_x, states, mask, step)
    output = y if layer.return_sequences else last
    return [output, *ends] if layer.return_state else output
