"""Masks of graph values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from metannvis_translate.frameworks.keras.trace import standin_for
from metannvis_translate.frameworks.requirements import require

if TYPE_CHECKING:
    import onnx_ir as ir

    from metannvis_translate.frameworks.keras.exporter.builder import KerasEmitter
    from metannvis_translate.frameworks.keras.masks import Masks

__all__ = ["HubMasks", "hand_on_masks"]

#: A size that is not known, where zeros are made.
FREE = 2


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


def hand_on_masks(
    operation: Any,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    outputs: Sequence[ir.Value],
    emitter: KerasEmitter,
    masks: Masks,
) -> None:
    """Hang masks on outputs that are tensors which Keras returns as they were given.

    A cast to the same dtype returns what it is given; a transposition to the same order of axes makes another tensor, on which
    no mask hangs. Keras is asked by a call on zeros, where an output is like an input that has a mask. Layers that support
    masks hand them on by themselves.
    """
    import onnx_ir as ir

    if getattr(operation, "supports_masking", False):
        return
    tree = require("keras").tree
    values = {id(x): x for x in tree.flatten((args, kwargs)) if isinstance(x, ir.Value)}
    masked = [(x, mask) for x in values.values() if (mask := masks.get(x)) is not None]
    like = [emitter.spec(x) for x, _ in masked]
    if not any(masks.get(x) is None and x.shape is not None and emitter.spec(x) in like for x in outputs):
        return
    zeros = {}
    for key, value in values.items():
        shape, dtype = emitter.spec(value)
        zeros[key] = require("tensorflow").zeros([size or FREE for size in shape], dtype)
    args, kwargs = tree.map_structure(lambda x: zeros.get(id(x), x), (tuple(args), dict(kwargs)))
    try:
        found = tree.flatten(operation.call(*args, **kwargs))
    except Exception:  # noqa: BLE001  # whatever zeros of sizes that nobody knows make it raise
        return
    for output, tensor in zip(outputs, found, strict=False):
        mask = next((mask for x, mask in masked if zeros[id(x)] is tensor), None)
        if mask is not None:
            masks.set(output, mask)
