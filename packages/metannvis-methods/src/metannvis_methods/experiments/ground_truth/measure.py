"""Errors of methods on the ground-truth models."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from metannvis_methods import evaluate, explain
from metannvis_methods.experiments.ground_truth.methods import OPTIONS, PARTS, ROWS, WITHOUT, Row
from metannvis_methods.experiments.ground_truth.models import MODELS, TARGET, GroundTruth
from metannvis_methods.registry.table import find_methods

__all__ = ["EXACT", "LARGEST", "RUNS", "Error", "error_of", "measure", "shares_in_patch", "values_of"]

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


def measure(seed: int, progress: Progress | None = None, runs: int = RUNS) -> tuple[Error, ...]:
    """Errors of all methods on all models on which what they compute is known.

    Parameters
    ----------
    seed
        Of the models and of random methods.
    progress
        Called as ``progress(done, total, stage)``.
    runs
        Of each random method.
    """
    models = [make(seed) for make in MODELS.values()]
    pairs = [(row, model) for row in ROWS for model in models if row.quantity(model.name) in model.quantities]
    found = []
    for k, (row, model) in enumerate(pairs):
        if progress is not None:
            progress(k, len(pairs), f"{row.key} of {row.toolset} on the {model.name} model")
        found.append(error_of(row, model, seed, runs))
    return tuple(found)


def error_of(row: Row, model: GroundTruth, seed: int, runs: int = RUNS) -> Error:
    """Error of one method on one model."""
    name = row.quantity(model.name)
    assert name is not None
    truth = model.quantities[name]
    (spec,) = find_methods(row.key, row.toolset)
    values = np.stack([values_of(row, model, seed + k) for k in range(runs if spec.stochastic else 1)])
    mean = values.mean(0).reshape(truth.shape)
    difference = mean - truth
    relative = float(np.abs(difference).max() / np.abs(truth).max())
    spread = float(np.sqrt((values.var(0, ddof=1) / len(values)).sum())) if len(values) > 1 else 0.0
    if spread <= EXACT * np.abs(truth).max():
        return Error(row.toolset, row.key, model.name, name, relative)
    return Error(row.toolset, row.key, model.name, name, relative, float(np.linalg.norm(difference)) / spread)


def values_of(row: Row, model: GroundTruth, seed: int) -> Array:
    """What a method says of a model: the values of :func:`metannvis_methods.explain`, float64."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a network is no network of images, and the like
        found = explain(model.model, inputs=model.inputs, seed=seed, **words_of(row, model))
    return np.asarray(found.values, np.float64)


def words_of(row: Row, model: GroundTruth) -> dict[str, Any]:
    """Words of :func:`metannvis_methods.explain` with which a method computes what its row says."""
    (spec,) = find_methods(row.key, row.toolset)
    options: dict[str, Any] = dict(row.options)
    words: dict[str, Any] = {"method": row.key, "toolset": row.toolset, "options": options}
    if spec.by_role("target", "score"):
        words["target"] = TARGET
    argument = spec.argument_for("baselines")
    # those of a layer are zero, as its maps are where the image is; xrai has black and white of its own
    if argument is not None and argument.role != "layer_baseline" and row.key != "xrai":
        words["baselines"] = np.repeat(model.baselines, 2 if argument.role == "distribution" else 1, axis=0)
    if spec.by_role("layer"):
        words["layer"] = model.layer
    if spec.by_role("window"):
        images = model.inputs.ndim == 4
        options |= {"sliding_window_shapes": (1, 4, 4) if images else (1,), "strides": (1, 4, 4) if images else (1,)}
    if model.name in row.groups:
        features = np.arange(model.inputs[0].size).reshape(1, *model.inputs.shape[1:])
        words["feature_mask"] = features if model.mask is None else model.mask
    if spec.key == "lime":
        from sklearn.linear_model import LinearRegression

        options["model_regressor"] = LinearRegression()
    return words


def shares_in_patch(seed: int, progress: Progress | None = None) -> dict[tuple[str, str], float | str]:
    """Mean share of each method's map in the planted cell, by toolset and key, or why there is no map.

    Of all methods, those without a closed form included: on the planted patch an error of any of them shows.
    """
    model = MODELS["planted patch"](seed)
    assert model.relevant is not None
    rows = [row for row in ROWS if row.quantity(model.name) in model.quantities]
    rows += [Row(*key, "", options=OPTIONS.get(key, {})) for key in WITHOUT if key not in PARTS]
    methods = {f"{row.toolset}:{row.key}": words_of(row, model) for row in rows}
    found = evaluate(
        model.model,
        methods,
        model.inputs,
        metrics=["mass_accuracy"],
        masks=model.relevant[:, 0],
        seed=seed,
        progress=progress,
        unfit="ignore",
    )
    shares: dict[tuple[str, str], float | str] = {}
    for row, name in zip(rows, methods, strict=True):
        message = found.errors.get((name, "")) or found.errors.get((name, "mass_accuracy"))
        shares[row.toolset, row.key] = message or float(found.of(name, "mass_accuracy").mean())
    return shares
