"""Keras networks translated to PyTorch agree with themselves: outputs, layers, gradients, at every batch size."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from metannvis_translate import check_equivalence, list_layers, translate
from metannvis_translate.frameworks.registry import get_framework
from metannvis_translate.frameworks.requirements import require

from ..networks.keras import ZOO, randomize


@pytest.fixture(scope="module", autouse=True)
def _frameworks() -> None:
    require("tensorflow")


def inputs_of(model, batch: int, seed: int, dtype: str = "float32") -> list[np.ndarray]:
    arrays = get_framework("tensorflow").example_inputs(model, batch, seed)
    random = np.random.default_rng(seed)
    return [a.astype(dtype) if a.dtype.kind == "f" else random.integers(0, 4, a.shape).astype(a.dtype) for a in arrays]


@pytest.mark.filterwarnings("ignore:.*was passed an input with a mask:UserWarning")
@pytest.mark.parametrize("name", ZOO)
def test_exact_in_double(name: str) -> None:
    """Outputs, every layer and input gradients, on inputs that the translation has not seen, without the gate."""
    model = randomize(ZOO[name].make())
    translation = translate(model, "torch", dtype="float64", verify=False)
    executed = {info.name for info in list_layers(model) if not info.parent}
    assert executed == {row.source.name for row in translation.layers if not row.source.parent}
    assert bool(translation.single_precision) == bool(ZOO[name].single)
    for batch in (1, 2, 5):
        report = check_equivalence(model, translation, inputs_of(model, batch, batch, "float64"), dtype="float64")
        assert report.passed, str(report)
        assert all(row.compared for row in report.layers), str(report)
        assert all(row.compared or "no float tensor" in row.reason for row in report.gradients), str(report)


@pytest.mark.filterwarnings("ignore:.*was passed an input with a mask:UserWarning")
@pytest.mark.parametrize("name", ZOO)
def test_single_precision_with_the_gate(name: str) -> None:
    import torch

    model = randomize(ZOO[name].make())
    translation = translate(model, "torch")
    assert translation.report is not None and translation.report.passed
    for batch in (1, 2, 5):
        given = inputs_of(model, batch, batch)
        expected = model(given if len(given) > 1 else given[0])
        expected = expected if isinstance(expected, (list, tuple)) else [expected]
        with torch.no_grad():
            found = translation.model(*(translation.to_target(x, index=k) for k, x in enumerate(given)))
        found = found if isinstance(found, (list, tuple)) else [found]
        for k, (ours, theirs) in enumerate(zip(found, expected, strict=True)):
            ours = np.asarray(translation.to_source(ours, role="output", index=k))
            for a, b in zip(ours, np.asarray(theirs), strict=True):
                assert np.abs(a - b).max() <= 1e-5 * np.abs(b).max()


def test_result_is_an_ordinary_module() -> None:
    """It is copied, saved, exported and trained as any other, and holds no permutation between its convolutions."""
    import torch

    model = randomize(ZOO["rgb"].make())
    network = translate(model, "torch").model
    x = torch.randn(3, 3, 20, 28)
    expected = network(x).detach()
    assert torch.equal(copy.deepcopy(network)(x), expected)
    twin = translate(model, "torch", verify=False).model
    for parameter in twin.parameters():
        parameter.data.zero_()
    twin.load_state_dict(network.state_dict())
    assert torch.equal(twin(x), expected)
    exported = torch.export.export(network, (x,))
    torch.testing.assert_close(exported.module()(x), expected)
    moved = [n for n in network.graph.nodes if "permute" in str(n.target) or "transpose" in str(n.target)]
    assert len(moved) == 1  # Keras flattens (N, H, W, C)
    optimizer = torch.optim.SGD(network.train().parameters(), lr=0.1)
    losses = []
    for _ in range(5):
        loss = torch.nn.functional.nll_loss(network(x).log(), torch.tensor([0, 1, 2]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("rank", [4, 5])
def test_group_normalization_keeps_its_digits_however_values_lie_in_memory(rank: int) -> None:
    """PyTorch's kernel for channels that lie last is a hundred times as far off where the spread is small beside the mean."""
    keras, torch = require("keras"), require("torch")
    x = keras.Input((*(4, 6, 5)[: rank - 2], 8))
    translation = translate(keras.Model(x, keras.layers.GroupNormalization(4)(x)), "torch")
    values = (3 + 0.02 * np.random.default_rng(0).standard_normal((3, *x.shape[1:]))).astype(np.float32)
    source = np.asarray(translation.source(values))
    lying = torch.from_numpy(values).permute(0, rank - 1, *range(1, rank - 1))  # channels lie last
    found = translation.model(lying).detach().numpy()
    assert np.abs(np.moveaxis(found, 1, -1) - source).max() <= 3e-5 * np.abs(source).max()
