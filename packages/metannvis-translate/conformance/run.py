"""ONNX's own node conformance suite (``onnx.backend.test``), computed by a translation's target framework.

Each test is a model of one operator (or of the function that the standard defines it by) with inputs and the outputs that the
standard wants. The model goes through the public ``translate(..., verify=False)``, its translation computes the outputs, and they
are compared as the suite says, dtype and shape included.

``python -m packages.metannvis-translate.conformance.run keras --only 'test_reduce_.*'`` runs a part and says what came out.
"""

from __future__ import annotations

import argparse
import functools
import gc
import json
import re
import sys
import tempfile
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx

__all__ = ["KINDS", "Case", "Outcome", "cases", "run_case"]

Array = np.ndarray[Any, Any]

#: Operands that say the *shape* of the result, which axes are meant or which steps are taken, by operator. Only inputs of the model that are read by
#: such operands and by nothing else are bound (:func:`bindable`).
SHAPE_OPERANDS: dict[str, tuple[str, ...]] = {
    "AffineGrid": ("size",),
    "CenterCropPad": ("shape",),
    "Col2Im": ("image_shape", "block_shape"),
    "CumProd": ("axis",),
    "CumSum": ("axis",),
    "DFT": ("dft_length", "axis"),
    "Expand": ("shape",),
    "Loop": ("M", "cond"),
    "MaxUnpool": ("output_shape",),
    "OneHot": ("depth",),
    "Pad": ("pads", "axes"),
    "ReduceL1": ("axes",),
    "ReduceL2": ("axes",),
    "ReduceLogSum": ("axes",),
    "ReduceLogSumExp": ("axes",),
    "ReduceMax": ("axes",),
    "ReduceMean": ("axes",),
    "ReduceMin": ("axes",),
    "ReduceProd": ("axes",),
    "ReduceSum": ("axes",),
    "ReduceSumSquare": ("axes",),
    "Reshape": ("shape",),
    "Resize": ("roi", "scales", "sizes"),
    "STFT": ("frame_step", "frame_length"),
    "Slice": ("starts", "ends", "axes", "steps"),
    "Split": ("split",),
    "SplitToSequence": ("split",),
    "Squeeze": ("axes",),
    "Tile": ("repeats",),
    "TopK": ("K",),
    "Trilu": ("k",),
    "Unsqueeze": ("axes",),
    "Upsample": ("scales",),
}
SMALL_FLOATS = ("FLOAT8", "FLOAT4", "INT4", "INT2", "FLOAT6")
QUANTISED = {
    "ConvInteger", "DequantizeLinear", "DynamicQuantizeLinear", "MatMulInteger", "QLinearConv", "QLinearMatMul", "QuantizeLinear",
}  # fmt: skip
KINDS = (
    "plain",
    "expanded function",
    "attention",
    "shape arguments bound",
    "float8/int4",
    "quantised",
    "sequence",
    "optional",
    "control flow",
    "string",
    "random",
    "training",
    "image file",
)


@dataclass(frozen=True, eq=False)
class Case:
    """One test: a model, and the inputs and wanted outputs of each of its data sets."""

    name: str
    proto: onnx.ModelProto
    data_sets: Sequence[tuple[Sequence[Any], Sequence[Any]]]
    rtol: float
    atol: float
    bound: tuple[str, ...]
    kind: str


@dataclass(frozen=True)
class Outcome:
    """What became of a test: ``passed``, ``refused`` (the documented error), ``wrong``, or ``crashed`` (any other error)."""

    status: str
    reason: str = ""
    notes: list[str] = field(default_factory=list)


def nodes_of(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """The nodes of a graph and of the graphs inside it."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in [attribute.g] if attribute.HasField("g") else attribute.graphs:
                yield from nodes_of(inner)


def bindable(proto: onnx.ModelProto) -> tuple[str, ...]:
    """Inputs that are read as shape arguments only, by the names that the operator's schema gives its operands."""
    opset = next(o.version for o in proto.opset_import if o.domain in ("", "ai.onnx"))
    uses: dict[str, list[bool]] = {}
    for node in nodes_of(proto.graph):
        schema = onnx.defs.get_schema(node.op_type, opset, "")
        for k, name in enumerate(node.input):
            operand = schema.inputs[min(k, len(schema.inputs) - 1)].name
            uses.setdefault(name, []).append(operand in SHAPE_OPERANDS.get(node.op_type, ()))
    names = [value.name for value in proto.graph.input]
    found = tuple(name for name in names if name in uses and all(uses[name]))
    return () if len(found) == len(names) else found  # something has to be left to compute


def kind_of(name: str, proto: onnx.ModelProto, bound: bool) -> str:
    """Which of :data:`KINDS` a test belongs to."""
    operators = {node.op_type for node in nodes_of(proto.graph)}
    types = str([*proto.graph.input, *proto.graph.output])
    elements = {onnx.TensorProto.DataType.Name(int(code)) for code in re.findall(r"elem_type: (\d+)", types)}
    if "STRING" in elements or any("String" in operator for operator in operators):
        return "string"
    if "training" in name or name.startswith(("test_adagrad", "test_adam", "test_momentum", "test_nesterov")):
        return "training"
    if "optional_type" in types or any("Optional" in operator for operator in operators):
        return "optional"
    if "ImageDecoder" in operators:
        return "image file"
    if "sequence_type" in types or any("Sequence" in o and o != "ReverseSequence" for o in operators):
        return "sequence"
    if any(mark in element for element in elements for mark in SMALL_FLOATS):
        return "float8/int4"
    if (operators & QUANTISED and "_expanded" not in name) or "DynamicQuantizeLinear".lower() in name.replace("_", ""):
        return "quantised"
    if any(operator.startswith("Random") or operator in ("Bernoulli", "Multinomial") for operator in operators):
        return "random"
    if operators & {"Loop", "If", "Scan"} and "_expanded" not in name:
        return "control flow"
    if "attention" in name:
        return "attention"
    if bound:
        return "shape arguments bound"
    return "expanded function" if "_expanded" in name else "plain"


@functools.cache
def cases() -> tuple[Case, ...]:
    """All node tests whose operators are those of the standard domain."""
    from onnx.backend.test.loader import load_model_tests

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        tests = load_model_tests(kind="node")
    standard = [t for t in tests if all(node.domain in ("", "ai.onnx") for node in nodes_of(t.model.graph))]
    shapes = {t.name: bindable(t.model) for t in standard if "_expanded" not in t.name}
    rows = []
    for t in standard:
        # the function that defines an operator is bound like the operator itself
        names = [value.name for value in t.model.graph.input]
        bound = tuple(name for name in shapes.get(t.name.split("_expanded")[0], ()) if name in names)
        rows.append(Case(t.name, t.model, t.data_sets, t.rtol, t.atol, bound, kind_of(t.name, t.model, bool(bound))))
    return tuple(sorted(rows, key=lambda case: case.name))


# --- one test -----------------------------------------------------------------------------------------------------------------


def run_case(case: Case, framework: str, *, saved: bool = False) -> Outcome:
    """Translate, compute, compare. ``saved``: once more with the model saved, and loaded in safe mode."""
    from metannvis_translate import MetannvisError, translate

    compute = {"keras": by_keras, "torch": by_torch}[framework]
    names = [value.name for value in case.proto.graph.input]
    for inputs, wanted in case.data_sets:
        inputs, wanted = [arrays_of(x) for x in inputs], [arrays_of(x) for x in wanted]
        given = dict(zip(names, inputs, strict=False))
        bind = {name: given[name] for name in case.bound if name in given}
        try:
            translation = translate(case.proto, framework, verify=False, bind=bind or None)
        except MetannvisError as error:
            return Outcome("refused", str(error).strip())
        except Exception as error:  # noqa: BLE001  # what else is raised is what this looks for
            return Outcome("crashed", f"in translation: {type(error).__name__}: {first_line(error)}")
        data = [given[name] for name in given if name not in bind]
        ports = translation.inputs
        if [port.name for port in ports] != [name for name in names if name not in bind]:
            return Outcome("wrong", f"the inputs are {[port.name for port in ports]}")
        try:
            arrays = [np.asarray(a).transpose(p.permutation) for a, p in zip(data, ports, strict=True)]
            found = compute(translation.model, arrays)
            if saved:
                found = compute(reloaded(translation.model), arrays)
        except Exception as error:  # noqa: BLE001
            return Outcome("crashed", f"when it runs: {type(error).__name__}: {first_line(error)}")
        if len(found) != len(wanted):
            return Outcome("wrong", f"{len(found)} outputs instead of {len(wanted)}")
        for port, ours, theirs in zip(translation.outputs, found, wanted, strict=True):
            if len(port.permutation) == ours.ndim:
                ours = ours.transpose(np.argsort(port.permutation).astype(int))
            difference = differs(ours, theirs, case.rtol, case.atol)
            if difference and not closer(ours, theirs, port.name, case, given):
                return Outcome("wrong", f"{port.name}: {difference}")
    return Outcome("passed")


def arrays_of(value: Any) -> Any:
    """Some tests give tensors as protos."""
    return onnx.numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value


def by_keras(model: Any, arrays: Sequence[Array]) -> list[Array]:
    """Compute by Keras, and see that each output is computed from an input."""
    import keras
    import tensorflow as tf

    for tensor in model.outputs:
        if not reaches_input(tensor):
            raise AssertionError("an output is not computed from any input: its value was folded ahead")
    tensors = []
    for array, declared in zip(arrays, model.inputs, strict=True):
        tensor = tf.convert_to_tensor(array)
        if tensor.dtype.name != declared.dtype:
            raise AssertionError(f"an input of {tensor.dtype.name} is declared as {declared.dtype}")
        tensors.append(tensor)
    outputs = model(tensors[0] if len(tensors) == 1 else tensors, training=False)
    return [np.asarray(output) for output in keras.tree.flatten(outputs)]


def reaches_input(tensor: Any) -> bool:
    """Whether a Keras tensor depends on an input of its model."""
    seen, stack = set(), [tensor]
    while stack:
        operation = stack.pop()._keras_history.operation
        if id(operation) in seen or operation.name.startswith("parameters."):
            continue  # the latter is where large constants get their place in the graph
        seen.add(id(operation))
        if type(operation).__name__ == "InputLayer":
            return True
        stack.extend(t for node in operation._inbound_nodes for t in node.input_tensors)
    return False


def reloaded(model: Any) -> Any:
    """A Keras model, saved and loaded in safe mode."""
    import keras

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        return keras.saving.load_model(path, compile=False, safe_mode=True)


#: What NumPy has through ``ml_dtypes`` only, and PyTorch by itself: NumPy's name → the integer of its bits.
BITS = {"bfloat16": "int16"} | dict.fromkeys(
    ("float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu"), "int8"
)


def by_torch(model: Any, arrays: Sequence[Array]) -> list[Array]:
    """Compute by PyTorch, and see that each output is computed from an input."""
    import torch

    def tensor_of(array: Array) -> Any:
        array, bits = np.array(array, order="C"), BITS.get(array.dtype.name)
        return torch.from_numpy(array) if not bits else torch.from_numpy(array.view(bits)).view(
            getattr(torch, array.dtype.name)
        )  # fmt: skip

    def array_of(tensor: Any) -> Array:
        name = str(tensor.dtype).removeprefix("torch.")
        if name not in BITS:
            return tensor.numpy()
        return tensor.contiguous().view(getattr(torch, BITS[name])).numpy().view(np.dtype(name))

    (output,) = [node for node in model.graph.nodes if node.op == "output"]
    if arrays and not all(map(depends_on_input, output.all_input_nodes)):
        raise AssertionError("an output is not computed from any input: its value was folded ahead")
    with torch.no_grad():
        outputs = model(*map(tensor_of, arrays))
    return [array_of(tensor) for tensor in (outputs if isinstance(outputs, (list, tuple)) else [outputs])]


def depends_on_input(node: Any) -> bool:
    """Whether a node of a PyTorch graph depends on a placeholder."""
    seen, stack = set(), [node]
    while stack:
        node = stack.pop()
        if node.op == "placeholder":
            return True
        if node not in seen:
            seen.add(node)
            stack.extend(node.all_input_nodes)
    return False


def differs(ours: Array, theirs: Any, rtol: float, atol: float) -> str:
    """How two arrays differ beyond the suite's tolerance, ``""`` if they do not."""
    if not isinstance(theirs, (np.ndarray, np.generic)):
        return f"{type(theirs).__name__} is wanted"
    theirs = np.asarray(theirs)
    if ours.dtype != theirs.dtype:
        return f"dtype {ours.dtype} instead of {theirs.dtype}"
    if ours.shape != theirs.shape:
        return f"shape {ours.shape} instead of {theirs.shape}"
    if theirs.dtype.kind in "biuOUST":
        return (
            ""
            if np.array_equal(ours, theirs)
            else f"{np.count_nonzero(ours != theirs)} of {theirs.size} elements differ"
        )
    if theirs.dtype.name == "bfloat16":
        rtol = max(rtol, 2**-6)  # as the suite's own runner does
    if theirs.dtype.kind == "V" or theirs.dtype.itemsize < 4:
        ours, theirs = ours.astype(np.float32), theirs.astype(np.float32)
    close = np.isclose(ours, theirs, rtol=rtol, atol=atol, equal_nan=True)
    if close.all():
        return ""
    with np.errstate(all="ignore"):
        return f"{np.count_nonzero(~close)} of {theirs.size} elements differ, by up to {np.nanmax(np.abs(ours - theirs)):.3g}"


def closer(ours: Array, theirs: Any, name: str, case: Case, given: dict[str, Any]) -> bool:
    """Whether what is wanted is further from the result in double precision than ours, wherever they differ.

    Elements of Fourier transforms that cancel are wanted as the rounding of the evaluator that wrote the test.
    """
    if {node.op_type for node in nodes_of(case.proto.graph)} != {"DFT"} or ours.dtype != np.float32:
        return False
    from metannvis_translate.frameworks.onnx.plugin import framework
    from onnx.reference import ReferenceEvaluator

    doubles = {k: v.astype(np.float64) if v.dtype == np.float32 else v for k, v in given.items()}
    (exact,) = ReferenceEvaluator(framework.as_float64(case.proto)).run([name], doubles)
    apart = ~np.isclose(ours, theirs, rtol=case.rtol, atol=case.atol)
    return bool(ours.shape == exact.shape and (np.abs(ours - exact) <= np.abs(theirs - exact))[apart].all())


def first_line(error: BaseException) -> str:
    """Enough of a message to tell what went wrong."""
    return " ".join(str(error).split())[:300]


def short(reason: str) -> str:
    """A refusal without what differs between tests: the reason of a row of the table."""
    reason = re.sub(r" ?Register a converter:.*", "", reason.split("\n")[0])
    reason = re.sub(r", needed by layer '[^']*',", "", reason)
    reason = re.sub(r" \(opset \d+\)", "", reason)
    return reason.replace(" cannot be translated.", ": there is no converter").strip()


# --- all of them --------------------------------------------------------------------------------------------------------------


def table_path(framework: str) -> Path:
    """The checked-in table of what does not pass, and why."""
    return Path(__file__).with_name(f"{framework}.json")


def read_table(framework: str) -> dict[str, str]:
    """Name of each test that is not expected to pass → the reason."""
    rows = json.loads(table_path(framework).read_text(encoding="utf-8"))
    return {name: row["reason"] for row in rows for name in row["tests"]}


def write_table(framework: str, outcomes: dict[str, Outcome]) -> None:
    """Write the refusals, one row a kind and reason."""
    kinds = {case.name: case.kind for case in cases()}
    rows = defaultdict(list)
    for name, outcome in outcomes.items():
        if outcome.status == "refused":
            rows[kinds[name], short(outcome.reason)].append(name)
    table = [{"kind": kind, "reason": reason, "tests": names} for (kind, reason), names in sorted(rows.items())]
    table_path(framework).write_text(json.dumps(table, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def summary(outcomes: dict[str, Outcome]) -> str:
    """Counts by kind."""
    counts: dict[str, Counter[str]] = {kind: Counter() for kind in KINDS}
    for case in cases():
        if case.name in outcomes:
            counts[case.kind][outcomes[case.name].status] += 1
    counts["all"] = sum(counts.values(), Counter())
    head = ("passed", "refused", "wrong", "crashed")
    lines = [f"{'kind':24}" + "".join(f"{word:>9}" for word in (*head, "of"))]
    for kind, count in counts.items():
        lines.append(f"{kind:24}" + "".join(f"{n:9}" for n in (*(count[word] for word in head), count.total())))
    return "\n".join(lines)


def run_all(
    framework: str, chosen: Callable[[Case], bool] = lambda case: True, *, saved: bool = False, every: int = 0
) -> dict[str, Outcome]:
    """Run the chosen tests in this process. ``every``: say how far it is after that many."""
    outcomes: dict[str, Outcome] = {}
    for case in filter(chosen, cases()):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            outcomes[case.name] = run_case(case, framework, saved=saved)
        if len(outcomes) % 100 == 0:
            gc.collect()
        if every and len(outcomes) % every == 0:
            sys.stderr.write(f"{len(outcomes)} tests\n")
    return outcomes


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("framework", choices=("keras", "torch"))
    parser.add_argument("--only", default="", help="regular expression that a test's name has to match")
    parser.add_argument("--saved", action="store_true", help="save and load each model before it computes")
    parser.add_argument("--write", action="store_true", help="write the table of what does not pass")
    parser.add_argument("--quiet", action="store_true", help="counts, wrong and crashed tests only")
    options = parser.parse_args()
    if options.framework == "keras":
        from metannvis_translate.frameworks.requirements import require

        require("tensorflow")
    outcomes = run_all(
        options.framework, lambda case: bool(re.match(options.only, case.name)), saved=options.saved, every=200
    )
    for name, outcome in outcomes.items():
        if outcome.status in ("wrong", "crashed") or (outcome.status == "refused" and not options.quiet):
            sys.stdout.write(f"{outcome.status:8} {name}: {short(outcome.reason)}\n")
    sys.stdout.write(summary(outcomes) + "\n")
    if options.write:
        write_table(options.framework, outcomes)
    return 0


if __name__ == "__main__":
    sys.exit(main())
