"""What is said of a PyTorch model that an exporter cannot export: which operator, in which module, on which line."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from metannvis_translate.errors import UnsupportedOperatorError
from metannvis_translate.frameworks.torch.exporter.engines import quiet
from metannvis_translate.frameworks.torch.exporter.module_scopes import PREFIX
from metannvis_translate.graph.stack_trace import line_of_error, line_of_trace

if TYPE_CHECKING:
    from metannvis_translate.frameworks.torch.exporter.recorder import Recorder

__all__ = ["cause_in_a_line", "is_decided_by_data", "refusal"]

#: What tracers raise where a size is data.
BY_DATA = {"GuardOnDataDependentSymNode", "DataDependentOutputException", "DynamicOutputShapeException"}

log = logging.getLogger(__name__)


def cause_in_a_line(error: BaseException) -> str:
    """What an error says, in one line: that of the operator it is about where one refused."""
    cause = error.__cause__ or error
    refused: BaseException | None = error
    while refused is not None and not isinstance(refused, NotImplementedError):
        refused = refused.__cause__ or refused.__context__
    cause = refused or cause  # what a translation of an operator says about itself
    if is_decided_by_data(cause):
        return f"{type(cause).__name__}: a shape depends on data"
    text = str(cause).strip().splitlines()
    return f"{type(cause).__name__}: {text[0] if text else ''}"[:300]


def refusal(recorder: Recorder, engine: str, failures: Sequence[str], last: BaseException) -> UnsupportedOperatorError:
    """The refusal of a model, after an exporter failed on each try; ``last`` is what it raised on the last one."""
    operator = _missing_operator(last)
    if operator:
        where, layer = _call_of(recorder, operator)
        return UnsupportedOperatorError(
            operator,
            layer=layer,
            where=where,
            reason=f"it is called in {recorder.name}, and PyTorch's exporter {engine} has no ONNX operator for it",
            hint="Write that part with other operators, or leave it out of the model that is translated.",
        )
    where, module = line_of_error(last)
    paths = {id(part): path for path, part in recorder.model.named_modules()}
    return UnsupportedOperatorError(
        recorder.name,
        layer=paths.get(id(module)),
        where=where,
        reason=f"exporter {engine}: {'; '.join(dict.fromkeys(failures))}",
        hint=_advice(recorder, last),
    )


def is_decided_by_data(error: BaseException | None) -> bool:
    """Whether a tracer gave up because a size, or a decision by one, is known only when the model runs on data."""
    while error is not None:
        if type(error).__name__ in BY_DATA or "data-dependent" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def _advice(recorder: Recorder, last: BaseException) -> str:
    """What to do about a model that cannot be exported: which of its parts may be, where a shape is data."""
    if is_decided_by_data(last):
        parts = [f"model.{name}" for name in _finished(recorder)]
        if parts:
            return (
                f"A shape there depends on data. What runs before can be translated: {', '.join(parts[:4])}, each apart (a "
                "list of tensors goes in as example_inputs=([a, b],)), or together in a module of your own that calls them; "
                "what is decided by data (suppression of boxes, a choice by score) stays outside."
            )
    return (
        "A model whose control flow depends on data cannot be exported; torch.export.export(model, args) shows where."
    )


def _finished(recorder: Recorder) -> list[str]:
    """Paths of the outermost modules with weights that had returned when the last export failed."""
    ran = list(dict.fromkeys(re.split("[#:]", info.name)[0] for info, _ in recorder.layers))
    known = dict(recorder.model.named_modules())
    weighty = {name for name in ran if name in known and next(known[name].parameters(), None) is not None}
    return [name for name in ran if name in weighty and not any(name.startswith(f"{outer}.") for outer in weighty)]


def _call_of(recorder: Recorder, operator: str) -> tuple[str | None, str | None]:
    """Line and module from which a PyTorch operator is called: the exporter names neither, the traced program knows both."""
    import torch

    try:
        with quiet():
            program = torch.export.export(recorder.module(), recorder.tensors(), strict=False)
            for traced in (program, program.run_decompositions()):
                for node in traced.graph.nodes:
                    if node.op == "call_function" and _schema_name(node.target) == _schema_name(operator):
                        paths = [path for path, _ in (node.meta.get("nn_module_stack") or {}).values()]
                        inner = [path.removeprefix(PREFIX) for path in paths if path.startswith(PREFIX)]
                        return line_of_trace(node.meta.get("stack_trace") or ""), (inner or [None])[-1]
    except Exception as error:  # noqa: BLE001
        # the model could not be exported anyway, and that is what will be said
        log.info("no trace of %s: %s", operator, cause_in_a_line(error))
    return None, None


def _schema_name(operator: Any) -> str:
    """``linalg_svd`` of ``aten::linalg_svd``, ``aten._linalg_svd.default`` or the operator itself."""
    parts = re.split(r"::|\.", str(operator))
    return (parts[1] if len(parts) > 1 else parts[0]).lstrip("_")


def _missing_operator(error: BaseException | None) -> str | None:
    """Name of the PyTorch operator that an exporter has nothing for, from the errors it raised."""
    while error is not None:
        for pattern in (r"No ONNX function found for <OpOverload\(op='([\w.:]+)'", r"operator '?([\w.:]+)'? to ONNX"):
            if found := re.search(pattern, str(error)):
                return found[1]
        error = error.__cause__ or error.__context__
    return None
