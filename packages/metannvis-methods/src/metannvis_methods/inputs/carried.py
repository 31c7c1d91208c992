"""Preprocessing that a model carries: in its file, in a file beside it, in its own attributes, or by its name."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from metannvis_translate.errors import InvalidArgumentError
from metannvis_translate.reading import parse_json, read_text

from metannvis_methods.inputs.preprocessing import PRESETS
from metannvis_methods.inputs.preprocessing_records import from_record
from metannvis_methods.vocabulary import Preprocessing

__all__ = ["carried", "customary"]

#: Names of records: files within an archive, properties of a model.
RECORDS = ("preprocess", "pretrained_cfg", "preprocessor_config")
#: What ONNX's own properties of images say: https://github.com/onnx/onnx/blob/main/docs/MetadataProps.md
_RANGES = {"NominalRange_0_255": 1.0, "Normalized_0_1": 255.0, "Normalized_1_1": 127.5}
#: Bytes of a record, at most.
LONGEST = 1 << 20
#: Names that networks of keras.applications have, and what their weights were trained on.
_CUSTOMS = {
    "imagenet-caffe": r"vgg(16|19)|resnet(50|101|152)",
    "imagenet-torch": r"densenet(121|169|201)",
    "imagenet-tf": r"resnet(50|101|152)v2|inception_v3|inception_resnet_v2|xception|nasnet_(mobile|large)|mobilenet(v2)?_\d.*",
}


def carried(path: Path | None, model: Any = None) -> tuple[Preprocessing, str] | None:
    """What a model says of the images that it was trained on, and where; ``None`` if it does not.

    Parameters
    ----------
    path
        Its file. Beside it may lie ``MODEL.preprocess.json`` (``net.onnx.preprocess.json`` or ``net.preprocess.json``),
        Hugging Face's ``preprocessor_config.json``, or timm's ``config.json``. An archive (``.pt2``, ``.keras``) may hold one
        of :data:`RECORDS` with the ending ``.json``, such as PyTorch's ``export.save(…, extra_files={"preprocess.json": …})``
        writes.
    model
        The model, opened: its ``metadata_props`` (ONNX), ``pretrained_cfg`` or ``default_cfg`` (timm).

    Raises
    ------
    InvalidArgumentError
        A record is damaged.
    """
    for where, record in _records(path, model):
        try:
            return from_record(record), where
        except InvalidArgumentError as error:
            raise InvalidArgumentError(f"{where}: {error}") from error
    return None


def customary(model: Any) -> tuple[Preprocessing, str] | None:
    """What weights of a network of that name are trained on, which the model itself does not say; ``None`` if not known.

    keras.applications gives its networks a name, and leaves the preprocessing to whoever uses them.
    """
    name = getattr(model, "name", None)
    for preset, pattern in _CUSTOMS.items():
        if isinstance(name, str) and re.fullmatch(pattern, name):
            return PRESETS[preset], name
    return None


def _records(path: Path | None, model: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if path is not None:
        for beside in dict.fromkeys(
            (path.with_name(f"{path.name}.preprocess.json"), path.with_name(f"{path.stem}.preprocess.json"))
        ):
            if beside.is_file():
                yield beside.name, _object(read_text(beside), beside.name)
        if path.is_file() and zipfile.is_zipfile(path):
            yield from _of_archive(path)
    yield from _of_properties(model)
    for name in ("pretrained_cfg", "default_cfg"):
        record = getattr(model, name, None)
        as_dict = getattr(record, "to_dict", None)
        record = record if as_dict is None else as_dict()
        if isinstance(record, Mapping) and "input_size" in record:
            yield f"the model's {name}", record
    if path is not None:
        yield from _of_folder(path.parent)


def _of_archive(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            name = member.filename.rpartition("/")[2]
            if name.removesuffix(".json") in RECORDS and member.file_size <= LONGEST:
                yield f"{name} in {path.name}", _object(archive.read(member).decode("utf-8", "replace"), name)


def _of_properties(model: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    properties = {str(item.key): str(item.value) for item in getattr(model, "metadata_props", ())}
    for name in RECORDS:
        if name in properties:
            yield f"the model's property {name}", _object(properties[name], name)
    if "mean" in properties and "std" in properties:
        numbers = {name: json.loads(properties[name]) for name in ("mean", "std") if _is_list(properties[name])}
        if len(numbers) == 2:
            yield "the model's properties mean and std", {"divisor": 255.0, **numbers}
    span = properties.get("Image.NominalPixelRange")
    if span in _RANGES:
        mean = {"mean": 1.0} if span == "Normalized_1_1" else {}
        order = {"order": "BGR"} if properties.get("Image.BitmapPixelFormat", "").startswith("Bgr") else {}
        yield "the model's property Image.NominalPixelRange", {"divisor": _RANGES[span], **mean, **order}


def _of_folder(folder: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, mark in (("preprocessor_config.json", "image_mean"), ("config.json", "pretrained_cfg")):
        if (folder / name).is_file():
            record = _object(read_text(folder / name), name)
            if mark in record:
                yield f"{name} beside the model", record


def _object(text: str, name: str) -> Mapping[str, Any]:
    try:
        found = parse_json(text, name)
    except ValueError as error:
        raise InvalidArgumentError(f"{name} holds no preprocessing: {error}") from error
    if not isinstance(found, dict):
        raise InvalidArgumentError(f"{name} holds no preprocessing: a JSON object")
    return found


def _is_list(text: str) -> bool:
    try:
        return isinstance(json.loads(text), list)
    except ValueError:
        return False
