"""The contract of a toolset plug-in, as functions that its own tests call.

::

    import pytest
    from metannvis_methods.testing import check_row, check_toolset
    from my_package import toolset

    def test_toolset():
        check_toolset(toolset)

    @pytest.mark.parametrize("spec", toolset.rows, ids=lambda spec: spec.key)
    def test_row(spec):
        check_row(toolset, spec)

A broken rule raises :class:`ContractError`, which is an ``AssertionError``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from metannvis_methods.explain import explain
from metannvis_methods.registry.spec import MethodSpec, as_frameworks, fold
from metannvis_methods.registry.toolset import Toolset, runs_in
from metannvis_methods.results.explanation import Explanation
from metannvis_methods.results.plain import as_tuple
from metannvis_methods.toolsets.load import load_class

__all__ = ["ContractError", "check_explanation", "check_row", "check_toolset"]


class ContractError(AssertionError):
    """A plug-in breaks a rule; the message says which."""


def _hold(condition: object, rule: str) -> None:
    if not condition:
        raise ContractError(rule)


def check_toolset(toolset: Toolset) -> None:
    """A toolset says who it is, and its rows are its own.

    Raises
    ------
    ContractError
        A rule is broken.
    """
    _hold(isinstance(getattr(toolset, "key", None), str) and toolset.key, "key is a name")
    frameworks = as_frameworks(getattr(toolset, "framework", ""))
    _hold(all(isinstance(key, str) and key for key in frameworks), "framework is a name, several names, or None")
    _hold(isinstance(toolset.packages, tuple), f"{toolset.key}: packages is a tuple of module names")
    _hold(
        callable(toolset.run) and callable(toolset.reasons_to_translate),
        f"{toolset.key}: it has run and reasons_to_translate",
    )
    keys = [fold(spec.key) for spec in toolset.rows]
    _hold(len(keys) == len(set(keys)), f"{toolset.key}: no two methods have the same key")
    for spec in toolset.rows:
        _hold(isinstance(spec, MethodSpec), f"{toolset.key}: rows are MethodSpecs")
        _hold(spec.toolset == toolset.key, f"{spec.key}: its toolset is {toolset.key!r}")
        _hold(runs_in(toolset, spec), f"{spec.key}: it runs in {toolset.framework!r}, as its toolset does")


def check_row(toolset: Toolset, spec: MethodSpec, *, call: str | None = None) -> None:
    """A row says of its class what the class says of itself.

    Parameters
    ----------
    call
        Name of the method that the runner calls on an instance, if its signature is to be checked too.

    Raises
    ------
    ContractError
        A rule is broken: an argument is missing from the row or from the class, or is required in one only.
    """
    _hold(
        spec.frameworks or not spec.needs_canonical,
        f"{spec.key}: a method that needs predictions only (no framework) hooks on no modules (needs_canonical)",
    )
    cls = load_class(spec)
    _hold(callable(cls), f"{spec.key}: {spec.cls} can be called")
    roles = [argument.role for argument in spec.arguments if argument.role is not None]
    twice = {role for role in roles if roles.count(role) > 1}
    _hold(not twice, f"{spec.key}: one argument a role, not several for {sorted(twice)}")
    if spec.kind in ("layer", "neuron"):
        _hold(spec.by_role("layer"), f"{spec.key}: a {spec.kind} method has an argument for the layer")
    if spec.kind == "neuron":
        _hold(spec.by_role("neuron"), f"{spec.key}: a neuron method has an argument for the neuron")
    if spec.kind != "feature_visualization":
        _hold(spec.by_role("input"), f"{spec.key}: an attribution has an argument for the inputs")
    _check_signature(spec, "constructor", cls, {a.name: a.required for a in spec.init if not a.own}, skip=1)
    if call is not None:
        function = inspect.unwrap(getattr(cls, call))
        _check_signature(spec, call, function, {a.name: a.required for a in spec.call if not a.own}, skip=1)


def _check_signature(
    spec: MethodSpec, what: str, function: Callable[..., Any], listed: Mapping[str, bool], *, skip: int
) -> None:
    """Compare names and which are required; ``skip`` leaves out the model, or ``self``."""
    parameters = list(inspect.signature(function).parameters.values())[skip:]
    named = {p.name: p.default is p.empty for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)}
    where = f"{spec.key}, {what}"
    _hold(not (extra := set(listed) - set(named)), f"{where}: the class has no {sorted(extra)}")
    _hold(not (left := set(named) - set(listed)), f"{where}: the row leaves out {sorted(left)}")
    wrong = sorted(name for name, required in named.items() if listed[name] != required)
    _hold(not wrong, f"{where}: the row and the class differ on whether {wrong} is required")


def check_explanation(
    model: Any, spec: MethodSpec, inputs: Any, *, expected: Any = None, tolerance: float = 1e-5, **arguments: Any
) -> Explanation:
    """A method runs on a model and gives NumPy in its layout, leaves the inputs alone, and repeats with a seed.

    Parameters
    ----------
    inputs
        NumPy, in the model's layout.
    expected
        What the toolkit gives when it is called directly, in the model's layout.
    tolerance
        Largest max|a − b| / max|b| of a sample between the two.
    **arguments
        As for :func:`explain`.

    Raises
    ------
    ContractError
        A rule is broken.
    """
    before = None if inputs is None else np.array(inputs)
    arguments.setdefault("seed", 0)
    found, again = (explain(model, spec.key, inputs, toolset=spec.toolset, **arguments) for _ in range(2))
    values, axes, repeated = as_tuple(found.values), as_tuple(found.axes), as_tuple(again.values)
    for array, letters, other in zip(values, axes, repeated, strict=True):
        _hold(isinstance(array, np.ndarray), f"{spec.key}: values are NumPy, not {type(array).__name__}")
        _hold(len(letters) == array.ndim, f"{spec.key}: axes {letters!r} name every axis of {array.shape}")
        _hold(np.array_equal(array, other), f"{spec.key}: the same seed gives the same values")
    _hold((found.method, found.toolset) == (spec.key, spec.toolset), f"{spec.key}: the result says what ran")
    if before is not None:
        _hold(np.array_equal(before, inputs), f"{spec.key}: the inputs are left as they were")
    if expected is not None:
        array, reference = values[0], np.asarray(expected)
        _hold(array.shape == reference.shape, f"{spec.key}: shape {array.shape}, expected {reference.shape}")
        flat = [np.asarray(x, np.float64).reshape(len(x), -1) for x in (array, reference)]
        error = np.abs(flat[0] - flat[1]).max(axis=1)
        worst = float((error / np.maximum(np.abs(flat[1]).max(axis=1), np.finfo(float).tiny)).max())
        _hold(
            worst <= tolerance,
            f"{spec.key}: {worst:.1e} away from the toolkit's own result, at most {tolerance:.1e}",
        )
    return found
