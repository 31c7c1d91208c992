"""The optimiser of images: a loop of passes, whose parts are handed in. Imported after PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from metannvis_methods.errors import DeadlineError, InvalidArgumentError
from metannvis_methods.models.arrays import to_numpy
from metannvis_methods.toolsets.metannvis.visualization.balance import Balance
from metannvis_methods.toolsets.metannvis.visualization.bounds import Bounds
from metannvis_methods.toolsets.metannvis.visualization.objectives import Objective
from metannvis_methods.toolsets.metannvis.visualization.observer import Observer, Seen
from metannvis_methods.toolsets.metannvis.visualization.parameterizations import Canvas
from metannvis_methods.toolsets.metannvis.visualization.regularizers import Regularizer
from metannvis_methods.toolsets.metannvis.visualization.transforms import Transform, transformed
from metannvis_methods.toolsets.metannvis.visualization.updates import Adam, Update

__all__ = ["ImageOptimizer", "Run"]

Array = np.ndarray[Any, Any]


@dataclass
class Run:
    """What a run has made of its images.

    Attributes
    ----------
    images
        Shape ``(N, C, places…)``.
    losses
        Penalties minus objective at each step, shape ``(steps, N)``; NaN where an image had ended.
    steps
        That each image has made, shape ``(N,)``.
    ended
        Why: ``"steps"``, ``"probability"``, ``"deadline"``, one an image.
    scores, probabilities
        The objective of the images as they are, and the probability of its class if it has one, shape ``(N,)``.
    snapshots
        Step and images, in order.
    """

    images: torch.Tensor
    losses: Array
    steps: Array
    ended: list[str]
    scores: Array
    probabilities: Array | None
    snapshots: list[tuple[int, Array]] = field(default_factory=list)

    @classmethod
    def of_none(cls, images: torch.Tensor) -> Run:
        """A run for which there was no time."""
        count = len(images)
        nothing = np.full(count, np.nan)
        return cls(images, nothing[None], np.zeros(count, np.int64), ["deadline"] * count, nothing, None)

    @classmethod
    def picked(cls, runs: Sequence[Run], which: Array) -> Run:
        """Of each image that of one of the runs, which ``which`` names, shape ``(N,)``; all runs have made as many steps."""
        count = np.arange(len(which))

        def of_each(arrays: Sequence[Array]) -> Array:
            return np.stack(arrays)[which, count]

        known = [run.probabilities for run in runs if run.probabilities is not None]
        kept = zip(*(run.snapshots for run in runs), strict=True)
        return cls(
            torch.stack([run.images for run in runs])[torch.from_numpy(which), torch.from_numpy(count)],
            of_each([run.losses.T for run in runs]).T,
            of_each([run.steps for run in runs]),
            [runs[k].ended[place] for place, k in enumerate(which)],
            of_each([run.scores for run in runs]),
            of_each(known) if len(known) == len(runs) else None,
            [(same[0][0], of_each([array for _, array in same])) for same in kept],
        )


@dataclass
class ImageOptimizer:
    """Parts of an optimisation.

    Attributes
    ----------
    observer
        Passes images through the network.
    objectives
        One for all images, or one each.
    bounds
        What black and white are.
    transforms, resize
        How images are moved before a pass, and whether they are brought back to their size.
    regularizers
        Penalties.
    balance
        How strongly they weigh against the probability of a class, which every objective is then of; ``None``: always the same.
    update
        The rule for a step.
    steps, probability
        Most steps, and the probability of its class at which an image is done; ``None``: none.
    snapshots
        Steps after which images are kept.
    generator
        Draws the transforms.
    tick
        Called after each step.
    """

    observer: Observer
    objectives: Sequence[Objective]
    bounds: Bounds = field(default_factory=Bounds)
    transforms: Sequence[Transform] = ()
    resize: bool = True
    regularizers: Sequence[Regularizer] = ()
    balance: Balance | None = None
    update: Update = field(default_factory=Adam)
    steps: int = 200
    probability: float | None = None
    snapshots: Sequence[int] = ()
    generator: np.random.Generator = field(default_factory=np.random.default_rng)
    tick: Callable[[], None] = lambda: None

    def run(self, canvas: Canvas, rows: Sequence[int] | None = None, *, judge: bool = True) -> Run:
        """Move the numbers of a canvas; the canvas keeps what they have become.

        Parameters
        ----------
        rows
            Which of all images the canvas has; ``None``: all, from 0.
        judge
            Whether :attr:`Run.scores` and probabilities are worked out, by one more pass.

        Raises
        ------
        InvalidArgumentError
            A number of the objective, or of its gradient, is not finite.
        DeadlineError
            The time was over before the first step.
        """
        count = len(canvas.numbers)
        self._all = torch.arange(count) if rows is None else torch.as_tensor(list(rows))
        numbers = canvas.numbers if canvas.candidates is None else self._chosen(canvas, canvas.candidates)
        losses = np.full((self.steps, count), np.nan)
        made, ended = np.zeros(count, np.int64), ["steps"] * count
        active = torch.arange(count)
        state = self.update.begin(numbers)
        factors = numbers.new_ones(count)
        kept: list[tuple[int, Array]] = []
        try:
            for step in range(self.steps):
                point = numbers[active].detach().requires_grad_()
                with torch.enable_grad():
                    images = canvas.images(point)
                    seen, loss = self._passed(canvas, point, images, active, factors)
                    (slope,) = torch.autograd.grad(loss.sum(), point)
                self._check(loss, slope, step)
                losses[step, active.numpy()] = to_numpy(loss)
                if self.balance is not None:
                    places = active.to(factors.device)
                    factors[places] = self.balance.next(factors[places], self._log_odds(seen, active).detach())
                done = self._done(images.detach(), seen, active)
                for place in active[done].tolist():
                    ended[place] = "probability"
                if done.any():
                    stays = ~done
                    active, slope = active[stays], slope[stays.to(slope.device)]
                    state = {name: tensor[stays.to(tensor.device)] for name, tensor in state.items()}
                if len(active):
                    moved = numbers[active] - self.update.step(slope, state, step)
                    numbers = numbers.index_copy(0, active.to(numbers.device), canvas.allowed(moved))
                    made[active.numpy()] = step + 1
                self.tick()
                if step + 1 in self.snapshots:
                    kept.append((step + 1, to_numpy(self._images(canvas, numbers))))
                if not len(active):
                    break
        except DeadlineError:
            if not made.any():
                raise
            for place in active.tolist():
                ended[place] = "deadline"
        canvas.numbers = numbers.detach()
        made_images = self._images(canvas, canvas.numbers)
        scores, probabilities = self._judged(made_images) if judge else (np.full(count, np.nan), None)
        shown = losses[np.isfinite(losses).any(1)]
        return Run(made_images, shown, made, ended, scores, probabilities, kept)

    def _chosen(self, canvas: Canvas, candidates: torch.Tensor) -> torch.Tensor:
        """Of each image the candidate with the largest objective, as the first step would see it but for transforms."""
        everyone = torch.arange(candidates.shape[1])
        with torch.no_grad():
            gains = []
            for numbers in candidates:
                gain = self._value(self.observer(canvas.images(numbers), self._all), everyone)
                own = canvas.penalty(numbers)
                gains.append(gain if own is None else gain - own)
        best = torch.stack(gains).argmax(0)
        return candidates[best, everyone.to(candidates.device)]

    def _images(self, canvas: Canvas, numbers: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return canvas.images(numbers).detach()

    def _passed(
        self,
        canvas: Canvas,
        point: torch.Tensor,
        images: torch.Tensor,
        active: torch.Tensor,
        factors: torch.Tensor,
    ) -> tuple[Seen, torch.Tensor]:
        """What the images show, transformed, and the loss of each."""
        moved = transformed(images, self.transforms, self.generator, self.bounds.middle, resize=self.resize)
        seen = self.observer(moved, self._all[active])
        gain = self._value(seen, active)  # which refuses what is no class
        loss = -(gain if self.balance is None else self.balance.gain(self._log_odds(seen, active)))
        for regularizer in self.regularizers:
            penalty = regularizer.penalty(images, self._all[active], self.bounds)
            loss = loss + factors[active.to(factors.device)] * penalty
        own = canvas.penalty(point)
        return seen, loss if own is None else loss + own

    def _value(self, seen: Seen, active: torch.Tensor) -> torch.Tensor:
        if len(self.objectives) == 1:
            return self.objectives[0].value(seen)
        chosen = [self.objectives[place] for place in active.tolist()]
        return torch.cat([objective.value(seen.at(k)) for k, objective in enumerate(chosen)])

    def _done(self, images: torch.Tensor, seen: Seen, active: torch.Tensor) -> torch.Tensor:
        """Which images have the probability that is asked for, as they are and not as they were moved."""
        done = torch.zeros(len(active), dtype=torch.bool)
        if self.probability is None:
            return done
        with torch.no_grad():
            found = self._probabilities(seen, active)
            near = [k for k, p in enumerate(found) if p is not None and p >= self.probability]
            if near and self.transforms:
                seen = self.observer(images[near], self._all[active[near]])
                found = self._probabilities(seen, active[near])
                near = [k for k, p in zip(near, found, strict=True) if p is not None and p >= self.probability]
        done[near] = True
        return done

    def _log_odds(self, seen: Seen, active: torch.Tensor) -> torch.Tensor:
        if len(self.objectives) == 1:
            return seen.log_odds(self.objectives[0].class_)
        chosen = [self.objectives[place] for place in active.tolist()]
        return torch.cat([seen.at(k).log_odds(objective.class_) for k, objective in enumerate(chosen)])

    def _probabilities(self, seen: Seen, active: torch.Tensor) -> list[float | None]:
        objectives = self.objectives if len(self.objectives) > 1 else [self.objectives[0]] * (int(active.max()) + 1)
        chosen = [objectives[place].class_ for place in active.tolist()]
        if seen.output.ndim == 1:  # a function of the output
            return [None] * len(chosen)
        return [None if target is None else float(seen.at(k).probability(target)[0]) for k, target in enumerate(chosen)]

    def _judged(self, images: torch.Tensor) -> tuple[Array, Array | None]:
        """The objective of images as they are, and the probability of its class."""
        everyone = torch.arange(len(images))
        try:
            with torch.no_grad():
                seen = self.observer(images, self._all)
                scores = to_numpy(self._value(seen, everyone)).astype(np.float64)
                of_class = [objective.class_ is not None for objective in self.objectives]
                found = self._probabilities(seen, everyone) if all(of_class) else None
        except DeadlineError:  # what there is has no score
            return np.full(len(images), np.nan), None
        return scores, None if not found or None in found else np.array(found, np.float64)

    def _check(self, loss: torch.Tensor, slope: torch.Tensor, step: int) -> None:
        if not torch.isfinite(loss).all() or not torch.isfinite(slope).all():
            what = "gradient of the objective" if torch.isfinite(loss).all() else "objective"
            raise InvalidArgumentError(
                f"the {what} is not finite at step {step + 1}: a smaller rate (optimizer=…) or weaker regularizers may help"
            )
