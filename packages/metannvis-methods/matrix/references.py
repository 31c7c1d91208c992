"""References of the matrix: a toolkit called directly on a native twin, by its own documentation; formulas where it has none."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import numpy as np
import torch
from metannvis_methods import MethodSpec, explain
from metannvis_methods.toolsets.captum.shapley_sums import summed_as
from metannvis_methods.toolsets.load import import_quietly, load_class

from .arguments import LIKE_INPUTS, SEED, arguments, in_layout, layer_of, target_of
from .cam_formulas import cam_by_formula
from .maps import map_by_formula
from .networks import Network, keras, to_keras, to_torch
from .own_references import by_hand
from .torch_networks import TextTail
from .zennit_references import relevance

__all__ = ["reference"]

Array = np.ndarray[Any, Any]


def reference(spec: MethodSpec, net: Network) -> tuple[Array, ...]:
    """What a method gives on a network, in PyTorch's layout, an array an input (or one, over a layer)."""
    if spec.toolset == "zennit":
        return relevance(spec, net)
    if spec.key == "linear_approximation" and net.row.tokens:
        return (cam_by_formula(dataclasses.replace(spec, key="hires_cam"), net),)
    if spec.toolset == "metannvis":
        return by_hand(spec, net)
    if spec.toolset == "grad-cam":
        return (cam_by_formula(spec, net),)
    if spec.family == "cam" and (spec.toolset == "tf-keras-vis" or net.row.tokens):
        return (map_by_formula(spec, net),)
    if spec.key == "guided_grad_cam" and net.row.tokens:
        return _guided_tokens(spec, net)
    if "deep_lift" in spec.key and spec.kind != "neuron" and hasattr(net.single, "softmax"):
        return _deep_lift_of_probabilities(spec, net)
    if spec.toolset == "tf-keras-vis":
        return _tf_keras_vis(spec, net)
    return _captum(spec, net)


def _captum(spec: MethodSpec, net: Network, changed: dict[str, Any] | None = None) -> tuple[Array, ...]:
    """Captum on the PyTorch network; on what comes behind the embedding, where it differentiates by the inputs."""
    layer, target = layer_of(spec, net), target_of(spec, net)
    changed = changed or {}
    words = in_layout(spec, net, arguments(spec, net) | changed, "torch")
    target = words.pop("target", target)
    neuron = spec.by_role("neuron")
    twin = net.bare if "logits" in spec.needs or changed else net.single
    inputs = net.tensors()
    moved = spec.family == "gradient" and (spec.kind in ("primary", "neuron") or spec.moves_inputs)
    twin = copy.deepcopy(twin)
    embeds = bool(net.row.words) and moved
    for argument in spec.arguments:
        if argument.role in LIKE_INPUTS and argument.role not in ("window", "stride"):
            words[argument.name] = _tensors(words[argument.name])
    if embeds:
        embedding = twin.embedding
        inputs = tuple(embedding(x).detach() for x in inputs)
        for argument in spec.arguments:
            if argument.role in ("baseline", "distribution"):
                words[argument.name] = embedding(words[argument.name]).detach()
        twin = TextTail(twin)
    if spec.key == "layer_feature_permutation":
        twin, target = AtTarget(twin, target), None
    if spec.key == "lime_base":
        inputs = tuple(x[:1] for x in inputs)
    if target is not None:
        words["target"] = target
    if neuron is not None:
        words[neuron.name] = net.neuron
    for name in ("layer_mask", "layer_baselines"):
        if name in words:
            words[name] = _tensors(words[name])
    if "deep_lift" in spec.key:
        return _deep_lift(spec, net, twin, layer, inputs, words)
    init = {argument.name: words.pop(argument.name) for argument in spec.init if argument.name in words}
    if layer is not None:
        init["layer"] = _module(twin, (net.row.lrp_before if spec.key == "layer_lrp" else "") or layer.torch)
    torch.manual_seed(SEED)
    np.random.seed(SEED)  # noqa: NPY002  # what the toolkit draws from
    given = tuple(x.requires_grad_() if x.is_floating_point() else x for x in inputs)
    with summed_as(torch.float64):  # Shapley values, which Captum adds up in single precision
        found = load_class(spec)(twin, **init).attribute(given if len(given) > 1 else given[0], **words)
    values = tuple(x.detach().numpy() for x in (found if isinstance(found, tuple) else (found,)))
    if embeds and spec.kind != "layer":
        values = tuple(x.sum(-1) for x in values)
    return values


def _deep_lift(
    spec: MethodSpec, net: Network, twin: Any, layer: Any, inputs: tuple[Any, ...], words: dict[str, Any]
) -> tuple[Array, ...]:
    """Captum's, where it has rules; attention and recurrent layers it has none for, and is asked with ours.

    It takes two adjacent modules that it hooks on for one, hence what stands between all.
    """
    if net.row.tokens or net.row.words:
        named = {} if layer is None else {"layer": _path(twin, layer.torch)}
        if spec.kind == "neuron":
            named["neuron"] = words.pop("neuron_selector")
        found = explain(twin, spec.key, inputs, toolset="captum", exec_args=words, **named).values
        values = found if isinstance(found, tuple) else (found,)
        return tuple(x.sum(-1) for x in values) if isinstance(twin, TextTail) and spec.kind != "layer" else values
    for module in twin.modules():
        if not list(module.children()):
            module.register_forward_pre_hook(lambda _module, given: tuple(value.view_as(value) for value in given))
    init = {} if layer is None else {"layer": _module(twin, layer.torch)}
    given = tuple(x.requires_grad_() for x in inputs)
    attributed = load_class(spec)(twin, **init).attribute(given if len(given) > 1 else given[0], **words)
    several = attributed if isinstance(attributed, tuple) else (attributed,)
    return tuple(x.detach().numpy() for x in several)


def _guided_tokens(spec: MethodSpec, net: Network) -> tuple[Array, ...]:
    """Guided backpropagation times the rectified map of the tokens, each as large as its patch (Selvaraju et al., 2016)."""
    from captum.attr import GuidedBackprop

    (x,) = net.tensors()
    guided = GuidedBackprop(copy.deepcopy(net.bare)).attribute(x.requires_grad_(), target=target_of(spec, net)).numpy()
    cam = np.maximum(map_by_formula(spec, net), 0)
    for axis, (new, old) in enumerate(zip(guided.shape[2:], cam.shape[1:], strict=True), 1):
        cam = cam.repeat(new // old, axis)
    return (guided * cam[:, None],)


def _deep_lift_of_probabilities(spec: MethodSpec, net: Network) -> tuple[Array, ...]:
    """Contributions to the logits by Captum, and from there on by the rules of each step of a softmax.

    Captum's own rule takes the mean over the batch away, so that a sample's values depend on the others. The steps: rescaled
    exponentials, their sum, its rescaled reciprocal, a product, whose change is shared as Shapley's average does it.
    """
    names = [argument.name for argument in spec.arguments if argument.role in ("baseline", "distribution")]
    several = arguments(spec, net)[names[0]][0]
    found: list[Array] = []
    for k in range(len(several)):
        baseline = several[k : k + 1]
        with torch.no_grad():
            z, z0 = (net.bare(torch.from_numpy(x.copy())).numpy() for x in (net.inputs[0], baseline))
        e, e0 = np.exp(z), np.exp(z0)
        total, total0 = e.sum(1, keepdims=True), e0.sum(1, keepdims=True)
        slope, mean = (e - e0) / (z - z0), (1 / total + 1 / total0) / 2
        rows, targets = np.arange(len(z)), np.array(net.row.targets)
        through_sum = (e + np.broadcast_to(e0, e.shape))[rows, targets] / 2
        multiplier = -slope * through_sum[:, None] / (total * total0)
        multiplier[rows, targets] += (slope * mean)[rows, targets]
        # of one baseline what is averaged over several is DeepLift itself; Captum wants two
        same = np.concatenate([baseline, baseline]) if len(several) > 1 else baseline
        parts = [_captum(spec, net, {names[0]: (same,), "target": label})[0] for label in range(z.shape[1])]
        found.append(sum(m.reshape(-1, *[1] * (p.ndim - 1)) * p for m, p in zip(multiplier.T, parts, strict=True)))
    return (np.mean(found, 0),)


class AtTarget(torch.nn.Module):
    """One position in the output of a network, shape ``(N,)``."""

    def __init__(self, network: Any, target: Any) -> None:
        super().__init__()
        self.network, self.target = network, target if isinstance(target, tuple) else (target,)

    def forward(self, *inputs: Any) -> Any:
        """That number of each sample."""
        return self.network(*inputs)[(slice(None), *self.target)]


def _path(twin: Any, path: str) -> str:
    return next(name for name, _ in twin.named_modules() if name == path or name.endswith(f".{path}"))


def _module(twin: Any, path: str) -> Any:
    return twin.get_submodule(_path(twin, path))


def _tensors(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_tensors, value))
    return torch.from_numpy(value.copy())


def _tf_keras_vis(spec: MethodSpec, net: Network) -> tuple[Array, ...]:
    """tf-keras-vis on the Keras network: saliency and activation maximization."""
    words = arguments(spec, net)
    output = net.keras.outputs[net.row.output or 0]
    model = keras.Model(net.keras.inputs, output)
    inputs = [to_keras(x, net.row) for x in net.inputs]
    if spec.family == "optimization":
        inputs = [started(x) for x in inputs]
        if any(x.ndim != 4 for x in inputs):  # total variation is defined for images only
            norm = import_quietly("tf_keras_vis.activation_maximization.regularizers").Norm
            words["regularizers"] = [norm(weight=0.3, p=1)]
    tensors = [keras.ops.convert_to_tensor(x) for x in inputs]
    targets = [to_keras(item, net.row) if isinstance(item, tuple) else (item,) for item in target_of(spec, net)]

    def score(outputs: Any) -> list[Any]:
        return [outputs[(k, *place)] for k, place in enumerate(targets)]

    reduced = spec.family == "gradient" and not words.get("keepdims") and any(x.ndim == 2 for x in inputs)
    if reduced:  # the largest feature of a row says nothing: rows stay as they are
        words |= {"keepdims": True, "normalize_map": False}
    np.random.seed(SEED)  # noqa: NPY002
    given = {"seed_input": tensors if len(tensors) > 1 else tensors[0]}
    found = load_class(spec)(model)(score, **given, **words)
    values = [np.asarray(value) for value in (found if isinstance(found, (list, tuple)) else (found,))]
    if reduced:
        values = [_between_0_and_1(value.max(-1) if value.ndim > 2 else value) for value in values]
    return tuple(to_torch(value, net.row) for value in values)


def _between_0_and_1(array: Array) -> Array:
    axes = tuple(range(1, array.ndim))
    low, high = array.min(axes, keepdims=True), array.max(axes, keepdims=True)
    return (array - low) / (high - low + 1e-7)


def started(x: Array) -> Array:
    """Inputs within the range that an ascent stays in; indices as they are."""
    return x * 0.1 + 0.5 if x.dtype.kind == "f" else x
