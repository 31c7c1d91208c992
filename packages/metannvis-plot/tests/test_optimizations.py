"""Figures of image optimisations: which picture stands where, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from metannvis_methods import ImageOptimization
from metannvis_plot import optimization, plot
from metannvis_plot.dispatch import choose_kind
from metannvis_translate.errors import InvalidArgumentError

from .test_gallery import check_words

RNG = np.random.default_rng(0)


def made(images: int = 3, axes: str = "NHWC", **changes: object) -> ImageOptimization:
    shape = {"NHWC": (images, 6, 8, 3), "NCHW": (images, 3, 6, 8), "NF": (images, 5)}[axes]
    known = {
        "losses": np.linspace(3, 0, 9)[:, None].repeat(images, 1),
        "scores": np.arange(images) / 2.0,
        "steps": np.full(images, 9),
        "ended": ("steps",) * images,
        "objectives": tuple(f"conv2:{k}" for k in range(images)),
        "snapshots": RNG.random((2, *shape)),
        "snapshot_steps": (4, 9),
    }
    return ImageOptimization(
        **{
            "values": RNG.random(shape),
            "axes": axes,
            "inputs": None,
            "input_axes": None,
            "method": "render",
            "toolset": "metannvis",
            "framework": "torch",
            "kind": "feature_visualization",
            **known,
            **changes,
        }
    )


def shown(ax: object) -> np.ndarray:
    return np.asarray(ax.images[0].get_array())


@pytest.mark.parametrize("axes", ["NHWC", "NCHW"])
def test_the_way_and_the_result(axes: str) -> None:
    result = made(axes=axes)
    figure = plot(result)
    assert choose_kind(result) == "optimization" and len(figure.axes) == 7  # two rows of three, and the losses
    last = (lambda x: x) if axes == "NHWC" else (lambda x: np.moveaxis(x, 0, -1))
    for k in range(3):
        np.testing.assert_allclose(shown(figure.axes[k]), last(result.snapshots[0, k]))
        np.testing.assert_allclose(shown(figure.axes[3 + k]), last(result.values[k]))
        assert figure.axes[3 + k].get_title("left") == f"conv2:{k}\nobjective {k / 2:.2g}"
    lines = figure.axes[-1].get_lines()
    np.testing.assert_allclose(lines[1].get_ydata(), result.losses[:, 1])
    check_words(figure)


def test_values_of_the_network_are_shown_from_black_to_white() -> None:
    ends = np.array([[-1.0, 0.0, 2.0], [1.0, 1.0, 4.0]])
    result = made(value_range=ends)
    first = shown(optimization(result, curves=False).axes[3])
    np.testing.assert_allclose(first, ((result.values[0] - ends[0]) / (ends[1] - ends[0])).clip(0, 1))


def test_several_results_are_rows(tmp_path: Path) -> None:
    results = {"plain": made(), "with an expert": made(probabilities=np.array([0.5, 0.25, 1.0]))}
    figure = plot(results, path=tmp_path / "rows.png", sample=[0, 2])
    assert len(figure.axes) == 5 and (tmp_path / "rows.png").stat().st_size > 1000
    assert [ax.get_ylabel() for ax in (figure.axes[0], figure.axes[2])] == ["plain", "with an expert"]
    assert figure.axes[2].get_title("left") == "p = 0.5"
    np.testing.assert_allclose(shown(figure.axes[3]), results["with an expert"].values[2])
    check_words(figure)


def test_what_is_no_such_result(explanation: object) -> None:
    for wrong, message in (
        (np.ones((2, 2)), "results of image optimisations"),
        ([made(), made(2)], "3 and 2 images share no figure"),
        (made(axes="NF", snapshots=None, snapshot_steps=()), "holds none"),
        ([], "results of image optimisations"),
    ):
        with pytest.raises(InvalidArgumentError, match=message):
            optimization(wrong)
    assert choose_kind(made(axes="NF", snapshots=None, snapshot_steps=())) == "bars"
