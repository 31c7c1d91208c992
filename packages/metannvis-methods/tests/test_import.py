"""Importing loads no framework, and listing methods neither."""

from __future__ import annotations

import subprocess
import sys

SLOW = (
    "torch",
    "tensorflow",
    "keras",
    "onnx",
    "onnx_ir",
    "matplotlib",
    "captum",
    "tf_keras_vis",
    "scipy",
    "sklearn",
    "PIL",
)


def loaded_after(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_import_loads_no_framework() -> None:
    assert not loaded_after("import metannvis_methods").intersection(SLOW)


def test_what_stands_beside_it_loads_nothing_slow() -> None:
    loaded = loaded_after(
        "import metannvis_methods.inputs, metannvis_methods.examples.digits, metannvis_methods.visualization"
    )
    assert not loaded.intersection(SLOW)


def test_listing_and_describing_load_no_framework() -> None:
    statement = (
        "import metannvis_methods as m\n"
        "assert m.list_methods() and m.find_methods('saliency') and m.describe_method('grad_cam')"
    )
    assert not loaded_after(statement).intersection(SLOW)


def test_both_toolsets_come_through_entry_points() -> None:
    from importlib.metadata import entry_points

    found = {entry.name: entry.value for entry in entry_points(group="metannvis.toolsets")}
    assert found["captum"] == "metannvis_methods.toolsets.captum:toolset"
    assert found["tf-keras-vis"] == "metannvis_methods.toolsets.tf_keras_vis:toolset"
