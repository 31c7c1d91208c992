"""Which output is explained, and what of it: outputs in whatever a model returns, functions, regions, what speaks against."""

from __future__ import annotations

from collections import namedtuple
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from metannvis_methods import SegmentationTarget, explain
from metannvis_methods.errors import InvalidArgumentError
from metannvis_translate import translate
from metannvis_translate.frameworks.requirements import require

torch = require("torch")
keras = require("keras")
SAME_MAP = {"captum": {}, "tf-keras-vis": {"keepdims": True, "normalize_map": False}}
Pair = namedtuple("Pair", ["logits", "aux"])


@dataclass
class Record:
    logits: Any
    aux: Any
    loss: Any = None


WRAPPINGS = {
    "dict": (lambda a, b: {"logits": a, "aux": b}, "logits", "aux"),
    "dict backwards": (lambda a, b: {"z": b, "a": a}, "a", "z"),
    "tuple": (lambda a, b: (a, b), "0", "1"),
    "list": (lambda a, b: [a, b], "0", "1"),
    "named tuple": (Pair, "logits", "aux"),
    "nested": (lambda a, b: {"scores": [b, (a,)]}, "scores.1.0", "scores.0"),
}


class Heads(torch.nn.Module):
    def __init__(self, wrap: Any) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 4, 3)
        self.a, self.b = torch.nn.Linear(4, 3), torch.nn.Linear(4, 2)
        self.wrap = wrap

    def both(self, x: Any) -> Any:
        features = torch.tanh(self.conv(x)).mean((2, 3))
        return self.a(features), self.b(features)

    def forward(self, x: Any) -> Any:
        return self.wrap(*self.both(x))


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((2, 3, 8, 10)).astype("float32")


def heads(wrap: Any) -> Heads:
    torch.manual_seed(0)
    return Heads(wrap).eval()


def torch_gradient(function: Any, x: np.ndarray) -> np.ndarray:
    tensor = torch.from_numpy(x).requires_grad_()
    return torch.autograd.grad(function(tensor).sum(), tensor)[0].abs().numpy()


@pytest.mark.parametrize("toolset", ["captum", "tf-keras-vis"])
@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_an_output_is_named_wherever_it_stands(wrapping: str, toolset: str, images: np.ndarray) -> None:
    wrap, first, second = WRAPPINGS[wrapping]
    model = heads(wrap)
    for output, part, target in ((first, 0, 2), (second, 1, 1)):
        found = explain(
            model, "saliency", images, output=output, target=target, toolset=toolset, **SAME_MAP[toolset]
        ).values
        expected = torch_gradient(lambda x, part=part, target=target: model.both(x)[part][:, target], images)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_a_dataclass_is_a_wrapping(images: np.ndarray) -> None:
    model = heads(Record)
    found = explain(model, "saliency", images, output="aux", target=0, toolset="captum").values
    np.testing.assert_allclose(found, torch_gradient(lambda x: model.both(x)[1][:, 0], images), rtol=1e-5, atol=1e-7)


def test_one_tensor_in_a_wrapping_needs_no_name(images: np.ndarray) -> None:
    model = heads(lambda a, b: Record(a, None))
    e = explain(model, "integrated_gradients", images, target=1, toolset="captum")
    assert np.abs(e.convergence_delta).max() < 1e-2
    np.testing.assert_allclose(
        explain(model, "saliency", images, target=1, toolset="captum").values,
        torch_gradient(lambda x: model.both(x)[0][:, 1], images),
        rtol=1e-5,
        atol=1e-7,
    )


def test_an_index_counts_from_either_end(images: np.ndarray) -> None:
    model = heads(Pair)
    by_index = explain(model, "saliency", images, output=-1, target=0, toolset="captum").values
    np.testing.assert_array_equal(
        by_index, explain(model, "saliency", images, output="aux", target=0, toolset="captum").values
    )


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (None, r"2 outputs.*'logits' \(2, 3\), 'aux' \(2, 2\)"),
        ("logit", "Close: logits"),
        (5, "no output 5"),
        (1.5, "index"),
    ],
)
def test_what_is_no_output_is_told_with_what_there_is(output: Any, words: str, images: np.ndarray) -> None:
    with pytest.raises(InvalidArgumentError, match=words):
        explain(heads(Pair), "saliency", images, output=output, target=0, toolset="captum")


@pytest.mark.parametrize("toolset", ["captum", "tf-keras-vis"])
def test_outputs_of_keras_are_named_by_its_keys(toolset: str) -> None:
    keras.utils.set_random_seed(0)
    layers = keras.layers
    x = keras.Input((6, 7, 2))
    features = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3, activation="tanh")(x))
    a, b = layers.Dense(3, name="three")(features), layers.Dense(2, name="two")(features)
    model = keras.Model(x, {"b": a, "a": b})
    images = np.random.default_rng(0).standard_normal((2, 6, 7, 2)).astype("float32")
    found = explain(model, "saliency", images, output="b", target=2, toolset=toolset, **SAME_MAP[toolset]).values
    tf = require("tensorflow")
    with tf.GradientTape() as tape:
        tensor = tf.constant(images)
        tape.watch(tensor)
        value = model(tensor)["b"][:, 2]
    np.testing.assert_allclose(found, np.abs(tape.gradient(value, tensor)), rtol=1e-4, atol=1e-6)


class Dense(torch.nn.Module):
    """A network of segmentation, three classes."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = torch.nn.Conv2d(3, 6, 3, padding=1), torch.nn.Conv2d(6, 3, 1)

    def forward(self, x: Any) -> Any:
        return self.head(torch.tanh(self.conv(x)))


@pytest.fixture
def dense() -> Any:
    torch.manual_seed(1)
    return Dense().eval()


def both_toolsets(model: Any, images: np.ndarray, target: Any, expected: np.ndarray, **words: Any) -> None:
    for toolset, options in SAME_MAP.items():
        found = explain(model, "saliency", images, target=target, toolset=toolset, **options, **words).values
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6, err_msg=toolset)


def test_a_function_sees_the_callers_tensors_whatever_runs(dense: Any, images: np.ndarray) -> None:
    seen = []

    def corner(output: Any) -> Any:
        seen.append(type(output))
        return (output[:, 1, :2, :3] ** 2).sum((1, 2))

    both_toolsets(dense, images, corner, torch_gradient(lambda x: (dense(x)[:, 1, :2, :3] ** 2).sum((1, 2)), images))
    assert set(seen) == {torch.Tensor}


def test_a_function_of_keras_sees_channels_last() -> None:
    keras.utils.set_random_seed(0)
    x = keras.Input((6, 7, 2))
    model = keras.Model(x, keras.layers.Conv2D(3, 3, activation="tanh", padding="same")(x))
    images = np.random.default_rng(0).standard_normal((2, 6, 7, 2)).astype("float32")
    tf = require("tensorflow")

    def score(output: Any) -> Any:
        return tf.reduce_sum(output[:, :2, 1:4, 2] ** 2, axis=(1, 2))

    with tf.GradientTape() as tape:
        tensor = tf.constant(images)
        tape.watch(tensor)
        value = score(model(tensor))
    both_toolsets(model, images, score, np.abs(tape.gradient(value, tensor).numpy()))


def test_a_function_of_an_onnx_model_sees_its_layout(dense: Any, images: np.ndarray, tmp_path: Any) -> None:
    path = tmp_path / "dense.onnx"
    translate(dense, "onnx", example_inputs=images).save(path)
    both_toolsets(path, images, lambda y: y[:, 1, 2, 7], torch_gradient(lambda x: dense(x)[:, 1, 2, 7], images))


@pytest.mark.parametrize("reduce", ["sum", "mean"])
@pytest.mark.parametrize("where", ["argmax", 0.05, "otsu", "mask"])
def test_a_region_is_settled_by_the_first_prediction(where: Any, reduce: str, dense: Any, images: np.ndarray) -> None:
    with torch.no_grad():
        output = dense(torch.from_numpy(images)).numpy()
    if where == "argmax":
        region = output.argmax(1) == 1
    elif where == "otsu":
        from skimage.filters import threshold_otsu

        region = np.stack([one > threshold_otsu(one) for one in output[:, 1]])
    elif where == "mask":
        where = region = np.random.default_rng(2).uniform(size=(2, 8, 10)) > 0.5
    else:
        region = output[:, 1] > where
    assert 0 < region.sum() < region.size
    weights = torch.from_numpy(region.astype("float32"))
    if reduce == "mean":
        weights = weights / weights.sum((1, 2), keepdim=True)
    expected = torch_gradient(lambda x: (dense(x)[:, 1] * weights).sum((1, 2)), images)
    both_toolsets(dense, images, SegmentationTarget(1, where, reduce), expected)


def test_a_region_is_the_same_for_every_step(dense: Any, images: np.ndarray) -> None:
    e = explain(
        dense, "integrated_gradients", images, target=SegmentationTarget("road", "argmax"), labels=["sky", "road", "tree"],
        toolset="captum", n_steps=100,
    )  # fmt: skip
    with torch.no_grad():
        output, start = (dense(torch.from_numpy(x)).numpy() for x in (images, np.zeros_like(images)))
    region = output.argmax(1) == 1
    np.testing.assert_allclose(
        e.values.sum((1, 2, 3)), ((output - start)[:, 1] * region).sum((1, 2)), rtol=1e-3, atol=1e-3
    )
    assert e.target == "class road where argmax, sum"


def test_a_count_is_for_methods_of_predictions(dense: Any, images: np.ndarray) -> None:
    e = explain(
        dense, "feature_ablation", images, target=SegmentationTarget(1, reduce="count"), toolset="captum",
        feature_mask=np.zeros((1, 1, 8, 10), int),
    )  # fmt: skip
    with torch.no_grad():
        counts = [(dense(torch.from_numpy(x)).argmax(1) == 1).sum((1, 2)).numpy() for x in (images, images * 0)]
    np.testing.assert_array_equal(e.values[:, 0, 0, 0], counts[0] - counts[1])


@pytest.mark.parametrize("toolset", ["captum", "tf-keras-vis"])
@pytest.mark.parametrize("squeezed", [False, True])
def test_negative_speaks_against_the_only_output(squeezed: bool, toolset: str, images: np.ndarray) -> None:
    class Single(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.fc = torch.nn.Conv2d(3, 4, 3), torch.nn.Linear(4, 1)

        def forward(self, x: Any) -> Any:
            p = torch.sigmoid(self.fc(torch.tanh(self.conv(x)).mean((2, 3))))
            return p[:, 0] if squeezed else p

    model = Single().eval()
    words = (
        {"abs": False} if toolset == "captum" else {"keepdims": True, "normalize_map": False, "gradient_modifier": None}
    )
    against, towards = (
        explain(model, "saliency", images, target=target, toolset=toolset, **words).values
        for target in ("negative", None)
    )
    assert np.abs(towards).max() > 0
    np.testing.assert_allclose(against, -towards, rtol=1e-5)


WRONG = {
    "a sum over everything": (lambda y: y.sum(), "one number a sample"),
    "a map": (lambda y: y[:, 0], "one number a sample"),
    "no gradient": (lambda y: y.detach().sum((1, 2, 3)), "no gradient"),
    "negative of classes": ("negative", "single output"),
    "no such class": (SegmentationTarget(7), "no class 7"),
    "an empty region": (SegmentationTarget(1, 1e9), "empty in sample 0, 1"),
    "a mask of another size": (SegmentationTarget(1, np.ones((3, 3))), r"shape \(3, 3\)"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_targets_that_do_not_fit_are_told(wrong: str, dense: Any, images: np.ndarray) -> None:
    target, words = WRONG[wrong]
    with pytest.raises(Exception, match=words) as told:
        explain(dense, "saliency", images, target=target, toolset="captum")
    assert "InvalidArgumentError" in {type(told.value).__name__, type(told.value.__cause__).__name__}


def test_positions_are_told_in_the_callers_layout(dense: Any, images: np.ndarray) -> None:
    with pytest.raises(InvalidArgumentError, match=r"\(5, 7, 2\).*\(2, 3, 8, 10\)"):
        explain(dense, "saliency", images, target=(5, 7, 2), toolset="tf-keras-vis")


@pytest.mark.parametrize("toolset", ["captum", "tf-keras-vis"])
def test_a_number_below_0_counts_from_the_end_and_is_recorded_as_the_class_that_it_means(
    toolset: str, images: np.ndarray
) -> None:
    model = heads(lambda a, b: a)
    words = {"toolset": toolset, "labels": ["cat", "dog", "eel"]}
    named = explain(model, "saliency", images, target="eel", **words)
    for _ in range(2):  # the second time the output is known before the run
        found = explain(model, "saliency", images, target=-1, **words)
        assert found.target == 2
        assert np.array_equal(found.values, named.values)
    assert explain(model, "saliency", images, target=[-1, 0], **words).target == [2, 0]
    again = found.rerun(model)
    assert again.target == 2
    assert np.array_equal(again.values, found.values)


def test_a_position_below_0_counts_from_the_end(dense: Any, images: np.ndarray) -> None:
    shape = dense(torch.from_numpy(images)).shape[1:]
    last = tuple(size - 1 for size in shape)
    found = explain(dense, "saliency", images, target=(-1,) * len(shape), toolset="captum")
    assert found.target == last
    assert np.array_equal(found.values, explain(dense, "saliency", images, target=last, toolset="captum").values)
