"""The experiments, at their small size, and what they are made of."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import numpy as np
import pytest
from metannvis_methods import explain, list_methods
from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.examples import digits
from metannvis_methods.examples.twins import keras_twin, torch_twin
from metannvis_methods.experiments import EXPERIMENTS, ExperimentResult, Table, run
from metannvis_methods.experiments.cam_bounds import bounds
from metannvis_methods.experiments.clever_hans import CHANCE, CONTROL, DIRECTIONS, LAYER, REACHED
from metannvis_methods.experiments.depth import pairs
from metannvis_methods.experiments.maps import measured, signed_maps, title
from metannvis_methods.experiments.method_words import EXCLUDED, methods_of, words_for
from metannvis_methods.experiments.results import shown
from metannvis_methods.metrics.randomization.similarity import spearman
from metannvis_methods.metrics.randomization.weights import randomized

SEED = 0


def silent(done: int, total: int, stage: str) -> None:
    """No progress."""


@pytest.fixture(scope="module")
def hans() -> tuple[Any, np.ndarray]:
    """A network whose labels only the square gives away, and images of it."""
    from metannvis_methods.examples import torch_network

    data = digits.load(SEED, digits.LARGE)
    rng = np.random.default_rng(SEED)
    train, test = rng.permutation(data.train_classes), rng.permutation(data.test_classes)
    images = digits.labelled(data.train_images, train)[:, None]
    model = torch_network.train(images, train, epochs=12, seed=SEED, progress=silent, plain=True)
    tests = digits.labelled(data.test_images, test)[:, None]
    assert torch_network.accuracy(model, tests, test) > 0.9
    assert torch_network.accuracy(model, data.test_images[:, None], test) < 0.25
    return model, tests[:20]


def test_the_square_is_as_bright_as_the_label() -> None:
    images = digits.labelled(np.zeros((10, 28, 28), np.float32), np.arange(10))
    assert not np.ptp(images[:, digits.in_square()], axis=1).any()
    np.testing.assert_allclose(images[:, 1, 1], np.arange(1, 11) / 10, rtol=1e-6)
    assert not images[:, ~digits.in_square()].any()
    assert digits.in_square().sum() == 25


def test_maps_point_at_the_square(hans) -> None:
    model, images = hans
    specs = [spec for spec in methods_of("captum") if spec.key in ("saliency", "integrated_gradients", "deep_lift")]
    words = {title(spec): words_for(spec, LAYER, "small", channels_last=False) for spec in specs}
    found = measured(model, images, specs, words, digits.in_square(), seed=SEED, stage="", progress=silent)
    for spec in specs:
        assert found.of(title(spec), "mass_accuracy").mean() > REACHED * CHANCE, spec.key


def test_whole_channels_cannot_point_at_the_square(hans) -> None:
    """Why Grad-CAM does not: no channel is active in the square alone; with gradients where they are the same layer does."""
    model, images = hans
    rows = {
        name.partition(":")[0]: (share, wide) for name, share, wide in bounds(model, images, LAYER, digits.in_square())
    }
    assert rows["Grad-CAM"][0] < CONTROL
    assert rows["activation of the channel that has most there"][0] < CONTROL
    assert rows["HiResCAM"][0] > 2 * rows["Grad-CAM"][0]


@pytest.mark.parametrize("framework", ["torch", "keras"])
def test_twins_are_the_same_network(framework: str) -> None:
    x = np.random.default_rng(SEED).random((5, 28, 28, 1), dtype=np.float32)
    if framework == "torch":
        import torch
        from metannvis_methods.examples.torch_network import Plain

        model = Plain().eval()
        with torch.no_grad():
            expected = model(torch.from_numpy(np.moveaxis(x, 3, 1).copy())).numpy()
        found = np.asarray(keras_twin(model)(x))
    else:
        import torch
        from metannvis_methods.examples.keras_network import build_plain

        keras_model = build_plain()
        for weight in keras_model.weights:
            weight.assign(np.random.default_rng(3).normal(scale=0.1, size=weight.shape))
        expected = np.asarray(keras_model(x))
        with torch.no_grad():
            found = torch_twin(keras_model)(torch.from_numpy(np.moveaxis(x, 3, 1).copy())).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("spec", methods_of(*dict.fromkeys(t for _, some in DIRECTIONS for t in some)), ids=title)
def test_every_method_has_words_that_its_row_takes(spec, channels_last: bool) -> None:
    """Every primary and layer method is in the experiments, or excluded with a reason; what it needs is given."""
    words = words_for(spec, LAYER, "small", channels_last=channels_last)
    given = {argument.name for argument in spec.arguments} | {"layer", "baselines", "feature_mask"}
    assert set(words) <= given
    missing = [
        argument.name
        for argument in spec.required
        if argument.role not in ("input", "target", "score", "distribution") and argument.name not in words
    ]
    assert not missing
    assert (spec.by_role("layer") is not None) == ("layer" in words)


def test_every_method_is_in_the_experiments_or_excluded() -> None:
    there = {(spec.toolset, spec.key) for spec in list_methods() if spec.kind in ("primary", "layer")}
    toolsets = dict.fromkeys(toolset for _, some in DIRECTIONS for toolset in some)
    run_there = {(spec.toolset, spec.key) for spec in methods_of(*toolsets)}
    assert run_there | set(EXCLUDED) == there
    assert not run_there & set(EXCLUDED)


def test_saliency_changes_and_guided_backprop_less() -> None:
    from metannvis_methods.examples import torch_network

    data = digits.load(SEED, digits.LARGE)
    model = torch_network.train(
        data.train_images[:, None], data.train_classes, epochs=4, seed=SEED, progress=silent, plain=True
    )
    images = data.test_images[data.first_of_each((0, 1, 2, 3, 4, 5))][:, None]
    *_, (_, drawn) = randomized(model, images[:2], seed=SEED)
    left = {}
    for key in ("saliency", "integrated_gradients", "guided_backprop"):
        before, after = (
            signed_maps(explain(net, key, images, toolset="captum", target=0, unfit="ignore")) for net in (model, drawn)
        )
        left[key] = float(spearman(before, after).mean())
    assert left["integrated_gradients"] < 0.3
    assert left["guided_backprop"] > left["integrated_gradients"]


def test_pairs_are_of_two_different_digits() -> None:
    data = digits.load(SEED, digits.LARGE)
    images, classes = pairs(data.test_images, data.test_classes, 20, SEED)
    assert images.shape == (20, 28, 56) and (classes[:, 0] != classes[:, 1]).all()
    again, _ = pairs(data.test_images, data.test_classes, 20, SEED)
    np.testing.assert_array_equal(images, again)


#: Those that the core runs elsewhere: each row of the ground truth, and Grad-CAM by depth from the command line.
ELSEWHERE = ("depth", "ground-truth")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.full) if name in ELSEWHERE else name for name in EXPERIMENTS]
)
def test_an_experiment_runs_at_its_small_size(name: str, tmp_path) -> None:
    stages: list[str] = []
    found = run(name, seed=1, size="small", progress=lambda done, total, stage: stages.append(stage))
    assert isinstance(found, ExperimentResult) and stages and found.summary
    assert found.table(name).rows
    files = found.save(tmp_path)
    rows = list(csv.DictReader(io.StringIO((tmp_path / f"{name}.csv").read_text())))
    assert len(rows) == len(found.table(name).rows) and tuple(rows[0]) == found.table(name).header
    told = json.loads((tmp_path / "summary.json").read_text())
    assert told["experiment"] == name and told["seed"] == 1 and len(told["tables"]) == len(files) - 1


def test_unknown_names_are_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="there is no experiment 'hans'; there are clever-hans, "):
        run("hans")
    with pytest.raises(InvalidArgumentError, match="size is 'small' or 'full', not 'large'"):
        run("depth", size="large")


def test_tables_are_safe_to_open_and_to_read() -> None:
    table = Table("t", "T", ("a", "b"), (("=1+1", 0.25), ("x|y", None), ("z", 3e-7)))
    assert table.to_csv() == "a,b\n'=1+1,0.25\nx|y,\nz,3e-07\n"
    assert table.to_markdown() == "| a | b |\n| --- | --- |\n| =1+1 | 0.25 |\n| x\\|y | – |\n| z | 3.0e-07 |\n"
    assert Table("t", "T", ("a", "b"), ((float("inf"), float("nan")),)).to_dicts() == [{"a": None, "b": None}]
    assert [shown(cell) for cell in (True, False, 0.0, 12.34, "–")] == ["yes", "no", "0", "12.3", "–"]
