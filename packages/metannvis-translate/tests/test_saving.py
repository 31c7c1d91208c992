"""Models that were loaded can be saved again; ONNX with its data beside it, and SavedModel folders, are replaced as one."""

from __future__ import annotations

import copy
import errno
import os
import subprocess
import sys

import numpy as np
import onnx
import pytest
import torch
from metannvis_translate import list_layers, load_model, save_model, translate
from metannvis_translate.errors import InvalidArgumentError, UnsupportedOperatorError, WriteError
from metannvis_translate.frameworks.onnx import saving
from metannvis_translate.frameworks.requirements import require
from torch import nn


class Free(nn.Module):
    """Two inputs, free sizes with a bound, tied weights, a buffer that is not saved with the state, a constant."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.again = self.conv
        self.norm = nn.BatchNorm2d(4)
        self.register_buffer("shift", torch.randn(4, 1, 1), persistent=False)
        self.head = nn.Linear(4, 5)

    def forward(self, x, y):
        x = self.norm(self.conv(x)) + self.again(x) * self.shift + torch.tensor([0.5])
        return self.head(torch.relu(x).mean((2, 3))) * y, x


@pytest.fixture
def program():
    model = Free().eval()
    batch, height = torch.export.Dim("batch"), torch.export.Dim("height", min=4, max=64)
    return torch.export.export(
        model,
        (torch.randn(2, 3, 8, 8), torch.randn(2, 5)),
        dynamic_shapes=({0: batch, 2: height}, {0: batch}),
    )


def test_an_exported_program_from_a_file_can_be_saved_again(tmp_path, program):
    first, second, third = (tmp_path / name for name in ("first.pt2", "second.pt2", "third.pt2"))
    torch.export.save(program, first)
    save_model(load_model(first), second)
    save_model(load_model(second), third)
    models = [load_model(path) for path in (first, second, third)]
    for size in (1, 2, 5):
        inputs = (torch.randn(size, 3, 16, 8), torch.randn(size, 5))
        results = [model(*inputs) for model in models]
        for result in results[1:]:
            assert all(torch.equal(a, b) for a, b in zip(results[0], result, strict=True))
    inputs = [torch.randn(2, 3, 8, 8), torch.randn(2, 5)]
    layers = [list_layers(model, example_inputs=inputs) for model in models]
    assert layers[0] == layers[1] == layers[2]
    assert {row.kind for row in layers[0]} >= {"Conv2d", "BatchNorm2d", "Linear"}
    states = [model.state_dict() for model in models]
    assert list(states[0]) == list(states[2])
    assert all(torch.equal(tensor, states[2][name]) for name, tensor in states[0].items())
    again = torch.export.load(third)
    assert str(again.graph) == str(torch.export.load(first).graph)
    assert str(again.range_constraints) == str(program.range_constraints)


def test_what_was_changed_since_is_saved(tmp_path, program):
    first, second = tmp_path / "first.pt2", tmp_path / "second.pt2"
    torch.export.save(program, first)
    model = copy.deepcopy(load_model(first))
    with torch.no_grad():
        model.get_parameter("head.weight").mul_(2)
        model.get_parameter("conv.weight").add_(1)
    save_model(model, second)
    inputs = (torch.randn(3, 3, 8, 8), torch.randn(3, 5))
    for a, b, old in zip(model(*inputs), load_model(second)(*inputs), load_model(first)(*inputs), strict=True):
        assert torch.equal(a, b) and not torch.equal(a, old)


def test_one_in_double_precision_is_exported_anew(tmp_path):
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 5)).eval()
    first, second = tmp_path / "first.pt2", tmp_path / "second.pt2"
    x = torch.randn(2, 3, 8, 8)
    save_model(net, first, example_inputs=x)
    model = load_model(first).double()
    save_model(model, second, example_inputs=x)
    again = load_model(second)
    assert torch.equal(again(x.double()), model(x.double()))
    assert [row.kind for row in list_layers(again)] == ["Conv2d", "ReLU", "Flatten", "Linear"]


@pytest.fixture
def small(monkeypatch):
    """The bound from which on weights lie outside, as if ONNX files could hold a kilobyte."""
    monkeypatch.setattr(saving, "LIMIT", 1000)


def _onnx(value):
    graph = translate(nn.Linear(40, 40), "onnx", example_inputs=np.zeros((2, 40), np.float32)).model
    tensor = next(t for t in graph.graph.initializer if len(t.raw_data) > 1000)
    tensor.raw_data = np.full(list(tensor.dims), value, np.float32).tobytes()
    return graph


def _held(path):
    return {t.name: t.raw_data for t in load_model(path).graph.initializer}


def test_onnx_with_data_is_replaced_as_one(tmp_path, small):
    path = tmp_path / "net.onnx"
    for value in (1.0, 2.0, 3.0):
        model = _onnx(value)
        before = model.SerializeToString()
        save_model(model, path, overwrite=True)
        assert model.SerializeToString() == before  # onnx.save_model takes the weights away
        assert _held(path) == {t.name: t.raw_data for t in model.graph.initializer}
        onnx.checker.check_model(str(path))
        assert len(list(tmp_path.iterdir())) == 2
    saving.LIMIT = 1 << 30
    save_model(model, path, overwrite=True)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("fails_at", [1, 2])
def test_a_pair_that_cannot_be_written_leaves_the_old_pair(tmp_path, small, monkeypatch, fails_at):
    path = tmp_path / "net.onnx"
    save_model(_onnx(1.0), path)
    before = {entry.name: entry.read_bytes() for entry in tmp_path.iterdir()}
    calls = []
    fsync = os.fsync

    def failing(handle):
        calls.append(handle)
        if len(calls) >= (1 if fails_at == 1 else 3):  # the data, its folder, the model
            raise OSError(errno.ENOSPC, "full")
        fsync(handle)

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(WriteError, match="net.onnx.* was not written: the disk is full"):
        save_model(_onnx(2.0), path, overwrite=True)
    assert {entry.name: entry.read_bytes() for entry in tmp_path.iterdir()} == before


def test_data_of_others_is_left_alone(tmp_path, small):
    path = tmp_path / "net.onnx"
    (tmp_path / "net.onnx.data").write_bytes(b"somebody's")
    for value in (1.0, 2.0):
        save_model(_onnx(value), path, overwrite=True)
        assert (tmp_path / "net.onnx.data").read_bytes() == b"somebody's"
        assert len(list(tmp_path.iterdir())) == 3
    with pytest.raises(InvalidArgumentError, match="exists already"):
        save_model(_onnx(3.0), path)


def test_processes_that_save_one_pair(tmp_path, small):
    path, source = tmp_path / "out" / "net.onnx", tmp_path / "source.onnx"
    path.parent.mkdir()
    code = (
        "import sys, numpy as np\n"
        "from metannvis_translate import load_model, save_model\n"
        "from metannvis_translate.frameworks.onnx import saving as onnx_saving\n"
        "model = load_model(sys.argv[1]); onnx_saving.LIMIT = 1000\n"
        "tensor = max(model.graph.initializer, key=lambda t: len(t.raw_data))\n"
        "for k in range(20):\n"
        "    tensor.raw_data = np.full(list(tensor.dims), float(sys.argv[3]) + k, np.float32).tobytes()\n"
        "    save_model(model, sys.argv[2], overwrite=True)\n"
    )
    save_model(_onnx(0.0), source)
    children = [subprocess.Popen([sys.executable, "-c", code, source, path, str(k)]) for k in (100, 200, 300)]
    assert [child.wait() for child in children] == [0, 0, 0]
    values = np.frombuffer(max(_held(path).values(), key=len), np.float32)
    assert values[0] in (119, 219, 319) and np.all(values == values[0])
    assert not [entry for entry in path.parent.iterdir() if entry.name.startswith(".")]


@pytest.fixture(scope="module")
def keras_model():
    keras = require("keras")
    return keras.Sequential(
        [keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3), keras.layers.Flatten(), keras.layers.Dense(5)]
    )


def test_a_keras_model_as_a_saved_model_folder_and_that_again(tmp_path, keras_model):
    first, second = tmp_path / "first", tmp_path / "second"
    x = np.random.default_rng(0).standard_normal((3, 8, 8, 3)).astype(np.float32)
    expected = keras_model(x).numpy()
    save_model(keras_model, first)
    save_model(load_model(first), second)
    for path in (first, second):
        assert np.array_equal(load_model(path).serve(x).numpy(), expected)
    with pytest.raises(InvalidArgumentError, match="exists already"):
        save_model(keras_model, first)
    save_model(keras_model, first, overwrite=True)
    (second / "notes.txt").write_text("mine")
    with pytest.raises(InvalidArgumentError, match="would be lost"):
        save_model(keras_model, second, overwrite=True)
    assert (second / "notes.txt").exists()
    with pytest.raises(UnsupportedOperatorError):
        save_model(load_model(first), tmp_path / "net.keras")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["first", "second"]
    translation = translate(load_model(first), "torch", example_inputs=x)
    assert translation.report.passed


@pytest.mark.parametrize("name", ["net.keras", "net.h5", "net.hdf5"])
def test_keras_files_again(tmp_path, keras_model, name):
    x = np.random.default_rng(0).standard_normal((3, 8, 8, 3)).astype(np.float32)
    for _ in range(2):
        save_model(keras_model, tmp_path / name, overwrite=True)
    save_model(load_model(tmp_path / name), tmp_path / f"again-{name}")
    assert np.array_equal(load_model(tmp_path / f"again-{name}")(x).numpy(), keras_model(x).numpy())


def test_names_without_an_ending_are_for_keras_only(tmp_path):
    with pytest.raises(InvalidArgumentError, match="saved as .pt2, .pt, .pth;"):
        save_model(nn.Linear(2, 2), tmp_path / "net")
