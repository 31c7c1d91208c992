"""Every public function of ``keras.ops``, computed by translations to PyTorch.

Each sample of :mod:`keras_samples` is a functional model of one call (a layer of its own where the call asks for a size that is free)
that goes through the public ``translate(..., verify=False)``. Outputs and gradients are compared with the function's own, computed by
TensorFlow eagerly; where the two round differently, the function in double precision decides.

``python -m packages.metannvis-translate.conformance.run_keras_operators --only 'nan.*'`` runs a part.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import re
import signal
import subprocess
import sys
import time
import warnings
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .keras_samples import KINDS, NO_SAMPLE, Sample, function_names, kind_of, samples
from .run_torch_operators import Outcome, Timeout, differs, first_line, short

__all__ = ["by_function", "main", "read_table", "run_all", "run_sample", "summary", "table_path"]

Array = np.ndarray[Any, Any]

#: Seconds for one sample.
LIMIT = 120
#: From best to worst: a function is what the worst of its samples is.
ORDER = ("skipped", "passed", "refused", "wrong", "crashed")

# --- one sample ----------------------------------------------------------------------------------------------------------------


def tensors_of(sample: Sample, dtype: str = "float32") -> list[Array]:
    """What goes in, floats in a precision."""
    return [a.astype(dtype) if a.dtype.kind == "f" else a for a in sample.arrays]


def model_of(sample: Sample) -> Any:
    """A model that makes the call."""
    import keras

    class Call(keras.layers.Layer):
        def call(self, *tensors: Any) -> Any:
            return sample.call(*tensors)

        def compute_output_spec(self, *tensors: Any) -> Any:
            """From the function itself, on the batch and twice that."""
            arrays = tensors_of(sample)
            one = sample.call(*map(keras.ops.convert_to_tensor, arrays))
            two = one if sample.fixed else sample.call(*(keras.ops.concatenate([a, a], 0) for a in arrays))
            return keras.tree.map_structure(
                lambda a, b: keras.KerasTensor(
                    [s if s == t else None for s, t in zip(a.shape, b.shape, strict=True)], a.dtype.name
                ),
                one,
                two,
            )

    inputs = [
        keras.Input(batch_shape=a.shape if sample.fixed else (None, *a.shape[1:]), dtype=str(a.dtype))
        for a in tensors_of(sample)
    ]
    try:
        model = keras.Model(inputs, sample.call(*inputs))
        result = model(tensors_of(sample) if len(inputs) > 1 else tensors_of(sample)[0], training=False)
        if any(isinstance(x, keras.KerasTensor) for x in keras.tree.flatten(result)):
            raise TypeError("a function that it calls keeps symbolic tensors")
        return model
    except Exception:  # noqa: BLE001  # the call wants numbers where a symbolic tensor has none: a size that is free
        return keras.Model(inputs, Call(name="call")(*inputs))


def native(model: Any, sample: Sample, weights: Sequence[Array] | None, dtype: str = "float32") -> Any:
    """Outputs, gradients of a weighted sum of those that are floats, and the weights."""
    import keras
    import tensorflow as tf

    given = [tf.convert_to_tensor(a) for a in tensors_of(sample, dtype)]
    floats = [t for t in given if t.dtype.is_floating]
    with tf.GradientTape() as tape:
        tape.watch(floats)
        found = [
            tf.convert_to_tensor(t)
            for t in keras.tree.flatten(model(given[0] if len(given) == 1 else given, training=False))
        ]
        if weights is None:
            rng = np.random.default_rng(1)
            weights = [rng.standard_normal(tuple(t.shape)).astype("float32") for t in found]
        terms = [
            tf.reduce_sum(tf.cast(t * tf.cast(w, t.dtype), tf.float64))
            for t, w in zip(found, weights, strict=True)
            if t.dtype.is_floating
        ]
        total = tf.add_n(terms) if terms and floats else None
    slopes: Any = [None] * len(floats)
    if total is not None:
        try:
            slopes = [None if g is None else tf.convert_to_tensor(g).numpy() for g in tape.gradient(total, floats)]
        except LookupError:  # TensorFlow has no derivative of an operator: the values are compared
            slopes = None
    return [t.numpy() for t in found], slopes, weights


def translated(translation: Any, sample: Sample, weights: Sequence[Array]) -> tuple[list[Array], list[Array | None]]:
    """Outputs and gradients of a PyTorch model, in the source's layout."""
    import torch
    from torch.utils import _pytree as pytree

    given = [
        torch.from_numpy(np.array(translation.to_target(a, index=k), order="C"))
        for k, a in enumerate(tensors_of(sample))
    ]
    floats = [(k, t.requires_grad_()) for k, t in enumerate(given) if t.is_floating_point()]
    found, terms = pytree.tree_leaves(translation.model(*given)), []
    for port, out, weight in zip(translation.outputs, found, weights, strict=True):
        turned = weight.transpose(port.permutation) if len(port.permutation or ()) == weight.ndim else weight
        if out.requires_grad and out.shape == turned.shape:  # another shape is found by who compares
            terms.append((out * torch.from_numpy(np.array(turned, order="C")).to(out.dtype)).double().sum())
    slopes: Sequence[Any] = [None] * len(floats)
    if terms and floats:
        slopes = torch.autograd.grad(sum(terms), [t for _, t in floats], allow_unused=True)
    outputs = [
        np.asarray(translation.to_source(out.detach().numpy(), role="output", index=k)) for k, out in enumerate(found)
    ]
    gradients = [
        None if g is None else np.asarray(translation.to_source(g.numpy(), index=k))
        for (k, _), g in zip(floats, slopes, strict=True)
    ]
    return outputs, gradients


def run_sample(sample: Sample) -> Outcome:
    """Translate one sample, compute, compare."""
    from metannvis_translate import MetannvisError, translate

    try:
        model = model_of(sample)
        wanted, slopes, weights = native(model, sample, None)
    except Exception as error:  # noqa: BLE001
        return Outcome("skipped", f"no model can be made of it: {first_line(error)}")
    if any(a.dtype.kind == "c" for a in wanted):
        return Outcome("skipped", "it returns complex numbers")
    try:
        translation = translate(model, "torch", example_inputs=tuple(tensors_of(sample)), verify=False)
    except MetannvisError as error:
        return Outcome("refused", str(error).strip())
    except Exception as error:  # noqa: BLE001  # what else is raised is what this looks for
        return Outcome("crashed", f"in translation: {type(error).__name__}: {first_line(error)}")
    try:
        found, gradients = translated(translation, sample, weights)
    except Exception as error:  # noqa: BLE001
        return Outcome("crashed", f"when it runs: {type(error).__name__}: {first_line(error)}")
    return compared(model, sample, (wanted, slopes, weights), found, gradients)


def compared(model: Any, sample: Sample, source: Any, found: list[Array], gradients: list[Array | None]) -> Outcome:
    """``passed`` or ``wrong``."""
    from metannvis_translate.frameworks.keras.copy import as_float64

    wanted, slopes, weights = source
    exact: list[Any] = []

    def double(part: int, k: int) -> Any:
        if not exact:
            exact.append(native(as_float64(model), sample, weights, "float64"))
        return exact[0][part][k]

    if len(found) != len(wanted):
        return Outcome("wrong", f"{len(found)} outputs instead of {len(wanted)}")
    for k, (ours, theirs) in enumerate(zip(found, wanted, strict=True)):
        difference = differs(ours, theirs, lambda k=k: double(0, k))
        if difference:
            return Outcome("wrong", f"output {k}: {difference}")
    if slopes is None or not all(np.isfinite(a).all() for a in sample.arrays):
        return Outcome("passed")  # a derivative there is what an order of operations makes of it
    for k, (ours, theirs) in enumerate(zip(gradients, slopes, strict=True)):
        if theirs is None and (ours is None or not np.any(ours)):
            continue
        theirs = np.zeros_like(ours) if theirs is None else theirs
        difference = differs(np.zeros_like(theirs) if ours is None else ours, theirs, lambda k=k: double(1, k))
        if difference:
            return Outcome("wrong", f"gradient {k}: {difference}")
    return Outcome("passed")


def reason_of(outcome: Outcome) -> str:
    """A reason without what differs from run to run: names of layers, and where this file is."""
    reason = re.sub(r", needed by layer '[^']*',", "", outcome.reason)
    reason = re.sub(r"\S*model_of\.<locals>\.Call", "a layer", reason)
    return short(re.sub(r" ?Register a converter for it:.*| ?Arguments received by.*", "", reason.split("\n")[0]))


# --- all of them ---------------------------------------------------------------------------------------------------------------


def table_path() -> Path:
    """The checked-in table of what does not pass, and why."""
    return Path(__file__).with_name("keras_operators.json")


def read_table() -> dict[str, tuple[str, str]]:
    """Name of each sample that is not expected to pass → what becomes of it, and the reason."""
    rows = json.loads(table_path().read_text(encoding="utf-8"))
    return {name: (row["status"], row["reason"]) for row in rows for name in row["samples"]}


def write_table(outcomes: dict[str, Outcome]) -> None:
    """Write what does not pass, one row a kind and reason."""
    rows = defaultdict(list)
    for name, outcome in outcomes.items():
        if outcome.status != "passed":
            rows[kind_of(function_of(name)), outcome.status, reason_of(outcome)].append(name)
    table = [{"kind": k, "status": s, "reason": r, "samples": names} for (k, s, r), names in sorted(rows.items())]
    table_path().write_text(json.dumps(table, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def function_of(name: str) -> str:
    """Function of a sample's name."""
    return name.rpartition("-")[0]


def by_function(outcomes: dict[str, Outcome]) -> dict[str, str]:
    """The worst status of the samples of each function."""
    found: dict[str, str] = {}
    for name, outcome in outcomes.items():
        function = function_of(name)
        found[function] = max(found.get(function, "skipped"), outcome.status, key=ORDER.index)
    return found


def summary(outcomes: dict[str, Outcome]) -> str:
    """Counts of functions by kind, and of samples."""
    counts: dict[str, Counter[str]] = {kind: Counter() for kind in ("plain", *KINDS)}
    for function, status in by_function(outcomes).items():
        counts[kind_of(function)][status] += 1
    counts["all functions"] = sum(counts.values(), Counter())
    counts["all samples"] = Counter(outcome.status for outcome in outcomes.values())
    head = ("passed", "refused", "wrong", "crashed", "skipped")
    lines = [f"{'kind':22}" + "".join(f"{word:>9}" for word in (*head, "of"))]
    for kind, count in counts.items():
        lines.append(f"{kind:22}" + "".join(f"{n:9}" for n in (*(count[word] for word in head), count.total())))
    return "\n".join(lines)


def run_all(names: Sequence[str], results: Path, *, chunk: int = 600) -> dict[str, Outcome]:
    """Run samples in child processes, a chunk each; what is in the file of results already is not run again."""
    while left := [name for name in names if name not in read_results(results)]:
        command = [sys.executable, "-m", __spec__.name if __spec__ else __name__, "--child", "--results", str(results)]
        subprocess.run([*command, "--names", *left[:chunk]], check=False, stdout=subprocess.DEVNULL)
        now = read_results(results)
        stuck = next((name for name in left[:chunk] if name not in now), None)
        if stuck is not None:
            write_result(results, stuck, Outcome("crashed", "the process ended"), 0.0)
    have = read_results(results)
    return {name: have[name] for name in names}


def read_results(path: Path) -> dict[str, Outcome]:
    """Sample → outcome."""
    if not path.exists():
        return {}
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {row["name"]: Outcome(row["status"], row["reason"]) for row in rows}


def write_result(path: Path, name: str, outcome: Outcome, seconds: float) -> None:
    """Append a sample's outcome."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"name": name, **dataclasses.asdict(outcome), "seconds": round(seconds, 2)}) + "\n")


def run_here(names: Sequence[str], results: Path) -> None:
    """Run samples in this process."""

    def stop(*_: Any) -> None:
        raise Timeout

    signal.signal(signal.SIGALRM, stop)
    warnings.simplefilter("ignore")
    rows = {str(sample): sample for sample in samples()}
    for name in names:
        start = time.monotonic()
        signal.alarm(LIMIT)
        try:
            outcome = run_sample(rows[name])
        except Timeout:
            outcome = Outcome("crashed", f"it takes more than {LIMIT} s")
        finally:
            signal.alarm(0)
        write_result(results, name, outcome, time.monotonic() - start)


def without_sample() -> list[str]:
    """Public functions that have neither a sample nor a reason for having none."""
    have = {sample.function for sample in samples()}
    return [name for name in function_names() if name not in have and name not in NO_SAMPLE]


def main() -> int:
    """Run from the command line; 1 if a sample is not what the table says of it, or a function has no sample."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", default="", help="regular expression that a sample's name has to match")
    parser.add_argument("--names", nargs="*", help="names of samples")
    parser.add_argument("--results", type=Path, default=Path("keras_operators.jsonl"), help="where to go on from")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--write", action="store_true", help="write the table of what does not pass")
    options = parser.parse_args()
    from metannvis_translate.frameworks.requirements import require

    require("tensorflow")
    if options.child:
        require("torch")
        run_here(options.names, options.results)
        return 0
    names = options.names or [str(sample) for sample in samples() if re.match(options.only, str(sample))]
    start = time.monotonic()
    outcomes = run_all(names, options.results)
    for name, outcome in outcomes.items():
        if outcome.status != "passed":
            sys.stdout.write(f"{outcome.status:8} {name}: {reason_of(outcome)}\n")
    sys.stdout.write(f"{summary(outcomes)}\n{time.monotonic() - start:.0f} s\n")
    if options.write:
        write_table(outcomes)
    known = read_table() if table_path().exists() else {}
    bad = [name for name, outcome in outcomes.items() if outcome.status != known.get(name, ("passed",))[0]]
    for name in bad:
        said = known.get(name, ("passed",))[0]
        sys.stdout.write(f"the table says of {name} that it is {said}, and it is {outcomes[name].status}\n")
    return 1 if bad or without_sample() else 0


if __name__ == "__main__":
    sys.exit(main())
