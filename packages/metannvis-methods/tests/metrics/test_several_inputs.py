"""Metrics of models with several inputs, against their formulas by NumPy, and against the model with the other input fixed."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
from metannvis_methods import evaluate, explain, list_metrics
from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.metrics.joined import Given, JoinedLayout
from metannvis_methods.metrics.layout import Layout
from metannvis_methods.metrics.randomization.weights import randomized
from metannvis_translate import translate
from metannvis_translate.frameworks import require
from scipy.stats import spearmanr

from ..toolsets.metannvis.networks import SOURCES
from ..toolsets.metannvis.networks import randomized as in_double
from .test_twins import QUICK

torch = require("torch")
nn = torch.nn
PRODUCT = {"method": "input_x_gradient", "toolset": "captum"}
TARGET = 1
IMAGE, TABLE = (3, 6, 5), (4,)


class Both(nn.Module):  # type: ignore[misc]  # of an optional framework
    """An image beside a table."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.relu, self.dense = nn.Conv2d(3, 4, 3), nn.Tanh(), nn.Linear(4, 3)
        self.head = nn.Linear(48 + 3, 3)

    def forward(self, image: Any, table: Any) -> Any:
        seen = self.relu(self.conv(image)).flatten(1)
        return self.head(torch.cat([seen, self.relu(self.dense(table))], 1))


@functools.cache
def network() -> Any:
    torch.manual_seed(0)
    return in_double(Both())


@functools.cache
def inputs() -> tuple[np.ndarray, np.ndarray]:
    drawn = np.random.default_rng(0)
    return drawn.uniform(0.2, 1, (2, *IMAGE)), drawn.uniform(0.2, 1, (2, *TABLE))


def outputs(image: np.ndarray, table: np.ndarray, model: Any = None) -> np.ndarray:
    with torch.no_grad():
        return (model or network())(torch.from_numpy(image), torch.from_numpy(table)).numpy()


def probabilities(image: np.ndarray, table: np.ndarray) -> np.ndarray:
    return np.exp(found := outputs(image, table)) [:, TARGET] / np.exp(found).sum(1)  # fmt: skip


def products(image: np.ndarray, table: np.ndarray, model: Any = None) -> tuple[np.ndarray, np.ndarray]:
    """Input times gradient of each input."""
    given = [torch.from_numpy(x.copy()).requires_grad_() for x in (image, table)]
    gradients = torch.autograd.grad((model or network())(*given)[:, TARGET].sum(), given)
    return tuple((g * x).detach().numpy() for g, x in zip(gradients, given, strict=True))


def joined(image: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Places of the image, channels summed, then those of the table."""
    return np.concatenate([image.sum(1).reshape(len(image), -1), table], 1)


def replaced(gone: np.ndarray, fills: tuple[Any, Any], start: tuple[np.ndarray, ...] | None = None) -> Any:
    """Inputs in which some of the joined places, ``(N, 34)``, are others."""
    image, table = start or inputs()
    of_image = gone[:, :30].reshape(-1, 1, 6, 5)
    return np.where(of_image, fills[0], image), np.where(gone[:, 30:], fills[1], table)


def score(metrics: Any, **words: Any) -> np.ndarray:
    name = next(iter(metrics)) if isinstance(metrics, dict) else metrics
    found = evaluate(network(), {"map": PRODUCT}, inputs(), metrics=metrics, target=TARGET, **words)
    assert not found.errors
    return found.of("map", name)


def curve(order: np.ndarray, counts: Any, fills: Any, start: Any = None) -> np.ndarray:
    ranks = np.argsort(order, axis=1)
    return np.stack([probabilities(*replaced(ranks < count, fills, start)) for count in counts], 1)


def order() -> np.ndarray:
    return np.argsort(-joined(*products(*inputs())), axis=1, kind="stable")


def test_deletion_ranks_the_places_of_all_inputs_together() -> None:
    curves = curve(order(), range(35), (0.0, 0.0))
    expected = ((curves[:, 1:] + curves[:, :-1]) / 2).mean(1)
    np.testing.assert_allclose(score("deletion"), expected, rtol=1e-9)


def test_insertion_begins_with_each_input_as_its_kind_is() -> None:
    """A baseline an input: a tuple, or one word that is taken for each by itself."""
    image, table = inputs()
    means = image.mean((2, 3), keepdims=True), table.mean(1, keepdims=True)
    fills = np.broadcast_to(means[0], image.shape), np.broadcast_to(means[1], table.shape)
    curves = curve(order(), range(35), (image, table), fills)
    expected = ((curves[:, 1:] + curves[:, :-1]) / 2).mean(1)
    # a table has no places to take a mean over: each of its numbers is a place, as of a model with a table alone
    np.testing.assert_allclose(score({"insertion": {"baseline": "mean"}}), expected, rtol=1e-9)
    curves = curve(order(), range(35), (image, table), (np.full_like(image, 0.3), np.full_like(table, -1.0)))
    expected = ((curves[:, 1:] + curves[:, :-1]) / 2).mean(1)
    np.testing.assert_allclose(score({"insertion": {"baseline": (0.3, -1.0)}}), expected, rtol=1e-9)


def test_pixel_flipping_goes_to_black_of_each_input() -> None:
    image, table = inputs()
    ends = image.min((1, 2, 3), keepdims=True), table.min(1, keepdims=True)
    curves = curve(order(), [*range(5, 34, 5), 34], ends)
    expected = (curves.sum(1) - (curves[:, 0] + curves[:, -1]) / 2) / (curves.shape[1] - 1)
    np.testing.assert_allclose(score({"pixel_flipping": {"in_step": 5}}), expected, rtol=1e-9)


def test_faithfulness_correlation() -> None:
    drawn = np.random.default_rng(1)
    subsets = np.stack([[drawn.permutation(34)[:7] for _ in range(2)] for _ in range(12)])
    values, before = joined(*products(*inputs())), outputs(*inputs())[:, TARGET]
    sums, drops = np.empty((12, 2)), np.empty((12, 2))
    for run, chosen in enumerate(subsets):
        gone = np.zeros((2, 34), bool)
        np.put_along_axis(gone, chosen, True, 1)
        sums[run] = (values * gone).sum(1)
        drops[run] = before - outputs(*replaced(gone, (0.0, 0.0)))[:, TARGET]
    expected = [np.corrcoef(sums[:, k], drops[:, k])[0, 1] for k in range(2)]
    options = {"faithfulness_correlation": {"subsets": subsets, "baseline": 0.0}}
    np.testing.assert_allclose(score(options), expected, rtol=1e-9)


def changes(stdev: float) -> tuple[np.ndarray, np.ndarray]:
    drawn = np.random.default_rng(2)
    return stdev * drawn.standard_normal((5, 2, *IMAGE)), stdev * drawn.standard_normal((5, 2, *TABLE))


def test_infidelity() -> None:
    noise = changes(0.1)
    (image, table), values, before = inputs(), products(*inputs()), outputs(*inputs())[:, TARGET]
    errors = []
    for a, b in zip(*noise, strict=True):
        said = (a * values[0]).sum((1, 2, 3)) + (b * values[1]).sum(1)
        errors.append((said - (before - outputs(image - a, table - b)[:, TARGET])) ** 2)
    expected = np.mean(errors, 0)
    np.testing.assert_allclose(score({"infidelity": {"perturbations": noise}}), expected, rtol=1e-9)
    drawn = score({"infidelity": {"draws": 4000}})  # numbers that stand for no channel change nothing
    again = score({"captum:infidelity": {"n_perturb_samples": 4000}})
    assert (np.abs(drawn / again - 1) < 3 * np.sqrt(2) * np.sqrt(2 / 4000)).all()


def test_completeness() -> None:
    values = joined(*products(*inputs())).sum(1)
    change = outputs(*inputs()) - outputs(np.zeros_like(inputs()[0]), np.zeros_like(inputs()[1]))
    np.testing.assert_allclose(score("completeness"), np.abs(values - change[:, TARGET]), rtol=1e-9)


def norm(parts: Any) -> np.ndarray:
    return np.sqrt(sum((part.reshape(len(part), -1) ** 2).sum(1) for part in parts))


def test_robustness() -> None:
    noise = changes(0.01)
    (image, table), values = inputs(), products(*inputs())
    moved = [products(image + a, table + b) for a, b in zip(*noise, strict=True)]
    away = [norm([m - v for m, v in zip(one, values, strict=True)]) / norm(values) for one in moved]
    metrics = {"perturbations": noise}
    np.testing.assert_allclose(score({"maximum_sensitivity": metrics}), np.max(away, 0), rtol=1e-9)
    np.testing.assert_allclose(score({"average_sensitivity": metrics}), np.mean(away, 0), rtol=1e-9)
    ratios = [
        norm([(v - m) / v for m, v in zip(one, values, strict=True)]) / norm([a / image, b / table])
        for one, a, b in zip(moved, *noise, strict=True)
    ]
    np.testing.assert_allclose(score({"relative_input_stability": metrics}), np.max(ratios, 0), rtol=1e-9)
    drawn = score({"relative_input_stability": {"draws": 40}})
    assert (
        np.abs(np.log(drawn / np.max(ratios, 0))) < 1
    ).all()  # padding would make it smaller by a factor of thousands


def test_complexity() -> None:
    sizes = np.abs(products(*inputs())[0]).sum(1).reshape(2, -1), np.abs(products(*inputs())[1])
    magnitudes = np.concatenate(sizes, 1)
    gini = [np.abs(m[:, None] - m[None]).mean() / (2 * m.mean()) for m in magnitudes]
    np.testing.assert_allclose(score("sparseness"), gini, rtol=1e-9)
    shares = magnitudes / magnitudes.sum(1, keepdims=True)
    np.testing.assert_allclose(score("entropy"), -(shares * np.log(shares)).sum(1), rtol=1e-9)
    sums = np.abs(joined(*products(*inputs())))  # Quantus gets maps of which the channels are summed
    shares = sums / sums.sum(1, keepdims=True)
    np.testing.assert_allclose(score("quantus:complexity"), -(shares * np.log(shares)).sum(1), rtol=1e-6)


def test_randomization() -> None:
    found = evaluate(
        network(),
        {"map": PRODUCT},
        inputs(),
        metrics={"cascading_randomization": {}, "label_randomization": {"model": in_double(Both(), 7)}},
        target=TARGET,
    )
    assert not found.errors
    seed = int(np.random.default_rng(np.random.SeedSequence(0).entropy).integers(2**31))
    first = joined(*products(*inputs()))
    for step, (_, drawn) in enumerate(randomized(network(), inputs(), seed=seed)):
        now = joined(*products(*inputs(), model=drawn))
        expected = [spearmanr(a, b).statistic for a, b in zip(first, now, strict=True)]
        np.testing.assert_allclose(found.curves["map", "cascading_randomization"][:, step], expected, rtol=1e-9)
    assert step == 2
    other = joined(*products(*inputs(), model=in_double(Both(), 7)))
    expected = [spearmanr(a, b).statistic for a, b in zip(first, other, strict=True)]
    np.testing.assert_allclose(found.of("map", "label_randomization"), expected, rtol=1e-9)


MASK = np.zeros((6, 5), bool)
MASK[1:4, 2:] = True


@pytest.mark.parametrize("name", ["image", 0])
def test_localization_is_of_the_input_that_the_mask_names(name: Any) -> None:
    values = np.abs(products(*inputs())[0]).sum(1)
    expected = (values * MASK).sum((1, 2)) / values.sum((1, 2))
    np.testing.assert_allclose(score("mass_accuracy", masks={name: MASK}), expected, rtol=1e-9)
    np.testing.assert_allclose(score("mass_accuracy", masks=MASK, of=name), expected, rtol=1e-9)
    both = evaluate(
        network(),
        {"map": PRODUCT},
        inputs(),
        metrics=["mass_accuracy", "sparseness"],
        masks={name: MASK},
        target=TARGET,
    )
    np.testing.assert_allclose(both.of("map", "sparseness"), score("sparseness"))  # which is of both
    assert both.notes == (
        "mass_accuracy is of the input image; held: table",
        "the places of the inputs image, table are ranked, and changed, together",
    )


class Fixed(nn.Module):  # type: ignore[misc]  # of an optional framework
    """A model whose other input does not vary."""

    def __init__(self, sample: int) -> None:
        super().__init__()
        self.model, self.table = network(), torch.from_numpy(inputs()[1][sample : sample + 1])

    def forward(self, image: Any) -> Any:
        return self.model(image, self.table.expand(len(image), -1))


OF_ONE = {
    "deletion": {},
    "region_perturbation": {"patch": 2, "baseline": 0.0},
    "selectivity": {"patch": 2},
    "irof": {"segments_of": "grid"},
    "road_most_relevant_first": {"percentages": (30, 60), "noise": 0.0},
    "road_least_relevant_first": {"percentages": (30, 60), "noise": 0.0, "outcome": "accuracy"},
    "monotonicity": {"groups": 10},
    "completeness": {},
    "sparseness": {},
}


def test_of_one_input_while_the_others_are_held() -> None:
    found = evaluate(network(), {"map": PRODUCT}, inputs(), metrics=OF_ONE, target=TARGET, of="image")
    assert not found.errors
    for sample in range(2):
        image = inputs()[0][sample : sample + 1]
        expected = evaluate(Fixed(sample), {"map": PRODUCT}, image, metrics=OF_ONE, target=TARGET)
        assert not expected.errors
        np.testing.assert_allclose(found.scores[:, :, sample], expected.scores[:, :, 0], rtol=1e-9)


def test_numbers_beside_indices() -> None:
    """Indices are held, and no place of the ranking."""

    class Indexed(nn.Module):  # type: ignore[misc]  # of an optional framework
        def __init__(self) -> None:
            super().__init__()
            self.table, self.dense = nn.Embedding(7, 5), nn.Linear(4, 5)
            self.head = nn.Linear(5, 3)

        def forward(self, ids: Any, numbers: Any) -> Any:
            return self.head(torch.tanh(self.dense(numbers) * self.table(ids).sum(1)))

    torch.manual_seed(0)
    model = in_double(Indexed())
    ids, numbers = np.array([[0, 3], [6, 2]]), inputs()[1]
    method = {"method": "input_x_gradient", "toolset": "captum", "unfit": "ignore"}
    metrics = {
        **{name: OF_ONE[name] for name in ("deletion", "monotonicity", "completeness", "sparseness")},
        "maximum_sensitivity": {"perturbations": changes(0.01)[1]},
        "cascading_randomization": {},
    }
    found = evaluate(model, {"map": method}, (ids, numbers), metrics=metrics, target=TARGET)
    assert not found.errors
    assert "deletion is of the input numbers; held: ids" in found.notes
    for sample in range(2):

        class Alone(nn.Module):  # type: ignore[misc]  # of an optional framework
            def __init__(self, sample: int) -> None:
                super().__init__()
                self.model, self.ids = model, torch.from_numpy(ids[sample : sample + 1])

            def forward(self, numbers: Any) -> Any:
                return self.model(self.ids.expand(len(numbers), -1), numbers)

        own = {**metrics, "maximum_sensitivity": {"perturbations": changes(0.01)[1][:, sample : sample + 1]}}
        del own["cascading_randomization"]
        expected = evaluate(Alone(sample), {"map": method}, numbers[sample : sample + 1], metrics=own, target=TARGET)
        np.testing.assert_allclose(found.scores[:, : len(own), sample], expected.scores[:, :, 0], rtol=1e-9)
    refused = evaluate(model, {"map": method}, (ids, numbers), metrics="deletion", target=TARGET, of="ids")
    assert "has no values for input 0, which it held" in refused.errors["map", ""]


@functools.cache
def twin(framework: str) -> tuple[Any, tuple[np.ndarray, ...]]:
    if framework == "torch":
        return network(), inputs()
    made = translate(network(), framework, example_inputs=inputs(), dtype="float64").model
    image, table = inputs()
    return made, (np.ascontiguousarray(np.moveaxis(image, 1, -1)) if framework == "tensorflow" else image, table)


def test_twins_get_the_same_numbers() -> None:
    apart = ("cascading_randomization", "independent_randomization", "label_randomization", "seconds")
    metrics = {
        spec.name: QUICK.get(spec.name, {})
        for spec in list_metrics(provider="metannvis")
        if spec.inputs == "any" and spec.key not in (*apart, "relative_representation_stability")
    }
    metrics |= {"mass_accuracy": {}, "pointing_game": {}, "captum:infidelity": {}}
    metrics |= {"captum:sensitivity_max": {"n_perturb_samples": 2}, "relative_representation_stability": {"draws": 2}}
    found = {}
    for framework in SOURCES:
        model, x = twin(framework)
        layers = [info.name for info in layers_of(framework, model, x) if info.kind in ("Conv2d", "Conv2D", "Conv")]
        own = {**metrics, "relative_representation_stability": {"layer": layers[0], "draws": 2}}
        found[framework] = evaluate(model, {"map": PRODUCT}, x, metrics=own, masks={0: MASK}, target=TARGET, seed=3)
        assert not found[framework].errors
        assert np.isfinite(found[framework].scores).all()
    for framework in SOURCES[1:]:
        for k, name in enumerate(metrics):
            np.testing.assert_allclose(
                found[framework].scores[:, k], found["torch"].scores[:, k], rtol=1e-5, atol=1e-7, err_msg=name
            )


def layers_of(framework: str, model: Any, x: Any) -> Any:
    from metannvis_translate import list_layers

    return list_layers(model, example_inputs=x)


def test_an_explanation_from_a_file(tmp_path: Any) -> None:
    explanation = explain(network(), "input_x_gradient", inputs(), target=TARGET, toolset="captum")
    loaded = type(explanation).load(explanation.save(tmp_path / "e.npz"))
    metrics = {"deletion": {}, "maximum_sensitivity": {"draws": 2}}
    found = evaluate(network(), {"map": loaded}, metrics=metrics)
    assert not found.errors
    expected = evaluate(network(), {"map": PRODUCT}, inputs(), metrics=metrics, target=TARGET)
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-12)


@pytest.mark.parametrize("rows", [1, 5])
def test_scores_do_not_depend_on_the_batch_size(rows: int) -> None:
    metrics = {"deletion": {}, "infidelity": {"draws": 3}, "maximum_sensitivity": {"draws": 2}}
    words = {"metrics": metrics, "target": TARGET}
    found = evaluate(network(), {"map": PRODUCT}, inputs(), batch_size=rows, **words)
    assert not found.errors
    expected = evaluate(network(), {"map": PRODUCT}, inputs(), **words)
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-9)


REFUSED = {
    "quantus:pixel_flipping": "metric quantus:pixel_flipping is of models with one input only; this one has several",
    "road_most_relevant_first": "road_most_relevant_first has no meaning for the places of several inputs at once: say of "
    "which one, of='image' or 'table'",
    "irof": "metric irof has no meaning for the places of several inputs",
    "region_perturbation": "metric region_perturbation has no meaning for the places of several inputs",
    "selectivity": "metric selectivity has no meaning for the places of several inputs",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_meaning_is_refused_by_name(name: str) -> None:
    found = evaluate(network(), {"map": PRODUCT}, inputs(), metrics=name, target=TARGET)
    assert REFUSED[name] in found.errors["map", name]


def test_a_metric_of_ones_own_is_of_one_input_unless_it_says_so() -> None:
    from metannvis_methods import MetricSpec, register_metric, unregister_metric

    for said, refused in ((None, True), ("any", False)):
        words = {} if said is None else {"inputs": said}
        spec = MetricSpec("largest", "mine", "complexity", "higher", lambda call: call.maps().max(1), "it", "", **words)
        register_metric(spec)
        try:
            found = evaluate(network(), {"map": PRODUCT}, inputs(), metrics="mine:largest", target=TARGET)
        finally:
            unregister_metric("largest", "mine")
        assert bool(found.errors) is refused
    np.testing.assert_allclose(found.scores[0, 0], joined(*products(*inputs())).max(1))
    with pytest.raises(InvalidArgumentError, match="inputs is one of any, one, alone"):
        MetricSpec("a", "b", "complexity", "higher", "c:d", "", "", inputs="all")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"of": "picture"}, "no input 'picture' of the model: it has 'image', 'table'"),
        ({"of": 2}, "no input 2 of the model"),
        ({"masks": MASK}, "say of which one the masks are, masks={'image': …}"),
        ({"masks": {"image": MASK, "table": np.ones(4)}}, "masks are of one input"),
        ({"masks": {"picture": MASK}}, "no input 'picture'"),
        ({"masks": {"image": MASK}, "of": "table"}, "the masks are of input 'image', and of= names another"),
        ({"masks": {"image": MASK.T}}, "masks have shape"),
    ],
)
def test_wrong_calls_are_told(words: Any, message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        evaluate(network(), {"map": PRODUCT}, inputs(), target=TARGET, **{"metrics": "sparseness", **words})


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        ({"deletion": {"baseline": (0.0, 0.0, 0.0)}}, "3 are given, and 2 inputs"),
        ({"infidelity": {"perturbations": changes(1.0)[0]}}, "a tuple of as many arrays"),
        ({"infidelity": {"perturbations": (changes(1.0)[0], changes(1.0)[1][:3])}}, "as many draws of each input"),
        ({"infidelity": {"perturbations": changes(1.0)[::-1]}}, "perturbations have shape"),
        ({"cascading_randomization": {"measure": "ssim"}}, "of images"),
    ],
)
def test_wrong_options_are_told(metric: Any, message: str) -> None:
    found = evaluate(network(), {"map": PRODUCT}, inputs(), metrics=metric, target=TARGET)
    assert message in found.errors["map", next(iter(metric))]


def test_a_map_of_a_layer_needs_to_know_whose_places_it_is_of() -> None:
    method = {"method": "grad_cam", "toolset": "captum", "layer": "conv"}
    found = evaluate(network(), {"map": method}, inputs(), metrics="deletion", target=TARGET)
    assert "say for which one's places to take it, of=" in found.errors["map", ""]
    found = evaluate(
        network(), {"map": method}, inputs(), metrics=["deletion", "mass_accuracy"], target=TARGET, masks=MASK, of=0
    )
    assert not found.errors
    assert np.isfinite(found.scores).all()


def test_joined_places() -> None:
    """Two images of other sizes and channels, and a number; maps without channels are shared out."""
    drawn = np.random.default_rng(0)
    arrays = (
        drawn.standard_normal((2, 3, 4, 5)),
        drawn.integers(0, 9, (2, 2, 3, 2)),
        drawn.standard_normal(2).astype(np.float32),
    )
    given = Given(arrays, (0, 1, 2), ("NCHW", "NHWC", "N"))
    layout = given.layout
    assert isinstance(layout, JoinedLayout)
    assert layout.shape == (2, 20 + 6 + 1)
    found = layout.arranged(arrays)
    assert found.shape == (2, 27, 3)
    for own, back in zip(arrays, layout.restored(found), strict=True):
        np.testing.assert_array_equal(back, own)
        assert back.dtype == own.dtype
    np.testing.assert_array_equal(found[:, 20:26, :2], arrays[1].reshape(2, 6, 2))
    assert not found[:, 20:26, 2:].any() and not found[:, 26:, 1:].any()
    ones = layout.cleared(np.ones(found.shape))
    assert ones.sum() == 2 * (20 * 3 + 6 * 2 + 1)
    flat = np.ones((2, 4, 5))
    values = layout.arranged_values((flat, arrays[1].astype(float), arrays[2]), ("NHW", "NHWC", "N"))
    np.testing.assert_allclose(values[:, :20].sum(-1), 1)
    np.testing.assert_allclose(values[:, :20], 1 / 3)
    with pytest.raises(InvalidArgumentError, match="say of which the masks are"):
        layout.arranged_mask(MASK)
    with pytest.raises(InvalidArgumentError, match="does not say which values"):
        Given(arrays, (0,)).rows(arrays[0][:1])
    assert Layout("NF", (2, 4)).cleared(flat) is flat
