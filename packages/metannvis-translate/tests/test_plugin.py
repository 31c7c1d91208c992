"""A framework of a third party takes part in everything, without a line of ours being edited."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import ClassVar

import numpy as np
import pytest
import torch
import toy_framework
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
from toy_framework import Step, ToyModel


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
    assert "toy_framework" in sys.modules
