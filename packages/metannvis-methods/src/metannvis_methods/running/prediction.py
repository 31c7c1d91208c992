"""Predictions: what the model says of each sample that is explained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from metannvis_methods.errors import InvalidArgumentError, UnfitWarning
from metannvis_methods.models.arrays import all_finite, in_order
from metannvis_methods.models.registry import adapter_for
from metannvis_methods.registry.toolset import Target
from metannvis_methods.running.call import RunningCall
from metannvis_methods.running.convert import model_input
from metannvis_methods.running.fitness import tell_labels
from metannvis_methods.running.notices import tell
from metannvis_methods.running.outputs import ChosenOutput, choose_output, in_caller_layout, predicted
from metannvis_methods.running.prepared import Prepared

__all__ = ["Seen", "nearest_prior", "prediction_of", "seen_of"]

#: How far from 1 the sum of a distribution may be, in single precision.
SUM = 1e-3


def prediction_of(output: np.ndarray[Any, Any], labels: Sequence[str] | None) -> tuple[Mapping[str, Any], ...] | None:
    """Class, name, probability and value of each sample; ``None`` for a dense output.

    Parameters
    ----------
    output
        Shape ``(N, classes)``, ``(N, 1)`` or ``(N,)``.
    """
    count = len(output) if output.ndim else 1
    if output.ndim > 2 or output.dtype.kind not in "fiub":
        return None
    rows = output.reshape(count, -1).astype(np.float64)
    if rows.shape[1] == 1:
        return tuple({"value": float(row[0])} for row in rows)
    found = []
    for row in rows:
        best = int(row.argmax())
        distribution = bool((row >= 0).all() and abs(row.sum() - 1) < SUM)
        found.append(
            {
                "class": best,
                "name": labels[best] if labels is not None and best < len(labels) else None,
                "probability": float(row[best]) if distribution else None,
                "value": float(row[best]),
            }
        )
    return tuple(found)


def nearest_prior(call: RunningCall, prepared: Prepared, target: Target) -> list[int]:
    """For each sample the place of that sample of ``data`` whose output for the target is nearest the mean over all of them.

    Raises
    ------
    InvalidArgumentError
        The output is dense, or the target is a function.
    """
    adapter, home = prepared.adapter, adapter_for(prepared.framework)

    def output_of(values: Any) -> np.ndarray[Any, Any]:
        tensors = [model_input(prepared, value, index) for index, value in enumerate(in_order(values))]
        with adapter.guarded(prepared.model):
            outputs = predicted(adapter, prepared.model, tensors, fixed=prepared.fixed_batch, bound=call.batch_size)
        chosen = choose_output(prepared, home, call.output, outputs)
        return in_caller_layout(chosen, outputs[chosen.place][1])

    of_data = output_of(call.words.data)
    if of_data.ndim > 2 or call.score is not None or isinstance(target, tuple):
        raise InvalidArgumentError("baselines='neutral' is for a class or a single output; give an array instead")
    of_data = of_data.reshape(len(of_data), -1)
    count = len(call.inputs[0])
    if of_data.shape[1] == 1:
        classes = [0] * count
    elif target is None:
        classes = [int(k) for k in output_of(call.inputs).reshape(count, -1).argmax(1)]
    else:
        classes = [int(k) for k in target] if isinstance(target, list) else [int(target)] * count  # type: ignore[arg-type]
    away = np.abs(of_data - of_data.mean(0))
    return [int(away[:, k].argmin()) for k in classes]


@dataclass(frozen=True)
class Seen:
    """What a prediction for what is explained has shown, to be recorded."""

    target: Any = None
    output: str | None = None
    logits: bool = False
    prediction: tuple[Mapping[str, Any], ...] | None = None
    axes: str = ""
    shape: tuple[int, ...] = ()


def seen_of(asked: RunningCall, output: Any, chosen: ChosenOutput, *, named: bool) -> Seen:
    """What a prediction shows, in the layout of the caller's model."""
    if not all_finite(output):
        tell("the output of the model is not finite (NaN or infinity)", UnfitWarning)
    tell_labels(asked.words.labels, output)
    prediction = prediction_of(output, asked.words.labels)
    return Seen(
        output=chosen.name if named else None, prediction=prediction, axes=chosen.axes, shape=tuple(output.shape)
    )
