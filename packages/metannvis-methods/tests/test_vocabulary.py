"""Words of ``explain`` that stand beside every method: noise, several layers, many requests, records, held inputs."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from metannvis_methods import Explanation, SegmentationTarget, SmoothGrad, UnfitWarning, explain, explain_many
from metannvis_methods.errors import InvalidArgumentError, UnknownLayerError, UnknownMethodError
from metannvis_translate import translate
from metannvis_translate.frameworks.requirements import require

torch = require("torch")
keras = require("keras")


PASSES: list[int] = []


class Images(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.relu1 = torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU()
        self.conv2, self.relu2 = torch.nn.Conv2d(4, 6, 3), torch.nn.ReLU()
        self.fc = torch.nn.Linear(6, 3)

    def forward(self, x: Any) -> Any:
        return torch.softmax(self.fc(self.relu2(self.conv2(self.relu1(self.conv1(x)))).mean((2, 3))), 1)


class Counting(Images):
    def forward(self, x: Any) -> Any:
        PASSES.append(len(x))
        return super().forward(x)


@pytest.fixture
def model() -> Any:
    torch.manual_seed(0)
    return Images().eval()


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((2, 3, 10, 12)).astype("float32")


KINDS = {"smoothgrad": "smoothgrad", "smoothgrad_sq": "smoothgrad_sq", "vargrad": "vargrad"}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ["saliency", "integrated_gradients", "guided_backprop"])
@pytest.mark.parametrize("bound", [None, 3])
def test_noise_is_that_of_the_noise_tunnel(
    method: str, kind: str, bound: int | None, model: Any, images: np.ndarray
) -> None:
    import captum.attr

    cls = {"saliency": "Saliency", "integrated_gradients": "IntegratedGradients", "guided_backprop": "GuidedBackprop"}[
        method
    ]
    words: dict[str, Any] = {"n_steps": 4} if method == "integrated_gradients" else {}
    found = explain(
        model, method, images, target=[1, 2], toolset="captum", seed=7, batch_size=bound,
        noise=SmoothGrad(5, 0.3, kind, relative=False), **words,
    )  # fmt: skip
    torch.manual_seed(7)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = captum.attr.NoiseTunnel(getattr(captum.attr, cls)(model)).attribute(
            torch.from_numpy(images),
            nt_type=KINDS[kind],
            nt_samples=5,
            stdevs=0.3,
            target=torch.tensor([1, 2]),
            **words,
        )
    np.testing.assert_allclose(found.values, expected.detach().numpy(), rtol=2e-4, atol=2e-7)


def test_noise_is_a_share_of_the_range_of_a_sample(model: Any, images: np.ndarray) -> None:
    images = images * np.array([1, 10], "float32").reshape(2, 1, 1, 1)
    share = explain(model, "saliency", images, target=0, toolset="captum", seed=1, noise=SmoothGrad(4, 0.1)).values
    for k in range(2):
        spread = float(np.ptp(images[k]))
        torch.manual_seed(1)
        drawn = torch.normal(0.0, torch.ones(8, *images.shape[1:])).numpy()[4 * k : 4 * k + 4]
        maps = explain(model, "saliency", images[k] + 0.1 * spread * drawn, target=0, toolset="captum").values
        np.testing.assert_allclose(share[k], maps.mean(0), rtol=1e-4, atol=1e-7)


def test_noise_over_methods_of_keras(images: np.ndarray) -> None:
    keras.utils.set_random_seed(0)
    x = keras.Input((10, 12, 3))
    y = keras.layers.Conv2D(4, 3, activation="tanh", name="conv")(x)
    net = keras.Model(x, keras.layers.Dense(3)(keras.layers.GlobalAveragePooling2D()(y)))
    images = np.ascontiguousarray(images.transpose(0, 2, 3, 1))
    words = {"target": [0, 2], "toolset": "tf-keras-vis", "normalize_cam": False, "layer": "conv"}
    still = explain(net, "grad_cam", images, noise=SmoothGrad(3, 0.0), **words)
    np.testing.assert_allclose(still.values, explain(net, "grad_cam", images, **words).values, rtol=1e-5, atol=1e-7)
    moved = [explain(net, "grad_cam", images, noise="smoothgrad", seed=3, **words).values for _ in range(2)]
    np.testing.assert_array_equal(*moved)
    assert np.abs(moved[0] - still.values).max() > 1e-6


def test_noise_that_cannot_be(model: Any, images: np.ndarray) -> None:
    for noise, words in (("loud", "smoothgrad"), (SmoothGrad, "SmoothGrad"), (3, "SmoothGrad")):
        with pytest.raises(InvalidArgumentError, match=words):
            explain(model, "saliency", images, target=0, toolset="captum", noise=noise)
    with pytest.raises(InvalidArgumentError, match="samples"):
        SmoothGrad(0)
    with pytest.raises(InvalidArgumentError, match="several samples together"):
        explain(model, "feature_permutation", images, target=0, toolset="captum", noise="smoothgrad")


def test_several_layers_are_a_dict_of_one_prediction(images: np.ndarray) -> None:
    model = Counting().eval()
    names = ["conv1", "relu2"]
    PASSES.clear()
    one = explain(model, "grad_cam", images, layer="conv1", toolset="captum")
    first = len(PASSES)
    PASSES.clear()
    found = explain(model, "grad_cam", images, layer=names, toolset="captum")
    assert list(found) == names
    np.testing.assert_array_equal(found["conv1"].values, one.values)
    assert found["relu2"].values.shape == (2, 1, 6, 8)
    assert found["relu2"].target == one.target
    assert len(PASSES) < 2 * first
    translated = explain(model, "grad_cam", images, layer=names, toolset="tf-keras-vis")
    assert [e.layer for e in translated.values()] == names


def test_requests_fail_alone(model: Any, images: np.ndarray) -> None:
    seen = []
    found = explain_many(
        model,
        [
            "saliency",
            {"method": "grad_cam", "layer": "nothing"},
            {"method": "integrated_gradients", "n_steps": 5},
            {"method": "unknown"},
            {"method": "grad_cam", "layer": "conv2", "toolset": "tf-keras-vis"},
        ],
        images,
        toolset="captum",
        target=1,
        progress=lambda done, total, stage: seen.append((done, total)),
    )
    assert [type(result) for result in found] == [
        Explanation,
        UnknownLayerError,
        Explanation,
        UnknownMethodError,
        Explanation,
    ]
    assert seen == [(k, 5) for k in range(6)]
    np.testing.assert_array_equal(
        found[0].values, explain(model, "saliency", images, toolset="captum", target=1).values
    )
    with pytest.raises(InvalidArgumentError, match="request 1 names no method"):
        explain_many(model, ["saliency", {"layer": "conv1"}], images)


def test_a_prediction_stands_beside_the_values(model: Any, images: np.ndarray) -> None:
    with torch.no_grad():
        p = model(torch.from_numpy(images)).numpy()
    names = ["a", "b", "c"]
    e = explain(model, "saliency", images, toolset="captum", labels=names)
    assert [row["class"] for row in e.prediction] == p.argmax(1).tolist() == e.target
    assert [row["name"] for row in e.prediction] == [names[k] for k in p.argmax(1)]
    np.testing.assert_allclose([row["probability"] for row in e.prediction], p.max(1), rtol=1e-6)
    logits = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(360, 3))
    assert explain(logits, "saliency", images, toolset="captum").prediction[0]["probability"] is None
    single = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(360, 1))
    (first, _) = explain(single, "saliency", images, toolset="captum").prediction
    assert list(first) == ["value"]


def test_an_explanation_is_repeated_from_its_file(model: Any, images: np.ndarray, tmp_path: Any) -> None:
    path = tmp_path / "net.onnx"
    translate(model, "onnx", example_inputs=torch.from_numpy(images)).save(path)
    e = explain(
        path, "gradient_shap", images, target=[1, 0], baselines=images * 0.5, n_samples=3, seed=4, toolset="captum",
        noise=SmoothGrad(2, 0.1), labels=["a", "b", "c"],
    )  # fmt: skip
    back = Explanation.load(e.save(tmp_path / "e"))
    assert back.record.model["sha256"] == e.record.model["sha256"]
    assert {"metannvis-methods", "captum", "numpy"} <= set(back.record.versions)
    np.testing.assert_array_equal(back.rerun().values, e.values)
    assert not np.array_equal(back.rerun(seed=5).values, e.values)
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(InvalidArgumentError, match="SHA-256"):
        back.rerun()
    path.unlink()
    with pytest.raises(InvalidArgumentError, match="is gone"):
        back.rerun()
    np.testing.assert_allclose(back.rerun(model).values, e.values, rtol=1e-3, atol=1e-5)


def test_what_a_record_cannot_hold_is_asked_for(model: Any, images: np.ndarray, tmp_path: Any) -> None:
    def odd(output: Any) -> Any:
        return output[:, 1] ** 2

    e = explain(model, "saliency", images, target=odd, toolset="captum")
    back = Explanation.load(e.save(tmp_path / "e"))
    with pytest.raises(InvalidArgumentError, match="in memory"):
        back.rerun(target=1)
    with pytest.raises(InvalidArgumentError, match="target=… again"):
        back.rerun(model)
    np.testing.assert_array_equal(back.rerun(model, target=odd).values, e.values)
    by_hand = Explanation(e.values, e.axes, e.inputs, e.input_axes, "saliency", "captum", "torch", "primary")
    with pytest.raises(InvalidArgumentError, match="no record"):
        by_hand.rerun(model)


def test_a_layer_that_was_given_as_an_object_is_recorded_by_its_name(
    model: Any, images: np.ndarray, tmp_path: Any
) -> None:
    e = explain(model, "grad_cam", images, target=1, layer=model.conv2, toolset="captum")
    back = Explanation.load(e.save(tmp_path / "e"))
    assert back.record.words["layer"] == "conv2"
    np.testing.assert_array_equal(back.rerun(model).values, e.values)


def test_words_of_the_vocabulary_survive_a_file(images: np.ndarray, tmp_path: Any) -> None:
    net = torch.nn.Conv2d(3, 3, 3, padding=1)
    mask = np.random.default_rng(0).uniform(size=(10, 12)) > 0.5
    e = explain(net, "saliency", images, target=SegmentationTarget(1, mask, "mean"), toolset="captum")
    back = Explanation.load(e.save(tmp_path / "e"))
    np.testing.assert_array_equal(back.record.words["target"].where, mask)
    np.testing.assert_array_equal(back.rerun(net).values, e.values)


class Mixed(torch.nn.Module):
    """Indices beside numbers, in either order."""

    def __init__(self, first: str) -> None:
        super().__init__()
        self.embed, self.fc, self.first = torch.nn.Embedding(7, 3), torch.nn.Linear(7, 2), first

    def forward(self, a: Any, b: Any) -> Any:
        kind, numbers = (a, b) if self.first == "indices" else (b, a)
        return self.fc(torch.tanh(torch.cat([self.embed(kind), numbers], 1)))


@pytest.mark.parametrize("toolset", ["captum", "tf-keras-vis"])
@pytest.mark.parametrize("first", ["indices", "numbers"])
@pytest.mark.parametrize("bound", [None, 1])
def test_numbers_beside_indices_are_explained(first: str, toolset: str, bound: int | None) -> None:
    torch.manual_seed(0)
    net = Mixed(first).eval()
    kind, numbers = torch.tensor([1, 6, 2]), torch.randn(3, 4)
    given = (kind, numbers) if first == "indices" else (numbers, kind)
    place = 1 if first == "indices" else 0
    leaf = numbers.clone().requires_grad_()
    output = net(*((kind, leaf) if first == "indices" else (leaf, kind)))
    expected = torch.autograd.grad(output[[0, 1, 2], [1, 0, 1]].sum(), leaf)[0].abs().numpy()
    words = {} if toolset == "captum" else {"keepdims": True, "normalize_map": False}
    with pytest.warns(UnfitWarning, match="indices"):
        e = explain(net, "saliency", given, target=[1, 0, 1], toolset=toolset, batch_size=bound, **words)
    assert e.values[1 - place] is None
    np.testing.assert_allclose(e.values[place], expected, rtol=1e-5, atol=1e-7)
    assert any("indices" in text for text in e.warnings)


def test_baselines_of_numbers_beside_indices(tmp_path: Any) -> None:
    torch.manual_seed(0)
    net = Mixed("indices").eval()
    kind, numbers = np.array([1, 6]), np.random.default_rng(0).standard_normal((2, 4)).astype("float32")
    with pytest.warns(UnfitWarning):
        e = explain(
            net,
            "integrated_gradients",
            (kind, numbers),
            baselines=(kind, numbers * 0.5),
            target=1,
            toolset="captum",
            n_steps=60,
        )
    with torch.no_grad():
        apart = [net(torch.from_numpy(kind), torch.from_numpy(x))[:, 1].numpy() for x in (numbers, numbers * 0.5)]
    np.testing.assert_allclose(e.values[1].sum(1), apart[0] - apart[1], rtol=1e-4, atol=1e-5)
    back = Explanation.load(e.save(tmp_path / "e"))
    assert back.values[0] is None
    np.testing.assert_array_equal(back.values[1], e.values[1])
    assert "None" not in str(back) and back._repr_html_()


class Text(torch.nn.Module):
    def __init__(self, cell: str) -> None:
        super().__init__()
        self.embed, self.fc = torch.nn.Embedding(20, 6), torch.nn.Linear(5, 3)
        self.body = {"LSTM": torch.nn.LSTM, "GRU": torch.nn.GRU}[cell](6, 5, batch_first=True)

    def forward(self, ids: Any) -> Any:
        return self.fc(self.body(self.embed(ids))[0][:, -1])


IDS = np.array([[1, 2, 3, 4], [7, 2, 2, 0]])


@pytest.mark.parametrize(
    "method", ["integrated_gradients", "saliency", "input_x_gradient", "gradient_shap", "deep_lift"]
)
def test_tokens_are_explained_by_what_embeds_them(method: str) -> None:
    torch.manual_seed(0)
    net = Text("LSTM").double().eval()
    words: dict[str, Any] = {
        "integrated_gradients": {"n_steps": 50},
        "gradient_shap": {"baselines": IDS * 0, "seed": 1},
    }.get(method, {})
    with pytest.warns(UnfitWarning, match="'embed'"):
        e = explain(net, method, IDS, target=1, toolset="captum", **words)
    assert (e.values.shape, e.axes, e.layer) == ((2, 4), "NT", "embed")
    embedded = net.embed(torch.from_numpy(IDS)).detach().requires_grad_()

    def head(x: Any) -> Any:
        return net.fc(net.body(x)[0][:, -1])[:, 1]

    (gradient,) = torch.autograd.grad(head(embedded).sum(), embedded)
    if method == "saliency":
        np.testing.assert_allclose(e.values, gradient.abs().sum(-1).numpy(), rtol=1e-9)
    if method == "input_x_gradient":
        np.testing.assert_allclose(e.values, (gradient * embedded).sum(-1).detach().numpy(), rtol=1e-9, atol=1e-12)
    if method in ("integrated_gradients", "deep_lift"):
        apart = (head(embedded) - head(embedded * 0)).detach().numpy()
        np.testing.assert_allclose(e.values.sum(1), apart, rtol=1e-5, atol=1e-8)
    if method == "integrated_gradients":
        by_layer = explain(
            net, method, IDS, layer="embed", target=1, toolset="captum", n_steps=50, baselines=None
        ).values
        assert by_layer.shape == (2, 4, 6)


@pytest.mark.parametrize("cell", ["LSTM", "GRU"])
@pytest.mark.parametrize(
    "method", ["layer_gradient_x_activation", "layer_integrated_gradients", "layer_conductance", "internal_influence"]
)
def test_a_layer_that_returns_a_tuple_is_its_first_tensor(method: str, cell: str) -> None:
    torch.manual_seed(0)
    net = Text(cell).double().eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnfitWarning)
        e = explain(net, method, IDS, target=1, layer="body", toolset="captum")
    assert e.values.shape == (2, 4, 5)
    if method == "layer_gradient_x_activation":
        states = net.body(net.embed(torch.from_numpy(IDS)))[0].detach().requires_grad_()
        (gradient,) = torch.autograd.grad(net.fc(states[:, -1])[:, 1].sum(), states)
        np.testing.assert_allclose(e.values, (gradient * states).detach().numpy(), rtol=1e-9, atol=1e-12)
    if method == "layer_conductance":
        apart = net.fc(net.body(net.embed(torch.from_numpy(IDS)))[0][:, -1]) - net.fc(
            net.body(net.embed(torch.from_numpy(IDS)) * 0)[0][:, -1]
        )
        np.testing.assert_allclose(e.values.sum((1, 2)), apart[:, 1].detach().numpy(), rtol=1e-5, atol=1e-6)
    assert net.body.forward.__func__ is type(net.body).forward


def test_options_whose_names_are_words(model: Any, images: np.ndarray) -> None:
    e = explain(
        model,
        "integrated_gradients",
        images,
        target=1,
        toolset="captum",
        options={"method": "riemann_trapezoid", "n_steps": 6},
    )
    assert e.options["method"] == "riemann_trapezoid"
    with pytest.raises(InvalidArgumentError, match="no option 'n_step'"):
        explain(model, "integrated_gradients", images, target=1, toolset="captum", options={"n_step": 6})
