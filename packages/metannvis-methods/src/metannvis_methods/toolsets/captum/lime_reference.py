"""LIME as its authors wrote it for images (Ribeiro et al., 2016, arXiv:1602.04938; ``lime_image`` of the package lime).

Captum's has another kernel and a lasso. Imported when the method runs, after PyTorch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.models.arrays import in_order, to_numpy
from metannvis_methods.registry.toolset import MethodCall, MethodOutput
from metannvis_methods.running.sharing import shared

__all__ = ["lime"]

Array = np.ndarray[Any, Any]
#: The reference's defaults: width of the kernel, samples, rows of a pass.
WIDTH, SAMPLES, ROWS = 0.25, 1000, 10
#: Most features that are chosen one after the other; more are the largest coefficients of a linear model of all.
FORWARD = 6


def lime(call: MethodCall) -> MethodOutput:
    """Coefficients of a weighted linear model of the output over which segments are shown, at each element of a segment."""
    if len(call.inputs) != 1:
        raise InvalidArgumentError("lime's num_features=… and so on are for models of one input; leave them out here")
    options, inputs = call.call_options, call.inputs[0]
    mask, hidden = options.get("feature_mask"), options.get("baselines")
    if mask is None:
        raise InvalidArgumentError(
            "lime needs feature_mask=… for an input that is no image: which elements are a feature"
        )
    segments = _rows(mask, inputs)
    hidden = torch.zeros_like(inputs) if hidden is None else torch.as_tensor(hidden).to(inputs).expand_as(inputs)
    generator = np.random.RandomState(call.seed)
    values = torch.zeros_like(inputs)
    for row in range(len(inputs)):
        found = np.unique(segments[row])
        index = torch.as_tensor(np.searchsorted(found, segments[row]))
        samples, outputs = _neighborhood(call, row, index, len(found), hidden[row], generator)
        coefficients = local_model(
            samples,
            _of_target(outputs, call.target, row),
            num_features=int(options.get("num_features", len(found))),
            distance_metric=options.get("distance_metric") or "cosine",
            regressor=options.get("model_regressor"),
        )
        values[row] = torch.as_tensor(coefficients).to(inputs)[index.to(inputs.device)]
    return MethodOutput((values,) if call.several else values)


def local_model(
    samples: Array, labels: Array, *, num_features: int, distance_metric: Any = "cosine", regressor: Any = None
) -> Array:
    """Coefficients of all features, 0 for those that are not chosen.

    Parameters
    ----------
    samples
        Which features are shown, 0 or 1, shape ``(samples, features)``; the first row shows all.
    labels
        The output for each, shape ``(samples,)``.
    """
    from sklearn.linear_model import Ridge
    from sklearn.metrics import pairwise_distances

    distances = pairwise_distances(samples, samples[:1], metric=distance_metric).ravel()
    weights = np.sqrt(np.exp(-(distances**2) / WIDTH**2))
    chosen = _chosen(samples, labels, weights, num_features)
    model = Ridge(alpha=1, fit_intercept=True) if regressor is None else regressor
    model.fit(samples[:, chosen], labels, sample_weight=weights)
    coefficients = np.zeros(samples.shape[1])
    coefficients[chosen] = model.coef_
    return coefficients


def _chosen(samples: Array, labels: Array, weights: Array, count: int) -> list[int]:
    """Features of the local model (``feature_selection="auto"``)."""
    from sklearn.linear_model import Ridge

    features = samples.shape[1]
    if count > FORWARD:
        coefficients = Ridge(alpha=0.01).fit(samples, labels, sample_weight=weights).coef_
        return [int(k) for k in np.argsort(-np.abs(coefficients * samples[0]), kind="stable")[:count]]
    chosen: list[int] = []
    for _ in range(min(count, features)):
        rest = [k for k in range(features) if k not in chosen]
        fits = []
        for k in rest:
            columns = samples[:, [*chosen, k]]
            fits.append(Ridge(alpha=0).fit(columns, labels, sample_weight=weights).score(columns, labels, weights))
        chosen.append(rest[int(np.argmax(fits))])
    return chosen


def _neighborhood(
    call: MethodCall, row: int, index: torch.Tensor, features: int, hidden: torch.Tensor, generator: Any
) -> tuple[Array, Array]:
    """Samples, and the model's outputs for them, which explanations of several classes have in common."""
    count = int(call.call_options.get("n_samples") or SAMPLES)
    image = call.inputs[0][row]
    rows = int(call.batch_size or call.call_options.get("perturbations_per_eval") or ROWS)

    def run() -> tuple[Array, Array]:
        samples = generator.randint(0, 2, count * features).reshape(count, features)
        samples[0] = 1
        shown = torch.as_tensor(samples, dtype=torch.bool, device=image.device)
        places = index.to(image.device)
        outputs: list[Array] = []
        with torch.no_grad():
            for start in range(0, count, rows):
                at_once = torch.where(shown[start : start + rows][:, places], image, hidden)
                extra = [x[row : row + 1].expand(len(at_once), *x.shape[1:]) for x in _extra(call)]
                outputs.append(to_numpy(call.model(at_once, *extra)))
        return samples.astype(np.float64), np.concatenate(outputs).astype(np.float64)

    content = hashlib.sha1(usedforsecurity=False)
    for tensor in (image, hidden, index):
        content.update(np.ascontiguousarray(to_numpy(tensor)).tobytes())
    view = getattr(call.model, "view", None)
    shown_as = (getattr(view, "place", 0), getattr(view, "logits", False))
    found: tuple[Array, Array] = shared(
        ("neighborhood", row, count, call.seed, *shown_as, content.hexdigest()), call, run
    )
    return found


def _extra(call: MethodCall) -> Sequence[Any]:
    return [x for x in in_order(call.option("extra")) if torch.is_tensor(x)]


def _of_target(outputs: Array, target: Any, row: int) -> Array:
    place = target[row] if isinstance(target, list) else target
    if place is None:
        return outputs.reshape(len(outputs))
    return outputs[(slice(None), *(place if isinstance(place, tuple) else (place,)))]


def _rows(mask: Any, inputs: torch.Tensor) -> Array:
    mask = mask[0] if isinstance(mask, tuple) else mask
    return np.broadcast_to(to_numpy(mask), tuple(inputs.shape))
