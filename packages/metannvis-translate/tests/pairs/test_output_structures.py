"""A translated model puts out what the source does: dicts, tuples and lists, one inside another."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
import torch
from metannvis_translate import check_equivalence, load_model, translate
from torch import nn

from ..networks.torch_case import randomize


class Pair(NamedTuple):
    first: Any
    second: Any


STRUCTURES = {
    "dict": lambda a, b, c: {"z": a, "a": b, "m": c},
    "nested": lambda a, b, c: {"z": a, "a": (b, [c, a * 2]), "m": {"deep": b * 3, "none": None}},
    "tuple": lambda a, b, c: (a, (b, c)),
    "named": lambda a, b, c: Pair(Pair(c, a), b),
    "one_of_a_dict": lambda a, b, c: OrderedDict(out=a + c),
    "one_of_a_tuple": lambda a, b, c: (a + c,),
    "twice": lambda a, b, c: {"z": a, "again": a, "input": c, "list": [a, None, b]},
    "image": lambda a, b, c: {"z": a, "image": c[:, :, None, None] * b[:, None, :, None]},
}
#: what Keras puts out: lists for tuples, nothing for what is no tensor, and no list of one
EXPECTED = {
    "dict": {"z": 0, "a": 1, "m": 2},
    "nested": {"z": 0, "a": [1, [2, 3]], "m": {"deep": 4}},
    "tuple": [0, [1, 2]],
    "named": [[0, 1], 2],
    "one_of_a_dict": {"out": 0},
    "one_of_a_tuple": 0,
    "twice": {"z": 0, "again": 1, "input": 2, "list": [3, 4]},
    "image": {"z": 0, "image": 1},
}


class Net(nn.Module):
    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.one, self.two = nn.Linear(5, 5), nn.Linear(5, 4)

    def forward(self, x):
        return STRUCTURES[self.name](self.one(x), self.two(x), x)


def values(output: Any) -> list[Any]:
    """Depth first, as they come."""
    if isinstance(output, dict):
        output = list(output.values())
    if isinstance(output, (tuple, list)):
        return [leaf for item in output for leaf in values(item)]
    return [] if output is None else [output]


def shape_of(structure: Any) -> Any:
    return keras.tree.map_structure(lambda leaf: 0, structure)


@pytest.mark.parametrize("name", STRUCTURES)
def test_structure_and_values(name: str, tmp_path: Path) -> None:
    model = randomize(Net(name))
    x = np.random.default_rng(0).standard_normal((3, 5)).astype("float32")
    translation = translate(model, "keras", example_inputs=x)
    assert translation.report.passed
    assert all(row.compared for row in (*translation.report.gradients, *translation.report.layers))
    with torch.no_grad():
        expected = values(model(torch.from_numpy(x)))
    assert len(translation.outputs) == len(expected)
    translation.save(tmp_path / "model.keras")
    for keras_model in (translation.model, load_model(tmp_path / "model.keras")):
        found = keras_model(x)
        assert shape_of(found) == shape_of(EXPECTED[name])
        back = translation.to_source(found, role="output")
        for ours, theirs, port in zip(values(back), expected, translation.outputs, strict=True):
            assert tuple(theirs.shape[1:]) == port.source_shape[1:]
            np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-5, atol=1e-6)
        loaded = dataclasses.replace(translation, model=keras_model)
        report = check_equivalence(model, loaded, x.astype("float64"), dtype="float64")
        assert report.passed, str(report)


def test_names_of_ports() -> None:
    translation = translate(Net("nested").eval(), "keras", example_inputs=np.ones((2, 5), "float32"), verify=False)
    assert [port.name for port in translation.outputs] == ["z", "a.0", "a.1.0", "a.1.1", "m.deep"]
    translation = translate(Net("tuple").eval(), "keras", example_inputs=np.ones((2, 5), "float32"), verify=False)
    assert [port.name for port in translation.outputs] == ["output_0", "output_1", "output_2"]


def test_values_of_outputs_go_both_ways() -> None:
    model = Net("image").eval()
    x = np.random.default_rng(0).standard_normal((3, 5)).astype("float32")
    translation = translate(model, "keras", example_inputs=x)
    with torch.no_grad():
        output = model(torch.from_numpy(x))
    there = translation.to_target({key: output[key] for key in ("image", "z")}, role="output")
    assert tuple(there["image"].shape) == translation.model(x)["image"].shape
    back = translation.to_source(there, role="output")
    assert all(torch.equal(back[key], output[key]) for key in output)


def test_other_targets_put_out_a_flat_tuple() -> None:
    model = Net("nested").eval()
    x = torch.ones(2, 5)
    assert len(translate(model, "torch", example_inputs=x).model(x)) == 5
    graph = translate(model, "onnx", example_inputs=x).model.graph
    # what the model hands through is called what went in
    assert [value.name for value in graph.output] == ["z", "a.0", "x", "a.1.1", "m.deep"]


def test_an_exported_program_keeps_them() -> None:
    model = Net("nested").eval()
    x = torch.ones(3, 5)
    program = torch.export.export(model, (x,), dynamic_shapes=({0: torch.export.Dim("batch")},))
    translation = translate(program, "keras")
    assert shape_of(translation.model(x.numpy())) == shape_of(EXPECTED["nested"])
