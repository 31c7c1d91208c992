"""Options of a command as one object each."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import fields
from typing import Any

__all__ = ["Function", "as_one", "together"]

Function = Callable[..., Any]


def together(*decorators: Function) -> Function:
    """Several decorators as one, of which the first is the outermost."""

    def decorate(function: Function) -> Function:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


def as_one(keyword: str, kind: type[Any], *options: Function) -> Function:
    """Options as one object, which the command gets as an argument of that name.

    Parameters
    ----------
    keyword
        Name of the argument.
    kind
        A dataclass, whose fields are named as the options' values are; a field for which there is no option has its default.
    options
        The options, in the order of the help.
    """

    def decorate(function: Function) -> Function:
        @functools.wraps(function)
        def gather(*args: Any, **kwargs: Any) -> Any:
            gathered = kind(**{field.name: kwargs.pop(field.name) for field in fields(kind) if field.name in kwargs})
            return function(*args, **{keyword: gathered}, **kwargs)

        return together(*options)(gather)

    return decorate
