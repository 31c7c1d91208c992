"""Models that cannot be translated and files that must not be opened: an error each, and everything is as it was."""

from __future__ import annotations

import importlib
import os
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from metannvis_methods import explain
from metannvis_translate import EquivalenceError, UnsupportedOperatorError, UntrustedModelError
from metannvis_translate.frameworks.requirements import require
from torch import nn

require("tensorflow")
import keras  # noqa: E402
import tensorflow as tf  # noqa: E402

from .states import ABROAD, assert_documented, assert_says, hashes, made, state  # noqa: E402
from .twins import torch_rgb  # noqa: E402

Array = np.ndarray[Any, Any]


class Noise(nn.Module):
    """An operator that Keras' importer has no converter for: nobody could compare what it gives."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to (N, C)."""
        return (x * torch.rand_like(x)).mean((2, 3))


class Singular(nn.Module):
    """An operator that neither of PyTorch's exporters knows."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to (N, min(H, W))."""
        return torch.linalg.svdvals(x).sum(1)


class Foreign(keras.layers.Layer):  # type: ignore[misc]
    """A layer whose TensorFlow operation has no ONNX counterpart."""

    def call(self, x: Any) -> Any:
        """(N, H, W, C) to (N, H, min(W, C))."""
        return tf.linalg.svd(x, compute_uv=False)


def with_an_operator_of_its_own(framework: str) -> tuple[Any, Array]:
    x = np.random.default_rng(0).standard_normal((2, 3, 6, 7), "float32")
    if framework == "torch":
        model = nn.Sequential()
        model.add_module("conv", nn.Conv2d(3, 4, 3))
        model.add_module("odd", Noise())
        model.add_module("fc", nn.Linear(4, 5))
        return model, x
    parts = [
        keras.Input((6, 7, 3)),
        keras.layers.Conv2D(4, 3, name="conv"),
        Foreign(name="odd"),
        keras.layers.Flatten(),
        keras.layers.Dense(5, name="fc"),
    ]
    return keras.Sequential(parts), x.transpose(0, 2, 3, 1)


def test_unsupported_operator(framework: str, folder: Path) -> None:
    model, x = with_an_operator_of_its_own(framework)
    before = state(model)
    with pytest.raises(UnsupportedOperatorError) as caught:
        explain(model, "saliency", x, target=0, toolset=ABROAD[framework])
    operator = "RandomUniformLike" if framework == "torch" else "Foreign"
    assert_says(str(caught.value), (operator, "'odd'", "cannot be translated", "converter for it|@converter"))
    assert caught.value.layer == "odd"
    assert isinstance(caught.value, NotImplementedError)
    assert_documented(UnsupportedOperatorError)
    assert state(model) == before
    assert not hashes(folder)


def test_an_operator_that_cannot_be_exported(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), Singular(), nn.Linear(4, 5))
    before = state(model)
    with pytest.raises(UnsupportedOperatorError, match="svd"):
        explain(model, "saliency", np.ones((2, 3, 6, 7), "float32"), target=0, toolset="tf-keras-vis")
    assert state(model) == before
    assert not hashes(folder)
    assert capfd.readouterr().out == ""


@pytest.fixture
def wrong_relu(framework: str) -> Iterator[None]:
    """A converter that is silently wrong in the importer that the model is translated by."""
    importer = f"metannvis_translate.frameworks.{'keras' if framework == 'torch' else 'torch'}.importer"
    registry = importlib.import_module(f"{importer}.registry").registry
    importlib.import_module(f"{importer}.importer")
    right = registry.find("Relu", 18)
    absolute = registry.find("Abs", 18)
    registry.remove("Relu", since=right.since)
    registry.converter("Relu", since=right.since)(absolute.function)
    yield
    registry.remove("Relu", since=right.since)
    registry.converter("Relu", since=right.since)(right.function)


@pytest.mark.usefixtures("wrong_relu")
def test_a_translation_that_fails_the_gate(framework: str, folder: Path) -> None:
    model, x = made(framework)
    before = state(model)
    with pytest.raises(EquivalenceError) as caught:
        explain(model, "saliency", x, target=0, toolset=ABROAD[framework])
    # the first ReLU is a function in PyTorch: the first module that disagrees is the next one
    layer = "block.conv1" if framework == "torch" else "act"
    assert_says(str(caught.value).splitlines()[0], (f"the first layer that disagrees is '{layer}'",))
    assert caught.value.report.first_divergence == layer
    assert not caught.value.report.passed
    assert isinstance(caught.value, ArithmeticError)
    assert_documented(EquivalenceError)
    assert state(model) == before
    assert not hashes(folder)


# ------------------------------------------------------------------------------------------- files that run code


class Bomb:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> Any:
        return os.mkdir, ("exploded",)


def whole_module(path: Path) -> None:
    """What ``torch.save(model)`` writes."""
    torch.save(torch_rgb(), path)


def bare_pickle(path: Path) -> None:
    """A pickle that makes a folder."""
    path.write_bytes(pickle.dumps(Bomb()))


def zipped_pickle(path: Path) -> None:
    """The same in PyTorch's own format."""
    torch.save(Bomb(), path)


def with_a_lambda(path: Path) -> None:
    """A Keras model that holds Python code."""
    model = keras.Sequential([keras.Input((20, 28, 3)), keras.layers.Lambda(lambda x: x * 2), keras.layers.Flatten()])
    model.save(path)


@pytest.mark.parametrize(
    ("write", "name"),
    [(whole_module, "net.pt"), (bare_pickle, "net.pth"), (zipped_pickle, "net.pt"), (with_a_lambda, "net.keras")],
)
def test_a_weight_file_that_is_a_pickle(write: Callable[[Path], None], name: str, folder: Path) -> None:
    path = folder / name
    write(path)
    before = hashes(folder)
    for toolset in ("captum", "tf-keras-vis"):
        with pytest.raises(UntrustedModelError) as caught:
            explain(path, "saliency", np.zeros((1, 3, 20, 28), "float32"), target=0, toolset=toolset)
        assert type(caught.value) is UntrustedModelError
        assert_says(str(caught.value), (name, "trust=True"))
    assert_documented(UntrustedModelError)
    assert hashes(folder) == before
    assert [entry.name for entry in folder.iterdir()] == [name]
