"""Masks of graph values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metannvis_translate.frameworks.keras.trace import standin_for
from metannvis_translate.frameworks.requirements import require

if TYPE_CHECKING:
    import onnx_ir as ir

    from metannvis_translate.frameworks.keras.exporter.builder import KerasEmitter

__all__ = ["HubMasks"]


class HubMasks:
    """See :class:`~metannvis_translate.frameworks.keras.masks.Masks`."""

    def __init__(self, emitter: KerasEmitter) -> None:
        self.emitter = emitter
        self._masks: dict[int, tuple[ir.Value, ir.Value]] = {}  # the value too, so that its id stays its own

    def get(self, x: Any) -> ir.Value | None:
        """Mask of a value."""
        found = self._masks.get(id(x))
        return None if found is None else found[1]

    def set(self, x: Any, mask: Any) -> None:
        """Hang a mask on a value."""
        if mask is None:
            self._masks.pop(id(x), None)
        else:
            self._masks[id(x)] = (x, mask)

    def computed(self, layer: Any, first: Any, previous: Any) -> Any:
        """Mask of what a layer returns: nodes that do what its ``compute_mask`` does."""
        import onnx_ir as ir

        keras, e = require("keras"), self.emitter
        if type(layer).compute_mask is keras.layers.Layer.compute_mask:
            return previous
        standins: dict[int, tuple[ir.Value, Any]] = {}

        def standin(x: Any) -> Any:
            if not isinstance(x, ir.Value):
                return x
            if id(x) not in standins:
                shape, dtype = e.spec(x)
                standins[id(x)] = (x, standin_for(shape, dtype))
            return standins[id(x)][1]

        result = layer.compute_mask(*keras.tree.map_structure(standin, (first, previous)))
        inputs = [tensor for _, tensor in standins.values()]
        own = {id(tensor): value for value, tensor in standins.values()}

        def emitted(mask: Any) -> Any:
            if mask is None:
                return None
            if id(mask) in own:
                return own[id(mask)]
            if not isinstance(mask, keras.KerasTensor):
                return e.tensor(mask)
            before = (e.operation, e.layer, e.path)
            e.operation = layer
            result = e.walk.graph(keras.Function(inputs, mask), [value for value, _ in standins.values()], f"{e.path}/")
            e.operation, e.layer, e.path = before
            return result

        return keras.tree.map_structure(emitted, result)
