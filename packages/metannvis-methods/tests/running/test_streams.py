"""Inputs that come batch after batch: the same values as at once, targets with the batches, nothing held."""

from __future__ import annotations

import gc
import warnings
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from metannvis_methods import UnfitWarning, compare, explain, explain_many
from metannvis_methods.errors import InvalidArgumentError, UnknownMethodError
from metannvis_methods.running.streams import is_stream
from metannvis_translate import translate
from metannvis_translate.frameworks.requirements import require
from PIL import Image

torch = require("torch")
keras = require("keras")
tf = require("tensorflow")
nn = torch.nn

X = np.random.default_rng(0).standard_normal((10, 6)).astype("float32")
Y = np.array([0, 1, 2, 0, 1, 2, 0, 1, 2, 0])
WORDS: dict[str, Any] = {"toolset": "captum"}


@pytest.fixture
def model() -> Any:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3)).eval()


def pieces(*arrays: Any, size: int = 4) -> Iterator[Any]:
    for start in range(0, len(arrays[0]), size):
        parts = tuple(array[start : start + size] for array in arrays)
        yield parts if len(parts) > 1 else parts[0]


def joined(explanations: Any) -> np.ndarray:
    return np.concatenate([e.values for e in explanations])


def test_an_iterator_gives_an_iterator(model: Any) -> None:
    whole = explain(model, "saliency", X, **WORDS)
    found = explain(model, "saliency", pieces(X), **WORDS)
    assert iter(found) is found
    results = list(found)
    assert [len(e.values) for e in results] == [4, 4, 2]
    np.testing.assert_allclose(joined(results), whole.values, rtol=1e-5, atol=1e-7)
    assert [k for e in results for k in e.target] == whole.target
    again = results[1].rerun(model)
    np.testing.assert_array_equal(again.values, results[1].values)


@pytest.mark.parametrize("kind", ["loader", "dataset", "iterator"])
@pytest.mark.parametrize("source", ["torch", "tensorflow", "onnx"])
def test_loaders_and_their_targets(kind: str, source: str, model: Any) -> None:
    if source != "torch":
        model = translate(model, "keras" if source == "tensorflow" else "onnx", example_inputs=X).model
    tensors = torch.utils.data.TensorDataset(torch.from_numpy(X), torch.from_numpy(Y))

    def made() -> Any:
        if kind == "loader":
            return torch.utils.data.DataLoader(tensors, batch_size=4)
        if kind == "iterator":
            return pieces(X, Y)
        batched = tf.data.Dataset.from_tensor_slices((X, Y)).batch(4)
        return batched if source == "tensorflow" else batched.as_numpy_iterator()

    expected = explain(model, "input_x_gradient", X, target=list(Y), **WORDS).values
    found = explain(model, "input_x_gradient", made(), target="given", **WORDS)
    np.testing.assert_allclose(joined(found), expected, rtol=1e-5, atol=1e-6)
    plain = explain(model, "input_x_gradient", made(), **WORDS)  # the class that is predicted
    np.testing.assert_allclose(
        joined(plain), explain(model, "input_x_gradient", X, **WORDS).values, rtol=1e-5, atol=1e-6
    )


def test_targets_as_one_hot_rows_and_columns(model: Any) -> None:
    expected = explain(model, "saliency", X, target=list(Y), **WORDS).values
    for targets in (np.eye(3)[Y], Y[:, None], Y.astype("float32")):
        found = explain(model, "saliency", pieces(X, targets), target="given", **WORDS)
        np.testing.assert_allclose(joined(found), expected, rtol=1e-5, atol=1e-7)
    for wrong in (X, Y + 0.5):
        with pytest.raises(InvalidArgumentError, match="one class a sample"):
            next(iter(explain(model, "saliency", pieces(X, wrong), target="given", **WORDS)))
    with pytest.raises(InvalidArgumentError, match=r"come as \(inputs, target\), and this one does not"):
        next(iter(explain(model, "saliency", pieces(X), target="given", **WORDS)))


class Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 3)

    def forward(self, a: Any, b: Any) -> Any:
        return self.fc(a) * torch.tanh(self.fc(b))


class Optional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 3)

    def forward(self, a: Any, gain: Any = None) -> Any:
        return torch.tanh(self.fc(a) if gain is None else self.fc(a) * gain[:, None])


def test_several_inputs() -> None:
    two = Two().eval()
    expected = explain(two, "saliency", (X, X[::-1].copy()), target=list(Y), **WORDS).values
    for stream in (pieces(X, X[::-1].copy(), Y), (((a, b), y) for a, b, y in pieces(X, X[::-1].copy(), Y))):
        found = [e.values for e in explain(two, "saliency", stream, target="given", **WORDS)]
        for k in range(2):
            np.testing.assert_allclose(np.concatenate([v[k] for v in found]), expected[k], rtol=1e-5, atol=1e-7)
    (first, *_) = explain(two, "saliency", pieces(X, X), target=1, **WORDS)
    assert len(first.values) == 2


def test_what_may_be_an_input_or_a_target_is_refused() -> None:
    gained = Optional().eval()
    with pytest.raises(InvalidArgumentError, match=r"a batch of 2 may be as many inputs, or 1 and a target"):
        next(iter(explain(gained, "saliency", pieces(X, Y), **WORDS)))
    expected = explain(gained, "saliency", X, target=list(Y), **WORDS).values
    found = explain(gained, "saliency", pieces(X, Y), target="given", **WORDS)
    np.testing.assert_allclose(joined(found), expected, rtol=1e-5, atol=1e-7)


def test_images_batch_after_batch(tmp_path: Any) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (6, 8, 9, 3), dtype=np.uint8)
    files = [str(tmp_path / f"{k}.png") for k in range(6)]
    for file, image in zip(files, pixels, strict=True):
        Image.fromarray(image).save(file)
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Tanh(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)).eval()
    words = {**WORDS, "preprocess": "imagenet"}
    labels = [0, 1, 2, 0, 1, 2]
    expected = explain(net, "saliency", files, target=1, **words).values
    given = explain(net, "saliency", files, target=labels, **words).values
    for size in (2, 3):
        chunks = [files[k : k + size] for k in range(0, 6, size)]
        arrays = [list(pixels[k : k + size]) for k in range(0, 6, size)]
        targets = [labels[k : k + size] for k in range(0, 6, size)]
        for stream in (chunks, arrays, map(tuple, chunks)):
            found = explain(net, "saliency", iter(stream), target=1, **words)
            np.testing.assert_allclose(joined(found), expected, rtol=1e-5, atol=1e-7)
        found = explain(net, "saliency", zip(map(tuple, chunks), targets, strict=True), target="given", **words)
        np.testing.assert_allclose(joined(found), given, rtol=1e-5, atol=1e-7)


def test_rows_as_lists(model: Any) -> None:
    found = explain(model, "saliency", (part.tolist() for part in pieces(X, size=2)), target=1, **WORDS)
    expected = explain(model, "saliency", X, target=1, **WORDS).values
    np.testing.assert_allclose(joined(found), expected, rtol=1e-5, atol=1e-7)


def test_it_is_the_job_of_captum_s_class_for_loaders(model: Any) -> None:
    from captum.attr import DataLoaderAttribution, FeatureAblation

    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.from_numpy(X)), batch_size=4)
    (theirs,) = DataLoaderAttribution(FeatureAblation(lambda x: model(x)[:, 1])).attribute(loader)
    found = explain(model, "feature_ablation", loader, target=1, **WORDS)
    np.testing.assert_allclose(joined(found), theirs.detach().numpy().reshape(10, 6), rtol=1e-5, atol=1e-6)


def test_several_layers_a_batch(model: Any) -> None:
    found = list(explain(model, "layer_activation", pieces(X), layer=["0", "2"], **WORDS))
    assert [set(one) for one in found] == [{"0", "2"}] * 3


def test_a_seed_counts_up(model: Any) -> None:
    words = {**WORDS, "target": 0, "baselines": X * 0, "seed": 5, "n_samples": 3}
    found = list(explain(model, "gradient_shap", pieces(X), **words))
    assert [e.options["seed"] for e in found] == [5, 6, 7]
    np.testing.assert_array_equal(
        found[1].values, explain(model, "gradient_shap", X[4:8], **{**words, "seed": 6}).values
    )


def test_words_are_checked_before_anything_comes(model: Any) -> None:
    def never() -> Iterator[Any]:
        pytest.fail("it was asked for")
        yield

    with pytest.raises(InvalidArgumentError, match="batch_size"):
        explain(model, "saliency", never(), batch_size=0, **WORDS)
    with pytest.raises(InvalidArgumentError, match="one batch"):
        compare(model, "saliency", never())
    with pytest.raises(InvalidArgumentError, match="one batch"):
        explain_many(model, ["saliency"], never())
    with pytest.raises(UnknownMethodError):
        explain(model, "salience", never(), **WORDS)


def test_nothing_is_held(model: Any) -> None:
    alive: list[weakref.ref[Any]] = []

    def stream() -> Iterator[Any]:
        for _ in range(12):
            batch = np.random.default_rng(len(alive)).standard_normal((4, 6)).astype("float32")
            alive.append(weakref.ref(batch))
            yield batch
            del batch

    most = 0
    for explanation in explain(model, "saliency", stream(), target=1, **WORDS):
        del explanation
        gc.collect()
        most = max(most, sum(reference() is not None for reference in alive))
    assert len(alive) == 12
    assert most <= 2


def test_the_time_is_over(model: Any) -> None:
    def endless() -> Iterator[Any]:
        while True:
            yield X

    with pytest.warns(UnfitWarning, match=r"the time was over after \d+ batches"):
        found = list(explain(model, "saliency", endless(), target=1, deadline=0.5, **WORDS))
    assert found
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(list(explain(model, "saliency", pieces(X), target=1, deadline=60, **WORDS))) == 3


def test_what_is_a_stream() -> None:
    assert all(map(is_stream, (iter([]), pieces(X), torch.utils.data.DataLoader([1]), tf.data.Dataset.range(3))))
    for value in (None, X, [X], (X,), {"x": X}, "photo.png", torch.zeros(2), tf.zeros(2), tf.Variable([1.0]), 3):
        assert not is_stream(value)
