"""Operators of a trace as ONNX: by the functions that PyTorch's exporter has for them, and by ours in the place of some.

What it makes is what the dynamo exporter makes of the same calls, for it is made by the same functions.
"""

from __future__ import annotations

import functools
import operator
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from metannvis_translate.frameworks.torch.exporter.traced_calls import Call, Size, Trace, TracedValue, values_in
from metannvis_translate.process import patched

if TYPE_CHECKING:
    import onnx_ir as ir
    import torch

__all__ = ["Rules", "Translation"]


#: Node metadata while a graph is made: which call a node belongs to.
CALL = "metannvis.call"
#: Signatures of ONNX's operators by domain, name and version: PyTorch's exporter reads the operator's schema for every node.
_signatures: dict[tuple[str, str, int], Any] = {}


class Rules:
    """Which operators stay whole, how others are taken apart, and how dtypes are promoted.

    Parameters
    ----------
    translations
        Functions in the place of those of PyTorch's exporter, by operator.
    """

    def __init__(self, translations: Mapping[Any, Callable[..., Any]]) -> None:
        self._own = {func.name(): function for func, function in translations.items()}
        self._library, self._promotions = _library(), _promotions()

    def function(self, func: Any, is_complex: bool = False) -> Callable[..., Any] | None:
        """The function that writes an operator as ONNX, if there is one."""
        name = func.name() if hasattr(func, "name") else func
        if not is_complex and name in self._own:
            return self._own[name]
        for meta in self._library.functions.get(name, ()):
            if meta.is_complex == is_complex:
                function: Callable[..., Any] = meta.onnx_function
                return function
        return None

    def apart(self, func: Any, is_complex: bool) -> Callable[..., Any] | None:
        """What calls the operators that an operator is made of; ``None`` for one that stays whole.

        As in PyTorch's exporter, one that is made of others and may return what it is given is taken apart in any case.
        """
        if func._opname == "native_batch_norm":
            return _normalized
        composite = func._can_decompose()
        if self.function(func, is_complex) is not None and not (composite and _returns_views(func)):
            return None
        found: Callable[..., Any] | None = (
            functools.partial(_decomposed, func) if composite else _decompositions().get(func)
        )
        if found is None:
            raise NotImplementedError(f"No ONNX function found for {func!r}")
        return found

    def promoted(
        self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any], Any] | None:
        """Dtypes that an operator's arguments are promoted to, and the dtype of what it returns then."""
        rule = self._promotions.get_rule(func.overloadpacket)
        if rule is None:
            return None
        found = rule.preview_type_promotion(args, kwargs)
        return tuple(found.args_dtypes.get(k) for k in range(len(args))), found.kwargs_dtypes, found.out_dtype

    def dtype_of(self, number: complex) -> torch.dtype | None:
        """The dtype that stands for a Python number."""
        from torch.onnx._internal.fx import type_utils

        dtype: torch.dtype | None = type_utils.from_scalar_type_to_torch_dtype(type(number))
        return dtype

    def overload(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The overload of an operator that takes what its arguments were promoted to."""
        from torch.onnx._internal.fx.passes.type_promotion import find_compatible_op_overload

        return find_compatible_op_overload(func.overloadpacket, args, kwargs)


def _decomposed(func: Any, *args: Any, **kwargs: Any) -> Any:
    return func.decompose(*args, **kwargs)


def _normalized(
    x: Any, weight: Any, bias: Any, mean: Any, variance: Any, training: bool, momentum: float, epsilon: float
) -> Any:
    """A batch normalisation by statistics that are given."""
    import torch

    if training:
        raise NotImplementedError("a batch is normalised by its own statistics")
    operator = torch.ops.aten._native_batch_norm_legit_no_training.default
    return operator(x, weight, bias, mean, variance, momentum, epsilon)


@functools.cache
def _library() -> Any:
    from torch.onnx import _constants
    from torch.onnx._internal.exporter._registration import ONNXRegistry

    return ONNXRegistry.from_torchlib(opset_version=_constants.ONNX_DEFAULT_OPSET)


@functools.cache
def _returns_views(func: Any) -> bool:
    """Whether an operator may return the tensor that it is given, or a view of it."""
    from torch._decomp import _should_decompose_because_unsafe_op

    return any(argument.alias_info is not None for argument in func._schema.arguments) or bool(
        _should_decompose_because_unsafe_op(func)
    )


@functools.cache
def _promotions() -> Any:
    from torch.onnx._internal.fx.passes.type_promotion import TypePromotionTable

    return TypePromotionTable()


@functools.cache
def _decompositions() -> dict[Any, Callable[..., Any]]:
    """How operators are taken apart; which of them stay whole is asked before."""
    from torch.onnx._internal.exporter._decomp import create_onnx_friendly_decomposition_table

    return create_onnx_friendly_decomposition_table(set())


class Translation:
    """The ONNX graph of a trace.

    Parameters
    ----------
    rules
        They have the functions.
    names
        Names of the tensors that the model holds, by ``id``.
    annotate
        ``annotate(node, call)`` notes on a node of a call where it comes from.
    """

    def __init__(self, rules: Rules, names: Mapping[int, str], annotate: Callable[[ir.Node, Call], None]) -> None:
        import onnx_ir as ir
        from torch.onnx._internal.exporter import _constants, _core

        self.rules = rules
        self.tensor_names = dict(names)
        self.annotate = annotate
        self._used: Counter[str] = Counter()
        self._values: dict[TracedValue, Any] = {}
        self._sizes: dict[Size | None, Any] = {}
        self._farm: dict[Any, Any] = {}
        self._opset = _core._get_onnxscript_opset(rules._library.opset_version)
        graph = ir.Graph([], [], nodes=[], name="main_graph")
        self.model = ir.Model(graph, ir_version=_constants.ONNX_IR_VERSION, producer_name="pytorch")

    def translate(self, trace: Trace) -> ir.Model:
        from torch.onnx import _constants
        from torch.onnx._internal._lazy_import import onnxscript_apis as torch_apis
        from torch.onnx._internal.exporter import _ir_passes

        graph = self.model.graph
        for place, value in enumerate(trace.inputs):
            self._values[value] = self._new(f"args_{place}", value)
            graph.inputs.append(self._values[value])
        for place, call in enumerate(trace.calls):
            for node in self._translate(call):
                node.metadata_props[CALL] = str(place)
                graph.append(node)
        for value in trace.outputs:
            graph.outputs.append(self._output(value))
        _ir_passes.add_opset_imports(self.model)
        # what is not used goes, and functions are written out
        torch_apis.convert_version(self.model, _constants.ONNX_DEFAULT_OPSET)
        for node in graph:
            if CALL in node.metadata_props:
                self.annotate(node, trace.calls[int(node.metadata_props.pop(CALL))])
        return self.model

    def _translate(self, call: Call) -> list[ir.Node]:
        import onnx_ir as ir

        func, results = call.operator, call.result if isinstance(call.result, list) else [call.result]
        is_complex = any(v.dtype.is_complex for v in values_in((call.args, list(call.kwargs.values()))))
        function = self.rules.function(func, is_complex)
        if function is None:
            raise NotImplementedError(f"No ONNX function found for {func!r}")
        args = [self._argument(item) for item in call.args]
        kwargs = {key: self._argument(item) for key, item in call.kwargs.items()}
        if "dtype" in kwargs and kwargs["dtype"] is None:
            kwargs["dtype"] = -1
        nodes, made = self._run(function, args, kwargs)
        if (
            isinstance(call.result, list)
            and isinstance(made, ir.Value)
            and isinstance(made.type, ir.SequenceType | None)
        ):
            pieces = []
            getitem = self.rules.function(operator.getitem)
            assert getitem is not None
            for place in range(len(results)):
                more, piece = self._run(getitem, [made, place], {})
                nodes += more
                pieces.append(piece)
            made = pieces
        made = list(made) if isinstance(made, (list, tuple)) else [made]
        for value, output in zip(results, made, strict=False):
            if value is not None:
                self._describe(output, value)
                if output.name is None:
                    output.name = self._name(func._opname)
                self._values[value] = output
        return nodes

    def _run(self, function: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]) -> tuple[list[ir.Node], Any]:
        import onnx_ir as ir
        from onnxscript import evaluator
        from torch.onnx._internal.exporter._building import OpRecorder

        recorder, signatures = OpRecorder(self._opset, self._farm), ir.schemas.OpSignature
        read = functools.partial(_signature, signatures.from_op_schema)
        with evaluator.default_as(recorder), patched(signatures, "from_op_schema", read):
            made = function(*args, **kwargs)
        for key, found in recorder.functions.items():
            if key not in self.model.functions:
                whole = (
                    found
                    if isinstance(found, ir.Function)
                    else ir.serde.deserialize_function(found.to_function_proto())
                )
                self.model.functions[key] = whole
        return recorder.nodes, made

    def _argument(self, item: Any) -> Any:
        import torch
        from torch.onnx._internal.exporter._core import torch_dtype_to_onnx_dtype

        if isinstance(item, TracedValue):
            return self._of(item)
        if isinstance(item, list):
            return [self._argument(entry) for entry in item]
        if isinstance(item, Size):
            return self._size(item)
        if isinstance(item, (torch.device, torch.memory_format, torch.layout)):
            return str(item)
        return torch_dtype_to_onnx_dtype(item) if isinstance(item, torch.dtype) else item

    def _of(self, value: TracedValue) -> Any:
        """The value of the graph for one of the trace; a tensor of the model becomes an initialiser when it is first used."""
        import torch
        from onnx_ir.tensor_adapters import TorchTensor

        if value not in self._values:
            assert value.tensor is not None
            name = self.tensor_names.get(id(value.tensor)) or self._name("constant")
            graph = self.model.graph
            if name not in graph.initializers:
                made = self._new(name, value)
                tensor = value.tensor.detach()
                made.const_value = TorchTensor(torch.view_as_real(tensor) if tensor.is_complex() else tensor, name=name)
                graph.register_initializer(made)
            self._values[value] = graph.initializers[name]
        return self._values[value]

    def _size(self, size: Size) -> Any:
        """A number that depends on the batch size, as a scalar that the graph computes."""
        import onnx_ir as ir
        from onnxscript import opset20 as op

        if size not in self._sizes:

            def compute() -> Any:
                if size == Size(1, 0):
                    source, axis = next(
                        (graph_input, value.shape.index(size))
                        for value, graph_input in self._values.items()
                        if size in value.shape and graph_input.is_graph_input()
                    )
                    ends = (op.Constant(value_int=axis),)
                    return op.Gather(op.Shape(source), *ends, axis=0)
                found = self._size(Size(1, 0))
                if size.factor != 1:
                    found = op.Mul(found, op.Constant(value_int=size.factor))
                return op.Add(found, op.Constant(value_int=size.offset)) if size.offset else found

            nodes, made = self._run(compute, [], {})
            made.name = self._name("size")
            made.dtype, made.shape = ir.DataType.INT64, ir.Shape([])
            self.model.graph.extend(nodes)
            self._sizes[size] = made
        return self._sizes[size]

    def _output(self, value: TracedValue) -> Any:
        """An output of the graph: one that is also an input, a weight or another output is copied."""
        from onnxscript import opset20 as op

        found = self._of(value)
        if found.is_graph_input() or found.is_initializer() or found in self.model.graph.outputs:
            nodes, copy = self._run(lambda: op.Identity(found), [], {})
            self._describe(copy, value)
            copy.name = self._name("output")
            self.model.graph.extend(nodes)
            return copy
        return found

    def _new(self, name: str, value: TracedValue) -> Any:
        from torch.onnx._internal.exporter._tensors import SymbolicTensor

        made = SymbolicTensor(self._opset, name=name)
        self._describe(made, value)
        return made

    def _describe(self, made: ir.Value, value: TracedValue) -> None:
        """Dtype and shape; a complex number is two numbers, on an axis behind the others."""
        import onnx_ir as ir
        from torch.onnx._internal.exporter._core import torch_dtype_to_onnx_dtype

        sizes: list[Any] = [_text(size) if isinstance(size, Size) else size for size in value.shape]
        dtype = value.dtype
        if made.dtype is None:
            made.dtype = torch_dtype_to_onnx_dtype(dtype.to_real() if dtype.is_complex else dtype)
            if dtype.is_complex:
                sizes.append(2)
        made.shape = ir.Shape(sizes)

    def _name(self, kind: str) -> str:
        self._used[kind] += 1
        count = self._used[kind] - 1
        return f"{kind}_{count}" if count else kind


def _text(size: Size) -> str:
    text = "s0" if size.factor == 1 else f"{size.factor}*s0"
    return f"{text} + {size.offset}" if size.offset > 0 else f"{text} - {-size.offset}" if size.offset else text


def _signature(read: Callable[[Any], Any], schema: Any) -> Any:
    key = (schema.domain, schema.name, schema.since_version)
    if key not in _signatures:
        _signatures[key] = read(schema)
    return _signatures[key]
