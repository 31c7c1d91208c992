"""Input specifications: what a model declares of its inputs, names, shapes and where the channels are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["CHANNELS", "InputSpec", "input_specs"]

#: Numbers of channels that an image file can give.
CHANNELS = (1, 3, 4)


@dataclass(frozen=True)
class InputSpec:
    """One input of a model, as files have to be read for it.

    Attributes
    ----------
    name
        As the model calls it.
    shape
        Batch first; ``None`` stands for a free size.
    channels_first
        Where the channels of an image are, as far as the framework's custom and the sizes tell.
    """

    name: str
    shape: tuple[int | None, ...]
    channels_first: bool

    @property
    def is_image(self) -> bool:
        """Whether an image file can be read for it."""
        return len(self.shape) in (3, 4)

    @property
    def channels(self) -> int | None:
        """Number of channels of an image, 1 without an axis for them; ``None`` stands for a free number."""
        if len(self.shape) == 3:
            return 1
        return self.shape[1 if self.channels_first else 3]

    @property
    def size(self) -> tuple[int | None, int | None]:
        """Height and width of an image; ``None`` stands for a free size."""
        places = {3: (1, 2), 4: (2, 3) if self.channels_first else (1, 2)}[len(self.shape)]
        return self.shape[places[0]], self.shape[places[1]]


def input_specs(model: Any, framework: str, shape: tuple[int, ...] | None = None) -> tuple[InputSpec, ...]:
    """The inputs of a model, in order; empty if it declares none and the caller gives no ``shape``.

    Parameters
    ----------
    model
        A model of the framework; nothing of it is run.
    framework
        Key of its framework, as ``metannvis_translate.detect_framework`` tells it.
    shape
        Shape of its one input, batch first, in the framework's own layout: takes the place of a declared one. Does not count
        for a model that declares several inputs.
    """
    found = {"torch": _torch, "tensorflow": _tensorflow, "onnx": _onnx}.get(framework, _by_example)(model)
    if shape is not None and len(found) <= 1:
        found = [(found[0][0] if found else "input", tuple(shape))]
    return tuple(InputSpec(name, sizes, _channels_first(sizes, framework)) for name, sizes in found)


def _channels_first(shape: tuple[int | None, ...], framework: str) -> bool:
    usual = framework != "tensorflow"
    if len(shape) != 4:
        return usual
    first, last = shape[1] in CHANNELS, shape[3] in CHANNELS
    return usual if first == last else first


def _torch(model: Any) -> list[tuple[str, tuple[int | None, ...]]]:
    from metannvis_translate.frameworks.torch.program import declared_inputs as declared

    return [(name, shape) for name, shape, _ in declared(model)]


def _tensorflow(model: Any) -> list[tuple[str, tuple[int | None, ...]]]:
    tensors = getattr(model, "inputs", None) or []
    return [(tensor.name, _sizes(tensor.shape)) for tensor in tensors]


def _onnx(model: Any) -> list[tuple[str, tuple[int | None, ...]]]:
    weights = {initializer.name for initializer in model.graph.initializer}
    return [
        (port.name, tuple(dim.dim_value or None for dim in port.type.tensor_type.shape.dim))
        for port in model.graph.input
        if port.name not in weights and port.type.tensor_type.HasField("shape")
    ]


def _by_example(model: Any) -> list[tuple[str, tuple[int | None, ...]]]:
    """A third party's framework says what it takes by the example inputs that it makes."""
    from metannvis_translate import MissingArgumentError, detect_framework
    from metannvis_translate.frameworks.registry import get_framework

    try:
        arrays = get_framework(detect_framework(model)).example_inputs(model, 1, 0)
    except MissingArgumentError:
        return []
    return [(f"input_{k}", (None, *array.shape[1:])) for k, array in enumerate(arrays)]


def _sizes(shape: Any) -> tuple[int | None, ...]:
    """Symbolic sizes are free ones."""
    return tuple(size if isinstance(size, int) else None for size in shape)
