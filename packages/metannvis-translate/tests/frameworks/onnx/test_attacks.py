"""ONNX models whose texts and bytes would run code are translated without, or refused (see ``guarded.py``)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest

from tests import guarded

from .attacks import ATTACKS, Attack, flattening, function_of, model, unregistered, write

WHAT = {"to": ["torch", "keras"], "shapes": [[2, 4, 3]]}

Once = Callable[[str, Callable[[Path], object]], Path]


@pytest.fixture(scope="module")
def outcomes(once: Once) -> dict[str, guarded.Outcome]:
    def make(folder: Path) -> None:
        honest = []
        for name, made in (
            ("plain", model(flattening("n"))),
            ("function", function_of("n")),
            ("unknown", unregistered()),
        ):
            honest.append({"path": str(folder / f"{name}.onnx"), **WHAT})
            onnx.save(made, honest[-1]["path"])
        jobs = {attack.name: {"path": str(write(attack, folder)), **WHAT} for attack in ATTACKS}
        guarded.open_guarded(jobs, honest, folder)

    return guarded.outcomes_in(once("attacks-onnx", make))


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_nothing_runs(attack: Attack, outcomes: dict[str, guarded.Outcome]) -> None:
    guarded.check(outcomes[attack.name], refused=attack.refused)


def test_external_data_beside_the_model_is_loaded(tmp_path: Path) -> None:
    import numpy as np
    from metannvis_translate import load_model

    graph = flattening("n")
    graph.initializer.append(onnx.numpy_helper.from_array(np.ones((64, 64), np.float32), "large"))
    onnx.save_model(
        model(graph), tmp_path / "m.onnx", save_as_external_data=True, location="m.data", size_threshold=1000
    )
    loaded = load_model(tmp_path / "m.onnx")
    assert (onnx.numpy_helper.to_array(loaded.graph.initializer[-1]) == 1).all()
