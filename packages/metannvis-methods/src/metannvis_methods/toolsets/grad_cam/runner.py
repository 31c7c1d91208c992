"""pytorch-grad-cam's runner: its formulas on activations and gradients of one pass.

The toolkit's own call is not used: it takes one input, leaves the gradients of all weights on the model, enlarges each map and
scales it to 0…1, so that nothing of its size is left.

Imported when a method runs, after PyTorch.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.registry.toolset import MethodCall, MethodOutput
from metannvis_methods.toolsets.cam_formulas import MAP_AXES
from metannvis_methods.toolsets.grad_cam.layer_pass import layer_pass, places_first
from metannvis_methods.toolsets.grad_cam.projection import economical_projections
from metannvis_methods.toolsets.load import import_quietly, load_class
from metannvis_methods.toolsets.torch_scores import scores_of

__all__ = ["run"]

Array = np.ndarray[Any, Any]
#: Methods of classes of our own.
OWN = ("ablation_cam", "score_cam", "full_grad", "deep_feature_factorization")
#: Methods that a comparison of classes may be based on.
BASES: Mapping[str, str] = {
    "grad_cam": "GradCAM",
    "grad_cam++": "GradCAMPlusPlus",
    "hires_cam": "HiResCAM",
    "xgrad_cam": "XGradCAM",
    "layer_cam": "LayerCAM",
}
#: Ranks of the classes that Finer-CAM compares with, by how near their scores are, as in the toolkit.
NEAREST = (1, 2, 3)


def run(call: MethodCall) -> MethodOutput:
    """Run one method: a map over the layer's places, neither enlarged nor scaled."""
    if call.spec.key == "full_grad":
        return _of_inputs(call, load_class(call.spec)(call.model)(call))
    if call.spec.key in OWN:
        options = {name: value for name, value in call.init_options.items() if name != "reshape_transform"}
        found = load_class(call.spec)(call.model, call.layer, **options)(call)
        if call.spec.key == "deep_feature_factorization":
            maps, concepts = found
            axes = "NC" + MAP_AXES[maps.ndim - 1][1:]
            return MethodOutput(maps, axes=axes, kind="concepts", details={"concepts": concepts})
    else:
        found = _by_formula(call)
    found = np.maximum(found, 0) if call.call_options.get("relu", False) else found
    arranged = call.arrange is not None or "reshape_transform" in call.init_options
    return MethodOutput(found, over="layer", channels=False, axes=MAP_AXES[found.ndim] if arranged else None)


def _of_inputs(call: MethodCall, maps: list[torch.Tensor | None]) -> MethodOutput:
    """Maps over the inputs; an input without places has none."""
    if len(maps) == 1 and not call.several:
        return MethodOutput(maps[0], channels=False)
    return MethodOutput(tuple(maps), channels=False)


def _by_formula(call: MethodCall) -> Array:
    """What the toolkit's class makes of the activations and their gradients, ``(N, places…)``."""
    options = {
        name: value for name, value in call.init_options.items() if name not in ("reshape_transform", "base_method")
    }
    cls = load_class(call.spec)
    score: Callable[[torch.Tensor, Any], torch.Tensor] = scores_of
    if call.spec.key == "finer_cam":
        toolkit = import_quietly("pytorch_grad_cam")
        cls = getattr(toolkit, BASES[call.init_options.get("base_method", "grad_cam")])
        score = _compared(call)
    if call.spec.key == "shapley_cam":  # Grad-CAM, once the gradients have lost what the Hessian takes
        cls = import_quietly("pytorch_grad_cam").GradCAM
    seen = layer_pass(call, score, gradients=call.spec.differentiates, curvature=call.spec.key == "shapley_cam")
    maps = places_first(call, seen.activations)
    slopes = maps if seen.gradients is None else places_first(call, seen.gradients)
    shape = (len(maps), *maps.shape[2:])
    if maps.ndim == 3:  # it knows maps of two axes and of three
        maps, slopes = maps[..., None], slopes[..., None]
    method = cls(torch.nn.Linear(1, 1), [], **options)  # the toolkit sees none of the caller's model
    with economical_projections():
        found = method.get_cam_image(None, None, None, maps, slopes, call.call_options.get("eigen_smooth", False))
    return np.asarray(found).reshape(shape)


def _compared(call: MethodCall) -> Callable[[torch.Tensor, Any], torch.Tensor]:
    """Finer-CAM's score: the target's against those of the classes that are nearest to it."""
    targets = import_quietly("pytorch_grad_cam.utils.model_targets")
    ranks = call.call_options.get("comparison_categories") or NEAREST
    weighted = functools.partial(targets.FinerWeightedTarget, alpha=call.call_options.get("alpha", 1))

    def score(output: torch.Tensor, target: Any) -> torch.Tensor:
        if output.ndim != 2 or output.shape[1] < 2:
            raise InvalidArgumentError(
                f"finer_cam compares a class with others, and what is explained has shape {tuple(output.shape)}: give a class "
                "of a model of several as the target"
            )
        classes = target if isinstance(target, list) else [target] * len(output)
        scores = []
        for row, main in zip(output, classes, strict=True):
            order = [k for k in (row - row[main]).abs().argsort(stable=True).tolist() if k != main % len(row)]
            others = [order[rank - 1] for rank in ranks if rank <= len(order)]
            if not others:
                raise InvalidArgumentError(f"comparison_categories={ranks!r}: the model has {len(row)} classes")
            scores.append(weighted(main, others)(row))
        return torch.stack(scores)

    return score
