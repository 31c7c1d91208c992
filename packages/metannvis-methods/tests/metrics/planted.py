"""Planted patches: models whose output is a weighted sum over a patch of the input, so that the right map is known."""

from __future__ import annotations

from typing import Any

import numpy as np
from metannvis_methods.metrics.layout import Layout
from metannvis_methods.metrics.registry import find_metric
from metannvis_methods.metrics.scoring import Aim, Scorer
from metannvis_methods.metrics.spec import MetricCall, MetricOutput
from metannvis_methods.results.explanation import Explanation
from metannvis_translate.frameworks import require

torch = require("torch")
Array = np.ndarray[Any, Any]
#: Side of the images, channels, and rows and columns of the patch.
SIDE, CHANNELS, PATCH = 12, 3, slice(4, 8)


class Planted(torch.nn.Module):  # type: ignore[misc]  # of an optional framework
    """Two logits: a positively weighted sum over the patch, and zero. In double."""

    def __init__(self, channels: int = CHANNELS) -> None:
        super().__init__()
        weight = np.zeros((channels, SIDE, SIDE))
        drawn = np.random.default_rng(3).uniform(0.5, 1.5, (channels, 4, 4))
        weight[:, PATCH, PATCH] = drawn * 3 / drawn.sum()
        self.weight = torch.nn.Parameter(torch.from_numpy(weight))
        self.seen = torch.nn.Identity()  # a layer, for metrics of what one returns

    def forward(self, x: Any) -> Any:
        score = (self.seen(x) * self.weight).flatten(1).sum(1, keepdim=True)
        return torch.cat([score, torch.zeros_like(score)], 1)


def images(samples: int = 3, channels: int = CHANNELS) -> Array:
    """Brighter than zero everywhere, channels first, float64."""
    return np.random.default_rng(4).uniform(0.3, 1.0, (samples, channels, SIDE, SIDE))


def mask() -> Array:
    """Where the patch is."""
    found = np.zeros((SIDE, SIDE), bool)
    found[PATCH, PATCH] = True
    return found


def truth(model: Any, x: Array) -> Array:
    """Input times weight: the right map with the baseline 0."""
    return x * model.weight.detach().numpy()


def call_of(
    name: str,
    model: Any,
    x: Array,
    values: Array,
    *,
    again: Any = None,
    mask: Array | None = None,
    axes: str = "NCHW",
    **aim: Any,
) -> MetricCall:
    """What a metric is given, of a map and what makes another one of other inputs ``(N, places…, C)``."""
    layout = Layout(axes, x.shape)
    explanation = Explanation(values, axes, x, axes, "planted", "tests", "torch", "primary", seconds=1.5)
    return MetricCall(
        spec=find_metric(name),
        inputs=layout.arranged(x),
        attributions=layout.arranged_values(values, axes),
        layout=layout,
        scores=Scorer(model, "torch", layout, x, Aim(**({"target": 0} | aim)), batch_size=50),
        again=again,
        explanation=explanation,
        mask=None if mask is None else layout.arranged_mask(mask),
        generator=np.random.default_rng(0),
        model=model,
        framework="torch",
        batch_size=50,
    )


def measured(call: MetricCall, **options: Any) -> MetricOutput:
    """A metric of a call, with its defaults."""
    found = call.spec.load()(call, **call.spec.options(options))
    return found if isinstance(found, MetricOutput) else MetricOutput(np.asarray(found, np.float64))
