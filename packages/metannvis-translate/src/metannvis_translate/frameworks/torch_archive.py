"""Exported programs (``.pt2``) are looked through before they are opened.

``torch.export.load`` unpickles what lies beside the graph (weights, constants, sample inputs, and all of a file of
PyTorch 2.7), evaluates the expressions of free sizes as Python, and writes names of nodes into code. Each of these runs what
a file says; here a file that says more than an honest one does is refused.
"""

from __future__ import annotations

import ast
import io
import json
import pickle
import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from metannvis_translate.errors import InvalidArgumentError, UntrustedModelError
from metannvis_translate.frameworks import require

__all__ = ["check_archive"]

#: Where the graph stands, in files of today and of PyTorch 2.7.
GRAPHS = re.compile(r"(?:.*/)?(?:models/[^/]+|serialized_exported_program)\.json", re.IGNORECASE)
#: Pickles that every such file holds. Those of tensors and containers alone run no code.
PICKLES = re.compile(
    r"(?:.*/)?(?:data/sample_inputs/.+|serialized_(?:state_dict|constants|example_inputs)\.\w+)", re.IGNORECASE
)
#: Parts of an expression of sizes: calls of SymPy's classes, numbers, symbols.
PARTS = (
    ast.Expression, ast.Call, ast.keyword, ast.Name, ast.Load, ast.Constant, ast.Tuple, ast.UnaryOp, ast.unaryop, ast.BinOp,
    ast.operator, ast.Compare, ast.cmpop, ast.BoolOp, ast.boolop,
)  # fmt: skip
CLASS = re.compile(r"[A-Z]\w*")
SYMBOL = re.compile(r"[a-z]+_?\d+|oo|int_oo|true|false|nan|zoo|[A-Z]\w*")
#: ``collections.defaultdict`` in a structure of inputs: its factory is imported by name.
FACTORY = re.compile(r'default_factory_module\\*"\s*:\s*\\*"(?!builtins\\*")')


def check_archive(path: Path) -> None:
    """Refuse an exported program that would run code when it is opened.

    Raises
    ------
    InvalidArgumentError
        It is no archive.
    UntrustedModelError
        It brings pickles of objects, compiled code, or Python where sizes and names belong.
    """
    if not zipfile.is_zipfile(path):
        raise InvalidArgumentError(f"{path.name} is no exported program: it is not a zip archive")
    with zipfile.ZipFile(path) as archive:
        reasons = list(_reasons(archive))
    if reasons:
        raise UntrustedModelError(
            f"opening {path.name} would run code that it carries: {'; '.join(dict.fromkeys(reasons))}. Save it anew with "
            "torch.export.save, or give trust=True (--trust) if you trust whoever made it."
        )


def _reasons(archive: zipfile.ZipFile) -> Iterator[str]:
    names = archive.namelist()
    # PyTorch's reader takes names without regard to case, and another one of two that are the same
    for name, count in Counter(name.casefold() for name in names).items():
        if count > 1:
            yield f"{name} is there {count} times"
    for name in names:
        inner = name.partition("/")[2]
        if inner.endswith(("weights_config.json", "constants_config.json")):
            entries = json.loads(archive.read(name)).get("config", {}).items()
            yield from (f"{key!r} is a pickle" for key, entry in entries if entry.get("use_pickle"))
            yield from (f"{key!r} is an object" for key, entry in entries if "obj" in str(entry.get("path_name", "")))
        elif inner.startswith("data/aotinductor/"):
            yield "it holds compiled code"
        elif inner.startswith(("data/weights/", "data/constants/")) and inner.endswith(".pt"):
            yield f"{inner} is a pickle"
        elif PICKLES.fullmatch(name) and not _only_tensors(archive.read(name)):
            yield f"{name} is a pickle of more than tensors"
        elif GRAPHS.fullmatch(name):
            yield from _code_in_graph(archive.read(name).decode())


def _only_tensors(content: bytes) -> bool:
    if not content:
        return True
    torch = require("torch")
    try:
        torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, ValueError, EOFError, KeyError):
        return False
    return True


def _code_in_graph(text: str) -> Iterator[str]:
    if FACTORY.search(text):
        yield "it imports the factory of a defaultdict"
    for key, value in _strings(json.loads(text)):
        if key == "expr_str" and not _is_size(value):
            yield f"the size {value[:60]!r} is no arithmetic"
        elif key == "name" and re.search(r"[^\w.\-]", value):
            yield f"the name {value[:60]!r} is no name"


def _strings(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a JSON value, with the key that it stands under."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _strings(item, name)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item, key)
    elif isinstance(value, str):
        yield key, value


def _is_size(text: str) -> bool:
    """Whether an expression holds calls of classes, symbols and numbers only: no attributes, no other text, no functions."""
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError):
        return False
    texts = {id(call.args[0]) for call in ast.walk(tree) if isinstance(call, ast.Call) and _is_named(call)}
    for part in ast.walk(tree):
        if not isinstance(part, PARTS):
            return False
        if isinstance(part, ast.Call) and not (isinstance(part.func, ast.Name) and CLASS.fullmatch(part.func.id)):
            return False
        if isinstance(part, ast.Name) and not SYMBOL.fullmatch(part.id):
            return False
        if isinstance(part, ast.Constant) and isinstance(part.value, (str, bytes)) and id(part) not in texts:
            return False
    return True


def _is_named(call: ast.Call) -> bool:
    """``Symbol('s77', …)`` and ``Float('0.5', …)``: classes that take a text."""
    first = call.args[0] if call.args else None
    return (
        isinstance(call.func, ast.Name)
        and call.func.id in ("Symbol", "Float")
        and isinstance(first, ast.Constant)
        and isinstance(first.value, str)
        and re.fullmatch(r"[\w.+-]+", first.value) is not None
    )
