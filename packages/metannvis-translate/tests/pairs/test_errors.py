"""Bad input gets its own error that says what is wrong, where, and what to do; nothing of the caller's is changed."""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from metannvis_translate import (
    InvalidArgumentError,
    MetannvisError,
    MissingArgumentError,
    UnknownFrameworkError,
    UnknownLayerError,
    UnsupportedOperatorError,
    UntrustedModelError,
    detect_framework,
    list_layers,
    load_model,
    save_model,
    translate,
    translate_model,
)
from metannvis_translate.frameworks.requirements import require
from torch import nn

IMAGE = np.random.default_rng(0).standard_normal((2, 3, 8, 9)).astype("float32")


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.Dropout(), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 6 * 7, 3)
    )


@pytest.mark.parametrize("value", [object(), 3, None, {"a": 1}, np.zeros(3), nn.Linear])
def test_no_model(value) -> None:
    with pytest.raises(UnknownFrameworkError, match="no model: .*Give a torch.nn.Module") as caught:
        detect_framework(value)
    assert isinstance(caught.value, TypeError)
    with pytest.raises(UnknownFrameworkError):
        translate(value, "keras")


def test_a_class_is_no_model_and_the_message_says_so() -> None:
    with pytest.raises(UnknownFrameworkError, match=r"a class \(Linear\), not an instance"):
        translate(nn.Linear, "keras")


def test_framework_and_engine_by_name() -> None:
    with pytest.raises(InvalidArgumentError, match="unknown framework 'jax'; there are: .*torch"):
        translate(network(), "jax", example_inputs=IMAGE)
    with pytest.raises(InvalidArgumentError, match="engine='fast'.*'trace', 'dynamo', 'torchscript'"):
        translate(network(), "keras", example_inputs=IMAGE, engine="fast")
    with pytest.raises(InvalidArgumentError, match="dtype='float16'"):
        translate(network(), "keras", example_inputs=IMAGE, dtype="float16")


def test_example_inputs() -> None:
    with pytest.raises(MissingArgumentError, match="example_inputs="):
        translate(network(), "keras")
    with pytest.raises(InvalidArgumentError, match=r"Sequential does not take .*float32 \(2, 8, 9, 3\).*channels"):
        translate(network(), "keras", example_inputs=IMAGE.transpose(0, 2, 3, 1))
    with pytest.raises(InvalidArgumentError, match="not str|array of numbers"):
        translate(network(), "keras", example_inputs="cat.png")


def test_inputs_of_a_declared_shape() -> None:
    require("tensorflow")
    keras = require("keras")
    model = keras.Sequential([keras.Input((8, 9, 3)), keras.layers.Conv2D(2, 3)])
    with pytest.raises(MetannvisError, match=r"\(2, 3, 8, 9\)"):
        translate(model, "torch", example_inputs=IMAGE)


class Unusual(nn.Module):
    def forward(self, x):
        return torch.linalg.det(x[:, :, :3, :3]).sum(1, keepdim=True)


class Outer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)
        self.inner = Unusual()

    def forward(self, x):
        return self.inner(self.conv(x))


@pytest.fixture
def no_determinant() -> Iterator[None]:
    """A registry in which an operator is missing."""
    require("tensorflow")
    import metannvis_translate.frameworks.keras.importer.importer  # noqa: F401  # it registers the converters
    from metannvis_translate.frameworks.keras.importer.registry import converter, registry

    row = registry.find("Det", 20)
    registry.remove("Det", since=row.since)
    try:
        yield
    finally:
        converter("Det", since=row.since)(row.function)


@pytest.mark.usefixtures("no_determinant")
def test_unsupported_operator_says_where_and_how_to_register_one() -> None:
    with pytest.raises(UnsupportedOperatorError) as caught:
        translate(Outer(), "keras", example_inputs=IMAGE)
    error = caught.value
    assert isinstance(error, NotImplementedError)
    assert error.operator == "Det" and error.layer == "inner"
    assert "Det (opset" in str(error) and "'inner'" in str(error) and "@converter" in str(error)


@pytest.mark.usefixtures("no_determinant")
def test_a_registered_converter_is_used() -> None:
    import keras
    from metannvis_translate.frameworks.keras.importer.registry import converter, registry

    @converter("Det", since=11)
    def Det(ctx, X):
        x = ctx.plain(X)
        return type(x)(keras.ops.det(x.tensor), tuple(range(x.rank - 2)))

    try:
        report = translate(Outer(), "keras", example_inputs=IMAGE).report
        assert report.passed and all(row.compared for row in report.layers)
        with pytest.raises(MetannvisError, match="Det since opset 11 is registered twice, by .*Det and .*Det"):
            converter("Det", since=11)(Det)
    finally:
        registry.remove("Det", since=11)


def test_the_readmes_converter_runs() -> None:
    """The example of the documentation, on an ``.onnx`` model that holds such an operator."""
    require("tensorflow")
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    (example,) = [text for text in re.findall(r"```python\n(.*?)```", readme, re.DOTALL) if "@converter" in text]
    from metannvis_translate.frameworks.keras.importer.registry import registry

    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Snake", ["x"], ["y"], domain="com.example", alpha=2.0)],
        "snake",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["N", 3, 8, 9])],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["N", 3, 8, 9])],
    )
    opsets = [onnx.helper.make_opsetid("", 20), onnx.helper.make_opsetid("com.example", 1)]
    proto = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=10)
    with pytest.raises(UnsupportedOperatorError, match=r"com.example::Snake .*@converter"):
        translate(proto, "keras", verify=False)
    exec(example, {})  # noqa: S102  # our own documentation
    try:
        translation = translate(proto, "keras", verify=False)
    finally:
        registry.remove("Snake", since=1, domain="com.example")
    found = translation.to_source(translation.model(translation.to_target(IMAGE)), role="output")
    expected = IMAGE + np.sin(2 * IMAGE) ** 2 / 2
    assert np.abs(np.asarray(found) - expected).max() <= 1e-5


class Branching(nn.Module):
    def forward(self, x):
        return x.relu() if x.sum() > 0 else x.tanh()


def test_control_flow_that_depends_on_data() -> None:
    model = Branching()
    with pytest.raises(MetannvisError) as caught:
        translate(model, "keras", example_inputs=np.stack([IMAGE[0], -IMAGE[0] - 1]))
    assert "Branching" in str(caught.value) or "disagrees" in str(caught.value) or "wrong" in str(caught.value)


def test_unknown_layer_names_close_ones() -> None:
    translation = translate(network(), "torch", example_inputs=IMAGE)
    named = nn.Sequential()
    named.add_module("conv1", nn.Conv2d(3, 4, 3))
    named.add_module("conv2", nn.Conv2d(4, 4, 3))
    other = translate(named, "torch", example_inputs=IMAGE)
    with pytest.raises(UnknownLayerError, match="no layer 'conv3' .* Close: 'conv"):
        other.layers.to_target("conv3")
    with pytest.raises(LookupError, match="list_layers"):
        translation.attach("nothing")
    assert translation.layers.to_target(translation.source[0]).source.name == "0"


def test_files(tmp_path) -> None:
    with pytest.raises(FileNotFoundError, match="no model file"):
        load_model(tmp_path / "gone.keras")
    (tmp_path / "model.bin").write_bytes(b"")
    with pytest.raises(UnknownFrameworkError, match="no ending of a model file; known are"):
        load_model(tmp_path / "model.bin")
    (tmp_path / "folder").mkdir()
    with pytest.raises(UnknownFrameworkError, match=r"saved_model\.pb"):
        load_model(tmp_path / "folder")
    path = tmp_path / "net.pt2"
    save_model(network().eval(), path, example_inputs=IMAGE)
    before = path.read_bytes()
    with pytest.raises(InvalidArgumentError, match="overwrite=True"):
        save_model(network(), path, example_inputs=IMAGE)
    assert path.read_bytes() == before
    with pytest.raises(InvalidArgumentError, match="translate it first"):
        save_model(network(), tmp_path / "net.keras")
    assert len(list_layers(path)) > 0


class Bomb:
    def __reduce__(self):
        return os.mkdir, ("exploded",)


@pytest.mark.parametrize("name", ["net.pt", "net.pth"])
def test_a_pickle_is_not_opened(tmp_path, monkeypatch, name) -> None:
    monkeypatch.chdir(tmp_path)
    whole = tmp_path / name
    torch.save(network(), whole)
    with pytest.raises(UntrustedModelError, match="trust"):
        load_model(whole)
    assert isinstance(load_model(whole, trust=True), nn.Module)
    bomb = tmp_path / f"bomb-{name}"
    bomb.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(MetannvisError):
        load_model(bomb)
    assert not (tmp_path / "exploded").exists()


def test_torchscript_is_opened_on_trust_alone(tmp_path) -> None:
    path = tmp_path / "script.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch announces the end of TorchScript
        torch.jit.trace(nn.Linear(2, 2), torch.zeros(1, 2)).save(path)
        with pytest.raises(UntrustedModelError, match="TorchScript.*trust=True"):
            load_model(path)
        assert load_model(path, trust=True)(torch.zeros(1, 2)).shape == (1, 2)


def test_a_double_model_is_not_made_single_silently() -> None:
    model = network().double().eval()
    with pytest.raises(InvalidArgumentError, match="double precision"):
        translate(model, "torch", example_inputs=IMAGE, dtype="float32")
    assert translate(model, "torch", example_inputs=IMAGE).report.dtype == "float64"


def test_nothing_of_the_callers_is_changed() -> None:
    """Mode, weights, gradients, hooks, inputs: as they were, after success and after failure."""
    model = network().train()
    model[0].requires_grad_(False)
    seen = []
    handle = model[3].register_forward_hook(lambda *a: seen.append(1))
    x = torch.from_numpy(IMAGE).requires_grad_()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    for layer in (None, "nonsense"):
        translation = translate(model, "torch", example_inputs=x)
        if layer:
            with pytest.raises(UnknownLayerError):
                translation.attach(layer)
    with pytest.raises(InvalidArgumentError):
        translate(model, "torch", example_inputs=IMAGE[:, :2])
    assert all(module.training for module in model.modules())
    assert not model[0].weight.requires_grad and model[5].weight.requires_grad
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert len(model[3]._forward_hooks) == 1 and all(
        not m._forward_hooks for k, m in model.named_children() if k != "3"
    )
    assert x.requires_grad and x.grad is None and all(p.grad is None for p in model.parameters())
    handle.remove()


def test_translate_model_gives_the_model_itself_where_it_is_there_already() -> None:
    model = network()
    assert translate_model(model, "pytorch") is model
    assert translate_model(model.eval(), "onnx", dummy_input=IMAGE).graph.node


def test_missing_frameworks_say_what_to_install() -> None:
    code = (
        "import sys\n"
        "sys.modules['torch'] = None\n"
        "from metannvis_translate.frameworks import require\n"
        "from metannvis_translate import MissingFrameworkError\n"
        "try:\n    require('torch')\n"
        "except MissingFrameworkError as error:\n    assert \"pip install 'metannvis-translate[torch]'\" in str(error), error\n"
        "else:\n    raise SystemExit(1)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.filterwarnings("ignore:.torch.jit.trace:FutureWarning")
@pytest.mark.parametrize("part", [False, True])
def test_what_torchscript_compiled(part: bool) -> None:
    compiled = torch.jit.trace(nn.Linear(2, 2), torch.zeros(1, 2))
    model = nn.Sequential(nn.ReLU(), compiled) if part else compiled
    with pytest.raises(UnsupportedOperatorError, match="compiled by TorchScript") as caught:
        translate(model, "keras", example_inputs=np.zeros((2, 2), "float32"))
    assert caught.value.layer == ("1" if part else None)
