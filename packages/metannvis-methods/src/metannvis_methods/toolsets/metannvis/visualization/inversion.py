"""Inverted representations: an image that a layer returns the same for (Mahendran, Vedaldi, 2015). Imported when it runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from metannvis_methods.errors import DeadlineError
from metannvis_methods.registry.toolset import MethodOutput
from metannvis_methods.toolsets.metannvis.visualization.images import ImageMethod
from metannvis_methods.toolsets.metannvis.visualization.objectives import Match
from metannvis_methods.toolsets.metannvis.visualization.optimizer import ImageOptimizer, Run
from metannvis_methods.toolsets.metannvis.visualization.parameterizations import Pixels
from metannvis_methods.toolsets.metannvis.visualization.parts import part_of, parts_of
from metannvis_methods.toolsets.metannvis.visualization.regularizers import Norm, Regularizer, TotalVariation
from metannvis_methods.toolsets.metannvis.visualization.updates import Adam, Update

__all__ = ["InvertRepresentation"]

#: Of the distance, of the 6-norm to the power of 6, and of the total variation, as the published implementations have them.
DISTANCE, NORM, VARIATION = 0.1, 1e-7, 1e-8
#: Share of the range from black to white of the noise that it begins with.
NOISE = 0.1


class InvertRepresentation(ImageMethod):
    """Descent of 0.1·‖Φ(x) − Φ₀‖² / ‖Φ₀‖² + 1e-7·‖x‖₆⁶ + 1e-8·TV(x), Φ₀ what the layer returns for the input."""

    def attribute(
        self,
        inputs: Any,
        layer: Any,
        additional_forward_args: Any = None,
        regularizers: Any = None,
        optimizer: Any = None,
        steps: int = 201,
        snapshots: int = 0,
    ) -> MethodOutput:
        """Images, in the shape of the inputs; the scores are ‖Φ(x) − Φ₀‖ / ‖Φ₀‖.

        Parameters
        ----------
        inputs
            Images whose representation is inverted.
        layer
            The layer that has it.
        regularizers, optimizer
            Words or objects, instead of the defaults.
        steps
            Of the descent.
        snapshots
            How many images of the way are kept.
        """
        original = self.start
        assert original is not None
        count, bounds = len(original), self.bounds
        sizes = self.shape_of(count, None)
        generator, _ = self.generators()
        canvas = Pixels(NOISE).begin(sizes, self.like, bounds, generator, None)
        penalties = (
            self._penalties(sizes) if regularizers is None else parts_of(regularizers, Regularizer, "regularizers")
        )
        update = Adam(0.05) if optimizer is None else part_of(optimizer, Update, "optimizer")
        keep = self.kept_steps(snapshots, steps, sizes)
        unset = Match(self.the_layer)
        groups = self.groups(count, [unset])
        observer = self.observer([unset], additional_forward_args, count)
        begin = canvas.numbers
        runs: list[Run] = []
        with self.counted(steps * len(groups)) as tick:
            for rows in groups:
                with torch.no_grad():
                    reference = observer(original[list(rows)], torch.tensor(list(rows))).raw(self.the_layer).detach()
                canvas.numbers = begin[list(rows)]
                descent = ImageOptimizer(
                    observer,
                    [DISTANCE * Match(self.the_layer, _Rows(reference, rows))],
                    bounds=bounds,
                    regularizers=penalties,
                    update=update,
                    steps=steps,
                    snapshots=keep,
                    tick=tick,
                )
                try:
                    runs.append(descent.run(canvas, rows))
                except DeadlineError:
                    if not runs:
                        raise
                    runs.append(Run.of_none(canvas.images(canvas.numbers)))
        errors = [np.sqrt(-run.scores / DISTANCE) for run in runs]
        return self.output(runs, [unset], score="relative error", scores=np.concatenate(errors))

    def _penalties(self, sizes: Any) -> list[Regularizer]:
        found: list[Regularizer] = [Norm(NORM, 6)]
        return [*found, TotalVariation(VARIATION)] if len(sizes) > 2 else found


class _Rows:
    """What a layer returned for some of all images, by their places among all."""

    def __init__(self, tensor: torch.Tensor, rows: range) -> None:
        self.tensor, self.first = tensor, rows.start

    def __getitem__(self, rows: torch.Tensor) -> torch.Tensor:
        return self.tensor[(rows - self.first).to(self.tensor.device)]
