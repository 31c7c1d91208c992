"""A framework of a third party takes part in everything, without a line of ours being edited."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
import pytest
import tensorflow as tf
import torch
from metannvis_translate import (
    InvalidArgumentError,
    MetannvisError,
    UnsupportedOperatorError,
    check_equivalence,
    detect_framework,
    list_layers,
    save_model,
    translate,
)
from metannvis_translate.frameworks import DeclaredInput, Framework, FrameworkBase, get_framework
from metannvis_translate.frameworks import registry as plugins

from . import toy_framework
from .toy_framework import Step, ToyModel


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """The toy package, installed: a folder on the path with the metadata that pip would write."""

    def install(name: str, key: str = "toy") -> None:
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[metannvis.frameworks]\n{key} = toy_framework:framework\n")
        plugins._plugins.cache_clear()

    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "toy_framework.py").write_text(
        f"import importlib\nreal = importlib.import_module({ToyModel.__module__!r})\n"
        "def __getattr__(name):\n    return getattr(real, name)\n"
    )
    install("toy-framework")
    yield install
    monkeypatch.undo()
    plugins._plugins.cache_clear()


@pytest.fixture
def model() -> ToyModel:
    random = np.random.default_rng(0)
    return ToyModel(
        4,
        [
            Step(
                "first", "Dense", random.normal(size=(4, 6)).astype("float32"), random.normal(size=6).astype("float32")
            ),
            Step("act", "ReLU"),
            Step(
                "last", "Dense", random.normal(size=(6, 3)).astype("float32"), random.normal(size=3).astype("float32")
            ),
        ],
    )


@pytest.mark.parametrize("target", ["torch", "keras", "onnx"])
def test_from_the_toy(installed, model, target) -> None:
    assert detect_framework(model) == "toy"
    assert [info.name for info in list_layers(model)] == ["first", "act", "last"]
    translation = translate(model, target)
    assert translation.report.passed and len(translation.layers) == 3
    assert all(row.compared for row in (*translation.report.layers, *translation.report.gradients))
    x = np.random.default_rng(1).standard_normal((5, 4))
    report = check_equivalence(model, translation, x, dtype="float64")
    assert report.passed, str(report)
    assert max(report.worst("outputs"), report.worst("layers")) < 1e-9


def test_to_the_toy(installed) -> None:
    network = torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.ReLU(), torch.nn.Linear(5, 2))
    translation = translate(network, "toy", example_inputs=torch.randn(2, 4))
    x = torch.randn(3, 4)
    np.testing.assert_allclose(translation.model(x.numpy()), network(x).detach(), rtol=1e-5, atol=1e-6)
    assert translation.attach("2")[1].kind == "Dense"
    with pytest.raises(UnsupportedOperatorError, match="Tanh.*dense layers and ReLUs"):
        translate(torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.Tanh()), "toy", example_inputs=torch.randn(2, 4))


def test_members_that_it_leaves_out_are_those_of_the_base(installed, model, tmp_path) -> None:
    plugin = get_framework("toy")
    assert not isinstance(toy_framework.framework, FrameworkBase)
    optional = {name for name in vars(FrameworkBase) if not name.startswith("_")}
    assert optional
    assert {name for name in optional if not hasattr(toy_framework.framework, name)} == optional
    assert (plugin.importers, plugin.aliases, plugin.channels_last, plugin.saves_folders) == ({}, (), None, False)
    assert plugin.declared_inputs(model) == [DeclaredInput("input_0", (None, 4), "float32")]
    with pytest.raises(
        InvalidArgumentError, match="shapes= is for models that do not say what they take; a Toy model does"
    ):
        translate(model, "torch", shapes=(None, 4))
    with pytest.raises(InvalidArgumentError, match="a model of Toy is saved as .toy;"):
        save_model(model, tmp_path / "folder")
    with pytest.raises(AttributeError, match="'ToyFramework' object has no attribute 'nothing'"):
        _ = plugin.nothing
    with pytest.raises(InvalidArgumentError, match="engine='fast': from Toy to PyTorch there are 'auto', 'toy'"):
        translate(model, "torch", engine="fast")


class Inheriting(FrameworkBase, toy_framework.ToyFramework):
    """The same plug-in with members of its own instead of the base's."""

    aliases = ("plaything",)
    entered: ClassVar[list[str]] = []

    @property
    def importers(self):
        return {"in-one-step": self.build}

    def declared_inputs(self, model):
        return [DeclaredInput("x", (None, model.width), "float32")]

    @contextmanager
    def plain_mode(self):
        self.entered.append("plain_mode")
        yield

    @contextmanager
    def generators(self, seed):
        self.entered.append("generators")
        yield

    def opens_folder(self, path):
        return (path / "toy.txt").is_file()


def test_members_of_its_own_count(installed, model, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(toy_framework, "framework", Inheriting())
    plugins._plugins.cache_clear()
    assert plugins.framework_key("Plaything") == "toy"
    (tmp_path / "toy.txt").touch()
    assert plugins.framework_of_file(tmp_path) == "toy"
    network = torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.ReLU())
    assert translate(network, "plaything", example_inputs=torch.randn(2, 4), engine="in-one-step").report.passed
    assert set(Inheriting.entered) == {"plain_mode", "generators"}


@pytest.mark.parametrize("framework", plugins.frameworks(), ids=lambda framework: framework.key)
def test_ours_have_every_member(framework) -> None:
    members = {name for name in (*vars(Framework), *Framework.__annotations__) if not name.startswith("_")}
    assert len(members) > 25
    assert isinstance(framework, FrameworkBase)
    assert not [name for name in members if not hasattr(framework, name)]


def test_two_packages_of_one_key_are_both_named(installed) -> None:
    installed("other-toy")
    with pytest.raises(MetannvisError, match="toy-framework and other-toy|other-toy and toy-framework"):
        plugins.framework_keys()


def test_without_it_the_key_is_unknown() -> None:
    assert "toy" not in plugins.framework_keys()
    with pytest.raises(InvalidArgumentError, match="unknown framework 'toy'; there are: "):
        translate(torch.nn.Linear(2, 2), "toy", example_inputs=torch.randn(2, 2))
    assert ToyModel.__module__ in sys.modules


# --- what nobody states is as the standard has it -----------------------------------------------------------------------

RANDOM = np.random.default_rng(3)
ROWS = RANDOM.uniform(-4, 4, (2, 6)).astype("float32")
ROWS[0, :3] = 0, 25, 6
EQUAL = np.array([[1, 3, 3, 2, 3, 1], [0, 0, 0, 0, 0, 0]], "float32")
IMAGE = RANDOM.normal(size=(2, 3, 4, 5)).astype("float32")
#: places beyond the image among them
PLACES = RANDOM.uniform(-1.6, 1.6, (2, 3, 3, 2)).astype("float32")


def numbers(*values: float) -> np.ndarray:
    return np.array(values, "float32")


def row(kind: str, x: np.ndarray, *operands: np.ndarray, output: int = 0, **attributes: Any) -> Any:
    name = "-".join([kind, *(str(value) for value in attributes.values())])
    step = Step("it", kind, operands=operands, attributes=attributes, output=output)
    return pytest.param(ToyModel(x.shape[-1], [step], x.shape[1:-1]), x, id=name)


STANDARD = [
    row("Softplus", ROWS),
    row("Selu", ROWS),
    row("Selu", ROWS, alpha=1.5, gamma=1.1),
    row("Celu", ROWS, alpha=0.7),
    row("HardSigmoid", ROWS),
    row("HardSigmoid", ROWS, alpha=1 / 6, beta=0.5),
    row("PRelu", ROWS, numbers(0.3)),
    row("Clip", ROWS, np.float32(0), np.float32(6)),
    row("Clip", ROWS, np.float32(-1), np.float32(2)),
    row("Max", EQUAL, np.float32(2)),
    row("Min", EQUAL, numbers(1, 2, 3, 4, 5, 6)),
    row("ReduceMax", EQUAL, np.array([1]), keepdims=0),
    row("TopK", EQUAL, np.array([4]), output=1),
    row("TopK", EQUAL, np.array([2]), output=1, largest=0),
    row("Softmax", ROWS, axis=1),
    row("GlobalMaxPool", IMAGE),
    row("Resize", IMAGE, numbers(), numbers(1, 1, 1.5, 2), mode="linear"),
    row("Resize", IMAGE, numbers(), numbers(1, 1, 2, 2), mode="cubic"),
    row(
        "Resize", IMAGE, numbers(), numbers(1, 1, 1.5, 2), coordinate_transformation_mode="align_corners", mode="linear"
    ),
    row("GridSample", IMAGE, PLACES, mode="linear"),
    row("GridSample", IMAGE, PLACES, mode="nearest", padding_mode="reflection"),
    row("GridSample", IMAGE, PLACES, mode="cubic"),
]


@pytest.mark.parametrize(
    ("model", "x", "target"),
    [
        pytest.param(*case.values, target, id=f"{case.id}-{target}")
        for case in STANDARD
        for target in ("torch", "keras")
    ],
)
def test_an_operator_of_which_nothing_is_stated_is_the_standards(installed, model, x, target) -> None:
    translation = translate(model, target)  # checked on random numbers, where nothing is tied
    assert translation.report.passed
    result = translation.model(translation.to_target(x))
    np.testing.assert_allclose(
        translation.to_source(result, role="output"), model.steps[0].evaluate(x), rtol=1e-5, atol=1e-6
    )


def translated(target: str, *params: Any) -> Any:
    model, _ = params[0].values
    return translate(model, target, verify=False).model


def gradient(target: str, model: Any, x: np.ndarray) -> list[float]:
    """The derivative of the sum of what a model returns."""
    if target == "torch":
        given = torch.tensor(x, requires_grad=True)
        return torch.autograd.grad(model(given).sum(), given)[0].flatten().tolist()
    given = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(given)
        result = tf.reduce_sum(model(given))
    return tape.gradient(result, given).numpy().ravel().tolist()


def test_what_nobody_states_is_nobodys_default(installed) -> None:
    """Where the standard says nothing the target's own way counts, and numbers are the standard's, in single precision."""
    first = next(translated("torch", row("Softplus", ROWS)).children())
    assert first.threshold != torch.nn.Softplus().threshold
    selu = next(translated("torch", row("Selu", ROWS)).children())
    assert (selu.alpha, selu.gamma) == (1.67326319217681884765625, 1.05070102214813232421875)
    assert type(next(translated("torch", row("Celu", ROWS)).children())) is torch.nn.CELU
    assert type(next(translated("torch", row("PRelu", ROWS, numbers(0.3))).children())) is torch.nn.PReLU
    sigmoid = next(translated("torch", row("HardSigmoid", ROWS, alpha=1 / 6)).children())
    assert not isinstance(sigmoid, torch.nn.Hardsigmoid)
    assert type(next(translated("torch", row("GlobalMaxPool", IMAGE)).children())) is torch.nn.AdaptiveMaxPool2d
    at = np.zeros((2, 1), "float32")
    for target, shared in (("torch", 0.5), ("keras", 1.0)):
        assert gradient(target, translated(target, row("Max", at, numbers(0))), at) == [shared] * 2
    for target, inside in (("torch", 0.0), ("keras", 1.0)):
        bounded = row("Clip", at, np.float32(0), np.float32(6))
        assert gradient(target, translated(target, bounded), at) == [inside] * 2


@pytest.mark.parametrize("target", ["torch", "keras"])
def test_what_the_standard_leaves_open_is_refused(installed, target) -> None:
    corners = {"coordinate_transformation_mode": "align_corners", "mode": "linear"}
    model, x = row("Resize", IMAGE, numbers(), numbers(1, 1, 1.3, 2), **corners).values
    with pytest.raises(UnsupportedOperatorError, match="rounded|rounds"):
        translate(model, target, example_inputs=x)


@pytest.mark.parametrize("target", ["torch", "keras"])
def test_an_input_is_an_image_only_if_something_says_so(installed, target) -> None:
    """Four axes mean nothing by themselves in the standard."""
    model, x = row("Softplus", IMAGE).values
    (port,) = translate(model, target, example_inputs=x).inputs
    assert port.permutation == (0, 1, 2, 3) and port.axes == "N???"
    model, x = row("GlobalMaxPool", IMAGE).values
    assert translate(model, target, example_inputs=x).inputs[0].axes == "NCHW"


def test_a_plug_in_that_subclasses_the_protocol(installed, monkeypatch, model) -> None:
    """What it inherits from there has descriptions and no bodies: the defaults count, for it and for everybody else."""

    class Described(toy_framework.ToyFramework, Framework):
        pass

    monkeypatch.setattr(toy_framework, "framework", Described())
    plugins._plugins.cache_clear()
    assert list(plugins.get_framework("toy").importers) == []
    assert list_layers(torch.nn.Sequential(torch.nn.ReLU()), example_inputs=torch.zeros(1, 2))
    assert translate(model, "torch").report.passed
