"""Evaluations: what is asked, what comes out, and what happens when something fails."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from metannvis_methods import Evaluation, SegmentationTarget, UnknownMetricError, evaluate, explain
from metannvis_methods.errors import InvalidArgumentError, MissingArgumentError
from metannvis_translate import save_model
from metannvis_translate.errors import DamagedFileError
from metannvis_translate.frameworks import require

from ..toolsets.metannvis.networks import source
from .planted import Planted, images, mask, truth

torch = require("torch")
SALIENCY = {"method": "saliency", "toolset": "captum"}
PRODUCT = {"method": "input_x_gradient", "toolset": "captum"}


@pytest.fixture(scope="module")
def network() -> Any:
    return source("image", "torch")[0]


@pytest.fixture(scope="module")
def x() -> np.ndarray:
    return source("image", "torch")[1]


@pytest.fixture(scope="module")
def found(network: Any, x: np.ndarray) -> Evaluation:
    metrics = ["deletion", "sparseness", "seconds", "quantus:sparseness"]
    return evaluate(network, {"first": SALIENCY, "=second": PRODUCT}, x, metrics=metrics, target=1)


def test_shapes_and_names(found: Evaluation) -> None:
    assert found.scores.shape == (2, 4, 2)
    assert found.methods == ("first", "=second")
    assert found.metrics == ("deletion", "sparseness", "seconds", "quantus:sparseness")
    assert [row["provider"] for row in found.rows] == ["metannvis", "metannvis", "metannvis", "quantus"]
    assert found.curves["first", "deletion"].shape == (2, len(found.steps["first", "deletion"]))
    assert (found.of("first", "seconds") == found.explanations[0].seconds / 2).all()
    with pytest.raises(InvalidArgumentError, match="'third' was not evaluated"):
        found.of("third", "deletion")


def test_ranking(found: Evaluation) -> None:
    by_hand = Evaluation(
        np.array([[[1, 2.0], [5, 5]], [[2, 1], [4, 6]], [[np.nan, np.nan], [9, 9]]]),
        ("a", "b", "c"),
        ("up", "down"),
        tuple({"metric": d, "provider": "x", "category": "time", "direction": d} for d in ("higher", "lower")),
    )
    rows = {row["method"]: row for row in by_hand.rank()}
    # up: sample 0 b, a; sample 1 a, b. down: sample 0 b, a, c; sample 1 a, b, c
    assert rows["a"]["rank"] == pytest.approx((2 + 1 + 2 + 1) / 4)
    assert rows["b"]["rank"] == pytest.approx((1 + 2 + 1 + 2) / 4)
    assert rows["c"]["rank"] == 3
    assert rows["a"]["spread"] == pytest.approx(0.5)
    assert rows["c"]["scored"] == 0.5
    assert [row["method"] for row in by_hand.rank()][-1] == "c"
    assert len(found.rank()) == 2


def test_files(found: Evaluation, tmp_path: Any) -> None:
    path = found.save(tmp_path / "scores")
    assert path.name == "scores.npz"
    back = Evaluation.load(path)
    np.testing.assert_array_equal(back.scores, found.scores)
    for name in ("methods", "metrics", "steps", "errors", "notes", "seed", "framework"):
        assert getattr(back, name) == getattr(found, name), name
    assert [dict(row) for row in back.rows] == [dict(row) for row in found.rows]
    for key, curve in found.curves.items():
        np.testing.assert_array_equal(back.curves[key], curve)
    with pytest.raises(InvalidArgumentError):
        found.save(path, overwrite=False)
    np.savez(tmp_path / "other.npz", a=1)
    with pytest.raises(InvalidArgumentError, match="holds no evaluation"):
        Evaluation.load(tmp_path / "other.npz")
    arrays = dict(np.load(path))
    np.savez(tmp_path / "damaged.npz", **{**arrays, "scores": arrays["scores"][:1]})
    with pytest.raises(DamagedFileError, match="not of its methods and metrics"):
        Evaluation.load(tmp_path / "damaged.npz")


def test_text(found: Evaluation, tmp_path: Any) -> None:
    lines = found.to_csv(tmp_path / "scores.csv").splitlines()
    assert len(lines) == 1 + 2 * 4 * 2
    assert lines[0].startswith("method,metric,provider")
    assert float(lines[1].split(",")[6]) == found.scores[0, 0, 0]
    assert lines[-1].startswith("'=second")  # no formula of a spreadsheet
    assert (tmp_path / "scores.csv").read_text() == found.to_csv()
    assert "deletion ↓" in str(found) and "sparseness ↑" in str(found)
    assert "<table>" in found._repr_html_()
    assert found.to_dict()["results"][0]["mean"] == pytest.approx(found.scores[0, 0].mean())


def test_everything_that_may_be_a_method(network: Any, x: np.ndarray, tmp_path: Any) -> None:
    explanation = explain(network, "saliency", x, target=1, toolset="captum")
    loaded = type(explanation).load(explanation.save(tmp_path / "e.npz"))
    metrics = {"deletion": {}, "maximum_sensitivity": {"draws": 2}}
    found = evaluate(network, [SALIENCY, explanation, loaded], x, metrics=metrics, target=1)
    assert found.methods == ("saliency (captum)", "saliency (captum), 2", "saliency (captum), 3")
    np.testing.assert_allclose(found.scores[1], found.scores[0])
    np.testing.assert_allclose(found.scores[2], found.scores[0])
    one = evaluate(network, "saliency", x, metrics="deletion", target=1, toolset="captum")
    np.testing.assert_allclose(one.scores[0, 0], found.scores[0, 0])


def test_a_path_and_a_translation(network: Any, x: np.ndarray, tmp_path: Any) -> None:
    from metannvis_translate import translate

    expected = evaluate(network, SALIENCY, x, metrics=["deletion"], target=1).scores
    save_model(network, tmp_path / "net.pt2", example_inputs=x)
    np.testing.assert_allclose(
        evaluate(tmp_path / "net.pt2", SALIENCY, x, metrics=["deletion"], target=1).scores, expected, rtol=1e-6
    )
    made = translate(network, "tensorflow", example_inputs=x, dtype="float64")
    method = {"method": "saliency", "toolset": "tf-keras-vis", "keepdims": True, "normalize_map": False}
    metrics = {"deletion": {}, "cascading_randomization": {}}
    found = evaluate(made, method, x, metrics=metrics, target=1)
    assert not found.errors
    np.testing.assert_allclose(found.scores[0, 0], expected[0, 0], rtol=1e-6)


@pytest.mark.parametrize("rows", [1, 3, 1000])
def test_scores_do_not_depend_on_the_batch_size(network: Any, x: np.ndarray, rows: int) -> None:
    metrics = {
        "deletion": {},
        "insertion": {},
        "infidelity": {"draws": 4},
        "road_most_relevant_first": {"percentages": (30, 60)},
        "faithfulness_correlation": {"runs": 4},
        "maximum_sensitivity": {"draws": 2},
        "quantus:pixel_flipping": {"features_in_step": 32},
    }
    seen: list[int] = []
    hook = network.register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    try:
        found = evaluate(network, SALIENCY, x, metrics=metrics, target=1, batch_size=rows)
    finally:
        hook.remove()
    assert max(seen) <= rows
    expected = evaluate(network, SALIENCY, x, metrics=metrics, target=1)
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-6)


def test_the_seed(network: Any, x: np.ndarray) -> None:
    def scores(seed: int | None, metrics: Any = ("infidelity", "region_perturbation")) -> np.ndarray:
        return evaluate(
            network, {"a": {"method": "rise", "n_masks": 4}}, x, metrics=list(metrics), target=1, seed=seed
        ).scores

    np.random.seed(7)  # noqa: NPY002  # the process' own, which is left alone
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    np.testing.assert_array_equal(scores(1), scores(1))
    np.testing.assert_array_equal(
        scores(1)[:, 1], scores(1, ["region_perturbation"])[:, 0]
    )  # whatever else is measured
    assert not np.array_equal(scores(1), scores(2))
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


def test_the_model_and_the_inputs_are_left_as_they_were(network: Any, x: np.ndarray) -> None:
    network.train()
    before, given = [p.detach().clone() for p in network.parameters()], x.copy()
    try:
        evaluate(
            network,
            SALIENCY,
            given,
            metrics=["deletion", "quantus:max_sensitivity"],
            target=1,
            options={"quantus:max_sensitivity": {"nr_samples": 1}},
        )
        assert network.training
    finally:
        network.eval()
    assert all(torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True))
    assert not any(module._forward_hooks for module in network.modules())
    np.testing.assert_array_equal(given, x)


def test_what_fails_is_told_and_the_rest_goes_on(network: Any, x: np.ndarray) -> None:
    metrics = {"sparseness": {}, "relative_representation_stability": {"layer": "nowhere", "draws": 1}}
    found = evaluate(
        network, {"good": SALIENCY, "bad": {"method": "grad_cam", "toolset": "captum"}}, x, metrics=metrics, target=1
    )
    assert set(found.errors) == {("bad", ""), ("good", "relative_representation_stability")}
    assert "nowhere" in found.errors["good", "relative_representation_stability"]
    assert np.isfinite(found.of("good", "sparseness")).all()
    assert np.isnan(found.scores[1]).all()
    assert "failed" in str(found)
    assert found.to_dict()["results"][2]["error"]
    assert Evaluation.to_csv(found).count("needs layer") == 4


def test_nothing_may_come_out(network: Any, x: np.ndarray, tmp_path: Any) -> None:
    found = evaluate(network, {"bad": {"method": "grad_cam", "toolset": "captum"}}, x, metrics="sparseness", target=1)
    assert found.scores.shape == (1, 1, 0)
    assert "bad: grad_cam of captum needs layer" in str(found)
    assert found.rank()[0]["scored"] == 0
    assert found.to_csv().count("\n") == 1
    assert Evaluation.load(found.save(tmp_path / "none")).errors == found.errors
    assert found.to_dict()["results"][0]["mean"] is None


def test_relative_representation_stability(network: Any, x: np.ndarray) -> None:
    noise = np.random.default_rng(0).uniform(-0.02, 0.02, (3, *x.shape))
    layer = next(name for name, module in network.named_modules() if isinstance(module, torch.nn.ReLU))
    metric = {"relative_representation_stability": {"layer": layer, "perturbations": noise}}
    found = evaluate(network, PRODUCT, x, metrics=metric, target=1)
    assert not found.errors

    def seen(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        tensor = torch.from_numpy(rows).requires_grad_()
        hidden = network[1](network[0](tensor))
        (gradient,) = torch.autograd.grad(network(tensor)[:, 1].sum(), tensor)
        return (gradient * tensor).detach().numpy(), hidden.detach().numpy()

    value, hidden = seen(x)
    ratios = []
    for one in noise:
        moved, near = seen(x + one)
        flat = [
            v.reshape(len(x), -1) for v in ((value - moved) / value, (hidden - near) / (hidden + (hidden == 0) * 1e-6))
        ]
        ratios.append(np.linalg.norm(flat[0], axis=1) / np.linalg.norm(flat[1], axis=1))
    np.testing.assert_allclose(found.scores[0, 0], np.max(ratios, axis=0), rtol=1e-6)


def test_targets() -> None:
    model, x = Planted(), images()
    metrics = {"completeness": {}}
    of_class = evaluate(model, PRODUCT, x, metrics=metrics, target=0)
    np.testing.assert_allclose(of_class.scores, 0, atol=1e-12)
    names = evaluate(model, PRODUCT, x, metrics=metrics, target="patch", labels=["patch", "nothing"])
    np.testing.assert_allclose(names.scores, 0, atol=1e-12)
    of_function = evaluate(model, PRODUCT, x, metrics=metrics, target=lambda output: 2 * output[:, 0])
    np.testing.assert_allclose(of_function.scores, 0, atol=1e-12)
    each = evaluate(model, PRODUCT, x, metrics=metrics, target=[0, 1, 0])
    np.testing.assert_allclose(each.scores, 0, atol=1e-12)


def test_targets_over_a_region() -> None:
    torch.manual_seed(0)
    model = torch.nn.Conv2d(3, 2, 3, padding=1, bias=False).double().eval()
    target = SegmentationTarget(1, "argmax")
    found = evaluate(model, PRODUCT, images(), metrics={"completeness": {}, "deletion": {}}, target=target)
    assert not found.errors
    np.testing.assert_allclose(found.of("input_x_gradient (captum)", "completeness"), 0, atol=1e-12)


def test_an_explanation_of_a_function_needs_it_again() -> None:
    model, x = Planted(), images()

    def twice(output: Any) -> Any:
        return 2 * output[:, 0]

    explanation = explain(model, "input_x_gradient", x, target=twice, toolset="captum")
    found = evaluate(model, explanation, metrics="completeness")
    assert "a function: give it again with target=" in found.errors["input_x_gradient (captum)", ""]
    np.testing.assert_allclose(evaluate(model, explanation, metrics="completeness", target=twice).scores, 0, atol=1e-12)


def test_logits_are_measured_where_they_were_explained(network: Any, x: np.ndarray) -> None:
    """The network ends in a softmax; input times gradient of a ReLU network with biases does not add up, but differs."""
    words = {**PRODUCT, "logits": True}
    found = evaluate(network, words, x, metrics={"completeness": {}}, target=1).scores
    logits = torch.nn.Sequential(*network[:-1])
    expected = evaluate(logits, PRODUCT, x, metrics={"completeness": {}}, target=1).scores
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_probabilities_are_taken_once() -> None:
    model, x = Planted(), images()
    ending = torch.nn.Sequential(model, torch.nn.Softmax(1))
    values = {"map": explain(model, "input_x_gradient", x, target=0, toolset="captum")}
    for probabilities in (True, False):
        metric = {"deletion": {"probabilities": probabilities}}
        of_logits = evaluate(model, values, metrics=metric).scores
        of_softmax = evaluate(ending, values, metrics=metric).scores
        assert np.allclose(of_logits, of_softmax) is probabilities


def test_maps_of_layers_are_enlarged() -> None:
    torch.manual_seed(0)
    nn = torch.nn
    model = nn.Sequential(nn.Conv2d(3, 4, 3, stride=3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 2)).double().eval()
    found = evaluate(
        model,
        {"method": "grad_cam", "toolset": "captum", "layer": "0"},
        images(),
        metrics=["deletion", "mass_accuracy"],
        masks=mask(),
        target=0,
    )
    assert not found.errors
    assert found.methods == ("grad_cam (captum) at 0",)


def test_progress_and_deadline(network: Any, x: np.ndarray) -> None:
    told: list[tuple[int, int, str]] = []
    evaluate(
        network, [SALIENCY, PRODUCT], x, metrics=["sparseness", "entropy"], target=1, progress=lambda *a: told.append(a)
    )
    assert [done for done, *_ in told] == [0, 1, 2, 3, 4, 5, 6]
    assert {total for _, total, _ in told} == {6}
    assert told[2][2] == "sparseness of saliency (captum)"

    class Slow(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, rows: Any) -> Any:
            time.sleep(0.02)
            return self.network(rows)

    explanation = explain(network, "saliency", x, target=1, toolset="captum")
    begun = time.monotonic()
    found = evaluate(
        Slow(), explanation, metrics={"sparseness": {}, "deletion": {"steps": 1000}}, deadline=1.0, batch_size=1
    )
    assert time.monotonic() - begun < 10
    assert list(found.errors) == [("saliency (captum)", "deletion")]
    assert "was not done in time" in found.errors["saliency (captum)", "deletion"]
    assert np.isfinite(found.of("saliency (captum)", "sparseness")).all()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"methods": []}, InvalidArgumentError, "no method to evaluate"),
        ({"methods": 3}, InvalidArgumentError, "methods are names"),
        ({"methods": [{"toolset": "captum"}]}, InvalidArgumentError, "with 'method'"),
        ({"metrics": ["deletion", "deletion"]}, InvalidArgumentError, "named twice"),
        ({"metrics": []}, InvalidArgumentError, "metrics are names"),
        ({"metrics": ["beauty"]}, UnknownMetricError, "no metric 'beauty'"),
        ({"metrics": {"deletion": {"stesp": 3}}}, InvalidArgumentError, "did you mean 'steps'"),
        ({"metrics": ["mass_accuracy"]}, MissingArgumentError, "give masks="),
        ({"options": {"infidelity": {}}}, InvalidArgumentError, "'infidelity' is none of them"),
        ({"masks": np.ones((3, 3))}, InvalidArgumentError, "masks have shape"),
        ({"batch_size": 0}, InvalidArgumentError, "batch_size is a whole number"),
        ({"deadline": -1}, InvalidArgumentError, "deadline is a number of seconds"),
    ],
)
def test_wrong_calls_are_told(
    network: Any, x: np.ndarray, arguments: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        evaluate(network, **{"methods": SALIENCY, "inputs": x, "target": 1, **arguments})


def test_planted_maps_lie_as_they_should() -> None:
    model, x = Planted(), images()
    found = evaluate(model, PRODUCT, x, metrics=["mass_accuracy"], masks=mask(), target=0)
    np.testing.assert_allclose(found.explanations[0].values, truth(model, x))
    np.testing.assert_allclose(found.scores, 1)
