"""Method rows: what is known of a method before it runs."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, get_args

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.registry.needs import NEEDS
from metannvis_methods.registry.older_names import takes_older_names
from metannvis_methods.registry.option_values import Values
from metannvis_methods.registry.option_words import LayerWords, Words

__all__ = ["KINDS", "UNIFORM", "Argument", "Kind", "MethodSpec", "Role", "as_frameworks", "fold"]

#: What a method attributes to: the inputs; a layer's output; the inputs, for one neuron; or it makes an
#: input.
Kind = Literal["primary", "layer", "neuron", "feature_visualization"]
KINDS: tuple[str, ...] = get_args(Kind)

#: What an argument means, which decides how its value is translated:
#:
#: ``input``, ``baseline``, ``feature_mask``, ``window``, ``stride``  lie like the model's inputs;
#: ``distribution``    baselines to draw from: like an input, but axis 0 counts baselines, not samples;
#: ``extra``           further inputs of the model that nothing is attributed to;
#: ``layer``           names a layer;
#: ``layer_baseline``, ``layer_mask``  lie like that layer's output;
#: ``neuron``          position in that layer's output, batch left out;
#: ``target``          class index or position in the output; ``score`` a function of the output;
#: ``batch``           rows in one forward pass; ``per_eval`` perturbed copies of the batch in one;
#: ``delta``           asks for the convergence delta as well;
#: ``layer_input``     asks for the layer's input instead of its output.
Role = Literal[
    "input",
    "baseline",
    "distribution",
    "feature_mask",
    "window",
    "stride",
    "extra",
    "layer",
    "layer_baseline",
    "layer_mask",
    "neuron",
    "target",
    "score",
    "batch",
    "per_eval",
    "delta",
    "layer_input",
]
ROLES: tuple[str, ...] = get_args(Role)

#: Names of the uniform vocabulary (:func:`metannvis_methods.explain`) and the roles that each one stands for.
UNIFORM: Mapping[str, tuple[Role, ...]] = MappingProxyType(
    {
        "inputs": ("input",),
        "target": ("target", "score"),
        "layer": ("layer",),
        "neuron": ("neuron",),
        "baselines": ("baseline", "distribution", "layer_baseline"),
        "feature_mask": ("feature_mask", "layer_mask"),
        "batch_size": ("batch",),
    }
)


#: What is asked of methods of a family.
PURPOSES: Mapping[str, str] = MappingProxyType(
    {
        "gradient": "which inputs the output comes from, or is sensitive to",
        "perturbation": "which inputs change the output when they are taken away",
        "cam": "where in an image a layer sees what speaks for the output",
        "activation": "what a layer returns",
        "optimization": "what the output responds to most",
    }
)


@functools.lru_cache(maxsize=1024)  # every call asks for the keys of all rows
def fold(name: str) -> str:
    """Form of a method's or toolset's name in which case, ``-``, ``_`` and blanks do not count, and ``plus`` is ``+``."""
    return name.casefold().replace("-", "").replace("_", "").replace(" ", "").replace("plus", "+")


def as_frameworks(named: str | tuple[str, ...] | None) -> tuple[str, ...]:
    """Keys of frameworks as a row or a toolset names them: one, several, or ``None``, which is any and gives ``()``."""
    if named is None:
        return ()
    return (named,) if isinstance(named, str) else tuple(named)


@dataclass(frozen=True)
class Argument:
    """One argument of a method, by the toolkit's own name.

    Attributes
    ----------
    name
        As in the toolkit's signature.
    role
        What it means, ``None`` for a plain option that passes untouched.
    required
        The toolkit has no default for it.
    flag
        It is true or false, and anything else a mistake.
    takes
        What else it takes, so that anything else is refused before a model is opened: :class:`Values`, or :class:`Words` for
        objects of the toolkit, :class:`LayerWords` for one of each of some layers.
    also
        Other names that it is known by: ``"model_modifiers"``.
    own
        It is the toolset's, and nothing that the toolkit's class takes.
    edits
        With it a method that only calls the model does more: it edits layers, or runs them so that they write their statistics.
    """

    name: str
    role: Role | None = None
    required: bool = False
    flag: bool = False
    takes: Values | Words | LayerWords | None = None
    also: tuple[str, ...] = ()
    own: bool = False
    edits: bool = False

    def __post_init__(self) -> None:
        if self.role is not None and self.role not in ROLES:
            raise InvalidArgumentError(
                f"argument {self.name!r}: unknown role {self.role!r}; there are {', '.join(ROLES)}"
            )


@takes_older_names(hooks="needs_canonical", independent="batchable")
@dataclass(frozen=True)
class MethodSpec:
    """One method of one toolset.

    Attributes
    ----------
    key
        Name by which it is asked for.
    toolset
        Key of the toolset whose runner runs it.
    framework
        Key of the framework that the model has to be in, or a tuple of the keys of several, any of which will do.
        ``None``: the method needs predictions only, so it runs in the model's own framework, whatever that is, and
        the model is not translated. :attr:`frameworks` has all three as a tuple.
    kind
        See :data:`Kind`.
    cls
        What is imported when the method runs: ``"package.module:Class"``, or the class itself. It is
        constructed as ``Class(model, **init)``.
    init, call
        Arguments of the constructor (the model left out) and of the call.
    family
        ``gradient``, ``perturbation``, ``cam``, ``activation``, ``optimization``.
    reference
        The paper it follows.
    summary
        One line for people.
    caveats
        What to know before believing its result.
    needs_canonical
        It hooks on the modules of activations, so a functional, shared or in-place one makes it silently
        wrong: the model has to be in canonical form. ``hooks`` is an older name of it.
    gradients
        It differentiates the model. ``None``: as its family says, all but ``perturbation`` and ``activation``.
    stochastic
        Two runs differ unless ``seed`` is given.
    batchable
        Each sample's result depends on that sample only, so a batch may be cut up. ``independent`` is an older name
        of it.
    defaults
        Call arguments that this row sets unless the caller does.
    needs
        What a model or a call has to have for the method to say anything, by the words of
        :data:`metannvis_methods.registry.needs.NEEDS`: ``"relu"``, ``"batch"``, ``"logits"`` and so on. What lacks is told
        before the run.
    passes
        Rows that pass through the model for each sample, beside the prediction: a formula of the row's options, and of
        ``features`` (groups of the mask), ``windows``, ``baselines`` and ``channels``.
    sanity
        What is published of it under weights drawn anew.
    moves_inputs
        A layer's method that walks or draws among inputs, which have to be numbers for that.
    rows_a_sample
        Rows that a sample adds to a pass through the model: 1; 2 where input and baseline share a pass; ``None``: as many as
        there are steps, draws or windows.
    only_calls
        It calls the model and looks at what goes in and comes out: it hooks nothing, changes nothing, and keeps nothing of what
        a layer returned; but for arguments that say otherwise (:attr:`Argument.edits`).
    optimizes
        It makes inputs step by step: it is told what they are like (:attr:`MethodCall.shapes`, :attr:`MethodCall.value_range`),
        ends with what there is when the time is over, and returns a :class:`~metannvis_methods.registry.history.History`.
    """

    key: str
    toolset: str
    framework: str | tuple[str, ...] | None
    kind: Kind
    cls: str | type
    init: tuple[Argument, ...] = ()
    call: tuple[Argument, ...] = ()
    family: str = "gradient"
    reference: str = ""
    summary: str = ""
    caveats: tuple[str, ...] = ()
    needs_canonical: bool = False
    stochastic: bool = False
    batchable: bool = True
    defaults: tuple[tuple[str, Any], ...] = ()
    gradients: bool | None = None
    rows_a_sample: int | None = None
    moves_inputs: bool = False
    needs: tuple[str, ...] = ()
    passes: str = ""
    sanity: str = ""
    only_calls: bool = False
    optimizes: bool = False

    def __post_init__(self) -> None:
        where = f"method {self.key!r} of {self.toolset!r}"
        for name in ("key", "toolset"):
            if not isinstance(getattr(self, name), str) or not getattr(self, name):
                raise InvalidArgumentError(f"{where}: {name} has to be a name")
        if not isinstance(self.framework, str):  # one framework is its name and none is None, however they are written
            several = as_frameworks(self.framework)
            object.__setattr__(self, "framework", several if len(several) > 1 else several[0] if several else None)
        if not all(isinstance(key, str) and key for key in self.frameworks):
            raise InvalidArgumentError(f"{where}: framework has to be a name, several names, or None")
        if self.kind not in KINDS:
            raise InvalidArgumentError(f"{where}: unknown kind {self.kind!r}; there are {', '.join(KINDS)}")
        if isinstance(self.cls, str) and self.cls.count(":") != 1:
            raise InvalidArgumentError(f"{where}: cls={self.cls!r} has to read 'package.module:Class'")
        for need in self.needs:
            if need not in NEEDS:
                raise InvalidArgumentError(f"{where}: unknown need {need!r}; there are {', '.join(NEEDS)}")
        names = [argument.name for argument in self.arguments]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise InvalidArgumentError(f"{where}: argument listed twice: {', '.join(twice)}")

    @property
    def frameworks(self) -> tuple[str, ...]:
        """Keys of the frameworks that the model may be in, the one to translate to in front; empty: any."""
        return as_frameworks(self.framework)

    def runs_on(self, framework: str) -> bool:
        """Whether a model of that framework needs no translation for this method."""
        return self.framework is None or self.framework == framework or framework in self.frameworks

    @property
    def hooks(self) -> bool:
        """Older name of :attr:`needs_canonical`."""
        return self.needs_canonical

    @property
    def independent(self) -> bool:
        """Older name of :attr:`batchable`."""
        return self.batchable

    @property
    def arguments(self) -> tuple[Argument, ...]:
        """Constructor arguments, then call arguments."""
        return (*self.init, *self.call)

    @property
    def base(self) -> str:
        """Key without the prefix that says the kind: ``layer_conductance`` → ``conductance``."""
        return self.key.removeprefix(f"{self.kind}_")

    @property
    def required(self) -> tuple[Argument, ...]:
        """Arguments that the toolkit has no default for, the layer left out."""
        return tuple(argument for argument in self.arguments if argument.required and argument.role != "layer")

    def argument(self, name: str) -> Argument | None:
        """Argument by the toolkit's name, or another one that it is known by."""
        return next((argument for argument in self.arguments if name in (argument.name, *argument.also)), None)

    def by_role(self, *roles: str | None) -> Argument | None:
        """First argument that has one of these roles."""
        return next((argument for argument in self.arguments if argument.role in roles), None)

    @property
    def draws_maps(self) -> bool:
        """Whether it makes something of the channels of a layer's map, so that it has to know which axes these are."""
        return self.family == "cam" or "map" in self.needs

    @property
    def differentiates(self) -> bool:
        """Whether the method asks for gradients of the model."""
        return self.family not in ("perturbation", "activation") if self.gradients is None else self.gradients

    def argument_for(self, name: str) -> Argument | None:
        """Argument that a name of the uniform vocabulary stands for, ``None`` if this method has none."""
        return self.by_role(*UNIFORM.get(name, ()))

    def speaks(self, name: str) -> Argument | None:
        """Older name of :meth:`argument_for`."""
        return self.argument_for(name)

    @property
    def purpose(self) -> str:
        """What is asked of it."""
        of = PURPOSES.get(self.family, "what an explanation is made of")
        return {
            "neuron": of.replace("the output", "a neuron"),
            "layer": of.replace("inputs", "parts of a layer"),
        }.get(self.kind if self.family not in ("cam", "activation") else "", of)

    @property
    def support(self) -> str:
        """In which frameworks it runs, and how models of others come there."""
        if not self.frameworks:
            return "in the model's own framework"
        form = ", brought into canonical form where its activations are no modules" if self.needs_canonical else ""
        return f"in {' or '.join(self.frameworks)}{form}; models of others by translation"

    def to_dict(self) -> dict[str, Any]:
        """The row as plain, JSON-able values."""
        return {
            "key": self.key,
            "toolset": self.toolset,
            "framework": self.framework if isinstance(self.framework, str) else None,
            "frameworks": list(self.frameworks),
            "kind": self.kind,
            "class": self.cls if isinstance(self.cls, str) else f"{self.cls.__module__}:{self.cls.__qualname__}",
            "family": self.family,
            "summary": self.summary,
            "reference": self.reference,
            "caveats": list(self.caveats),
            "stochastic": self.stochastic,
            "defaults": dict(self.defaults),
            "needs": list(self.needs),
            "purpose": self.purpose,
            "passes": self.passes,
            "sanity": self.sanity,
            "support": self.support,
            "arguments": [
                {
                    "name": argument.name,
                    "of": side,
                    "role": argument.role,
                    "required": argument.required,
                    "flag": argument.flag,
                    "takes": "true or false"
                    if argument.flag
                    else None
                    if argument.takes is None
                    else str(argument.takes),
                }
                for side, arguments in (("constructor", self.init), ("call", self.call))
                for argument in arguments
            ],
        }

    def __str__(self) -> str:
        where = " or ".join(self.frameworks) or "any framework"
        lines = [f"{self.key} ({self.toolset}, {where}; {self.kind}, {self.family})"]
        lines += [f"  {self.summary}"] if self.summary else []
        lines += [f"  for: {self.purpose}"]
        lines += [f"  runs: {self.support}"]
        lines += [f"  passes a sample: {self.passes}{' and back' * self.differentiates}"] if self.passes else []
        lines += [f"  sanity checks: {self.sanity}"] if self.sanity else []
        lines += [f"  reference: {self.reference}"] if self.reference else []
        lines += [f"  needs: {NEEDS[need]}" for need in self.needs]
        lines += [f"  caveat: {caveat}" for caveat in self.caveats]
        for side, arguments in (("constructor", self.init), ("call", self.call)):
            if arguments:
                lines.append(f"  {side}: " + ", ".join(_spell(argument) for argument in arguments))
        names = [
            f"{name} → {argument.name}"
            for name in UNIFORM
            if (argument := self.argument_for(name)) and argument.name != name
        ]
        lines += [f"  in explain(): {', '.join(names)}"] if names else []
        by_word = [argument for argument in self.arguments if isinstance(argument.takes, (Words, LayerWords))]
        lines += [f"  {argument.name}, {argument.takes}" for argument in by_word]
        return "\n".join(lines)


def _spell(argument: Argument) -> str:
    return argument.name + (" (required)" if argument.required else "")
