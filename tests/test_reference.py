"""What the reference of the site shows of each public function: its arguments, what it returns, what it raises."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

import pytest

PACKAGES = ("metannvis_translate", "metannvis_methods", "metannvis_plot")
#: What raises nothing of its own.
SILENT = {"unregister_method"}
FUNCTIONS = [
    (name, found)
    for package in PACKAGES
    for name in importlib.import_module(package).__all__
    if inspect.isfunction(found := getattr(importlib.import_module(package), name))
]


@pytest.mark.parametrize(("name", "function"), FUNCTIONS, ids=[name for name, _ in FUNCTIONS])
def test_a_function_says_what_it_takes_returns_and_raises(name: str, function: Any) -> None:
    text = inspect.getdoc(function) or ""
    signature = inspect.signature(function)
    shared = "As for :func:`" in text or "as for :func:`" in text.lower()
    missing = [word for word in signature.parameters if word not in text]
    assert not missing or shared, f"{name} does not say what {missing} is"
    sections = {"Parameters": bool(signature.parameters), "Returns": signature.return_annotation not in (None, "None")}
    for section, needed in {**sections, "Raises": name not in SILENT}.items():
        assert f"{section}\n---" in text or not needed, f"{name} has no section {section}"


@pytest.mark.parametrize("package", PACKAGES)
def test_a_class_says_what_it_is(package: str) -> None:
    module = importlib.import_module(package)
    classes = [found for name in module.__all__ if inspect.isclass(found := getattr(module, name))]
    assert classes or package == "metannvis_plot"
    for found in classes:
        assert found.__doc__ and not found.__doc__.startswith(f"{found.__name__}("), found
        for name, member in vars(found).items():
            if inspect.isfunction(member) and not name.startswith("_"):
                assert member.__doc__, f"{found.__name__}.{name}"
