"""Sobol indices: how much of the output's variance a region takes part in."""

from __future__ import annotations

from typing import Any

import numpy as np

from metannvis_methods.registry.toolset import MethodCall, MethodOutput
from metannvis_methods.toolsets.metannvis.method import Method, generator_of
from metannvis_methods.toolsets.metannvis.perturbation.masking import Masked, as_groups, groups_of, number_of_groups

__all__ = ["Sobol"]

Array = np.ndarray[Any, Any]


class Sobol(Method):
    """Total Sobol indices of the cells of a grid that are faded out (Fel et al., 2021, arXiv:2111.04138).

    With masks ``A`` and ``B`` drawn from 0…1, and ``C_i`` as ``A`` but for cell ``i``, which is that of ``B``, Jansen's
    estimator of the total index is ``Σ (f(A) − f(C_i))² / (2 n Var f(A))``. The paper draws from Sobol's sequence; these are
    Latin hypercubes, which take nothing to install.
    """

    @staticmethod
    def counts(call: MethodCall) -> dict[str, int]:
        """Groups of the feature mask, else cells of the grid."""
        return {"features": number_of_groups(call, int(call.call_options.get("cells", 8)))}

    def attribute(
        self,
        inputs: Any,
        target: Any = None,
        baselines: Any = None,
        feature_mask: Any = None,
        n_designs: int = 32,
        cells: int = 8,
        sampler: str = "latin_hypercube",
    ) -> MethodOutput:
        """Indices in 0…1, and a little beside it since they are estimated: shape ``(N, places…)``.

        Parameters
        ----------
        baselines
            What stands where a mask is zero.
        n_designs
            Masks of each kind. The paper runs ``B`` as well, for first-order indices.
        cells
            Cells of the grid along each place, which a feature mask says in its stead.
        sampler
            ``"latin_hypercube"`` or ``"random"``.
        """
        masked = Masked(self.call, baselines)
        members, number = groups_of(self.call, feature_mask, cells)
        generator = generator_of(self.call.seed)
        draw = latin_hypercube if sampler == "latin_hypercube" else _uniform
        a, b = draw(generator, n_designs, number), draw(generator, n_designs, number)
        scores = np.concatenate(
            [
                masked.scores(as_groups(self.call, members, _masks(a, b, start, stop)), 0, stop - start)
                for start, stop in masked.chunks(
                    n_designs * (number + 1)
                )  # full passes, whatever the number of designs
            ]
        ).reshape(number + 1, n_designs, -1)
        variance = scores[0].var(axis=0, ddof=1) if n_designs > 1 else np.zeros(masked.samples)
        total = ((scores[0] - scores[1:]) ** 2).sum(axis=1).T
        indices = total / np.where(variance > 0, 2 * n_designs * variance, np.inf)[:, None]
        parts = as_groups(self.call, members, a)
        found, channels = masked.maps(parts, [indices] * len(parts))
        return MethodOutput(self.as_given(found), channels=channels)


def _masks(a: Array, b: Array, start: int, stop: int) -> Array:
    """Some of the masks that are run: those of ``A``, then those of ``C_i`` for each cell, shape ``(stop - start, cells)``."""
    cell, design = np.divmod(np.arange(start, stop), len(a))
    found = a[design]
    changed = np.flatnonzero(cell)
    found[changed, cell[changed] - 1] = b[design[changed], cell[changed] - 1]
    return found


def latin_hypercube(generator: np.random.Generator, count: int, dimensions: int) -> Array:
    """Points in 0…1, one in each of ``count`` slices along each dimension, shape ``(count, dimensions)``."""
    slices = generator.permuted(np.tile(np.arange(count), (dimensions, 1)), axis=1).T
    return (slices + generator.random((count, dimensions))) / count


def _uniform(generator: np.random.Generator, count: int, dimensions: int) -> Array:
    return generator.random((count, dimensions))
