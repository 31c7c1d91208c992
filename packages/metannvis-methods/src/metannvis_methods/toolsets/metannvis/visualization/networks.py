"""Networks beside the one that is explained: generators and experts of any framework, as PyTorch copies.

Imported after PyTorch.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from metannvis_translate import detect_framework, load_model, translate

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.models.registry import adapter_for
from metannvis_methods.models.structures import leaves

__all__ = ["ImageNetwork", "opened"]

#: Options of ``load_model``; the others are those of ``translate``.
LOAD = ("trust", "architecture")


def opened(model: Any, options: Mapping[str, Any]) -> Any:
    """A model, or that of a file."""
    if not isinstance(model, (str, Path)):
        return model
    return load_model(model, **{name: options[name] for name in LOAD if name in options})


class ImageNetwork:
    """A network that returns images, ready for gradients with respect to what it is given.

    A module of PyTorch is copied and put into evaluation mode, which leaves its batch normalisations as they are; any other
    model is translated.

    Parameters
    ----------
    model
        A network of any framework, or the path of its file.
    like
        A tensor of the dtype and device it is to compute in.
    example
        What it takes, in its own layout, for a translation.
    options
        Of ``load_model`` and ``translate``.
    """

    def __init__(
        self, model: Any, like: torch.Tensor, example: np.ndarray[Any, Any], options: Mapping[str, Any] | None = None
    ) -> None:
        options = dict(options or {})
        model = opened(model, options)
        options = {name: value for name, value in options.items() if name not in LOAD}
        self.channels_last = adapter_for(detect_framework(model)).channels_last
        self.order: tuple[int, ...] | None = None
        if isinstance(model, torch.nn.Module):
            made = copy.deepcopy(model)
        else:
            double = like.dtype == torch.float64
            own = adapter_for(detect_framework(model)).float_dtype(model) == "float64"
            given = example.astype("float64" if own else "float32")
            more: dict[str, Any] = {**({"dtype": "float64"} if double and own else {}), **options}
            translation = translate(model, "torch", example_inputs=given, **more)
            made, port = translation.model, translation.outputs[0]
            if "C" in port.axes and len(port.axes) == 4:
                self.channels_last = port.axes.index("C") == 3
            self.order = tuple(int(k) for k in np.argsort(port.permutation))
            self.input_order = translation.inputs[0].permutation
        self.model = made.to(device=like.device, dtype=like.dtype).eval().requires_grad_(False)

    def images(self, given: torch.Tensor) -> torch.Tensor:
        """What it returns for inputs in its own layout, shape ``(N, C, H, W)``."""
        if self.order is not None:
            given = given.permute(*self.input_order) if len(self.input_order) == given.ndim else given
        output = next(tensor for _, tensor in leaves(self.model(given), torch.is_tensor))
        if self.order is not None and len(self.order) == output.ndim:
            output = output.permute(*self.order)  # as the network itself returns it
        if output.ndim == 3:
            output = output[..., None] if self.channels_last else output[:, None]
        if output.ndim != 4:
            raise InvalidArgumentError(
                f"the network returns shape {tuple(output.shape)}: images of shape (N, C, H, W), or (N, H, W, C) of Keras"
            )
        return output.movedim(-1, 1) if self.channels_last else output

    def returned_for(self, images: torch.Tensor) -> torch.Tensor:
        """What an auto-encoder returns for images of shape ``(N, C, H, W)``, in that shape."""
        given = images.movedim(1, -1) if self.channels_last else images
        return self.images(given)
