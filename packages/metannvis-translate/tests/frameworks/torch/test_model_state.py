"""Whatever is done to a PyTorch model is undone: a table of changes, and heaps of them at random, against a full picture."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metannvis_translate.frameworks.requirements import require
from metannvis_translate.frameworks.torch import ModelState, modules_of, walk

torch = require("torch")
nn = torch.nn


class Options:
    def __init__(self) -> None:
        self.alpha, self.cache = 2.0, [torch.ones(3)]


class Layer(nn.Module):
    """One of everything that a module may keep."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.linear, self.norm, self.relu = nn.Linear(size, size), nn.BatchNorm1d(size), nn.ReLU(inplace=True)
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))
        self.register_buffer("cache", torch.randn(2, size))
        self.register_buffer("empty", None)
        self.plain, self.scale, self.name, self.sizes = torch.randn(size), 1.5, "a", (1, 2)
        self.steps, self.table, self.seen = [1, 2, 3], {"a": [1], "b": torch.zeros(2)}, {1, 2}
        self.recent, self.array, self.options = deque([1, 2]), np.arange(3.0), Options()
        self.frozen = nn.Parameter(torch.randn(size), requires_grad=False)

    def forward(self, x: Any) -> Any:
        return self.relu(self.norm(self.linear(x))) * self.scale


def network() -> Any:
    model = nn.Sequential(Layer(4), nn.Sequential(Layer(4), nn.Dropout()), nn.Linear(4, 2))
    model[0].register_forward_hook(lambda *_: None)
    model[0].linear.weight.grad = torch.ones(4, 4)
    model[1].eval()
    return model


def picture(value: Any, known: dict[int, int]) -> Any:
    """Everything that is in a value, with the identities of the objects, which are not made anew."""
    if id(value) in known and not isinstance(value, (bool, int, float, str, type(None))):
        return known[id(value)]
    known[id(value)] = len(known)
    kind = type(value).__name__
    if isinstance(value, torch.Tensor):
        content = value.detach().clone().numpy().tobytes()
        grad = None if not value.is_leaf else value.grad
        place = value.data_ptr() if isinstance(value, nn.Parameter) else 0  # which are not copied
        return kind, id(value), content, tuple(value.shape), value.requires_grad, place, picture(grad, known)
    if isinstance(value, np.ndarray):
        return kind, id(value), value.tobytes()
    if isinstance(value, nn.Module) or type(value) is Options:
        return kind, id(value), [(key, picture(item, known)) for key, item in vars(value).items()]
    if isinstance(value, dict):
        return kind, id(value), [(key, picture(item, known)) for key, item in value.items()]
    if isinstance(value, (list, tuple, deque)):
        return kind, id(value), [picture(item, known) for item in value]
    if isinstance(value, set):
        return kind, id(value), sorted(value)
    return kind, value if isinstance(value, (bool, int, float, str, type(None))) else id(value)


def _replaced_data(model: Any) -> None:
    model[0].linear.weight.data = torch.zeros(4, 4)


def _deleted(model: Any) -> None:
    del model[0].scale, model[1][0].plain, model[0]._buffers["cache"]


def _gradients(model: Any) -> None:
    model[0].linear.weight.grad = None
    model[2].weight.grad = torch.zeros(2, 4)
    model[0].frozen.requires_grad_()
    model[2].bias.requires_grad_(False)


#: What may be done to a model. Each is undone.
CHANGES: dict[str, Callable[[Any], Any]] = {
    "nothing": lambda m: None,
    "mode": lambda m: m.train(not m.training),
    "hook": lambda m: m[2].register_forward_hook(lambda *_: None),
    "hook beside another": lambda m: m[0].register_forward_hook(lambda *_: None),
    "hook in front of another": lambda m: m[0].register_forward_hook(lambda *_: None, prepend=True),
    "hook taken away": lambda m: m[0]._forward_hooks.clear(),
    "backward hook": lambda m: m[1][0].register_full_backward_hook(lambda *_: None),
    "hook of a state dict": lambda m: m[2].register_state_dict_post_hook(lambda *_: None),
    "statistics": lambda m: m[0].norm.running_mean.add_(1),
    "statistics behind a version counter": lambda m: m[0].norm.running_var.data.mul_(2),
    "counter": lambda m: m[1][0].count.add_(1),
    "buffer of two axes": lambda m: m[0].cache.zero_(),
    "buffer of another shape": lambda m: m[0].cache.resize_(1, 4),
    "buffer replaced": lambda m: setattr(m[0], "cache", torch.zeros(5)),
    "buffer filled": lambda m: setattr(m[0], "empty", torch.zeros(5)),
    "buffer added": lambda m: m[2].register_buffer("more", torch.zeros(5), persistent=False),
    "parameter added": lambda m: m[0].relu.register_parameter("more", nn.Parameter(torch.zeros(5))),
    "parameter replaced": lambda m: setattr(m[2], "weight", nn.Parameter(torch.zeros(2, 4))),
    "data replaced": _replaced_data,
    "gradients": _gradients,
    "module replaced": lambda m: m._modules.update({"2": nn.Identity()}),
    "module added": lambda m: m.append(nn.ReLU()),
    "module in front": lambda m: m.insert(0, nn.ReLU()),
    "order of modules": lambda m: m._modules.update({"0": m._modules.pop("0")}),
    "attribute": lambda m: setattr(m[0], "scale", 3.0),
    "attribute added": lambda m: setattr(m[2], "rule", object()),
    "attributes deleted": _deleted,
    "attribute of another kind": lambda m: setattr(m[0], "steps", None),
    "plain tensor": lambda m: m[1][0].plain.zero_(),
    "plain tensor replaced": lambda m: setattr(m[0], "plain", torch.zeros(1)),
    "list": lambda m: m[0].steps.append(4),
    "list of the same length": lambda m: m[0].steps.__setitem__(0, 7),
    "dict": lambda m: m[0].table.update(c=1),
    "within a dict": lambda m: (m[0].table["a"].clear(), m[0].table["b"].add_(1)),
    "set": lambda m: m[1][0].seen.add(3),
    "deque": lambda m: m[0].recent.appendleft(0),
    "array": lambda m: m[0].array.fill(9),
    "object": lambda m: setattr(m[0].options, "alpha", 3.0),
    "within an object": lambda m: m[0].options.cache[0].zero_(),
    "everything of a module": lambda m: vars(m[0]).clear(),
    "registry replaced": lambda m: vars(m[2]).update(_parameters=OrderedDict()),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_done_to_a_model_is_undone(change: str) -> None:
    model = network()
    modules = modules_of(model)
    before, state = picture(model, {}), ModelState(model, whole=True)
    with torch.no_grad():
        CHANGES[change](model)
    assert change == "nothing" or picture(model, {}) != before
    state.put_back()
    assert picture(model, {}) == before
    assert all(a is b for a, b in zip(modules, modules_of(model), strict=True))


@given(st.lists(st.sampled_from([name for name in CHANGES if name != "everything of a module"]), max_size=8))
@settings(max_examples=60, deadline=None)
def test_heaps_of_changes_are_undone(changes: list[str]) -> None:
    model = network()
    before, state = picture(model, {}), ModelState(model, whole=True, modules=modules_of(model))
    with torch.no_grad():
        for change in changes:
            try:
                CHANGES[change](model)
            except (AttributeError, IndexError, KeyError, TypeError):  # it changes what an earlier one took away
                continue
    state.put_back()
    assert picture(model, {}) == before


#: What of them a run without hooks and modes has to see, by the names that it gives.
NAMED = {
    "statistics": ["0.norm.running_mean"],
    "statistics behind a version counter": ["0.norm.running_var"],
    "counter": ["1.0.count"],
    "buffer replaced": ["0.cache"],
    "buffer filled": ["0.empty"],
    "attribute": ["0.scale"],
    "plain tensor": ["1.0.plain"],
    "list of the same length": ["0.steps"],
    "within a dict": ["0.table"],
    "set": ["1.0.seen"],
    "array": ["0.array"],
    "within an object": ["0.options"],
    "data replaced": ["0.linear.weight"],
    "mode": [],
    "hook": [],
}


@pytest.mark.parametrize("change", NAMED)
def test_what_changed_is_named(change: str) -> None:
    model = network()
    state = ModelState(model)
    with torch.no_grad():
        CHANGES[change](model)
    assert state.changes() == NAMED[change]
    state.put_back()
    assert state.changes() == []


def test_modules_are_those_that_named_modules_gives_each_once() -> None:
    model = network()
    model[1].append(model[0])  # one module at two places
    expected = [module for _, module in model.named_modules()]
    assert [module for _, module in walk(model)] == expected
    found = modules_of(model)
    assert found[0] is model and len(found) == len(expected) and set(found) == set(expected)
