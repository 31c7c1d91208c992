"""Value sizes of an ONNX graph on given inputs, worked out before anything computes them."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from metannvis_translate.passes.shape_data import LONGEST, longest_vector
from metannvis_translate.process.limits import check_limit

if TYPE_CHECKING:
    import onnx

__all__ = ["check_values"]

log = logging.getLogger(__name__)


def check_values(bare: onnx.ModelProto, shapes: Mapping[str, Sequence[int]], *, of: str = "the model") -> None:
    """Refuse a graph that computes a tensor beyond the limit.

    Parameters
    ----------
    bare
        A checked model without weights, see :func:`~metannvis_translate.frameworks.onnx.checks.skeleton`. It is changed.
    shapes
        Of the inputs that it is to run on, by name; others have the sizes that they declare.

    Raises
    ------
    LimitError
        The message names the tensor. Sizes that depend on values are not seen here; a runtime allocates those.
    """
    import onnx.inliner

    for value in bare.graph.input:
        shape = shapes.get(value.name)
        if shape is not None and value.type.HasField("tensor_type"):
            value.type.tensor_type.ClearField("shape")
            value.type.tensor_type.shape.SetInParent()
            for size in shape:
                value.type.tensor_type.shape.dim.add(dim_value=size)
    del bare.graph.value_info[:]
    for value in bare.graph.output:  # what a file says of its results is not what they come to
        if value.type.HasField("tensor_type"):
            value.type.tensor_type.ClearField("shape")
    try:
        if bare.functions:
            bare = onnx.inliner.inline_local_functions(bare)
        inferred = onnx.shape_inference.infer_shapes(bare)
        if _vectors(inferred) <= LONGEST:
            inferred = onnx.shape_inference.infer_shapes(bare, data_prop=True)
    except Exception as error:  # noqa: BLE001  # of C++, which has no class of its own for it
        log.info("sizes cannot be inferred: %s", error)
        return
    total = 0
    for value in _values(inferred.graph):
        kind = value.type.tensor_type
        if not value.type.HasField("tensor_type") or not kind.HasField("shape"):
            continue
        sizes = [size.dim_value for size in kind.shape.dim if size.HasField("dim_value")]
        size = math.prod(sizes) * _bytes(kind.elem_type)
        check_limit("value_bytes", size, f"{of}: bytes of the value {value.name!r}:")
        total += size
    check_limit("total_bytes", total, f"{of}: bytes of all its values together:")


def _values(graph: onnx.GraphProto) -> Iterator[onnx.ValueInfoProto]:
    yield from graph.value_info
    yield from graph.output
    yield from graph.input


def _bytes(elem_type: int) -> int:
    from metannvis_translate.frameworks.onnx.size_checks import bits

    return max(bits(elem_type) // 8, 1)


def _vectors(inferred: onnx.ModelProto) -> int:
    """Elements of shape data that propagation would write out."""
    graph = inferred.graph
    known = {tensor.name: math.prod(tensor.dims) if len(tensor.dims) == 1 else 1 for tensor in graph.initializer}
    for value in _values(graph):
        kind = value.type.tensor_type
        if kind.HasField("shape") and (len(kind.shape.dim) != 1 or kind.shape.dim[0].HasField("dim_value")):
            known[value.name] = kind.shape.dim[0].dim_value if len(kind.shape.dim) == 1 else 1
    return longest_vector(((node.op_type, node.input, node.output) for node in graph.node), known, inferred=True)
