"""zennit called directly on the PyTorch networks, written for it: sums are its own, batch norms are merged, first layers named."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from metannvis_methods import MethodSpec
from zennit.attribution import Gradient
from zennit.canonizers import SequentialMergeBatchNorm
from zennit.composites import (
    EpsilonPlus,
    ExcitationBackprop,
    LayerMapComposite,
    MixedComposite,
    NameMapComposite,
    layer_map_base,
)
from zennit.core import Composite
from zennit.layer import Sum
from zennit.rules import Norm, WSquare, ZPlus
from zennit.types import Linear

from .arguments import layer_of, target_of
from .networks import Network

__all__ = ["FIRST", "Merge", "composite_of", "relevance", "written_for_zennit"]

Array = np.ndarray[Any, Any]
#: Layers that the inputs go into, and which of them zennit would not take for the first.
FIRST = {
    "cnn": ("conv1",), "resnet": ("stem",), "signal": ("conv1",), "table": ("one",), "two inputs": ("conv", "read"),
    "two outputs": ("network.conv",), "unet": ("down1",), "vit": ("patches",),
}  # fmt: skip
#: zennit's default.
STABILIZER = 1e-6


class Summed(torch.nn.Module):
    """An addition as one writes it for zennit."""

    def __init__(self) -> None:
        super().__init__()
        self.sum = Sum(-1)

    def forward(self, a: Any, b: Any) -> Any:
        """Sum of two tensors."""
        return self.sum(torch.stack([a, b], -1))


class Merge(SequentialMergeBatchNorm):
    """zennit's, whose merged norm still divides by the root of one and its epsilon."""

    def register(self, linears: Any, batch_norm: Any) -> None:
        """Without an epsilon."""
        self.epsilon = batch_norm.eps
        super().register(linears, batch_norm)
        batch_norm.eps = 0.0

    def remove(self) -> None:
        """As it was."""
        super().remove()
        self.batch_norm.eps = self.epsilon


def written_for_zennit(net: Network) -> Any:
    """A copy of the network without a softmax at its end."""
    twin = copy.deepcopy(net.bare)
    for parent in list(twin.modules()):
        for name, child in parent.named_children():
            if type(child).__name__ == "Addition_Module":
                setattr(parent, name, Summed())
    return twin


def composite_of(spec: MethodSpec, net: Network) -> Composite:
    """What the defaults of a row are, in zennit's own words."""
    rest = [(torch.nn.Upsample, Norm(stabilizer=STABILIZER))]
    if spec.base == "lrp":
        return EpsilonPlus(layer_map=rest, canonizers=[Merge()])
    if spec.base == "excitation_backprop":
        return ExcitationBackprop(layer_map=rest, zero_params="bias", canonizers=[Merge()])
    first = NameMapComposite([(FIRST.get(net.name, ()), WSquare(stabilizer=STABILIZER))])
    others = LayerMapComposite([*rest, *layer_map_base(STABILIZER), (Linear, ZPlus(stabilizer=STABILIZER))])
    return MixedComposite([first, others], canonizers=[Merge()])


def relevance(
    spec: MethodSpec, net: Network, composite: Composite | None = None, *, from_one: bool = False
) -> tuple[Array, ...]:
    """Relevance of the inputs, or of the layer.

    Parameters
    ----------
    composite
        Instead of the row's own.
    from_one
        It begins with one, not with the score.
    """
    twin, layer = written_for_zennit(net), layer_of(spec, net)
    targets = [item if isinstance(item, tuple) else (item,) for item in target_of(spec, net)]
    inputs = [x.requires_grad_() if x.is_floating_point() else x for x in net.tensors()]
    seen: list[Any] = []
    with Gradient(model=twin, composite=composite_of(spec, net) if composite is None else composite):
        if layer is not None:
            path = next(n for n, _ in twin.named_modules() if n == layer.torch or n.endswith(f".{layer.torch}"))
            twin.get_submodule(path).register_forward_hook(lambda _m, _a, out: seen.append(out))
        output = twin(*inputs)
        start = torch.zeros_like(output)
        for k, place in enumerate(targets):
            start[(k, *place)] = 1.0 if from_one or spec.base == "excitation_backprop" else output[(k, *place)].detach()
        found = torch.autograd.grad(output, seen or inputs, start)
    return tuple(x.detach().numpy() for x in found)
