"""Which framework a model is of is asked in the plug-ins of the frameworks, and nowhere else.

What is special about a framework stands on its plug-in, or its exporter states it of the graph. A comparison with a
framework's name elsewhere gives every framework that is added later what happens to stand behind it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGES = Path(__file__).parents[1] / "packages"
KEYS = {"torch", "tensorflow", "keras", "onnx"}
#: Where a framework's own knowledge stands.
PLUGINS = "metannvis_translate/frameworks/"
NAMES = sorted(path.name for path in PACKAGES.glob("metannvis-*"))
COMPARES = (ast.Eq, ast.NotEq, ast.In, ast.NotIn)


def keys_in(node: ast.AST) -> set[str]:
    """Framework keys among the constants of an operand: itself, or what a tuple, list or set of it holds."""
    parts = node.elts if isinstance(node, (ast.Tuple, ast.List, ast.Set)) else [node]
    return {part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)} & KEYS


def comparisons(tree: ast.AST) -> Iterator[tuple[int, set[str]]]:
    """Line and keys of every comparison with the key of a framework."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            operands = [node.left, *node.comparators]
            pairs = zip(operands, node.ops, operands[1:], strict=False)
            found = [keys_in(a) | keys_in(b) for a, op, b in pairs if isinstance(op, COMPARES)]
            if keys := set().union(*found):
                yield node.lineno, keys
        elif isinstance(node, ast.MatchValue) and (keys := keys_in(node.value)):
            yield node.lineno, keys


def in_package(name: str) -> list[str]:
    source = PACKAGES / name / "src"
    found = []
    for path in sorted(source.rglob("*.py")):
        place = path.relative_to(source).as_posix()
        if place.startswith(PLUGINS):
            continue
        rows = comparisons(ast.parse(path.read_text(encoding="utf-8")))
        found += [f"{place}:{line}: {', '.join(sorted(keys))}" for line, keys in rows]
    return found


@pytest.mark.parametrize("name", NAMES)
def test_no_framework_is_asked_for_by_name(name: str) -> None:
    assert in_package(name) == []


def test_no_plugin_asks_which_framework_a_graph_came_from() -> None:
    """An importer reads what the exporter stated on the nodes, never who exported them."""
    source = PACKAGES / "metannvis-translate" / "src"
    found = []
    for path in sorted(source.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr == "source":
                of = node.value
                if (of.attr if isinstance(of, ast.Attribute) else getattr(of, "id", "")) == "hub":
                    found.append(f"{path.relative_to(source).as_posix()}:{node.lineno}")
    assert found == []


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ('x == "torch"', {"torch"}),
        ('"onnx" != x.key', {"onnx"}),
        ('{a, b} != {"torch", "tensorflow"}', {"torch", "tensorflow"}),
        ('x not in ("keras", "other")', {"keras"}),
        ("match x:\n    case 'torch' | 'onnx':\n        pass", {"torch", "onnx"}),
        ('x == "toy" or x is None', set()),
        ('require("torch")', set()),
    ],
)
def test_what_is_taken_for_a_comparison(text: str, keys: set[str]) -> None:
    assert set().union(*(found for _, found in comparisons(ast.parse(text)))) == keys
