"""DeepDream: what a layer sees in an image, made stronger (Mordvintsev, Olah, Tyka, 2015). Imported when it runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.nn.functional import interpolate

from metannvis_methods.errors import DeadlineError, InvalidArgumentError
from metannvis_methods.registry.toolset import MethodOutput
from metannvis_methods.toolsets.metannvis.visualization.images import ImageMethod
from metannvis_methods.toolsets.metannvis.visualization.objectives import Energy
from metannvis_methods.toolsets.metannvis.visualization.optimizer import ImageOptimizer, Run
from metannvis_methods.toolsets.metannvis.visualization.parameterizations import Pixels
from metannvis_methods.toolsets.metannvis.visualization.transforms import SIDE, Roll
from metannvis_methods.toolsets.metannvis.visualization.updates import Normalized

__all__ = ["DeepDream"]

#: Of the range from black to white: 1.5 of 255.
RATE = 1.5 / 255
#: Pixels that an image of 224 is rolled by.
JITTER = 32
#: The coarsest octave has at least so many pixels at an edge.
SMALLEST = 4
#: Share of the noise that it begins with, where there is no image.
NOISE = 0.1


class DeepDream(ImageMethod):
    """Ascent of ½‖a‖² of a layer or a channel, octave by octave, by steps of one size on a rolled image.

    The detail that an octave has added is enlarged and added again in the next one.
    """

    def attribute(
        self,
        layer: Any,
        inputs: Any = None,
        additional_forward_args: Any = None,
        channel: int | Sequence[int] | None = None,
        images: int | None = None,
        shape: Any = None,
        steps: int = 10,
        octaves: int = 4,
        octave_scale: float = 1.4,
        rate: float = RATE,
        jitter: int | None = None,
        snapshots: int = 0,
    ) -> MethodOutput:
        """Images, in the shape of the inputs, or of ``shape``.

        Parameters
        ----------
        inputs
            Images to begin with; none: grey and a little noise.
        layer, channel
            What is made stronger: a layer, or a channel of it, or one an image.
        steps
            In each octave.
        octaves, octave_scale
            How many sizes, and by how much each is larger than the one before.
        rate
            Size of a step, as a share of the range from black to white.
        jitter
            Pixels that the image is rolled by at most; ``None``: 32 for 224 pixels at an edge.
        snapshots
            How many images of the way are kept, at most one an octave, in full size.

        Raises
        ------
        InvalidArgumentError
            Octaves would be too small, or the inputs are no images.
        """
        key = self.call.spec.key
        channels: list[Any] = list(channel) if isinstance(channel, (list, tuple)) else [channel]
        objectives = [Energy(self.the_layer, one) for one in channels]
        start = self.start
        count = max(len(objectives), 1 if start is None else len(start), images or 1)
        if len(objectives) not in (1, count) or (start is not None and len(start) not in (1, count)):
            raise InvalidArgumentError(
                f"{key}: {len(objectives)} channels and {count} images: give one for all, or one each"
            )
        sizes = self.shape_of(count, shape)
        if len(sizes) != 4:
            raise InvalidArgumentError(f"{key} is of images, of shape (N, C, H, W), not {sizes}")
        ladder = [tuple(round(n / octave_scale**k) for n in sizes[2:]) for k in reversed(range(octaves))]
        if min(ladder[0]) < min(SMALLEST, *sizes[2:]):
            raise InvalidArgumentError(
                f"{key}: the coarsest of {octaves} octaves would have {ladder[0][0]} × {ladder[0][1]} pixels: take fewer"
            )
        generator, seed = self.generators()
        if start is None:
            canvas = Pixels(NOISE).begin(sizes, self.like, self.bounds, generator, None)
            start = canvas.images(canvas.numbers)
        start = start.expand(count, *start.shape[1:])
        roll = round(JITTER * min(sizes[2:]) / SIDE) if jitter is None else jitter
        groups = self.groups(count, objectives)
        bounds = self.bounds
        keep = min(snapshots, octaves)
        self.kept_steps(keep, steps * octaves, sizes)
        kept_octaves = {round((k + 1) * octaves / keep) - 1 for k in range(keep)} if keep else set()
        runs: list[Run] = []
        with self.counted(steps * octaves * len(groups)) as tick:
            for rows in groups:
                of_rows = objectives if len(objectives) == 1 else [objectives[k] for k in rows]
                ascent = ImageOptimizer(
                    self.observer(of_rows, additional_forward_args, count),
                    of_rows,
                    bounds=bounds,
                    update=Normalized(rate),
                    steps=steps,
                    generator=np.random.default_rng(seed),
                    tick=tick,
                )
                try:
                    runs.append(_dreamt(ascent, start[list(rows)], rows, ladder, roll, kept_octaves))
                except DeadlineError:
                    if not runs:
                        raise
                    runs.append(Run.of_none(start[list(rows)]))
        return self.output(runs, objectives)


def _dreamt(
    optimizer: ImageOptimizer,
    start: torch.Tensor,
    rows: Sequence[int],
    ladder: Sequence[tuple[int, ...]],
    roll: int,
    kept_octaves: set[int],
) -> Run:
    """All octaves of some images."""
    detail = torch.zeros_like(start)
    parts: list[Run] = []
    snapshots: list[tuple[int, Any]] = []
    full = tuple(start.shape[2:])
    for octave, sizes in enumerate(ladder):
        base, last = _resized(start, sizes), octave + 1 == len(ladder)
        canvas = Pixels().begin((), start, optimizer.bounds, optimizer.generator, base + _resized(detail, sizes))
        pixels = round(roll * sizes[0] / full[0])
        optimizer.transforms = (Roll(pixels),) if pixels else ()
        try:
            run = optimizer.run(canvas, rows, judge=last)
        except DeadlineError:
            if not parts:
                raise
            parts[-1].ended = ["deadline"] * len(start)
            break
        parts.append(run)
        detail = run.images - base
        if octave in kept_octaves:
            image = optimizer.bounds.clamped(start + _resized(detail, full))
            snapshots.append((sum(len(part.losses) for part in parts), image.cpu().numpy()))
        if "deadline" in run.ended:
            break
    end = parts[-1]
    made = optimizer.bounds.clamped(start + _resized(detail, full)) if end.images.shape != start.shape else end.images
    return dataclasses.replace(
        end,
        images=made,
        losses=np.concatenate([part.losses for part in parts]),
        steps=np.sum([part.steps for part in parts], axis=0),
        snapshots=snapshots,
    )


def _resized(images: torch.Tensor, sizes: Sequence[int]) -> torch.Tensor:
    if tuple(images.shape[2:]) == tuple(sizes):
        return images
    return interpolate(images, size=tuple(sizes), mode="bilinear", align_corners=False)
