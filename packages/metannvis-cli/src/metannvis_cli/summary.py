"""Summaries of an explanation, in words and as JSON, which holds all that repeats it."""

from __future__ import annotations

import dataclasses
import platform
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

from metannvis_cli.command_line import command_line
from metannvis_cli.input_files import InputSet
from metannvis_cli.outputs import NO_NAMES, Names
from metannvis_cli.requests import Request

__all__ = ["as_dict", "as_text", "failed", "repeat_of_models", "with_file"]

#: Packages that models are translated and compared with.
OF_MODELS = ("metannvis-cli", "metannvis-translate", "numpy", "torch", "tensorflow", "keras", "onnx", "onnxruntime")
#: Samples whose predictions are told.
MOST = 8


def with_file(result: Any, path: Path) -> Any:
    """The result (or a dict of them) with the model's file in its record, so that it can be run again by itself."""
    if isinstance(result, dict):
        return {name: with_file(one, path) for name, one in result.items()}
    if result.record is None:
        return result
    from metannvis_methods.running.records import file_digest

    model = {**result.record.model, "file": str(path), "sha256": file_digest(path)}
    return dataclasses.replace(result, record=dataclasses.replace(result.record, model=model))


def as_text(result: Any, files: Sequence[Path], shown: str = "") -> str:
    """A few lines: method and model, error of the translation, shape and range of the values, files written."""
    what = [(f"{shown}: " if shown else "") + f"{result.method} of {result.toolset} on {_model(result.framework)}"]
    if result.layer is not None:
        what.append(f"layer {result.layer}")
    if result.target is not None:
        what.append(f"target {_named(result.target, result.labels)}")
    lines = [", ".join(what), _translation(result.translation)]
    if result.prediction:
        said = [_predicted(row) for row in result.prediction]
        lines.append(f"predicted {'; '.join(said[:MOST])}" + ("; …" if len(said) > MOST else ""))
    for axes, array in _parts(result):
        span = f"{array.min():.4g} … {array.max():.4g}" if array.size else "empty"
        lines.append(f"values {axes} {tuple(array.shape)}, {span}")
    if hasattr(result, "objectives"):
        lines += [_made(result, k) for k in range(min(MOST, len(result.scores)))]
    masks = _over_masks(result)
    if masks:
        sizes = "; ".join(f"{row['mean']:.4g}, {row['max']:.4g} at most" for row in masks["deviation"])
        lines.append(f"over {masks['masks']} dropout masks, deviation {sizes}")
    if result.convergence_delta is not None and result.convergence_delta.size:
        lines.append(f"convergence delta at most {abs(result.convergence_delta).max():.2e}")
    lines += [f"wrote {path}" for path in files]
    return "\n".join(lines)


def _as_made(result: Any) -> dict[str, Any]:
    """The same of all images as plain values; what is no number is none."""

    def plain(values: Any) -> list[float | None] | None:
        return None if values is None else [float(value) if value == value else None for value in values]

    return {
        "objectives": list(result.objectives),
        result.score.replace(" ", "_"): plain(result.scores),
        "probabilities": plain(result.probabilities),
        "steps": [int(steps) for steps in result.steps],
        "ended": list(result.ended),
    }


def _made(result: Any, image: int) -> str:
    """What an image that was made has reached."""
    reached = f"{result.score} {result.scores[image]:.4g}"
    if result.probabilities is not None:
        reached += f", probability {result.probabilities[image]:.4g}"
    return f"image {image}: {result.objective_of(image)}, {reached} after {int(result.steps[image])} steps"


def _model(framework: str) -> str:
    """``a PyTorch model``, ``an ONNX model``."""
    from metannvis_translate.frameworks import get_framework

    label = get_framework(framework).label
    return f"{'an' if label[0] in 'AEIO' else 'a'} {label} model"


def as_dict(result: Any, files: Sequence[Path], inputs: Sequence[str] = (), names: Names = NO_NAMES) -> dict[str, Any]:
    """The same, options and time, and what repeats it, as plain values."""
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
        **_over_masks(result),
        "translation": None if result.translation is None else dict(result.translation),
        "convergence_delta": None if result.convergence_delta is None else result.convergence_delta.tolist(),
        "output": result.output,
        "prediction": None if result.prediction is None else [dict(row) for row in result.prediction],
        **(_as_made(result) if hasattr(result, "objectives") else {}),
        "warnings": list(result.warnings),
        "seconds": result.seconds,
        "options": dict(result.options),
        "names": names.of(result) or None,
        "files": [str(path) for path in files],
        "repeat": _repeat(result, inputs),
    }


def _over_masks(result: Any) -> dict[str, Any]:
    """Number of dropout masks and the deviation over them; empty if there were none."""
    if result.deviation is None:
        return {}
    words = {} if result.record is None else result.record.words
    parts = result.deviation if isinstance(result.deviation, tuple) else (result.deviation,)
    rows = [{"mean": float(sd.mean()), "max": float(sd.max())} for sd in parts if sd is not None and sd.size]
    return {"masks": words["uncertainty"].samples if "uncertainty" in words else None, "deviation": rows}


def failed(request: Request, inputs: InputSet, error: str | None) -> dict[str, Any]:
    """What became of a run that failed, as plain values."""
    return {
        "method": request.method,
        "toolset": request.toolset,
        "layer": request.layer,
        "target": request.aim or None,
        "error": error,
        "repeat": {"inputs": _files(inputs.options.files), "command": command_line()},
    }


def _repeat(result: Any, inputs: Sequence[str]) -> dict[str, Any]:
    """The command, the files and their hashes, every word of the call, and versions."""
    record = result.record
    words = {} if record is None else {name: _plain(value) for name, value in record.words.items()}
    ours = ("metannvis-cli", "metannvis-plot")
    return {
        "command": command_line(),
        "model": {} if record is None else dict(record.model),
        "inputs": _files(inputs),
        "words": words,
        "seed": words.get("seed"),
        "preprocess": words.get("preprocess"),
        "versions": {
            "python": platform.python_version(),
            **_versions(ours),
            **({} if record is None else record.versions),
        },
    }


def repeat_of_models(models: Mapping[str, Path], inputs: Sequence[str], words: Mapping[str, Any]) -> dict[str, Any]:
    """What repeats a command on model files: the command, the files and their hashes, its options, and versions."""
    from metannvis_methods.running.records import file_digest

    files = {name: {"file": str(path), "sha256": file_digest(path)} for name, path in models.items()}
    return {
        "command": command_line(),
        **files,
        "inputs": _files(inputs),
        "options": {name: _plain(value) for name, value in words.items()},
        "versions": {"python": platform.python_version(), **_versions(OF_MODELS)},
    }


def _versions(packages: Sequence[str]) -> dict[str, str]:
    """Versions of those that are installed."""
    found = {}
    for name in packages:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def _files(texts: Sequence[str]) -> list[dict[str, str]]:
    """Files of inputs, and their hashes."""
    from metannvis_methods.running.records import file_digest

    from metannvis_cli.inputs import path_of

    paths = {text: path_of(text) for text in texts}
    return [{"file": text, "sha256": file_digest(path)} for text, path in paths.items() if path.is_file()]


def _plain(value: Any) -> Any:
    """A word of a call in plain form."""
    from metannvis_methods.results.plain import jsonable

    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return jsonable(value)


def _parts(result: Any) -> list[tuple[str, Any]]:
    if isinstance(result.values, tuple):
        parts = zip(result.axes, result.values, strict=True)
        return [(axes, array) for axes, array in parts if array is not None]  # an input that was held has none
    return [(result.axes, result.values)]


def _predicted(row: Mapping[str, Any]) -> str:
    """``3 (tabby), probability 0.93``; what is no probability is an output."""
    probability, number, name = row.get("probability"), row.get("class"), row.get("name")
    value = f"output {row['value']:.4g}" if probability is None else f"probability {probability:.4g}"
    if number is None:
        return value
    return f"{number} ({name}), {value}" if name else f"{number}, {value}"


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
