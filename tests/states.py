"""What the tests of errors share: models in the state that users leave them in, and whether anything has changed."""

from __future__ import annotations

import copy
import hashlib
import importlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import metannvis_methods.errors
import metannvis_translate.errors
import numpy as np
from torch import nn

from .twins import keras_rgb, torch_rgb

__all__ = ["ABROAD", "FRAMEWORKS", "assert_documented", "assert_says", "hashes", "made", "other", "slash", "state"]

Array = np.ndarray[Any, Any]
FRAMEWORKS = ("torch", "tensorflow")
#: The toolset that runs on the other framework, so that the model is translated.
ABROAD = {"torch": "tf-keras-vis", "tensorflow": "captum"}


def other(framework: str) -> str:
    """The framework that it is not."""
    return FRAMEWORKS[1 - FRAMEWORKS.index(framework)]


def slash(framework: str) -> str:
    """What stands between the parts of a layer's path."""
    return "." if framework == "torch" else "/"


def state_of_torch(model: nn.Module) -> dict[str, Any]:
    """Everything of a module that a toolkit or an exporter could change."""
    found: dict[str, Any] = {"parts": [(name, id(module)) for name, module in model.named_modules()]}
    for name, module in model.named_modules():
        for key, value in module.__dict__.items():
            if isinstance(value, Mapping):
                found[f"{name}.{key}"] = (id(value), [(k, id(v)) for k, v in value.items()])
            else:
                found[f"{name}.{key}"] = copy.copy(value)
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        content = tensor.detach().numpy().tobytes()
        found[f"{name} tensor"] = (id(tensor), tensor.requires_grad, tensor.grad is None, tensor._version, content)
    return found


def keras_parts(model: Any) -> Iterator[Any]:
    """A model's layers, nested ones included."""
    for layer in model.layers:
        yield layer
        if isinstance(layer, keras.Model):
            yield from keras_parts(layer)


def state_of_keras(model: Any) -> dict[str, Any]:
    """The same of a Keras model."""
    found: dict[str, Any] = {"config": model.get_config(), "attributes": set(model.__dict__)}
    for layer in keras_parts(model):
        own = (id(layer), layer.trainable, id(getattr(layer, "activation", None)), set(layer.__dict__))
        found[layer.name] = (*own, len(layer._inbound_nodes), len(layer._outbound_nodes))
    for weight in model.weights:
        found[weight.path] = (id(weight), weight.trainable, np.asarray(weight).tobytes())
    return found


def state(model: Any) -> dict[str, Any]:
    """Whichever it is."""
    return state_of_torch(model) if isinstance(model, nn.Module) else state_of_keras(model)


def hashes(folder: Path) -> dict[str, str]:
    """Content of every file below a folder."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def made(framework: str) -> tuple[Any, Array]:
    """A network in the state that somebody left it in, and two images for it."""
    x = np.random.default_rng(0).standard_normal((2, 3, 20, 28), "float32")
    if framework == "tensorflow":
        model: Any = keras_rgb()
        model.get_layer("conv").trainable = False
        return model, np.ascontiguousarray(x.transpose(0, 2, 3, 1))
    model = torch_rgb()
    model.train()
    model.norm.eval()
    model.block.norm1.eval()
    model.conv.weight.requires_grad_(False)
    model.fc.register_forward_hook(_callers_own)
    return model, x


def _callers_own(*_: Any) -> None:
    """A hook of the caller's."""


def assert_says(message: str, parts: tuple[str, ...]) -> None:
    """Each expression is found in the message."""
    for part in parts:
        assert re.search(part, message), f"{part!r} not in {message!r}"


def assert_documented(kind: type[Exception]) -> None:
    """The class stands in the tree that an errors module draws, and in what the package offers."""
    modules = (metannvis_translate.errors, metannvis_methods.errors)
    module = next(m for m in modules if m.__name__ == kind.__module__)
    assert kind.__name__ in (module.__doc__ or "")
    assert hasattr(importlib.import_module(module.__name__.partition(".")[0]), kind.__name__)
