"""Every Keras layer that is one operator or a few: what the exported graph computes is what the layer computes."""

from __future__ import annotations

from typing import Any

import pytest
from metannvis_translate.errors import MetannvisError, UnsupportedOperatorError
from metannvis_translate.frameworks.keras.exporter.layers import keras_layer
from metannvis_translate.frameworks.requirements import require

from ....cases.keras_layers.basic import TABLE, Row, build

keras = require("keras")

from keras import layers as L  # noqa: E402
from metannvis_translate.frameworks.keras.exporter.export import export_model  # noqa: E402


@pytest.mark.parametrize("row", TABLE, ids=str)
def test_layer_computes_the_same(row: Row, compare_export: Any, randomized: Any) -> None:
    model = randomized(build(row), seed=1)
    compare_export(model, batch=2, dtype="float32", tolerance=1e-5)
    if row.double:
        compare_export(model, batch=3, dtype="float64", tolerance=row.exact)


def test_duplicate_names_both_owners() -> None:
    with pytest.raises(MetannvisError, match=r"'Conv2D'.*conv\.Conv and .*test_export"):

        @keras_layer("Conv2D")
        def again(e: Any, layer: Any, x: Any) -> Any: ...


def test_layer_without_converter_is_refused() -> None:
    words = keras.Input((5,), dtype="int32")
    model = keras.Model(words, L.Hashing(4, name="buckets")(words))
    with pytest.raises(UnsupportedOperatorError, match=r"Hashing.*'buckets'.*keras_layer"):
        export_model(model, None, dtype=None, progress=lambda *a: None)
