"""Graph builder for Keras converters: weights, activation functions and refusals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from metannvis_translate.errors import UnsupportedOperatorError
from metannvis_translate.frameworks.keras.exporter.layers import (
    HINT,
    activations,
    class_name,
    find_layer_converter,
    load_families,
)
from metannvis_translate.graph.builder import Emitter, Shape
from metannvis_translate.graph.metadata import BUFFER, FROZEN

if TYPE_CHECKING:
    import onnx_ir as ir

    from metannvis_translate.frameworks.keras.graph import Walk

__all__ = ["KerasEmitter", "array_of"]

Array = np.ndarray[Any, Any]


class KerasEmitter(Emitter):
    """Emits nodes for one Keras layer at a time.

    Attributes
    ----------
    operation
        Layer or operation that is being converted.
    path
        Its path, without call number.
    specs
        KerasTensors of what it returns: shapes and dtypes.
    walk
        The walk through the model, to trace functions that have no converter.
    notes
        What a reader of the report should know.
    single
        What Keras computes in single precision in a model in double, as ``operator: reason``.
    """

    walk: Walk

    def __init__(self) -> None:
        super().__init__()
        self.operation: Any = None
        #: whether the current operation is called by a layer whose ``call`` is traced
        self.inside_a_layer = False
        self.path = ""
        self.specs: Sequence[Any] = ()
        #: whether the model that is exported is in double precision
        self.is_double = False
        #: weights of the model that is exported
        self.weights: Sequence[Any] = ()
        self.notes: list[str] = []
        self.single: list[str] = []

    # --- weights and constants -----------------------------------------------------------------------------------------

    def weight_of(
        self,
        layer: Any,
        attribute: str,
        *,
        shape: Sequence[int] | None = None,
        perm: Sequence[int] | None = None,
    ) -> ir.Value:
        """A weight of a layer as an initialiser, reshaped and transposed (in this order) if asked to."""
        return self.variable(getattr(layer, attribute), attribute, layer=layer, shape=shape, perm=perm)

    def variable(
        self,
        variable: Any,
        name: str,
        *,
        layer: Any = None,
        shape: Sequence[int] | None = None,
        perm: Sequence[int] | None = None,
    ) -> ir.Value:
        """A Keras variable (or array) as an initialiser, cast to what the layer computes in."""
        array = array_of(variable)
        if shape is not None:
            array = array.reshape(shape)
        if perm is not None:
            array = array.transpose(perm)
        buffers = getattr(layer, "_non_trainable_variables", ())
        value = self.weight(
            (id(variable), None if shape is None else tuple(shape), None if perm is None else tuple(perm)),
            f"{self.path}/{name}",
            array,
            trainable=hasattr(variable, "trainable") and not any(one is variable for one in buffers),
        )
        if BUFFER not in value.metadata_props and not getattr(variable, "trainable", True):
            value.metadata_props[FROZEN] = "1"
        wanted = getattr(layer, "compute_dtype", None)
        return self.cast(value, wanted) if wanted and array.dtype.kind not in "iub" else value

    def own_weight(self, layer: Any, variable: Any) -> ir.Value:
        """A weight of a layer whose ``call`` is traced."""
        cast = layer.autocast and "float" in variable.dtype
        return self.variable(variable, variable.name, layer=layer if cast else None)

    def buffer(self, name: str, array: Array) -> ir.Value:
        """A constant of a layer that is as large as a weight but is none."""
        return self.weight((self.path, name, array.dtype.str), f"{self.path}/{name}", array, trainable=False)

    def tensor(self, x: Any, dtype: Any = None) -> ir.Value:
        """Whatever stands among an operation's arguments, as a value: a value, a variable, an array, a scalar."""
        import onnx_ir as ir

        if isinstance(x, ir.Value):
            return x if dtype is None else self.cast(x, dtype)
        if isinstance(x, (bool, int, float)):
            kind = self.dtype_of(dtype).numpy() if dtype is not None else np.asarray(x).dtype
            return self.constant(np.asarray(x).astype(kind), exact=float(x) if kind.kind not in "iub" else None)
        if hasattr(x, "trainable") and hasattr(x, "path"):
            value = self.variable(x, x.name)
        else:
            value = self._moved_weight(x) or self.constant(np.ascontiguousarray(array_of(x)))
        return value if dtype is None else self.cast(value, dtype)

    def _moved_weight(self, x: Any) -> ir.Value | None:
        """A weight, transposed, that a layer's code computed while it was traced: the same weight whenever it runs."""
        if not self.walk.in_code or len(getattr(x, "shape", ())) != 2 or 1 in x.shape:
            return None
        array = array_of(x)
        for variable in self.weights:
            if tuple(variable.shape) == array.shape[::-1] and np.array_equal(array_of(variable).T, array):
                return self.transpose(self.variable(variable, variable.name), [1, 0])
        return None

    def cast(self, x: ir.Value, dtype: Any) -> ir.Value:
        """Cast; what a model in double precision casts to single precision itself is told."""
        import onnx_ir as ir

        wanted = self.dtype_of(dtype)
        if self.is_double and x.dtype != wanted and wanted == ir.DataType.FLOAT and x.dtype != ir.DataType.BOOL:
            self.single.append(f"{class_name(self.operation)}: the model itself computes it in float32")
        return super().cast(x, dtype)

    # --- what Keras says ----------------------------------------------------------------------------------------------

    @property
    def dtype(self) -> Any:
        """Dtype of what the layer returns."""
        return self.specs[0].dtype

    def promoted(self, x: ir.Value) -> ir.Value:
        """The value in the dtype of the result. Floats stay: some operations of Keras declare float32 whatever comes in."""
        is_float = x.dtype is not None and x.dtype.is_floating_point()
        return x if is_float and self.dtype_of(self.dtype).is_floating_point() else self.cast(x, self.dtype)

    def output_shape(self) -> Shape:
        """Shape of what the layer returns."""
        return tuple(self.specs[0].shape)

    def spec(self, value: ir.Value) -> tuple[Shape, str]:
        """Shape and Keras dtype of a value."""
        dtype = value.dtype.numpy().name if value.dtype is not None else "float32"
        return self.shape(value), dtype

    def activate(self, function: Any, x: ir.Value) -> ir.Value:
        """Apply an activation: a function of Keras' own, a layer, or any function made of ``keras.ops``."""
        if function is None:
            return x
        load_families()
        name = getattr(function, "__name__", "")
        if getattr(function, "__module__", "").startswith("keras.src.activations") and (row := activations.get(name)):
            return row(self, x)
        if (row := find_layer_converter(function)) is not None:
            return row(self, function, x)
        operation = self.operation
        result = self.traced(function, x)
        self.operation = operation
        return result

    def traced(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        """What a function made of ``keras.ops`` (or a layer without a converter) returns."""
        return self.walk.through(self.walk.opened(function, args, kwargs), f"{self.path}/")

    def inner(self, layer: Any, *args: Any, **kwargs: Any) -> Any:
        """What a layer that the current one holds returns."""
        from metannvis_translate.frameworks.keras.graph import Call

        path = f"{self.path}/{layer.name}"
        return self.walk.call(Call(layer, path, path, args, kwargs))

    def mask_of(self, x: ir.Value) -> ir.Value | None:
        """Mask that hangs on a value."""
        return self.walk.masks.get(x)

    def set_mask(self, x: ir.Value, mask: ir.Value | None) -> None:
        """Hang a mask on a value, as ``call`` itself does in some layers."""
        self.walk.masks.set(x, mask)

    def note(self, text: str) -> None:
        """Say something about the current layer to who reads the report."""
        self.notes.append(f"{self.layer}: {text}")

    def refuse(self, reason: str) -> NoReturn:
        """Raise the documented refusal for the current layer."""
        name = class_name(self.operation)
        raise UnsupportedOperatorError(name, layer=self.layer or None, reason=reason, hint=HINT)


def array_of(x: Any) -> Array:
    """A variable, tensor or array as a NumPy array, without a copy where TensorFlow lets us."""
    value = getattr(x, "value", x)  # of a Keras variable: the tf.Variable, or the tensor it casts to
    if callable(value):
        value = x
    if hasattr(value, "read_value"):
        value = value.read_value()  # its buffer is copied by TensorFlow if the variable changes later
    array = np.asarray(value)
    if array.dtype.name == "bfloat16" or not array.flags.writeable:
        return array
    array = array.view()
    array.flags.writeable = not hasattr(x, "trainable")
    return array
