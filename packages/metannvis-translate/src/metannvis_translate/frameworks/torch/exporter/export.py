"""Export of PyTorch models to ONNX, with provenance.

Forward hooks add what every layer returns to the exported outputs, so that the value of each layer is recorded where it happens
instead of guessed from names afterwards. Our own recorder of operators comes first: it is several times faster than the dynamo
exporter, which comes next, and the TorchScript one where that fails: each fails where the other works.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from metannvis_translate.errors import MissingArgumentError, UnsupportedOperatorError
from metannvis_translate.frameworks.protocol import EngineDeclinedError, Progress
from metannvis_translate.frameworks.requirements import require
from metannvis_translate.frameworks.torch.changing_parameters import mark_changing
from metannvis_translate.frameworks.torch.exporter.cached_functions import keeps_results
from metannvis_translate.frameworks.torch.exporter.engines import ENGINES, Exported
from metannvis_translate.frameworks.torch.exporter.export_errors import cause_in_a_line, is_decided_by_data, refusal
from metannvis_translate.frameworks.torch.exporter.recorder import Recorder
from metannvis_translate.frameworks.torch.exporter.traced_calls import ModelChangedError
from metannvis_translate.frameworks.torch.float64 import doubled, singled
from metannvis_translate.frameworks.torch.hooks import backward_hooks
from metannvis_translate.frameworks.torch.model_copies import convert_plain_tensors, copied
from metannvis_translate.frameworks.torch.model_state import ModelState
from metannvis_translate.frameworks.torch.program import as_module
from metannvis_translate.frameworks.torch.state import refuse_compiled, refuse_inference_tensors
from metannvis_translate.graph.model import ExportedGraph

if TYPE_CHECKING:
    import torch

__all__ = ["export_model"]

log = logging.getLogger(__name__)
Array = np.ndarray[Any, Any]
HOOKS = (
    "backward hooks are no part of what a model computes, and are not translated ({}): a gradient that one of them changes is "
    "not that of the translation"
)
AUTOCAST = (
    "forward asks for reduced precision by torch.autocast: the translation computes without, and was compared with the source "
    "without"
)


def export_model(
    model: Any,
    inputs: Sequence[Array] | Mapping[str, Array] | None,
    *,
    dtype: str | None,
    progress: Progress,
    engine: str = "dynamo",
    free: Sequence[Sequence[int]] = (),
) -> ExportedGraph:
    """Export a module in inference mode.

    Parameters
    ----------
    model
        ``nn.Module`` or ``ExportedProgram``; it stays as it is, a copy is exported.
    inputs
        Example inputs, each with the batch on axis 0, or a mapping of ``forward``'s keywords to them.
    dtype
        ``"float64"`` exports a copy in double precision; ``None`` keeps single precision (half becomes single).
    engine
        ``"trace"``, ``"dynamo"`` or ``"torchscript"``.
    free
        For each input the axes beside the batch whose size is free; empty if none is. Only the dynamo exporter follows it.

    Raises
    ------
    MissingArgumentError
        No example inputs.
    UnsupportedOperatorError
        The exporter cannot export it, with a free batch or without; the message holds what it said.
    """
    require("torch")
    if inputs is None or not len(inputs):
        raise MissingArgumentError(
            "a PyTorch module does not say what it takes: give example_inputs=, e.g. torch.randn(1, 3, 224, 224)"
        )
    refuse_compiled(model)
    originals = {path: id(module) for path, module in model.named_modules()} if hasattr(model, "named_modules") else {}
    if free and engine != "dynamo":
        raise EngineDeclinedError(type(model).__name__, reason=f"exporter {engine} does not follow sizes that are free")
    recorder = Recorder(_inference_copy(model, dtype), inputs, dtype, originals, type(model).__name__, free)
    recorder.frozen = frozenset(
        name for name, p in as_module(model).named_parameters(remove_duplicate=False) if not p.requires_grad
    )
    if engine != "trace" or keeps_results(recorder.model):
        recorder.try_inputs()
    if engine != "trace":
        _refuse_changed_parameters(recorder, model)
    failures: list[str] = []
    errors: list[Exception] = []
    for dynamic in (True,) if engine == "trace" or free else (True, False):
        progress(0, 1, f"export ({engine})")
        if not dynamic:
            recorder.batch = recorder.given_batch
        state = ModelState(recorder.model)
        exported = None
        try:
            exported = _by_trace(recorder, model) if engine == "trace" else ENGINES[engine](recorder, dynamic)
        except Exception as error:  # noqa: BLE001
            # The exporters raise whatever the model's code or their own passes raise; a fixed batch may still work, and if
            # it does not, both causes are in the message.
            failures.append(f"{'' if dynamic else 'with a fixed batch: '}{cause_in_a_line(error)}")
            log.info("exporter %s failed: %s", engine, failures[-1])
            errors.append(error)
        finally:
            state.put_back()
        if exported is None:
            if engine == "trace":
                recorder.try_inputs()  # not while the error is handled, of which what the model says is not a consequence
                reason = f"exporter {engine}: {failures[-1]}"
                raise EngineDeclinedError(type(model).__name__, reason=reason) from errors[-1]
            if is_decided_by_data(errors[-1]):
                break  # with a fixed batch too
            continue
        progress(1, 1, f"export ({engine})")
        if recorder.stops:
            recorder.check_stops()
        notes = tuple(f"the batch size is fixed: {failure}" for failure in failures)
        if recorder.changing:
            names = ", ".join(recorder.changing)
            state_note = (
                f"forward changes a state that the model keeps ({names}): the translation holds it as it is now"
            )
            notes = (*notes, state_note)
        if recorder.autocast:
            notes = (*notes, AUTOCAST)
        if recorder.squeezes and dynamic:
            notes = (*notes, f"it takes batches of two samples or more: {recorder.squeezes[0]}")
        if hooked := backward_hooks(model):
            notes = (*notes, HOOKS.format(", ".join(hooked)))
        reason = failures[0].partition(": ")[2] if failures else ""
        return recorder.hub(exported, engine, None if dynamic else recorder.given_batch, notes, reason)
    raise refusal(recorder, engine, failures, errors[-1]) from errors[-1]


def _by_trace(recorder: Recorder, model: Any) -> Exported:
    """What the model calls, from the state that it holds; whether ``forward`` changes that is not known beforehand."""
    with contextlib.suppress(ModelChangedError):
        exported = ENGINES["trace"](recorder, True)
        if not recorder.reassigned:
            return exported
    recorder.try_inputs()
    _refuse_changed_parameters(recorder, model)
    exported = ENGINES["trace"](recorder, True)
    unknown = set(recorder.reassigned) - set(recorder.changing)
    if unknown:
        raise EngineDeclinedError(recorder.name, reason=f"forward changes {', '.join(sorted(unknown))}")
    return exported


def _refuse_changed_parameters(recorder: Recorder, model: Any) -> None:
    """Refuse a model that changes a parameter whenever it is called, which the exporters forget."""
    source = as_module(model)
    mark_changing(source, recorder.changing)
    parameters = {name for name, _ in recorder.model.named_parameters(remove_duplicate=False)}
    changed = [name for name in recorder.changing if name in parameters]
    if changed:
        raise UnsupportedOperatorError(
            recorder.name,
            layer=changed[0].rpartition(".")[0] or None,
            reason=f"forward changes the parameter {changed[0]!r}, which the exporters of PyTorch do not follow",
            hint="If it does so once only (weights brought to a norm), call the model before it is translated; else compute "
            "with a new tensor.",
        )


def _inference_copy(model: Any, dtype: str | None) -> torch.nn.Module:

    module = as_module(model)
    refuse_inference_tensors(module)
    module = copied(module).eval().cpu()
    convert_plain_tensors(module, lambda tensor: tensor.cpu())
    for parameter in module.parameters():
        parameter.grad = None
        # Nothing is differentiated here. With a mask that needs a gradient, torch.export takes another kernel for attention
        # on its second pass than on its first, and fails over the strides.
        parameter.requires_grad_(False)
    if dtype == "float64":
        return doubled(module)
    singled(module)
    return module
