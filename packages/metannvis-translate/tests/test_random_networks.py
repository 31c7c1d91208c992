"""Random PyTorch networks become Keras models that compute the same; what cannot is refused, and that is seldom.

A few networks here, the same ones at every run; ``tox -e random`` draws 300 new ones
(``METANNVIS_RANDOM_NETWORKS=300``, and ``--hypothesis-seed=…`` to repeat a run). Nothing of the gate is used: ``verify=False``,
other inputs, other batch sizes.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, Phase, given, note, settings
from metannvis_translate import Translation, UnsupportedOperatorError, check_equivalence, list_layers, translate
from random_networks import Network, networks

#: How many networks are drawn.
EXAMPLES = int(os.environ.get("METANNVIS_RANDOM_NETWORKS", "0"))
#: Share of the networks that has to translate.
SHARE = 0.95
#: In single precision networks are compared whose own rounding (PyTorch's single result against its double one) is below this.
ROUNDING = 1e-6

Array = np.ndarray[Any, Any]


def outputs_of_source(model: torch.nn.Module, inputs: list[Array]) -> list[Array]:
    with torch.no_grad():
        found = model(*(torch.from_numpy(x.copy()) for x in inputs))
    return [t.numpy() for t in (found if isinstance(found, tuple) else (found,))]


def outputs_of_target(translation: Translation, inputs: list[Array]) -> list[Array]:
    given = [translation.to_target(x, index=k) for k, x in enumerate(inputs)]
    found = translation.model(given if len(given) > 1 else given[0])
    found = found if isinstance(found, (list, tuple)) else [found]
    return [np.asarray(translation.to_source(t, role="output", index=k)) for k, t in enumerate(found)]


def relative(ours: list[Array], theirs: list[Array]) -> float:
    """Largest relative error of a sample."""
    worst = 0.0
    for a, b in zip(ours, theirs, strict=True):
        assert a.shape == b.shape
        for one, other in zip(a.astype("float64"), b.astype("float64"), strict=True):
            assert np.isfinite(one).all()
            worst = max(worst, float(np.abs(one - other).max() / max(np.abs(other).max(), 1e-30)))
    return worst


def gradients_of_source(model: torch.nn.Module, inputs: list[Array]) -> list[Array]:
    """Input gradients of a fixed random combination of the outputs."""
    tensors = [torch.from_numpy(x.copy()) for x in inputs]
    floats = [x.requires_grad_() for x in tensors if x.is_floating_point()]
    found = model(*tensors)
    outputs = found if isinstance(found, tuple) else (found,)
    generator = torch.Generator().manual_seed(7)
    total = sum((y * torch.randn(y.shape, generator=generator, dtype=y.dtype)).sum() for y in outputs)
    gradients = torch.autograd.grad(total, floats, allow_unused=True)
    return [np.zeros(x.shape) if g is None else g.numpy() for x, g in zip(floats, gradients, strict=True)]


def cancels(model: torch.nn.Module, inputs: list[Array], found: float) -> bool:
    """Whether the source's own gradients move as much as ``found`` where its inputs move by a rounding.

    So it is where a gradient is what is left of terms that cancel, as behind a normalisation of one number that is not zero.
    """
    random = np.random.default_rng(0)
    moved = [x * (1 + 4e-16 * random.choice((-1, 1), x.shape)) if x.dtype.kind == "f" else x for x in inputs]
    worst = 0.0
    for a, b in zip(gradients_of_source(model, moved), gradients_of_source(model, inputs), strict=True):
        for one, other in zip(a, b, strict=True):
            worst = max(worst, float(np.linalg.norm(one - other) / max(np.linalg.norm(other), 1e-300)))
    return worst > 0.01 * found


def check(network: Network) -> str:
    """Translate a network and hold it to the limits; returns what became of it."""
    model = network.make()
    example = network.arrays(2, 0)
    try:
        exact = translate(model, "keras", example_inputs=example, dtype="float64", verify=False)
    except UnsupportedOperatorError as error:
        return f"refused: {error}"
    executed = {info.name for info in list_layers(model, example_inputs=example) if not info.parent}
    mapped = {row.source.name for row in exact.layers if not row.source.parent}
    # further outputs of a layer, such as the states of a recurrent one, are there where the network uses them
    assert mapped <= executed
    assert {name.partition("#")[0] for name in executed} == {name.partition("#")[0] for name in mapped}
    limit = 1e-6 if exact.single_precision else 1e-9
    fate = "exact"
    for batch, seed in ((1, 1), (2, 2), (5, 3), (2, 4)):
        inputs = network.arrays(batch, seed, "float64")
        double = network.make().double()
        assert relative(outputs_of_target(exact, inputs), outputs_of_source(double, inputs)) <= limit
        report = check_equivalence(model, exact, inputs, dtype="float64")
        if not report.passed:
            assert all(row.passed for row in (*report.outputs, *report.layers)), str(report)
            assert cancels(double, inputs, max(row.rel_l2 for row in report.gradients)), str(report)
            fate = "exact, amplifies rounding"
        assert all(row.compared for row in report.layers), str(report)
        floats = [value.kind == "float" for value in network.inputs]
        assert [row.compared for row in report.gradients] == floats, str(report)
    single = translate(model, "keras", example_inputs=example, verify=False)
    inputs = network.arrays(3, 5)
    source = outputs_of_source(model, inputs)
    exactly = outputs_of_source(
        network.make().double(), [x.astype("float64") if x.dtype.kind == "f" else x for x in inputs]
    )
    if relative(source, exactly) > ROUNDING:
        return "exact, amplifies rounding"
    assert relative(outputs_of_target(single, inputs), source) <= 1e-5
    return fate


@pytest.mark.timeout(0 if EXAMPLES else 300)
def test_random_networks() -> None:
    fates: Counter[str] = Counter()

    @settings(
        max_examples=EXAMPLES or 8,
        deadline=None,
        derandomize=not EXAMPLES,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink] if EXAMPLES else [Phase.generate],
        print_blob=False,
    )
    @given(networks())
    def each(network: Network) -> None:
        note(repr(network))
        fate = check(network)
        note(fate)
        fates[fate.split(":")[0]] += 1
        if fate.startswith("refused"):
            sys.stdout.write(f"{fate}\n{network}\n")

    each()
    total = sum(fates.values())
    sys.stdout.write(f"{total} networks: {dict(fates)}\n")
    assert total and fates["refused"] <= (1 - SHARE) * total, fates
    assert fates["exact"] >= 0.8 * total, fates
