"""The PyTorch plug-in: running, attaching, listing, loading and saving, and what it says about hooks."""

from __future__ import annotations

import copy
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from metannvis_translate.errors import (
    DamagedFileError,
    InvalidArgumentError,
    MissingArgumentError,
    UnknownLayerError,
    UntrustedModelError,
)
from metannvis_translate.frameworks.requirements import require
from metannvis_translate.frameworks.torch.plugin import framework
from metannvis_translate.layers import LayerInfo
from metannvis_translate.translate import translate

torch = require("torch")
nn, F = torch.nn, torch.nn.functional
Array = np.ndarray[Any, Any]


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.bn, self.relu = nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU()

    def forward(self, x: Any) -> Any:
        return self.relu(self.bn(self.conv(x))) + x


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.block, self.relu = nn.Conv2d(3, 4, 3), Block(), nn.ReLU()
        self.fc = nn.Linear(4, 3)
        self.register_buffer("calls", torch.zeros(1))

    def forward(self, x: Any) -> Any:
        self.calls += 1
        x = self.relu(self.block(self.relu(self.conv1(x))))
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))


class Module(nn.Module):
    """Written as a toolkit wants it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.relu, self.pool, self.fc = (
            nn.Conv2d(3, 4, 3),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Linear(4, 3),
        )

    def forward(self, x: Any) -> Any:
        return self.fc(torch.flatten(self.pool(self.relu(self.conv(x))), 1))


def image(batch: int = 2) -> Array:
    return np.random.default_rng(batch).normal(size=(batch, 3, 7, 6)).astype(np.float32)


@pytest.fixture
def net() -> Any:
    torch.manual_seed(0)
    return Net()


def fingerprint(model: Any) -> list[Any]:
    state = [(name, tensor.clone()) for name, tensor in model.state_dict().items()]
    flags = [(m.training, len(m._forward_hooks), len(m._forward_pre_hooks)) for m in model.modules()]
    return [state, flags, [(p.requires_grad, p.grad) for p in model.parameters()]]


def assert_untouched(before: list[Any], model: Any) -> None:
    after = fingerprint(model)
    assert all(a == b and torch.equal(x, y) for (a, x), (b, y) in zip(before[0], after[0], strict=True))
    assert before[1:] == after[1:]


def test_run_leaves_the_model_as_it_is(net: Any) -> None:
    net.train()
    net.block.eval()
    net.fc.weight.requires_grad_(False)
    before, x = fingerprint(net), image()
    given = x.copy()
    run = framework.run(
        net, x[None], layers=["block", "block.conv", "relu:2", "nothing"], cotangents=[np.ones((2, 3), np.float32)]
    )
    assert_untouched(before, net)
    np.testing.assert_array_equal(x, given)
    assert set(run.layers) == {"block", "block.conv", "relu:2"}
    assert run.gradients is not None
    assert run.gradients[0].shape == x.shape
    twin = copy.deepcopy(net).eval()
    tensor = torch.from_numpy(x).requires_grad_()
    y = twin(tensor)
    np.testing.assert_array_equal(run.outputs[0], y.detach())
    np.testing.assert_array_equal(run.gradients[0], torch.autograd.grad(y.sum(), tensor)[0])


@pytest.mark.parametrize("kind", ["embedding", "bag", "function", "data"])
def test_weights_that_forward_changes_are_put_back(kind: str) -> None:
    class Normed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            made = {"embedding": nn.Embedding, "bag": nn.EmbeddingBag}.get(kind)
            self.table = made(9, 4, max_norm=0.5) if made else nn.Embedding(9, 4)

        def forward(self, x: Any) -> Any:
            if kind == "function":
                return F.embedding(x, self.table.weight, max_norm=0.5)
            if kind == "data":
                self.table.weight.data.clamp_(-0.1, 0.1)
            return self.table(x)

    model = Normed()
    before = model.table.weight.detach().clone()
    ids = np.arange(9).reshape(3, 3)
    framework.run(model, [ids])
    assert torch.equal(model.table.weight, before)
    framework.list_layers(model, [ids])
    assert torch.equal(model.table.weight, before)


def test_run_leaves_the_model_as_it_is_when_it_fails(net: Any) -> None:
    net.train()
    before = fingerprint(net)
    with pytest.raises(RuntimeError):
        framework.run(net, [np.zeros((1, 5, 7, 6), np.float32)])
    assert_untouched(before, net)


def test_run_under_no_grad_and_inference_mode(net: Any) -> None:
    cotangents = [np.ones((2, 3), np.float32)]
    expected = framework.run(net, [image()], cotangents=cotangents).gradients
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            np.testing.assert_array_equal(framework.run(net, [image()], cotangents=cotangents).gradients, expected)


def test_run_has_no_gradient_for_integers() -> None:
    model = nn.Sequential(nn.Embedding(5, 3), nn.Flatten(), nn.Linear(6, 2))
    run = framework.run(model, [np.array([[1, 2]])], cotangents=[np.ones((1, 2), np.float32)])
    assert run.gradients == [None]


@pytest.mark.parametrize("lies", ["as PyTorch lays it", "as tokens"])
def test_gradients_of_one_sample_through_a_batch_norm(lies: str) -> None:
    """PyTorch's own are wrong where a single image, or the gradient that comes back, lies in memory as tokens do."""

    class Tokens(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bn = nn.BatchNorm2d(4).double()
            nn.init.uniform_(self.bn.running_var, 0.5, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if lies == "as tokens":
                x = x.flatten(2).transpose(1, 2).contiguous().transpose(1, 2).unflatten(2, (3, 5))
            return self.bn(x).flatten(2).transpose(1, 2)  # (N, 15, 4)

    model = Tokens().eval()
    x = np.random.default_rng(0).standard_normal((1, 4, 3, 5))
    weights = np.random.default_rng(1).standard_normal((1, 15, 4))
    for lay in (np.ascontiguousarray, lambda a: np.ascontiguousarray(a.transpose(0, 2, 1)).transpose(0, 2, 1)):
        run = framework.run(model, [x], cotangents=[lay(weights)])
        scale = (model.bn.weight / (model.bn.running_var + model.bn.eps).sqrt()).detach().numpy()
        expected = (weights * scale).transpose(0, 2, 1).reshape(x.shape)
        assert run.gradients is not None and run.gradients[0] is not None
        np.testing.assert_allclose(run.gradients[0], expected, rtol=1e-12)


def test_float64(net: Any) -> None:
    double = framework.as_float64(net)
    assert {p.dtype for p in double.parameters()} == {torch.float64}
    assert {p.dtype for p in net.parameters()} == {torch.float32}
    assert not double.training
    assert net.training
    assert framework.run(double, [image()]).outputs[0].dtype == np.float64


def test_layers(net: Any) -> None:
    assert framework.list_layers(net, [image()]) == (
        LayerInfo("conv1", "Conv2d", (None, 4, 5, 4), "NCHW"),
        LayerInfo("relu", "ReLU", (None, 4, 5, 4), "NCHW"),
        LayerInfo("block.conv", "Conv2d", (None, 4, 5, 4), "NCHW"),
        LayerInfo("block.bn", "BatchNorm2d", (None, 4, 5, 4), "NCHW"),
        LayerInfo("block.relu", "ReLU", (None, 4, 5, 4), "NCHW"),
        LayerInfo("block", "Block", (None, 4, 5, 4), "NCHW", parent=True),
        LayerInfo("relu:2", "ReLU", (None, 4, 5, 4), "NCHW"),
        LayerInfo("fc", "Linear", (None, 3), "NF"),
    )


def test_needs_example_inputs(net: Any) -> None:
    for call in (lambda: framework.list_layers(net, None), lambda: framework.example_inputs(net, 2, 0)):
        with pytest.raises(MissingArgumentError, match="example_inputs="):
            call()


def test_attach(net: Any) -> None:
    model, layer = framework.attach(net, "block.conv")
    assert model is net
    assert layer is net.block.conv
    with pytest.raises(UnknownLayerError, match=r"block\.conv"):
        framework.attach(net, "blok.conv")
    with pytest.raises(InvalidArgumentError, match="further call"):
        framework.attach(net, "relu:2")


def test_attach_to_a_function(net: Any) -> None:
    translated = translate(net, "torch", example_inputs=image(), verify=False).model
    name = next(n.name for n in translated.graph.nodes if n.op == "call_function")
    model, layer = framework.attach(translated, name)
    seen: list[Any] = []
    layer.register_forward_hook(lambda module, args, output: seen.append(output))
    x = torch.from_numpy(image())
    assert torch.equal(model(x), translated(x))
    np.testing.assert_array_equal(seen[0].detach(), framework.run(translated, [image()], layers=[name]).layers[name])
    assert model is not translated
    assert model.fc is translated.fc
    assert not hasattr(translated, f"{name}_output")
    assert framework.example_inputs(model, 3, 0)[0].shape == (3, 3, 7, 6)


def test_example_inputs_of_a_translation(net: Any) -> None:
    model = translate(net, "torch", example_inputs=image()).model
    for batch in (1, 2, 5):
        (x,) = framework.example_inputs(copy.deepcopy(model), batch, 0)
        assert x.shape == (batch, 3, 7, 6)
        assert model(torch.from_numpy(x)).shape == (batch, 3)


# --- files -----------------------------------------------------------------------------------------------------------


def test_exported_program(net: Any, tmp_path: Path) -> None:
    net.eval()
    path = tmp_path / "net.pt2"
    framework.save(net, path, inputs=[image(1)])
    model = framework.load(path, trust=False, architecture=None)
    assert framework.detect(model)
    names = [info.name for info in framework.list_layers(model, None)]
    assert names == ["conv1", "relu", "block.conv", "block.bn", "block.relu", "block", "relu:2", "fc"]
    for batch in (1, 2, 5):
        run = framework.run(model, [image(batch)], layers=["block"])
        expected = framework.run(net, [image(batch)], layers=["block"])
        np.testing.assert_array_equal(run.outputs[0], expected.outputs[0])
        np.testing.assert_array_equal(run.layers["block"], expected.layers["block"])
    assert framework.run(framework.as_float64(model), [image()]).outputs[0].dtype == np.float64
    assert framework.needs_canonical(model, [image()]) == ["it is an exported program, whose layers are functions"]
    program = torch.export.load(path)
    assert framework.detect(program)
    np.testing.assert_array_equal(
        framework.run(program, [image()]).outputs[0], framework.run(net, [image()]).outputs[0]
    )
    framework.save(program, tmp_path / "again.pt2", inputs=None)
    assert framework.example_inputs(framework.load(tmp_path / "again.pt2", trust=False, architecture=None), 2, 0)[
        0
    ].shape == (2, 3, 7, 6)


def test_saving_an_exported_program_needs_inputs(net: Any, tmp_path: Path) -> None:
    with pytest.raises(MissingArgumentError, match="example_inputs="):
        framework.save(net, tmp_path / "net.pt2", inputs=None)
    assert not list(tmp_path.iterdir())


def make() -> Any:
    return Net()


def not_a_model() -> dict[str, int]:
    return {}


def test_state_dict(net: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "net.pth"
    framework.save(net, path, inputs=None)
    monkeypatch.setitem(sys.modules, "factories", sys.modules[__name__])
    model = framework.load(path, trust=False, architecture="factories:make")
    assert not model.training
    np.testing.assert_array_equal(framework.run(model, [image()]).outputs[0], framework.run(net, [image()]).outputs[0])
    with pytest.raises(MissingArgumentError, match="architecture="):
        framework.load(path, trust=False, architecture=None)
    for wrong in ("factories", "factories:none", "no_such_module:make", "factories:not_a_model"):
        with pytest.raises(InvalidArgumentError, match="architecture="):
            framework.load(path, trust=False, architecture=wrong)
    torch.save({"a": torch.zeros(1)}, path)
    with pytest.raises(InvalidArgumentError, match="not those of"):
        framework.load(path, trust=False, architecture="factories:make")


class Trap:
    sprung = False

    def __reduce__(self) -> Any:
        return (setattr, (Trap, "sprung", True))


def test_pickles_are_refused_unopened(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    torch.save({"weights": torch.zeros(1), "trap": Trap()}, path)
    with pytest.raises(UntrustedModelError, match=r"pickle.*trust=True"):
        framework.load(path, trust=False, architecture=None)
    assert not Trap.sprung


def test_pickled_modules_are_opened_on_trust(tmp_path: Path) -> None:
    model, path = Module(), tmp_path / "model.pt"
    torch.save(model, path)
    with pytest.raises(UntrustedModelError):
        framework.load(path, trust=False, architecture=None)
    loaded = framework.load(path, trust=True, architecture=None)
    assert type(loaded) is Module
    assert not loaded.training


def test_exported_programs_with_pickles_are_refused(net: Any, tmp_path: Path) -> None:
    import zipfile

    good, bad = tmp_path / "good.pt2", tmp_path / "bad.pt2"
    framework.save(net, good, inputs=[image()])
    with zipfile.ZipFile(good) as source, zipfile.ZipFile(bad, "w") as target:
        for name in source.namelist():
            data = source.read(name)
            if name.endswith("model_weights_config.json"):
                data = data.replace(b'"use_pickle": false', b'"use_pickle": true', 1)
            target.writestr(name, data)
    with pytest.raises(UntrustedModelError, match="is a pickle"):
        framework.load(bad, trust=False, architecture=None)


def test_files_that_are_none(tmp_path: Path) -> None:
    for name in ("a.pt2", "a.pt"):
        path = tmp_path / name
        path.write_bytes(b"this is no model")
        with pytest.raises((DamagedFileError, InvalidArgumentError, UntrustedModelError)):
            framework.load(path, trust=False, architecture=None)


# --- hooks -----------------------------------------------------------------------------------------------------------


class Functional(Module):
    def forward(self, x: Any) -> Any:
        x = torch.relu(self.conv(x)).relu()
        x = F.max_pool2d(F.relu(x), 2)
        return F.softmax(self.fc(torch.flatten(self.pool(x), 1)), 1)


class InPlace(Module):
    def __init__(self) -> None:
        super().__init__()
        self.relu = nn.ReLU(inplace=True)


class Shared(Module):
    def forward(self, x: Any) -> Any:
        return self.relu(super().forward(self.relu(x)))


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (Module, []),
        (
            Functional,
            ["Functional calls relu as a function", "Functional calls max_pool2d as a function",
             "Functional calls softmax as a function"],
        ),
        (InPlace, ["layer 'relu' (ReLU) works in place"]),
        (Shared, ["layer 'relu' (ReLU) is called 3 times"]),
        (Net, ["Net calls adaptive_avg_pool2d as a function", "layer 'relu' (ReLU) is called 2 times"]),
    ],
)  # fmt: skip
def test_needs_canonical(model: Any, expected: list[str]) -> None:
    instance = model().train()
    before = fingerprint(instance)
    assert framework.needs_canonical(instance, [image()]) == expected
    assert_untouched(before, instance)
    if expected:
        canonical = translate(instance.eval(), "torch", example_inputs=image()).model
        assert framework.needs_canonical(canonical, [image()], relevance=True) == []


def test_additions_that_are_functions() -> None:
    block = Block()
    x = [np.zeros((1, 4, 5, 5), np.float32)]
    assert framework.needs_canonical(block, x) == []
    assert framework.needs_canonical(block, x, relevance=True) == ["Block adds as a function"]


# --- arrays ----------------------------------------------------------------------------------------------------------


def test_arrays() -> None:
    for tensor in (torch.zeros(2, requires_grad=True), nn.Parameter(torch.zeros(2))):
        assert framework.is_array(tensor)
        assert framework.to_numpy(tensor).dtype == np.float32
    assert not framework.is_array(np.zeros(2))
    assert framework.to_numpy(torch.zeros(2, dtype=torch.bfloat16)).dtype == np.float32
    array = np.arange(3)
    tensor = framework.from_numpy(array)
    tensor += 1
    assert tensor.dtype == torch.int64
    np.testing.assert_array_equal(array, np.arange(3))


def test_detecting_imports_nothing() -> None:
    code = (
        "import sys; from metannvis_translate.frameworks.torch import framework;"
        "assert not framework.detect(3) and not framework.is_array(3); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
