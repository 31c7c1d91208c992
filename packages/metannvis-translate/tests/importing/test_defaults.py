"""Defaults of the converters' attributes are the standard's own, for every operator and version."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from metannvis_translate.frameworks.onnx.plugin import OLDEST
from metannvis_translate.frameworks.requirements import require

#: Defaults that are written otherwise, and why that is the same.
REASONS = {
    ("GridSample", "mode"): "called 'bilinear' up to opset 19 and 'linear' since, which both mean linear",
    ("RNN", "activations"): "one function a direction, so that how many depends on the node: none means Tanh for each",
    ("LinearAttention", "chunk_size"): "how the work is cut up, which changes no result",
}


def registries() -> dict[str, Any]:
    require("torch")
    require("tensorflow")
    from metannvis_translate.frameworks.keras.importer.importer import KerasImporter
    from metannvis_translate.frameworks.torch.importer.importer import TorchImporter

    return {"torch": TorchImporter.registry, "keras": KerasImporter.registry}


def schemas() -> dict[str, dict[int, Any]]:
    """Operator of the standard's own domain -> version -> schema."""
    found: dict[str, dict[int, Any]] = {}
    for schema in onnx.defs.get_all_schemas_with_history():
        if schema.domain == "":
            found.setdefault(schema.name, {})[schema.since_version] = schema
    return found


def defaults(schema: Any) -> dict[str, Any]:
    """Attribute -> default, of those that have one."""
    found = {}
    for name, attribute in schema.attributes.items():
        if attribute.default_value.name:
            value = onnx.helper.get_attribute_value(attribute.default_value)
            found[name] = value.decode() if isinstance(value, bytes) else value
    return found


def plain(value: Any) -> Any:
    """A value such that equal defaults are equal: floats in the standard's single precision, sequences as lists."""
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return float(np.float32(value)) if isinstance(value, float) else value


@pytest.mark.parametrize("to", ["torch", "keras"])
def test_defaults_are_the_standards(to: str) -> None:
    registry, known = registries()[to], schemas()
    wrong, compared = [], 0
    for row in registry:
        versions = known.get(row.operator, {}) if not row.domain else {}
        for version, schema in versions.items():
            if version < OLDEST or registry.find(row.operator, version) is not row:
                continue
            for name, theirs in defaults(schema).items():
                if name not in row.attributes or (row.operator, name) in REASONS:
                    continue
                compared += 1
                ours = row.attributes[name]
                if plain(ours) != plain(theirs):
                    wrong.append(f"{row.operator} of opset {version}: {name}={ours!r}, the standard's is {theirs!r}")
    assert compared > 100
    assert not wrong
