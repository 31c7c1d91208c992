"""Maps whose channels are weighted by scores of the model, a pass a channel: Ablation-CAM and Score-CAM.

Imported when a method runs, after PyTorch.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.registry.toolset import MethodCall
from metannvis_methods.toolsets.grad_cam.layer_pass import given, layer_pass, places_first, returning
from metannvis_methods.toolsets.torch_scores import scores_of

__all__ = ["AblationCAM", "ScoreCAM"]

Array = np.ndarray[Any, Any]
#: Rows of a pass, as in pytorch-grad-cam's Ablation-CAM.
ROWS = 32
#: What keeps the scaling of a channel that is the same everywhere from dividing by zero, as in pytorch-grad-cam.
EPSILON = 1e-8
LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}


class AblationCAM:
    """Channels weighted by the share of the score that is lost without each (Desai, Ramaswamy, 2020).

    A channel is ablated to zero, as in the paper; pytorch-grad-cam's own class ablates it to minus ten million where the layer
    returns anything negative, and each further channel of a pass to ten million less.
    """

    def __init__(self, model: Any, target_layers: Any, reshape_transform: Any = None, batch_size: int = ROWS) -> None:
        self.batch_size = batch_size

    def __call__(self, call: MethodCall) -> Array:
        """The map, ``(N, places…)``."""
        first = layer_pass(call, gradients=False)
        maps, whole = places_first(call, first.activations), _known(first.scores)
        axis = getattr(call.arrange, "channel", 1)
        channels = first.activations.shape[axis]
        if channels != maps.shape[1]:
            raise InvalidArgumentError(
                f"ablation_cam ablates the channels of the layer, {channels}, and reshape makes {maps.shape[1]} of them"
            )
        lost = []
        for start, stop in _pieces(channels, len(maps), call.batch_size or self.batch_size):
            copies = first.activations.repeat(stop - start, *[1] * (first.activations.ndim - 1))
            for place, channel in enumerate(range(start, stop)):
                copies[place * len(maps) : (place + 1) * len(maps)].select(axis, channel).zero_()
            with returning(call.layer, functools.partial(_instead, copies)):
                lost.append(_scores(call, [_repeated(x, stop - start, len(maps)) for x in given(call)], stop - start))
        weights = (whole - torch.cat(lost)) / whole
        return np.einsum("nc...,cn->n...", maps, weights.cpu().numpy().astype(maps.dtype))


class ScoreCAM:
    """Channels weighted by the score for the inputs masked with each (Wang et al., 2019, arXiv:1910.01279)."""

    def __init__(self, model: Any, target_layers: Any, reshape_transform: Any = None, batch_size: int = ROWS) -> None:
        self.batch_size = batch_size

    def __call__(self, call: MethodCall) -> Array:
        """The map, ``(N, places…)``."""
        first = layer_pass(call, gradients=False)
        maps = places_first(call, first.activations)
        rank = maps.ndim
        images = [place for place, x in enumerate(call.inputs) if x.ndim == rank and x.is_floating_point()]
        if not images:
            raise InvalidArgumentError(
                f"score_cam masks an input with the channels of a layer that has {rank - 2} axes of space, and no input has as "
                "many"
            )
        masks = {place: _masks(maps, call.inputs[place]) for place in images}
        scores = []
        for start, stop in _pieces(maps.shape[1], len(maps), call.batch_size or self.batch_size):
            values = [_repeated(x, stop - start, len(maps)) for x in given(call)]
            for place in images:  # a channel's mask of every sample, channel after channel
                mask = masks[place][:, start:stop].transpose(0, 1).reshape(-1, 1, *values[place].shape[2:])
                values[place] = values[place] * mask
            scores.append(_scores(call, values, stop - start))
        weights = torch.softmax(torch.cat(scores), 0)
        return np.einsum("nc...,cn->n...", maps, weights.cpu().numpy().astype(maps.dtype))


def _instead(copies: torch.Tensor, output: torch.Tensor) -> torch.Tensor:
    return copies


def _known(scores: torch.Tensor | None) -> torch.Tensor:
    if scores is None:
        raise InvalidArgumentError("channels are weighted by a score: give target=…")
    return scores


def _pieces(channels: int, samples: int, rows: int) -> Iterator[tuple[int, int]]:
    """Channels from one up to another, whose copies of all samples pass at once."""
    step = max(1, rows // samples)
    return ((start, min(start + step, channels)) for start in range(0, channels, step))


def _repeated(value: Any, times: int, samples: int) -> Any:
    """A tensor of all samples so many times, one after the other; anything else as it is."""
    if not isinstance(value, torch.Tensor) or value.shape[:1] != (samples,):
        return value
    return value.repeat(times, *[1] * (value.ndim - 1))


def _scores(call: MethodCall, values: Sequence[Any], times: int) -> torch.Tensor:
    """Scores of copies of the samples, ``(times, N)``."""
    target = call.target * times if isinstance(call.target, list) else call.target
    score: Callable[[torch.Tensor, Any], torch.Tensor] = scores_of
    with torch.no_grad():
        return score(call.model(*values), target).reshape(times, -1)


def _masks(maps: Array, image: torch.Tensor) -> torch.Tensor:
    """Channels as large as an image, corner to corner, each scaled to 0…1 a sample: ``(N, C, places…)``."""
    tensor = torch.from_numpy(np.ascontiguousarray(maps)).to(image)
    mode = LINEAR[tensor.ndim - 2]
    grown = torch.nn.functional.interpolate(tensor, tuple(image.shape[2:]), mode=mode, align_corners=True)
    flat = grown.flatten(2)
    low, high = (extreme.reshape(*grown.shape[:2], *[1] * (grown.ndim - 2)) for extreme in (flat.amin(2), flat.amax(2)))
    return (grown - low) / (high - low + EPSILON)
