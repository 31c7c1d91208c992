"""Methods that make images: what they share, from the arguments of a call to its result. Imported when one runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from metannvis_methods.errors import DeadlineError, InvalidArgumentError, MissingArgumentError
from metannvis_methods.models.arrays import in_order, to_numpy
from metannvis_methods.registry.option_words import FoundLayer
from metannvis_methods.registry.toolset import History, MethodOutput
from metannvis_methods.toolsets.metannvis.method import Method, generator_of
from metannvis_methods.toolsets.metannvis.visualization.bounds import Bounds
from metannvis_methods.toolsets.metannvis.visualization.objectives import Objective
from metannvis_methods.toolsets.metannvis.visualization.observer import Observer
from metannvis_methods.toolsets.metannvis.visualization.optimizer import Run

__all__ = ["ImageMethod"]

Array = np.ndarray[Any, Any]
#: Bytes that snapshots may take.
MOST_BYTES = 2**30
#: Stage of the progress.
STAGE = "ascent"


class ImageMethod(Method):
    """A method that makes images.

    Random numbers of the start are drawn for all images at once, and those of the transforms anew for each group of images that
    passes, so that ``batch_size`` changes nothing.
    """

    @property
    def the_layer(self) -> FoundLayer:
        """The layer that the call names."""
        return FoundLayer(self.call.layer, self.call.layer_axes, self.call.layer_name)

    @property
    def start(self) -> torch.Tensor | None:
        """Images to begin with."""
        if len(self.call.inputs) > 1:
            raise InvalidArgumentError(
                f"{self.call.spec.key} makes one input: give the others as additional_forward_args"
            )
        return self.call.inputs[0].detach() if self.call.inputs else None

    @property
    def like(self) -> torch.Tensor:
        """A tensor of the dtype and device of the images."""
        if self.call.inputs:
            return self.call.inputs[0]
        weights = (x for x in (*self.call.model.parameters(), *self.call.model.buffers()) if x.is_floating_point())
        return next(weights, torch.zeros(0))

    def shape_of(self, count: int, shape: Sequence[int] | None) -> tuple[int, ...]:
        """Shape of so many images, channels first.

        Raises
        ------
        MissingArgumentError
            It is not known.
        """
        if self.start is not None:
            return (count, *self.start.shape[1:])
        known = tuple(shape) if shape is not None else (self.call.shapes[0] if self.call.shapes else ())
        if len(self.call.shapes) > 1:
            raise MissingArgumentError(
                f"{self.call.spec.key}: the model has {len(self.call.shapes)} inputs, of which one is made: give inputs "
                "to begin with, and the others as additional_forward_args"
            )
        if not known or None in known:
            of_model = (
                f"the model's input has no fixed size ({known})" if known else "the model does not say what it takes"
            )
            raise MissingArgumentError(
                f"{self.call.spec.key}: {of_model}: give shape=…, that of an image without the batch in the model's "
                "layout, or inputs to begin with"
            )
        return (count, *(int(size) for size in known if size is not None))

    @property
    def bounds(self) -> Bounds:
        """What black and white are: 0 and 1 where nobody says."""
        ends: tuple[Any, Any] = self.call.value_range or (0.0, 1.0)
        return Bounds(*(end.to(self.like) if torch.is_tensor(end) else float(end) for end in ends))

    def observer(self, objectives: Sequence[Objective], extra: Any, count: int) -> Observer:
        """Of all that the objectives look at."""
        parts = [part for objective in objectives for part in objective.parts()]
        return Observer(
            self.call.model,
            [layer for part in parts for layer in part.layers()],
            needs_output=any(part.of_output for part in parts),
            extra=in_order(extra),
            count=count,
        )

    def generators(self) -> tuple[np.random.Generator, int]:
        """Of the start, and a seed for the transforms."""
        generator = generator_of(self.call.seed)
        return generator, int(generator.integers(2**63))

    def groups(self, count: int, objectives: Sequence[Objective]) -> list[range]:
        """Images that pass at once."""
        size = self.call.batch_size or count
        if size < count and any(objective.couples for objective in objectives):
            raise InvalidArgumentError(
                f"diversity is of all {count} images together, so that batch_size={size} cannot be held: leave one of them out"
            )
        return [range(first, min(first + size, count)) for first in range(0, count, size)]

    def kept_steps(self, snapshots: int, steps: int, shape: Sequence[int]) -> tuple[int, ...]:
        """Steps after which images are kept, evenly up to the last.

        Raises
        ------
        InvalidArgumentError
            They would take too much memory.
        """
        needed = snapshots * int(np.prod(shape)) * 8
        if needed > MOST_BYTES:
            raise InvalidArgumentError(
                f"snapshots={snapshots} of {tuple(shape)} take {needed >> 20} MiB, more than {MOST_BYTES >> 20}: keep fewer"
            )
        return (
            tuple(sorted({max(1, round(steps * (k + 1) / snapshots)) for k in range(snapshots)})) if snapshots else ()
        )

    @contextmanager
    def counted(self, total: int) -> Iterator[Callable[[], None]]:
        """A function to be called after each of so many steps; a run may end before the last."""
        done = 0

        def tell(count: int) -> None:
            if self.call.progress is not None:
                self.call.progress(count, total, STAGE)

        def tick() -> None:
            nonlocal done
            done += 1
            tell(done)

        tell(0)
        yield tick
        if done < total:
            tell(total)

    def output(
        self, runs: Sequence[Run], objectives: Sequence[Objective], *, score: str = "objective", scores: Any = None
    ) -> MethodOutput:
        """The result of runs of groups of images.

        Raises
        ------
        DeadlineError
            The time was over before any step.
        """
        if all(reason == "deadline" for run in runs for reason in run.ended) and not any(
            run.steps.any() for run in runs
        ):
            raise DeadlineError(f"{self.call.spec.key} was not done in time: no step was made")
        count = len(runs)
        steps = max(len(run.losses) for run in runs)
        losses = [np.pad(run.losses, ((0, steps - len(run.losses)), (0, 0)), constant_values=np.nan) for run in runs]
        known = [run.probabilities for run in runs if run.probabilities is not None]
        at = [[step for step, _ in run.snapshots] for run in runs]
        longest = max(at, key=len)
        kept = []
        for k, step in enumerate(longest):  # a group that ended before is as it ended
            parts = [run.snapshots[k][1] if k < len(run.snapshots) else to_numpy(run.images) for run in runs]
            kept.append((step, np.concatenate(parts)))
        names = [str(objective) for objective in objectives]
        history = History(
            losses=np.concatenate(losses, 1),
            scores=np.concatenate([run.scores for run in runs]) if scores is None else scores,
            score=score,
            probabilities=np.concatenate(known) if len(known) == count else None,
            steps=np.concatenate([run.steps for run in runs]),
            ended=tuple(reason for run in runs for reason in run.ended),
            snapshots=tuple(kept),
            objectives=tuple(names),
        )
        values = torch.cat([run.images for run in runs])
        return MethodOutput(self.as_given([values]), history=history)
