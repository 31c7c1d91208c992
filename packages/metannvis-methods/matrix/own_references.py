"""Our own methods on the PyTorch networks as they are: no translation, canonical form, view or layout takes part.

What the methods compute is held against formulas and other implementations in the tests of the toolset.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from metannvis_methods import MethodCall, MethodSpec, explain
from metannvis_methods.toolsets.metannvis import toolset

from .arguments import LIKE_INPUTS, SEED, arguments, in_layout, layer_of, target_of
from .networks import Network
from .torch_networks import TextTail

__all__ = ["by_hand"]

Array = np.ndarray[Any, Any]


def by_hand(spec: MethodSpec, net: Network) -> tuple[Array, ...]:
    """What a method gives on a network, in PyTorch's layout, an array an input (or one, over a layer)."""
    layer, words = layer_of(spec, net), in_layout(spec, net, arguments(spec, net), "torch")
    if spec.optimizes:
        return _made(spec, net)
    twin = copy.deepcopy(net.bare if "logits" in spec.needs else net.single)
    inputs, axes = net.tensors(), tuple(_axes(net, x.shape) for x in net.inputs)
    for argument in spec.arguments:
        if argument.role in LIKE_INPUTS and argument.name in words:
            words[argument.name] = _tensors(words[argument.name])
    embeds = bool(net.row.words) and spec.family == "gradient" and spec.kind == "primary"
    if embeds:
        embedding = twin.embedding
        words |= {
            argument.name: embedding(words[argument.name]).detach()
            for argument in spec.arguments
            if argument.role in ("baseline", "distribution")
        }
        inputs, twin, axes = tuple(embedding(x).detach() for x in inputs), TextTail(twin), ("NTF",)
    call = MethodCall(
        spec,
        twin,
        inputs,
        layer=None if layer is None else _module(twin, layer.torch),
        call_options=words,
        target=target_of(spec, net),
        seed=SEED,
        framework="torch",
        several=len(inputs) > 1,
        axes=axes,
    )
    torch.manual_seed(SEED)
    np.random.seed(SEED)  # noqa: NPY002  # what a method without a seed draws from
    output = toolset.run(call)
    found = output.values
    values = tuple(np.asarray(torch.as_tensor(x).detach()) for x in (found if isinstance(found, tuple) else (found,)))
    return tuple(x.sum(-1) for x in values) if embeds and output.channels else values


def _made(spec: MethodSpec, net: Network) -> tuple[Array, ...]:
    """The image that a method makes on the PyTorch network, whose range `explain` says."""
    layer = layer_of(spec, net)
    words = {**arguments(spec, net), "target": target_of(spec, net)}
    if layer is not None:
        words["layer"] = layer.torch
    if net.row.output is not None:
        words["output"] = net.row.output
    given = {name: value for name, value in words.items() if value is not None}
    inputs = tuple(x * 0.1 + 0.5 for x in net.inputs)
    twin = copy.deepcopy(net.torch)
    return (np.asarray(explain(twin, spec.key, inputs[0], toolset=spec.toolset, seed=SEED, **given).values),)


def _axes(net: Network, shape: tuple[int, ...]) -> str:
    if len(shape) == 2:
        return "NT" if net.row.words else "NF"
    return "NCHW" if len(shape) == 4 else "NCL"


def _module(twin: Any, name: str) -> Any:
    return next(module for path, module in twin.named_modules() if path == name or path.endswith(f".{name}"))


def _tensors(value: Any) -> Any:
    return tuple(map(torch.from_numpy, value)) if isinstance(value, tuple) else torch.from_numpy(value)
