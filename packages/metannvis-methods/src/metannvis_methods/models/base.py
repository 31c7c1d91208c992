"""Model adapters: run a model in its own framework, find its layers, put it back as it was.

An adapter is the part of a framework's plug-in that methods need. The plug-in has it itself
(:meth:`metannvis_translate.frameworks.Framework.model_adapter`), or a package registers it in the entry-point group
``metannvis.models`` under the framework's key, as this one does for ours. A framework without one is served by
:class:`ModelAdapter` itself, which knows nothing.
"""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Protocol

import numpy as np
from metannvis_translate import ModelDescription
from metannvis_translate.errors import first_line
from metannvis_translate.frameworks import get_framework

from metannvis_methods.errors import InvalidArgumentError, UnknownLayerError
from metannvis_methods.models.arrays import to_numpy
from metannvis_methods.models.dropout import DropoutMask, DropoutMasks, DropoutSite
from metannvis_methods.models.view import View
from metannvis_methods.models.weights import Weight

__all__ = ["Listener", "ModelAdapter"]

logger = logging.getLogger("metannvis_methods")
Array = np.ndarray[Any, Any]


class Listener(Protocol):
    """What is told of passes through a model.

    Attributes
    ----------
    looks_at_last
        Whether it wants to know of each output whether a softmax or sigmoid returned it.
    expects_last
        Whether one is taken to have.
    """

    looks_at_last: bool
    expects_last: bool

    @property
    def wants(self) -> bool:
        """Whether it wants to be told of the next pass."""

    def hear(
        self, given: Sequence[Any], outputs: Sequence[tuple[str, Any]], final: tuple[bool, ...] | None = None
    ) -> None:
        """What went in, and the tensors that came out with their paths.

        ``final`` says of each whether it is what a softmax or sigmoid returned, if the listener looks at that.
        """


class ModelAdapter:
    """What methods do to models of a framework; a subclass overrides what is different there.

    By itself it serves a framework of which nothing is known: arrays are NumPy, a model is something that can be called.

    Attributes
    ----------
    key
        Of the framework; empty if it is not known.
    any_batch
        Whether its models take any number of samples; ``False`` if a model may demand one.
    bounds_rows
        Whether :meth:`view` bounds the rows that pass through the model at once.
    channels_last
        Whether maps have their channels on the last axis rather than behind the batch.
    no_autocast
        Why there is no half precision beside the one that a model is made in; empty if there is.
    has_tensors
        Whether a caller's function of an output gets a tensor of this framework; else of the one that runs.
    no_dropout
        Why :meth:`dropout_sites` found none, and what to do.
    tells_passes
        Whether :meth:`overhearing` tells of each pass through a model.
    """

    key: str = ""
    any_batch: bool = True
    bounds_rows: bool = False
    channels_last: bool = False
    has_tensors: bool = True
    no_autocast: str = "It has no half precision but that of the model"
    tells_passes: bool = False
    no_dropout: str = (
        "nothing in the model drops: it has no dropout layer (or function) whose rate is above 0, or none that Python runs, "
        "as in an exported program"
    )

    def is_model(self, model: Any) -> bool:
        """Whether toolkits of this framework can use the object as it is."""
        return callable(model)

    def predicts(self, model: Any) -> bool:
        """Whether :meth:`predict` runs the object as it is."""
        return self.is_model(model)

    def open(self, model: Any) -> tuple[Any, Mapping[str, Any]]:
        """The model itself or an equal one, and its layers by name, every one of which can be reached."""
        return model, {}

    def copies(self, model: Any) -> bool:
        """Whether :meth:`open` copies the model, so that its result is worth keeping."""
        return False

    def layer_name(self, model: Any, layer: Any) -> str:
        """Name of a layer object of the caller's model."""
        raise UnknownLayerError(type(layer).__name__, ())

    def float_dtype(self, model: Any) -> str | None:
        """Name of the floating dtype that the model computes in."""
        return None

    def as_input(self, model: Any, value: Any, index: int) -> Any:
        """A value as a tensor that the model takes as its input ``index``; never the caller's own memory."""
        return np.array(value)

    def as_activation(self, model: Any, value: Any) -> Any:
        """A value as a tensor like those that layers of the model return."""
        return self.as_input(model, value, 0)

    def as_inputs(self, model: Any, values: Sequence[Any]) -> tuple[Any, ...]:
        """All inputs of one call as tensors, see :meth:`as_input`; what one is may be seen by the others."""
        return tuple(self.as_input(model, value, index) for index, value in enumerate(values))

    def describe(self, model: Any, inputs: Sequence[Any]) -> ModelDescription:
        """What the framework says of a model's inputs and layers; nothing if it cannot tell."""
        framework = get_framework(self.key) if self.key else None
        if framework is None:
            return ModelDescription((), ())
        try:
            return framework.describe(model, [to_numpy(value) for value in inputs] or None)
        except Exception as error:  # noqa: BLE001  # no examples, or whatever a model raises on inputs that it does not take
            logger.info("nothing is known of the model's layers: %s", first_line(error))
            return ModelDescription((), ())

    def as_index(self, model: Any, value: Any) -> Any:
        """A mask as a tensor of whole numbers."""
        return np.array(value, dtype=np.int64)

    def normal(self, shape: Sequence[int]) -> Array:
        """Numbers drawn from the standard normal distribution by the framework's global generator, float32."""
        return np.random.standard_normal(tuple(shape)).astype(np.float32)  # noqa: NPY002  # the call seeds the global one

    def same_kind(self, tensor: Any, array: Array) -> Any:
        """An array as a tensor of the dtype, and on the device, of another one."""
        return np.asarray(array, to_numpy(tensor).dtype)

    def is_floating(self, tensor: Any) -> bool:
        """Whether a tensor can have a gradient."""
        return to_numpy(tensor).dtype.kind == "f"

    def calls(self, model: Any, layer: Any, inputs: Sequence[Any]) -> int:
        """How often a layer of the model is called in one run."""
        return 1

    def check_inputs(self, model: Any, values: Sequence[Any]) -> None:
        """Refuse inputs that the model says it cannot take (``InvalidArgumentError``)."""

    def fixed_batch(self, model: Any) -> int | None:
        """The only number of samples that the model says it takes; ``None`` if it takes any."""
        return None

    def misread(self, model: Any) -> str:
        """Why a toolkit of the model's framework would take axes of its values for others; empty if none would."""
        return ""

    def in_pieces(self, model: Any, size: int, tell: Callable[[], None]) -> Any:
        """A model that computes the same of any multiple of so many samples; the model itself if there is no such thing.

        ``tell`` is called when it is given more than so many.
        """
        return model

    def input_names(self, model: Any) -> tuple[str, ...]:
        """Names of the model's inputs in its own order; empty if it has none."""
        return ()

    def required_inputs(self, model: Any) -> int:
        """Number of inputs that the model does not do without."""
        return len(self.input_names(model))

    def predict(self, model: Any, inputs: Sequence[Any]) -> list[Array]:
        """The model's outputs."""
        output = model(*inputs)
        return [to_numpy(part) for part in (output if isinstance(output, (tuple, list)) else [output])]

    def outputs(self, model: Any, inputs: Sequence[Any]) -> list[tuple[str, Array]]:
        """The model's outputs, each with its path in what the model returns (``"scores.0"``); a sole tensor has none."""
        arrays = self.predict(model, inputs)
        return [("" if len(arrays) == 1 else str(place), array) for place, array in enumerate(arrays)]

    def returns(self, model: Any) -> tuple[tuple[int, ...], ...] | None:
        """Shape, without the batch, of the one tensor that the model returns; ``None`` if it may be something else."""
        return None

    def can_tell_passes(self, model: Any) -> bool:
        """Whether :meth:`overhearing` tells of each pass through this model."""
        return self.tells_passes

    def overhearing(self, model: Any, listener: Listener) -> AbstractContextManager[None]:
        """Inside, a listener is told what goes into the model and what comes out, at each pass that it wants."""
        return nullcontext()

    def same_rows(self, given: Any, inputs: Any, count: int, start: int) -> bool:
        """Whether the first rows that went into a model are those of the inputs from a place on."""
        return np.array_equal(to_numpy(given)[:count], to_numpy(inputs)[start : start + count])

    def view(self, model: Any, view: View) -> Any:
        """A model over the same layers that is seen as ``view`` says.

        A framework that does not know how gives the model itself, if its first output is asked for.
        """
        if view.place or view.scores or view.targets or view.logits:
            raise InvalidArgumentError("one of several outputs, or a function of it, cannot be explained here")
        return model

    def ends_in_probabilities(self, model: Any, place: int, inputs: Sequence[Any]) -> bool:
        """Whether an output is what a softmax or a sigmoid returns, which :meth:`view` can leave out."""
        return False

    def layer_gradients(self, model: Any, layers: Sequence[Any], inputs: Sequence[Any]) -> list[Array | None]:
        """Derivative of the largest number of the first output of each sample, with respect to what each layer returns.

        ``None`` for a layer that returns no tensor, or of which it cannot be told.
        """
        return [None] * len(layers)

    def layers_of(self, model: Any) -> Mapping[str, Any]:
        """Layers of a model that a translation made, by name."""
        return {}

    def weights(self, model: Any) -> Mapping[str, Sequence[Weight]]:
        """Floating weights of each layer's own, by its name, those of layers within it left out; statistics are none.

        Empty if they cannot be set.
        """
        return {}

    def fixed_weights(self, model: Any) -> Mapping[str, str]:
        """Layers whose weights :meth:`weights` leaves out since they cannot be set, and why."""
        return {}

    def has_settable_weights(self, model: Any) -> bool:
        """Whether :meth:`weights` knows this kind of model."""
        return self.is_model(model)

    def order_of_layers(self, model: Any, inputs: Sequence[Array]) -> list[str]:
        """Names of the layers, in the order in which they run on these inputs."""
        infos = get_framework(self.key).list_layers(model, inputs)
        return list(dict.fromkeys(info.name.partition(":")[0] for info in infos))

    def copied(self, model: Any) -> Any:
        """A model of its own, with weights of its own, that computes the same."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # Keras copies by its files, with older words of NumPy
            return copy.deepcopy(model)

    def kinds_of(self, model: Any) -> frozenset[str]:
        """Names, in lower case, of the layers and activations that a model computes with; empty if that cannot be told."""
        return frozenset(type(layer).__name__.casefold() for layer in self.layers_of(model).values())

    def embedded(self, model: Any, layer: Any, inputs: Sequence[Any]) -> Any:
        """What a layer returns for these inputs of the model, as a tensor without a gradient."""
        raise InvalidArgumentError("indices have no gradients, and what embeds them cannot be held here: name a layer")

    def tapped(self, layer: Any, place: int) -> Any:
        """A layer that returns one tensor of what another one returns, which is a tuple; the model is guarded."""
        return layer

    def scored(self, function: Callable[[Any], Any], output: Array) -> tuple[Array, Callable[[Array], Array]]:
        """The value of a caller's function of an output, and its derivative times a cotangent, as NumPy.

        The function gets a tensor of this framework, shape ``(N, …)``.
        """

        def no_gradient(_: Array) -> Array:
            raise InvalidArgumentError("a target function of this framework's arrays has no gradients")

        return to_numpy(function(output)), no_gradient

    def gradients(self, model: Any, inputs: Sequence[Any], cotangents: Sequence[Array]) -> list[Array | None]:
        """Derivative of the sum of all outputs times their cotangents, for each input; ``None`` for whole numbers.

        Raises
        ------
        InvalidArgumentError
            The framework gives no gradients.
        """
        framework = get_framework(self.key) if self.key else None
        if framework is None or not framework.differentiable:
            raise InvalidArgumentError(f"models of {framework.label if framework else 'this kind'} have no gradients")
        found = framework.run(model, [to_numpy(value) for value in inputs], cotangents=cotangents).gradients
        return list(found or ())

    def leading_values(self, model: Any, inputs: Sequence[Array], place: int) -> list[tuple[Array, Array | None]]:
        """What goes into and comes out of each of the first operations on an input, in the order in which they run.

        The last comes out as ``None`` where it mixes places or channels by weights; empty if that cannot be told.
        """
        return []

    def devices(self) -> tuple[str, ...]:
        """Names of the devices on which models can run: ``"cpu"``, ``"cuda:0"``."""
        return ("cpu",)

    def on_device(self, model: Any, device: str | None) -> AbstractContextManager[None]:
        """A model runs there within, and is afterwards where it was; ``None``: where it is."""
        return nullcontext()

    def half_precision(self, model: Any, name: str) -> Any:
        """What brings the passes of a :class:`View` to half precision, ``"float16"``, ``"bfloat16"``, or whichever does.

        It has a ``name``, and says of what came out whether it was ``broken``.
        """
        raise InvalidArgumentError(self.no_autocast)

    def needs_examples(self, model: Any) -> bool:
        """Whether a translation has to be given inputs, since the model cannot say what it takes."""
        return False

    def input_axes(self, model: Any, shape: Sequence[int | None]) -> str:
        """What the axes of an input mean, as far as its rank tells."""
        return ("N" + "?" * (len(shape) - 1)) if len(shape) else ""

    def layer_axes(self, model: Any, layer: Any, shape: Sequence[int | None]) -> str:
        """What the axes of the output of a layer of the model mean, as far as its kind and its rank tell."""
        return self.input_axes(None, shape)

    def fingerprint(self, model: Any) -> str | None:
        """A digest of everything that decides what the model computes; ``None`` if that cannot be told."""
        return None

    def own_generators(self, model: Any, seed: int | None) -> Callable[[], None]:
        """What brings the random generators that layers have of their own to where a seed says, or to where they are now."""
        return lambda: None

    def dropout_sites(self, model: Any, inputs: Sequence[Any]) -> tuple[DropoutSite, ...]:
        """Where a model drops at random when it is trained, seen by running it on the first sample; the model is guarded."""
        return ()

    def dropout_left_off(self, model: Any) -> list[str]:
        """Layers that drop where :meth:`dropping` does not reach, for people."""
        return []

    def dropping(self, model: Any, masks: DropoutMasks) -> AbstractContextManager[Any]:
        """Inside, the model that is given drops by the masks that are in force, and nothing else of it trains."""
        return nullcontext(model)

    def maskable(self, model: Any, layer: Any) -> Any:
        """The layer, or one in its stead, whose output :meth:`masking` may mask; the model was made for that."""
        return layer

    def masking(self, layers: Sequence[tuple[Any, Callable[[], DropoutMask | None]]]) -> AbstractContextManager[None]:
        """Inside, what each layer returns is dropped from by the mask that its function gives."""
        raise InvalidArgumentError("layers of this framework cannot be made to drop")

    def structure(self, model: Any) -> Hashable:
        """What decides which layers run and what their axes mean, cheap to tell; ``None`` if it cannot be told."""
        return None

    def state(self, model: Any) -> Callable[[], None]:
        """What puts the model back to how it is now: its mode, hooks, attributes. It may be called several times."""
        return lambda: None

    @contextmanager
    def guarded(self, model: Any) -> Iterator[Callable[[], None]]:
        """Inference mode within; afterwards the model is as it was, whatever happened. Gives its :meth:`state` before."""
        yield self.state(model)

    def lightly_guarded(self, model: Any) -> AbstractContextManager[Callable[[], None]]:
        """As :meth:`guarded`, for a model that a translation made and a method that does no more than call it."""
        return self.guarded(model)

    def let_overwrite(self, model: Any) -> None:
        """Inside the guard: layers may work in place again, as the model has it, which takes less time and memory.

        For methods that look at inputs and outputs only: what a layer returned may be overwritten by the next one.
        """
