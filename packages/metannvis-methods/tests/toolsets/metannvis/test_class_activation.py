"""Class activation mapping by its weights and as a multiple of Grad-CAM; linear approximation by its formula."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from metannvis_methods import UnfitWarning, explain
from metannvis_methods.errors import InvalidArgumentError, UnfitError
from metannvis_translate import list_layers, translate
from metannvis_translate.frameworks.requirements import require

from .networks import SOURCES, last, randomized

torch, keras = require("torch"), require("keras")
nn = torch.nn
X = np.random.default_rng(0).uniform(-1, 1, (3, 3, 12, 10))


class Pooled(nn.Module):
    """Ends in a mean over places and one dense layer; ``more`` is put in between."""

    def __init__(self, more: Any = None) -> None:
        super().__init__()
        self.conv1, self.relu1, self.pool = nn.Conv2d(3, 5, 3), nn.ReLU(), nn.MaxPool2d(2)
        self.conv2, self.relu2 = nn.Conv2d(5, 7, 3), nn.ReLU()
        self.fc, self.more = nn.Linear(7, 4), more or nn.Identity()

    def forward(self, x: Any) -> Any:
        x = self.relu2(self.conv2(self.pool(self.relu1(self.conv1(x)))))
        return self.more(self.fc(x.mean((2, 3))))

    def map(self, x: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            found = self.relu2(self.conv2(self.pool(self.relu1(self.conv1(torch.from_numpy(x))))))
        return np.asarray(found)


def source(framework: str) -> tuple[Any, np.ndarray]:
    model = randomized(Pooled())
    if framework == "torch":
        return model, X
    made = translate(model, framework, example_inputs=X, dtype="float64")
    return made.model, last(X) if framework == "tensorflow" else X


@pytest.mark.parametrize("framework", SOURCES)
def test_it_is_the_sum_of_channels_by_the_weights_of_the_dense_layer(framework: str) -> None:
    model, x = source(framework)
    twin, targets = randomized(Pooled()), [1, 3, 0]
    weights = twin.fc.weight.detach().numpy()[targets]
    expected = np.einsum("nk,nkhw->nhw", weights, twin.map(X))
    infos = list_layers(model, example_inputs=x)
    layer = "relu2" if framework != "onnx" else [info.name for info in infos if info.kind == "Relu"][1]
    found = explain(model, "cam", x, target=targets, layer=layer)
    values = found.values[..., 0] if framework == "tensorflow" else found.values[:, 0]
    np.testing.assert_allclose(values, expected, rtol=1e-9, atol=1e-12)
    places = expected.shape[1] * expected.shape[2]
    grad_cam = explain(model, "grad_cam", x, target=targets, layer=layer, toolset="captum").values
    np.testing.assert_allclose(found.values, places * grad_cam, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(
        explain(model, "cam", x, target=targets, layer=layer, batch_size=2).values, found.values, rtol=1e-12
    )


def test_a_softmax_behind_the_dense_layer_is_left_out() -> None:
    plain, ended = randomized(Pooled()), randomized(Pooled(nn.Softmax(1)))
    found = explain(ended, "cam", X, target=1, layer="relu2")
    assert found.options["logits"]
    np.testing.assert_allclose(found.values, explain(plain, "cam", X, target=1, layer="relu2").values, rtol=1e-12)


@pytest.mark.parametrize(
    ("model", "layer", "why"),
    [
        (Pooled(), "conv2", "changes from place to place"),
        (Pooled(), "relu1", "changes from place to place"),
        (Pooled(nn.Sequential(nn.ReLU(), nn.Linear(4, 4))), "relu2", "depends on what the layer returns"),
        (Pooled(nn.Tanh()), "relu2", "depends on what the layer returns"),
    ],
)
@pytest.mark.filterwarnings("ignore::metannvis_methods.UnfitWarning")
def test_other_ends_are_refused(model: Any, layer: str, why: str) -> None:
    model = randomized(model)
    with pytest.raises(InvalidArgumentError, match=f"cam needs global average pooling and one dense layer.*{why}"):
        explain(model, "cam", X, target=1, layer=layer)
    with pytest.raises(UnfitError, match="needs global average pooling"):
        explain(model, "cam", X, target=1, layer=layer, unfit="raise")


@pytest.mark.parametrize("layer", ["conv1", "relu2"])
def test_linear_approximation_is_gradient_times_activation(layer: str) -> None:
    model = randomized(Pooled(nn.Sequential(nn.ReLU(), nn.Linear(4, 4))))
    kept: list[Any] = []
    hook = dict(model.named_modules())[layer].register_forward_hook(lambda m, a, out: kept.append(out))
    output = model(torch.from_numpy(X).requires_grad_())
    hook.remove()
    (slope,) = torch.autograd.grad(output[:, 2].sum(), kept[0])
    found = explain(model, "linear_approximation", X, target=2, layer=layer)
    assert found.axes == "NCHW"
    np.testing.assert_allclose(found.values, (kept[0] * slope).sum(1, keepdim=True).detach().numpy(), rtol=1e-12)
    with pytest.warns(UnfitWarning, match="no places beside channels"):
        explain(model, "linear_approximation", X, target=2, layer="fc")
