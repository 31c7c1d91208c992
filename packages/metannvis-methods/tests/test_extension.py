"""A toolset and a method as a third party writes them, without touching ours."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from metannvis_methods import (
    Argument,
    Job,
    MethodChoiceWarning,
    MethodSpec,
    ModelAdapter,
    Outcome,
    Toolset,
    ToolsetError,
    explain,
    find_methods,
    list_methods,
    register_method,
    unregister_method,
)
from metannvis_methods.errors import (
    InvalidArgumentError,
    MetannvisError,
    MissingArgumentError,
    UnknownLayerError,
    UnknownToolsetError,
)
from metannvis_methods.models import registry as adapters
from metannvis_methods.models.registry import adapter_for
from metannvis_methods.registry import table as module
from metannvis_methods.registry.table import Registry
from metannvis_methods.testing import ContractError, check_explanation, check_row, check_toolset
from metannvis_translate import LayerInfo
from metannvis_translate.frameworks import FrameworkBase, Run

INPUTS = Argument("x", "input", required=True)
TARGET = Argument("k", "target")


class Slope:
    """Gradient of one output, or of a layer's sum."""

    def __init__(self, model: Any, power: int = 1) -> None:
        self.model, self.power = model, power

    def __call__(self, x: Any, k: Any = None) -> Any:
        import torch

        x = x.clone().requires_grad_()
        output = self.model(x)
        picked = output[range(len(x)), k] if isinstance(k, list) else output[:, k]
        (gradient,) = torch.autograd.grad(picked.sum(), x)
        return gradient**self.power


SLOPE = MethodSpec(
    key="slope",
    toolset="toy",
    framework="torch",
    kind="primary",
    cls=Slope,
    init=(Argument("power"),),
    call=(INPUTS, TARGET),
    summary="a gradient",
)


class ToyToolset(Toolset):
    key = "toy"
    framework = "torch"
    packages = ("torch",)
    rows = (SLOPE, MethodSpec("saliency", "toy", "torch", "primary", Slope, call=(INPUTS, TARGET)))

    def run(self, job: Job) -> Outcome:
        return Outcome(job.spec.cls(job.model, **job.init)(**job.call))


class Distribution:
    name = "third-party"


class Entry:
    """An entry point of another package."""

    name, value, dist = "toy", "third_party:toolset", Distribution

    def load(self) -> Toolset:
        return ToyToolset()


class Broken(Entry):
    name = "broken"

    def load(self) -> Toolset:
        raise ImportError("its library is not installed")


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> Toolset:
    """The registry as it is when a third party's package is installed as well."""
    original = module.entry_points
    monkeypatch.setattr(module, "entry_points", lambda group: [*original(group=group), Entry(), Broken()])
    fresh = Registry()
    for place in ("registry.table", "running.request", "compare"):  # the function hides the module of the same name
        monkeypatch.setattr(sys.modules[f"metannvis_methods.{place}"], "registry", fresh)
    return fresh.toolset("toy")


def test_a_toolset_holds_to_the_contract(toy: Toolset) -> None:
    check_toolset(toy)
    check_row(toy, SLOPE, call="__call__")
    assert {spec.toolset for spec in list_methods()} == {
        "captum",
        "grad-cam",
        "metannvis",
        "tf-keras-vis",
        "toy",
        "zennit",
    }


@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
def test_a_method_of_a_third_party_runs_on_models_of_any_framework(framework: str, toy: Toolset, rgb: Any) -> None:
    model, x = (rgb.torch, rgb.x) if framework == "torch" else (rgb.keras, rgb.x_last)
    expected = explain(model, "saliency", x, target=2, toolset="captum", abs=False)
    found = check_explanation(model, SLOPE, x, expected=expected.values, target=2)
    assert found.axes == ("NCHW" if framework == "torch" else "NHWC")
    cubed = explain(model, "slope", x, target=[2] * 4, power=3, batch_size=3)
    assert np.allclose(cubed.values, expected.values**3, rtol=1e-3, atol=1e-9)


def test_it_takes_part_in_the_choice(toy: Toolset, digits: Any) -> None:
    with pytest.warns(MethodChoiceWarning, match="took 'saliency' of 'captum'.*'toy'"):
        explain(digits.torch, "saliency", digits.x, target=1)


def test_a_toolset_that_cannot_be_loaded_does_not_stop_the_others(
    toy: Toolset, caplog: pytest.LogCaptureFixture
) -> None:
    assert list_methods(toolset="captum")
    with pytest.raises(UnknownToolsetError):
        list_methods(toolset="broken")


@pytest.fixture
def cubed() -> Iterator[MethodSpec]:
    """One method, added to Captum's by a notebook."""

    class Cubed:
        def __init__(self, model: Any) -> None:
            self.model = model

        def attribute(self, x: Any, k: Any = None) -> Any:
            return Slope(self.model, 3)(x, k)

    spec = MethodSpec("cubed", "captum", "torch", "primary", Cubed, call=(INPUTS, TARGET))
    yield register_method(spec)
    unregister_method(spec)


def test_a_single_method(cubed: MethodSpec, rgb: Any) -> None:
    assert find_methods("Cubed") == (cubed,)
    expected = explain(rgb.torch, "saliency", rgb.x, target=1, toolset="captum", abs=False)
    found = explain(rgb.keras, "cubed", rgb.x_last, target=1)
    assert np.allclose(found.values.transpose(0, 3, 1, 2), expected.values**3, rtol=1e-2, atol=1e-8)


def test_a_name_that_is_taken_is_refused_and_names_both_owners(cubed: MethodSpec) -> None:
    taken = MethodSpec("Saliency", "captum", "torch", "primary", "third_party:Saliency")
    with pytest.raises(MetannvisError, match=r"'Saliency' twice, by metannvis-methods and third_party:Saliency"):
        register_method(taken)
    with pytest.raises(UnknownToolsetError):
        register_method(MethodSpec("a", "nowhere", "torch", "primary", "b:C"))


class NoRows(ToyToolset):
    rows = (MethodSpec("slope", "other", "torch", "primary", Slope),)


def test_the_contract_finds_what_is_wrong() -> None:
    with pytest.raises(ContractError, match="its toolset is 'toy'"):
        check_toolset(NoRows())
    toolset = ToyToolset()
    for changes, message in (
        ({"init": ()}, r"leaves out \['power'\]"),
        ({"init": (Argument("power"), Argument("base"))}, r"has no \['base'\]"),
        ({"call": (INPUTS, Argument("k", "target", required=True))}, r"differ on whether \['k'\]"),
        ({"kind": "layer"}, "an argument for the layer"),
    ):
        fields = {**vars(SLOPE), **changes}
        with pytest.raises(ContractError, match=message):
            check_row(toolset, MethodSpec(**fields), call="__call__")


class ToyModel:
    """A model of a framework that nobody has heard of: y = x² W."""

    def __init__(self) -> None:
        self.weights = np.arange(6.0).reshape(2, 3) - 2

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(x**2 @ self.weights)


class ToyFramework:
    """As much of a framework plug-in as it takes to recognise its models."""

    key, label, suffixes, differentiable = "toy", "Toy", (), False

    def detect(self, model: Any) -> bool:
        return isinstance(model, ToyModel)

    def is_array(self, value: Any) -> bool:
        return False


class ToyFrameworkToolset(Toolset):
    key, framework = "toy-tools", "toy"
    rows = (MethodSpec("slope", "toy-tools", "toy", "primary", ToyModel, call=(INPUTS, TARGET)),)

    def run(self, job: Job) -> Outcome:
        columns = (
            job.model.weights[:, job.target].T if isinstance(job.target, list) else job.model.weights[:, job.target]
        )
        return Outcome(2 * job.call["x"] * columns)


def install(monkeypatch: pytest.MonkeyPatch, framework: Any, toolset: Toolset) -> None:
    """A third party's framework and toolset, as their packages' entry points would bring them."""
    frameworks = sys.modules["metannvis_translate.frameworks.registry"]
    known = {**frameworks._plugins(), framework.key: framework}
    monkeypatch.setattr(frameworks, "_plugins", lambda: known)
    own = Registry(group=None)
    own.add_toolset(toolset, owner="third-party")
    for place in ("registry.table", "running.request"):
        monkeypatch.setattr(sys.modules[f"metannvis_methods.{place}"], "registry", own)


def test_a_toolset_for_a_framework_of_a_third_party(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, ToyFramework(), ToyFrameworkToolset())
    model, x = ToyModel(), np.array([[1.0, 2.0], [3.0, 5.0]])
    found = explain(model, "slope", x)
    assert (found.framework, found.axes, found.target) == ("toy", "N?", [2, 2])
    assert np.array_equal(found.values, 2 * x * model.weights[:, 2])
    assert np.array_equal(explain(model, "slope", x, target=0, batch_size=1).values, 2 * x * model.weights[:, 0])


class ToyLayer:
    """A function, its derivative times what comes back, and hooks that see what it returns."""

    def __init__(self, forward: Any, backward: Any) -> None:
        self.forward, self.backward, self.hooks = forward, backward, []

    def __call__(self, x: np.ndarray) -> np.ndarray:
        self.x, y = x, self.forward(x)
        for hook in self.hooks:
            hook(y)
        return y


class LayeredModel(ToyModel):
    """The same in two layers, with a mode: y = x² W, and noise in training."""

    def __init__(self) -> None:
        super().__init__()
        weights = self.weights
        self.training = True
        self.layers = {
            "square": ToyLayer(np.square, lambda x, back: 2 * x * back),
            "dense": ToyLayer(lambda x: x @ weights, lambda x, back: back @ weights.T),
        }

    def __call__(self, x: np.ndarray) -> np.ndarray:
        for layer in self.layers.values():
            x = layer(x)
        return x + np.random.default_rng().normal(size=x.shape) if self.training else x


class LayeredAdapter(ModelAdapter):
    """What methods do to such models."""

    key = "toy"

    def open(self, model: Any) -> tuple[Any, Any]:
        return model, model.layers

    def layer_name(self, model: Any, layer: Any) -> str:
        return next(name for name, known in model.layers.items() if known is layer)

    def input_axes(self, model: Any, shape: Any) -> str:
        return "NF"

    def state(self, model: Any) -> Any:
        training, hooks = model.training, {name: list(layer.hooks) for name, layer in model.layers.items()}

        def put_back() -> None:
            model.training = training
            for name, layer in model.layers.items():
                layer.hooks = list(hooks[name])

        return put_back

    @contextmanager
    def guarded(self, model: Any) -> Iterator[Any]:
        put_back = self.state(model)
        model.training = False
        try:
            yield put_back
        finally:
            put_back()


class LayeredFramework(FrameworkBase, ToyFramework):
    """A plug-in that can run its models as well, and brings the adapter."""

    differentiable = True

    def list_layers(self, model: Any, inputs: Any) -> tuple[LayerInfo, ...]:
        return tuple(LayerInfo(name, "ToyLayer", (None, 2 + k), "NF") for k, name in enumerate(model.layers))

    def run(self, model: Any, inputs: Any, *, layers: Any = (), cotangents: Any = None) -> Run:
        outputs, back = model(*inputs), cotangents[0]
        for layer in reversed(model.layers.values()):
            back = layer.backward(layer.x, back)
        return Run([outputs], gradients=[back])

    def model_adapter(self) -> ModelAdapter:
        return LayeredAdapter()


LAYER = Argument("layer", "layer", required=True)


class LayeredToolset(Toolset):
    """Gradients as the adapter gives them, and activations by hooks that nobody takes off."""

    key, framework = "toy-tools", "toy"
    rows = (
        MethodSpec("slope", "toy-tools", "toy", "primary", ToyModel, family="gradient", call=(INPUTS, TARGET)),
        MethodSpec("activation", "toy-tools", "toy", "layer", ToyModel, call=(INPUTS, LAYER, Argument("fail"))),
    )

    def run(self, job: Job) -> Outcome:
        assert not job.model.training
        if job.spec.key == "slope":
            (x,) = job.inputs
            classes = job.target if isinstance(job.target, list) else [job.target] * len(x)
            return Outcome(*adapter_for("toy").gradients(job.model, [x], [np.eye(3)[classes]]))
        seen: list[np.ndarray] = []
        job.layer.hooks.append(seen.append)
        job.model(*job.inputs)
        if job.call.get("fail"):
            raise RuntimeError("half-way")
        return Outcome(seen[0], over="layer")


def test_a_framework_of_a_third_party_with_its_own_adapter(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, LayeredFramework(), LayeredToolset())
    model, x = LayeredModel(), np.array([[1.0, 2.0], [3.0, 5.0]])
    mine: list[np.ndarray] = []
    model.layers["dense"].hooks.append(mine.append)

    found = explain(model, "slope", x)
    assert (found.framework, found.axes, found.target) == ("toy", "NF", [2, 2])
    assert np.array_equal(found.values, 2 * x * model.weights[:, 2])
    assert np.array_equal(explain(model, "slope", x, target=[1, 0]).values, 2 * x * model.weights[:, [1, 0]].T)

    with pytest.raises(MissingArgumentError, match="there are: square, dense"):
        explain(model, "activation", x)
    by_name, by_object = (explain(model, "activation", x, layer=layer) for layer in ("square", model.layers["dense"]))
    assert (by_name.layer, by_name.axes, by_object.layer) == ("square", "NF", "dense")
    assert np.array_equal(by_name.values, x**2)
    assert np.array_equal(by_object.values, x**2 @ model.weights)
    with pytest.raises(UnknownLayerError, match="'squares'.*square"):
        explain(model, "activation", x, layer="squares")
    with pytest.raises(ToolsetError, match="half-way"):
        explain(model, "activation", x, layer="square", fail=True)

    assert model.training
    assert {name: layer.hooks for name, layer in model.layers.items()} == {"square": [], "dense": [mine.append]}
    assert mine


class AdapterEntry(Entry):
    """An entry point for the adapter alone, whose plug-in is in another package and has none."""

    def load(self) -> Any:
        return LayeredAdapter()


def test_an_adapter_in_a_package_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, ToyFramework(), LayeredToolset())
    entries = [AdapterEntry()]
    original = adapters.entry_points
    monkeypatch.setattr(adapters, "entry_points", lambda group: [*original(group=group), *entries])
    monkeypatch.setattr(adapters, "_registered", adapters._registered.__wrapped__)
    model, x = LayeredModel(), np.array([[1.0, 2.0]])
    assert np.array_equal(explain(model, "activation", x, layer="square").values, x**2)
    with pytest.raises(InvalidArgumentError, match="Toy have no gradients"):
        adapter_for("toy").gradients(model, [x], [np.ones((1, 3))])

    class Rival(AdapterEntry):
        dist = type("Other", (), {"name": "a-rival"})

    entries.append(Rival())
    with pytest.raises(MetannvisError, match="model adapter of 'toy': third-party and a-rival"):
        adapter_for("toy")


@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
def test_adapters_of_ours_give_gradients(framework: str, digits: Any) -> None:
    model, x = (digits.torch, digits.x) if framework == "torch" else (digits.keras, digits.x_last)
    expected = explain(model, "saliency", x, target=3, toolset="captum", abs=False).values
    adapter = adapter_for(framework)
    with adapter.guarded(model):
        (found,) = adapter.gradients(
            model, [adapter.as_input(model, x, 0)], [np.eye(10, dtype="float32")[[3] * len(x)]]
        )
    assert np.allclose(found, expected, rtol=1e-4, atol=1e-6)
