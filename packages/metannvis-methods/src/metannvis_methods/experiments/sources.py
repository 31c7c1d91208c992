"""Frameworks that the experiments train networks in, and what is special about each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import Any

import numpy as np

__all__ = ["SOURCES", "Source"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Source:
    """A framework that a network is trained in.

    Attributes
    ----------
    key
        In names of files and of examples.
    name
        As people write it.
    axis
        Of the channels in a batch of its images.
    twin
        Name of the function in :mod:`metannvis_methods.examples.twins` that builds the same network in the other framework.
    """

    key: str
    name: str
    axis: int
    twin: str

    @property
    def channels_last(self) -> bool:
        """Whether images have the channels last."""
        return self.axis > 1

    @property
    def module(self) -> Any:
        """Builds and trains its networks; imports the framework."""
        return import_module(f"metannvis_methods.examples.{self.key}_network")

    def arranged(self, images: Array) -> Array:
        """Images of shape ``(N, H, W)`` in its layout."""
        return np.expand_dims(images, self.axis)

    def turned(self, images: Array) -> Array:
        """Images of its layout in the other one."""
        return np.ascontiguousarray(np.moveaxis(images, self.axis, 1 if self.channels_last else 3))

    def twin_of(self, network: Any) -> Any:
        """The same plain network in the other framework, its weights copied by hand."""
        make: Callable[[Any], Any] = getattr(import_module("metannvis_methods.examples.twins"), self.twin)
        return make(network)


#: By key.
SOURCES: Mapping[str, Source] = MappingProxyType(
    {
        "torch": Source("torch", "PyTorch", 1, "keras_twin"),
        "keras": Source("keras", "Keras", 3, "torch_twin"),
    }
)
