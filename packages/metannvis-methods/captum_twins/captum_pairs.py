"""One of Captum's classes on a twin, and the same through ``explain`` on the Keras network: what both make of it."""

from __future__ import annotations

import copy
import functools
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import captum.attr
import numpy as np
import torch
from metannvis_methods import ToolsetError, explain, list_methods
from metannvis_methods.toolsets.captum.shapley_sums import summed_as
from metannvis_translate import Translation, translate
from torch import nn

from . import captum_networks
from .captum_cases import CASES, SEED, Case, words_of
from .captum_networks import Network, Order, Target
from .captum_twin_modules import LSTMByHand

__all__ = ["TOLERANCES", "Pair", "faults", "methods_by_class", "pairs", "told"]

Array = np.ndarray[Any, Any]


#: How far results may be apart, relatively: what is measured is next to nothing, the modules and their order being the same.
TOLERANCES = {"float64": 1e-9, "float32": 1e-5}


@dataclass(frozen=True)
class Pair:
    """What a class did natively and through us, on one network and, where it wants one, one layer.

    Attributes
    ----------
    difference
        max|a − b| / max|b| of the worst sample; ``None`` if there was nothing to compare.
    raised
        What Captum raised on the twin, and so on ours; empty if nothing.
    empty
        Captum put out no values on the twin, with a warning, and so did ours.
    wrong
        What is not as it should be, for people; empty if nothing.
    """

    network: str
    cls: str
    layer: str | None
    difference: float | None = None
    raised: str = ""
    empty: bool = False
    wrong: str = ""

    @property
    def kind(self) -> str:
        """What became of it, in a word."""
        if self.difference is not None:
            return "compared"
        return "empty" if self.empty else "raising"


def told(kinds: Mapping[str, int]) -> str:
    """How many pairs came out how."""
    raising, empty = kinds.get("raising", 0), kinds.get("empty", 0)
    return f"{kinds['compared']} pairs compared, {raising} raising on both sides, {empty} empty on both sides"


def methods_by_class() -> dict[str, str]:
    """Key of our method for each of Captum's classes."""
    return {str(spec.cls).partition(":")[2]: spec.key for spec in list_methods(toolset="captum")}


class Score(nn.Module):
    """One output of a network, the same for every sample."""

    def __init__(self, network: nn.Module, target: Target) -> None:
        super().__init__()
        self.network = network
        self.target = target if isinstance(target, tuple) else (target,)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.network(x)[(slice(None), *self.target)]


@functools.cache
def network(name: str, dtype: str) -> Network:
    """A network and its twin, made once."""
    return captum_networks.network(name, dtype)


@functools.cache
def translation(name: str, dtype: str, score: bool) -> Translation:
    """The network translated without any check, so that none can hide a wrong model; ``score``: one output of it."""
    model = network(name, dtype).model
    if score:
        import keras

        target = network(name, dtype).targets[0]
        place = target if isinstance(target, tuple) else (target,)
        model = keras.Model(model.inputs, model.outputs[0][(slice(None), *place)])
    return translate(model, "torch", dtype=dtype, verify=False)


def pairs(name: str, cls: str, dtype: str) -> Iterator[Pair]:
    """A class on a network, layer by layer if it wants one."""
    net, case = network(name, dtype), CASES[cls]
    for layer in net.layers if case.layer else (None,):
        for score in (True, False) if case.score else (False,):
            yield _pair(net, cls, case, layer, score)


def faults(found: Sequence[Pair], dtype: str) -> list[str]:
    """What is wrong with these pairs, for people."""
    return [
        f"{pair.cls} on {pair.network}, layer {pair.layer}: {pair.wrong or f'differs by {pair.difference:.1e}'}"
        for pair in found
        if pair.wrong or (pair.difference is not None and not pair.difference <= TOLERANCES[dtype])
    ]


def _pair(net: Network, cls: str, case: Case, layer: str | None, score: bool) -> Pair:
    x = net.inputs[:1] if case.single else net.inputs
    given = torch.from_numpy(x.transpose(net.order).copy())
    module, order = net.layers[layer] if layer is not None else ("", net.order)
    twin = Score(net.twin, net.to_twin(net.targets[0])) if score else net.twin
    output = output_of(net.twin, module, given) if layer is not None else None
    init = words_of(case.init, net, given.numpy(), output)
    call = words_of(case.call, net, given.numpy(), output)
    words: dict[str, Any] = {name: to_keras(value, name, net.order, order) for name, value in call.items()}
    if "method" in words:
        words["options"] = {"method": words.pop("method")}
    if case.target and not score:
        words["target"] = list(net.targets[: len(x)])
        call["target"] = [net.to_twin(target) for target in words["target"]]
    if case.neuron and output is not None:
        neuron = busy_neuron(net, module, given)
        call["neuron_selector"] = neuron
        words["neuron"] = tuple(neuron[order.index(k) - 1] for k in range(1, len(order)))
    if "DeepLift" in cls:
        for part in net.twin.modules():
            if type(part) is nn.LSTM:
                part.__class__ = LSTMByHand
    expected, error = natively(cls, twin, net.twin.get_submodule(module) if layer else None, given, init, call)
    pair = functools.partial(Pair, net.name, cls, layer)
    translated = translation(net.name, str(net.inputs.dtype), score)
    try:
        with quiet():
            found = explain(
                translated.source,
                methods_by_class()[cls],
                x,
                toolset="captum",
                seed=SEED,
                layer=layer,
                translation=translated,
                init_args=init,
                **words,
            ).values
    except ToolsetError as ours:
        cause = f"{type(ours.__cause__).__name__}: {ours.__cause__}"
        if error is None:
            return pair(wrong=f"raises {cause}")
        theirs = f"{type(error).__name__}: {error}"
        return pair(raised=theirs, wrong="" if cause == theirs else f"raises {cause} instead of {theirs}")
    if error is not None:
        return pair(raised=f"{type(error).__name__}: {error}", wrong=f"does not raise {type(error).__name__}: {error}")
    over_layer = cls.startswith("Layer") or cls == "InternalInfluence"
    return compared(pair, found, expected, None if cls == "LimeBase" else order if over_layer else net.order)


def compared(pair: Any, found: Any, expected: Array, order: Order | None) -> Pair:
    """The difference of two results, ours in the order of the Keras network."""
    if expected.size and order is not None and found.ndim == len(order):
        found = found.transpose(order)
    if found.shape != expected.shape:
        return pair(wrong=f"has shape {found.shape} instead of {expected.shape}")
    if not expected.size:
        return pair(empty=True)
    a, b = found.reshape(len(found), -1), expected.reshape(len(expected), -1)
    scale = np.abs(b).max(axis=1)
    if not np.isfinite(b).all() or not scale.any():
        return pair(wrong="is zero or no number natively, which shows nothing")
    difference = float((np.abs(a - b).max(axis=1) / np.where(scale > 0, scale, scale.max())).max())
    return pair(difference=difference)


def natively(
    cls: str,
    twin: nn.Module,
    layer: nn.Module | None,
    x: torch.Tensor,
    init: Mapping[str, Any],
    call: Mapping[str, Any],
) -> tuple[Any, Exception | None]:
    """Captum on the twin by its own documentation; channels first. DeepLift by our rules, which Captum's are not equal to."""
    words = {k: torch.from_numpy(v) if isinstance(v, np.ndarray) else v for k, v in call.items()}
    torch.manual_seed(SEED)
    np.random.seed(SEED)  # noqa: NPY002  # what the toolkit draws from
    path = next((name for name, module in twin.named_modules() if module is layer), "")
    if "LRP" in cls:
        twin = for_relevance(twin)
        children = {name for name, _ in twin.named_modules()}
        layer = (
            twin.get_submodule(BEFORE[path] if BEFORE.get(path) in children else path) if layer is not None else None
        )
    try:
        with quiet():
            if "DeepLift" in cls:
                name = next((name for name, module in twin.named_modules() if module is layer), None)
                key = methods_by_class()[cls]
                return explain(twin, key, x, layer=name, toolset="captum", init_args=init, exec_args=words).values, None
            method = getattr(captum.attr, cls)
            method = method(twin, **init) if layer is None else method(twin, layer, **init)
            with summed_as(x.dtype):  # Shapley values, which Captum adds up in single precision
                return method.attribute(x.clone().requires_grad_(), **words).detach().numpy(), None
    except Exception as error:  # noqa: BLE001  # whatever Captum raises is what ours has to raise
        return None, error
    finally:
        for module in twin.modules():  # a run that failed leaves rules behind
            if hasattr(module, "rule"):
                del module.rule


#: Modules before an activation: Captum says nothing of the relevance of activations, which pass on what they get.
BEFORE = {
    "relu1": "conv1",
    "relu": "norm",
    "seven_a_relu": "seven_a_norm",
    "tanh1": "one",
    "tanh2": "two",
    "tanh": "one",
}


def for_relevance(twin: nn.Module) -> nn.Module:
    """A copy in which every module is given tensors of its own, and without the softmax at the end, which is none of a score's.

    What is given to a module and to a function (a padding) as well comes back wrong in Captum.
    """
    twin = copy.deepcopy(twin)
    if hasattr(twin, "softmax"):
        twin.softmax = nn.Dropout().eval()
    for module in twin.modules():
        if not list(module.children()):
            module.register_forward_pre_hook(lambda _module, given: tuple(value.view_as(value) for value in given))
    return twin


class quiet(warnings.catch_warnings):  # noqa: N801  # a context, like those of the standard library
    """What Captum says of its own doings."""

    def __enter__(self) -> Any:
        found = super().__enter__()
        warnings.simplefilter("ignore", UserWarning)
        return found


def to_keras(value: Any, name: str, order: Order, layer_order: Order) -> Any:
    """A value of the twin as the Keras network has it."""
    if isinstance(value, np.ndarray):
        return value.transpose(np.argsort(layer_order if name.startswith("layer") else order))
    if name in ("sliding_window_shapes", "strides"):
        return tuple(value[order.index(k) - 1] for k in range(1, len(order)))
    return value


def output_of(twin: nn.Module, path: str, x: torch.Tensor) -> Array:
    """What a module of the twin puts out."""
    seen: list[torch.Tensor] = []
    hook = twin.get_submodule(path).register_forward_hook(lambda _m, _a, out: seen.append(out))
    with torch.no_grad():
        twin(x)
    hook.remove()
    found: Array = seen[0].numpy()
    return found


def busy_neuron(net: Network, path: str, x: torch.Tensor) -> tuple[int, ...]:
    """A neuron that most samples excite and most outputs heed, so that no result is zero; channels first."""
    method = captum.attr.LayerGradientXActivation(net.twin, net.twin.get_submodule(path))
    influence = np.abs(
        method.attribute(x.clone().requires_grad_(), target=[net.to_twin(target) for target in net.targets[: len(x)]])
        .detach()
        .numpy()
    )
    return tuple(int(k) for k in np.unravel_index(np.median(influence, axis=0).argmax(), influence.shape[1:]))
