"""Grad-CAM (Selvaraju et al. 2017): tf-keras-vis on the translation against the formula on the source, by PyTorch's hooks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from .reload import relative

if TYPE_CHECKING:
    from .checks import Case

__all__ = ["by_formula", "grad_cam", "layers_to_explain"]

LIMIT = 1e-4
#: Classes of convolutions that put out images, ones made from PyTorch's included (``Conv2dSame``, ``ScaledStdConv2d``).
CONVOLUTION = re.compile(r"Conv[23]d")


def grad_cam(case: Case) -> dict[str, Any]:
    """On a convolutional network, for its last convolution and a block in its middle, named as in PyTorch.

    In double precision, where a difference is one of the method: in single precision a unit of a rectifier that is within
    rounding of zero is on in one framework and off in the other, and its gradient with it.
    """
    from metannvis_methods import explain
    from metannvis_translate import translate
    from metannvis_translate.frameworks.registry import get_framework

    if "cnn" not in case.member.tags:
        return {}
    inputs = case.member.inputs(2, 11, "float64")
    double = get_framework("torch").as_float64(case.model)
    translation, inside = case.double, ""
    if len(translation.outputs) > 1:  # methods explain one output
        first = _first(double)
        translation, inside = (
            translate(first, "keras", example_inputs=inputs, verify=False, dtype="float64"),
            "network.",
        )
    figures: dict[str, float] = {}
    for layer in layers_to_explain(double, inputs):
        expected, target = by_formula(double, layer, inputs[0])
        found = explain(
            translation, "grad_cam", inputs[0], toolset="tf-keras-vis", layer=inside + layer, target=target,
            expand_cam=False, normalize_cam=False,
        )  # fmt: skip
        values = np.asarray(found.values)
        figures[layer] = relative(values.reshape(expected.shape) if values.size == expected.size else values, expected)
        if not figures[layer] <= LIMIT:
            case.fail(f"Grad-CAM of {layer}: {figures[layer]:.1e}")
    if not figures:
        case.fail("Grad-CAM: no layer puts out an image")
    return {"grad_cam": figures}


def _first(network: Any) -> Any:
    """The network with the first of its outputs alone."""
    import torch
    from metannvis_translate.frameworks.torch.hooks import tensors_in

    class First(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return tensors_in(self.network(x))[0]

    return First().eval()


def layers_to_explain(model: Any, inputs: Any) -> list[str]:
    """The last convolution that puts out an image, the one in the middle of them, and the middle one of torchvision's blocks.

    Blocks of other packages may put their channels last, where the formula does not look for them.
    """
    from metannvis_translate import list_layers

    rows = [row for row in list_layers(model, example_inputs=inputs) if len(row.shape) in (4, 5)]
    rows = [row for row in rows if all(size is not None and size > 1 for size in row.shape[2:])]
    used = _used(model, inputs)
    convolutions = [row.name for row in rows if CONVOLUTION.search(row.kind) and row.layer in used]
    blocks = (
        [row.name for row in rows if row.parent] if type(model).__module__.startswith("torchvision.") else convolutions
    )
    return list(dict.fromkeys([*convolutions[-1:], *blocks[len(blocks) // 2 :][:1]]))


def _used(model: Any, inputs: Any) -> set[str]:
    """Convolutions that the first output depends on, unlike those of an auxiliary classifier."""
    import torch
    from metannvis_translate.frameworks.torch.hooks import tensors_in

    found: dict[str, torch.Tensor] = {}
    handles = [
        module.register_forward_hook(lambda module, args, output, path=path: found.__setitem__(path, output))
        for path, module in model.named_modules()
        if CONVOLUTION.search(type(module).__name__)
    ]
    try:
        output = tensors_in(model(*(torch.from_numpy(array[:1]) for array in inputs)))[0]
    finally:
        for handle in handles:
            handle.remove()
    gradients = torch.autograd.grad(output.sum(), list(found.values()), allow_unused=True)
    return {path for path, gradient in zip(found, gradients, strict=True) if gradient is not None}


def by_formula(model: Any, layer: str, images: Any) -> tuple[np.ndarray[Any, Any], Any]:
    """``relu(Σ_c mean(∂y/∂A_c) A_c)``, shape (N, *space), and the target ``y`` is: a class, or a place in a dense output.

    A layer that is called several times (``name:2``) counts by its call.
    """
    import torch
    from metannvis_translate.frameworks.torch.hooks import tensors_in

    path, _, call = layer.partition(":")
    kept: list[torch.Tensor] = []

    def hook(module: Any, args: Any, output: torch.Tensor) -> torch.Tensor:
        output.retain_grad()
        kept.append(output)
        return output.clone()  # what comes next may work in place

    handle = model.get_submodule(path).register_forward_hook(hook)
    try:
        output = tensors_in(model(torch.from_numpy(images).requires_grad_()))[0]
    finally:
        handle.remove()
    activation = kept[int(call or 1) - 1]
    target: Any = 3 if output.ndim == 2 else (3, *(size // 2 for size in output.shape[2:]))
    output[(slice(None), *np.atleast_1d(target).tolist())].sum().backward()
    for parameter in model.parameters():
        parameter.grad = None
    gradient, activation = activation.grad, activation.detach()
    assert gradient is not None
    axes = tuple(range(2, activation.ndim))
    weights = gradient.mean(dim=axes, keepdim=True)
    return torch.relu((weights * activation).sum(1)).numpy(), target
