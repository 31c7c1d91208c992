"""LIME with the arguments of its reference, against the reference's algorithm written out in NumPy and scikit-learn."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from metannvis_methods import Explanation, explain
from metannvis_methods.errors import InvalidArgumentError
from metannvis_translate.frameworks.requirements import require
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.metrics import pairwise_distances

torch, keras = require("torch"), require("keras")
IMAGE = np.random.default_rng(0).uniform(0, 1, (12, 16, 3)).astype("float32")


def quarters(image: np.ndarray) -> np.ndarray:
    """Twelve segments, whose numbers have gaps."""
    assert image.shape == (12, 16, 3)
    rows, columns = np.arange(12)[:, None] // 4, np.arange(16)[None] // 4
    return 7 * (rows * 4 + columns) + 3


def network(softmax: bool = False) -> Any:
    torch.manual_seed(0)
    layers = [torch.nn.Conv2d(3, 8, 5, stride=2), torch.nn.Tanh(), torch.nn.Flatten(), torch.nn.Linear(8 * 4 * 6, 5)]
    return torch.nn.Sequential(*layers, *([torch.nn.Softmax(1)] if softmax else [])).eval()


def predict(model: Any, images: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return model(torch.from_numpy(images.transpose(0, 3, 1, 2).astype("float32"))).numpy()


def reference(
    model: Any,
    image: np.ndarray,
    *,
    seed: int,
    label: int,
    segmentation_fn: Any = quarters,
    hide_color: Any = None,
    num_features: int = 100000,
    num_samples: int = 1000,
    distance_metric: Any = "cosine",
    model_regressor: Any = None,
) -> dict[int, float]:
    """Coefficients of the segments, as explain_instance of the package lime finds them."""
    segments = segmentation_fn(image)
    fudged = image.copy()
    if hide_color is None:
        for segment in np.unique(segments):
            fudged[segments == segment] = [image[segments == segment][:, k].mean() for k in range(3)]
    else:
        fudged[:] = hide_color
    numbers = np.unique(segments)
    data = np.random.RandomState(seed).randint(0, 2, num_samples * len(numbers)).reshape(num_samples, len(numbers))
    data[0, :] = 1
    images = []
    for row in data:
        shown = image.copy()
        for place in np.where(row == 0)[0]:
            shown[segments == numbers[place]] = fudged[segments == numbers[place]]
        images.append(shown)
    labels = predict(model, np.stack(images))[:, label].astype(float)
    distances = pairwise_distances(data, data[0].reshape(1, -1), metric=distance_metric).ravel()
    weights = np.sqrt(np.exp(-(distances**2) / 0.25**2))
    if num_features <= 6:
        used: list[int] = []
        for _ in range(min(num_features, data.shape[1])):
            largest, best = -100000000.0, 0
            for feature in range(data.shape[1]):
                if feature in used:
                    continue
                columns = data[:, [*used, feature]]
                score = Ridge(alpha=0).fit(columns, labels, sample_weight=weights).score(columns, labels, weights)
                if score > largest:
                    largest, best = score, feature
            used.append(best)
    else:
        coefficients = Ridge(alpha=0.01).fit(data, labels, sample_weight=weights).coef_ * data[0]
        used = sorted(range(data.shape[1]), key=lambda k: abs(coefficients[k]), reverse=True)[:num_features]
    easy = Ridge(alpha=1) if model_regressor is None else model_regressor
    easy.fit(data[:, used], labels, sample_weight=weights)
    return {int(numbers[k]): float(c) for k, c in zip(used, easy.coef_, strict=True)}


def maps(coefficients: dict[int, float], image: np.ndarray = IMAGE) -> np.ndarray:
    return np.vectorize(lambda segment: coefficients.get(int(segment), 0.0))(quarters(image))


X = IMAGE.transpose(2, 0, 1)[None]
CASES: dict[str, dict[str, Any]] = {
    "as it is": {"num_samples": 200},
    "few features": {"num_samples": 100, "num_features": 3},
    "more features": {"num_samples": 100, "num_features": 8},
    "a color": {"num_samples": 100, "hide_color": 0},
    "three colors": {"num_samples": 100, "hide_color": (0.1, 0.5, 0.9)},
    "another distance": {"num_samples": 100, "distance_metric": "euclidean"},
    "another regressor": {"num_samples": 100, "model_regressor": LinearRegression()},
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("bound", [None, 7])
def test_coefficients_are_the_references(case: str, bound: int | None) -> None:
    model, words = network(), CASES[case]
    expected = maps(reference(model, IMAGE, seed=4, label=2, **words))
    e = explain(
        model, "lime", X, target=2, toolset="captum", segmentation_fn=quarters, seed=4, batch_size=bound, **words
    )
    assert e.values.shape == X.shape and e.axes == "NCHW"
    for channel in e.values[0]:
        np.testing.assert_allclose(channel, expected, rtol=1e-4, atol=1e-6)


def test_a_thousand_samples_of_all_features_are_the_default() -> None:
    model = network(softmax=True)
    expected = maps(reference(model, IMAGE, seed=1, label=3))
    e = explain(model, "lime", X, target=3, toolset="captum", segmentation_fn=quarters, random_seed=1)
    np.testing.assert_allclose(e.values[0, 0], expected, rtol=1e-4, atol=1e-7)


def test_a_keras_model_is_explained_in_its_layout() -> None:
    model = network()
    inputs = keras.Input((12, 16, 3))
    maps_ = keras.layers.Conv2D(8, 5, strides=2, activation="tanh", name="conv")(inputs)
    twin = keras.Model(
        inputs, keras.layers.Dense(5, name="fc")(keras.layers.Flatten()(keras.layers.Permute((3, 1, 2))(maps_)))
    )
    conv, fc = model[0], model[3]
    twin.get_layer("conv").set_weights([conv.weight.detach().numpy().transpose(2, 3, 1, 0), conv.bias.detach().numpy()])
    twin.get_layer("fc").set_weights([fc.weight.detach().numpy().T, fc.bias.detach().numpy()])
    words: dict[str, Any] = {"segmentation_fn": quarters, "num_samples": 60, "num_features": 4, "seed": 0, "target": 1}
    expected = explain(model, "lime", X, toolset="captum", **words).values
    found = explain(twin, "lime", IMAGE[None], toolset="captum", **words).values
    np.testing.assert_allclose(found, np.moveaxis(expected, 1, -1), rtol=1e-4, atol=1e-6)


def test_the_top_labels_come_from_the_same_passes() -> None:
    model, rows = network(), []
    hook = model.register_forward_hook(lambda module, given, output: rows.append(len(output)))
    found: Any = explain(
        model,
        "lime",
        X,
        toolset="captum",
        top_labels=3,
        num_samples=50,
        segmentation_fn=quarters,
        seed=2,
        batch_size=10,
    )
    hook.remove()
    assert sum(rows) <= 50 + 3
    order = np.argsort(-predict(model, IMAGE[None])[0])
    assert list(found) == [int(k) for k in order[:3]]
    for label, e in found.items():
        expected = maps(reference(model, IMAGE, seed=2, label=label, num_samples=50))
        np.testing.assert_allclose(e.values[0, 1], expected, rtol=1e-4, atol=1e-6)
        again = e.rerun(model, options={**e.record.words["options"], "segmentation_fn": quarters})
        np.testing.assert_array_equal(again.values, e.values)


def test_segments_for_and_against_are_told() -> None:
    model = network()
    coefficients = reference(model, IMAGE, seed=4, label=2, num_samples=200)
    e = explain(model, "lime", X, target=2, toolset="captum", segmentation_fn=quarters, seed=4, num_samples=200)
    for_it, against = e.segments(num_features=2)
    assert for_it.shape == against.shape == (12, 16)
    ranked = sorted(coefficients, key=lambda k: coefficients[k])
    segments = quarters(IMAGE)
    np.testing.assert_array_equal(for_it, np.isin(segments, [k for k in ranked[-2:] if coefficients[k] > 0]))
    np.testing.assert_array_equal(against, np.isin(segments, [k for k in ranked[:2] if coefficients[k] < 0]))
    assert not any(mask.any() for mask in e.segments(min_weight=1e9))


def test_kernel_shap_takes_the_words_that_it_can() -> None:
    model = network()
    mask = np.unique(quarters(IMAGE), return_inverse=True)[1].reshape(12, 16)
    words: dict[str, Any] = {"target": 2, "toolset": "captum"}
    found = explain(
        model, "kernel_shap", X, segmentation_fn=quarters, hide_color=0.5, num_samples=80, random_seed=3, **words
    )
    expected = explain(
        model, "kernel_shap", X, feature_mask=mask, baselines=np.full_like(X, 0.5), n_samples=80, seed=3, **words
    )
    np.testing.assert_allclose(found.values, expected.values, rtol=1e-5, atol=1e-7)
    means = explain(model, "kernel_shap", X, feature_mask=mask, hide_color=None, n_samples=80, seed=3, **words)
    # in a model of differences from the segments' means the sum is what the image has more than them
    filled = np.stack([[IMAGE[quarters(IMAGE) == s].mean(0) for s in row] for row in quarters(IMAGE)]).astype("float32")
    more = predict(model, IMAGE[None])[0, 2] - predict(model, filled[None])[0, 2]
    found_sum = sum(means.values[0, 0][mask == k][0] for k in range(12))
    assert found_sum == pytest.approx(more, abs=1e-3)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"num_samples": 10, "n_samples": 10}, "are the same"),
        ({"seed": 1, "random_seed": 1}, "are the same"),
        ({"segmentation_fn": quarters, "feature_mask": "grid"}, "are the same"),
        ({"hide_color": 0, "baselines": 0}, "are the same"),
        ({"segmentation_fn": "quickshift"}, "a function of an image"),
        ({"segmentation_fn": lambda image: image}, "it returns whole numbers of shape"),
        ({"num_features": 0}, "at least 1"),
        ({"top_labels": 0}, "at least 1"),
        ({"top_labels": 2, "target": 1}, "give one of them"),
    ],
)
def test_mistakes_are_told(words: dict[str, Any], message: str) -> None:
    words = {"target": 1, "num_samples": 5, **words} if "n_samples" not in words else words
    words = {
        name: value
        for name, value in words.items()
        if name != "target" or "top_labels" not in words or message.startswith("give")
    }
    with pytest.raises(InvalidArgumentError, match=message):
        explain(network(), "lime", X, toolset="captum", **words)


def test_without_its_words_lime_is_captums() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        e = explain(network(), "lime", X, target=1, toolset="captum", feature_mask="grid", n_samples=20, seed=0)
    assert isinstance(e, Explanation) and "num_features" not in e.options
