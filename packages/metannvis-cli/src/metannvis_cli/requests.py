"""Requests of a call: each method of each toolset, at each layer, for each target."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import click

from metannvis_cli.option_words import WORDS
from metannvis_cli.options.method import folded, scoped_options
from metannvis_cli.options.run import RunOptions

__all__ = ["Aim", "Request", "one_a_sample", "requests"]

#: Words that some methods have no use for: where others of the call have, they do without.
OF_SOME = ("layer", "neuron", "baselines", "feature_mask", "reshape")


@dataclass(frozen=True)
class Aim:
    """A target as it was typed, and as ``explain`` takes it."""

    text: str
    target: Any


@dataclass(frozen=True)
class Request:
    """One explanation that is asked of each input.

    Attributes
    ----------
    method, toolset
        The toolset may be ``None``.
    words
        Of ``explain``, beside those; the target among them.
    aim
        The target as it was typed; empty if none was.
    """

    method: str
    toolset: str | None
    words: Mapping[str, Any] = field(default_factory=dict)
    aim: str = ""

    @property
    def layer(self) -> str | None:
        """Name of the layer, if it is at one."""
        return self.words.get("layer")

    @property
    def shown(self) -> str:
        """What people are told: ``grad_cam of captum at conv, target 3``."""
        toolset = f" of {self.toolset}" if self.toolset else ""
        layer = f" at {self.layer}" if self.layer else ""
        return f"{self.method}{toolset}{layer}" + (f", target {self.aim}" if self.aim else "")

    def parts(self, beside: Sequence[Request]) -> list[str]:
        """What tells it from the requests beside it: parts of a file's name."""
        own = (self.method, self.toolset or "", self.layer or "", self.aim)
        others = [(one.method, one.toolset or "", one.layer or "", one.aim) for one in beside]
        return [part for k, part in enumerate(own) if part and any(other[k] != part for other in others)]


def one_a_sample(aims: Sequence[Aim]) -> list[Aim]:
    """Several targets as one that names a class a sample; one, or none, as they are."""
    if len(aims) < 2:
        return list(aims)
    return [Aim(",".join(aim.text for aim in aims), [aim.target for aim in aims])]


def requests(
    run: RunOptions,
    aims: Sequence[Aim],
    words: Mapping[str, Any],
    check: Callable[..., None],
    note: Callable[[str], None],
    typed: Mapping[str, Any] | None = None,
) -> list[Request]:
    """All combinations of methods, toolsets, layers and targets that there are.

    Parameters
    ----------
    run, aims
        As they were typed; none of a kind leaves it to the method. A toolset may lack some of the methods, which is told.
    words
        For every request; what only some of several methods have is left out of the others, which is told.
    check
        Refuses a request that no model could be given to, as :func:`metannvis_cli.inputs.check_request`.
    note
        Told what was left out.
    typed
        Options of every method that have an option of the command's own; ``None`` is none.

    Raises
    ------
    click.BadParameter
        A method, toolset, layer or target is given twice, or an option is of none of them.
    MetannvisError
        A method is in no toolset that was asked for, or a request cannot be made.
    """
    for hint, names in (("--method", run.methods), ("--toolset", run.toolsets), ("--layer", run.layers)):
        _refuse_twins(hint, names)
    everyone, own = scoped_options(run.options, run.methods, run.toolsets)
    everyone |= {name: value for name, value in (typed or {}).items() if value is not None}
    found: list[Request] = []
    keys: set[tuple[Any, ...]] = set()
    left_out: dict[str, list[str]] = {}
    refusals: dict[str, Exception] = {}
    used: set[str] = set()
    for method, toolset in _rows(run.methods, run.toolsets, note):
        set_options = {**everyone, **own.get(folded(toolset or ""), {}), **own.get(folded(method), {})}
        for layer, aim in itertools.product(run.layers or (None,), aims or (Aim("", None),)):
            given: Mapping[str, Any] = {**words, "layer": layer, "target": aim.target, "options": set_options}
            given, dropped, refusal = _fitting(
                method,
                toolset,
                {**words, "layer": layer, "target": aim.target, "options": set_options},
                check,
                may_drop=len(run.methods) > 1,
            )
            for name in dropped:
                left_out.setdefault(name, []).append(method)
                refusals.setdefault(name, refusal or click.UsageError(f"no method of the call takes {WORDS[name]}"))
            used |= {name for name in OF_SOME if given.get(name) is not None}
            request = Request(method, toolset, given, aim.text)
            key = (method, toolset, request.layer, aim.text)
            if key not in keys:  # a method that takes no layer is run once, not once a layer
                keys.add(key)
                found.append(request)
    for name, lacking in left_out.items():
        if name not in used:
            raise refusals[name]
        note(f"{WORDS[name]} is not for {', '.join(dict.fromkeys(lacking))}, which {_does(lacking)} without")
    return found


def _refuse_twins(hint: str, given: Sequence[str]) -> None:
    keys = [folded(name) if hint != "--layer" else name for name in given]
    for k, key in enumerate(keys):
        if key in keys[:k]:
            raise click.BadParameter(f"{given[k]} is given twice", param_hint=hint)


def _rows(
    methods: Sequence[str], toolsets: Sequence[str], note: Callable[[str], None]
) -> Iterator[tuple[str, str | None]]:
    """Each method in each toolset that has it."""
    from metannvis_methods import find_methods
    from metannvis_methods.errors import UnknownMethodError

    for method in methods:
        if not toolsets:
            find_methods(method)
            yield method, None
            continue
        refused: list[UnknownMethodError] = []
        for toolset in toolsets:
            try:
                find_methods(method, toolset)
            except UnknownMethodError as error:
                refused.append(error)
            else:
                yield method, toolset
        if len(refused) == len(toolsets):
            raise refused[0]
        for lacking in refused:
            note(f"left out: {lacking}")


def _fitting(
    method: str, toolset: str | None, words: Mapping[str, Any], check: Callable[..., None], *, may_drop: bool
) -> tuple[Mapping[str, Any], tuple[str, ...], Exception | None]:
    """The words that a method takes of those that are for some methods only; the others' names, and how they were refused."""
    from metannvis_methods.errors import InvalidArgumentError

    given = [name for name in OF_SOME if words.get(name) is not None] if may_drop else []
    refused: list[InvalidArgumentError] = []
    for count in range(len(given) + 1):
        for names in itertools.combinations(given, count):
            fewer = {**words, **dict.fromkeys(names)}
            try:
                check(method, toolset=toolset, **fewer)
            except InvalidArgumentError as error:
                refused.append(error)
            else:
                return fewer, names, next(iter(refused), None)
    raise refused[0]


def _does(names: Sequence[str]) -> str:
    return "do" if len(set(names)) > 1 else "does"
