"""``translate(shapes=)``: models whose image size is free agree at sizes that nobody gave an example of."""

from __future__ import annotations

import dataclasses
import gc
import weakref
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import torch
from metannvis_translate import InvalidArgumentError, UnsupportedOperatorError, check_equivalence, load_model, translate
from metannvis_translate.frameworks.requirements import require
from torch import nn
from torch.nn import functional

from .networks.torch_case import randomize

FREE = (None, 3, None, None)


def block(before: int, after: int, **options: Any) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, padding=1, **options), nn.BatchNorm2d(after), nn.ReLU(inplace=True)
    )


class UNet(nn.Module):
    """Two levels; the lower one comes up by a transposed convolution, by a factor, or to the size of the upper one."""

    def __init__(self, up: str) -> None:
        super().__init__()
        self.up, self.transposed = up, nn.ConvTranspose2d(8, 8, 2, stride=2)
        self.first, self.second, self.last = block(3, 4), block(4, 8), block(12, 4)
        self.out = nn.Conv2d(4, 2, 1)

    def forward(self, x):
        a = self.first(x)
        b = self.second(functional.max_pool2d(a, 2))
        mode, _, how = self.up.partition("_")
        align = None if mode == "nearest" else how.endswith("aligned")
        if mode == "transposed":
            b = self.transposed(b)
        elif how.startswith("size"):
            b = functional.interpolate(b, size=a.shape[2:], mode=mode, align_corners=align)
        else:
            b = functional.interpolate(b, scale_factor=2, mode=mode, align_corners=align)
        return self.out(self.last(torch.cat([a, b], 1)))


class Residual(nn.Module):
    """A small residual network: strides, a pool with padding, global pools of both kinds."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.pool = block(3, 8, stride=2), nn.MaxPool2d(3, 2, 1)
        self.a, self.b = block(8, 8), nn.Conv2d(8, 8, 1, stride=2)
        self.head = nn.Linear(8, 5)
        self.average = nn.AdaptiveAvgPool2d(1)

    def forward(self, x):
        x = self.pool(self.stem(x))
        x = functional.relu(self.a(x) + x)
        x = self.b(x)
        return self.head(self.average(x).flatten(1) + x.mean((2, 3)))


class Shrunk(nn.Module):
    """To one size, whatever comes in."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(3 * 4 * 5, 2)

    def forward(self, x):
        return self.head(functional.interpolate(x, size=(4, 5), mode="bilinear", align_corners=False).flatten(1))


class Flattened(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = block(3, 4), nn.Linear(4 * 8 * 12, 3)

    def forward(self, x):
        return self.head(self.conv(x).flatten(1))


MODELS = {
    **{up: (lambda up=up: UNet(up)) for up in (
        "transposed", "nearest", "bilinear", "bicubic", "bilinear_aligned", "nearest_size", "bilinear_size", "bilinear_size_aligned",
    )},
    "residual": Residual,
    "shrunk": Shrunk,
}  # fmt: skip


def images(batch: int, height: int, width: int, dtype: str = "float64") -> Any:
    return np.random.default_rng(height).standard_normal((batch, 3, height, width)).astype(dtype)


@pytest.mark.core("transposed", "nearest", "bilinear_size_aligned", "residual", "shrunk")
@pytest.mark.parametrize("name", MODELS)
def test_exact_at_other_sizes(name: str) -> None:
    model = randomize(MODELS[name]())
    translation = translate(
        model, "keras", example_inputs=images(2, 8, 12, "float32"), shapes=FREE, dtype="float64", verify=False
    )
    assert translation.inputs[0].source_shape == FREE
    assert translation.model.input_shape == (None, None, None, 3)
    for batch, height, width in ((1, 8, 12), (3, 16, 12), (2, 12, 20), (1, 10, 10)):
        report = check_equivalence(model, translation, images(batch, height, width), dtype="float64")
        assert report.passed, str(report)
        assert all(row.compared for row in (*report.layers, *report.gradients))


def test_saved(tmp_path: Path) -> None:
    model = randomize(UNet("bilinear_size"))
    translation = translate(model, "keras", example_inputs=images(2, 8, 12, "float32"), shapes=FREE)
    assert translation.report.passed
    translation.save(tmp_path / "net.keras")
    loaded = load_model(tmp_path / "net.keras")
    assert loaded.input_shape == (None, None, None, 3)
    report = check_equivalence(model, dataclasses.replace(translation, model=loaded), images(1, 14, 6, "float32"))
    assert report.passed, str(report)


def test_one_axis_and_inputs_by_name() -> None:
    class Line(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv1d(3, 4, 3, padding=1)

        def forward(self, signal, scale):
            return self.conv(signal).mean(2) * scale

    model = randomize(Line())
    given = {"signal": np.ones((2, 3, 9), "float32"), "scale": np.ones((2, 4), "float32")}
    translation = translate(model, "keras", example_inputs=given, shapes={"signal": (None, 3, None)})
    assert [port.source_shape for port in translation.inputs] == [(None, 3, None), (None, 4)]
    random = np.random.default_rng(0)
    x = [random.standard_normal((3, 3, 17)).astype("float32"), random.standard_normal((3, 4)).astype("float32")]
    assert check_equivalence(model, translation, x).passed
    listed = translate(
        model, "keras", example_inputs=list(given.values()), shapes=[(None, 3, None), None], verify=False
    )
    assert listed.inputs[0].source_shape == (None, 3, None)


def test_a_size_that_the_model_fixes_is_refused() -> None:
    with pytest.raises(
        UnsupportedOperatorError, match="384 features, and their number depends on a free size"
    ) as caught:
        translate(Flattened().eval(), "keras", example_inputs=images(2, 8, 12, "float32"), shapes=FREE)
    assert caught.value.layer == "head"


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ((None, 3, None), "shape"),
        ((None, 4, None, None), r"says \(None, 4, None, None\), the example input has the shape"),
        ([FREE, FREE], "2 shapes for 1 inputs"),
        ({"image": FREE}, r"names \['image'\]"),
        (7, "give a shape an input"),
    ],
)
def test_shapes_that_are_wrong(shapes: Any, message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        translate(Residual().eval(), "keras", example_inputs=images(2, 8, 12, "float32"), shapes=shapes)


def test_other_sources_say_it_themselves() -> None:
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 3)])
    with pytest.raises(InvalidArgumentError, match="a TensorFlow/Keras model does|Keras model does"):
        translate(model, "torch", shapes=(None, None, None, 3))


def test_module_to_module_and_onnx() -> None:
    model = randomize(UNet("transposed"))
    for target in ("torch", "onnx"):
        translation = translate(model, target, example_inputs=images(2, 8, 12, "float32"), shapes=FREE)
        assert check_equivalence(model, translation, images(1, 16, 10, "float32")).passed


def free_program(model: nn.Module, size: tuple[int, int] = (8, 12)) -> Any:
    require("torch")  # before torch.export itself loads more of PyTorch beside TensorFlow
    free = {0: torch.export.Dim.AUTO, 2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC}
    return torch.export.export(model, (torch.randn(2, 3, *size),), dynamic_shapes=(free,))


def test_a_program_keeps_the_sizes_that_it_leaves_free(tmp_path: Path) -> None:
    program = free_program(randomize(Residual()))
    torch.export.save(program, tmp_path / "net.pt2")
    for source in (program, load_model(tmp_path / "net.pt2")):
        translation = translate(source, "keras", example_inputs=images(2, 8, 12, "float32"))
        assert translation.inputs[0].source_shape == FREE
        assert check_equivalence(source, translation, images(3, 16, 10, "float32")).passed
    with pytest.raises(InvalidArgumentError, match="does not take the example inputs"):
        translate(program, "keras", example_inputs=images(2, 8, 12, "float32")[:, :, 0, 0])
    fixed = translate(program, "keras", example_inputs=images(2, 8, 12, "float32"), shapes=(None, 3, 8, 12))
    assert fixed.inputs[0].source_shape == (None, 3, 8, 12)


def test_sizes_that_cannot_stay_free_are_fixed_and_told() -> None:
    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = nn.MultiheadAttention(3, 1, batch_first=True)

        def forward(self, image):
            tokens = image.flatten(2).transpose(1, 2)
            return self.attention(tokens, tokens, tokens)[0]

    translation = translate(free_program(Attention().eval()), "keras", example_inputs=images(2, 8, 12, "float32"))
    assert translation.inputs[0].source_shape == (None, 3, 8, 12)
    assert any("fixed beside the batch" in note for note in translation.notes)


class Pyramid(nn.Module):
    """Adds a map to one of another size, whatever the two are."""

    def __init__(self) -> None:
        super().__init__()
        self.fine, self.coarse = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, stride=2, padding=1)

    def forward(self, x: Any) -> Any:
        fine = self.fine(x)
        return fine + functional.interpolate(self.coarse(fine), size=fine.shape[-2:], mode="nearest")


@pytest.mark.parametrize("to", ["torch", "keras"])
def test_a_translation_that_computes_with_sizes_is_freed(to: str) -> None:
    x = np.random.default_rng(0).standard_normal((2, 3, 9, 10)).astype("float32")
    translation = translate(Pyramid().eval(), to, example_inputs=x, shapes=FREE, verify=False)
    kept = weakref.ref(translation.model)
    del translation
    gc.collect()
    assert kept() is None
