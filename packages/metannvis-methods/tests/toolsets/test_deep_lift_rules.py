"""DeepLift: attributions sum to the difference of the outputs (Shrikumar et al., 2017, equation 1), whatever computes it."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from metannvis_methods import UnfitWarning, explain
from metannvis_methods.errors import InvalidArgumentError
from metannvis_translate.frameworks.requirements import require

torch: Any = require("torch")
nn = torch.nn
F = nn.functional
SIZE = 9


def cnn(*middle: Any, axes: int = 2) -> Any:
    convolution = getattr(nn, f"Conv{axes}d")
    return nn.Sequential(convolution(3, 6, 3), *middle, nn.Flatten(), nn.LazyLinear(3))


class Functions(nn.Module):  # type: ignore[misc]
    """Activations and pools as functions, in place, one module twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.head = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3, padding=1), nn.Linear(36, 3)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x: Any) -> Any:
        x = self.act(self.first(x))
        y = self.second(x)
        y += x
        y = F.max_pool2d(self.act(y), 3, 2, 1, ceil_mode=True).relu_()
        y = y * torch.tanh(F.softplus(y)) / (1 + y.square())
        return F.log_softmax(self.head(F.adaptive_max_pool2d(y, 3).flatten(1)), -1)


class Gated(nn.Module):  # type: ignore[misc]
    """Squeeze and excitation."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.gate, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 4), nn.Linear(4, 3)

    def forward(self, x: Any) -> Any:
        x = F.silu(self.body(x))
        return self.head((x * torch.sigmoid(self.gate(x.mean((2, 3))))[:, :, None, None]).mean((2, 3)))


class Tokens(nn.Module):  # type: ignore[misc]
    """Attention and normalization by hand, the batch behind the tokens and merged with them."""

    def __init__(self) -> None:
        super().__init__()
        self.patches, self.three, self.norm, self.head = (
            nn.Conv2d(3, 8, 3, 3),
            nn.Linear(8, 24),
            nn.LayerNorm(8),
            nn.Linear(8, 3),
        )

    def forward(self, x: Any) -> Any:
        x = self.patches(x).flatten(2).permute(2, 0, 1)  # tokens, batch, features
        q, k, v = self.three(self.norm(x)).chunk(3, -1)
        mixed = F.scaled_dot_product_attention(*(part.transpose(0, 1) for part in (q, k, v)), is_causal=True)
        x = x + mixed.transpose(0, 1)
        x = F.gelu(x.reshape(-1, 8)).reshape(x.shape)  # the batch is merged with the tokens in front of it
        return self.head(x.mean(0))


class Extremes(nn.Module):  # type: ignore[misc]
    """The largest and the smallest over axes: as global pooling of other frameworks arrives, with ties."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Conv2d(3, 4, 3), nn.Linear(20, 3)

    def forward(self, x: Any) -> Any:
        x = F.relu(self.body(x))
        rows = x.permute(2, 0, 1, 3).amax((0, -1))  # the batch is not the first axis
        parts = [x.amax((2, 3)), rows, (x - 1).amin(axis=(-2, -1), keepdim=True).flatten(1)]
        y = self.head(torch.cat([*parts, x.mean(3).max(dim=-1).values, torch.min(x.mean(2), 2, True)[0].flatten(1)], 1))
        return torch.max(y, -y / 2)


class Recurrent(nn.Module):  # type: ignore[misc]
    """Layers of two directions and two layers, either axis first, with a projection or without biases."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(27, 5, num_layers=2, bidirectional=True, batch_first=True, proj_size=4)
        self.gru, self.rnn = nn.GRU(8, 5, bidirectional=True), nn.RNN(10, 6, bias=False, nonlinearity="relu")
        self.head = nn.Linear(16, 3)

    def forward(self, x: Any) -> Any:
        x = self.lstm(x.flatten(2).reshape(x.shape[0], SIZE, 27))[0].transpose(0, 1)
        x, state = self.gru(x)
        x = self.rnn(x)[0]
        return self.head(torch.cat([x[-1], state[0], state[1]], -1))


class Transformer(nn.Module):  # type: ignore[misc]
    """PyTorch's own encoder layer."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.head = nn.TransformerEncoderLayer(27, 3, 8, batch_first=True), nn.Linear(27, 3)

    def forward(self, x: Any) -> Any:
        return self.head(self.layer(x.flatten(2).reshape(x.shape[0], SIZE, 27)).mean(1))


NETWORKS = {
    "relu, pool": lambda: cnn(nn.ReLU(), nn.MaxPool2d(2)),
    "pool, relu": lambda: cnn(nn.MaxPool2d(2), nn.ReLU()),
    "overlapping windows": lambda: cnn(nn.ReLU(), nn.MaxPool2d(3, 2, 1)),
    "ceil, dilation": lambda: cnn(nn.ReLU6(), nn.MaxPool2d(2, 2, dilation=2, ceil_mode=True), nn.SiLU()),
    "pool of a pool": lambda: cnn(nn.MaxPool2d(3, 1), nn.MaxPool2d(2), nn.ELU(), nn.Dropout(), nn.ReLU()),
    "adaptive pool": lambda: cnn(nn.BatchNorm2d(6), nn.Hardswish(), nn.AdaptiveMaxPool2d((2, 3))),
    "normalizations": lambda: cnn(nn.GroupNorm(2, 6), nn.PReLU(6), nn.InstanceNorm2d(6, affine=True), nn.Mish()),
    "glu": lambda: cnn(nn.GLU(1)),
    "softmax": lambda: nn.Sequential(cnn(nn.Tanh()), nn.Softmax(1)),
    "1-d": lambda: cnn(nn.ReLU(), nn.MaxPool1d(3, 2, 1), nn.Identity(), nn.ReLU(), axes=1),
    "3-d": lambda: cnn(nn.LeakyReLU(), nn.MaxPool3d(3, 2, 1, ceil_mode=True), axes=3),
    "functions": Functions,
    "gates": Gated,
    "tokens": Tokens,
    "extremes": Extremes,
    "recurrent": Recurrent,
    "transformer": Transformer,
}


def network(name: str) -> tuple[Any, Any, Any]:
    """A network in double precision, two inputs, a baseline."""
    torch.manual_seed(3)
    model = NETWORKS[name]().double()
    shape = (3,) + (SIZE,) * {"1-d": 1, "3-d": 3}.get(name, 2)
    x, baseline = torch.randn(2, *shape, dtype=torch.float64), torch.randn(1, *shape, dtype=torch.float64) / 10
    model(x)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    return model.eval(), x, baseline


@pytest.mark.parametrize("name", NETWORKS)
def test_attributions_sum_to_the_difference(name: str) -> None:
    model, x, baseline = network(name)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UnfitWarning)
        found = explain(model, "deep_lift", x, target=1, baselines=baseline.numpy(), toolset="captum")
    difference = (model(x) - model(baseline))[:, 1].detach().numpy()
    np.testing.assert_allclose(found.values.reshape(2, -1).sum(1), difference, rtol=1e-9)
    assert (found.translation is not None) == (name == "transformer")


def test_a_rule_of_each_module_alone_is_the_paper_s() -> None:
    x, baseline = torch.tensor([[-2.0]]).double(), torch.tensor([[2.0]]).double()
    for act in (nn.ReLU(), nn.ELU(), nn.Sigmoid(), nn.SiLU(), nn.Hardtanh(), nn.Softplus()):
        model = nn.Sequential(nn.Linear(1, 1, bias=False), act).double()
        model[0].weight.data.fill_(1)
        found = explain(model, "deep_lift", x, target=0, baselines=baseline.numpy(), toolset="captum")
        assert found.values.item() == pytest.approx((act(x) - act(baseline)).item(), rel=1e-12)


def test_a_product_is_shared_by_the_averages_of_both_orders() -> None:
    class Product(nn.Module):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            return (x[:, :1] * x[:, 1:]) ** 2

    x, baseline = torch.tensor([[3.0, 5.0]]).double(), torch.tensor([[1.0, 2.0]]).double()
    found = explain(Product(), "deep_lift", x, target=0, baselines=baseline.numpy(), toolset="captum")
    # the square's multiplier is 15 + 2; the product gives each factor the other's mean
    np.testing.assert_allclose(found.values, [[17 * 2 * 3.5, 17 * 3 * 2.0]], rtol=1e-12)


def test_layers_and_neurons() -> None:
    model, x, baseline = network("overlapping windows")
    layer = explain(model, "deep_lift", x, target=1, layer="1", baselines=baseline.numpy(), toolset="captum")
    difference = (model(x) - model(baseline))[:, 1].detach().numpy()
    np.testing.assert_allclose(layer.values.reshape(2, -1).sum(1), difference, rtol=1e-9)
    neuron = explain(model, "deep_lift", x, layer="2", neuron=(0, 1, 1), baselines=baseline.numpy(), toolset="captum")
    pooled = (model[:3](x) - model[:3](baseline))[:, 0, 1, 1].detach().numpy()
    np.testing.assert_allclose(neuron.values.reshape(2, -1).sum(1), pooled, rtol=1e-9)


def test_several_baselines() -> None:
    model, x, _ = network("overlapping windows")
    several = torch.randn(3, 3, SIZE, SIZE, dtype=torch.float64)
    found = explain(model, "deep_lift_shap", x, target=1, baselines=several.numpy(), toolset="captum")
    difference = (model(x)[:, 1] - model(several)[:, 1].mean()).detach().numpy()
    np.testing.assert_allclose(found.values.reshape(2, -1).sum(1), difference, rtol=1e-9)


def test_what_has_no_rule_is_said() -> None:
    class Sorted(nn.Module):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            return x.cumprod(1)

    x = torch.tensor([[3.0, 5.0, -1.0]]).double()
    with pytest.warns(UnfitWarning, match="no rule"):
        explain(Sorted(), "deep_lift", x, target=2, baselines=1, toolset="captum")


def test_a_way_that_depends_on_values_is_refused() -> None:
    class Branch(nn.Module):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            return torch.relu(x) if x.sum() > 0 else torch.sigmoid(x)

    with pytest.raises(InvalidArgumentError, match="depends on its values"):
        explain(Branch(), "deep_lift", torch.ones(1, 2), target=0, baselines=-0.5, toolset="captum")


def test_samples_that_are_mixed_are_refused() -> None:
    class Mixed(nn.Module):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            return torch.relu(x - x.mean(0))

    x = torch.randn(2, 3, dtype=torch.float64)
    with pytest.raises(InvalidArgumentError, match="mixes samples"):
        explain(Mixed(), "deep_lift", x, target=0, baselines=np.zeros((1, 3)) + 0.1, toolset="captum")

    class Largest(nn.Module):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            return x / x.amax()

    with pytest.raises(InvalidArgumentError, match="mixes samples"):
        explain(Largest(), "deep_lift", x, target=0, baselines=np.zeros((1, 3)) + 0.1, toolset="captum")
