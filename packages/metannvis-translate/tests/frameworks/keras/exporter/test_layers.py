"""Every class of ``keras.layers``: translated to PyTorch it computes the same, or there is a reason why it is not."""

from __future__ import annotations

import inspect
from collections import Counter
from typing import Any

import numpy as np
import pytest
from metannvis_translate import check_equivalence, list_layers, translate
from metannvis_translate.errors import UnsupportedOperatorError
from metannvis_translate.frameworks.keras.exporter.layers import layers, load_families
from metannvis_translate.frameworks.requirements import require

from ....cases.keras_layers.attention import ATTENTION
from ....cases.keras_layers.basic import TABLE, build
from ....cases.keras_layers.case import Network, inputs_of
from ....cases.keras_layers.masks import MASKS
from ....cases.keras_layers.preprocessing import PREPROCESSING
from ....cases.keras_layers.recurrent import RECURRENT

keras = require("keras")

from keras import layers as L  # noqa: E402

from ....networks.keras import randomize  # noqa: E402

#: Classes that are not translated, and why.
REASONS = {
    "FlaxLayer": "holds a JAX module, which Keras on TensorFlow cannot run",
    "JaxLayer": "holds a JAX function, which Keras on TensorFlow cannot run",
    "TorchModuleWrapper": "holds a PyTorch module, which Keras on TensorFlow cannot run",
    "TFSMLayer": "holds a SavedModel, a TensorFlow graph without layers: translate that itself",
    "ContrastLimitedAdaptiveHistogramEqualization": "looks values up in histograms of tiles, which PyTorch would have to count",
    "Equalization": "gives its very input back where a graph is made of it, so that Keras has no graph that holds it",
    "HashedCrossing": "takes a hash of strings that only TensorFlow has",
    "Hashing": "takes a hash of strings that only TensorFlow has",
    "StringLookup": "takes strings, and PyTorch has no tensors of these",
    "TextVectorization": "takes strings, and PyTorch has no tensors of these",
    "InputLayer": "is what goes in, an input of the translated model",
    "Layer": "computes nothing: its subclasses do",
    "Wrapper": "computes nothing: its subclasses do",
}
BASIC = [
    Network(
        row.key,
        str(row),
        lambda row=row: build(row),
        below=7,
        double=row.double,
        single="Keras" if row.exact > 1e-9 else "",
    )
    for row in TABLE
]
ROWS: list[Network] = [*BASIC, *RECURRENT, *ATTENTION, *MASKS, *PREPROCESSING]


def classes() -> dict[str, str]:
    """Name in ``keras.layers`` → name of the class, of every layer there is."""
    found = inspect.getmembers(L, lambda x: inspect.isclass(x) and issubclass(x, L.Layer))
    return {name: cls.__qualname__ for name, cls in found}


def test_every_layer_has_a_row_or_a_reason() -> None:
    load_families()
    of = classes()
    have = {of[row.key] for row in ROWS}
    assert {cls for cls in of.values() if cls not in have} == set(REASONS)
    # those of our own have a table of their own, in test_keras_objects_back
    assert {name for name in layers if not name.startswith("metannvis_translate.")} <= have


def core_rows() -> list[str]:
    """The first two rows of each class, one with each option of those that combine several (``LSTM,ave``), and one masked."""
    times = Counter(map(str, ROWS))  # pytest numbers those that have the same name
    chosen: dict[str, list[str]] = {}
    seen: dict[str, set[str]] = {}
    for row in ROWS:
        options = set(row.name.split(","))
        rows, known = chosen.setdefault(row.key, []), seen.setdefault(row.key, set())
        tells = len(options) > 1 or "masked" in options
        if times[str(row)] == 1 and (len(rows) < 2 or (tells and not options <= known)):
            rows.append(str(row))
            known |= options
    return [name for rows in chosen.values() for name in rows]


@pytest.mark.filterwarnings("ignore:.*was passed an input with a mask:UserWarning")
@pytest.mark.core(*core_rows())
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_layer_computes_the_same(row: Network) -> None:
    """Outputs, layers and gradients in double precision and outputs in single, on fresh inputs, without the gate."""
    model = randomize(row.make())
    names = {type(layer).__name__ for layer in model._flatten_layers()} | {type(op).__name__ for op in model.operations}
    assert classes()[row.key] in names
    if row.double:
        in_double(row, model)
    in_single(row, model)


def in_double(row: Network, model: Any) -> None:
    """Outputs, layers, gradients."""
    exact = translate(model, "torch", dtype="float64", verify=False)
    assert bool(exact.single_precision) == bool(row.single)
    executed = {info.name for info in list_layers(model) if not info.parent}
    mapped = {layer.source.name for layer in exact.layers if not layer.source.parent}
    # further outputs of a layer, such as states, are there where the network uses them
    assert mapped <= executed
    assert {name.partition("#")[0] for name in mapped} == {name.partition("#")[0] for name in executed}
    for batch in row.batches:
        given = inputs_of(model, batch, "float64", below=row.below, padded=row.padded)
        report = check_equivalence(model, exact, given, dtype="float64")
        assert report.passed, str(report)
        is_float = any(x.dtype.kind == "f" for x in given) and any("float" in port.dtype for port in exact.outputs)
        assert all(line.compared for line in report.layers)
        assert any(line.compared for line in report.gradients) or not is_float


def in_single(row: Network, model: Any) -> None:
    """Outputs."""
    import torch

    single = translate(model, "torch", verify=False)
    for batch in row.batches:
        given = inputs_of(model, batch, "float32", below=row.below, padded=row.padded)
        expected = keras.tree.flatten(model(given if len(given) > 1 else given[0], training=False))
        with torch.no_grad():
            found = single.model(*(single.to_target(x, index=k) for k, x in enumerate(given)))
        found = found if isinstance(found, (list, tuple)) else [found]
        for k, (ours, theirs) in enumerate(zip(found, expected, strict=True)):
            compare(np.asarray(single.to_source(ours, role="output", index=k)), np.asarray(theirs))


def compare(ours: Any, theirs: Any) -> None:
    assert ours.shape == theirs.shape
    for a, b in zip(ours.astype("float64"), theirs.astype("float64"), strict=True):
        assert np.abs(a - b).max() <= 1e-5 * max(np.abs(b).max(), 1e-30)


def test_reasons_hold() -> None:
    """What is said to be refused is, by name."""
    words = keras.Input((5,), dtype="int32")
    model = keras.Model(words, L.Hashing(4, name="buckets")(words))
    with pytest.raises(UnsupportedOperatorError, match=r"Hashing.*'buckets'"):
        translate(model, "torch")
