"""What a method gives back."""

from __future__ import annotations

import dataclasses
import html
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from metannvis_translate.writing import replacing

from metannvis_methods.errors import MissingFrameworkError
from metannvis_methods.explanation_files import FORMAT, read_explanation

if TYPE_CHECKING:
    from metannvis_translate.layers import LayerRow

__all__ = ["Comparison", "Explanation", "PendingExplanation", "find_plotter", "jsonable"]

Array = np.ndarray[Any, Any]
PLOTTERS = "metannvis.plotters"


@dataclass(frozen=True)
class Explanation:
    """A method's result, in the layout of the caller's own model.

    Attributes
    ----------
    values
        An array, or a tuple of them, one an input (or one an output tensor of the layer). Axis 0 counts
        samples.
    axes
        One letter an axis of ``values``: N batch, C channels, D/H/W space, L a single spatial axis, T tokens,
        F features, ``?`` not known. A tuple where ``values`` is one.
    inputs, input_axes
        What was explained, and its axes. ``None`` if the caller gave no inputs.
    method, toolset, kind
        Key of the method, of its toolset, and what it attributes to.
    framework
        Key of the framework of the caller's model.
    layer
        Name of the layer in the caller's model, ``None`` if the method has none.
    target
        What was explained: a class, a list of one a sample, a position in a dense output; ``None`` is the
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
    """

    values: Array | tuple[Array, ...]
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
        path = Path(path)
        if path.suffix.lower() != ".npz":
            path = path.with_name(path.name + ".npz")
        arrays: dict[str, Array] = {}
        meta: dict[str, Any] = {"format": FORMAT}
        for item in dataclasses.fields(self):
            value = getattr(self, item.name)
            if item.name in ("values", "inputs") and isinstance(value, tuple):
                arrays |= {f"{item.name}_{k}": array for k, array in enumerate(value)}
                meta[f"{item.name}_count"] = len(value)
            elif isinstance(value, np.ndarray):
                arrays[item.name] = value
            else:
                meta[item.name] = jsonable(value)
        arrays["meta"] = np.array(json.dumps(meta))
        with replacing(path, overwrite=overwrite) as new, new.open("wb") as file:
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]  # the stubs take it for allow_pickle
        return path

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Explanation:
        """Read what :meth:`save` wrote. Runs no code from the file.

        Raises
        ------
        InvalidArgumentError
            The file holds no explanation.
        DamagedFileError
            The file cannot be read, or holds something else than what an explanation consists of.
        LimitError
            It unpacks to more than ``metannvis_translate.Limits.unpacked_bytes``.
        """
        return cls(**read_explanation(Path(path)))

    def plot(self, **options: Any) -> Any:
        """Draw it with metannvis-plot (or another plotter), which has the options; nothing is shown.

        Raises
        ------
        MissingFrameworkError
            No plotter is installed; the message says what to install.
        """
        return find_plotter()(self, **options)

    def __str__(self) -> str:
        shapes = self.values if isinstance(self.values, tuple) else (self.values,)
        axes = self.axes if isinstance(self.axes, tuple) else (self.axes,)
        parts = [f"{self.method} of {self.toolset} on a {self.framework} model"]
        parts += [f"layer {self.layer}"] if self.layer else []
        parts += [f"target {self.target}"] if self.target is not None else []
        parts += [" and ".join(f"{a} {v.shape}" for a, v in zip(axes, shapes, strict=True))]
        if self.translation:
            parts.append(f"translated to {self.translation['to']}")
        return ", ".join(parts)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = [("method", f"{self.method} ({self.toolset}, {self.kind})"), ("model", self.framework)]
        rows += [(name, getattr(self, name)) for name in ("layer", "target") if getattr(self, name) is not None]
        for axes, array in zip(_many(self.axes), _many(self.values), strict=True):
            low, high = (float(array.min()), float(array.max())) if array.size else (0.0, 0.0)
            rows.append(("values", f"{axes} {array.shape}, {array.dtype}, {low:.3g} … {high:.3g}"))
        if self.translation:
            worst = self.translation.get("outputs")
            how = "" if worst is None else f", outputs differ by {worst:.1e} at most"
            rows.append(("translated", f"{self.translation['from']} → {self.translation['to']}{how}"))
        rows.append(("seconds", f"{self.seconds:.2f}"))
        cells = "".join(f"<tr><th>{name}</th><td>{html.escape(str(value))}</td></tr>" for name, value in rows)
        return f"<table>{cells}</table>"


@dataclass(frozen=True)
class PendingExplanation:
    """A run that waits for the caller to name a layer; :func:`finish_execution_with_layer` goes on from it.

    Attributes
    ----------
    model
        The model that will run: the translated one, or the caller's.
    layers
        One row a layer: ``row.source`` (name, kind, shape in the caller's model) and ``row.target`` (in
        ``model``).
    method, toolset, framework
        What will run, and the framework of the caller's model.
    """

    model: Any = field(repr=False)
    layers: tuple[LayerRow, ...]
    method: str
    toolset: str
    framework: str
    request: Any = field(repr=False, default=None, compare=False)

    def __str__(self) -> str:
        rows = [(row.source.name, row.source.kind, str(row.source.shape), row.target.name) for row in self.layers]
        rows.insert(0, ("layer", "kind", "shape", f"in the model that runs ({self.toolset})"))
        widths = [max(len(row[k]) for row in rows) for k in range(3)]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, [*widths, 0], strict=True)).rstrip() for row in rows
        ]
        return "\n".join([f"{self.method} needs a layer: finish_execution_with_layer(pending, layer)", *lines])


@dataclass(frozen=True)
class Comparison:
    """The same method of several toolsets on the same inputs.

    Attributes
    ----------
    explanations
        One a toolset, as the toolkits gave them.
    rows
        One a pair, all figures of the worst sample: ``a``, ``b`` (toolsets), ``max_rel`` = max|a − b| /
        max|b|, ``rel_l2`` = ‖a − b‖ / ‖b‖, ``cosine``, ``spearman`` (rank correlation).
    aligned
        Whether the toolkits' differing defaults were made the same.
    method
        Key asked for.
    notes
        What was done to make the maps comparable.
    """

    explanations: tuple[Explanation, ...]
    rows: tuple[Mapping[str, Any], ...]
    aligned: bool
    method: str
    notes: tuple[str, ...] = ()

    def plot(self, **options: Any) -> Any:
        """Draw the maps side by side, with their differences."""
        return find_plotter()(self, **options)

    def __str__(self) -> str:
        how = "options aligned" if self.aligned else "each toolkit's own defaults"
        lines = [f"{self.method}, {how} (worst sample)"]
        names = [f"{row['a']} − {row['b']}" for row in self.rows]
        width = max(map(len, names), default=0)
        lines.append(f"  {'':{width}}  {'max rel':>9}  {'rel L2':>9}  {'cosine':>9}  {'Spearman':>9}")
        for name, row in zip(names, self.rows, strict=True):
            lines.append(
                f"  {name:{width}}  {row['max_rel']:9.2e}  {row['rel_l2']:9.2e}"
                f"  {row['cosine']:9.6f}  {row['spearman']:9.6f}"
            )
        lines += [f"  {note}" for note in self.notes]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain, JSON-able values; ``None`` where one map is all zero, so that no ratio exists."""
        return {
            "method": self.method,
            "aligned": self.aligned,
            "toolsets": [e.toolset for e in self.explanations],
            "rows": [
                {name: None if value in (math.inf, -math.inf) else value for name, value in row.items()}
                for row in self.rows
            ],
            "notes": list(self.notes),
        }


def find_plotter() -> Any:
    """The installed plotter's function.

    Raises
    ------
    MissingFrameworkError
        There is none.
    """
    found = list(entry_points(group=PLOTTERS))
    if not found:
        raise MissingFrameworkError("plotting needs metannvis-plot, which is not installed: pip install metannvis-plot")
    found.sort(key=lambda entry: entry.name != "default")
    return found[0].load()


def jsonable(value: Any) -> Any:
    """A value in plain, JSON-able form; objects and arrays are described."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [jsonable(item) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"array {tuple(value.shape)} {value.dtype}"
    return getattr(value, "__qualname__", None) or type(value).__qualname__


def _many(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)
