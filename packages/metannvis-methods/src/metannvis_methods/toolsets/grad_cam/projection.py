"""Principal components of activations, as pytorch-grad-cam projects them, in the dtype and the time that they need.

It makes the whole square matrix of left singular vectors (10 GB for a map of 224 × 224 places), rounds to single precision, and
leaves the sign to chance. Imported when a method runs.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

__all__ = ["economical_projections", "first_component", "kernel_component"]

Array = np.ndarray[Any, Any]
#: Functions of the toolkit that project, by their names in its modules.
NAMES = ("get_2d_projection", "get_2d_projection_with_sign_correction", "get_2d_projection_kernel")


def first_component(activations: Array) -> Array:
    """Projection of each place's channels on their first principal component.

    The sign of a component is arbitrary: the largest absolute value is made positive (Chung, Ying, 2025, equation 13).

    Parameters
    ----------
    activations
        Shape ``(N, C, places…)``.

    Returns
    -------
    numpy.ndarray
        Shape ``(N, places…)``, of the same dtype.
    """
    rows = np.nan_to_num(activations, posinf=np.inf, neginf=-np.inf).reshape(*activations.shape[:2], -1)
    maps = []
    for row in rows:
        centred = row.T - row.mean(1)
        component = np.linalg.svd(centred, full_matrices=False)[2][0]
        found = centred @ component
        maps.append(-found if -found.min() > found.max() else found)
    return np.stack(maps).reshape(len(activations), *activations.shape[2:])


def kernel_component(activations: Array, kernel: str = "sigmoid", gamma: float | None = None) -> Array:
    """As :func:`first_component`, of a kernel principal component analysis by scikit-learn."""
    from sklearn.decomposition import KernelPCA

    rows = np.nan_to_num(activations, posinf=np.inf, neginf=-np.inf).reshape(*activations.shape[:2], -1)
    maps = [KernelPCA(1, kernel=kernel, gamma=gamma).fit_transform(row.T - row.mean(1)) for row in rows]
    return np.stack(maps).reshape(len(activations), *activations.shape[2:]).astype(activations.dtype)


@contextmanager
def economical_projections() -> Iterator[None]:
    """Within, the toolkit projects by the functions of this module; one thread at a time runs a toolkit."""
    modules = [module for name, module in list(sys.modules.items()) if name.startswith("pytorch_grad_cam.")]
    before = [(vars(module), name, vars(module)[name]) for module in modules for name in NAMES if name in vars(module)]
    for names, name, _ in before:
        names[name] = kernel_component if name.endswith("kernel") else first_component
    try:
        yield
    finally:
        for names, name, function in before:
            names[name] = function
