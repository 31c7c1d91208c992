"""Scores: the number that an explanation is of, for other inputs, predicted by the model in its own framework."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.metrics.joined import Given, JoinedLayout
from metannvis_methods.metrics.layout import Layout
from metannvis_methods.models.base import ModelAdapter
from metannvis_methods.models.predictions import predict
from metannvis_methods.models.registry import adapter_for
from metannvis_methods.models.scores import OutputScore
from metannvis_methods.models.view import View
from metannvis_methods.running.outputs import choose_output
from metannvis_methods.running.prediction import SUM
from metannvis_methods.running.prepared import Prepared
from metannvis_methods.running.target import class_index, plain_target, scores_for, settle_target
from metannvis_methods.vocabulary import SegmentationTarget

__all__ = ["ROWS", "Aim", "Scorer"]

Array = np.ndarray[Any, Any]
#: Rows of a pass where nobody says.
ROWS = 64


@dataclass(frozen=True)
class Aim:
    """What of the output is explained: a target of any form, an output, and whether that is what goes into its softmax."""

    target: Any = None
    output: Any = None
    labels: Sequence[str] | None = None
    logits: bool = False


class Scorer:
    """See :class:`metannvis_methods.metrics.spec.Scores`.

    Parameters
    ----------
    model, framework
        The caller's model, which runs as it is.
    layout
        How its inputs lie.
    inputs
        What is explained, as the caller has it; of a model with several inputs all of them.
    aim
        What of the output.
    batch_size
        Rows of a pass, at most.
    before_pass
        Called before each pass through the model; what it raises ends the metric.

    Raises
    ------
    InvalidArgumentError, MissingArgumentError
        The model does not run on the inputs, or has no such output or target.
    """

    def __init__(
        self,
        model: Any,
        framework: str,
        layout: Layout | JoinedLayout,
        inputs: Array | Given,
        aim: Aim,
        *,
        batch_size: int = ROWS,
        before_pass: Callable[[], None] | None = None,
    ) -> None:
        self.adapter: ModelAdapter = adapter_for(framework)
        self.layout, self.batch_size = layout, batch_size
        self.seen, self.view = model, View(rows=batch_size, before_pass=before_pass)
        if not self.adapter.predicts(model):
            raise InvalidArgumentError(f"this {framework} model cannot be asked for predictions as it is")
        self.given = inputs if isinstance(inputs, Given) else Given((inputs,))
        whole = self.given.arrays
        count = len(whole[0])
        first = self.adapter.outputs(model, self._tensors([array[:batch_size] for array in whole]))
        prepared = Prepared(model, framework, model, framework, self.adapter)
        chosen = choose_output(prepared, self.adapter, aim.output, first)
        if aim.logits:
            self.seen = self.adapter.view(model, View(place=chosen.place, logits=True))
        else:
            self.view = dataclasses.replace(self.view, place=chosen.place)
        output = self._outputs(whole)
        self._places: list[Any] = [None] * count
        self.functions: list[OutputScore] = []
        if isinstance(aim.target, SegmentationTarget) or callable(aim.target) or aim.target == "negative":
            target = class_index(aim.target, aim.labels) if isinstance(aim.target, SegmentationTarget) else aim.target
            found = scores_for(target, prepared, self.adapter, chosen, output)
            self.functions = found if isinstance(found, list) else [found] * count
        else:
            settled, _ = settle_target(plain_target(class_index(aim.target, aim.labels)), output)
            self._places = settled if isinstance(settled, list) else [settled] * count
        rows = output.reshape(len(output), -1)
        of_classes = output.ndim == 2 and output.shape[1] > 1 and not self.functions
        self.takes_softmax = of_classes and not bool((rows >= 0).all() and (np.abs(rows.sum(1) - 1) < SUM).all())

    def _tensors(self, inputs: Sequence[Array]) -> list[Any]:
        fixed = self.adapter.fixed_batch(self.seen)
        if fixed is not None and (lacking := -len(inputs[0]) % fixed):
            inputs = [np.concatenate([array, np.repeat(array[-1:], lacking, axis=0)]) for array in inputs]
        return list(self.adapter.as_inputs(self.seen, inputs))

    def _outputs(self, inputs: Sequence[Array]) -> Array:
        found = predict(self.adapter, self.seen, inputs, self.view)
        return np.asarray(found, np.float64) if found.dtype.kind == "f" else found

    def _of_rows(self, rows: Array, samples: Array | None) -> Array:
        return self._outputs(self.given.rows(self.layout.restored(rows), samples))

    def __call__(self, rows: Array, samples: Array, *, probabilities: bool = False) -> Array:
        """See the protocol."""
        output = self._of_rows(rows, samples)
        if self.functions:
            return self._by_function(output, samples)
        if probabilities and self.takes_softmax:
            output = _softmax(output)
        places = [self._places[sample] for sample in samples]
        if places and places[0] is None:
            return output.reshape(len(output))
        at = np.array([place if isinstance(place, tuple) else (place,) for place in places]).reshape(len(output), -1)
        picked: Array = output[(np.arange(len(output)), *at.T)]
        return picked

    def hits(self, rows: Array, samples: Array) -> Array:
        """See the protocol."""
        targets = np.array(self.targets)[samples]
        return np.asarray(self.classes(rows, samples).argmax(1) == targets, np.float64)

    def classes(self, rows: Array, samples: Array | None = None, *, probabilities: bool = False) -> Array:
        """See the protocol.

        Raises
        ------
        InvalidArgumentError
            The output is dense, or what is explained is no class.
        """
        output = self._of_rows(rows, samples)
        if self.functions or output.ndim > 2:
            raise InvalidArgumentError(
                "this metric is of a class; what is explained is a region or a function of the output"
            )
        output = output.reshape(len(output), -1)
        return _softmax(output) if probabilities and self.takes_softmax else output

    @property
    def targets(self) -> list[Any]:
        """See the protocol."""
        return [0 if place is None else place for place in self._places]

    def _by_function(self, output: Array, samples: Array) -> Array:
        found = np.empty(len(output))
        for sample in np.unique(samples):
            mine = samples == sample
            found[mine] = self.functions[int(sample)].evaluate(output[mine])[0]
        return found


def _softmax(output: Array) -> Array:
    powers = np.exp(output - output.max(1, keepdims=True))
    found: Array = powers / powers.sum(1, keepdims=True)
    return found
