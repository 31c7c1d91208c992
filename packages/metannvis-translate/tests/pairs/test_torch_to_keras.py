"""PyTorch networks translated to Keras agree with themselves: outputs, layers, gradients, at every batch size."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from metannvis_translate import check_equivalence, list_layers, translate
from metannvis_translate.frameworks.torch.hooks import tensors_in

from ..networks.torch import ZOO, Row, randomize


def inputs_of(row: Row, batch: int, seed: int, dtype: str = "float32") -> Any:
    return row.given(batch, np.random.default_rng(seed), dtype)


def flat(output: Any) -> list[Any]:
    """The tensors in an output, depth first, as ``tensors_in`` finds them."""
    if isinstance(output, dict):
        output = list(output.values())
    return [leaf for item in output for leaf in flat(item)] if isinstance(output, (list, tuple)) else [output]


#: One network a family; those of the second have what those of the first lack.
DOUBLE = (
    "attention", "encoder", "vision_transformer", "unet_bilinear_aligned", "wavenet", "norms", "pads", "adaptive", "rgb",
    "two_outputs", "shuffle", "activations", "kinks", "conv3d", "depthwise", "pools", "normalizations", "lstm", "gru",
    "generator", "lstm_states_bidirectional", "indexing", "algebra", "picking", "moving", "in_place", "structures", "keywords",
)  # fmt: skip
SINGLE = (
    "mnist", "inception", "two_inputs", "tokens", "rnn", "cells", "scaled_dot_product", "more_activations", "unet_transposed"
)  # fmt: skip


@pytest.mark.core(*DOUBLE)
@pytest.mark.parametrize("name", ZOO)
def test_exact_in_double(name: str) -> None:
    """Outputs, every layer and input gradients, on inputs that the translation has not seen, without the gate."""
    row = ZOO[name]
    model = randomize(row.make())
    given = inputs_of(row, 1, 0)
    translation = translate(model, "keras", example_inputs=given, dtype="float64", verify=False)
    assert bool(translation.single_precision) == bool(row.single)
    # what a layer puts out beside its first tensor, and nobody uses, is no part of the graph
    executed = {info.name.split("#")[0] for info in list_layers(model, example_inputs=given) if not info.parent}
    assert executed - set(row.constant) == {
        r.source.name.split("#")[0] for r in translation.layers if not r.source.parent
    }
    for batch in (1, 2, 5):
        report = check_equivalence(model, translation, inputs_of(row, batch, batch, "float64"), dtype="float64")
        assert report.passed, str(report)
        assert all(r.compared for r in report.layers), str(report)
        assert all(r.compared for r, below in zip(report.gradients, row.below or [0] * 9, strict=False) if not below)


@pytest.mark.core(*SINGLE)
@pytest.mark.parametrize("name", ZOO)
def test_single_precision_with_the_gate(name: str) -> None:
    row = ZOO[name]
    model = randomize(row.make())
    translation = translate(model, "keras", example_inputs=inputs_of(row, 2, 0))
    assert translation.report is not None and translation.report.passed
    for batch in (1, 2, 5):
        given = inputs_of(row, batch, batch)
        with torch.no_grad():
            if isinstance(given, dict):
                structure = model(**{name: torch.from_numpy(array) for name, array in given.items()})
            else:
                structure = model(*map(torch.from_numpy, given))
        expected = tensors_in(structure)
        arrays = list(given.values()) if isinstance(given, dict) else given
        inputs = [translation.to_target(x, index=k) for k, x in enumerate(arrays)]
        found = translation.model(inputs if len(inputs) > 1 else inputs[0])
        found = flat(translation.to_source(found, role="output"))
        for ours, theirs in zip(found, expected, strict=True):
            for a, b in zip(ours.numpy(), theirs.numpy(), strict=True):
                assert np.abs(a - b).max() <= 1e-5 * np.abs(b).max()
