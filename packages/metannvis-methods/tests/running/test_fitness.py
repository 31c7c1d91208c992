"""Fitness: every need of every row, on a model or a call that lacks it, is told before the run, and with ``unfit="raise"`` raised."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from metannvis_methods import MethodSpec, UnfitWarning, describe_method, explain, list_methods
from metannvis_methods.errors import InvalidArgumentError, MetannvisError, UnfitError
from metannvis_methods.registry.needs import NEEDS
from metannvis_methods.registry.table import registry
from metannvis_translate.frameworks.requirements import require

torch = require("torch")
keras = require("keras")

X = np.random.default_rng(0).standard_normal((3, 2, 6, 6)).astype("float32")


class Network(torch.nn.Module):
    """With what every row needs, or without some of it."""

    def __init__(self, activation: Any, end: Any, norm: Any) -> None:
        super().__init__()
        self.conv, self.act, self.norm = torch.nn.Conv2d(2, 4, 3), activation, norm
        self.pool, self.flat, self.fc, self.end = torch.nn.AvgPool2d(4), torch.nn.Flatten(), torch.nn.Linear(4, 3), end

    def forward(self, x: Any) -> Any:
        return self.end(self.fc(self.flat(self.pool(self.norm(self.act(self.conv(x)))))))


class Own(torch.nn.Module):
    """Probabilities that come from no softmax."""

    def forward(self, x: Any) -> Any:
        return torch.exp(x) / torch.exp(x).sum(1, keepdim=True)


def network(activation: Any = None, end: Any = None, norm: Any = None) -> Any:
    torch.manual_seed(0)
    parts = activation or torch.nn.ReLU(), end or torch.nn.Dropout(), norm or torch.nn.Dropout()
    return Network(*parts).eval()


@dataclass(frozen=True)
class Lack:
    """A model and words that lack something, and how that is told."""

    says: str
    model: Callable[[], Any] = network
    inputs: Any = None
    words: tuple[tuple[str, Any], ...] = ()


#: By need, what lacks it.
LACKS: dict[str, tuple[Lack, ...]] = {
    "relu": (
        Lack("the model has none", lambda: network(torch.nn.Tanh())),
        Lack("the model has none", lambda: network(torch.nn.ReLU6())),
    ),
    "batch": (Lack("there is one: give two", inputs=X[:1]),),
    "sample": (Lack("one sample at a time, and there are 3"),),
    "baselines": (Lack("there is one: give two", words=(("baselines", X[:1] * 0),)),),
    "logits": (Lack("the outputs of the model sum to one", lambda: network(end=Own())),),
    "places": (Lack("no places beside channels", words=(("layer", "fc"),)),),
    "map": (Lack("one place", words=(("layer", "pool"),)),),
    "pooling": (Lack("needs global average pooling and one dense layer", words=(("layer", "conv"),)),),
    "rules": (Lack(r"no rule for 'norm' \(GroupNorm\)", lambda: network(norm=torch.nn.GroupNorm(2, 4))),),
}
#: What is seen at the method's first pass, where that is overheard.
AT_FIRST_PASS = {"logits"}
#: What rows need beside the input, on this network.
WORDS: dict[str, dict[str, Any]] = {
    "fem": {"k": 1},  # two standard deviations are much of 16 places
    "deep_lift_shap": {"baselines": X[:2] * 0},
    "layer_deep_lift_shap": {"baselines": X[:2] * 0},
    "neuron_deep_lift_shap": {"baselines": X[:2] * 0},
    "cam": {"layer": "norm"},
    "filter_guided_backprop": {"channel": 1},
    "lime_base": {
        **dict.fromkeys(("interpretable_model", "similarity_func", "perturb_func", "to_interp_rep_transform"), print),
        "perturb_interpretable_space": False,
    },
}
CELLS = [
    pytest.param(spec, need, lack, id=f"{spec.toolset}-{spec.key}-{need}-{place}")
    for spec in list_methods()
    if spec.toolset in ("captum", "grad-cam", "metannvis", "tf-keras-vis", "zennit")
    for need in spec.needs
    for place, lack in enumerate(LACKS[need])
]


def words_of(spec: MethodSpec, lack: Lack) -> dict[str, Any]:
    words: dict[str, Any] = {"toolset": spec.toolset}
    words |= {"layer": "conv"} if spec.by_role("layer") else {}
    words |= WORDS.get(spec.key, {})
    words |= {"neuron": (1, 2, 1)} if spec.by_role("neuron") else {}
    words |= {"target": 1} if spec.by_role("target", "score") and spec.key != "layer_feature_permutation" else {}
    return words | dict(lack.words)


def warnings_of(model: Any, key: str, inputs: Any, words: dict[str, Any]) -> tuple[str, ...] | None:
    """What a result carries; ``None`` if the toolkit, or our way to it, refuses the call as well."""
    try:
        return explain(model, key, inputs, **words).warnings
    except MetannvisError:
        return None


def test_every_need_has_a_model_that_lacks_it() -> None:
    assert set(LACKS) == set(NEEDS) == {need for spec in list_methods() for need in spec.needs}


@pytest.mark.filterwarnings(
    "ignore::metannvis_methods.UnfitWarning", "ignore:Couldn't appropriately interpolate:UserWarning"
)
@pytest.mark.parametrize(("spec", "need", "lack"), CELLS)
def test_a_need_that_is_not_met_is_told_before_the_run(
    spec: MethodSpec, need: str, lack: Lack, monkeypatch: pytest.MonkeyPatch
) -> None:
    toolset = registry.toolset(spec.toolset)
    runs: list[str] = []
    own = type(toolset).run
    monkeypatch.setattr(type(toolset), "run", lambda self, call: runs.append(call.spec.key) or own(self, call))
    inputs = X if lack.inputs is None else lack.inputs
    words = words_of(spec, lack)
    with pytest.raises(UnfitError, match=lack.says):
        explain(lack.model(), spec.key, inputs, unfit="raise", **words)
    assert not runs or need in AT_FIRST_PASS
    with pytest.warns(UnfitWarning, match=lack.says):
        told = warnings_of(lack.model(), spec.key, inputs, words)
    if told is None:
        return
    assert any(part in " ".join(told) for part in (lack.says, lack.says.replace("\\", "")))
    if "rules" in spec.needs and need == "logits":  # whose relevance through exp and a division nobody knows
        with pytest.raises(MetannvisError, match="no rule for"):
            explain(lack.model(), spec.key, inputs, unfit="ignore", **words)
        return
    explain(lack.model(), spec.key, inputs, unfit="ignore", **words)


@pytest.mark.parametrize(
    "spec", [spec for spec in list_methods() if spec.needs and spec.key not in ("lime_base", "layer_feature_permutation")],
    ids=lambda spec: f"{spec.toolset}-{spec.key}",
)  # fmt: skip
def test_nothing_is_told_where_nothing_lacks(spec: MethodSpec) -> None:
    words = words_of(spec, Lack(""))
    for end in (None, torch.nn.Softmax(1)):
        seeded = {"seed": 1} if spec.stochastic else {}
        found = explain(network(end=end), spec.key, X, unfit="raise", **words, **seeded)
        assert found.values.shape[0] == 3


def test_relus_of_every_form_are_seen_in_keras() -> None:
    def made(activation: Any) -> Any:
        x = keras.Input((6, 6, 2))
        return keras.Model(x, keras.layers.Dense(3)(keras.layers.Flatten()(activation(x))))

    forms = (
        keras.layers.ReLU(),
        keras.layers.Activation("relu"),
        keras.layers.Conv2D(2, 3, activation="relu"),
        keras.ops.relu,
        keras.Sequential([keras.Input((6, 6, 2)), keras.layers.ReLU()]),
    )
    x = np.ascontiguousarray(X.transpose(0, 2, 3, 1))
    for form in forms:
        explain(made(form), "guided_backprop", x, target=1, toolset="captum", unfit="raise")
    with pytest.raises(UnfitError, match="the model has none"):
        explain(made(keras.layers.Activation("tanh")), "guided_backprop", x, target=1, toolset="captum", unfit="raise")


def test_one_baseline_is_that_of_deep_lift() -> None:
    words: dict[str, Any] = {"target": 1, "baselines": X[:1] * 0.5, "toolset": "captum"}
    expected = explain(network(), "deep_lift", X, **words).values
    for bound in (None, 2):
        with pytest.warns(UnfitWarning, match="or take deep_lift"):
            found = explain(network(), "deep_lift_shap", X, batch_size=bound, **words).values
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)


def test_probabilities_that_were_asked_for_are_not_told() -> None:
    for end in (Own(), torch.nn.Softmax(1)):
        explain(network(end=end), "grad_cam", X, target=1, layer="conv", toolset="captum", logits=False, unfit="raise")


def test_names_that_are_not_as_many_as_the_classes_are_told() -> None:
    words: dict[str, Any] = {"target": 1, "toolset": "captum"}
    assert not explain(network(), "saliency", X, labels=["a", "b", "c"], **words).warnings
    with pytest.warns(UnfitWarning, match="labels holds 4 names, and the output has 3 classes"):
        explain(network(), "saliency", X, labels=["background", "a", "b", "c"], **words)


def test_needs_are_described() -> None:
    assert "needs: a ReLU, whose gradient it changes" in describe_method("guided_backprop")
    with pytest.raises(InvalidArgumentError, match="unknown need 'relus'"):
        MethodSpec("m", "captum", "torch", "primary", "a:B", needs=("relus",))


@pytest.mark.parametrize(("low", "high", "told"), [(0, 1, False), (-1, 1, False), (0.5, 2, True), (0, 0.5, True)])
def test_inputs_beyond_the_range_of_values_are_told(low: float, high: float, told: bool) -> None:
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.Flatten(), torch.nn.Linear(4 * 36, 2)).eval()
    image = np.linspace(0, 1, 3 * 8 * 8, dtype="float32").reshape(1, 3, 8, 8)
    words = {"target": 1, "toolset": "captum", "baselines": "black", "n_steps": 4}
    found = explain(model, "integrated_gradients", image, value_range=(low, high), unfit="ignore", **words)
    texts = [text for text in found.warnings if "beyond value_range" in text]
    told_of = f"the inputs reach from 0 to 1, beyond value_range=({low:g}, {high:g}): black and white are not theirs"
    assert len(texts) == told
    assert all(text.startswith(told_of) for text in texts)


class Threshold(torch.nn.Module):  # type: ignore[name-defined, misc]
    """A step that few steps along a path meet."""

    def forward(self, x: Any) -> Any:
        return torch.sigmoid(200 * (x.flatten(1).sum(1, keepdim=True) - 0.3))


@pytest.mark.parametrize("method", ["integrated_gradients", "layer_conductance"])
def test_values_that_do_not_add_up_are_told(method: str) -> None:
    """With few steps, and not with many; a derivative without the input's factor adds up to nothing that is known."""
    model = torch.nn.Sequential(torch.nn.Flatten(), Threshold()).eval()
    words: dict[str, Any] = {
        "toolset": "captum",
        "target": 0,
        **({"layer": "0"} if method == "layer_conductance" else {}),
    }
    x = np.full((2, 3), 0.3, np.float32)
    with pytest.warns(UnfitWarning, match=r"do not add up: .* take more steps \(n_steps\)"):
        found = explain(model, method, x, n_steps=3, **words)
    assert any("do not add up" in text for text in found.warnings)
    assert not explain(model, method, x, n_steps=400, **words).warnings
    if method == "integrated_gradients":
        assert not explain(model, method, x, n_steps=3, multiply_by_inputs=False, **words).warnings
