"""Toolset plug-ins: what one is, the call that it gets, and the output that it returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from metannvis_methods.registry.history import History
from metannvis_methods.registry.older_names import takes_older_names
from metannvis_methods.registry.spec import Argument, MethodSpec, as_frameworks

if TYPE_CHECKING:
    from metannvis_methods.models.view import View

__all__ = [
    "Arrangement",
    "History",
    "Job",
    "MethodCall",
    "MethodOutput",
    "Outcome",
    "Progress",
    "Target",
    "Toolset",
    "reasons_of",
    "runs_in",
]


class Arrangement(Protocol):
    """What lays a layer's output out as a map: tokens, or a map whose channels are elsewhere.

    Attributes
    ----------
    channel
        The axis of the layer's output that counts channels.
    """

    @property
    def channel(self) -> int:
        """See above."""

    def __call__(self, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """An array of the output, ``(N, places…, C)``."""


#: ``progress(done, total, stage)``
Progress = Callable[[int, int, str], None]

#: The output that is explained: ``None`` the only one; a class; a position in a dense output; a list, one a
#: sample.
Target = None | int | tuple[int, ...] | list[int] | list[tuple[int, ...]]


class _Complete(dict[str, Any]):
    """Arguments under their older name, ``init=`` or ``call=``: inputs, target and layer stood among them."""


@takes_older_names(_Complete, init="init_options", call="call_options")
@dataclass(frozen=True)
class MethodCall:
    """One call of one method, as a toolset gets it: in the terms of the model that runs.

    Inputs, target and layer stand in it once: the toolkit's keyword arguments are made of them by the row
    (:attr:`init_arguments`, :attr:`call_arguments`). The model has one output, which is the one that is explained, or a score
    of it.

    Attributes
    ----------
    spec
        The method.
    model
        A model of :attr:`framework`, in inference mode. It may be edited: it is put back afterwards.
    inputs
        What is explained, one an input, tensors of the model's framework, dtype and device; empty if the caller gave none.
    layer
        The layer object of ``model``, ``None`` for a method that wants none.
    init_options, call_options
        Keyword arguments of the constructor and of the call beside model, inputs, target and layer. A score function that the
        caller gave by the toolkit's own name is among them; else the toolset makes one from ``target``.
    target
        What is explained, if the method has a target: a :data:`Target`.
    seed
        Seed for generators that the toolset makes itself; the global ones are seeded already.
    progress
        To be called with ``(done, total, stage)`` where the toolkit says how far it is.
    hear
        To be called with the model's output for the next of the inputs as they are, if the toolset comes by it before anything
        else has passed through the model; ``None``: it is known. Of PyTorch models it is heard without that.
    passed
        To be called with the number of rows after each pass through the model; ``None``: nobody asks, or passes are counted
        without that.
    arrange
        At a layer of a class activation map whose output is no map as the framework has them (tokens, channels elsewhere):
        brings an array of it to ``(N, places…, C)``, and says which ``channel`` axis it has. ``None``: it is one.
    framework
        Key of the framework of ``model``.
    several
        Whether the inputs go to the toolkit as a tuple, as they were given, also if there is one.
    batch_size
        Samples that are run at once, at most.
    axes
        One letter an axis of each input, as :attr:`model` takes it: N samples, C channels, F features, the others places.
    view
        For a method that needs predictions only: what :meth:`predict` gives of the model, and in what pieces.
    layer_name, layer_axes
        Name of the layer in the caller's model, and one letter an axis of what it returns, as ``model`` has it.
    target_given
        Whether the caller gave the target, so that it is not what was predicted.
    shapes, value_range
        For a method that makes inputs (:attr:`MethodSpec.optimizes`): shapes of the model's inputs without the batch, ``None``
        for a free size, empty if they are not known; and what black and white are, numbers or tensors that go with the inputs,
        ``None`` if nobody says.
    """

    spec: MethodSpec
    model: Any
    inputs: tuple[Any, ...] = ()
    layer: Any = None
    init_options: Mapping[str, Any] = field(default_factory=dict)
    call_options: Mapping[str, Any] = field(default_factory=dict)
    target: Any = None
    seed: int | None = None
    progress: Progress | None = None
    hear: Callable[[Any], None] | None = None
    passed: Callable[[int], None] | None = None
    arrange: Arrangement | None = None
    framework: str = ""
    several: bool = False
    batch_size: int | None = None
    axes: tuple[str, ...] = ()
    view: View | None = None
    layer_name: str = ""
    layer_axes: str = ""
    target_given: bool = True
    shapes: tuple[tuple[int | None, ...], ...] = ()
    value_range: tuple[Any, Any] | None = None

    @property
    def init_arguments(self) -> dict[str, Any]:
        """Keyword arguments of the constructor (model left out), complete."""
        return self._complete(self.spec.init, self.init_options)

    @property
    def call_arguments(self) -> dict[str, Any]:
        """Keyword arguments of the call, complete but for a score made from ``target``.

        Inputs are a tensor, or a tuple for several.
        """
        return self._complete(self.spec.call, self.call_options)

    @property
    def init(self) -> Mapping[str, Any]:
        """Older name of :attr:`init_arguments`."""
        return self.init_arguments

    @property
    def call(self) -> Mapping[str, Any]:
        """Older name of :attr:`call_arguments`."""
        return self.call_arguments

    def __post_init__(self) -> None:
        if isinstance(self.init_options, _Complete):
            object.__setattr__(self, "init_options", self._without_own(self.spec.init, self.init_options))
        if isinstance(self.call_options, _Complete):
            object.__setattr__(self, "call_options", self._without_own(self.spec.call, self.call_options))

    def _without_own(self, arguments: tuple[Argument, ...], options: _Complete) -> _Complete:
        """What says the same as the fields goes with them, should they be replaced."""
        own = self._own(arguments)
        return _Complete({key: value for key, value in options.items() if key not in own or value is not own[key]})

    def _complete(self, arguments: tuple[Argument, ...], options: Mapping[str, Any]) -> dict[str, Any]:
        own = self._own(arguments)
        return {**own, **options} if isinstance(options, _Complete) else {**options, **own}

    def _own(self, arguments: tuple[Argument, ...]) -> dict[str, Any]:
        """Inputs, target and layer as the row calls them."""
        own: dict[str, Any] = {}
        for argument in arguments:
            if argument.role == "input" and (self.inputs or self.several):
                own[argument.name] = self.inputs if self.several else self.inputs[0]
            elif argument.role == "target":
                own[argument.name] = self.target
            elif argument.role == "layer" and self.layer is not None:
                own[argument.name] = self.layer
        return own

    def option(self, *roles: str) -> Any:
        """Value of the first option that is set and has one of these roles; ``None`` if there is none."""
        for options, arguments in ((self.init_options, self.spec.init), (self.call_options, self.spec.call)):
            for argument in arguments:
                if argument.role in roles and options.get(argument.name) is not None:
                    return options[argument.name]
        return None

    @property
    def only_calls(self) -> bool:
        """Whether the method, with these options, does no more than call the model."""
        given = {**self.init_options, **self.call_options}
        edits = any(argument.edits and given.get(argument.name) for argument in self.spec.arguments)
        return self.spec.only_calls and not edits

    def predict(self, *inputs: Any) -> np.ndarray[Any, Any]:
        """The explained output of the model, as NumPy, for other inputs: one value an input of the model, NumPy or tensors.

        It is what a method needs that runs on models of any framework. A score that is explained has shape ``(N,)``.

        Raises
        ------
        InvalidArgumentError
            The model does not run on such inputs, or has several outputs and none was named.
        DeadlineError
            The time of the call is over.
        """
        from metannvis_methods.models.predictions import predict
        from metannvis_methods.models.registry import adapter_for

        return predict(adapter_for(self.framework), self.model, inputs, self.view, self.passed)


#: Older name of :class:`MethodCall`.
Job = MethodCall


@dataclass(frozen=True)
class MethodOutput:
    """What a method made: arrays in the layout of the model that was run, or of axes that the toolset names.

    Attributes
    ----------
    values
        An array or tensor, or a tuple of them.
    over
        Whose layout the values are in: the model's ``"input"`` or the ``"layer"``'s output; ``"features"`` are one a group of
        the mask, which have none.
    place
        Which input a sole array lies like.
    channels
        Whether they still have the channels axis.
    delta
        Convergence delta, one a sample.
    axes
        One letter an axis of ``values`` (a tuple where ``values`` is one), for values that lie like no tensor of the model: a
        table of units and concepts is ``"UC"``, a number is ``""``. They are returned as they are, whatever ``over`` and
        ``channels`` say.
    details
        What the method found beside its values, arrays by name, of a method that looks at all samples together.
    kind
        What the result says that it is, if not what the row says (:data:`metannvis_methods.registry.spec.Kind`): ``"table"``,
        ``"scores"``, ``"image"`` and so on.
    history
        How the images of a method that makes some came about.
    """

    values: Any
    over: Literal["input", "layer", "features"] = "input"
    channels: bool = True
    delta: Any = None
    axes: str | tuple[str, ...] | None = None
    kind: str | None = None
    place: int = 0
    history: History | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


#: Older name of :class:`MethodOutput`.
Outcome = MethodOutput


class Toolset:
    """A toolset plug-in; the entry-point group ``metannvis.toolsets`` names instances.

    A subclass sets the attributes and writes :meth:`run`; ``metannvis_methods.testing`` checks it.

    Attributes
    ----------
    key
        Its name.
    framework
        Key of the framework its models have to be in, a tuple of several, or ``None`` for any; each row names one or several
        of these (:attr:`MethodSpec.framework`).
    packages
        Modules that have to be importable for it to run.
    install
        What to type if they are not.
    rows
        Its methods.
    excluded
        Methods of the toolkit that have no row, by their classes, with the reason.
    """

    key: str = ""
    framework: str | tuple[str, ...] | None = ""
    packages: tuple[str, ...] = ()
    install: str = ""
    rows: tuple[MethodSpec, ...] = ()
    excluded: Mapping[str, str] = MappingProxyType({})

    def reasons_to_translate(self, spec: MethodSpec, model: Any, inputs: tuple[Any, ...] | None) -> tuple[str, ...]:
        """Why this model of a right framework has to be made canonical first; empty if it has not."""
        return () if type(self).obstacles is Toolset.obstacles else self.obstacles(spec, model, inputs)

    def obstacles(self, spec: MethodSpec, model: Any, inputs: tuple[Any, ...] | None) -> tuple[str, ...]:
        """Older name of :meth:`reasons_to_translate`; a toolset that has this one is asked it."""
        own = type(self).reasons_to_translate is not Toolset.reasons_to_translate
        return self.reasons_to_translate(spec, model, inputs) if own else ()

    def packages_for(self, spec: MethodSpec) -> tuple[str, ...]:
        """Modules that have to be importable for a row to run."""
        return self.packages

    def install_for(self, spec: MethodSpec) -> str:
        """What to type if they are not."""
        return self.install or f"install {', '.join(self.packages_for(spec))}"

    def lacks(self, call: MethodCall) -> Sequence[str]:
        """What the model lacks for the method and only the toolset can tell, a sentence each; it is told before the run."""
        return ()

    def run(self, call: MethodCall) -> MethodOutput:
        """Run one method. One thread at a time in a process does, so that global generators and filters may be used."""
        raise NotImplementedError


def reasons_of(toolset: Toolset, spec: MethodSpec, model: Any, inputs: tuple[Any, ...] | None) -> tuple[str, ...]:
    """What a toolset answers to :meth:`Toolset.reasons_to_translate`, by whichever name its class, or its base, has it."""
    for cls in type(toolset).__mro__:
        for name in ("reasons_to_translate", "obstacles"):
            if name in vars(cls):
                answer: tuple[str, ...] = getattr(toolset, name)(spec, model, inputs)
                return answer
    return ()


def runs_in(toolset: Toolset, spec: MethodSpec) -> bool:
    """Whether a toolset runs models of all the frameworks that a row names."""
    if toolset.framework is None:
        return True
    return bool(spec.frameworks) and set(spec.frameworks) <= set(as_frameworks(toolset.framework))
