"""Toolset plug-ins: what one is, the call that it gets, and the output that it returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.registry.older_names import takes_older_names
from metannvis_methods.registry.spec import Argument, MethodSpec, as_frameworks
from metannvis_methods.vocabulary import SmoothGrad

__all__ = ["Job", "MethodCall", "MethodOutput", "Outcome", "Progress", "Target", "Toolset", "reasons_of", "runs_in"]

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
    """One call of one method, from where a caller's arguments are resolved to the toolset that runs it.

    It begins in the terms of the caller's model: tensors and layouts as they were given, a layer by its name, a target as a
    class name. Each step on the way replaces fields (:func:`dataclasses.replace`), and a toolset gets it in the terms of the
    model that runs. Inputs, target, layer and output stand in it once: the toolkit's keyword arguments are made of them by
    the row (:attr:`init_arguments`, :attr:`call_arguments`).

    Attributes
    ----------
    spec
        The method.
    model
        For a toolset: a model of :attr:`framework`, in inference mode. It may be edited: it is put back afterwards.
    inputs
        What is explained, one an input; empty if the caller gave none. For a toolset: tensors of the model's framework, dtype
        and device.
    layer
        For a toolset: the layer object of ``model``, ``None`` for a method that wants none.
    init_options, call_options
        Keyword arguments of the constructor and of the call beside model, inputs, target and layer. A score function that the
        caller gave is among them; one that is not, the toolset makes from ``target``.
    target
        What is explained, if the method has a target. For a toolset: a :data:`Target`.
    seed
        Seed for generators that the toolset makes itself; the global ones are seeded already.
    progress
        To be called with ``(done, total, stage)`` where the toolkit says how far it is.
    output
        Which of the model's outputs is explained: an index, a name or a path; ``None``: its only one. For a toolset: ``None``,
        since it is shown a model with one output.
    score
        A function of the output that is explained instead of a target, or one a sample. For a toolset: ``None``, since it is
        shown a model whose output is the score, shape ``(N,)``.
    held
        Inputs by their places that are held as they are while the others are explained: indices, which have no gradients.
        For a toolset: none, since it is shown a model that has them, or takes them as ``extra``.
    embedding
        A layer of ``model`` whose output is the first input, for a model that takes indices alone. For a toolset: ``None``.
    deadline
        When the run ends, as ``time.monotonic`` counts; ``None``: when it is done. The model that a toolset is shown tells.
    logits
        ``True`` where what goes into the model's last softmax or sigmoid is explained. For a toolset: ``None``, since it is
        shown such a model.
    data, value_range
        Samples like the inputs, and what black and white are, for baselines by word. Nothing that a toolset looks at.
    unfit
        What is done about a method that does not fit. Nothing that a toolset looks at.
    reshape
        How tokens lie, as the caller gave it. Nothing that a toolset looks at.
    hear
        For a toolset: to be called with the model's output for the next of the inputs as they are, if it comes by it before
        anything else has passed through the model; ``None``: it is known. Of PyTorch models it is heard without that.
    passed
        For a toolset: to be called with the number of rows after each pass through the model; ``None``: nobody asks, or passes
        are counted without that.
    arrange
        For a toolset, at a layer of a class activation map whose output is no map as the framework has them (tokens, channels
        elsewhere): brings an array of it to ``(N, places…, C)``. ``None``: it is one.
    noise
        The method is run over noisy copies of the inputs. Nothing that a toolset looks at.
    framework
        Key of the framework of ``model``.
    several
        Whether the inputs go to the toolkit as a tuple, as they were given, also if there is one.
    labels
        Class names, if the caller gave them.
    batch_size
        Samples that are run at once, at most.
    translate_options
        Options of ``metannvis_translate.translate``, should the model be translated.
    recorded
        What the caller set, in JSON-able form.
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
    output: Any = None
    score: Any = None
    held: Mapping[int, Any] = field(default_factory=dict)
    embedding: Any = None
    deadline: float | None = None
    logits: bool | None = None
    data: Any = None
    value_range: tuple[float, float] | None = None
    unfit: str = "warn"
    reshape: Any = None
    hear: Callable[[Any], None] | None = None
    passed: Callable[[int], None] | None = None
    arrange: Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]] | None = None
    noise: SmoothGrad | None = None
    framework: str = ""
    several: bool = False
    labels: tuple[str, ...] | None = None
    batch_size: int | None = None
    translate_options: Mapping[str, Any] = field(default_factory=dict)
    recorded: Mapping[str, Any] = field(default_factory=dict)

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

    def predict(self, *inputs: Any) -> np.ndarray[Any, Any]:
        """The explained output of the model, as NumPy, for other inputs: one value an input of the model, NumPy or tensors.

        It is what a method needs that runs on models of any framework.

        Raises
        ------
        InvalidArgumentError
            The model does not run on such inputs, or has several outputs.
        """
        from metannvis_methods.models.registry import adapter_for

        adapter = adapter_for(self.framework)
        tensors = [adapter.as_input(self.model, value, index) for index, value in enumerate(inputs)]
        outputs = adapter.predict(self.model, tensors)
        if len(outputs) != 1:
            raise InvalidArgumentError(f"the model has {len(outputs)} outputs; explain a model that has one of them")
        return outputs[0]


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
        Whether they still have the channels axis (the last one of a channels-last model).
    delta
        Convergence delta, one a sample.
    axes
        One letter an axis of ``values`` (a tuple where ``values`` is one), for values that lie like no tensor of the model: a
        table of units and concepts is ``"UC"``, a number is ``""``. They are returned as they are, whatever ``over`` and
        ``channels`` say.
    kind
        What the result says that it is, if not what the row says (:data:`metannvis_methods.registry.spec.Kind`): ``"table"``,
        ``"scores"``, ``"image"`` and so on.
    """

    values: Any
    over: Literal["input", "layer", "features"] = "input"
    channels: bool = True
    delta: Any = None
    axes: str | tuple[str, ...] | None = None
    kind: str | None = None
    place: int = 0


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
    """

    key: str = ""
    framework: str | tuple[str, ...] | None = ""
    packages: tuple[str, ...] = ()
    install: str = ""
    rows: tuple[MethodSpec, ...] = ()

    def reasons_to_translate(self, spec: MethodSpec, model: Any, inputs: tuple[Any, ...] | None) -> tuple[str, ...]:
        """Why this model of a right framework has to be made canonical first; empty if it has not."""
        return () if type(self).obstacles is Toolset.obstacles else self.obstacles(spec, model, inputs)

    def obstacles(self, spec: MethodSpec, model: Any, inputs: tuple[Any, ...] | None) -> tuple[str, ...]:
        """Older name of :meth:`reasons_to_translate`; a toolset that has this one is asked it."""
        own = type(self).reasons_to_translate is not Toolset.reasons_to_translate
        return self.reasons_to_translate(spec, model, inputs) if own else ()

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
