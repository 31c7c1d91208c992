"""Option words: objects of a toolkit that an option takes by their names, with options of their own.

``"jitter"``, ``"jitter:8"``, ``{"jitter": 8}``, ``("rotate", {"degree": 2.0})`` and ``{"norm": {"weight": 0.3, "p": 1}}`` are
words; so are several of them in a list, in a dict, or in a text with commas between. They are plain values, so that a record
holds them and a command line can write them. A toolset gets :class:`ChosenWord` in their stead.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from metannvis_methods.errors import InvalidArgumentError, near_misses
from metannvis_methods.registry.option_values import Values

__all__ = ["ChosenWord", "FoundLayer", "LayerWords", "NamesLayers", "Word", "Words", "chosen_in"]


def _folded(name: str) -> str:
    return name.strip().casefold().replace("-", "").replace("_", "").replace(" ", "")


@dataclass(frozen=True)
class Word:
    """One word.

    Attributes
    ----------
    name
        The word.
    options
        Options by their names, and what each takes.
    main
        The option that a bare value stands for: ``{"jitter": 8}``.
    also
        Other names of the word: the toolkit's class.
    required
        Options without a default.
    layer
        The option that names a layer of the caller's model.
    axes
        The option that counts axes of the caller's input.
    rank
        Axes that an input has to have, at least: ``(3, None)``, or exactly: ``(4, 4)``.
    """

    name: str
    options: Mapping[str, Values] = field(default_factory=lambda: MappingProxyType({}))
    main: str | None = None
    also: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    layer: str | None = None
    axes: str | None = None
    rank: tuple[int, int | None] | None = None

    def __str__(self) -> str:
        return f"{self.name}({', '.join(self.options)})" if self.options else self.name


@dataclass(frozen=True)
class ChosenWord:
    """A word that was chosen, and those of its options that were given."""

    word: Word
    options: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The word."""
        return self.word.name


@dataclass(frozen=True)
class Words:
    """What an option takes by word.

    Attributes
    ----------
    what
        What one is, as messages call it: ``"regularizer"``.
    words
        The words there are.
    several
        Whether it takes several at once.
    per_input
        Whether each input of the model has its own: a dict of them by the names of the inputs, or a list a list.
    """

    what: str
    words: tuple[Word, ...]
    several: bool = True
    per_input: bool = False

    def __str__(self) -> str:
        return f"{'words' if self.several else 'a word'}: {', '.join(map(str, self.words))}"

    @property
    def names(self) -> tuple[str, ...]:
        """The words."""
        return tuple(word.name for word in self.words)

    def find(self, name: str) -> Word | None:
        """The word of that name; case, ``-`` and ``_`` do not count."""
        wanted = _folded(name)
        return next((word for word in self.words if wanted in map(_folded, (word.name, *word.also))), None)

    def check(self, value: Any, where: str) -> None:
        """Refuse what is no such word; the names of inputs are not known yet."""
        self.parse(value, where)

    def parse(self, value: Any, where: str) -> list[Any] | dict[str, list[Any]]:
        """A value as :class:`ChosenWord` and objects of the toolkit's.

        It is a list for the model, or where inputs have their own a list or a dict of lists.

        Raises
        ------
        InvalidArgumentError
            It is no such word, or its options are not; the message names close ones.
        """
        if self.per_input and isinstance(value, Mapping) and self._names_inputs(value):
            return {name: self._flat(item, f"{where} for input {name!r}") for name, item in value.items()}
        lists = isinstance(value, (list, tuple)) and not self._is_pair(value)
        if (
            self.per_input
            and lists
            and any(self._is_list(item) or (item is None) or not self.several for item in value)
        ):
            return [self._flat(item, f"{where} for input {place}") for place, item in enumerate(value)]
        return self._flat(value, where)

    def _names_inputs(self, value: Mapping[Any, Any]) -> bool:
        """Whether the keys of a dict are names of inputs, as far as what stands behind them tells."""
        keys = [key for key in value if isinstance(key, str)]
        if not value or len(keys) < len(value) or any(self.find(key) for key in keys):
            return False
        for item in value.values():
            texts = [item] if isinstance(item, str) else list(item) if isinstance(item, Mapping) else []
            if isinstance(item, (bool, int, float)) or not all(self._begins(text) for text in texts):
                return False
        return True

    def _begins(self, text: Any) -> bool:
        return isinstance(text, str) and all(self.find(part.partition(":")[0]) is not None for part in text.split(","))

    def _is_pair(self, value: Any) -> bool:
        """Whether it is one word with its options: ``("rotate", {"degree": 2.0})``; a record has it as a list."""
        return (
            isinstance(value, tuple if self.several else (tuple, list))
            and len(value) == 2
            and isinstance(value[0], str)
            and not isinstance(value[1], str)
            and (isinstance(value[1], (Mapping, bool, int, float)))
        )

    def _is_list(self, value: Any) -> bool:
        return isinstance(value, (list, tuple)) and not self._is_pair(value)

    def _flat(self, value: Any, where: str) -> list[Any]:
        if value is None:
            return []
        if isinstance(value, str):
            found = [self._of_text(part, where) for part in (value.split(",") if self.several else [value])]
        elif isinstance(value, Mapping):
            found = [self._chosen(key, options, where) for key, options in value.items() if options is not False]
        elif self._is_list(value):
            found = [one for item in value for one in self._flat(item, where)]
        elif self._is_pair(value):
            found = [self._chosen(value[0], value[1], where)]
        else:
            found = [self._object(value, where)]
        if not self.several and len(found) > 1:
            raise InvalidArgumentError(f"{where} is one {self.what}, not {len(found)}: {value!r}")
        return found

    def _object(self, value: Any, where: str) -> Any:
        """An object of the toolkit's, or a function; a class of the toolkit's that is a word stands for it."""
        if isinstance(value, type) and (word := self.find(value.__name__)) is not None:
            return self._checked(word, {}, where)
        if isinstance(value, (bool, int, float, bytes, np.generic, np.ndarray)):
            raise InvalidArgumentError(f"{where} takes {self}, or an object of the toolkit's; not {value!r}")
        return value

    def _of_text(self, text: str, where: str) -> ChosenWord:
        name, sign, rest = text.partition(":")
        if not sign:
            return self._chosen(name, None, where)
        value: Any = rest.strip()
        with suppress(ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            value = ast.literal_eval(value)
        return self._chosen(name, value, where)

    def _chosen(self, name: Any, options: Any, where: str) -> ChosenWord:
        word = self.find(name) if isinstance(name, str) else None
        if word is None:
            close = near_misses(name, self.names) if isinstance(name, str) else []
            hint = f"Close: {', '.join(close)}." if close else f"There are: {', '.join(self.names)}."
            raise InvalidArgumentError(f"{where}: no {self.what} {name!r}. {hint}")
        if options is None or options is True:
            return self._checked(word, {}, where)
        if isinstance(options, Mapping):
            return self._checked(word, options, where)
        if word.main is None:
            takes = f"options by name: {', '.join(word.options)}" if word.options else "no options"
            raise InvalidArgumentError(f"{where}: {word.name} takes {takes}; not {options!r}")
        return self._checked(word, {word.main: options}, where)

    def _checked(self, word: Word, options: Mapping[Any, Any], where: str) -> ChosenWord:
        for name, value in options.items():
            if name not in word.options:
                close = near_misses(str(name), tuple(word.options))
                has = f"it has: {', '.join(word.options)}" if word.options else "it has none"
                hint = f"close: {', '.join(close)}" if close else has
                raise InvalidArgumentError(f"{where}: {word.name} has no option {name!r}; {hint}")
            word.options[name].check(value, f"{where}: {name} of {word.name}")
        missing = [name for name in word.required if name not in options]
        if missing:
            raise InvalidArgumentError(
                f"{where}: {word.name} needs {', '.join(missing)}: "
                f"{{{word.name!r}: {{{', '.join(f'{name!r}: …' for name in missing)}}}}}"
            )
        return ChosenWord(word, dict(options))


@dataclass(frozen=True)
class LayerWords:
    """What an option takes by word for each of some layers: ``{"conv1": "flat", "dense": {"epsilon": 0.1}}``.

    Attributes
    ----------
    words
        What a layer takes; one word.
    kinds
        Names of kinds of layers, which stand for all of a kind. Other names are those of layers of the caller's model.
    """

    words: Words
    kinds: tuple[str, ...]

    def __str__(self) -> str:
        return f"a dict of layers, or of {', '.join(self.kinds)}, to {self.words}"

    def check(self, value: Any, where: str) -> None:
        """Refuse what is no such dict; which layers there are is not known yet."""
        if not isinstance(value, Mapping) or not value:
            raise InvalidArgumentError(f"{where} is {self}; not {value!r}")
        for name, word in value.items():
            self.chosen(word, f"{where} for {name!r}")

    def chosen(self, word: Any, where: str) -> Any:
        """The word of one layer."""
        found = list(self.words.parse(word, where))
        if len(found) != 1:
            raise InvalidArgumentError(f"{where} is one {self.words.what}, not {word!r}")
        return found[0]


@dataclass(frozen=True)
class FoundLayer:
    """A layer of the model that runs, found by its name in the caller's.

    Attributes
    ----------
    layer
        The layer object.
    axes
        One letter an axis of what it returns, as the model that runs has it; empty if they are not known.
    name
        Its name in the caller's model.
    position
        Brings a position in what it returns from the caller's layout into that of the model that runs.
    """

    layer: Any
    axes: str = ""
    name: str = ""
    position: Callable[[Any], Any] = field(default=lambda position: position, repr=False, compare=False)


@dataclass(frozen=True)
class NamesLayers(Values):
    """What an option takes that names layers of the caller's model.

    Attributes
    ----------
    settle
        Makes of a value that fits, and of a function that finds a layer by its name, what the toolset gets.
    """

    settle: Callable[[Any, Callable[[str], FoundLayer]], Any] = lambda value, find: value


def chosen_in(parsed: Sequence[Any] | Mapping[str, Any]) -> list[ChosenWord]:
    """The words in what :meth:`Words.parse` returns."""
    items = parsed.values() if isinstance(parsed, Mapping) else parsed
    found: list[ChosenWord] = []
    for item in items:
        if isinstance(item, ChosenWord):
            found.append(item)
        elif isinstance(item, list):
            found += chosen_in(item)
    return found
