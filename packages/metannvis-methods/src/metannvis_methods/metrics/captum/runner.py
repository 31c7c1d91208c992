"""Captum's metrics: functions that predict and explain are handed over, no model."""

from __future__ import annotations

from typing import Any

import numpy as np
from metannvis_translate.frameworks import require

from metannvis_methods.metrics.spec import MetricCall

__all__ = ["infidelity", "sensitivity_max"]

Array = np.ndarray[Any, Any]


def infidelity(call: MetricCall, *, n_perturb_samples: int, stdev: float, normalize: bool) -> Array:
    """``captum.metrics.infidelity``; changes are drawn by PyTorch's generator."""
    torch, metrics = require("torch"), require("captum.metrics")

    def predict(rows: Any, samples: Any) -> Any:
        return torch.from_numpy(call.scores(rows.numpy().astype(call.inputs.dtype), samples.numpy()))

    def perturb(rows: Any, samples: Any) -> tuple[Any, Any]:
        noise = stdev * torch.randn(rows.shape, dtype=rows.dtype)  # randn_like goes by how the numbers lie in memory
        return noise, rows - noise

    inputs = torch.from_numpy(call.inputs.astype(np.float64))
    values = torch.from_numpy(np.broadcast_to(call.attributions, call.inputs.shape).copy())
    found = metrics.infidelity(
        predict,
        lambda rows, *_: perturb(rows, None),
        inputs,
        values,
        additional_forward_args=(torch.arange(call.samples),),
        n_perturb_samples=n_perturb_samples,
        normalize=normalize,
    )
    return np.asarray(found.numpy(), np.float64)


def sensitivity_max(call: MetricCall, *, perturb_radius: float, n_perturb_samples: int) -> Array:
    """``captum.metrics.sensitivity_max`` in the 2-norm; changes are drawn by PyTorch's generator."""
    torch, metrics = require("torch"), require("captum.metrics")

    def explain(rows: Any) -> Any:
        given = (rows[0] if isinstance(rows, tuple) else rows).numpy().astype(call.inputs.dtype)
        copies = given.reshape(call.samples, -1, *given.shape[1:])  # the copies of a sample stand together
        parts = [call.again(copies[:, k]) for k in range(copies.shape[1])]
        stacked = np.stack(parts, axis=1).reshape(-1, *parts[0].shape[1:])
        return (torch.from_numpy(np.ascontiguousarray(stacked)),)

    inputs = torch.from_numpy(call.inputs.astype(np.float64))
    found = metrics.sensitivity_max(
        explain, inputs, perturb_radius=perturb_radius, n_perturb_samples=n_perturb_samples, norm_ord="fro"
    )
    return np.asarray(found.numpy(), np.float64)
