"""PyTorch networks translated to Keras agree with themselves: outputs, layers, gradients, at every batch size."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from metannvis_translate import check_equivalence, list_layers, translate
from zoo_torch import ZOO, Row, randomize


def inputs_of(row: Row, batch: int, seed: int, dtype: str = "float32") -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    arrays = [random.standard_normal((batch, *shape)) for shape in row.shapes]
    return [(np.rint(2.5 * a) if row.integers else a).astype(dtype) for a in arrays]


@pytest.mark.parametrize("name", ZOO)
def test_exact_in_double(name: str) -> None:
    """Outputs, every layer and input gradients, on inputs that the translation has not seen, without the gate."""
    row = ZOO[name]
    model = randomize(row.make())
    translation = translate(model, "keras", example_inputs=inputs_of(row, 1, 0), dtype="float64", verify=False)
    assert bool(translation.single_precision) == bool(row.single)
    executed = {info.name for info in list_layers(model, example_inputs=inputs_of(row, 1, 0)) if not info.parent}
    assert executed == {r.source.name for r in translation.layers if not r.source.parent}
    for batch in (1, 2, 5):
        report = check_equivalence(model, translation, inputs_of(row, batch, batch, "float64"), dtype="float64")
        assert report.passed, str(report)
        assert all(r.compared for r in report.layers), str(report)
        assert all(r.compared for r in report.gradients), str(report)


@pytest.mark.parametrize("name", ZOO)
def test_single_precision_with_the_gate(name: str) -> None:
    row = ZOO[name]
    model = randomize(row.make())
    translation = translate(model, "keras", example_inputs=inputs_of(row, 2, 0))
    assert translation.report is not None and translation.report.passed
    for batch in (1, 2, 5):
        with torch.no_grad():
            given = inputs_of(row, batch, batch)
            expected = model(*map(torch.from_numpy, given))
        expected = expected if isinstance(expected, tuple) else (expected,)
        found = translation.model(
            [translation.to_target(x, index=k) for k, x in enumerate(given)]
            if len(given) > 1
            else translation.to_target(given[0])
        )
        found = found if isinstance(found, (list, tuple)) else [found]
        for k, (ours, theirs) in enumerate(zip(found, expected, strict=True)):
            ours = np.asarray(translation.to_source(ours, role="output", index=k))
            for a, b in zip(ours, theirs.numpy(), strict=True):
                assert np.abs(a - b).max() <= 1e-5 * np.abs(b).max()
