"""Results of image optimisations: files, figures, pages."""

from __future__ import annotations

import dataclasses
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from metannvis_methods import Explanation, ImageOptimization, explain
from metannvis_methods.errors import InvalidArgumentError
from metannvis_translate.errors import DamagedFileError


@pytest.fixture(scope="module")
def found(digits: Any) -> ImageOptimization:
    made = explain(
        digits.keras64, "render", layer="conv2", channel=[1, 2], steps=4, snapshots=2, seed=0, value_range=(-1.0, 1.0)
    )
    assert isinstance(made, ImageOptimization)
    return made


def test_files(found: ImageOptimization, tmp_path: Path) -> None:
    for cls in (Explanation, ImageOptimization):
        again = cls.load(found.save(tmp_path / "made.npz"))
        assert type(again) is ImageOptimization
        for field in dataclasses.fields(found):
            one, two = getattr(found, field.name), getattr(again, field.name)
            if isinstance(one, np.ndarray):
                np.testing.assert_array_equal(one, two)
            elif field.name not in ("record", "options"):
                assert one == two, field.name
    assert again.probabilities is None and again.objectives == ("conv2:1", "conv2:2")


def test_an_explanation_is_none(digits: Any, tmp_path: Path) -> None:
    path = explain(digits.torch, "saliency", digits.x, target=1, toolset="captum").save(tmp_path / "other.npz")
    assert type(Explanation.load(path)) is Explanation
    with pytest.raises((InvalidArgumentError, DamagedFileError)):
        ImageOptimization.load(path)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("type", "Nothing", "which no result is"),
        ("ended", ["tired"], "its ended is"),
        ("objectives", 3, "its objectives is"),
        ("snapshot_steps", [0.5], "its snapshot_steps is"),
        ("losses", np.ones(3), "its losses has 1 axes, not 2"),
        ("scores", None, "its scores is missing"),
        ("scores", np.ones(5), "for each of 5 images"),
        ("value_range", np.ones((3, 1)), "black and white of shape"),
        ("snapshots", np.ones((1, 2, 8, 8, 1)), "a step for each snapshot"),
    ],
)
def test_damage_is_told(found: ImageOptimization, tmp_path: Path, name: str, value: Any, message: str) -> None:
    path = found.save(tmp_path / "made.npz")
    with np.load(path) as file:
        arrays = dict(file)
    meta = json.loads(str(arrays.pop("meta")))
    if name in arrays:
        del arrays[name]
        arrays |= {} if value is None else {name: value}
    else:
        meta[name] = value
    np.savez(path, meta=np.array(json.dumps(meta)), **arrays)
    with pytest.raises(DamagedFileError, match=message):
        Explanation.load(path)


def test_images_are_in_0_to_1(found: ImageOptimization) -> None:
    np.testing.assert_allclose(found.images, (found.values + 1) / 2)
    np.testing.assert_allclose(found.images_of_snapshots[-1], found.images)
    assert found.objective_of(1) == "conv2:2"


def test_it_runs_again(found: ImageOptimization, digits: Any, tmp_path: Path) -> None:
    again = ImageOptimization.load(found.save(tmp_path / "made.npz")).rerun(digits.keras64)
    np.testing.assert_array_equal(again.values, found.values)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        changed = found.rerun(digits.keras64, seed=5)
    assert np.abs(changed.values - found.values).max() > 0
