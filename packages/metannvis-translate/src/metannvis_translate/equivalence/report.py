"""Equivalence report: how far apart two models are, in outputs, layers and input gradients, and the tolerances.

*Relative error* is ``max|a − b| / max|b|`` a sample (``b`` the source), the largest over the samples. Gradients are
compared by their relative L2 distance and cosine a sample, since a ReLU or max-pool kink may move single elements.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from metannvis_translate.errors import InvalidArgumentError

__all__ = ["EquivalenceReport", "EquivalenceRow", "Tolerance", "compare_arrays", "make_report", "with_gradients"]

Array = np.ndarray[Any, Any]
#: Numbers that are compared at a time: in double precision, one MiB.
BLOCK = 1 << 17


@dataclass(frozen=True)
class Tolerance:
    """Largest difference that passes, relative (no unit).

    In float64 every one is ``float64``, but for ``differences``: gradients of a side that has none of its own (an ONNX
    graph) are central differences, which are good to about 1e-9.
    """

    outputs: float = 1e-4
    layers: float = 1e-4
    gradients_l2: float = 1e-2
    float64: float = 1e-9
    differences: float = 1e-6

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not value > 0:
                raise InvalidArgumentError(f"Tolerance({name}={value!r}): a tolerance is a positive number")

    def limit(self, group: str, dtype: str, *, by_differences: bool = False) -> float:
        """Limit for ``"outputs"``, ``"layers"`` or ``"gradients"`` of models that compute in ``dtype``."""
        if group == "gradients" and by_differences and dtype == "float64":
            return max(self.differences, self.float64)
        if dtype == "float64":
            return self.float64
        return self.gradients_l2 if group == "gradients" else float(getattr(self, group))


@dataclass(frozen=True)
class EquivalenceRow:
    """One compared tensor. ``compared=False`` with a ``reason`` where there was nothing to compare."""

    name: str
    max_abs: float = float("nan")
    max_rel: float = float("nan")
    rel_l2: float = float("nan")
    cosine: float = float("nan")
    passed: bool | None = None
    reason: str = ""
    target: str = ""

    @property
    def compared(self) -> bool:
        """Whether there was something to compare."""
        return self.passed is not None


@dataclass(frozen=True)
class EquivalenceReport:
    """Figures of a comparison; ``str`` gives a table for people, :meth:`to_dict` one for machines."""

    outputs: tuple[EquivalenceRow, ...]
    gradients: tuple[EquivalenceRow, ...]
    layers: tuple[EquivalenceRow, ...]
    source: str
    target: str
    dtype: str
    tolerance: Tolerance = field(default_factory=Tolerance)
    notes: tuple[str, ...] = ()
    by_differences: bool = False

    @property
    def passed(self) -> bool:
        """Everything that was compared agrees, and an output was compared: at least one is not empty."""
        rows = (*self.outputs, *self.gradients, *self.layers)
        return any(row.compared for row in self.outputs) and all(row.passed is not False for row in rows)

    @property
    def only_gradients_fail(self) -> bool:
        """Outputs and layers agree, gradients do not."""
        alike = any(row.compared for row in self.outputs) and all(
            row.passed is not False for row in (*self.outputs, *self.layers)
        )
        return alike and any(row.passed is False for row in self.gradients)

    @property
    def first_divergence(self) -> str | None:
        """Name of the first layer, in execution order, beyond tolerance."""
        return next((row.name for row in self.layers if row.passed is False), None)

    def worst(self, group: str) -> float:
        """Largest figure of ``"outputs"``, ``"layers"`` (relative error) or ``"gradients"`` (relative L2)."""
        rows: tuple[EquivalenceRow, ...] = getattr(self, group)
        figures = [row.rel_l2 if group == "gradients" else row.max_rel for row in rows if row.compared]
        return max(figures, default=float("nan"))

    def summary(self) -> str:
        """One line: whether it passed, and the worst figures."""
        parts = [f"outputs {self.worst('outputs'):.1e}"]
        for group in ("gradients", "layers"):
            rows = getattr(self, group)
            compared = sum(row.compared for row in rows)
            if compared:
                parts.append(f"{group} {self.worst(group):.1e} ({compared} of {len(rows)})")
            else:
                parts.append(f"{group} not compared")
        return (
            f"{self.source} → {self.target} {'agree' if self.passed else 'DISAGREE'} ({self.dtype}): {', '.join(parts)}"
        )

    def __str__(self) -> str:
        lines = [self.summary()]
        width = max((len(row.name) for row in (*self.outputs, *self.gradients, *self.layers)), default=4)
        width = min(max(width, 12), 48)
        for group in ("outputs", "gradients", "layers"):
            rows: tuple[EquivalenceRow, ...] = getattr(self, group)
            limit = self.tolerance.limit(group, self.dtype, by_differences=self.by_differences)
            measure = "rel L2" if group == "gradients" else "max rel"
            lines.append(f"{group} ({measure} at most {limit:.0e}){'' if rows else ': none'}")
            if not rows:
                continue
            lines.append(f"  {'':{width}}  {'max abs':>9}  {'max rel':>9}  {'rel L2':>9}  {'1 − cosine':>10}")
            for row in rows:
                if not row.compared:
                    lines.append(f"  {row.name:{width}}  not compared: {row.reason}")
                    continue
                mark = "" if row.passed else "  ← beyond tolerance"
                figures = f"{row.max_abs:9.2e}  {row.max_rel:9.2e}  {row.rel_l2:9.2e}  {1 - row.cosine:10.1e}"
                lines.append(f"  {row.name:{width}}  {figures}{mark}")
        lines += [f"note: {note}" for note in self.notes]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """The same as plain, JSON-able values."""
        return {
            "passed": self.passed,
            "source": self.source,
            "target": self.target,
            "dtype": self.dtype,
            "tolerance": asdict(self.tolerance),
            "first_divergence": self.first_divergence,
            **{group: [_plain(row) for row in getattr(self, group)] for group in ("outputs", "gradients", "layers")},
            "notes": list(self.notes),
        }


def _plain(row: EquivalenceRow) -> dict[str, Any]:
    values = asdict(row)
    return {
        key: None if isinstance(value, float) and not np.isfinite(value) else value for key, value in values.items()
    }


def compare_arrays(
    name: str, ours: Array, source: Array, *, limit: float, by_l2: bool = False, target: str = ""
) -> EquivalenceRow:
    """Compare a target array with the source's, both with the batch on axis 0, in the same layout.

    Values that are not finite have to stand at the same places and be equal there.
    """
    if ours.shape != source.shape:
        reason = f"shapes differ: {source.shape} in the source, {ours.shape} in the target"
        return EquivalenceRow(
            name, passed=False, reason=reason, target=target, max_abs=np.inf, max_rel=np.inf, rel_l2=np.inf
        )
    if source.size == 0:
        return EquivalenceRow(name, reason="it is empty", target=target)
    if not source.ndim:
        ours, source = ours.reshape(1), source.reshape(1)
    figures = _Figures()
    rows = max(BLOCK // max(source[0].size, 1), 1)
    for start in range(0, len(source), rows):
        sums = _sums(ours[start : start + rows], source[start : start + rows])
        if sums is None:
            reason = "infinities or NaN at different places"
            return EquivalenceRow(
                name, passed=False, reason=reason, target=target, max_abs=np.inf, max_rel=np.inf, rel_l2=np.inf
            )
        figures.add(sums)
    figure = figures.rel_l2 if by_l2 else figures.max_rel
    return EquivalenceRow(name, **asdict(figures), passed=bool(figure <= limit), target=target)


@dataclass
class _Sums:
    """What figures are made of, each with one entry a sample."""

    max_error: Array
    max_b: Array
    squares_a: Array
    squares_b: Array
    squares_error: Array
    products: Array


@dataclass
class _Figures:
    """The worst of all samples."""

    max_abs: float = 0.0
    max_rel: float = 0.0
    rel_l2: float = 0.0
    cosine: float = np.inf

    def add(self, sums: _Sums) -> None:
        """Take in some samples; a figure that is not a number stays one."""
        with np.errstate(divide="ignore", invalid="ignore"):
            norm_a, norm_b = np.sqrt(sums.squares_a), np.sqrt(sums.squares_b)
            max_rel = _ratio(sums.max_error, sums.max_b)
            rel_l2 = _ratio(np.sqrt(sums.squares_error), norm_b)
            cosine = np.nan_to_num(sums.products / (norm_a * norm_b))
            cosine = np.where((norm_a == 0) & (norm_b == 0), 1.0, cosine)
        self.max_abs = float(np.maximum(self.max_abs, sums.max_error.max()))
        self.max_rel = float(np.maximum(self.max_rel, max_rel.max()))
        self.rel_l2 = float(np.maximum(self.rel_l2, rel_l2.max()))
        self.cosine = float(np.minimum(self.cosine, cosine.min()))


def _sums(ours: Array, source: Array) -> _Sums | None:
    """Sums over each sample in double precision, a piece at a time; None where both are not finite alike.

    Copies of whole values in double precision would take several times what both models hold, and a piece that the
    processor's cache holds is read again for nothing.
    """
    sums = _Sums(*(np.zeros(len(source)) for _ in dataclasses.fields(_Sums)))
    wide = np.complex128 if np.iscomplexobj(ours) or np.iscomplexobj(source) else np.float64
    for piece in _pieces(source.shape):
        a, b = (np.array(x[piece], dtype=wide, order="C").reshape(len(source), -1) for x in (ours, source))
        with np.errstate(over="ignore", invalid="ignore"):
            squares = _products(a, a), _products(b, b)
        if not np.isfinite(squares).all():  # or they are too large to be squared
            finite = np.isfinite(b)
            if not np.array_equal(finite, np.isfinite(a)) or not np.array_equal(a[~finite], b[~finite], equal_nan=True):
                return None
            a, b = np.where(finite, a, 0), np.where(finite, b, 0)
            with np.errstate(over="ignore"):
                squares = _products(a, a), _products(b, b)
        sums.squares_a += squares[0]
        sums.squares_b += squares[1]
        sums.products += _products(a, b)
        np.maximum(sums.max_b, np.abs(b).max(axis=1), out=sums.max_b)
        np.subtract(a, b, out=a)
        sums.squares_error += _products(a, a)
        np.maximum(sums.max_error, np.abs(a).max(axis=1), out=sums.max_error)
    return sums


def _products(a: Array, b: Array) -> Array:
    """Inner products of the rows, their real parts."""
    return np.asarray(np.einsum("ij,ij->i", a, b.conj() if np.iscomplexobj(b) else b).real)


def _pieces(shape: tuple[int, ...]) -> Iterator[tuple[Any, ...]]:
    """Places of pieces of at most :data:`BLOCK` numbers or one row, each with all samples, which stand on axis 0.

    They are cut from an array as it lies, a transposed one without a copy of the whole.
    """
    sizes = [math.prod((shape[0], *shape[k + 1 :])) for k in range(len(shape))]
    axis = next((k for k in range(1, len(shape)) if sizes[k] <= BLOCK), len(shape) - 1)
    if axis == 0:
        yield (slice(None),)
        return
    step = max(BLOCK // max(sizes[axis], 1), 1)
    for before in itertools.product(*(range(size) for size in shape[1:axis])):
        for start in range(0, shape[axis], step):
            yield (slice(None), *before, slice(start, start + step))


def _ratio(error: Array, scale: Array) -> Array:
    return np.asarray(np.where(error == 0, 0.0, error / scale))


def make_report(
    *,
    source: str,
    target: str,
    dtype: str,
    tolerance: Tolerance,
    outputs: Sequence[tuple[str, Array, Array]],
    layers: Sequence[tuple[str, str, Array | None, Array | None]],
    notes: Sequence[str] = (),
    by_differences: bool = False,
) -> EquivalenceReport:
    """Build a report from pairs of arrays (target, source), already in the source's layout; gradients come later.

    See :func:`with_gradients`: values of all layers need not be held any more while gradients are computed.
    """
    limit = tolerance.limit

    def layer(name: str, target_name: str, ours: Array | None, theirs: Array | None) -> EquivalenceRow:
        if ours is None or theirs is None:
            return EquivalenceRow(name, reason="no value was recorded", target=target_name)
        return compare_arrays(name, ours, theirs, limit=limit("layers", dtype), target=target_name)

    return EquivalenceReport(
        outputs=tuple(compare_arrays(n, a, b, limit=limit("outputs", dtype)) for n, a, b in outputs),
        gradients=(),
        layers=tuple(layer(*row) for row in layers),
        source=source,
        target=target,
        dtype=dtype,
        tolerance=tolerance,
        notes=tuple(notes),
        by_differences=by_differences,
    )


def with_gradients(
    report: EquivalenceReport, pairs: Sequence[tuple[str, Array | None, Array | None]], reason: str
) -> EquivalenceReport:
    """A report with rows of input gradients (target's, source's); ``reason`` says why one is missing.

    Where the source's gradient is not a number there is nothing that a number of the target's could be held against.
    """
    notes = list(report.notes)
    most = report.tolerance.limit("gradients", report.dtype, by_differences=report.by_differences)

    def row(name: str, ours: Array | None, theirs: Array | None) -> EquivalenceRow:
        if ours is None or theirs is None:
            return EquivalenceRow(name, reason=reason)
        if ours.shape == theirs.shape and (missing := np.isnan(theirs) & np.isfinite(ours)).any():
            if missing.all():
                return EquivalenceRow(name, reason="the source's is not a number")
            notes.append(
                f"the source's gradient by {name!r} is not a number at {int(missing.sum())} of {missing.size} entries, "
                "where it is not compared"
            )
            ours = np.where(missing, theirs, ours)
        return compare_arrays(name, ours, theirs, limit=most, by_l2=True)

    gradients = tuple(row(*pair) for pair in pairs)
    return dataclasses.replace(report, gradients=gradients, notes=tuple(dict.fromkeys(notes)))
