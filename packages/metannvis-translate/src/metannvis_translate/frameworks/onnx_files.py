"""Sizes that an ONNX file states, held against what it holds, before memory is taken for them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metannvis_translate.errors import InvalidArgumentError, InvalidModelError

if TYPE_CHECKING:
    import onnx

__all__ = ["check_complete", "check_sizes"]

#: Elements of a sparse tensor written out: a gibibyte of floats.
LARGEST_SPARSE = 1 << 28


def check_sizes(proto: onnx.ModelProto, path: Path) -> None:
    """Refuse a tensor whose stated shape needs more than the file holds for it, or whose data lies outside its folder.

    Raises
    ------
    InvalidArgumentError
        The message names the tensor.
    """
    for tensor in _tensors(proto):
        name = tensor.name or "a constant"
        if any(size < 0 for size in tensor.dims):
            raise InvalidArgumentError(f"{path.name}: {name!r} has the shape {tuple(tensor.dims)}")
        needed = math.ceil(math.prod(tensor.dims) * _bits(tensor.data_type) / 8)
        held = _held(tensor, path, name, needed)
        if held is not None and needed > held:
            raise InvalidArgumentError(
                f"{path.name}: {name!r} states the shape {tuple(tensor.dims)}, which takes {needed} bytes, but holds {held}"
            )
    for sparse in _parts(proto, "SparseTensorProto"):
        if math.prod(sparse.dims) > LARGEST_SPARSE or any(size < 0 for size in sparse.dims):
            raise InvalidArgumentError(
                f"{path.name}: the sparse tensor {sparse.values.name!r} has the shape {tuple(sparse.dims)}"
            )


def check_complete(proto: onnx.ModelProto, path: Path) -> None:
    """Refuse a model of which a tensor is still in another file after ONNX has loaded it.

    ONNX loads those of its graph. What stands in functions, sparse tensors or training graphs would be looked for by a runtime,
    in whatever folder that runs.

    Raises
    ------
    InvalidModelError
        The message names the tensor.
    """
    for tensor in _tensors(proto):
        if tensor.data_location == tensor.EXTERNAL or tensor.external_data:
            raise InvalidModelError(
                f"{path.name}: the data of {tensor.name or 'a constant'!r} is in another file, and it stands where none is "
                "loaded from (a function, a sparse tensor, a training graph). Save the model with its data inside."
            )


def _tensors(proto: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Every tensor, wherever it stands: of the graph, of graphs inside, functions, sparse tensors, training."""
    return _parts(proto, "TensorProto")


def _parts(message: Any, kind: str) -> Iterator[Any]:
    """Every message of a kind inside another one, at any depth."""
    left = [message]
    while left:
        part = left.pop()
        name = part.DESCRIPTOR.name
        if name == kind:
            yield part
        if name == "TensorProto":  # whose bytes would be copied
            continue
        for field, value in part.ListFields():
            if field.message_type is not None:
                left += [value] if hasattr(value, "ListFields") else value


def _bits(data_type: int) -> int:
    import onnx_ir as ir

    try:
        return int(ir.DataType(data_type).bitwidth)
    except (TypeError, ValueError):  # strings, whose length is their own
        return 0


def _held(tensor: onnx.TensorProto, path: Path, name: str, needed: int) -> int | None:
    import onnx

    if tensor.data_location != onnx.TensorProto.EXTERNAL:
        if tensor.HasField("raw_data"):
            return len(tensor.raw_data)
        # a typed field holds at least one entry an element (two elements of four bits, half a complex number)
        fields = (tensor.float_data, tensor.int32_data, tensor.int64_data, tensor.double_data, tensor.uint64_data)
        entries = sum(len(field) for field in fields)
        return None if tensor.string_data else entries * max(_bits(tensor.data_type), 8)
    entry = {item.key: item.value for item in tensor.external_data}
    folder = path.resolve().parent
    place = (folder / entry.get("location", "")).resolve()
    if not place.is_relative_to(folder):
        raise InvalidArgumentError(
            f"{path.name}: the data of {name!r} lies outside the model's folder: {entry.get('location')}"
        )
    if not place.is_file():
        raise InvalidArgumentError(f"{path.name}: the data of {name!r} is not there: {entry.get('location')}")
    try:
        offset, length = int(entry.get("offset", 0)), int(entry.get("length", needed))
    except ValueError as error:
        raise InvalidArgumentError(f"{path.name}: the data of {name!r} lies at no number: {error}") from error
    size = place.stat().st_size
    if offset < 0 or length < 0 or offset + length > size:
        raise InvalidArgumentError(
            f"{path.name}: the data of {name!r} is said to be {length} bytes from {offset} of {place.name}, which has {size}"
        )
    return length
