"""Summaries of an explanation, in words and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["as_dict", "as_text"]

#: Samples whose predictions are told.
MOST = 8


def as_text(result: Any, files: Sequence[Path]) -> str:
    """A few lines: method and model, error of the translation, shape and range of the values, files written."""
    what = [f"{result.method} of {result.toolset} on a {result.framework} model"]
    if result.layer is not None:
        what.append(f"layer {result.layer}")
    if result.target is not None:
        what.append(f"target {_named(result.target, result.labels)}")
    lines = [", ".join(what), _translation(result.translation)]
    if result.prediction:
        said = [_predicted(row) for row in result.prediction]
        lines.append(f"prediction {', '.join(said[:MOST])}" + (", …" if len(said) > MOST else ""))
    for axes, array in _parts(result):
        span = f"{array.min():.4g} … {array.max():.4g}" if array.size else "empty"
        lines.append(f"values {axes} {tuple(array.shape)}, {span}")
    if result.convergence_delta is not None and result.convergence_delta.size:
        lines.append(f"convergence delta at most {abs(result.convergence_delta).max():.2e}")
    lines += [f"wrote {path}" for path in files]
    return "\n".join(lines)


def as_dict(result: Any, files: Sequence[Path]) -> dict[str, Any]:
    """The same, and options and time, as plain values."""
    return {
        "method": result.method,
        "toolset": result.toolset,
        "framework": result.framework,
        "kind": result.kind,
        "layer": result.layer,
        "target": result.target,
        "target_name": None if result.labels is None or result.target is None else _named(result.target, result.labels),
        "values": [
            {
                "axes": axes,
                "shape": list(array.shape),
                "dtype": str(array.dtype),
                "min": float(array.min()) if array.size else None,
                "max": float(array.max()) if array.size else None,
            }
            for axes, array in _parts(result)
        ],
        "translation": None if result.translation is None else dict(result.translation),
        "convergence_delta": None if result.convergence_delta is None else result.convergence_delta.tolist(),
        "output": result.output,
        "prediction": None if result.prediction is None else [dict(row) for row in result.prediction],
        "warnings": list(result.warnings),
        "seconds": result.seconds,
        "options": dict(result.options),
        "files": [str(path) for path in files],
    }


def _parts(result: Any) -> list[tuple[str, Any]]:
    if isinstance(result.values, tuple):
        parts = zip(result.axes, result.values, strict=True)
        return [(axes, array) for axes, array in parts if array is not None]  # an input that was held has none
    return [(result.axes, result.values)]


def _predicted(row: Mapping[str, Any]) -> str:
    value = row["value"] if row.get("probability") is None else row["probability"]
    name = row.get("name") or row.get("class")
    return f"{value:.4g}" if name is None else f"{name} ({value:.4g})"


def _named(target: Any, labels: Sequence[str] | None) -> str:
    if isinstance(target, list):
        return ", ".join(_named(item, labels) for item in target)
    if labels is not None and isinstance(target, int) and 0 <= target < len(labels):
        return f"{target} ({labels[target]})"
    return str(target)


def _translation(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return "not translated"
    figures = [
        f"{name} {found[name]:.1e}" for name in ("outputs", "gradients", "layers") if found.get(name) is not None
    ]
    how = f"relative error: {', '.join(figures)}" if figures else "not checked"
    return f"translated {found['from']} → {found['to']}, {how}"
