"""Explanations: what a method gives back."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from metannvis_translate.errors import DamagedFileError

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.inputs.preprocessing import as_pictures
from metannvis_methods.results.explanation_files import (
    DETAIL,
    FORMAT,
    KINDS,
    Kind,
    read_explanation,
    recorded,
    written_target,
)
from metannvis_methods.results.plain import as_tuple, jsonable
from metannvis_methods.results.record import Record, repeat
from metannvis_methods.results.result_files import write_archive
from metannvis_methods.results.shown import Shown
from metannvis_methods.vocabulary import Preprocessing

__all__ = ["Explanation", "result_type"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Explanation(Shown):
    """A method's result, in the layout of the caller's own model.

    Attributes
    ----------
    values
        An array, or a tuple of them, one an input (or one an output tensor of the layer). Axis 0 counts
        samples. ``None`` in a tuple stands for an input that was held: indices beside numbers.
    axes
        One letter an axis of ``values``: N batch, C channels, D/H/W space, L a single spatial axis, T tokens,
        F features, ``?`` not known; other letters are the toolset's own, for values that are no map of the inputs or of a
        layer. A tuple where ``values`` is one.
    inputs, input_axes
        What was explained, and its axes. ``None`` if the caller gave no inputs.
    method, toolset, kind
        Key of the method, of its toolset, and what it attributes to, or what its result is where that is no map (``"table"``,
        ``"scores"``, ``"image"``).
    framework
        Key of the framework of the caller's model.
    layer
        Name of the layer in the caller's model, ``None`` if the method has none.
    target
        What was explained: a class, a list of one a sample, a tuple, which is a position in a dense output; ``None`` is the
        only output.
    labels
        Class names, if the caller gave them.
    translation
        ``None`` if the model ran as it is, else what it was translated between and the largest differences
        found: ``{"from": "torch", "to": "tensorflow", "outputs": 3e-7, "gradients": 1e-6, "layers": 2e-7,
        "passed": True}``.
    convergence_delta
        One a sample: by how much the attributions miss the difference of outputs that they should sum to.
    seconds
        What the method took, translation left out.
    options
        What the caller set, in JSON-able form.
    output
        Which of several outputs was explained: its path in what the caller's model returns; ``None`` if it has one.
    prediction
        What the model says of each sample: ``{"class": 3, "name": "tabby", "probability": 0.9, "value": 0.9}``, where
        ``probability`` is ``None`` if the output is no distribution; ``{"value": 1.5}`` of a single output. ``None`` for dense
        outputs, and where there were no inputs.
    output_axes, region
        Of a dense output, one letter an axis of it, C for the classes, and the weight of each of its places in what was
        explained, shape ``(N, H, W)`` for an output of images, 0 where the target does not lie. ``None`` of other outputs, and
        where no place is told apart.
    details
        What the method found beside its values, arrays by name: ``"concepts"`` of deep feature factorisation, a vector over the
        layer's channels each, shape ``(concepts, C)``.
    warnings
        What was told about the call or its result.
    record
        What the call was, for :meth:`rerun`.
    deviation
        With ``uncertainty=``, the standard deviation of the values over the dropout masks, in the form of ``values``, which are
        the mean then. ``None`` otherwise.
    """

    values: Array | tuple[Array | None, ...]
    axes: str | tuple[str, ...]
    inputs: Array | tuple[Array, ...] | None
    input_axes: str | tuple[str, ...] | None
    method: str
    toolset: str
    framework: str
    kind: str
    layer: str | None = None
    target: Any = None
    labels: tuple[str, ...] | None = None
    translation: Mapping[str, Any] | None = None
    convergence_delta: Array | None = None
    seconds: float = 0.0
    options: Mapping[str, Any] = field(default_factory=dict)
    output: str | None = None
    prediction: tuple[Mapping[str, Any], ...] | None = None
    warnings: tuple[str, ...] = ()
    record: Record | None = None
    output_axes: str | None = None
    region: Array | None = None
    deviation: Array | tuple[Array | None, ...] | None = None
    details: Mapping[str, Array] = field(default_factory=dict)

    @property
    def coefficient_of_variation(self) -> Array | tuple[Array | None, ...] | None:
        """Standard deviation over the masks by the size of the mean; 0 where both are 0, infinite where the mean alone is.

        In the form and shape of ``values``, float64; ``None`` without ``uncertainty=``.
        """
        if self.deviation is None:
            return None
        pairs = zip(as_tuple(self.deviation), as_tuple(self.values), strict=True)
        found = tuple(None if sd is None or mean is None else _relative(sd, mean) for sd, mean in pairs)
        return found if isinstance(self.values, tuple) else found[0]

    @property
    def pictures(self) -> Array | tuple[Array, ...] | None:
        """The inputs as people see them, in their shape: preprocessed images as 0…1, red first; others as they are."""
        known = None if self.record is None else self.record.words.get("preprocess")
        if not isinstance(known, Preprocessing) or self.inputs is None:
            return self.inputs
        parts = zip(as_tuple(self.inputs), as_tuple(self.input_axes), strict=True)
        seen = tuple(as_pictures(known, x, axes) if {"H", "W"} <= set(axes) else x for x, axes in parts)
        return seen if isinstance(self.inputs, tuple) else seen[0]

    def rerun(self, model: Any = None, **changes: Any) -> Explanation:
        """Explain once more, with the same words: the same values on the same machine, if random methods had a seed.

        Parameters
        ----------
        model
            As for :func:`metannvis_methods.explain`; ``None`` opens the file that the record names.
        **changes
            Words to replace or add; a function that the record cannot hold has to be given again.

        Raises
        ------
        InvalidArgumentError
            There is no record, or it lacks what only the caller has; the file is not what it was.
        """
        found: Explanation = repeat(self, model, **changes)
        return found

    def save(self, path: str | PathLike[str], *, overwrite: bool = True) -> Path:
        """Write an ``.npz`` file, which :meth:`load` reads: arrays ``values`` (or ``values_0`` …) and so on.

        Returns the path, with the ending added if it lacked it.

        Raises
        ------
        InvalidArgumentError
            The file exists and ``overwrite`` is off.
        WriteError
            It cannot be written; what was there is unchanged.
        """
        arrays: dict[str, Array] = {}
        meta: dict[str, Any] = {"format": FORMAT}
        if type(self).__name__ in KINDS:
            meta["type"] = type(self).__name__
        for item in dataclasses.fields(self):
            value = getattr(self, item.name)
            if item.name in ("values", "inputs", "deviation") and isinstance(value, tuple):
                arrays |= {f"{item.name}_{k}": array for k, array in enumerate(value) if array is not None}
                meta[f"{item.name}_count"] = len(value)
            elif item.name == "details":
                arrays |= {f"{DETAIL}{name}": array for name, array in value.items()}
            elif isinstance(value, Record):
                meta[item.name] = recorded(value, arrays)
            elif isinstance(value, np.ndarray):
                arrays[item.name] = value
            elif item.name == "target":
                meta[item.name] = written_target(value)
            else:
                meta[item.name] = jsonable(value)
        return write_archive(path, arrays, meta, overwrite=overwrite)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Explanation:
        """Read what :meth:`save` wrote, a result of the type that was written. Runs no code from the file.

        Raises
        ------
        InvalidArgumentError
            The file holds no explanation.
        DamagedFileError
            The file cannot be read, or holds something else than what an explanation consists of.
        LimitError
            It unpacks to more than ``metannvis_translate.Limits.unpacked_bytes``.
        """
        name, fields = read_explanation(Path(path))
        made: type[Explanation] = _TYPES.get(name or "", Explanation if cls.__name__ in KINDS else cls)
        if not issubclass(made, cls):
            raise InvalidArgumentError(f"{path} holds an {made.__name__}, not an {cls.__name__}")
        try:
            return made(**fields)
        except InvalidArgumentError as error:
            raise DamagedFileError(f"{Path(path).name} is damaged: {error}") from error

    def segments(self, *, sample: int = 0, num_features: int = 5, min_weight: float = 0.0) -> tuple[Array, Array]:
        """Where the features lie that speak most for the target, and those that speak most against it.

        As ``get_image_and_mask`` of LIME's reference has them, with ``positive_only`` and ``negative_only``. A feature is what
        has one value: a superpixel, a cell, a window.

        Parameters
        ----------
        sample
            Which one.
        num_features
            Most features on either side, the strongest.
        min_weight
            Least size of a value that counts.

        Returns
        -------
        Two masks of true and false, without the axis of channels.

        Raises
        ------
        InvalidArgumentError
            There are several arrays of values.
        """
        if not isinstance(self.values, np.ndarray) or not isinstance(self.axes, str):
            raise InvalidArgumentError("segments() is of one array of values; take those of one input")
        values = self.values[sample]
        masks = []
        for sign in (1, -1):
            strong = np.unique(sign * values)[::-1][:num_features]
            masks.append(np.isin(sign * values, strong[strong > max(min_weight, 0.0)]))
        channel = self.axes.find("C") - 1
        for_it, against = (np.asarray(mask.any(channel)) if channel >= 0 else mask for mask in masks)
        return for_it, against

    def __str__(self) -> str:
        shapes, axes = as_tuple(self.values), as_tuple(self.axes)
        parts = [
            f"{self.method} of {self.toolset} on {'an' if self.framework[0] in 'aeio' else 'a'} {self.framework} model"
        ]
        parts += [f"layer {self.layer}"] if self.layer else []
        parts += [f"target {self.target}"] if self.target is not None else []
        parts += [" and ".join(f"{a} {v.shape}" for a, v in zip(axes, shapes, strict=True) if v is not None)]
        if self.translation:
            parts.append(f"translated to {self.translation['to']}")
        return ", ".join(parts)

    __repr__ = __str__

    def _table(self) -> list[tuple[str, Any]]:
        """Rows for people."""
        rows: list[tuple[str, Any]] = [
            ("method", f"{self.method} ({self.toolset}, {self.kind})"),
            ("model", self.framework),
        ]
        rows += [(name, getattr(self, name)) for name in ("layer", "target") if getattr(self, name) is not None]
        if self.prediction:
            rows.append(
                ("prediction", "; ".join(map(said, self.prediction[:5])) + (" …" if len(self.prediction) > 5 else ""))
            )
        for axes, array in zip(as_tuple(self.axes), as_tuple(self.values), strict=True):
            if array is None:
                continue
            low, high = (float(array.min()), float(array.max())) if array.size else (0.0, 0.0)
            rows.append(("values", f"{axes} {array.shape}, {array.dtype}, {low:.3g} … {high:.3g}"))
        for sd, mean in zip(as_tuple(self.deviation), as_tuple(self.values), strict=False):
            if sd is not None and mean is not None and sd.size:
                size = float(np.abs(mean).mean())
                rows.append(("over masks", f"mean deviation {float(sd.mean()):.3g}, mean size {size:.3g}"))
        if self.translation:
            worst = self.translation.get("outputs")
            how = "" if worst is None else f", outputs differ by {worst:.1e} at most"
            rows.append(("translated", f"{self.translation['from']} → {self.translation['to']}{how}"))
        rows += [("warning", text) for text in self.warnings]
        rows.append(("seconds", f"{self.seconds:.2f}"))
        return rows


_TYPES: dict[str, type[Explanation]] = {}


def result_type(
    fields: Mapping[str, Callable[[Any], bool]], arrays: Mapping[str, int | None]
) -> Callable[[type[Any]], type[Any]]:
    """Name a result of its own, a dataclass on :class:`Explanation`, so that it is read from files.

    Parameters
    ----------
    fields
        By the name of a field, whether a value that JSON holds is one of it.
    arrays
        Names of the fields that are arrays, and how many axes they have; ``None``: any.
    """

    def named(cls: type[Any]) -> type[Any]:
        _TYPES[cls.__name__] = cls
        KINDS[cls.__name__] = Kind(fields, arrays)
        return cls

    return named


def _relative(deviation: Array, mean: Array) -> Array:
    sizes = np.abs(mean)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where((sizes == 0) & (deviation == 0), 0.0, deviation / sizes)


def said(prediction: Mapping[str, Any]) -> str:
    """A prediction for one sample as text: ``tabby (0.93)``."""
    value = prediction.get("probability")
    value = prediction["value"] if value is None else value
    name = prediction.get("name") or prediction.get("class")
    return f"{value:.3g}" if name is None else f"{name} ({value:.3g})"
