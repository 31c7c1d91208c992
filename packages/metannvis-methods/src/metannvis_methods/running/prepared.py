"""Prepared models: a model that is ready to run, its layers, and how both lie to the caller's."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from metannvis_translate.process import generators_kept

from metannvis_methods.errors import MissingArgumentError, UnknownLayerError
from metannvis_methods.models.arrays import to_numpy
from metannvis_methods.models.base import ModelAdapter
from metannvis_methods.models.registry import adapter_for
from metannvis_methods.running.token_grid import patch_tokens
from metannvis_methods.running.translation_cache import cache, signature

if TYPE_CHECKING:
    from metannvis_translate import LayerInfo, LayerRow, ModelDescription, Translation

__all__ = ["CONVOLUTIONS", "Prepared", "auto_layers", "convolutions"]

#: The word for all convolutional layers.
CONVOLUTIONS = "convolutions"
#: Roles of layers whose output is tokens where its axes are.
TOKEN_LAYERS = ("attention", "recurrent", "normalization")


@dataclass
class Prepared:
    """A model that is ready to run, and how it lies to the caller's.

    Attributes
    ----------
    source, framework
        The caller's model and its framework.
    model, runs_in, adapter
        The model that runs, its framework, and what can be done to models of that.
    translation
        ``None`` if the caller's model runs as it is.
    examples
        A few of the caller's inputs (or of the dummy inputs), as tensors of the caller's framework.
    row
        Which layer of the caller's model, and which of ``model``, was found last.
    opened
        Layers of a model that is not translated, by name.
    last
        What ``"auto"`` means, once it was asked for.
    fingerprint
        Of the caller's model when it was translated here; ``None`` if it was not.
    description
        What the framework says of a model that is not translated, once it was asked for.
    structure
        Of the caller's model in this call, once it was asked for.
    """

    source: Any
    framework: str
    model: Any
    runs_in: str
    adapter: ModelAdapter
    translation: Translation | None = None
    examples: tuple[Any, ...] = ()
    row: LayerRow | None = None
    opened: Mapping[str, Any] = field(default_factory=dict)
    last: str | None = None
    fingerprint: str | None = None
    description: ModelDescription | None = None
    structure: Hashable = None

    def described(self) -> ModelDescription:
        """Axes and layers of the caller's model, which is run for that; nothing if its framework cannot tell."""
        if self.description is None:
            self.description = self._of_structure(("description",), self._describe)
        return self.description

    def _describe(self) -> ModelDescription:
        with generators_kept():  # a model may draw at random
            return self.adapter.describe(self.source, self.examples)

    def _of_structure(self, slot: tuple[str, ...], look: Callable[[], Any]) -> Any:
        """What a run of the caller's model shows of its structure, which is looked at again when that has changed."""
        slots = (*slot, self.adapter.key, signature(self.examples, {}))
        if self.structure is None:
            self.structure = self.adapter.structure(self.source)
        return cache.get(self.source, slots, self.structure, look)

    @property
    def is_ours(self) -> bool:
        """Whether the model that runs was made here, so that nothing in it is the caller's."""
        return self.translation is not None and self.fingerprint is not None

    @property
    def fixed_batch(self) -> int | None:
        """The only number of samples that the translated model takes; ``None`` if it takes any."""
        ports = self.translation.inputs if self.translation is not None else ()
        sizes = {port.source_shape[0] for port in ports if port.source_shape}
        return sizes.pop() if len(sizes) == 1 else None

    def is_current(self) -> bool:
        """Whether the caller's model still is what it was when it was translated."""
        return self.fingerprint is None or self.fingerprint == adapter_for(self.framework).fingerprint(self.source)

    def layers(self) -> tuple[LayerRow, ...]:
        """Every layer that may be named, in the order in which they run."""
        if self.translation is not None:
            return tuple(iter(self.translation.layers))
        from metannvis_translate import LayerRow, list_layers

        infos = self.described().layers
        if not infos:  # the framework has to say why
            if self.examples and self.adapter.is_model(self.source):
                with self.adapter.guarded(self.source):
                    self.adapter.predict(self.source, self.examples)
            infos = list_layers(self.source, example_inputs=self.examples or None)
        return tuple(LayerRow(info, info, tuple(range(len(info.shape)))) for info in infos)

    def find_layer(self, layer: Any) -> Any:
        """The layer object of ``model`` by a name or an object of the caller's model, or a row; sets ``row``.

        Raises
        ------
        UnknownLayerError
            The caller's model has no such layer; the message names close ones.
        """
        name = self.layer_name(layer)
        if self.translation is not None:
            self.row = self.translation.layers.to_target(name)
            self.model, found = self.translation.attach(name)
            return found
        from metannvis_translate import LayerInfo, LayerRow

        infos = {info.name: info for info in self.described().layers}
        whole = name.partition("#")[0] if name in infos else name  # one of several tensors of a layer
        if whole not in self.opened:
            raise UnknownLayerError(name, self.opened)
        info = infos.get(name) or LayerInfo(name, type(self.opened[whole]).__name__)
        self.row = LayerRow(info, info, None)
        return self.opened[whole]

    def tapped(self, layer: Any) -> Any:
        """The layer, or where it returns several tensors a layer that returns the first, or the one that was named.

        The model is guarded. A translated layer returns one tensor.
        """
        if self.translation is not None or self.row is None:
            return layer
        name, _, place = self.row.source.name.partition("#")
        names = {info.name for info in self.described().layers}
        if not place and f"{name}#2" not in names:
            return layer
        return self.adapter.tapped(layer, int(place or 1) - 1)

    def layer_name(self, layer: Any) -> str:
        """Name in the caller's model of what the caller gave: a name, ``"auto"``, a layer object, a row."""
        layer = getattr(getattr(layer, "source", None), "name", layer)
        if isinstance(layer, str):
            if layer != "auto":
                return layer
            self.last = self.last or self._auto_layer()
            return self.last
        if self.translation is None:
            return self.adapter.layer_name(self.source, layer)
        try:
            return self.translation.layers.to_target(layer).source.name
        except UnknownLayerError:  # an object of the translated model will do as well
            return self.translation.layers.to_source(layer).source.name

    def _auto_layer(self) -> str:
        """The last convolutional layer, or the last of tokens whose patches still reach the output."""
        rows = self.layers()
        names = auto_layers(rows)
        roles = {row.source.name: row.source.role for row in rows}
        tokens = [name for name in names if roles[name] in TOKEN_LAYERS]
        if names[-1] not in tokens or not self.examples:
            return names[-1]
        known = self.opened if self.translation is None else self.adapter.layers_of(self.model)
        targets = {row.source.name: row.target.name for row in rows}
        reached = [name for name in tokens if targets[name] in known]
        inputs: Sequence[Any] = self.examples
        if self.translation is not None:
            inputs = [
                self.adapter.as_input(self.model, self.translation.to_target(to_numpy(x), role="input", index=k), k)
                for k, x in enumerate(self.examples)
            ]
        with self.adapter.guarded(self.model):
            gradients = self.adapter.layer_gradients(self.model, [known[targets[name]] for name in reached], inputs)
        for name, gradient in zip(reversed(reached), reversed(gradients), strict=True):
            patches = patch_tokens([row.source for row in rows], name)
            if gradient is not None and np.abs(gradient if patches is None else patches(gradient)).max(initial=0) > 0:
                return name
        return names[-1]

    def reasons_to_translate(self, layer: Any) -> tuple[str, ...]:
        """Why a toolkit cannot tell this layer of a model that is not translated from others; empty if it can."""
        if self.translation is not None:
            return ()
        name = self.layer_name(layer)
        if name in self.opened:
            calls = self._of_structure(
                ("calls", name), lambda: self.adapter.calls(self.source, self.opened[name], self.examples)
            )
            return (f"layer {name!r} is called {calls} times",) if calls > 1 else ()
        path, _, call = name.rpartition(":")
        return (f"{name!r} is one of several calls of {path!r}",) if path in self.opened and call.isdigit() else ()


def convolutions(rows: Sequence[LayerRow]) -> list[str]:
    """Names of all convolutional layers, in the order in which they run.

    Raises
    ------
    MissingArgumentError
        There is none.
    """
    roles = {row.source.name: row.source.role for row in rows}
    names = [name for name in auto_layers(rows) if roles[name] not in TOKEN_LAYERS]
    if not names:
        raise MissingArgumentError(
            f"layer={CONVOLUTIONS!r} found no convolutional layer; name one of: {', '.join(roles)}"
        )
    return names


def auto_layers(rows: Sequence[LayerRow]) -> list[str]:
    """Names of the convolutional layers and of those that return tokens, in the order in which they run.

    Convolutions with one place, as behind a global pooling, say nothing of where: they count where there are no others.

    Raises
    ------
    MissingArgumentError
        There is none.
    """
    told = any(row.source.role for row in rows)

    def fits(info: LayerInfo) -> bool:
        if info.parent or len(info.shape) < 3:
            return False
        if not told:  # a framework that says nothing but what its layers are called
            return "conv" in info.kind.casefold()
        if info.role == "convolution":
            return not info.axes or any(letter in info.axes for letter in "LHW?")
        tokens = len(info.shape) == 3 and info.shape[1] != 1 and (info.axes == "NTF" or "?" in info.axes)
        return info.role in TOKEN_LAYERS and tokens

    fitting = [row.source for row in rows if fits(row.source)]
    names = [info.name for info in fitting if _places(info) != 1] or [info.name for info in fitting]
    if not names:
        known = ", ".join(row.source.name for row in rows)
        raise MissingArgumentError(f"layer='auto' found no convolutional or token layer; name one of: {known}")
    return names


def _places(info: LayerInfo) -> int | None:
    """Number of places of a layer's maps, or of its tokens; ``None`` if a size is free."""
    known = "?" not in info.axes and len(info.axes) == len(info.shape)
    sizes = (
        [size for letter, size in zip(info.axes, info.shape, strict=True) if letter not in "NCF"] if known else [None]
    )
    return None if None in sizes else math.prod(size for size in sizes if size is not None)
