"""Images as inputs: what is done to their pixels, against formulas, and what black and white are then."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from metannvis_methods import Explanation, Preprocessing, compare, explain, explain_many
from metannvis_methods.errors import InvalidArgumentError, MissingArgumentError
from metannvis_translate import translate
from metannvis_translate.frameworks.requirements import require
from PIL import Image

torch = require("torch")
keras = require("keras")
L = keras.layers

PIXELS = np.random.default_rng(0).integers(0, 256, (2, 12, 16, 3), dtype=np.uint8)
MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
FORMULAS = {
    "unit": lambda p: p / 255,
    "none": lambda p: p,
    "symmetric": lambda p: p / 127.5 - 1,
    "imagenet": lambda p: (p / 255 - MEAN) / STD,
    "imagenet-torch": lambda p: (p / 255 - MEAN) / STD,
    "imagenet-tf": lambda p: p / 127.5 - 1,
    "imagenet-caffe": lambda p: p[..., ::-1] - np.array([103.939, 116.779, 123.68]),
}
WORDS: dict[str, Any] = {"target": 1, "toolset": "captum"}


def keras_network(*first: Any) -> Any:
    keras.utils.set_random_seed(0)
    x = y = keras.Input((12, 16, 3))
    for layer in first:
        y = layer(y)
    return keras.Model(x, L.Dense(3)(L.GlobalAveragePooling2D()(L.Conv2D(4, 3, activation="tanh", name="conv")(y))))


@pytest.fixture(scope="module")
def net() -> Any:
    return keras_network()


@pytest.fixture(scope="module")
def module() -> Any:
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3),
        torch.nn.Tanh(),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(4, 3),
    ).eval()


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    names = [tmp_path / f"{k}.png" for k in range(2)]
    for name, pixels in zip(names, PIXELS, strict=True):
        Image.fromarray(pixels).save(name)
    return [str(name) for name in names]


@pytest.mark.parametrize("preset", FORMULAS)
def test_presets_are_their_formulas(preset: str, net: Any, module: Any) -> None:
    made = FORMULAS[preset](PIXELS.astype(float)).astype("float32")
    e = explain(net, "saliency", PIXELS, preprocess=preset, **WORDS)
    np.testing.assert_allclose(e.inputs, made, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(e.values, explain(net, "saliency", made, **WORDS).values, rtol=1e-4, atol=1e-7)
    first = explain(module, "saliency", PIXELS, preprocess=preset, **WORDS)
    np.testing.assert_allclose(first.inputs, made.transpose(0, 3, 1, 2), rtol=1e-6, atol=1e-6)


def test_images_of_every_kind(net: Any, module: Any, files: list[str]) -> None:
    pictures = [Image.fromarray(pixels) for pixels in PIXELS]
    tensor = torch.from_numpy(np.ascontiguousarray(PIXELS.transpose(0, 3, 1, 2)))
    for model in (net, module):
        whole = explain(model, "saliency", PIXELS, preprocess="imagenet", **WORDS)
        for given in (files, [Path(file) for file in files], pictures, list(PIXELS), tensor, list(tensor)):
            found = explain(model, "saliency", given, preprocess="imagenet", **WORDS)
            np.testing.assert_array_equal(found.inputs, whole.inputs)
            np.testing.assert_array_equal(found.values, whole.values)
        for one in (files[0], pictures[0], PIXELS[0], tensor[0]):
            found = explain(model, "saliency", one, preprocess="imagenet", **WORDS)
            np.testing.assert_array_equal(found.inputs, whole.inputs[:1])


def test_black_and_white_are_what_the_preprocessing_makes_of_them(net: Any, module: Any) -> None:
    for preset, formula in FORMULAS.items():
        for word, pixel in (("black", 0.0), ("white", 255.0)):
            made = formula(np.full((1, 1, 3), pixel))
            baseline = np.broadcast_to(made, PIXELS.shape).astype("float32")
            words = {**WORDS, "preprocess": preset, "n_steps": 4}
            for model, turned in ((net, baseline), (module, np.ascontiguousarray(baseline.transpose(0, 3, 1, 2)))):
                found = explain(model, "integrated_gradients", PIXELS, baselines=word, **words).values
                expected = explain(model, "integrated_gradients", PIXELS, baselines=turned, **words).values
                np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("source", ["keras", "onnx", "torch"])
def test_black_and_white_are_those_of_a_network_that_normalises_itself(source: str) -> None:
    network = keras_network(L.RandomFlip(), L.Rescaling(1 / 127.5, -1))
    dim = PIXELS.astype("float32") / 255  # by its numbers it would be 0…1
    model = network if source == "keras" else translate(network, source, example_inputs=dim).model
    dim = dim if source != "torch" else np.ascontiguousarray(dim.transpose(0, 3, 1, 2))
    words = {**WORDS, "n_steps": 4}
    white = explain(model, "integrated_gradients", dim, baselines="white", **words).values
    np.testing.assert_array_equal(
        white, explain(model, "integrated_gradients", dim, baselines=np.full_like(dim, 255), **words).values
    )
    unit = explain(model, "integrated_gradients", dim, baselines="white", value_range=(0, 1), **words).values
    assert np.abs(unit - white).max() > 1e-6


def test_a_network_that_normalises_itself_needs_no_preprocessing(net: Any, files: list[str]) -> None:
    e = explain(keras_network(L.Rescaling(1 / 255)), "saliency", files, **WORDS)
    np.testing.assert_array_equal(e.inputs, PIXELS.astype("float32"))
    assert e.record is not None
    assert e.record.words["preprocess"] == Preprocessing()
    with pytest.raises(MissingArgumentError, match=r"an image needs preprocess=….*imagenet-caffe"):
        explain(net, "saliency", files, **WORDS)


def test_a_run_is_repeated_from_its_record(net: Any, files: list[str], tmp_path: Path) -> None:
    words = {**WORDS, "baselines": "white", "n_steps": 4}
    e = explain(net, "integrated_gradients", files, preprocess="imagenet-caffe", **words)
    again = Explanation.load(e.save(tmp_path / "e.npz")).rerun(net)
    np.testing.assert_array_equal(again.values, e.values)
    assert again.record is not None
    assert again.record.words["preprocess"].order == "BGR"
    other = e.rerun(net, inputs=files[:1])
    np.testing.assert_allclose(other.values, e.values[:1], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("preset", FORMULAS)
def test_pictures_are_what_was_given(preset: str, net: Any, module: Any) -> None:
    for model, turned in ((net, PIXELS), (module, PIXELS.transpose(0, 3, 1, 2))):
        e = explain(model, "saliency", PIXELS, preprocess=preset, **WORDS)
        assert isinstance(e.pictures, np.ndarray)
        np.testing.assert_allclose(e.pictures, turned / 255, atol=1e-6)
    plain = explain(net, "saliency", (PIXELS / 255).astype("float32"), **WORDS)
    assert plain.pictures is plain.inputs


def test_many_and_compare_take_images(net: Any, files: list[str]) -> None:
    plain = explain(net, "saliency", PIXELS, preprocess="unit", **WORDS)
    many = explain_many(net, ["saliency"], files, preprocess="unit", **WORDS)
    np.testing.assert_array_equal(many[0].values, plain.values)
    layers = explain(net, "layer_activation", files, layer=["conv"], preprocess="unit", toolset="captum")
    np.testing.assert_array_equal(layers["conv"].inputs, plain.inputs)
    compared = compare(net, "saliency", files, target=1, preprocess="unit")
    np.testing.assert_allclose(compared.explanations[0].inputs, plain.inputs)


@pytest.mark.parametrize("word", ["mean", "neutral"])
def test_samples_may_be_images(word: str, net: Any, files: list[str]) -> None:
    words = {**WORDS, "baselines": word, "n_steps": 4, "preprocess": "unit"}
    expected = explain(net, "integrated_gradients", PIXELS, data=(PIXELS / 255).astype("float32"), **words).values
    for data in (PIXELS, files, [Image.fromarray(pixels) for pixels in PIXELS]):
        found = explain(net, "integrated_gradients", PIXELS, data=data, **words).values
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)


def test_records_of_a_preprocessing(net: Any, tmp_path: Path) -> None:
    fields = {"divisor": 255, "mean": [0.5, 0.4, 0.3], "std": 0.25, "order": "BGR"}
    made = ((PIXELS[..., ::-1] / 255 - np.array([0.5, 0.4, 0.3])) / 0.25).astype("float32")
    (tmp_path / "own.json").write_text(json.dumps(fields))
    for given in (fields, Preprocessing(**fields), tmp_path / "own.json"):  # type: ignore[arg-type]
        found = explain(net, "saliency", PIXELS, preprocess=given, **WORDS)
        np.testing.assert_allclose(found.inputs, made, rtol=1e-6, atol=1e-6)


def test_size_and_aspect(module: Any, files: list[str]) -> None:
    for crop in (False, True):
        e = explain(module, "saliency", files, preprocess=Preprocessing(255, size=(8, 8), crop=crop), **WORDS)
        box = (2, 0, 14, 12) if crop else None
        picture = Image.fromarray(PIXELS[0]).resize((8, 8), Image.Resampling.BILINEAR, box=box)
        expected = np.asarray(picture, np.float32).transpose(2, 0, 1) / 255
        np.testing.assert_allclose(e.inputs[0], expected, rtol=1e-6)
        assert e.values.shape == (2, 3, 8, 8)


def test_an_image_beside_a_table() -> None:
    image, table = keras.Input((12, 16, 3), name="image"), keras.Input((4,), name="table")
    seen = L.GlobalAveragePooling2D()(L.Conv2D(4, 3)(image))
    both = keras.Model([image, table], L.Dense(2)(L.Concatenate()([seen, table])))
    rows = np.random.default_rng(0).standard_normal((2, 4)).astype("float32")
    made = (PIXELS / 255).astype("float32")
    expected = explain(both, "input_x_gradient", (made, rows), **WORDS).values
    for given in ((PIXELS, rows), {"table": rows, "image": list(PIXELS)}):
        found = explain(both, "input_x_gradient", given, preprocess="unit", **WORDS).values
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    ("given", "preprocess", "words"),
    [
        (PIXELS, "torchvision", "preprocess='torchvision' is no preprocessing; there are: unit, symmetric"),
        (PIXELS, {"mean": 0, "deviation": 1}, "no 'deviation'; it has divisor, mean, std"),
        (PIXELS, {"std": 0}, "std are numbers above 0"),
        (PIXELS, {"divisor": "255"}, "divisor is a number above 0"),
        (PIXELS, {"order": "HSV"}, "order is 'RGB' or 'BGR'"),
        (PIXELS, {"mean": [1, 2], "std": [1, 2, 3]}, "different numbers of colours"),
        (PIXELS, {"size": (5, 5)}, "makes images 5 × 5.*takes 12 × 16"),
        (PIXELS / 255, "unit", "uint8 arrays with the channels last.*float64"),
        (PIXELS[..., :1], "unit", "1 colours"),
        (PIXELS[:, :, :, :2], "unit", r"shape \(N, H, W, C\)"),
        (PIXELS, "missing.json", "missing.json.*cannot be read"),
    ],
)
def test_what_cannot_be(given: Any, preprocess: Any, words: str, net: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=words):
        explain(net, "saliency", given, preprocess=preprocess, **WORDS)


def test_images_that_make_no_batch(module: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"differ in shape.*size=\(height, width\)"):
        explain(module, "saliency", [PIXELS[0], PIXELS[1, :8]], preprocess="unit", **WORDS)
