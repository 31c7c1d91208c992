"""Sizes that an ONNX file states, held against what it holds, before memory is taken for them."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metannvis_translate.errors import DamagedFileError, InvalidModelError
from metannvis_translate.process.limits import check_limit

if TYPE_CHECKING:
    import onnx

__all__ = ["bits", "check_complete", "check_files", "check_parts"]

#: How messages call parts of a file.
KINDS = {
    "NodeProto": "an operator", "AttributeProto": "an attribute", "GraphProto": "a graph", "ValueInfoProto": "a value",
    "OperatorSetIdProto": "an operator set", "FunctionProto": "a function", "Dimension": "a size",
    "StringStringEntryProto": "the metadata", "ModelProto": "the model",
}  # fmt: skip


def check_files(proto: onnx.ModelProto, path: Path) -> None:
    """Refuse a tensor whose data is in another file that is not there, too short, or outside the model's folder.

    Raises
    ------
    DamagedFileError
        The data is missing.
    InvalidModelError
        It lies outside, or at no place at all. The message names the tensor.
    """
    for tensor in _tensors(proto):
        if tensor.data_location == tensor.EXTERNAL:
            name = tensor.name or "a constant"
            needed = _needed(tensor, path.name, name)
            held = _held_outside(tensor, path, name, needed)
            if needed > held:
                raise _short(path.name, name, tensor, needed, held)


def check_parts(proto: onnx.ModelProto, of: str) -> None:
    """Refuse a name that is no text, and a tensor whose stated shape is not what it holds.

    Data in other files is left to :func:`check_files`.

    Raises
    ------
    InvalidModelError
        The message names the tensor, or what the name is of.
    """
    for part, fields in _parts(proto):
        kind = part.DESCRIPTOR.name
        for field, value in fields:
            if field.type != field.TYPE_STRING:
                continue
            for text in (value,) if isinstance(value, (str, bytes)) else value:
                if not isinstance(text, str):  # bytes that are no UTF-8 stay bytes
                    raise InvalidModelError(f"{of}: {field.name} of {KINDS.get(kind, kind)} is no text: {text[:80]!r}")
        if kind == "TensorProto":
            _check_tensor(part, of)
        elif kind == "SparseTensorProto":
            _check_sparse(part, of)


def _check_tensor(tensor: onnx.TensorProto, of: str) -> None:
    texts = (
        tensor.name,
        tensor.doc_string,
        *(text for item in tensor.external_data for text in (item.key, item.value)),
    )
    for text in texts:
        if not isinstance(text, str):
            raise InvalidModelError(f"{of}: a name in a tensor is no text: {text[:80]!r}")
    name = tensor.name or "a constant"
    needed = _needed(tensor, of, name)
    held = _held_inside(tensor)
    if held is not None and needed != held:
        raise _short(of, name, tensor, needed, held)


def _check_sparse(sparse: onnx.SparseTensorProto, of: str) -> None:
    name = sparse.values.name
    if any(size < 0 for size in sparse.dims):
        raise InvalidModelError(f"{of}: the sparse tensor {name!r} has the shape {_text(sparse.dims)}")
    size = math.prod(sparse.dims) * max(bits(sparse.values.data_type), 8) // 8
    check_limit("value_bytes", size, f"{of}: the sparse tensor {name!r}, written out, has bytes:")


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
    return (part for part, _ in _parts(proto) if part.DESCRIPTOR.name == "TensorProto")


def _parts(message: Any) -> Iterator[tuple[Any, Sequence[tuple[Any, Any]]]]:
    """Every message inside another one, at any depth, with its fields; those of tensors, whose bytes would be copied, not."""
    left = [message]
    while left:
        part = left.pop()
        if part.DESCRIPTOR.name == "TensorProto":
            yield part, ()
            continue
        fields = part.ListFields()
        yield part, fields
        for field, value in fields:
            if field.message_type is not None:
                left += [value] if hasattr(value, "ListFields") else value


def _needed(tensor: onnx.TensorProto, of: str, name: str) -> int:
    import onnx

    if any(size < 0 for size in tensor.dims):
        raise InvalidModelError(f"{of}: {name!r} has the shape {_text(tensor.dims)}")
    if tensor.data_type not in onnx.TensorProto.DataType.values() or tensor.data_type == onnx.TensorProto.UNDEFINED:
        raise InvalidModelError(f"{of}: {name!r} has the type {tensor.data_type}, which there is not")
    return math.ceil(math.prod(tensor.dims) * bits(tensor.data_type) / 8)


def _text(dims: Sequence[int]) -> str:
    return f"({', '.join(map(str, dims[:12]))}{', …' if len(dims) > 12 else ''})"


def _short(of: str, name: str, tensor: onnx.TensorProto, needed: int, held: int) -> InvalidModelError:
    return InvalidModelError(
        f"{of}: {name!r} states the shape {_text(tensor.dims)}, which takes {needed} bytes, but holds {held}"
    )


@functools.cache
def bits(data_type: int) -> int:
    """Bits of an element; 0 for text, whose length is its own."""
    import onnx_ir as ir

    try:
        return int(ir.DataType(data_type).bitwidth)
    except (TypeError, ValueError):  # strings, whose length is their own
        return 0


def _held_inside(tensor: onnx.TensorProto) -> int | None:
    """Bytes that a tensor has data for; ``None`` if it stands in another file, or is text."""
    import onnx

    if tensor.data_location == tensor.EXTERNAL:
        return None
    if tensor.HasField("raw_data"):
        return len(tensor.raw_data)
    if tensor.data_type == tensor.STRING:
        return 0 if math.prod(tensor.dims) == len(tensor.string_data) else -1
    entries = len(getattr(tensor, onnx.helper.tensor_dtype_to_field(tensor.data_type)))
    width = bits(tensor.data_type)
    if width in (2, 4):  # several elements an entry, of which the last may be partly empty
        return entries
    if tensor.data_type in (tensor.COMPLEX64, tensor.COMPLEX128):  # two entries an element
        return entries * width // 16
    return math.ceil(entries * width / 8)


def _held_outside(tensor: onnx.TensorProto, path: Path, name: str, needed: int) -> int:
    entry = {item.key: item.value for item in tensor.external_data}
    folder = path.resolve().parent
    location = entry.get("location", "")
    try:
        place = (folder / location).resolve()
        inside, there = place.is_relative_to(folder), place.is_file()
        size = place.stat().st_size if inside and there else 0
    except (OSError, ValueError) as error:  # no name of a file at all
        raise InvalidModelError(f"{path.name}: the data of {name!r} is said to be at no place: {error}") from error
    if not inside:
        raise InvalidModelError(f"{path.name}: the data of {name!r} lies outside the model's folder: {location}")
    if not there:
        raise DamagedFileError(f"{path.name}: the data of {name!r} is not there: {location}")
    try:
        offset, length = int(entry.get("offset", 0)), int(entry.get("length", needed))
    except ValueError as error:
        raise InvalidModelError(f"{path.name}: the data of {name!r} lies at no number: {error}") from error
    if offset < 0 or length < 0 or offset + length > size:
        raise DamagedFileError(
            f"{path.name}: the data of {name!r} is said to be {length} bytes from {offset} of {place.name}, which has {size}"
        )
    return length
