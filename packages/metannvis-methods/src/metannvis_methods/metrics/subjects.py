"""What is evaluated: methods by name, by words or as explanations, each explained and able to run again."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from metannvis_methods.errors import InvalidArgumentError, MetannvisError, MissingArgumentError
from metannvis_methods.explain import WORDS, explain
from metannvis_methods.metrics.joined import Given, JoinedLayout
from metannvis_methods.metrics.layout import Layout
from metannvis_methods.metrics.scoring import Aim
from metannvis_methods.registry.table import find_methods
from metannvis_methods.results.explanation import Explanation
from metannvis_methods.running.request import check_request
from metannvis_methods.running.word_checks import mapping_word
from metannvis_methods.running.words import Words

__all__ = ["Asked", "Subject", "asked", "check_asked", "map_of", "place_of", "subject_of"]

Array = np.ndarray[Any, Any]
#: Words of ``explain`` that are said again for each run, or not at all.
OF_ONE_RUN = ("inputs", "target", "progress", "preprocess", "deadline")
#: More inputs than any model has, of one that does not name its inputs.
MOST = 100


@dataclass(frozen=True)
class Asked:
    """A method that is to be evaluated: its name in tables, and its words, or an explanation by it."""

    name: str
    words: Mapping[str, Any] = field(default_factory=dict)
    explanation: Explanation | None = None


@dataclass(frozen=True)
class Subject:
    """An explanation that is evaluated, and how its method runs again.

    Attributes
    ----------
    explanation, layout
        The explanation, and how the inputs that metrics change lie.
    given
        All inputs of the model, in the caller's layout, and which of them are changed.
    attributions
        Shape ``(N, places…, K)``, see :class:`metannvis_methods.metrics.spec.MetricCall`.
    aim
        What of the output is explained.
    words
        Of the method, for the next run.
    """

    explanation: Explanation
    layout: Layout | JoinedLayout
    given: Given
    attributions: Array
    aim: Aim
    words: Mapping[str, Any]

    @property
    def samples(self) -> int:
        """Number of samples."""
        return len(self.given.arrays[0])

    @property
    def inputs(self) -> Array:
        """What is changed, shape ``(N, places…, C)``."""
        if isinstance(self.layout, JoinedLayout):
            return self.layout.arranged([self.given.arrays[place] for place in self.given.chosen])
        return self.layout.arranged(self.given.arrays[self.given.chosen[0]])

    def alone(self, place: int) -> Subject:
        """Of one of the inputs that are explained, whose place is given; the others are held.

        Raises
        ------
        InvalidArgumentError
            The input is not explained.
        """
        if self.given.chosen == (place,):
            return self
        given = dataclasses.replace(self.given, chosen=(place,))
        return _subject(self.explanation, given, self.aim, self.words)

    def again(self, model: Any, inputs: Array, *, seed: int | None = None) -> Array:
        """The method on other inputs ``(N, places…, C)``, or of another model: attributions ``(N, places…, K)``."""
        words = {**self.words, "target": self.aim.target}
        if seed is not None:
            words["seed"] = seed
        if not isinstance(words.get("translation"), Mapping):  # a finished one is of the model that was explained
            words.pop("translation", None)
        given = dataclasses.replace(self.given, arrays=self.given.rows(self.layout.restored(inputs)))
        whole = given.arrays if len(given.arrays) > 1 else given.arrays[0]
        return _arranged_values(explain(model, inputs=whole, **words), given)


def asked(methods: Any, shared: Mapping[str, Any]) -> list[Asked]:
    """What is to be evaluated, in order, with names that tell apart.

    Parameters
    ----------
    methods
        The name of a method, a dict of words of ``explain`` with ``method``, an explanation; a list of these; or a dict of
        them by names.
    shared
        Words for every method that does not say otherwise.

    Raises
    ------
    InvalidArgumentError
        There is none, or one is nothing of that.
    """
    single = isinstance(methods, (str, Explanation)) or (isinstance(methods, Mapping) and "method" in methods)
    if single:
        methods = [methods]
    if isinstance(methods, Mapping):
        named = [(str(name), item) for name, item in methods.items()]
    elif isinstance(methods, Sequence):
        named = [("", item) for item in methods]
    else:
        raise InvalidArgumentError(f"methods are names, dicts of words or explanations, not {type(methods).__name__}")
    if not named:
        raise InvalidArgumentError("there is no method to evaluate: name one, or give an explanation")
    found: list[Asked] = []
    for name, item in named:
        if isinstance(item, Explanation):
            found.append(Asked(name or _name_of(vars(item)), {}, item))
            continue
        words = {"method": item} if isinstance(item, str) else dict(item) if isinstance(item, Mapping) else {}
        if not isinstance(words.get("method"), str):
            raise InvalidArgumentError(
                f"a method is a name, a dict of words with 'method', or an explanation: {item!r}"
            )
        found.append(Asked(name or _name_of(words), {**shared, **words}))
    return _told_apart(found)


def check_asked(items: Sequence[Asked], beside: Mapping[str, Any]) -> None:
    """Refuse methods that there are not, words that no method takes so, and a call of which nothing can be run.

    Parameters
    ----------
    beside
        Words for all: inputs, target, labels, seed.

    Raises
    ------
    MetannvisError
        What :func:`metannvis_methods.explain` would raise before it opens a model.
    """
    refused: list[MetannvisError] = []
    for item in items:
        if item.explanation is not None:
            continue
        words = {**beside, **item.words}
        method = words.pop("method")
        find_methods(method, words.get("toolset"))
        more = {name: words.pop(name) for name in list(words) if name not in WORDS}
        known = Words(**{**words, "options": {**(mapping_word("options")(words.get("options")) or {}), **more} or None})
        known.checked()
        try:
            check_request(method, known)
        except (InvalidArgumentError, MissingArgumentError) as error:
            refused.append(error)
    if refused and len(refused) == len(items):
        raise refused[0]


def _name_of(words: Mapping[str, Any]) -> str:
    """What a method is called that nobody named."""
    toolset, layer = words.get("toolset"), words.get("layer")
    name = f"{words['method']} ({toolset})" if toolset else str(words["method"])
    return f"{name} at {layer}" if isinstance(layer, str) else name


def _told_apart(found: Sequence[Asked]) -> list[Asked]:
    seen: dict[str, int] = {}
    apart = []
    for item in found:
        seen[item.name] = seen.get(item.name, 0) + 1
        count = seen[item.name]
        apart.append(item if count == 1 else dataclasses.replace(item, name=f"{item.name}, {count}"))
    return apart


def subject_of(
    item: Asked, model: Any, inputs: Any, target: Any, labels: Any, seed: int | None, of: int | None = None
) -> Subject:
    """Explain, if that is not done yet; ``of``: place of the input that metrics change, ``None``: of all that are explained.

    Raises
    ------
    MetannvisError
        The method fails, or its values are no maps of the inputs.
    """
    words = {"seed": seed, **item.words}
    if item.explanation is None:
        words = {"target": target, "labels": labels, **words}
        explanation = explain(model, **{"inputs": inputs, **words})
        if not isinstance(explanation, Explanation):
            raise InvalidArgumentError(
                "one layer and one batch at a time are evaluated: name each in a method of its own"
            )
        aimed = words["target"] if isinstance(explanation.target, str) else explanation.target
        output = words.get("output") if explanation.output is None else explanation.output
    else:
        explanation = item.explanation
        aimed = target if isinstance(explanation.target, str) else explanation.target
        output = explanation.output
        if isinstance(explanation.target, str) and aimed is None:
            raise MissingArgumentError(
                f"the explanation is of the target {explanation.target!r}, a function: give it again with target="
            )
        recorded = {} if explanation.record is None else dict(explanation.record.words)
        words = {"seed": seed, **recorded, "method": explanation.method, "toolset": explanation.toolset}
        words |= {} if explanation.layer is None else {"layer": explanation.layer}
    words = {name: value for name, value in words.items() if name not in OF_ONE_RUN}
    words.setdefault("unfit", "ignore")  # it was told once
    logits = bool(explanation.options.get("logits"))
    aim = Aim(aimed, output, explanation.labels or labels, logits)
    arrays = explanation.inputs if explanation.inputs is not None else inputs
    if arrays is None:
        raise InvalidArgumentError("metrics are of inputs, and the explanation has none: give them, inputs=")
    arrays = tuple(np.asarray(array) for array in (arrays if isinstance(arrays, tuple) else (arrays,)))
    known = explanation.input_axes or ""
    axes = (known,) if isinstance(known, str) else known
    return _subject(explanation, Given(arrays, _chosen(explanation, len(arrays), of), axes), aim, words)


def place_of(name: Any, names: Sequence[str]) -> int:
    """Place of an input of a model, by its name or its place.

    Raises
    ------
    InvalidArgumentError
        There is none.
    """
    if isinstance(name, (int, np.integer)) and not isinstance(name, bool) and 0 <= name < (len(names) or MOST):
        return int(name)
    if name in names:
        return list(names).index(name)
    known = ", ".join(repr(one) for one in names) or "one"
    raise InvalidArgumentError(f"there is no input {name!r} of the model: it has {known}; a place counts from 0")


def _chosen(explanation: Explanation, count: int, of: int | None) -> tuple[int, ...]:
    """Places of the inputs that are changed: those that have values, or the one that is named."""
    if of is not None and of >= count:
        raise InvalidArgumentError(f"there is no input {of} of {count}; a place counts from 0")
    if count == 1 or of is not None:
        return (of or 0,)
    if not isinstance(explanation.values, tuple) or explanation.kind == "layer":
        raise InvalidArgumentError(
            f"{explanation.method} of {explanation.toolset} gives a map that is of no input by itself, and the model has "
            f"{count}: say for which one's places to take it, of=…"
        )
    return tuple(place for place, values in enumerate(explanation.values) if values is not None)


def _subject(explanation: Explanation, given: Given, aim: Aim, words: Mapping[str, Any]) -> Subject:
    return Subject(explanation, given.layout, given, _arranged_values(explanation, given), aim, words)


def _arranged_values(explanation: Explanation, given: Given) -> Array:
    """What an explanation says of the inputs that are changed, shape ``(N, places…, K)``."""
    layout = given.layout
    several = len(given.arrays) > 1
    maps = [map_of(explanation, place if several else None) for place in given.chosen]
    if isinstance(layout, JoinedLayout):
        return layout.arranged_values([values for values, _ in maps], [axes for _, axes in maps])
    return layout.arranged_values(*maps[0])


def map_of(explanation: Explanation, place: int | None = None) -> tuple[Array, str]:
    """Values and axes of an explanation of one input, or of that at a place; a map of a layer is every input's.

    Raises
    ------
    InvalidArgumentError
        It gives several arrays, none for that input, or images.
    """
    values, axes = explanation.values, explanation.axes
    if isinstance(values, tuple) and len(values) == 1 and values[0] is not None:
        values, axes = values[0], axes[0]
    elif isinstance(values, tuple) and place is not None and explanation.kind != "layer" and place < len(values):
        own = values[place]
        if own is None:
            raise InvalidArgumentError(
                f"{explanation.method} of {explanation.toolset} has no values for input {place}, which it held"
            )
        values, axes = own, axes[place]
    if not isinstance(values, np.ndarray) or not isinstance(axes, str) or explanation.kind == "feature_visualization":
        raise InvalidArgumentError(f"{explanation.method} of {explanation.toolset} gives no map of one input")
    return values, axes
