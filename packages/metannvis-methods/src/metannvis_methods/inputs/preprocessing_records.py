"""Records of preprocessing as files and networks hold them: ours, timm's, torchvision's, Hugging Face's."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from metannvis_translate.errors import InvalidArgumentError

from metannvis_methods.vocabulary import Preprocessing

__all__ = ["FIELDS", "from_record"]

FIELDS = tuple(field.name for field in dataclasses.fields(Preprocessing))
#: Other names of our fields.
ALIASES = {"channels": "order", "channel_order": "order", "color_order": "order"}
#: Resampling filters by Pillow's numbers.
FILTERS = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic", 4: "box", 5: "hamming"}


def from_record(record: Mapping[str, Any]) -> Preprocessing:
    """The preprocessing that a record says.

    Parameters
    ----------
    record
        Fields of :class:`~metannvis_methods.vocabulary.Preprocessing`, or ``range``, what black and white become before mean
        and deviation, instead of ``divisor``; timm's ``pretrained_cfg`` (or an object that holds it), the attributes of
        torchvision's ``weights.transforms()``, or a ``preprocessor_config.json`` of Hugging Face's.

    Raises
    ------
    InvalidArgumentError
        It is none of these.
    """
    for key in ("pretrained_cfg", "default_cfg", "preprocess"):
        if isinstance(record.get(key), Mapping):
            return from_record(record[key])
    for mark, read in _READERS.items():
        if mark in record:
            try:
                return read(record)
            except (TypeError, ValueError, KeyError, IndexError, ZeroDivisionError) as error:
                if isinstance(error, InvalidArgumentError):
                    raise
                raise InvalidArgumentError(f"the preprocessing that has {mark!r} cannot be read: {error!r}") from error
    return _ours(record)


def _ours(record: Mapping[str, Any]) -> Preprocessing:
    fields = {ALIASES.get(str(name), str(name)): value for name, value in record.items()}
    span = fields.pop("range", None)
    unknown = [name for name in fields if name not in FIELDS]
    if unknown:
        raise InvalidArgumentError(
            f"a preprocessing has no {', '.join(map(repr, unknown))}; it has {', '.join(FIELDS)}, and range instead of divisor"
        )
    if isinstance(fields.get("order"), str):
        fields["order"] = fields["order"].upper()
    if span is None:
        return Preprocessing(**fields)
    if "divisor" in fields:
        raise InvalidArgumentError("a preprocessing has a divisor or a range, not both")
    try:
        low, high = map(float, span)
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(f"the range of a preprocessing is two numbers, not {span!r}") from error
    if not low < high:
        raise InvalidArgumentError(f"the range of a preprocessing is [low, high] with low below high, not {span!r}")
    mean = Preprocessing(mean=fields.get("mean", ())).mean or (0.0,)
    shifted = tuple(value - low for value in mean)
    return Preprocessing(**{**fields, "divisor": 255 / (high - low), "mean": shifted if any(shifted) else ()})


def _timm(record: Mapping[str, Any]) -> Preprocessing:
    size = tuple(int(side) for side in record["input_size"])[1:]
    share = record.get("crop_pct")
    return Preprocessing(
        255.0,
        tuple(record["mean"]),
        tuple(record["std"]),
        size=(size[0], size[1]),
        crop=record.get("crop_mode", "center") != "squash",
        crop_share=0.875 if share is None else float(share),
        interpolation=str(record.get("interpolation") or "bilinear"),
    )


def _torchvision(record: Mapping[str, Any]) -> Preprocessing:
    crop, resize = _side(record["crop_size"]), _side(record.get("resize_size", record["crop_size"]))
    way = str(record.get("interpolation", "bilinear")).rpartition(".")[2].lower()
    return Preprocessing(
        255.0,
        tuple(record.get("mean", ())),
        tuple(record.get("std", ())),
        size=(crop, crop),
        crop=True,
        crop_share=crop / resize,
        interpolation=way,
    )


def _hugging_face(record: Mapping[str, Any]) -> Preprocessing:
    normalized = record.get("do_normalize", True)
    whole = record.get("size") if record.get("do_resize", True) else None
    cut = record.get("crop_size") if record.get("do_center_crop", False) else None
    size = None if whole is None else _height_and_width(whole)
    share = 1.0
    if cut is not None and size is not None:
        share, size = min(1.0, _height_and_width(cut)[0] / size[0]), _height_and_width(cut)
    factor = record.get("rescale_factor", 1 / 255) if record.get("do_rescale", True) else 1.0
    return Preprocessing(
        1 / float(factor),
        tuple(record["image_mean"]) if normalized else (),
        tuple(record["image_std"]) if normalized else (),
        size=size,
        crop=cut is not None,
        crop_share=share,
        interpolation=FILTERS[int(record.get("resample", 2))],
    )


def _side(value: Any) -> int:
    return int(value[0] if isinstance(value, (list, tuple)) else value)


def _height_and_width(value: Any) -> tuple[int, int]:
    if isinstance(value, Mapping) and "shortest_edge" in value:
        return int(value["shortest_edge"]), int(value["shortest_edge"])
    if isinstance(value, Mapping):
        return int(value["height"]), int(value["width"])
    return (int(value), int(value)) if isinstance(value, int) else (int(value[0]), int(value[1]))


#: What reads a record, by a name that only such records have.
_READERS: Mapping[str, Callable[[Mapping[str, Any]], Preprocessing]] = {
    "input_size": _timm,
    "image_mean": _hugging_face,  # which may have a crop_size too
    "crop_size": _torchvision,
}
