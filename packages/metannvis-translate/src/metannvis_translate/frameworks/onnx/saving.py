"""ONNX files with external data: the model and its data are one, and replaced as one."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metannvis_translate.errors import InvalidArgumentError
from metannvis_translate.writing import replacing

if TYPE_CHECKING:
    import onnx

__all__ = ["has_data", "needs_data", "save_with_data"]

#: Bytes that protobuf can write at most.
LARGEST = (1 << 31) - 1
#: Bytes from which on the weights lie outside, with room for the rest of the message.
LIMIT = LARGEST - (1 << 20)
#: Bytes of a tensor from which on it is worth a place in the data file.
SMALL = 1024


def needs_data(proto: onnx.ModelProto) -> bool:
    """Whether the model is larger than a protobuf file may be."""
    return _size(proto) > LIMIT


def has_data(path: Path) -> bool:
    """Whether a model lies at the path whose data lies beside it, under a name that we give."""
    real = Path(os.path.realpath(path))
    return any(real.with_name(name).exists() for name in _locations(real))


def save_with_data(proto: onnx.ModelProto, path: Path, *, overwrite: bool) -> None:
    """Save a model, with a data file beside it if it :func:`needs_data`; the proto stays as it is.

    The model is what names its data. So new data gets a name that is free, and the model that names it comes last: until it is
    in its place the old pair is whole, and from then on the new one is. What the old model named is removed in the end.
    """
    real = Path(os.path.realpath(path))
    placed: Path | None = None
    try:
        with replacing(path, overwrite=overwrite) as new:
            if needs_data(proto):
                placed = _place_data(proto, real)
                proto = _light(proto, placed.name)
            new.write_bytes(proto.SerializeToString())
            old = _locations(real)
    except BaseException:
        if placed is not None:
            placed.unlink(missing_ok=True)
        raise
    for name in old:
        if placed is None or name != placed.name:
            real.with_name(name).unlink(missing_ok=True)


def _place_data(proto: onnx.ModelProto, real: Path) -> Path:
    """Write the data file under a name that is free."""
    plain = real.with_name(f"{real.name}.data")
    if not os.path.lexists(plain):
        try:
            _write_data(proto, plain)
            return plain
        except InvalidArgumentError:  # another process was faster
            pass
    other = real.with_name(f"{real.name}.{secrets.token_hex(4)}.data")
    _write_data(proto, other)
    return other


def _write_data(proto: onnx.ModelProto, path: Path) -> None:
    with replacing(path, overwrite=False) as new, new.open("wb") as file:
        for tensor in _outside(proto):
            file.write(tensor.raw_data)


def _outside(proto: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """The tensors that go to the data file, in its order."""
    return (tensor for tensor in proto.graph.initializer if len(tensor.raw_data) >= SMALL)


def _light(proto: onnx.ModelProto, location: str) -> onnx.ModelProto:
    """A copy of the model that holds the places of its tensors instead of their data."""
    import onnx

    light = _without(proto, "graph")
    light.graph.CopyFrom(_without(proto.graph, "initializer"))
    offset = 0
    for tensor in proto.graph.initializer:
        length = len(tensor.raw_data)
        if length < SMALL:
            light.graph.initializer.add().CopyFrom(tensor)
            continue
        copy = light.graph.initializer.add()
        copy.CopyFrom(_without(tensor, "raw_data"))
        copy.data_location = onnx.TensorProto.EXTERNAL
        for key, value in (("location", location), ("offset", str(offset)), ("length", str(length))):
            entry = copy.external_data.add()
            entry.key, entry.value = key, value
        offset += length
    if _size(light) > LARGEST:
        raise InvalidArgumentError("the model holds more than 2 GiB outside its weights, which no ONNX file can")
    return light


def _size(proto: onnx.ModelProto) -> int:
    from google.protobuf.message import EncodeError

    try:
        return proto.ByteSize()
    except EncodeError:  # protobuf cannot even count what it cannot write
        return LARGEST + 1


def _without(message: Any, left_out: str) -> Any:
    """A copy of a message without one of its fields, whose content is not copied."""
    copy = type(message)()
    for field, value in message.ListFields():
        if field.name == left_out:
            continue
        into = getattr(copy, field.name)
        if hasattr(into, "MergeFrom"):
            into.MergeFrom(value)
        else:
            setattr(copy, field.name, value)
    return copy


def _locations(real: Path) -> set[str]:
    """Names of the data files that the model at a path has, if they are of our giving."""
    ours = re.compile(re.escape(real.name) + r"(\.[0-9a-f]{8})?\.data")
    try:
        if not any(ours.fullmatch(entry.name) for entry in real.parent.iterdir()):
            return set()
        import onnx
        from google.protobuf.message import DecodeError

        try:
            proto = onnx.load_model(str(real), load_external_data=False)
        except DecodeError:  # no model: it has no data either
            return set()
    except OSError:
        return set()
    named = {
        entry.value for tensor in proto.graph.initializer for entry in tensor.external_data if entry.key == "location"
    }
    return {name for name in named if ours.fullmatch(name)}
