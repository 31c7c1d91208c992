"""From the caller's words to the toolkit's: which argument goes where, and which are missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from metannvis_methods.errors import InvalidArgumentError, MissingArgumentError, near_misses
from metannvis_methods.spec import UNIFORM, MethodSpec, Role
from metannvis_methods.toolset import Target

__all__ = ["Bound", "bind", "check_required", "class_index", "plain_target", "settle_target"]


@dataclass
class Bound:
    """Arguments of one run by the toolkit's names, values still as the caller gave them."""

    spec: MethodSpec
    init: dict[str, Any] = field(default_factory=dict)
    call: dict[str, Any] = field(default_factory=dict)

    def side(self, name: str) -> dict[str, Any]:
        """Where an argument of the row belongs: with the constructor's or with the call's."""
        return self.init if any(argument.name == name for argument in self.spec.init) else self.call

    def of(self, *roles: Role) -> Any:
        """Value of the first given argument with one of these roles, ``None`` if there is none."""
        for argument in self.spec.arguments:
            if argument.role in roles and self.side(argument.name).get(argument.name) is not None:
                return self.side(argument.name)[argument.name]
        return None

    def give(self, name: str, value: Any, said: str) -> None:
        """Set an argument that is not set yet; ``said`` is the word the caller used for it."""
        side = self.side(name)
        if name in side:
            raise InvalidArgumentError(
                f"{self.spec.key}: {said!r} and {name!r} are the same argument; give one of them"
            )
        side[name] = value

    def take(self, *roles: Role) -> Any:
        """Like :meth:`of`, and remove every argument of these roles."""
        value = self.of(*roles)
        for argument in self.spec.arguments:
            if argument.role in roles:
                self.side(argument.name).pop(argument.name, None)
        return value


def bind(
    spec: MethodSpec,
    words: Mapping[str, Any],
    options: Mapping[str, Any] | None = None,
    *,
    init_args: Mapping[str, Any] | None = None,
    exec_args: Mapping[str, Any] | None = None,
) -> Bound:
    """Route arguments to the constructor or the call by the row.

    Parameters
    ----------
    words
        The uniform vocabulary (:data:`metannvis_methods.spec.UNIFORM`); ``None`` means not given.
    options
        By the toolkit's names; one that the row does not know is refused.
    init_args, exec_args
        By the toolkit's names or the uniform ones. What the row does not know passes through to the toolkit.

    Raises
    ------
    InvalidArgumentError
        The method has no such argument (the message names close ones), or it was given twice.
    """
    bound = Bound(spec)
    for given, unknown in ((init_args or {}, bound.init), (exec_args or {}, bound.call)):
        if not isinstance(given, Mapping):
            raise InvalidArgumentError(f"init_args and exec_args are dicts, not {type(given).__name__}")
        for name, value in given.items():
            argument = spec.argument(name) or spec.speaks(name)
            if argument is None:
                unknown[name] = value
            else:
                bound.give(argument.name, value, name)
    for name, value in (options or {}).items():
        if spec.argument(name) is None:
            raise InvalidArgumentError(_unknown(spec, name))
        bound.give(name, value, name)
    for word, value in words.items():
        if value is None:
            continue
        argument = spec.speaks(word)
        if argument is not None:
            bound.give(argument.name, value, word)
        else:
            raise InvalidArgumentError(_takes_no(spec, word))
    for name, value in spec.defaults:
        bound.side(name).setdefault(name, value)
    return bound


def _unknown(spec: MethodSpec, name: str) -> str:
    names = [argument.name for argument in spec.arguments if argument.role not in ("input", "layer")]
    close = near_misses(name, [*names, *UNIFORM])
    hint = f"Close: {', '.join(close)}." if close else f"It has: {', '.join(names)}."
    return f"{spec.key} of {spec.toolset} has no option {name!r}. {hint}"


def _takes_no(spec: MethodSpec, word: str) -> str:
    words = [known for known in UNIFORM if spec.speaks(known)]
    hint = ""
    if word in ("layer", "neuron") and spec.kind == "primary":
        hint = f" and has no {word} variant there"
    return f"{spec.key} of {spec.toolset} takes no {word!r}{hint}; it takes: {', '.join(words)}"


def check_required(bound: Bound, *, target_may_be_found: bool) -> None:
    """Refuse a call that lacks an argument which neither the toolkit nor the row has a default for, the layer left out.

    Raises
    ------
    MissingArgumentError
        The message names every missing argument, in the caller's words.
    """
    spec = bound.spec
    missing = []
    by_row = {name for name, _ in spec.defaults}
    for argument in spec.required:
        if argument.name in by_row:
            continue
        if bound.side(argument.name).get(argument.name) is not None:
            continue
        if target_may_be_found and argument.role in ("target", "score"):
            continue
        word = next((word for word in UNIFORM if spec.speaks(word) is argument), argument.name)
        missing.append(argument.name if word == argument.name else f"{word} (its own name for it: {argument.name})")
    if missing:
        raise MissingArgumentError(f"{spec.key} of {spec.toolset} needs {', '.join(missing)}")


def class_index(target: Any, labels: Sequence[str] | None) -> Any:
    """Replace class names by their indices; anything else passes.

    Raises
    ------
    InvalidArgumentError
        A name is not among the labels, or there are none.
    """
    if isinstance(target, str):
        if labels is None:
            raise InvalidArgumentError(f"target={target!r} is a class name, which needs labels=[…], the names in order")
        names = list(labels)
        if target not in names:
            close = near_misses(target, names)
            hint = f"Close: {', '.join(close)}." if close else f"There are {len(names)} of them."
            raise InvalidArgumentError(f"no label {target!r}. {hint}")
        return names.index(target)
    if isinstance(target, (list, tuple)) and any(isinstance(item, str) for item in target):
        return [class_index(item, labels) for item in target]
    return target


def plain_target(target: Any) -> Target:
    """A target given in any form as plain integers.

    Parameters
    ----------
    target
        ``None``; an int; a tuple of ints (a position in a dense output, batch left out); a list or an integer
        array of shape ``(N,)``, one class a sample; a list of tuples or an array of shape ``(N, k)``, one
        position a sample.

    Raises
    ------
    InvalidArgumentError
        It is none of these.
    """
    if target is None:
        return None
    if isinstance(target, tuple):
        return tuple(_whole(item, target) for item in target)
    if isinstance(target, list):
        if target and all(isinstance(item, (tuple, list)) for item in target):
            return [tuple(_whole(part, target) for part in item) for item in target]
        return [_whole(item, target) for item in target]
    array = _as_array(target)
    if array.dtype.kind not in "iu":
        raise InvalidArgumentError(f"a target is whole numbers, not {array.dtype}: {target!r}")
    if array.ndim == 0:
        return int(array)
    if array.ndim == 1:
        return [int(item) for item in array]
    if array.ndim == 2:
        return [tuple(int(part) for part in item) for item in array]
    raise InvalidArgumentError(f"a target array has one axis (a class a sample) or two, not {array.ndim}")


def settle_target(target: Target, outputs: Sequence[np.ndarray[Any, Any]]) -> tuple[Target, Any]:
    """The target to explain, checked against what the model puts out.

    Parameters
    ----------
    target
        A plain target; ``None`` is the only output, else the class that is predicted for each sample.
    outputs
        The model's outputs, each of shape ``(N, …)``.

    Returns
    -------
    The target for the toolkit (``None`` only for an output of shape ``(N,)``), and what to record.

    Raises
    ------
    MissingArgumentError
        The output is dense, so that a position has to be given.
    InvalidArgumentError
        There is no such output.
    """
    if len(outputs) != 1:
        raise InvalidArgumentError(f"the model has {len(outputs)} outputs; explain a model that has one of them")
    shape = outputs[0].shape
    count, rest = shape[0] if shape else 1, shape[1:]
    if not rest:
        if target not in (None, 0, [0] * count):
            raise InvalidArgumentError(f"the model has a single output a sample, so there is no target {target!r}")
        return None, None
    if target is None:
        if len(rest) > 1:
            raise MissingArgumentError(
                f"the model's output has shape {shape}: give target=(…), a position without the batch"
            )
        if rest == (1,):
            return 0, None
        classes = [int(k) for k in outputs[0].argmax(axis=1)]
        return classes, classes if count > 1 else classes[0]
    if isinstance(target, list) and len(target) != count:
        raise InvalidArgumentError(f"{len(target)} targets for {count} samples; give one a sample, or one for all")
    if len(rest) == 1 and isinstance(target, tuple) and len(target) == 1:
        target = target[0]
    for item in target if isinstance(target, list) else [target]:
        position = item if isinstance(item, tuple) else (item,)
        if len(position) != len(rest):
            raise InvalidArgumentError(
                f"target {item!r} does not fit an output of shape {shape}: it takes {len(rest)} number(s), "
                "the batch left out" + ("; for one class a sample give a list" if len(rest) == 1 else "")
            )
        for k, size in zip(position, rest, strict=True):
            if not -size <= k < size:
                raise InvalidArgumentError(f"target {item!r} is out of range: the output has shape {shape}")
    return target, list(target) if isinstance(target, tuple) else target


def _whole(item: Any, target: Any) -> int:
    array = _as_array(item)
    if array.ndim == 0 or array.size == 1:
        value = array.reshape(()).item()
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    raise InvalidArgumentError(f"a target is whole numbers, not {item!r} in {target!r}")


def _as_array(value: Any) -> np.ndarray[Any, Any]:
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    return np.asarray(value)
