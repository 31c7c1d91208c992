"""What random networks of both frameworks are held to: outputs, layers, gradients, at several batch sizes, and there and back."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from metannvis_translate import (
    Translation,
    UnsupportedOperatorError,
    check_equivalence,
    detect_framework,
    list_layers,
    translate,
)
from metannvis_translate.frameworks.registry import get_framework

__all__ = ["AMPLIFIES", "BACK", "ONLY_SINGLE", "Outcome", "RandomNetwork", "check"]

Array = np.ndarray[Any, Any]
#: In single precision networks are held to 1e-5 whose own rounding (the source's single result against its double one) is
#: below this; others to a multiple of that rounding.
ROUNDING, MULTIPLE = 1e-6, 30
#: Batch sizes and seeds of the inputs that networks are compared on.
BATCHES = ((1, 1), (2, 2), (5, 3), (2, 4))
#: What may be said of a network that translates: it is compared in double precision alone, or in single, or its way back is refused.
AMPLIFIES, ONLY_SINGLE, BACK = "exact, amplifies rounding", "exact, in single precision only", "back refused: "
#: What TensorFlow says of an operator without a kernel, or without a derivative, in double precision.
NO_KERNEL = ("is not in the list of allowed values", "Could not find device for node", "No gradient defined")


class RandomNetwork(Protocol):
    """A network as text."""

    def make(self) -> Any:
        """The model."""

    def arrays(self, batch: int, seed: int, dtype: str = "float32") -> list[Array]:
        """Inputs."""


def leaves(structure: Any) -> list[Any]:
    """Tensors in tuples, lists and dictionaries, the latter by their keys in order."""
    if isinstance(structure, Mapping):
        return [leaf for key in sorted(structure) for leaf in leaves(structure[key])]
    if isinstance(structure, (tuple, list)):
        return [leaf for item in structure for leaf in leaves(item)]
    return [structure]


def arrays_of(structure: Any) -> list[Array]:
    """NumPy arrays of tensors of either framework."""
    return [leaf.detach().numpy() if hasattr(leaf, "detach") else np.asarray(leaf) for leaf in leaves(structure)]


def called(model: Any, tensors: Sequence[Any]) -> Any:
    """A model of either framework, called as its users call it."""
    if detect_framework(model) == "torch":
        return model(*tensors)
    import keras

    return model(keras.tree.pack_sequence_as(model.input, list(tensors)), training=False)


def outputs_of(model: Any, inputs: Sequence[Array]) -> list[Array]:
    framework = get_framework(detect_framework(model))
    return arrays_of(called(model, [framework.from_numpy(x) for x in inputs]))


def outputs_of_target(translation: Translation, inputs: Sequence[Array]) -> list[Array]:
    """What the translated model puts out, in the source's layout."""
    given = [translation.to_target(x, index=k) for k, x in enumerate(inputs)]
    return arrays_of(translation.to_source(called(translation.model, given), role="output"))


def relative(ours: Sequence[Array], theirs: Sequence[Array]) -> float:
    """Largest relative error of a sample."""
    worst = 0.0
    for a, b in zip(ours, theirs, strict=True):
        assert a.shape == b.shape
        for one, other in zip(a.astype("float64"), b.astype("float64"), strict=True):
            assert np.isfinite(one).all()
            worst = max(worst, float(np.abs(one - other).max() / max(np.abs(other).max(), 1e-30)))
    return worst


def gradients_of(model: Any, inputs: Sequence[Array]) -> list[Array]:
    """Gradients by the inputs of a fixed random combination of the outputs."""
    framework = get_framework(detect_framework(model))
    random = np.random.default_rng(7)
    cotangents = [random.standard_normal(y.shape) for y in framework.run(model, inputs).outputs]
    found = framework.run(model, inputs, cotangents=cotangents).gradients or []
    return [gradient for gradient in found if gradient is not None]


def moved(inputs: Sequence[Array], by: float) -> list[Array]:
    """Inputs moved by a rounding, up or down."""
    random = np.random.default_rng(0)
    return [
        (x * (1 + by * random.choice((-1, 1), x.shape))).astype(x.dtype) if x.dtype.kind == "f" else x for x in inputs
    ]


def cancels(model: Any, inputs: Sequence[Array], found: float, by: float = 4e-16) -> bool:
    """Whether the source's own gradients move as much as ``found`` where its inputs move by a rounding.

    So it is where a gradient is what is left of terms that cancel, as behind a normalisation of one number that is not zero.
    """
    worst = 0.0
    for a, b in zip(gradients_of(model, moved(inputs, by)), gradients_of(model, inputs), strict=True):
        for one, other in zip(a, b, strict=True):
            worst = max(worst, float(np.linalg.norm(one - other) / max(np.linalg.norm(other), 1e-300)))
    return worst > 0.01 * min(found, 1e100)  # infinite where the source's gradient is zero


def in_double_precision(model: Any) -> Any:
    """A copy of the source in double precision, where the framework has a way by its own."""
    framework = detect_framework(model)
    return copy.deepcopy(model).double() if framework == "torch" else get_framework(framework).as_float64(model)


def has_double(double: Any, inputs: Sequence[Array]) -> bool:
    """Whether the source's framework computes this network in double precision by itself: TensorFlow pools no volumes so.

    The check of equivalence does, but by a detour of ours; a reference is what the framework itself computes.
    """
    if detect_framework(double) == "torch":
        return True
    import tensorflow as tf

    try:
        outputs_of(double, inputs)
        gradients_of(double, inputs)
    except (
        tf.errors.NotFoundError,
        tf.errors.InvalidArgumentError,
        tf.errors.UnimplementedError,
        LookupError,
    ) as error:
        if not any(words in str(error) for words in NO_KERNEL):
            raise
        return False
    return True


@dataclass
class Outcome:
    """What became of a network, in a few words, and the worst figures."""

    fate: str = "exact"
    figures: dict[str, float] = field(default_factory=dict)

    def hold(self, name: str, figure: float, limit: float) -> None:
        """Hold a figure to a limit and note it."""
        assert figure <= limit, f"{name}: {figure:.1e} > {limit:.0e}"
        name = f"{name} (of {limit:.0e})"
        self.figures[name] = max(figure, self.figures.get(name, 0.0))


def check(network: RandomNetwork, to: str) -> Outcome:
    """Translate a network there and back and hold it to the limits."""
    model, example = network.make(), network.arrays(2, 0)
    try:
        exact = translate(model, to, example_inputs=example, dtype="float64", verify=False)
    except UnsupportedOperatorError as error:
        return Outcome(f"refused: {error}")
    outcome = Outcome()
    executed = {info.name for info in list_layers(model, example_inputs=example) if not info.parent}
    mapped = {row.source.name for row in exact.layers if not row.source.parent}
    # further outputs of a layer, such as the states of a recurrent one, are there where the network uses them
    assert mapped <= executed, mapped - executed
    assert {name.partition("#")[0] for name in executed} == {name.partition("#")[0] for name in mapped}
    double = in_double_precision(model)
    single = translate(model, to, example_inputs=example, verify=False)
    if not has_double(double, network.arrays(2, 0, "float64")):
        only_in_single(network, model, single, outcome)
        return outcome
    in_single(network, model, double, single, outcome)
    limit = 1e-6 if exact.single_precision else 1e-9
    for batch, seed in BATCHES:
        inputs = network.arrays(batch, seed, "float64")
        error = relative(outputs_of_target(exact, inputs), outputs_of(double, inputs))
        outcome.hold("outputs in double", error, limit)
        in_double(exact, double, inputs, outcome)
    back(network, exact, double, outcome)
    return outcome


def in_double(exact: Translation, double: Any, inputs: list[Array], outcome: Outcome) -> None:
    """Hold outputs, layers and gradients to the limits, gradients that cancel excepted."""
    report = check_equivalence(double, exact, inputs, dtype="float64")
    assert all(row.passed for row in (*report.outputs, *report.layers)), str(report)
    assert [row.compared for row in report.gradients] == [x.dtype.kind == "f" for x in inputs], str(report)
    figures = [row.rel_l2 for row in report.gradients if row.compared]
    if report.passed:
        limit = 1e-6 if exact.single_precision else 1e-9
        outcome.hold("gradients in double", max(figures, default=0.0), limit)
        outcome.hold("layers in double", max((row.max_rel for row in report.layers), default=0.0), limit)
        return
    # terms that cancel to nothing at all in one of the two are left over in the other, as small as their rounding
    left = max(row.max_abs for row in report.gradients if row.compared and not row.passed)
    assert left <= 1e-13 or cancels(double, inputs, max(figures)), str(report)
    outcome.fate = AMPLIFIES


def in_single(network: RandomNetwork, model: Any, double: Any, single: Translation, outcome: Outcome) -> None:
    """Hold outputs in single precision to the limit."""
    inputs = network.arrays(3, 5)
    source = outputs_of(model, inputs)
    rounding = relative(source, outputs_of(double, [x.astype("float64") if x.dtype.kind == "f" else x for x in inputs]))
    if rounding > 1e-2:  # normalised again and again; few may be so, or it is the double that is wrong
        outcome.fate = AMPLIFIES
        return
    _hold_single(single, inputs, source, rounding, outcome)


def _hold_single(
    single: Translation, inputs: list[Array], source: list[Array], rounding: float, outcome: Outcome
) -> None:
    error = relative(outputs_of_target(single, inputs), source)
    if rounding <= ROUNDING:
        outcome.hold("outputs in single", error, 1e-5)
    else:
        outcome.fate = AMPLIFIES
        assert error <= max(1e-5, MULTIPLE * rounding), f"{error:.1e}, its own rounding is {rounding:.1e}"


def only_in_single(network: RandomNetwork, model: Any, single: Translation, outcome: Outcome) -> None:
    """Outputs, layers and gradients of a source that exists in single precision only."""
    outcome.fate = ONLY_SINGLE
    for batch, seed in BATCHES:
        inputs = network.arrays(batch, seed)
        source = outputs_of(model, inputs)
        rounding = relative(outputs_of(model, moved(inputs, 6e-8)), source)
        _hold_single(single, inputs, source, rounding, outcome)
        report = check_equivalence(model, single, inputs)
        assert all(row.passed for row in (*report.outputs, *report.layers)), str(report)
        figures = [row.rel_l2 for row in report.gradients if row.compared]
        assert report.passed or cancels(model, inputs, max(figures), 6e-8), str(report)


def back(network: RandomNetwork, there: Translation, double: Any, outcome: Outcome) -> None:
    """Translate what was made back into the first framework and hold that to the limits; says so if it is refused."""

    def given(inputs: Sequence[Array]) -> list[Array]:
        return arrays_of([there.to_target(x, index=k) for k, x in enumerate(inputs)])

    first = given(network.arrays(2, 0, "float64"))
    try:
        again = translate(there.model, there.source_framework, example_inputs=first, dtype="float64", verify=False)
    except UnsupportedOperatorError as error:
        outcome.fate = f"{BACK}{error}"
        return
    limit = 1e-6 if (*there.single_precision, *again.single_precision) else 1e-9
    for batch, seed in ((1, 6), (5, 7)):
        inputs = network.arrays(batch, seed, "float64")
        found = [
            there.to_source(y, role="output", index=k) for k, y in enumerate(outputs_of_target(again, given(inputs)))
        ]
        outcome.hold("outputs there and back", relative(arrays_of(found), outputs_of(double, inputs)), limit)
        in_double(again, there.model, given(inputs), outcome)
