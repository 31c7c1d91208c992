"""Activation maximization: images that a class, a layer, a channel or a neuron responds to most. Imported when one runs."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from metannvis_methods.errors import DeadlineError, InvalidArgumentError, MissingArgumentError
from metannvis_methods.models.arrays import to_numpy
from metannvis_methods.registry.toolset import MethodOutput
from metannvis_methods.toolsets.metannvis.visualization.balance import Balance
from metannvis_methods.toolsets.metannvis.visualization.images import ImageMethod
from metannvis_methods.toolsets.metannvis.visualization.objectives import Channel, Layer, Neuron, Objective
from metannvis_methods.toolsets.metannvis.visualization.optimizer import ImageOptimizer, Run
from metannvis_methods.toolsets.metannvis.visualization.parameterizations import (
    Canvas,
    Fourier,
    Parameterization,
    Pixels,
)
from metannvis_methods.toolsets.metannvis.visualization.parts import OF_CLASS, part_of, parts_of
from metannvis_methods.toolsets.metannvis.visualization.regularizers import L2, Regularizer, TotalVariation
from metannvis_methods.toolsets.metannvis.visualization.transforms import Transform, shifts, standard
from metannvis_methods.toolsets.metannvis.visualization.updates import Adam, Update

__all__ = ["ActivationMaximization", "Render"]

#: Pixels by which an image is shifted, of those at its edge, unless the caller says how it is moved.
SHIFT = 1 / 16
#: Steps, unless the caller says how many.
STEPS = 200
#: Pixels at the longest edge below which an image of a class is the smoothest that the network is sure of.
SMALL = 64
#: Of such an image: how often it is made, each time from other noise, if it begins with noise: the best is taken.
STARTS = 3
#: And: steps, the noise it begins with, as a share of the range, and the weight that total variation begins with.
SMALL_STEPS, NOISE, VARIATION = 500, 0.02, 0.1


class ActivationMaximization(ImageMethod):
    """Activation maximization (Erhan et al., 2009; Simonyan et al., 2013; Nguyen et al., 2016).

    With a target max log p_c(x) − penalties; at a layer the mean of the layer, of a channel, or a neuron.

    What parts there are, unless the caller names one, depends on what is made. An image of a class that is smaller than
    :data:`SMALL` pixels is the smoothest of which the network is sure: pixels that begin at grey with some noise, not moved,
    and total variation that weighs as much as leaves the class p = 0.98 (:class:`.balance.Balance`). Of few pixels each
    counts for much, so that shifts and a spectrum do not keep noise away there. Some starts end in rough maxima, so the best
    of :data:`STARTS` is taken. All else is a Fourier spectrum that is shifted.
    """

    def attribute(
        self,
        inputs: Any = None,
        target: Any = None,
        layer: Any = None,
        neuron: Any = None,
        baselines: Any = None,
        additional_forward_args: Any = None,
        channel: int | Sequence[int] | None = None,
        objective: Any = None,
        parameterization: Any = None,
        transforms: Any = None,
        regularizers: Any = None,
        optimizer: Any = None,
        images: int | None = None,
        shape: Any = None,
        steps: int | None = None,
        probability: float | None = None,
        snapshots: int = 0,
        resize: bool = True,
    ) -> MethodOutput:
        """Images, in the shape of the inputs, or of ``shape``.

        Parameters
        ----------
        inputs
            Images to begin with; none: noise.
        target
            A class, or one an image.
        layer, channel, neuron
            A layer, its channel or channels, one an image, or a position in what it returns.
        baselines
            What L2 pulls towards, instead of grey; without a regularizer it is L2 with its default weight.
        objective
            Words or objects instead of these.
        parameterization, transforms, regularizers, optimizer
            Words or objects.
        images
            How many, if nothing else says so.
        shape
            Of an image, the batch left out.
        steps, probability
            Most steps, by default 200, of small images of classes 500; and the probability at which an image is done.
        snapshots
            How many images of the way are kept.
        resize
            Whether images are brought back to their size behind the transforms.

        Raises
        ------
        InvalidArgumentError, MissingArgumentError
            There is nothing to make large, or the numbers of images differ.
        """
        start = self.start
        objectives = self._objectives(objective, channel, neuron)
        if probability is not None and (self.call.layer is not None or any(one.class_ is None for one in objectives)):
            raise InvalidArgumentError(
                f"{self.call.spec.key}: probability ends a run at that of a class: give a target"
            )
        count = self._count(objectives, start, images)
        if start is not None and len(start) != count:
            start = start.expand(count, *start.shape[1:])
            if additional_forward_args is not None:
                raise InvalidArgumentError(
                    f"{self.call.spec.key}: further inputs of the model have a row for each image: give {count} inputs as well"
                )
        sizes = self.shape_of(count, shape)
        parts = (objective, baselines, parameterization, transforms, regularizers, probability)
        smoothest = self._makes_smoothest(sizes) and all(part is None for part in parts)
        balance = Balance() if smoothest else None
        if balance is not None:
            parameterization, transforms, regularizers = Pixels(NOISE), [], [TotalVariation(VARIATION)]
        if steps is None:
            steps = SMALL_STEPS if smoothest else STEPS
        generator, seed = self.generators()
        chosen: Parameterization = (
            self._parameterization(sizes)
            if parameterization is None
            else part_of(parameterization, Parameterization, "parameterization")
        )
        if start is not None and not chosen.begins_with_images:
            raise InvalidArgumentError(
                f"{self.call.spec.key}: a generator makes images of codes, so that it begins with no inputs"
            )
        starts = STARTS if smoothest and start is None else 1
        canvases = [chosen.begin(sizes, self.like, self.bounds, generator, start) for _ in range(starts)]
        moves = self._transforms(sizes) if transforms is None else parts_of(transforms, Transform, "transforms")
        penalties = self._regularizers(regularizers, baselines)
        update = self._update() if optimizer is None else part_of(optimizer, Update, "optimizer")
        keep = self.kept_steps(snapshots, steps, sizes)
        groups = self.groups(count, objectives)
        runs: list[Run] = []
        with self.counted(steps * len(groups) * starts) as tick:
            for rows in groups:
                of_rows = objectives if len(objectives) == 1 else [objectives[k] for k in rows]
                ascent = ImageOptimizer(
                    self.observer(of_rows, additional_forward_args, count),
                    of_rows,
                    bounds=self.bounds,
                    transforms=moves,
                    resize=resize,
                    regularizers=penalties,
                    balance=balance,
                    update=update,
                    steps=steps,
                    probability=probability,
                    snapshots=keep,
                    generator=np.random.default_rng(seed),
                    tick=tick,
                )
                parts_of_rows = [_part(canvas, rows) for canvas in canvases]
                try:
                    runs.append(_best(ascent, parts_of_rows, rows))
                except DeadlineError:
                    if not runs:
                        raise
                    first = parts_of_rows[0]
                    with torch.no_grad():
                        runs.append(Run.of_none(first.images(first.numbers)))
        return self.output(runs, objectives)

    def _makes_smoothest(self, sizes: Sequence[int]) -> bool:
        """Whether small images of classes are made."""
        of_class = self.call.layer is None and self.call.target_given and self.call.target is not None
        return of_class and len(sizes) == 4 and min(sizes[2:]) > 2 and max(sizes[2:]) < SMALL

    def _parameterization(self, sizes: Sequence[int]) -> Parameterization:
        return Fourier() if len(sizes) == 4 and min(sizes[2:]) > 1 else Pixels()

    def _transforms(self, sizes: Sequence[int]) -> list[Transform]:
        return list(shifts(max(1, round(SHIFT * min(sizes[2:]))))) if len(sizes) == 4 and min(sizes[2:]) > 2 else []

    def _update(self) -> Update:
        return Adam(0.05)

    def _regularizers(self, given: Any, mean: Any) -> list[Regularizer]:
        if given is None:
            found: list[Regularizer] = [L2()] if mean is not None else []
        else:
            found = parts_of(given, Regularizer, "regularizers")
        if mean is None:
            return found
        return [one.to(mean) if isinstance(one, L2) and one.mean is None else one for one in found]

    def _objectives(self, given: Any, channel: Any, neuron: Any) -> list[Objective]:
        """What is made large: one for all images, or one each."""
        call, key = self.call, self.call.spec.key
        at_layer = [name for name, value in (("channel", channel), ("neuron", neuron)) if value is not None]
        if at_layer and call.layer is None:
            raise MissingArgumentError(f"{key}: {at_layer[0]} is of a layer: name it (layer=…)")
        if len(at_layer) > 1:
            raise InvalidArgumentError(
                f"{key}: channel and neuron both say what of the layer is meant: give one of them"
            )
        words = [item for item in given or () if isinstance(item, str)]
        of_class = call.target_given and call.target is not None
        if (call.layer is not None) + bool(given and not words) + bool(words or of_class) > 1:
            raise InvalidArgumentError(
                f"{key}: a target, a layer and an objective each say what is made large: give one, or a sum as objective"
            )
        if given and not words:
            return list(given)
        if call.layer is not None:
            if channel is not None:
                several = channel if isinstance(channel, (list, tuple)) else [channel]
                return [Channel(self.the_layer, int(k)) for k in several]
            if neuron is not None:
                return [Neuron(self.the_layer, neuron)]
            return [Layer(self.the_layer)]
        if len(words) > 1:
            raise InvalidArgumentError(f"{key}: one word says what of each target is meant, not {', '.join(words)}")
        kind = OF_CLASS[words[0] if words else "log_probability"]
        targets = call.target if isinstance(call.target, list) else [call.target]
        return [kind(target) for target in targets]

    def _count(self, objectives: Sequence[Objective], start: torch.Tensor | None, images: int | None) -> int:
        counts = {
            "objectives": len(objectives) if len(objectives) > 1 else 1,
            "inputs": 1 if start is None else len(start),
            "images": images or 1,
        }
        several = {name: n for name, n in counts.items() if n > 1}
        if len(set(several.values())) > 1:
            said = " and ".join(f"{n} {name}" for name, n in several.items())
            raise InvalidArgumentError(
                f"{self.call.spec.key}: {said}: each image has one of each, or all have the same"
            )
        return max(counts.values())


class Render(ActivationMaximization):
    """Feature visualization as of Lucid (Olah, Mordvintsev, Schubert, 2017): Fourier, decorrelated colours, its transforms."""

    def attribute(
        self,
        inputs: Any = None,
        target: Any = None,
        layer: Any = None,
        neuron: Any = None,
        baselines: Any = None,
        additional_forward_args: Any = None,
        channel: int | Sequence[int] | None = None,
        objective: Any = None,
        parameterization: Any = None,
        transforms: Any = None,
        regularizers: Any = None,
        optimizer: Any = None,
        images: int | None = None,
        shape: Any = None,
        steps: int | None = 512,
        probability: float | None = None,
        snapshots: int = 0,
        resize: bool = True,
    ) -> MethodOutput:
        """As :meth:`ActivationMaximization.attribute`; ``objective`` may name a layer and its channel, ``"conv3:5"``."""
        given = {name: value for name, value in locals().items() if name not in ("self", "__class__")}
        return super().attribute(**given)

    def _makes_smoothest(self, sizes: Sequence[int]) -> bool:
        return False

    def _transforms(self, sizes: Sequence[int]) -> list[Transform]:
        return list(standard(min(sizes[2:]))) if len(sizes) == 4 else []


def _best(ascent: ImageOptimizer, canvases: Sequence[Canvas], rows: Sequence[int]) -> Run:
    """A run of each canvas, and of each image the best; what is not done in time is left out behind the first.

    Raises
    ------
    DeadlineError
        The time was over before the first step.
    """
    runs = [ascent.run(canvases[0], rows)]
    for canvas in canvases[1:]:
        try:
            runs.append(ascent.run(canvas, rows))
        except DeadlineError:
            break
    done = [run for run in runs if "deadline" not in run.ended and run.probabilities is not None]
    if ascent.balance is None or len(done) < 2:
        return runs[0]
    places = torch.as_tensor(list(rows))
    penalties = [
        sum(to_numpy(one.penalty(run.images, places, ascent.bounds)) for one in ascent.regularizers) for run in done
    ]
    probabilities = np.stack([run.probabilities for run in done if run.probabilities is not None])
    return Run.picked(done, ascent.balance.best(probabilities, np.stack(penalties)))


def _part(canvas: Canvas, rows: Sequence[int]) -> Canvas:
    """Some of the images of a canvas."""
    part = copy.copy(canvas)
    part.numbers = canvas.numbers[list(rows)]
    part.candidates = None if canvas.candidates is None else canvas.candidates[:, list(rows)]
    return part
