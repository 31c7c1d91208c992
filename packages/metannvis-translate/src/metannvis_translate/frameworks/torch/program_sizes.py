"""Sizes in an exported program, which PyTorch hands to ``eval``: read as a tree, held against a list, and written anew."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

__all__ = ["rewritten_size"]

#: SymPy's classes and PyTorch's own, as ``sympy.srepr`` writes them, and functions as ``str`` does.
FUNCTIONS = """
Symbol Integer Float Rational Add Mul Pow Max Min Mod Abs Not And Or Xor Piecewise ExprCondPair Tuple
Equality Unequality StrictLessThan LessThan StrictGreaterThan GreaterThan Eq Ne Lt Le Gt Ge floor ceiling
FloorDiv ModularIndexing Where PythonMod CleanDiv CeilToInt FloorToInt CeilDiv LShift RShift PowByNatural FloatPow FloatTrueDiv
IntTrueDiv IsNonOverlappingAndDenseIndicator TruncToFloat TruncToInt RoundToInt RoundDecimal ToFloat Identity
"""
#: Those that take a text first: a symbol's name, the digits of a number.
TEXTS = {
    "Symbol": re.compile(r"[A-Za-z_]\w{0,60}", re.ASCII),
    "Float": re.compile(r"-?[0-9.]{1,60}(?:e[+-]?[0-9]{1,3})?", re.ASCII),
}
#: What a symbol is known to be.
ASSUMPTIONS = "positive negative integer real nonnegative nonpositive zero nonzero finite even odd precision"
SYMBOL = re.compile(r"[a-z]+_?[0-9]+|oo|int_oo|true|false|nan|zoo", re.ASCII)
PARTS = (
    ast.Expression, ast.Call, ast.keyword, ast.Name, ast.Load, ast.Constant, ast.Tuple, ast.UnaryOp, ast.UAdd, ast.USub,
    ast.Not, ast.Invert, ast.BinOp, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow, ast.BitAnd, ast.BitOr,
    ast.Compare, ast.cmpop, ast.BoolOp, ast.boolop,
)  # fmt: skip
#: Characters, nested parentheses, and bits of a number that is computed.
LONGEST, DEEPEST, MOST_BITS = 20_000, 60, 2048
POWERS = ("Pow", "PowByNatural", "FloatPow", "LShift")


def rewritten_size(text: str) -> str | None:
    """The same expression in Python's own spelling, or ``None`` if it is anything but the arithmetic of sizes."""
    if len(text) > LONGEST or "\n" in text.strip() or not text.isascii() or _depth(text) > DEEPEST:
        return None
    try:
        tree = ast.parse(text.strip(), mode="eval")
        if not all(_is_part(part) for part in _parts(tree)) or _bits(tree.body) > MOST_BITS:
            return None
        return ast.unparse(tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
        return None


def _depth(text: str) -> int:
    deepest = depth = 0
    for character in text:
        depth += (character in "([{") - (character in ")]}")
        deepest = max(deepest, depth)
    return deepest


def _parts(tree: ast.AST) -> Iterator[ast.AST]:
    """Every part of a tree, the texts of symbols and numbers apart, which go with their call."""
    left = [tree]
    while left:
        part = left.pop()
        yield part
        inner = list(ast.iter_child_nodes(part))
        if isinstance(part, ast.Call):
            inner.remove(part.func)
            if isinstance(part.func, ast.Name) and part.func.id in TEXTS and part.args:
                inner.remove(part.args[0])
        left += inner


def _is_part(part: ast.AST) -> bool:
    if isinstance(part, ast.Call):
        if not isinstance(part.func, ast.Name) or part.func.id not in FUNCTIONS.split():
            return False
        text = TEXTS.get(part.func.id)
        if text is None:
            return True
        first = part.args[0] if part.args else None
        return (
            isinstance(first, ast.Constant) and isinstance(first.value, str) and text.fullmatch(first.value) is not None
        )
    if isinstance(part, ast.keyword):
        value = part.value.value if isinstance(part.value, ast.Constant) else None
        return part.arg in ASSUMPTIONS.split() and (
            isinstance(value, bool) or (type(value) is int and value <= MOST_BITS)
        )
    if isinstance(part, ast.Name):
        return SYMBOL.fullmatch(part.id) is not None
    if isinstance(part, ast.Constant):
        return type(part.value) in (int, float, bool)
    return isinstance(part, PARTS)


def _bits(part: ast.AST) -> int:
    """Bits of the largest number that evaluating it can come to, a size having 64; powers are what makes them many."""
    if isinstance(part, ast.Constant):
        return part.value.bit_length() if type(part.value) is int else 64
    operands: list[ast.AST]
    if isinstance(part, ast.BinOp):
        operands = [part.left, part.right]
        name = "Pow" if isinstance(part.op, ast.Pow) else ""
    elif isinstance(part, ast.Call):
        operands = list(part.args)
        name = str(getattr(part.func, "id", ""))
        if name in TEXTS:
            return 64
    else:
        operands, name = list(ast.iter_child_nodes(part)), ""
    bits = [_bits(operand) for operand in operands]
    if name not in POWERS or len(operands) != 2:
        return sum(bits) + 1
    # a symbol in the exponent stays one: nothing is computed
    exponent = _number(operands[1])
    if exponent is None:
        return sum(bits) + 1 if _is_symbol(operands[1]) else MOST_BITS + 1
    return bits[0] + exponent if name == "LShift" else max(bits[0], 1) * (exponent + 1)


def _number(part: ast.AST) -> int | None:
    """The size of a plain number: ``3``, ``-3``, ``Integer(3)``, ``Rational(1, 2)``."""
    if isinstance(part, ast.UnaryOp):
        return _number(part.operand)
    if isinstance(part, ast.Call) and getattr(part.func, "id", "") in ("Integer", "Rational") and part.args:
        return _number(part.args[0])
    if isinstance(part, ast.Constant) and isinstance(part.value, (int, float)):
        return abs(int(part.value)) + 1
    return None


def _is_symbol(part: ast.AST) -> bool:
    return isinstance(part, ast.Name) or (isinstance(part, ast.Call) and getattr(part.func, "id", "") == "Symbol")
