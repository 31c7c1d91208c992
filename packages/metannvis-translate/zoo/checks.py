"""What is measured on each member. A check takes a :class:`Case` and returns figures; what it finds wrong goes to `case.fail`.

``CHECKS`` is the list that ``measure`` runs, in order; a further check is a function more in it.
"""

from __future__ import annotations

import ctypes
import gc
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from metannvis_translate import EquivalenceError, check_equivalence, list_layers, translate
from metannvis_translate.frameworks.registry import get_framework
from metannvis_translate.layers import LayerMap

from .grad_cam import grad_cam
from .members import COMPUTED, Member
from .reload import Job, job_of, run_apart, still_in_training

__all__ = ["CHECKS", "Case"]

BATCHES = (1, 2, 5)
SINGLE_LIMIT, EXACT_LIMIT, COARSE_LIMIT = 1e-5, 1e-9, 1e-6


@dataclass
class Case:
    """A member while it is measured.

    Attributes
    ----------
    model
        The PyTorch module, randomised, in eval mode.
    folder
        Where files may be written.
    translation
        The float32 translation to Keras, once :func:`translated` ran, and until :func:`exact` did.
    double
        The float64 translation, once :func:`exact` ran, and until :func:`reloaded` did.
    saved
        Its ``.keras`` file, once :func:`saved` ran.
    """

    member: Member
    model: Any
    folder: Path
    translation: Any = None
    double: Any = None
    saved: Path | None = None
    failures: list[str] = field(default_factory=list)
    #: saved models that :func:`reloaded` opens in a fresh process
    jobs: list[tuple[Job, float, int]] = field(default_factory=list)

    def fail(self, message: str) -> None:
        """Note that something is wrong; the other checks still run."""
        self.failures.append(message)

    def example(self, dtype: str = "float32") -> Any:
        """The example inputs: a batch of two, never used again."""
        return self.member.inputs(2, 0, dtype)


class Stages:
    """Seconds a stage, from what ``translate`` reports as it goes on."""

    def __init__(self) -> None:
        self.begin = self.last = time.perf_counter()
        self.seconds = {"export": 0.0, "passes": 0.0, "build": 0.0}
        self.stage = "export"

    def __call__(self, done: int, total: int, stage: str) -> None:
        """Take note of a report: what passed since the last one belongs to the stage before."""
        stage = "build" if stage == "build" else "export"
        now = time.perf_counter()
        between = "passes" if self.stage == "export" and stage == "build" else self.stage
        self.seconds[between] += now - self.last
        self.stage, self.last = stage, now


def memory() -> float:
    """The most memory that the process has held so far, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def translated(case: Case) -> dict[str, Any]:
    """Translate in single precision, without the gate."""
    import keras
    import torch.onnx  # noqa: F401  # loading the frameworks is no part of a translation

    stages, before = Stages(), memory()
    begin = time.perf_counter()
    translation = translate(case.model, "keras", example_inputs=case.example(), verify=False, progress=stages)
    seconds = time.perf_counter() - begin
    stages.seconds["build"] = seconds - stages.seconds["export"] - stages.seconds["passes"]
    case.translation = translation
    kinds: dict[str, int] = {}
    for operation in translation.model.operations:
        native = isinstance(operation, keras.layers.Layer)
        kind = type(operation).__name__ if native else f"ops.{type(operation).__name__}"
        kinds[kind] = kinds.get(kind, 0) + 1
    if "Lambda" in kinds:
        case.fail("the model holds a Lambda layer")
    if any("the batch size is fixed" in note for note in translation.notes):
        case.fail("the batch size is fixed")
    return {
        "seconds": round(seconds, 2),
        **{stage: round(value, 2) for stage, value in stages.seconds.items()},
        "gigabytes": round(memory() - before, 2),
        "operations": sum(kinds.values()),
        "kinds": dict(sorted(kinds.items(), key=lambda item: -item[1])),
        "notes": list(translation.notes),
    }


def single(case: Case) -> dict[str, Any]:
    """Outputs in single precision on fresh inputs."""
    worst = 0.0
    for batch in BATCHES:
        inputs = case.member.inputs(batch, batch)
        report = check_equivalence(case.model, case.translation, inputs, gradients=False, layers=LayerMap(()))
        for row in report.outputs:
            worst = max(worst, row.max_rel)
            if not row.max_rel <= SINGLE_LIMIT:
                case.fail(f"float32, batch {batch}: output {row.name} {row.max_rel:.1e} {row.reason}")
    return {"float32": worst}


def checked(case: Case) -> dict[str, Any]:
    """The gate lets the translation through: whether that is right, :func:`single` and :func:`exact` say."""
    case.translation = None
    begin = time.perf_counter()
    try:
        translate(case.model, "keras", example_inputs=case.example())
    except EquivalenceError as error:
        case.fail(f"false alarm, if the rest agrees: {' '.join(str(error).split())[:1500]}")
    return {"checked_seconds": round(time.perf_counter() - begin, 2)}


def rounding(model: Any, inputs: Any) -> float:
    """How far a network's own single precision is from double, in its outputs, relatively."""
    report = check_equivalence(get_framework("torch").as_float64(model), model, inputs, gradients=False)
    return report.worst("outputs")


def saved(case: Case) -> dict[str, Any]:
    """Save the single-precision model, for checks that load it in a process of its own."""
    case.saved = case.folder / "model.keras"
    case.translation.save(case.saved)
    inputs = case.member.inputs(2, 6)
    job, used = job_of("float32", case.saved, case.model, case.translation, inputs, fit=True)
    case.jobs.append((job, SINGLE_LIMIT, used))
    return {"megabytes": round(case.saved.stat().st_size / 1e6, 1)}


def exact(case: Case) -> dict[str, Any]:
    """The proof: outputs, input gradients and every executed leaf layer in double precision, on fresh inputs."""
    case.translation = None
    case.double = double = translate(case.model, "keras", example_inputs=case.example(), verify=False, dtype="float64")
    coarse = bool(double.single_precision)
    if case.member.single is not None and coarse != bool(case.member.single):
        case.fail(f"single precision: {double.single_precision}, expected {case.member.single!r}")
    limit = COARSE_LIMIT if coarse else EXACT_LIMIT
    inputs = case.member.inputs(1, 1)
    # without #2, #3 …: what a layer puts out beside its first tensor may be used by nobody, such as the last state of an LSTM
    executed = {info.name.split("#")[0] for info in list_layers(case.model, example_inputs=inputs) if not info.parent}
    mapped = {row.source.name.split("#")[0] for row in double.layers if not row.source.parent}
    if executed != mapped:
        case.fail(f"leaf layers: not mapped {sorted(executed - mapped)}, not executed {sorted(mapped - executed)}")
    worst = {"outputs": 0.0, "gradients": 0.0, "layers": 0.0}
    for batch in BATCHES:
        inputs = case.member.inputs(batch, batch, "float64")
        report = check_equivalence(case.model, double, inputs, dtype="float64")
        for group in worst:
            wrong = []
            for row in getattr(report, group):
                if not row.compared:
                    if group == "layers" or not _whole(inputs):
                        wrong.append(f"{row.name} not compared: {row.reason}")
                    continue
                worst[group] = max(worst[group], row.max_rel)
                if not row.max_rel <= limit:
                    wrong.append(f"{row.name} {row.max_rel:.1e} {row.reason}".strip())
            if wrong:
                case.fail(f"float64, batch {batch}: {group}: {'; '.join(wrong[:3])}{' …' if len(wrong) > 3 else ''}")
    path = case.folder / "model64.keras"
    double.save(path)
    source = get_framework("torch").as_float64(case.model)
    job, used = job_of("float64", path, source, double, case.member.inputs(2, 6, "float64"))
    case.jobs.append((job, limit, used))
    return {
        **{f"float64_{group}": value for group, value in worst.items()},
        "limit": limit,
        "leaves": len(executed),
        "leaves_mapped": len(executed & mapped),
    }


def reloaded(case: Case) -> dict[str, Any]:
    """Both saved models, opened in safe mode in a fresh process without us and PyTorch, agree; one epoch of fit works."""
    case.double = case.translation = None
    _give_back()  # the other process needs the memory
    run_apart([job for job, _, _ in case.jobs], case.folder)
    figures: dict[str, Any] = {}
    for job, limit, used in case.jobs:
        figures[f"{job.name}_custom"] = job.custom
        if job.custom and {"cnn", "classification"} <= case.member.tags:
            case.fail("the saved model needs classes of ours")
        if "error" in job.row:
            case.fail(f"saved {job.name}: {job.row['error']}")
            continue
        errors = job.errors()
        figures |= {f"{job.name}_reloaded_{group}": value for group, value in errors.items()}
        # kinks move gradients in single precision
        groups = ("outputs", "gradients") if job.name == "float64" else ("outputs",)
        for group in groups:
            if not errors[group] <= limit:
                case.fail(f"saved {job.name}: {group} {errors[group]:.1e}")
        if job.fit:
            figures["trainable"] = job.row["trainable"]
            if case.member.name in COMPUTED:
                figures["trained"] = COMPUTED[case.member.name]
            elif job.row["trainable"] != used:
                case.fail(f"{job.row['trainable']} elements of weights can be trained, {used} in the source")
            if job.stuck():
                job.still |= still_in_training(case.model, case.member.inputs(2, 6))
            if job.stuck() or not job.row["finite"]:
                case.fail(f"fit: finite {job.row['finite']}, unchanged {job.stuck()[:5]}")
    return figures


def _give_back() -> None:
    """Free memory goes back to the system; the C library would keep most of it for later."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's
    if trim is not None:
        trim(0)


def _whole(inputs: Any) -> bool:
    """Whether there is no float among the inputs, so that no gradient is to be compared."""
    arrays = inputs.values() if isinstance(inputs, dict) else inputs
    return all(np.asarray(array).dtype.kind != "f" for array in arrays)


#: What ``measure`` runs, in order; ``exact`` lets the single-precision model go.
CHECKS: list[Callable[[Case], dict[str, Any]]] = [translated, single, saved, checked, exact, grad_cam, reloaded]
