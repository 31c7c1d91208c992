"""ROAD and IROF on several channels, and the curves, against the formulas by brute force."""

from __future__ import annotations

import numpy as np
import pytest
from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.metrics.faithfulness.removal import filled
from metannvis_methods.metrics.faithfulness.road import imputed

from .planted import call_of, measured, torch

DIRECT, DIAGONAL = 1 / 6, 1 / 12


@pytest.fixture(scope="module")
def case():
    """A network of three channels in double, images and maps."""
    torch.manual_seed(1)
    nn = torch.nn
    model = nn.Sequential(nn.Conv2d(3, 5, 3, padding=1), nn.Tanh(), nn.Flatten(), nn.Linear(5 * 42, 4)).double().eval()
    generator = np.random.default_rng(0)
    return model, generator.uniform(0, 1, (2, 3, 6, 7)), generator.standard_normal((2, 3, 6, 7))


def probability(model, rows, target):
    with torch.no_grad():
        return torch.softmax(model(torch.from_numpy(rows)), 1)[:, target].numpy()


def by_hand(image, gone):
    """Every removed pixel is the weighted mean of its neighbours: one dense system of equations a channel."""
    height, width = gone.shape
    free = [(r, c) for r in range(height) for c in range(width) if gone[r, c]]
    found = image.copy()
    for channel in range(len(image)):
        matrix, right = np.zeros((len(free), len(free))), np.zeros(len(free))
        for row, (r, c) in enumerate(free):
            near = [
                (r + i, c + j, DIRECT if i == 0 or j == 0 else DIAGONAL)
                for i in (-1, 0, 1)
                for j in (-1, 0, 1)
                if (i or j) and 0 <= r + i < height and 0 <= c + j < width
            ]
            total = sum(weight for *_, weight in near)
            matrix[row, row] = total
            for i, j, weight in near:
                if gone[i, j]:
                    matrix[row, free.index((i, j))] -= weight
                else:
                    right[row] += weight * image[channel, i, j]
        for (r, c), value in zip(free, np.linalg.solve(matrix, right), strict=True):
            found[channel, r, c] = value
    return found


@pytest.mark.parametrize("most", [True, False])
def test_road_on_colors(case, most):
    model, x, values = case
    shares = (20, 50, 80)
    name = f"road_{'most' if most else 'least'}_relevant_first"
    found = measured(call_of(name, model, x, values, target=2), percentages=shares, noise=0.0)
    for sample, (image, one) in enumerate(zip(x, values, strict=True)):
        total = one.sum(0) if most else -one.sum(0)  # one ranking of pixels for all channels
        order = np.argsort(-total.ravel(), kind="stable")
        for place, share in enumerate(shares):
            gone = np.zeros(42, bool)
            gone[order[: int(42 * share / 100)]] = True
            expected = probability(model, by_hand(image, gone.reshape(6, 7))[None], 2)[0]
            assert found.curves[sample, place] == pytest.approx(expected, abs=1e-12)
    np.testing.assert_allclose(found.scores, found.curves.mean(1))


def test_imputation_in_one_and_three_dimensions():
    line = np.arange(8.0)[:, None]
    gone = np.zeros(8, bool)
    gone[[2, 3, 6]] = True
    np.testing.assert_allclose(imputed(line, gone), line, atol=1e-12)  # what is straight stays
    cube = np.stack(np.meshgrid(*[np.arange(5.0)] * 3, indexing="ij"), -1)
    gone = np.zeros((5, 5, 5), bool)
    gone[1:4, 1:4, 2] = gone[2, 2, 1:4] = True
    np.testing.assert_allclose(imputed(cube, gone), cube, atol=1e-12)
    assert imputed(line, np.zeros(8, bool)) is line
    np.testing.assert_allclose(imputed(line, np.ones(8, bool)), 3.5)


def test_irof_on_colors(case):
    model, x, values = case
    segments = np.array([[0, 0, 0, 1, 1, 2, 2]] * 3 + [[3, 3, 4, 4, 4, 4, 5]] * 3)
    found = measured(call_of("irof", model, x, values, target=1), segments_of=segments).scores
    for sample, (image, one) in enumerate(zip(x, values, strict=True)):
        mean = image.mean((1, 2), keepdims=True)
        order = np.argsort([-one.sum(0)[segments == k].mean() for k in range(6)])
        gone, curve = image.copy(), []
        for segment in order:
            gone = np.where(segments == segment, mean, gone)
            curve.append((probability(model, gone[None], 1) / probability(model, image[None], 1))[0])
        assert found[sample] == pytest.approx(len(order) - (sum(curve) - curve[0] / 2 - curve[-1] / 2), abs=1e-12)


def test_deletion_and_insertion(case):
    model, x, values = case
    for name, inserts in (("deletion", False), ("insertion", True)):
        found = measured(call_of(name, model, x, values, target=1), steps=1000, baseline=0.3)
        for sample, (image, one) in enumerate(zip(x, values, strict=True)):
            order = np.argsort(-one.sum(0).ravel(), kind="stable")
            curve = []
            for count in range(43):
                chosen = np.zeros(42, bool)
                chosen[order[:count]] = True
                keep = chosen if inserts else ~chosen
                curve.append(probability(model, np.where(keep.reshape(6, 7), image, 0.3)[None], 1)[0])
            np.testing.assert_allclose(found.curves[sample], curve, atol=1e-12)
            expected = (sum(curve) - curve[0] / 2 - curve[-1] / 2) / 42
            assert found.scores[sample] == pytest.approx(expected, abs=1e-12)


def test_sensitivity_n_of_a_linear_model():
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 42, 2)).double().eval()
    x = np.random.default_rng(0).uniform(0, 1, (2, 3, 6, 7))
    values = x * model[1].weight[1].detach().numpy().reshape(3, 6, 7)
    for name in ("sensitivity_n", "faithfulness_correlation", "monotonicity"):
        found = measured(call_of(name, model, x, values, target=1), baseline=0.0, probabilities=False).scores
        np.testing.assert_allclose(found, 1, atol=1e-9)
    np.testing.assert_allclose(measured(call_of("completeness", model, x, values, target=1)).scores, 0, atol=1e-12)
    np.testing.assert_allclose(measured(call_of("infidelity", model, x, values / x, target=1)).scores, 0, atol=1e-20)


@pytest.mark.parametrize("word", ["blur", "mean", "black", "white", "noise", "uniform"])
def test_words_of_baselines(case, word):
    model, x, values = case
    call = call_of("deletion", model, 5 * x - 2, values)  # whose numbers say nothing of what black is
    fill = filled(call, word)
    assert fill.shape == call.inputs.shape
    assert fill.dtype == call.inputs.dtype
    if word == "mean":
        np.testing.assert_allclose(fill[0, 0, 0], call.inputs[0].mean((0, 1)))
    if word == "black":
        np.testing.assert_allclose(fill[1], call.inputs[1].min())
    if word in ("uniform", "blur"):
        assert (fill >= call.inputs.min()).all() and (fill <= call.inputs.max()).all()


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("deletion", {"steps": 0}, "steps is a whole number of at least 1"),
        ("deletion", {"baseline": "grey"}, "one of blur, mean"),
        ("deletion", {"baseline": np.zeros((9, 9))}, "baseline has shape"),
        ("pixel_flipping", {"in_step": 0}, "in_step is a whole number"),
        ("selectivity", {"patch": 0}, "patch is a whole number"),
        ("irof", {"segments_of": np.zeros((3, 3))}, "segments have shape"),
        ("road_most_relevant_first", {"percentages": (0, 10)}, "percentages are numbers above 0"),
        ("infidelity", {"stdev": 0}, "stdev is a number above 0"),
        ("infidelity", {"perturbations": np.zeros((2, 3))}, "perturbations have shape"),
        ("faithfulness_correlation", {"size": -1}, "size is a number of places"),
        ("faithfulness_correlation", {"runs": 0}, "runs is a whole number"),
        ("faithfulness_correlation", {"subsets": np.zeros((3, 4))}, "subsets have shape"),
        ("sensitivity_n", {"sizes": ()}, "sizes is empty"),
        ("maximum_sensitivity", {"radius": 0}, "radius is a number above 0"),
        ("top_k_intersection", {"k": 1.5}, "k is a number of places"),
        ("iou", {"quantile": 2}, "quantile is a number in"),
        ("relative_representation_stability", {}, "give its name, layer="),
        ("label_randomization", {}, "give it, metrics="),
    ],
)
def test_wrong_options_are_told(case, name, options, message):
    model, x, values = case
    with pytest.raises(ValueError, match=message) as raised:
        measured(call_of(name, model, x, values, mask=np.ones((6, 7))), **options)
    assert isinstance(raised.value, InvalidArgumentError) or "give" in str(raised.value)
