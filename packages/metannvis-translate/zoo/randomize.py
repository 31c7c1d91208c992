"""Random weights under which a deep network behaves like a trained one.

Zeros and ones hide errors: a bias of zero may be lost, a layer scale of 1e-6 makes a whole branch invisible, a running mean of
zero and variance of one make batch normalisation nothing. Random numbers in their place make activations vanish or explode over
a hundred layers, and then rounding is all that is compared. So weights stay as the network initialises them, what is
constant becomes random around it, and batch statistics become what the network really has on random inputs, moved a little.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import nn

__all__ = ["SANE", "WAYS", "Way", "calibrate"]

#: At most this part of a statistic is left to chance.
JITTER = 0.2


class Way(NamedTuple):
    """How the weights of normalisations are made random.

    Most units of a rectifier behind one are to be active, as in a trained network: with as many off as on, a deep network of
    random weights is chaotic, and each layer enlarges rounding by a fifth.
    """

    #: Between what offsets are drawn.
    low: float
    high: float
    #: The part of a batch normalisation's usual variance that each channel has at least: one whose unit is off nearly always
    #: would enlarge the rest a thousandfold where it is on.
    usual: float = 0.0
    #: A variance is at least this part of the mean's square: a channel that hardly varies would amplify rounding.
    floor: float = 0.05
    #: Scales are this much smaller: of attention whose queries and keys are normalised, softmax is less sure.
    gain: float = 1.0


#: Where a network is still chaotic the next way is tried.
WAYS = (
    *(Way(*offsets, usual) for usual in (0.0, 1.0) for offsets in ((-0.2, 1.0), (0.2, 1.6), (0.6, 2.2))),
    Way(0.2, 1.6, 1.0, floor=2.0),
    Way(-0.2, 1.0, gain=0.5),
)
#: Weights are sane if the network's own outputs in single precision are at most this far from those in double, relatively.
SANE = 2.5e-6


def calibrate(model: nn.Module, run: Callable[[nn.Module], Any], seed: int = 0, way: Way = WAYS[0]) -> nn.Module:
    """Randomise what is constant, then take batch statistics from ``run(model)``.

    Parameters
    ----------
    run
        Calls the model on a batch of at least four samples.
    way
        How normalisations are made random, one of :data:`WAYS`.
    """
    generator = torch.Generator().manual_seed(seed)

    def uniform(like: torch.Tensor, low: float, high: float) -> torch.Tensor:
        return low + (high - low) * torch.rand(like.shape, generator=generator, dtype=like.dtype)

    with torch.no_grad():
        named = [m for m in model.modules() if "Norm" in type(m).__name__]
        offsets, scales = ({id(getattr(m, name, None)) for m in named} for name in ("bias", "weight"))
        for parameter in model.parameters():
            if not parameter.is_floating_point() or parameter.numel() == 0 or parameter.min() != parameter.max():
                continue
            value = float(parameter.flatten()[0])
            if id(parameter) in offsets:
                parameter.copy_(uniform(parameter, way.low, way.high))
            elif value == 0:
                parameter.copy_(uniform(parameter, -0.1, 0.1))
            elif abs(value) < 0.1:  # a layer scale at its start
                parameter.copy_(uniform(parameter, 0.1, 0.4))
            else:
                gain = way.gain if id(parameter) in scales else 1.0
                parameter.copy_(gain * value * uniform(parameter, 0.7, 1.3))
        norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.track_running_stats]
        if norms:
            _measure(model.eval(), norms, run, way)
        for norm in norms:
            spread = norm.running_var.sqrt()
            norm.running_mean.add_(uniform(norm.running_mean, -JITTER, JITTER) * spread)
            norm.running_var.mul_(uniform(norm.running_var, 1 - JITTER, 1 + JITTER))
    return model.eval()


def _measure(model: nn.Module, norms: list[Any], run: Callable[[nn.Module], Any], way: Way) -> None:
    """Each batch normalisation notes the mean and variance of its first input, and normalises by them at once."""
    done: set[int] = set()

    def note(norm: Any, args: tuple[torch.Tensor, ...]) -> None:
        if id(norm) in done:
            return
        done.add(id(norm))
        x = args[0].transpose(0, 1).flatten(1).double()
        mean = x.mean(1)
        variance = x.var(1, unbiased=False).maximum(way.floor * mean.square()).clamp_min(1e-6)
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance.maximum(way.usual * variance.median()))

    hooks = [norm.register_forward_pre_hook(note) for norm in norms]
    try:
        run(model)
    finally:
        for hook in hooks:
            hook.remove()
