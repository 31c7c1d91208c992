"""The importer to PyTorch: a ``torch.fx.GraphModule`` of native modules, channels first, named after the source's layers.

The result is what an engineer would write for Captum: each activation, pool, normalisation and addition is a module of
its own that is called once and not in place; what only moves elements is a function.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import fx, nn

from metannvis_translate.frameworks.protocol import Progress
from metannvis_translate.frameworks.torch.importer.integers import LACKING, narrowed, widened
from metannvis_translate.frameworks.torch.importer.names import Names, identifier
from metannvis_translate.frameworks.torch.importer.onnx2torch_fallback import convert_by_onnx2torch
from metannvis_translate.frameworks.torch.importer.order import in_reading_order
from metannvis_translate.frameworks.torch.importer.patterns import joined_nodes
from metannvis_translate.frameworks.torch.importer.registry import registry
from metannvis_translate.frameworks.torch.importer.sizes import SIZE_OPERATORS, Size, Sizes, calculate, limited
from metannvis_translate.frameworks.torch.program import PORTS
from metannvis_translate.graph import axes, layout
from metannvis_translate.graph.layout import LaidOut, Order
from metannvis_translate.graph.model import ExportedGraph, HubPort
from metannvis_translate.importing.base import GraphImporter
from metannvis_translate.importing.batch_limits import BatchLimit
from metannvis_translate.importing.values import ConstantValue, Value
from metannvis_translate.layers import LayerInfo

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = ["TorchImporter", "tensor_of"]

Array = np.ndarray[Any, Any]


def tensor_of(array: Array) -> torch.Tensor:
    """A tensor of its own memory with the array's elements and type."""
    name = array.dtype.name
    if name == "bfloat16" or name.startswith("float8"):  # NumPy has them through ml_dtypes, which PyTorch does not take
        bits = np.array(array, order="C").view(np.int16 if name == "bfloat16" else np.int8)
        return torch.from_numpy(bits).view(getattr(torch, name))
    return torch.from_numpy(np.array(array, order="C"))


class TorchImporter(GraphImporter):
    """See :class:`~metannvis_translate.importing.base.GraphImporter`.

    Converters call :meth:`module` and :meth:`function` to compute, :meth:`operand` for what an elementwise operator
    takes, :meth:`weight` for a module's own weights.
    """

    registry = registry
    follows_weights = True
    register_hint = (
        "Register a converter: from metannvis_translate.frameworks.torch.importer.registry import converter; "
        '@converter("Name", since=1) def Name(ctx, X, *, attribute=default): ...'
    )

    def __init__(self, hub: ExportedGraph, *, dtype: str | None, progress: Progress) -> None:
        super().__init__(hub, dtype=dtype, progress=progress)
        self.graph = fx.Graph()
        self.names = Names(hub)
        #: modules, parameters and buffers of the target, by path
        self.parts: dict[str, Any] = {}
        self._weights: dict[tuple[str, str], nn.Parameter] = {}
        #: values of weights that several nodes read
        self._tied = [name for name, value in hub.model.graph.initializers.items() if len(value.uses()) > 1]
        self._free: dict[tuple[Any, ...], fx.Node] = {}
        self._stored: dict[str, tuple[fx.Node, tuple[int, ...], Order]] = {}
        self._exposed: set[fx.Node] = set()
        self._joined, self._inside = joined_nodes(hub)

    # --- the framework's side --------------------------------------------------------------------------------------

    def input_order(self, port: HubPort) -> Order:
        """Channels first where the input has channels."""
        return axes.with_channels_first(port.axes) or layout.identity(len(port.shape))

    def add_input(self, port: HubPort, order: Order) -> fx.Node:
        """A placeholder."""
        return self.graph.placeholder(self.names.claim(identifier(port.name)))

    def limit_size(self, tensor: fx.Node, axis: int, port: HubPort, limit: BatchLimit) -> fx.Node:
        """A function in the graph: what is hooked onto a model is lost where it is copied."""
        name = self.names.claim(f"{identifier(port.name)}_batch")
        return self.graph.create_node(
            "call_function", limited, (tensor, axis, limit.exact, limit.least, limit.text), name=name
        )

    def transpose(self, tensor: fx.Node, perm: Order) -> fx.Node:
        """``torch.permute``."""
        return self.function(torch.permute, tensor, perm)

    def constant(self, const: ConstantValue, order: Order) -> fx.Node:
        """A parameter of the model itself if the source trains it, else a buffer."""
        return self._free_tensor(const, const.array.shape, order)

    def lift(self, value: LaidOut, order: Order) -> fx.Node:
        """``torch.unsqueeze`` where axes are missing."""
        tensor, missing = value.tensor, len(order) - value.rank
        for k, axis in enumerate(order):
            if axis < missing:
                tensor = self.function(torch.unsqueeze, tensor, k)
        return tensor

    def expose(self, placed: LaidOut, value: ir.Value) -> LaidOut:
        """A function that returns what a layer does has the layer's name, unless a module has it."""
        path, node = self.names.scope(self.node), placed.tensor
        if node.op in ("call_function", "call_method") and self.names.is_free(path) and node not in self._exposed:
            self._exposed.add(node)
            node._rename(identifier(self.names.claim(path).replace(".", "_")))
        return placed

    def describe(self, placed: LaidOut, value: ir.Value) -> LayerInfo:
        """Path of a module, or name of a graph node that is a function."""
        node = placed.tensor
        self._exposed.add(node)  # what is found by this name keeps it, though another layer may return the same tensor
        name = node.target if node.op in ("call_module", "get_attr") else node.name
        known = tuple(d if isinstance(d, int) else None for d in value.shape) if value.shape is not None else None
        dims = placed.arrange(known) if known is not None and len(known) == placed.rank else (None,) * placed.rank
        return LayerInfo(str(name), self._kind(node), dims)

    def _kind(self, node: fx.Node) -> str:
        if node.op == "call_module":
            return type(self.parts[str(node.target)]).__name__
        if node.op == "placeholder":
            return "input"
        return str(getattr(node.target, "__name__", node.target)) if node.op != "get_attr" else "parameter"

    def finish(self, outputs: Sequence[LaidOut]) -> fx.GraphModule:
        """The model, in inference mode."""
        tensors = tuple(output.tensor for output in outputs)
        self.graph.output(tensors[0] if len(tensors) == 1 else tensors)
        if self.hub.conventions.runs_by_depth:
            in_reading_order(self.graph)
        self.graph.lint()
        model = fx.GraphModule(self.parts, self.graph, class_name="TranslatedModule")
        model.meta[PORTS] = [
            (port.name, tuple(port.shape[k] for k in self.input_order(port)), self.float_dtype(port.dtype))
            for port in self.hub.inputs
        ]
        return model.eval()

    def object_names(self, model: Any) -> dict[int, str]:
        """Paths of all modules."""
        return {id(module): path for path, module in model.named_modules() if path}

    def convert_unregistered(self, node: ir.Node, inputs: Sequence[Value | None]) -> tuple[Value, ...] | None:
        """By onnx2torch's converters."""
        return convert_by_onnx2torch(self, node, inputs)

    def _convert(self, node: ir.Node) -> None:
        if id(node) in self._inside:
            return
        if id(node) in self._joined:
            joined, output = self._joined[id(node)], node.outputs[0]
            x = self.placed(self._lookup(joined.input))
            suffix = None if self.names.is_main(node) else joined.suffix
            result = LaidOut(self.module(joined.make(), x.tensor, suffix=suffix), x.order)
            self.values[output.name or ""] = result
            self._record(output, result)
            return
        values = [self.values.get(value.name or "") for value in node.inputs if value is not None]
        if node.op_type in SIZE_OPERATORS and any(isinstance(value, Sizes) for value in values):
            constants = [value for value in values if isinstance(value, ConstantValue)]
            sizes = calculate(node, constants) if len(constants) == len(values) else None
            if sizes is not None:
                self.values[node.outputs[0].name or ""] = sizes
                return
        for value in (*node.inputs, *node.outputs):
            if value is not None and value.dtype is not None and value.dtype.name in LACKING:
                self.refuse(f"PyTorch cannot compute with {value.dtype.name}")
        super()._convert(node)

    def operands_of(self, node: ir.Node, inputs: list[Value | None]) -> list[Value | None]:
        """Unsigned integers in more bits, where PyTorch has no kernel for them."""
        return widened(self, node, inputs)

    def results_of(self, node: ir.Node, results: Sequence[Value]) -> Sequence[Value]:
        """Unsigned integers in the bits that the graph says."""
        rows = zip(node.outputs, results, strict=False)
        return [narrowed(self, node, value, result) for value, result in rows]

    # --- what converters use ---------------------------------------------------------------------------------------

    def known(self, value: Value | None, what: str) -> Array:
        """The array of an input that has to be known now."""
        if isinstance(value, Sizes):
            self.refuse(f"its {what} depends on a free size")
        return super().known(value, what)

    def sizes(self, value: Value, what: str) -> list[Any]:
        """The elements of an integer tensor: numbers, and graph nodes for those known when the model runs."""
        array = value.array if isinstance(value, Sizes) else self.known(value, what)
        return [element.node if isinstance(element, Size) else element for element in array.reshape(-1).tolist()]

    def module(self, module: nn.Module, *args: Any, suffix: str | None = None) -> fx.Node:
        """Put a module into the model, named after the current node, and call it."""
        path = self.names.claim(self.names.wish(self.node, suffix or self.node.op_type.lower()))
        self.parts[path] = module
        return self.graph.call_module(path, args)

    def function(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> fx.Node:
        """Call a function. Name it by what it does: functions are found by the name of their graph node."""
        return self._node("call_function", function, getattr(function, "__name__", "function"), args, kwargs)

    def method(self, method: str, *args: Any, **kwargs: Any) -> fx.Node:
        """Call a method of the first argument."""
        return self._node("call_method", method, method, args, kwargs)

    def _node(self, op: str, target: Any, suffix: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> fx.Node:
        wish = self.names.wish(self.node, suffix.strip("_"))
        name = self.names.claim(identifier(wish.replace(".", "_")))
        return self.graph.create_node(op, target, args, kwargs, name=name)

    def weight(self, const: ConstantValue, form: str = "", array: Array | None = None) -> nn.Parameter:
        """A constant as a module's own weight: the same parameter wherever the source has the same weight.

        ``array`` is the constant in another form (transposed, say) and ``form`` says in which.
        """
        key = (const.name, form)
        if not const.name or key not in self._weights:
            self._weights[key] = self._form(const, const.array if array is None else array)
        return self._weights[key]

    def _form(self, const: ConstantValue, array: Array) -> nn.Parameter:
        """A weight in some form: where the source has it in other forms elsewhere, one that shares its memory."""
        for whole in map(self.values.get, self._tied if const.trainable else ()):
            if not isinstance(whole, ConstantValue) or not np.shares_memory(array, whole.array):
                continue
            own = whole.array
            if array is own or not own.flags.c_contiguous:
                break
            if array.shape == own.shape and array.strides == own.strides:
                return self.weight(whole)
            size = array.itemsize
            offset = array.__array_interface__["data"][0] - own.__array_interface__["data"][0]
            strides = [stride // size for stride in array.strides]
            view = self.weight(whole).detach().as_strided(array.shape, strides, offset // size)
            return nn.Parameter(view, requires_grad=not const.frozen)
        return nn.Parameter(tensor_of(array), requires_grad=not const.frozen)

    def buffer(self, array: Array) -> torch.Tensor:
        """An array as a buffer, floats in the type that the model computes in."""
        return tensor_of(self._floats(array))

    def operand(self, value: Value, order: Order, *, scalars: bool = True) -> Any:
        """What broadcasts against tensors lying as ``order`` says: a Python number, a weight or a tensor."""
        if isinstance(value, LaidOut) or value.recipe is not None:
            return self.broadcastable(value, order)
        number: Any = value.scalar()
        if isinstance(number, Size):
            return number.node
        if scalars and number is not None and not value.trainable:
            return number
        missing = len(order) - value.rank
        if layout.is_identity(order) or missing < 0:
            return self._free_tensor(value, value.array.shape, layout.identity(value.rank))
        return self._free_tensor(value, (1,) * missing + value.array.shape, order)

    def _free_tensor(self, const: ConstantValue, shape: tuple[int, ...], order: Order) -> fx.Node:
        """A parameter or buffer of the model itself, of that logical shape, lying as ``order`` says."""
        if isinstance(const, Sizes):
            elements = np.reshape(
                [e.node if isinstance(e, Size) else e for e in const.array.ravel()], const.array.shape
            )
            return self.function(torch.tensor, elements.transpose(order).tolist(), dtype=getattr(torch, const.dtype))
        key = (const.name or id(const), shape, order)
        if key in self._free:
            return self._free[key]
        if const.trainable and const.name in self._stored:
            node, shape_before, order_before = self._stored[const.name]
            if not layout.is_identity(order_before):
                node = self.transpose(node, layout.inverse(order_before))
            if shape != shape_before:
                node = self.function(torch.reshape, node, shape)
            if not layout.is_identity(order):
                node = self.transpose(node, order)
        else:
            last = const.name.replace("/", ".").rpartition(".")[2].partition(":")[0]
            what = identifier(last) if const.trainable and last else "constant"
            scope = self.names.scope(self.node)
            path = self.names.claim(f"{scope}_{what}" if scope else what)
            if const.trainable and shape == const.array.shape and layout.is_identity(order):
                self.parts[path] = self.weight(const)
            else:
                tensor = tensor_of(const.array.reshape(shape).transpose(order))
                self.parts[path] = nn.Parameter(tensor, requires_grad=not const.frozen) if const.trainable else tensor
            node = self.graph.create_node("get_attr", path, (), {}, name=identifier(path.replace(".", "_")))
            self._stored[const.name] = (node, shape, order)
        self._free[key] = node
        return node

    def numpy_dtype(self, value: ir.Value | None) -> np.dtype[Any] | None:
        """Type that a value has in the target, ``None`` if the graph does not say."""
        if value is None or value.dtype is None or value.dtype.name == "STRING":
            return None
        return np.dtype(self.float_dtype(value.dtype.numpy().name))

    def is_integer(self, position: int = 0) -> bool:
        """Whether an input of the current node is known to hold integers or truth values."""
        dtype = self.numpy_dtype(self.node.inputs[position])
        return dtype is not None and dtype.kind in "iub"
