"""RISE: randomized input sampling for explanation."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from metannvis_methods.errors import DeadlineError, InvalidArgumentError, UnfitWarning
from metannvis_methods.models.arrays import in_order
from metannvis_methods.models.registry import adapter_for
from metannvis_methods.registry.toolset import MethodOutput
from metannvis_methods.running.notices import tell
from metannvis_methods.toolsets.metannvis.method import Method, generator_of
from metannvis_methods.toolsets.metannvis.perturbation.masking import Masked, as_groups, groups_of
from metannvis_methods.toolsets.metannvis.perturbation.masks import GivenMasks, Masks, RandomGrids, cells_of, places_of

__all__ = ["Rise"]

Array = np.ndarray[Any, Any]
logger = logging.getLogger("metannvis_methods")
#: Probabilities that are tried, and masks of each.
PROBABILITIES, TRIED = tuple(k / 10 for k in range(1, 10)), 100


class Rise(Method):
    """Mean of random masks, weighted by the output for the input under each (Petsiuk et al., 2018, arXiv:1806.07421).

    ``S(u) = Σ_i f(x ⊙ M_i) M_i(u) / (N p)``. A mask is a grid of cells that are one with probability ``p``, enlarged by
    linear interpolation to one cell more than the input, and cropped at a random shift. What lies as in a table, and indices,
    has a cell a feature; groups of a feature mask are each kept or not. The same masks serve every sample.
    """

    def attribute(
        self,
        inputs: Any,
        target: Any = None,
        baselines: Any = None,
        feature_mask: Any = None,
        n_masks: int = 4000,
        cells: int = 7,
        p: float | str = 0.5,
        masks: Any = None,
    ) -> MethodOutput:
        """Maps over the places of each input, shape ``(N, places…)``; over all elements with a feature mask.

        Parameters
        ----------
        baselines
            What stands where a mask is zero; the paper's is 0.
        n_masks, cells, p
            Number of masks, cells of the grid along each place, probability that a cell is kept; ``"auto"``: of 0.1…0.9 the one
            whose scores are furthest apart (standard deviation over the masks, mean over the samples) on 100 masks each.
        masks
            Masks to take instead, shape ``(n, places…)``, values in 0…1, of which each place is kept with probability ``p`` in
            the mean; a tuple, one an input, for several.

        Raises
        ------
        InvalidArgumentError
            The masks do not lie like the inputs, or are given with ``p="auto"``.
        DeadlineError
            The time was over before anything was known; later, the masks that were done count.
        """
        masked = Masked(self.call, baselines)
        if isinstance(p, str):
            if masks is not None:
                raise InvalidArgumentError(
                    "rise: p='auto' draws masks, and masks are given: say with which p they were drawn"
                )
            p = self._furthest_apart(masked, feature_mask, cells)
        drawn, count = self._masks(feature_mask, n_masks, cells, p, masks)
        sums: list[Any] = [0.0] * len(drawn)
        done = 0
        for start, stop in masked.chunks(count):
            try:
                scores = masked.scores(drawn, start, stop)
            except DeadlineError:
                if not done:
                    raise
                tell(f"the time was over after {done} of {count} masks, which the values are of", UnfitWarning)
                break
            for place, part in enumerate(drawn):
                sums[place] = sums[place] + scores.T @ part.weights(start, stop).astype(np.float64)
            done = stop
        found, channels = masked.maps(drawn, [total / (done * p) for total in sums])
        return MethodOutput(self.as_given(found), channels=channels)

    def _furthest_apart(self, masked: Masked, feature_mask: Any, cells: int) -> float:
        """The probability whose masks tell most."""
        spreads = []
        for p in PROBABILITIES:
            drawn, count = self._masks(feature_mask, TRIED, cells, p, None)
            scores = np.concatenate([masked.scores(drawn, *chunk) for chunk in masked.chunks(count)])
            spreads.append(scores.std(0).mean())
        chosen = PROBABILITIES[int(np.argmax(spreads))]
        logger.info("rise keeps a cell with the probability %g, of whose masks the scores are furthest apart", chosen)
        return chosen

    def _masks(self, feature_mask: Any, count: int, cells: int, p: float, given: Any) -> tuple[list[Masks], int]:
        call = self.call
        if given is not None:
            if feature_mask is not None:
                raise InvalidArgumentError("rise: masks and feature_mask both say what is masked; give one of them")
            return self._given(given)
        generator, adapter = generator_of(call.seed), adapter_for(call.framework)
        if feature_mask is not None:
            members, number = groups_of(call, feature_mask, cells)
            return as_groups(call, members, (generator.random((count, number)) < p).astype(np.float32)), count
        found: list[Masks] = []
        for x, axes in zip(call.inputs, call.axes, strict=True):
            shape = tuple(x.shape)
            single = not adapter.is_floating(x)
            number_of_cells = cells_of(shape, axes, cells, single=single)
            sizes = tuple(shape[k] for k in places_of(axes))
            if number_of_cells == sizes:  # nothing lies between two elements
                found.append(GivenMasks((generator.random((count, *sizes)) < p).astype(np.float32), axes))
            else:
                found.append(RandomGrids.drawn(generator, count, p, sizes, axes, number_of_cells))
        return found, count

    def _given(self, given: Any) -> tuple[list[Masks], int]:
        call = self.call
        arrays = [np.asarray(item) for item in in_order(given)]
        wanted = [tuple(x.shape[k] for k in places_of(axes)) for x, axes in zip(call.inputs, call.axes, strict=True)]
        counts = {len(array) for array in arrays if array.ndim}
        if [array.shape[1:] for array in arrays] != wanted or len(counts) != 1:
            shapes = " and ".join(f"(n, {', '.join(map(str, sizes))})" for sizes in wanted)
            raise InvalidArgumentError(
                f"rise: masks have shape {' and '.join(str(array.shape) for array in arrays)}, and the places of the input "
                f"ask for {shapes}"
            )
        return [GivenMasks(array, axes) for array, axes in zip(arrays, call.axes, strict=True)], counts.pop()
