"""What is measured on each member of the zoo of Keras: Keras to PyTorch, without the gate, on inputs it has not seen."""

from __future__ import annotations

import gc
import math
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from metannvis_translate import EquivalenceError, check_equivalence, list_layers, translate
from metannvis_translate.layers import LayerMap

from .checks import BATCHES, COARSE_LIMIT, EXACT_LIMIT, SINGLE_LIMIT, Stages, memory
from .keras_members import Member, calibrate, find
from .randomize import SANE, WAYS

__all__ = ["CHECKS", "measure"]


@dataclass
class Case:
    """A member while it is measured; the first translation is kept until the second is made."""

    member: Member
    model: Any
    translation: Any = None
    failures: list[str] = field(default_factory=list)

    def fail(self, message: str) -> None:
        """Note that something is wrong; the other checks still run."""
        self.failures.append(message)


def translated(case: Case) -> dict[str, Any]:
    """Translate in single precision, without the gate: seconds, and memory beyond what the network holds."""
    import torch.onnx  # noqa: F401  # loading the frameworks is no part of a translation
    from metannvis_translate.frameworks.torch.importer import context  # noqa: F401

    stages, before = Stages(), memory()
    begin = time.perf_counter()
    translation = translate(case.model, "torch", verify=False, progress=stages)
    seconds = time.perf_counter() - begin
    stages.seconds["build"] = seconds - stages.seconds["export"] - stages.seconds["passes"]
    case.translation = translation
    size = 4e-9 * case.model.count_params()
    grown = memory() - before
    kinds: dict[str, int] = {}
    for module in translation.model.modules():
        if not list(module.children()):
            kinds[type(module).__name__] = kinds.get(type(module).__name__, 0) + 1
    return {
        "seconds": round(seconds, 2),
        **{stage: round(value, 2) for stage, value in stages.seconds.items()},
        "gigabytes": round(grown, 3),
        "times_weights": round(grown / size, 2),
        "kinds": dict(sorted(kinds.items(), key=lambda item: -item[1])),
        "notes": list(translation.notes),
    }


def single(case: Case) -> dict[str, Any]:
    """Outputs in single precision."""
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
    gc.collect()
    begin = time.perf_counter()
    try:
        translate(case.model, "torch")
    except EquivalenceError as error:
        case.fail(f"false alarm, if the rest agrees: {' '.join(str(error).split())[:1500]}")
    return {"checked_seconds": round(time.perf_counter() - begin, 2)}


def exact(case: Case) -> dict[str, Any]:
    """The proof: outputs, input gradients and every executed leaf layer in double precision."""
    case.translation = None
    gc.collect()
    double = translate(case.model, "torch", verify=False, dtype="float64")
    limit = COARSE_LIMIT if double.single_precision else EXACT_LIMIT
    executed = {info.name for info in list_layers(case.model) if not info.parent}
    mapped = {row.source.name for row in double.layers if not row.source.parent}
    if executed != mapped:
        case.fail(f"leaf layers: not mapped {sorted(executed - mapped)}, not executed {sorted(mapped - executed)}")
    worst = {"outputs": 0.0, "gradients": 0.0, "layers": 0.0}
    for batch in BATCHES:
        report = check_equivalence(case.model, double, case.member.inputs(batch, batch, "float64"), dtype="float64")
        for group in worst:
            for row in getattr(report, group):
                worst[group] = max(worst[group], row.max_rel)
                if not (row.compared and row.max_rel <= limit):
                    case.fail(f"float64, batch {batch}: {group}: {row.name} {row.max_rel:.1e} {row.reason}".strip())
    return {
        **{f"float64_{group}": value for group, value in worst.items()},
        "limit": limit,
        "single": list(double.single_precision),
        "leaves": len(executed),
        "leaves_mapped": len(executed & mapped),
    }


#: What ``measure`` runs, in order.
CHECKS: list[Callable[[Case], dict[str, Any]]] = [translated, single, checked, exact]


def measure(name: str, checks: list[str] | None = None) -> dict[str, Any]:
    """Every check on one member, in this process; see :func:`measure.measure`."""
    from metannvis_translate.frameworks.requirements import require

    require("torch").set_num_threads(1)
    require("tensorflow")
    member = find(name)
    begin = time.perf_counter()
    row: dict[str, Any] = {"name": name, "passed": False, "failures": []}
    try:
        model, row["rounding"] = _made(member)
        row["parameters"] = model.count_params()
        case = Case(member, model)
        for check in CHECKS:
            if checks is None or check.__name__ in checks or check is translated:
                row |= check(case)
                row["failures"] = case.failures[:20]
        row["passed"] = not case.failures
    except Exception as error:  # noqa: BLE001
        # whatever Keras or an importer raises is what the row has to say
        row["failures"].append(f"{type(error).__name__}: {' '.join(str(error).split())[:1500]}")
        row["traceback"] = traceback.format_exc()[-3000:]
    row["wall"] = round(time.perf_counter() - begin, 1)
    return row


def _made(member: Member) -> tuple[Any, float]:
    """The network with sane weights, and how far its own single precision is from double."""
    import numpy as np
    from metannvis_translate.frameworks.registry import get_framework

    keras = get_framework("tensorflow")
    best: tuple[Any, float] = (None, math.inf)
    for way in WAYS:
        model = member.make()
        calibrate(model, lambda model: model(member.inputs(4, 99)[0], training=True), way)
        double, own = keras.as_float64(model), 0.0
        for batch in BATCHES:
            inputs = member.inputs(batch, batch)
            (rough,), (fine,) = (keras.run(m, inputs).outputs for m in (model, double))
            own = max(own, float(np.max(np.abs(rough - fine).max(-1) / np.abs(fine).max(-1))))
        if best[0] is None or own < best[1]:
            best = model, own
        if own <= SANE:
            break
    return best
