"""Sizes as files write them: an expression where it is one, a name everywhere else, and bounded always."""

from __future__ import annotations

import time

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from metannvis_translate.frameworks.torch.program_sizes import rewritten_size
from metannvis_translate.graph.size_expressions import parse_size, quotient

from ..frameworks.onnx.attacks import NAMES

s0, s1 = (sympy.Symbol(name, integer=True, positive=True) for name in ("s0", "s1"))
EXPRESSIONS = {
    "7": 7,
    "s0": s0,
    "2*s0 + 1": 2 * s0 + 1,
    "s0*s1": s0 * s1,
    "-s0 + s1": s1 - s0,
    "s0**2": s0**2,
    "(s0 - 1)//2 + 1": sympy.floor((s0 - 1) / 2) + 1,
    "s0//2//2": sympy.floor(sympy.floor(s0 / 2) / 2),
    "s0/2 + 1/2": s0 / 2 + sympy.Rational(1, 2),
    "s0 - s1 - 1": s0 - s1 - 1,
    "floor(s0/2)": sympy.floor(s0 / 2),
    "ceiling(s0/2)": sympy.ceiling(s0 / 2),
    "FloorDiv(s0, 2)": sympy.floor(s0 / 2),
    "CeilDiv(s0, 2)": sympy.ceiling(s0 / 2),
    "Max(1, s0 - 3)": sympy.Max(1, s0 - 3),
    "min(s0, s1)": sympy.Min(s0, s1),
    "s0 % 4": sympy.Mod(s0, 4),
    "Mod(s0, 4)": sympy.Mod(s0, 4),
}


@pytest.mark.parametrize("text", list(EXPRESSIONS))
def test_expressions(text: str) -> None:
    assert parse_size(text) == EXPRESSIONS[text]


@pytest.mark.parametrize("text", [t for t in NAMES if t not in ("2*batch", "seq-len")])
def test_names(text: str) -> None:
    assert parse_size(text) == sympy.Symbol(text, integer=True, positive=True)


def test_names_of_sympy_are_names_like_others() -> None:
    assert parse_size("N + S - E*I") == sympy.sympify("a+b-c*d").subs(
        {key: sympy.Symbol(name, integer=True, positive=True) for key, name in zip("abcd", "NSEI", strict=True)}
    )


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="s01 9+-*/%(),.mxinflor\u00b2\uff11'_", max_size=60))
def test_any_text_is_a_size(text: str) -> None:
    begin = time.perf_counter()
    size = parse_size(text)
    assert isinstance(size, sympy.Expr)
    assert time.perf_counter() - begin < 5


@pytest.mark.parametrize(
    "text",
    [
        "*".join(f"(a{k} + b{k})" for k in range(30)),
        "Max(" + ", ".join(f"a{k} - b{k}" for k in range(30)) + ")",
        "floor(" * 29 + "a" + "/3)" * 29,
        "9**8*" * 20 + "n",
        "n" * 100_000,
    ],
)
def test_large_ones_take_no_time(text: str) -> None:
    begin = time.perf_counter()
    size = parse_size(text)
    quotient(size, parse_size("(c + d)*(e + f)"))
    assert time.perf_counter() - begin < 5


def test_a_division_that_would_expand_is_left() -> None:
    large = parse_size("*".join(f"(a{k} + b{k})" for k in range(20)))
    assert quotient(large, parse_size("c + d")) is None
    assert quotient(6 * s0 * s1, 2 * s0) == 3 * s1
    assert quotient(s0, 0) is None


# --- of exported programs, where PyTorch evaluates them ---------------------------------------------------------------

SYMBOL = "Symbol('s77', positive=True, integer=True)"


@pytest.mark.parametrize(
    "text",
    [
        SYMBOL,
        f"Mul(Integer(4), FloorDiv({SYMBOL}, Integer(2)))",
        f"Add({SYMBOL}, Integer(-1))",
        f"Pow({SYMBOL}, Integer(2))",
        f"Eq({SYMBOL}, Integer(2))",
        "Float('1.5', precision=53)",
        "s0 + 1",
        "Max(1, s0)",
        "s0**2",
        "2**s0",
        "int_oo",
        "True",
    ],
)
def test_sizes_of_programs(text: str) -> None:
    written = rewritten_size(text)
    assert written is not None
    assert written.replace(" ", "") == text.replace(" ", "")


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os')",
        "Symbol('s0').__class__",
        "S('1')",
        "Lambda(s0, 1)",
        "Function('f')",
        "Integer('9')",
        "Symbol('a b')",
        "Symbol('s0', positive=print())",
        "Float('1.5', precision=10**9)",
        "9**9**9",
        "Pow(9, Pow(9, 9))",
        "Pow(Pow(Pow(9, 60), 60), 60)",
        "Pow(9, Symbol('s0') - Symbol('s0') + 99999999999)",
        "LShift(1, 99999999999)",
        "(" * 100 + "1" + ")" * 100,
        "1" * 30_000,
        "[s0]",
        "s0 if s0 else 1",
        "lambda: 1",
        "s0\n1",
        "Ｓymbol('s0')",
        "",
    ],
)
def test_what_is_no_size_of_a_program(text: str) -> None:
    begin = time.perf_counter()
    assert rewritten_size(text) is None
    assert time.perf_counter() - begin < 1
