"""Rows of zennit against zennit called directly on native twins, conservation of relevance, and what is refused."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from metannvis_methods import DeadlineError, Explanation, SmoothGrad, UnfitWarning, explain, list_methods
from metannvis_methods.errors import InvalidArgumentError, UnknownLayerError
from metannvis_translate.frameworks.requirements import require

torch = require("torch")
require("tensorflow")
nn = torch.nn
from captum.attr._utils.custom_modules import Addition_Module  # noqa: E402
from zennit import composites as zc  # noqa: E402
from zennit import rules as zr  # noqa: E402
from zennit.types import Linear  # noqa: E402

from ...matrix.cells import ours  # noqa: E402
from ...matrix.networks import network  # noqa: E402
from ...matrix.zennit_references import Merge, relevance  # noqa: E402

ROWS = list_methods(toolset="zennit")
LRP = next(row for row in ROWS if row.key == "lrp")
LOW, HIGH = -2.5, (3.0, 2.0, 2.5)


def of_all(rule: Any) -> Any:
    """A rule of all linear layers, as zennit's composites have them."""
    return zc.LayerMapComposite([*zc.layer_map_base(1e-6), (Linear, rule)], canonizers=[Merge()])


#: Words of the option composite, and the same in zennit's own.
COMPOSITES: dict[str, tuple[Any, Callable[[], Any]]] = {
    "epsilon_plus": ("epsilon_plus", lambda: zc.EpsilonPlus(canonizers=[Merge()])),
    "epsilon_plus, epsilon": (
        {"epsilon_plus": {"epsilon": 0.1}},
        lambda: zc.EpsilonPlus(epsilon=0.1, canonizers=[Merge()]),
    ),
    "epsilon_plus_flat": ("epsilon_plus_flat", lambda: zc.EpsilonPlusFlat(canonizers=[Merge()])),
    "epsilon_alpha2_beta1": ("epsilon_alpha2_beta1", lambda: zc.EpsilonAlpha2Beta1(canonizers=[Merge()])),
    "epsilon_alpha2_beta1_flat": ("epsilon_alpha2_beta1_flat", lambda: zc.EpsilonAlpha2Beta1Flat(canonizers=[Merge()])),
    "epsilon_gamma_box": (
        {"epsilon_gamma_box": {"low": LOW, "high": HIGH, "gamma": 0.5}},
        lambda: zc.EpsilonGammaBox(low=LOW, high=torch.tensor([HIGH]), gamma=0.5, canonizers=[Merge()]),
    ),
    "zero": ("zero", lambda: of_all(zr.Epsilon())),
    "epsilon": ({"epsilon": 0.01}, lambda: of_all(zr.Epsilon(epsilon=0.01))),
    "gamma": ({"gamma": 0.3}, lambda: of_all(zr.Gamma(gamma=0.3))),
    "alpha_beta": ({"alpha_beta": 3}, lambda: of_all(zr.AlphaBeta(alpha=3.0, beta=2.0))),
    "z_plus": ({"z_plus": {"zero_params": "bias"}}, lambda: of_all(zr.ZPlus(zero_params="bias"))),
    "w_square": ("w_square", lambda: of_all(zr.WSquare())),
    "flat": ({"flat": {"stabilizer": 1e-3}}, lambda: of_all(zr.Flat(stabilizer=1e-3))),
    "deconvnet": ("deconvnet", zc.DeconvNet),
    "guided_backprop": ("guided_backprop", zc.GuidedBackprop),
    "beta_smooth": ({"beta_smooth": 4}, lambda: zc.BetaSmooth(beta_smooth=4.0)),
}
#: Composites that begin with one, not with the score.
FROM_ONE = ("deconvnet", "guided_backprop", "beta_smooth")


def relative(a: Any, b: Any) -> float:
    return float(np.abs(a - b).max() / np.abs(b).max())


def of_words(source: str, **words: Any) -> np.ndarray:
    net = network("resnet")
    keras = source == "tensorflow"
    x = net.inputs[0].transpose(0, 2, 3, 1) if keras else net.inputs[0]
    found = explain(net.source(source), "lrp", x, target=[1, 0, 2], toolset="zennit", **words)
    return found.values.transpose(0, 3, 1, 2) if keras else found.values


@pytest.mark.parametrize("source", ["torch", "tensorflow", "onnx"])
@pytest.mark.parametrize("name", COMPOSITES)
def test_composites_are_zennits_on_a_residual_network(name: str, source: str) -> None:
    net = network("resnet")
    word, made = COMPOSITES[name]
    (expected,) = relevance(LRP, net, made(), from_one=name in FROM_ONE)
    assert relative(of_words(source, composite=word), expected) <= 1e-9


@pytest.mark.parametrize("source", ["torch", "tensorflow", "onnx"])
def test_rules_of_layers_and_of_kinds(source: str) -> None:
    from ...matrix.networks import Layer

    net = network("resnet")
    stem = net.layer(Layer("stem", "stem", ("Conv", 0)), source)
    block = net.layer(Layer("two_conv1", "two_conv1", ("Conv", 3)), source)
    rules = {
        stem: {"z_box": {"low": LOW, "high": HIGH}},
        block: {"gamma": 0.1},
        "dense": "z_plus",
        "convolution": {"alpha_beta": 2},
    }
    named = zc.NameMapComposite([
        (("stem",), zr.ZBox(low=LOW, high=torch.tensor([HIGH]))), (("two_conv1",), zr.Gamma(gamma=0.1)),
        (("classes",), zr.ZPlus()),
    ])  # fmt: skip
    rest = zc.LayerMapComposite([(nn.Conv2d, zr.AlphaBeta(alpha=2.0, beta=1.0)), *zc.layer_map_base(1e-6)])
    (expected,) = relevance(LRP, net, zc.MixedComposite([named, rest], canonizers=[Merge()]))
    assert relative(of_words(source, rules=rules), expected) <= 1e-9


@pytest.mark.parametrize("key", ["cnn", "two inputs", "unet"])
@pytest.mark.parametrize("source", ["torch", "tensorflow", "onnx"])
def test_rows_are_zennits(key: str, source: str) -> None:
    for row in ROWS:
        found, expected = ours(row, network(key), source), relevance(row, network(key))
        for a, b in zip(found, expected, strict=True):
            assert relative(a, b) <= 1e-9, row.key


class Plain(nn.Module):
    """Residual, with pools, without biases; ``function``: it adds as a function, which no hook sees."""

    def __init__(self, *, bias: bool = False, function: bool = False) -> None:
        super().__init__()
        self.add = torch.add if function else Addition_Module()
        self.conv1, self.relu1, self.pool = nn.Conv2d(3, 8, 3, bias=bias), nn.ReLU(), nn.MaxPool2d(2)
        self.conv2, self.relu2 = nn.Conv2d(8, 8, 3, padding=1, bias=bias), nn.ReLU()
        self.average, self.dense = nn.AdaptiveAvgPool2d(2), nn.Linear(32, 4, bias=bias)

    def forward(self, x: Any) -> Any:
        x = self.pool(self.relu1(self.conv1(x)))
        return self.dense(self.average(self.relu2(self.add(x, self.conv2(x)))).flatten(1))


def plain(*, bias: bool = False, positive: bool = False, function: bool = False) -> tuple[Any, np.ndarray, list[int]]:
    torch.manual_seed(1)
    model = Plain(bias=bias, function=function).double().eval()
    x = torch.rand(3, 3, 12, 12, dtype=torch.float64)
    with torch.no_grad():
        if positive:  # relevance of the rules that know positive parts only
            model.dense.weight.abs_()
        target = model(x).argmax(1).tolist()
    return model, x.numpy(), target


CONSERVES: dict[str, tuple[str, dict[str, Any]]] = {
    "zero": ("lrp", {"composite": "zero"}),
    "epsilon": ("lrp", {"composite": "epsilon"}),
    "gamma": ("lrp", {"composite": {"gamma": 0.25}}),
    "z_plus": ("lrp", {"composite": "z_plus"}),
    "epsilon_plus": ("lrp", {"composite": "epsilon_plus"}),
    "deep_taylor": ("deep_taylor", {}),
    "deep_taylor, box": ("deep_taylor", {"first": {"z_box": {"low": 0, "high": 1}}}),
}


@pytest.mark.parametrize("framework", ["torch", "function", "keras"])
@pytest.mark.parametrize("name", CONSERVES)
def test_relevance_is_conserved_without_biases(name: str, framework: str) -> None:
    key, words = CONSERVES[name]
    model, x, target = plain(positive=name not in ("zero", "epsilon"), function=framework == "function")
    with torch.no_grad():
        score = model(torch.from_numpy(x)).numpy()[np.arange(3), target]
    if framework == "keras":
        from metannvis_translate import translate

        model = translate(model, "keras", example_inputs=x, dtype="float64").model
        x = np.ascontiguousarray(x.transpose(0, 2, 3, 1))
    found = explain(model, key, x, target=target, toolset="zennit", stabilizer=1e-12, **words)
    total = found.values.reshape(3, -1).sum(1)
    assert np.abs(total / score - 1).max() <= 1e-9
    np.testing.assert_allclose(found.convergence_delta, total - score, atol=1e-9)


@pytest.mark.parametrize("bias", [False, True])
def test_the_probability_of_winners_is_one(bias: bool) -> None:
    model, x, target = plain(bias=bias, positive=True)
    for layer in (None, "conv2", "pool"):
        words = {} if layer is None else {"layer": layer}
        values = explain(
            model, "excitation_backprop", x, target=target, toolset="zennit", stabilizer=1e-12, **words
        ).values
        if layer == "conv2":  # beside it goes what skips it
            continue
        assert np.abs(values.reshape(3, -1).sum(1) - 1).max() <= 1e-9


def test_what_breaks_conservation() -> None:
    """Biases, as the documentation says."""
    model, x, target = plain(bias=True, positive=True)
    with torch.no_grad():
        score = model(torch.from_numpy(x)).numpy()[np.arange(3), target]
    found = explain(model, "lrp", x, target=target, composite="epsilon", toolset="zennit", stabilizer=1e-12)
    assert np.abs(found.convergence_delta / score).max() > 1e-3
    dropped = explain(
        model, "lrp", x, target=target, composite="z_plus", zero_params="bias", toolset="zennit", stabilizer=1e-12
    )
    assert np.abs(dropped.convergence_delta / score).max() <= 1e-9


def test_epsilon_of_a_network_of_relus_is_the_gradient_times_the_input() -> None:
    model, x, target = plain()
    relevance_ = explain(model, "lrp", x, target=target, composite="zero", stabilizer=1e-14, toolset="zennit").values
    product = explain(model, "input_x_gradient", x, target=target, toolset="captum").values
    np.testing.assert_allclose(relevance_, product, rtol=1e-8, atol=1e-12)


def test_contrast_by_hand() -> None:
    """Two dense layers: the winners for the weights and for their opposites, and what is left of the first."""
    torch.manual_seed(2)
    one, two = nn.Linear(5, 6).double(), nn.Linear(6, 3).double()
    model = nn.Sequential(one, nn.ReLU(), two).eval()
    x = np.random.default_rng(0).uniform(0.1, 1, (2, 5))
    w1, w2 = (layer.weight.detach().numpy() for layer in (one, two))
    hidden = np.maximum(x @ w1.T + one.bias.detach().numpy(), 0)

    def back(a: np.ndarray, w: np.ndarray, p: np.ndarray) -> np.ndarray:
        w = np.maximum(w, 0)
        below = a @ w.T
        return a * ((p / np.where(below == 0, np.inf, below)) @ w)

    start = np.eye(3)[[1, 2]]
    expected = back(x, w1, back(hidden, w2, start) - back(hidden, -w2, start))
    words: dict[str, Any] = {"target": [1, 2], "toolset": "zennit", "contrastive": True, "stabilizer": 1e-14}
    np.testing.assert_allclose(
        explain(model, "excitation_backprop", x, **words).values, expected, rtol=1e-9, atol=1e-12
    )
    at_hidden = explain(model, "excitation_backprop", x, layer="1", **words).values
    np.testing.assert_allclose(at_hidden, back(hidden, w2, start) - back(hidden, -w2, start), rtol=1e-9, atol=1e-12)
    plainly = explain(model, "excitation_backprop", x, target=[1, 2], toolset="zennit", stabilizer=1e-14).values
    np.testing.assert_allclose(plainly, back(x, w1, back(hidden, w2, start)), rtol=1e-9, atol=1e-12)


class Norms(nn.Module):
    """Batch norms that may be merged, and some that may not."""

    def __init__(self) -> None:
        super().__init__()
        self.before, self.conv1, self.norm1 = (
            nn.BatchNorm2d(2),
            nn.ConvTranspose2d(2, 4, 3, groups=2),
            nn.BatchNorm2d(4),
        )
        self.relu, self.conv2, self.norm2 = nn.ReLU(), nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)
        self.dense, self.norm3 = nn.Linear(4, 3, bias=False), nn.BatchNorm1d(3)

    def forward(self, x: Any) -> Any:
        x = self.relu(self.norm1(self.conv1(self.before(x))))
        y = self.conv2(x)
        z = self.norm2(y)
        return self.norm3(self.dense((y * z.new_ones(()) + z).mean((2, 3))))


def test_batch_norms_are_merged_where_nothing_looks_between() -> None:
    from metannvis_methods.toolsets.zennit.analysis import analysis
    from metannvis_methods.toolsets.zennit.canonical import exchanged

    torch.manual_seed(3)
    model = Norms().double().eval()
    for module in model.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            for tensor in (module.running_mean, module.running_var, module.weight.data, module.bias.data):
                tensor.uniform_(0.5, 1.5)
    x = torch.randn(2, 2, 5, 5, dtype=torch.float64, requires_grad=True)
    found = analysis(model, None, [x], None, lambda: model(x).sum())
    assert found.merged == (("conv1", "norm1"), ("dense", "norm3"))
    assert found.first == {"conv1"}
    expected, weights = model(x), copy.deepcopy(model.state_dict())
    with exchanged(model, found.merged):
        assert type(model.norm1) is nn.Identity
        torch.testing.assert_close(model(x), expected, rtol=1e-12, atol=1e-12)
    assert type(model.norm1) is nn.BatchNorm2d
    assert all(torch.equal(weights[name], tensor) for name, tensor in model.state_dict().items())


def test_the_model_is_as_it_was() -> None:
    from ...threads.thread_cases import made, model_state

    model = made("torch")
    before = model_state(model)
    x = np.random.default_rng(0).uniform(0, 1, (2, 2, 6, 5)).astype("float32")
    for row in ROWS:
        explain(model, row.key, x, target=1, toolset="zennit", **({"layer": "conv2"} if row.by_role("layer") else {}))
    with pytest.raises(InvalidArgumentError):
        explain(model, "lrp", x[:, :, :3], target=1, toolset="zennit")
    assert model_state(model) == before


class Normed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.relu, self.dense = nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4), nn.ReLU(), nn.Linear(4, 3)

    def forward(self, x: Any) -> Any:
        return self.dense(self.relu(self.norm(self.conv(x))).mean((2, 3)))


def test_a_module_without_a_rule_is_refused_by_name() -> None:
    model, x = Normed().eval(), np.random.default_rng(0).random((2, 3, 8, 8), "float32")
    words: dict[str, Any] = {"target": 1, "toolset": "zennit"}
    for row in ROWS:
        layer = {"layer": "conv"} if row.by_role("layer") else {}
        with (
            pytest.warns(UnfitWarning, match="has no rule for 'norm'"),
            pytest.raises(InvalidArgumentError, match=rf"{row.key} has no rule for 'norm' \(GroupNorm\): give one"),
        ):
            explain(model, row.key, x, **layer, **words)
    explain(model, "lrp", x, layer="relu", unfit="raise", **words)  # where relevance does not come to it
    explain(model, "lrp", x, rules={"norm": "pass"}, unfit="raise", **words)
    with pytest.raises(UnknownLayerError, match="norm"):
        explain(model, "lrp", x, rules={"norn": "pass"}, **words)


@pytest.mark.parametrize(
    ("key", "options", "says"),
    [
        ("lrp", {"composite": "epsilon_plus_flatt"}, "Close: epsilon_plus_flat"),
        ("lrp", {"composite": "epsilon_gamma_box"}, "epsilon_gamma_box needs low, high"),
        ("lrp", {"composite": {"epsilon": 0}}, "a number above 0"),
        ("lrp", {"composite": {"alpha_beta": 0.5}}, "a number of at least 1"),
        ("lrp", {"rules": {"conv": {"z_box": {"low": 0}}}}, "z_box needs high"),
        ("lrp", {"rules": "flat"}, "a dict of layers"),
        ("lrp", {"stabilizer": 0}, "a number above 0"),
        ("lrp", {"zero_params": "biases"}, "did you mean 'bias'"),
        ("deep_taylor", {"first": "z_plus"}, "no rule 'z_plus'"),
        ("deep_taylor", {"composite": "zero"}, "no option 'composite'"),
        ("excitation_backprop", {"contrastive": 1}, "true or false"),
    ],
)
def test_wrong_options_are_refused_before_a_model_is_opened(key: str, options: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidArgumentError, match=says):
        explain("no such file.pt2", key, np.zeros((1, 1, 8, 8)), target=0, toolset="zennit", **options)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.key)
def test_words_of_explain(row: Any) -> None:
    model, x, target = plain(bias=True)
    words: dict[str, Any] = {"target": target, "toolset": "zennit"} | (
        {"layer": ["conv2", "pool"]} if row.by_role("layer") else {}
    )
    rows: list[int] = []
    counted = model.conv1.register_forward_pre_hook(lambda _m, given: rows.append(len(given[0])))
    whole, parts = (explain(model, row.key, x, batch_size=size, **words) for size in (None, 2))
    del rows[:]
    explain(model, row.key, x, batch_size=2, **words)
    counted.remove()
    assert max(rows) <= 2
    for name in whole if isinstance(whole, dict) else [None]:
        a, b = (found if name is None else found[name] for found in (whole, parts))
        np.testing.assert_allclose(b.values, a.values, rtol=1e-9, atol=1e-12)
    words |= {"layer": "conv2"} if "layer" in words else {}
    noisy = explain(model, row.key, x, noise=SmoothGrad(2, 0.05), seed=1, **words)
    assert noisy.values.shape[0] == 3
    with pytest.raises(DeadlineError):
        explain(model, row.key, x, deadline=1e-9, **words)


def test_a_record_is_run_again(tmp_path: Any) -> None:
    model, x, target = plain(bias=True)
    words: dict[str, Any] = {
        "composite": ("gamma", {"gamma": 0.5}),
        "rules": {"conv1": {"z_box": {"low": 0, "high": (1.0,)}}},
    }
    found = explain(model, "lrp", x, target=target, toolset="zennit", **words)
    found.save(tmp_path / "e.npz")
    loaded = Explanation.load(tmp_path / "e.npz")
    assert np.array_equal(loaded.rerun(model).values, found.values)
    again = explain(model, "lrp", x, target=target, toolset="zennit", options=loaded.options)
    assert np.array_equal(again.values, found.values)


def test_a_function_of_the_output_shares_its_value() -> None:
    """Of a sum of scores each one begins with what it contributes."""
    model, x, _ = plain(positive=True)
    both = explain(
        model, "lrp", x, target=lambda output: output[:, 0] + output[:, 2], toolset="zennit", composite="zero"
    ).values
    alone = [explain(model, "lrp", x, target=k, toolset="zennit", composite="zero").values for k in (0, 2)]
    np.testing.assert_allclose(both, sum(alone), rtol=1e-9)


def test_an_absent_package_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    from metannvis_methods.registry.table import registry

    monkeypatch.setattr(registry.toolset("zennit"), "packages", ("torch", "no_such_package"))
    assert len(list_methods(toolset="zennit")) == len(ROWS)
    model, x, target = plain()
    with pytest.raises(ImportError, match=r"pip install 'metannvis-methods\[zennit\]'$") as raised:
        explain(model, "deep_taylor", x, target=target)
    assert "\n" not in str(raised.value)
