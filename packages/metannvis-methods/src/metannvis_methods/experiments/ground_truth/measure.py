"""Errors of methods on the ground-truth models."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from metannvis_methods import explain
from metannvis_methods.experiments.ground_truth.methods import ROWS, Row
from metannvis_methods.experiments.ground_truth.models import MODELS, TARGET, GroundTruth
from metannvis_methods.registry.table import find_methods

__all__ = ["EXACT", "LARGEST", "RUNS", "Error", "error_of", "measure", "values_of"]

Array = np.ndarray[Any, Any]
Progress = Callable[[int, int, str], None]
#: Runs of a random method, each of another seed.
RUNS = 20
#: What an exact method may be off by, of the largest value; and a random one, in standard errors.
EXACT, LARGEST = 1e-6, 3.0


@dataclass(frozen=True)
class Error:
    """How far a method is from the truth on a model.

    Attributes
    ----------
    toolset, key, model, quantity
        What was run where, and held against what.
    relative
        Largest difference, of the largest true value; of a random method that of the mean of its runs.
    standard_errors
        Of a random method whose runs differ: ``‖mean − truth‖`` over the root of the summed squares of the standard errors,
        about 1 where it is unbiased; ``None`` of exact ones.
    """

    toolset: str
    key: str
    model: str
    quantity: str
    relative: float
    standard_errors: float | None = None

    @property
    def holds(self) -> bool:
        """Whether it is as near to the truth as its kind has to be."""
        return self.relative <= EXACT if self.standard_errors is None else self.standard_errors <= LARGEST


def measure(seed: int, progress: Progress | None = None, rows: tuple[Row, ...] = ROWS) -> tuple[Error, ...]:
    """Errors of all methods on all models on which what they compute is known.

    Parameters
    ----------
    seed
        Of the models and of random methods.
    progress
        Called as ``progress(done, total, stage)``.
    """
    models = [make(seed) for make in MODELS.values()]
    pairs = [
        (row, model)
        for row in rows
        for model in models
        if row.quantity(model.name) in model.quantities
    ]
    found = []
    for k, (row, model) in enumerate(pairs):
        if progress is not None:
            progress(k, len(pairs), f"{row.key} of {row.toolset} on the {model.name} model")
        found.append(error_of(row, model, seed))
    return tuple(found)


def error_of(row: Row, model: GroundTruth, seed: int) -> Error:
    """Error of one method on one model."""
    name = row.quantity(model.name)
    assert name is not None
    truth = model.quantities[name]
    (spec,) = find_methods(row.key, row.toolset)
    runs = np.stack([values_of(row, model, seed + k) for k in range(RUNS if spec.stochastic else 1)])
    mean = runs.mean(0).reshape(truth.shape)
    difference = mean - truth
    relative = float(np.abs(difference).max() / np.abs(truth).max())
    spread = float(np.sqrt((runs.var(0, ddof=1) / len(runs)).sum())) if len(runs) > 1 else 0.0
    if spread <= EXACT * np.abs(truth).max():
        return Error(row.toolset, row.key, model.name, name, relative)
    return Error(row.toolset, row.key, model.name, name, relative, float(np.linalg.norm(difference)) / spread)


def values_of(row: Row, model: GroundTruth, seed: int) -> Array:
    """What a method says of a model: the values of :func:`metannvis_methods.explain`, float64."""
    (spec,) = find_methods(row.key, row.toolset)
    words: dict[str, Any] = dict(row.options)
    if spec.by_role("target", "score"):
        words["target"] = TARGET
    argument = spec.argument_for("baselines")
    if argument is not None and argument.role == "baseline":
        words["baselines"] = model.baselines
    if argument is not None and argument.role == "distribution":
        words["baselines"] = np.repeat(model.baselines, 2, axis=0)
    if spec.by_role("layer"):
        words["layer"] = model.layer
    if spec.by_role("window"):
        words |= {"sliding_window_shapes": (1, 4, 4), "strides": (1, 4, 4)} if model.inputs.ndim == 4 else {"sliding_window_shapes": (1,)}
    if model.name in row.groups:
        features = np.arange(model.inputs[0].size).reshape(1, *model.inputs.shape[1:])
        words["feature_mask"] = features if model.mask is None else model.mask
    if spec.key == "lime":
        from sklearn.linear_model import LinearRegression

        words["model_regressor"] = LinearRegression()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = explain(model.model, row.key, model.inputs, toolset=row.toolset, seed=seed, options=words_of_method(words), **words_of_explain(words))
    return np.asarray(found.values, np.float64)


def words_of_explain(words: dict[str, Any]) -> dict[str, Any]:
    """Those that are words of ``explain``."""
    return {name: value for name, value in words.items() if name in ("target", "baselines", "layer", "feature_mask")}


def words_of_method(words: dict[str, Any]) -> dict[str, Any]:
    """The others."""
    return {name: value for name, value in words.items() if name not in words_of_explain(words)}
