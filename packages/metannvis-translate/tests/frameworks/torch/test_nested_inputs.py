"""Modules whose ``forward`` takes lists and dicts of tensors, against themselves in double precision at other inputs."""

from __future__ import annotations

import collections
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from metannvis_translate import InvalidArgumentError, check_equivalence, list_layers, translate
from torch import nn


class Options(nn.Module):
    """Tensors in dicts, tuples and lists, and numbers among them."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Linear(3, 3)

    def forward(self, xs: Any, options: Any) -> Any:
        return {"sums": [self.scale(xs["first"][0]) * options["factor"] + xs["second"]], "rest": xs["first"][1].sum(-1)}


def rows(*shapes: tuple[int, ...]) -> list[torch.Tensor]:
    return [torch.rand(*shape, dtype=torch.float64) for shape in shapes]


def head_inputs(batch: int) -> Any:
    return (rows((batch, 4, 6, 8), (batch, 4, 3, 4)),)


def pyramid_inputs(batch: int) -> Any:
    fine, coarse = rows((batch, 4, 8, 8), (batch, 6, 4, 4))
    return (collections.OrderedDict(fine=fine, coarse=coarse),)


def pool_inputs(batch: int) -> Any:
    fine, coarse, corners, sides = rows((2, 4, 8, 8), (2, 4, 4, 4), (3, 2), (3, 2))
    boxes = torch.cat([20 * corners, 20 * corners + 3 + 30 * sides], 1)
    return {"fine": fine, "coarse": coarse}, [boxes[:2], boxes[2:]], [(64, 64), (64, 64)]


def options_inputs(batch: int) -> Any:
    first, rest, second = rows((batch, 3), (batch, 4), (batch, 3))
    return {"first": (first, rest), "second": second}, {"factor": 2.5}


CASES: dict[str, tuple[Any, Any, list[str]]] = {
    "list": (lambda: torchvision.models.detection.rpn.RPNHead(4, 2), head_inputs, ["x_0", "x_1"]),
    "dict": (lambda: torchvision.ops.FeaturePyramidNetwork([4, 6], 5), pyramid_inputs, ["x_fine", "x_coarse"]),
    "regions by level": (
        lambda: torchvision.ops.MultiScaleRoIAlign(["fine", "coarse"], 3, 2, canonical_scale=16, canonical_level=4),
        pool_inputs, ["x_fine", "x_coarse", "boxes_0", "boxes_1"],
    ),
    "nested, with numbers": (Options, options_inputs, ["xs_first_0", "xs_first_1", "xs_second"]),
}  # fmt: skip


@pytest.mark.parametrize("to", ["keras", "torch"])
@pytest.mark.parametrize("name", CASES)
def test_tensors_in_lists_and_dicts_are_inputs(name: str, to: str) -> None:
    torch.manual_seed(0)
    make, inputs, names = CASES[name]
    model = make()
    translation = translate(model, to, example_inputs=inputs(2), dtype="float64")
    assert [port.name for port in translation.inputs] == names
    for _ in range(2):
        report = check_equivalence(model, translation, inputs(3), dtype="float64")
        assert report.passed, str(report)


def test_inputs_by_keyword_hold_dicts() -> None:
    model = torchvision.ops.FeaturePyramidNetwork([4, 6], 5)
    (pyramid,) = pyramid_inputs(2)
    translation = translate(model, "keras", example_inputs={"x": pyramid}, dtype="float64")
    assert [port.name for port in translation.outputs] == ["fine", "coarse"]


def test_layers_are_those_of_the_model_and_the_model_stays_as_it_is() -> None:
    model = torchvision.ops.FeaturePyramidNetwork([4, 6], 5)
    names = [layer.name for layer in list_layers(model, example_inputs=pyramid_inputs(2))]
    translation = translate(model, "torch", example_inputs=pyramid_inputs(2), dtype="float64")
    assert "layer_blocks.1.0" in names
    assert set(translation.layers.names) == set(names)
    assert translation.source.layer_blocks is model.layer_blocks
    (pyramid,) = pyramid_inputs(2)
    model.double()
    for ours, theirs in zip(translation.source(*pyramid.values()).values(), model(pyramid).values(), strict=True):
        np.testing.assert_array_equal(ours.detach(), theirs.detach())


@pytest.mark.parametrize("name", ["list", "dict"])
def test_a_program_takes_the_tensors_one_by_one(name: str, capfd: Any) -> None:
    torch.manual_seed(0)
    make, inputs, _ = CASES[name]
    model = make().double()
    program = torch.export.export(model, inputs(2))
    (structure,) = inputs(2)
    flat = list(structure.values()) if isinstance(structure, dict) else list(structure)
    translation = translate(program, "keras", example_inputs=flat)
    assert check_equivalence(model, translation, inputs(2), dtype="float64").passed
    assert translate(program, "torch", example_inputs=inputs(2)).report is not None
    assert translate(program, "torch").report is not None
    assert capfd.readouterr().out == ""


@pytest.mark.filterwarnings("ignore:.*torch.jit.script")
def test_a_scripted_module_does_not_take_lists() -> None:
    with pytest.raises(InvalidArgumentError, match="plain nn.Module"):
        translate(torch.jit.script(nn.ReLU()), "keras", example_inputs=([torch.rand(2, 3)],))
