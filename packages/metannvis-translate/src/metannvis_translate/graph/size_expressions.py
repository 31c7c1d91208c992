"""Size expressions: what a model file writes where a size stands, read by a small grammar of our own.

A file says ``"batch"``, ``"2*s0 + 1"``, ``"floor(height/2)"``, and just as well ``"batch size"`` or ``"input.1_dim_0"``.
Nothing of it is ever evaluated as Python: SymPy's own reader of texts is ``eval``. What is an expression of the grammar below
becomes one; any other text is a name like any other, of a size about which nothing else is known::

    sum      =  product (("+" | "-") product)*
    product  =  signed (("*" | "//" | "/" | "%") signed)*
    signed   =  "-" signed  |  atom ("**" integer)?
    atom     =  integer  |  name  |  function "(" sum ("," sum)* ")"  |  "(" sum ")"

Every measure of it is bounded, so that reading takes no longer than the text is long.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

__all__ = ["parse_size", "quotient"]

#: Characters, tokens, and nested parentheses of an expression; PyTorch's longest in the tests has 61 characters.
LONGEST, MOST_TOKENS, DEEPEST = 1000, 150, 30
#: Numbers are sizes: 64 bits. Powers are those of areas and volumes.
LARGEST, HIGHEST_POWER = 2**63 - 1, 8
#: Terms that a product of sums may expand to when sizes are divided by each other.
MOST_TERMS = 500

TOKEN = re.compile(r"\s*(?:(?P<number>[0-9]+)(?![\w.])|(?P<name>[^\W\d][\w.]*)|(?P<sign>\*\*|//|[-+*/%(),]))")


def parse_size(text: str) -> Any:
    """The size that a text stands for: a ``sympy`` expression, in which every name is a positive integer.

    A text that is no expression of the grammar, or a larger one than any exporter writes, is one symbol of that name.
    """
    import sympy

    if not text.isidentifier():
        try:
            return _Reader(text).whole()
        except _NoExpressionError:
            pass
    return sympy.Symbol(text, integer=True, positive=True)


def quotient(above: Any, below: Any) -> Any | None:
    """One size by another, cancelled, or ``None`` where that would take an expansion of unreasonable length."""
    import sympy

    above, below = (sympy.sympify(size, strict=True) for size in (above, below))
    if below == 0 or _terms(above) > MOST_TERMS or _terms(below) > MOST_TERMS:
        return None
    return sympy.cancel(above / below)


def _terms(size: Any) -> int:
    """How many terms an expression has when it is multiplied out, at most."""
    if size.is_Add:
        return sum(_terms(part) for part in size.args)
    if size.is_Mul:
        return math.prod(_terms(part) for part in size.args)
    if size.is_Pow:
        base, power = size.args
        return _terms(base) ** min(abs(int(power)), HIGHEST_POWER) if power.is_Integer else 1
    return 1


class _NoExpressionError(Exception):
    """The text is a name."""


class _Reader:
    """One text, read from left to right."""

    def __init__(self, text: str) -> None:
        self.tokens: list[tuple[str, str]] = []
        self.next = self.depth = 0
        if len(text) > LONGEST:
            raise _NoExpressionError
        text = text.rstrip()
        position = 0
        while position < len(text):
            match = TOKEN.match(text, position)
            if match is None or len(self.tokens) == MOST_TOKENS:
                raise _NoExpressionError
            kind = str(match.lastgroup)
            self.tokens.append((kind, match[kind]))
            position = match.end()

    def whole(self) -> Any:
        size = self._sum()
        if self.next != len(self.tokens) or _no_size(size):
            raise _NoExpressionError
        return size

    def _take(self, *wanted: str) -> str | None:
        """The next token, if it is one of these signs."""
        if self.next < len(self.tokens) and self.tokens[self.next] in [("sign", sign) for sign in wanted]:
            self.next += 1
            return self.tokens[self.next - 1][1]
        return None

    def _sum(self) -> Any:
        self.depth += 1
        if self.depth > DEEPEST:
            raise _NoExpressionError
        size = self._product()
        while sign := self._take("+", "-"):
            other = self._product()
            size = size + other if sign == "+" else size - other
        self.depth -= 1
        return size

    def _product(self) -> Any:
        size = self._signed()
        while sign := self._take("*", "//", "/", "%"):
            size = _call({"*": _times, "//": _floor_div, "/": _true_div, "%": _mod}[sign], [size, self._signed()])
        return size

    def _signed(self) -> Any:
        minus = 0
        while self._take("-"):
            minus += 1
        size = self._atom()
        return -size if minus % 2 else size

    def _atom(self) -> Any:
        import sympy

        if self._take("("):
            size = self._sum()
            self._expect(")")
            return size
        if self.next == len(self.tokens) or self.tokens[self.next][0] == "sign":
            raise _NoExpressionError
        kind, text = self.tokens[self.next]
        self.next += 1
        if kind == "number":
            size = sympy.Integer(_number(text))
        elif self._take("("):
            return self._function(text)
        else:
            size = sympy.Symbol(text, integer=True, positive=True)
        if self._take("**"):
            power = self.tokens[self.next] if self.next < len(self.tokens) else ("", "")
            if power[0] != "number" or _number(power[1]) > HIGHEST_POWER:
                raise _NoExpressionError
            self.next += 1
            size = size ** int(power[1])
        return size

    def _function(self, name: str) -> Any:
        values = [self._sum()]
        while self._take(","):
            values.append(self._sum())
        self._expect(")")
        if name not in FUNCTIONS:
            raise _NoExpressionError
        return _call(FUNCTIONS[name], values)

    def _expect(self, sign: str) -> None:
        if not self._take(sign):
            raise _NoExpressionError


def _number(text: str) -> int:
    number = int(text) if len(text) <= len(str(LARGEST)) else LARGEST + 1
    if number > LARGEST:
        raise _NoExpressionError
    return number


def _call(function: Callable[..., Any], values: list[Any]) -> Any:
    try:
        size = function(*values)
    except (TypeError, ValueError, ZeroDivisionError) as error:  # a wrong number of arguments, a division by nothing
        raise _NoExpressionError from error
    if _no_size(size):
        raise _NoExpressionError
    return size


def _no_size(size: Any) -> bool:
    """Whether it is infinite or no number at all (a division by zero), or larger than any size."""
    return bool(size.has(*_nothing())) or bool(size.is_Number and abs(size) > LARGEST)


def _nothing() -> tuple[Any, ...]:
    import sympy

    return sympy.nan, sympy.zoo, sympy.oo, -sympy.oo


def _times(a: Any, b: Any) -> Any:
    return a * b


def _true_div(a: Any, b: Any) -> Any:
    if b == 0:
        raise ZeroDivisionError
    return a / b


def _floor_div(a: Any, b: Any) -> Any:
    return _floor(_true_div(a, b))


def _ceil_div(a: Any, b: Any) -> Any:
    return _ceiling(_true_div(a, b))


def _mod(a: Any, b: Any) -> Any:
    import sympy

    if b == 0:
        raise ZeroDivisionError
    return sympy.Mod(a, b)


def _floor(a: Any) -> Any:
    import sympy

    return sympy.floor(a)


def _ceiling(a: Any) -> Any:
    import sympy

    return sympy.ceiling(a)


def _max(*values: Any) -> Any:
    import sympy

    return sympy.Max(*values)


def _min(*values: Any) -> Any:
    import sympy

    return sympy.Min(*values)


#: As SymPy, PyTorch's exporters and ONNX Runtime's tools write them.
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "max": _max, "Max": _max, "min": _min, "Min": _min,
    "floor": _floor, "ceil": _ceiling, "ceiling": _ceiling,
    "FloorDiv": _floor_div, "CeilDiv": _ceil_div, "CleanDiv": _true_div,
    "mod": _mod, "Mod": _mod, "PythonMod": _mod,
}  # fmt: skip
