"""What came of one mutant: a documented refusal, a translation that computes the same, or something that must not be."""

from __future__ import annotations

import random
import shutil
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["BAD", "KINDS", "judge"]

Array = np.ndarray[Any, Any]
#: Outcomes that fail a campaign, by their first word.
BAD = ("raw", "wrong", "hang", "crash")
KINDS = ("onnx-torch", "onnx-keras", "bytes-torch", "bytes-keras", "files")
#: Largest difference, relative to the largest number of the output.
TOLERANCE = 2e-3
FRESH = (11, 12)


def judge(kind: str, seed: int, folder: Path) -> str:
    """The outcome of the mutant of this number.

    ``equal``, ``opened``, ``refused <class>``, ``not comparable <why>``, ``raw <class> <where>`` or ``wrong <how>``.

    Parameters
    ----------
    kind
        One of :data:`KINDS`.
    folder
        Where the samples are, and files may be written.
    """
    from metannvis_translate import MetannvisError

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return _damaged(seed, folder) if kind == "files" else _translated(kind, seed, folder)
        except MetannvisError as error:
            return f"refused {type(error).__name__}"
        except Exception as error:  # noqa: BLE001  # this is what is looked for
            places = traceback.extract_tb(error.__traceback__)
            ours = [
                place for place in places if "metannvis" in place.filename and "/fuzz/" not in place.filename
            ] or places
            where = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}"
            return f"raw {type(error).__name__} {where} {' '.join(str(error).split())[:160]}"


def _translated(kind: str, seed: int, folder: Path) -> str:
    import onnx
    from metannvis_translate import load_model, translate

    from .byte_mutants import mutate
    from .onnx_mutants import mutant, structured

    how, to = kind.split("-")
    if how == "onnx":
        model: Any = structured(seed)
    else:
        path = folder / "mutant.onnx"
        path.write_bytes(mutant(seed, mutate))
        model = load_model(path)
    before = model.SerializeToString(deterministic=True)
    translation = translate(model, to)
    if model.SerializeToString(deterministic=True) != before:
        return "wrong the caller's model was changed"
    return _compared(onnx.ModelProto.FromString(before), translation)


def _compared(model: Any, translation: Any) -> str:
    """The translation on fresh inputs beside ONNX Runtime and ONNX's evaluator, as far as each of them runs the model."""
    from metannvis_translate.frameworks.registry import get_framework

    target = get_framework(translation.target_framework)
    seen = set()
    for seed in FRESH:
        inputs = get_framework("onnx").example_inputs(model, 2, seed)
        references = [
            reference for reference in (_by_runtime(model, inputs), _by_evaluator(model, inputs)) if reference
        ]
        if not references:
            seen.add("not comparable no runtime runs it on fresh inputs")
            continue
        given = [_moved(array, port.permutation) for array, port in zip(inputs, translation.inputs, strict=True)]
        found = target.run(translation.model, given).outputs
        ours = [found[k if port.place is None else port.place] for k, port in enumerate(translation.outputs)]
        reasons = [_differs(translation, ours, reference) for reference in references]
        if all(reasons):
            return f"wrong {reasons[0]}"
        seen.add("not comparable the references differ, one of them agrees" if any(reasons) else "equal")
    return min(seen - {"equal"}, default="equal")


def _differs(translation: Any, ours: list[Array], reference: list[Array]) -> str:
    """Which output differs and how, or nothing."""
    for port, a, b in zip(translation.outputs, ours, reference, strict=True):
        back = np.argsort(port.permutation)
        reason = _different(a.transpose(back) if a.ndim == len(back) else a, b)
        if reason:
            return f"{port.name}: {reason}"
    return ""


def _moved(array: Array, permutation: Any) -> Array:
    return array.transpose(permutation) if array.ndim == len(permutation) else array


def _by_runtime(model: Any, inputs: list[Array]) -> list[Array] | None:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL

    def run(feeds: dict[str, Array]) -> Any:
        providers = ["CPUExecutionProvider"]
        return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=providers).run(None, feeds)

    return _outputs(run, model, inputs)


def _by_evaluator(model: Any, inputs: list[Array]) -> list[Array] | None:
    from onnx.reference import ReferenceEvaluator

    with warnings.catch_warnings():  # integers by zero, which the standard leaves open: no reference, as ONNX Runtime's
        warnings.filterwarnings("error", "divide by zero encountered in (floor_divide|remainder)")
        return _outputs(lambda feeds: ReferenceEvaluator(model).run(None, feeds), model, inputs)


def _outputs(run: Callable[[dict[str, Array]], Any], model: Any, inputs: list[Array]) -> list[Array] | None:
    """What a runtime says, or None where it lacks a kernel for some type, or fails."""
    weights = {tensor.name for tensor in model.graph.initializer}
    names = [value.name for value in model.graph.input if value.name not in weights]
    try:
        return [np.asarray(array) for array in run(dict(zip(names, inputs, strict=True)))]
    except Exception:  # noqa: BLE001
        return None


def _different(ours: Array, theirs: Array) -> str:
    if ours.shape != theirs.shape:
        return f"shape {ours.shape} instead of {theirs.shape}"
    if theirs.dtype.kind not in "fiub" or not theirs.size:
        return ""
    a, b = ours.astype(np.float64), theirs.astype(np.float64)
    if (np.isnan(a) != np.isnan(b)).any():
        return "not a number at other places"
    sound = np.isfinite(b)
    if (a[~sound & ~np.isnan(b)] != b[~sound & ~np.isnan(b)]).any():
        return "infinite at other places"
    if not sound.any():
        return ""
    off = np.abs(a - b)[sound].max()
    largest = np.abs(b[sound]).max()
    return f"{off:.2e} off, of {largest:.2e}" if not off <= TOLERANCE * largest + 1e-6 else ""


# --- damaged files --------------------------------------------------------------------------------------------------------


def _damaged(seed: int, folder: Path) -> str:
    from .byte_mutants import mutate
    from .samples import FORMATS

    name = FORMATS[seed % len(FORMATS)]
    sample = folder / name
    honest = sample.read_bytes()
    top = name.partition("/")[0]
    work = folder / "damaged"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    if "/" in name:
        shutil.copytree(folder / top, work / top)
    (work / name).write_bytes(mutate(honest, random.Random(seed)))
    _open(work / top)
    return "opened"


def _open(path: Path) -> None:
    """What a user does with a file of the kind; an input is read for a model that takes one."""
    from metannvis_methods import Explanation
    from metannvis_methods.inputs import read_image, read_inputs, read_labels
    from metannvis_methods.inputs.images import SUFFIXES
    from metannvis_translate import load_model, translate

    suffix = path.suffix
    if suffix in (".txt", ".json"):
        read_labels(path)
    elif suffix in SUFFIXES:
        read_image(path, None, scale="unit", crop=False)
    elif path.name in ("array.npy", "arrays.npz"):
        read_inputs([str(path)], [])
    elif suffix == ".npz":
        explanation = Explanation.load(path)
        str(explanation), explanation._repr_html_()
    elif suffix == ".pt":
        load_model(path, architecture="judging:architecture")
    else:
        model = load_model(path)
        translate(model, "onnx" if path.name != "saved" and suffix != ".onnx" else "torch")


def architecture() -> Any:
    """The module whose weights ``net.pt`` holds."""
    from torch import nn

    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3))
