"""Activation maximization and rendering against loops in PyTorch, over twins of other frameworks, and their rules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from metannvis_methods import ImageOptimization, UnfitWarning, explain, perform_feature_visualization
from metannvis_methods import visualization as parts
from metannvis_methods.errors import DeadlineError, InvalidArgumentError, MethodChoiceWarning, MissingArgumentError
from metannvis_methods.toolsets.metannvis.visualization import images as made
from metannvis_translate import translate
from metannvis_translate.frameworks.requirements import require

from .ascents import by_hand, first

torch = require("torch")
KEY = "activation_maximization"
WORDS: dict[str, Any] = {"toolset": "metannvis", "seed": 4, "steps": 6}
SHAPE = {"shape": (1, 8, 8)}
#: Nothing but the objective, so that the loop beside is short.
BARE: dict[str, Any] = {"parameterization": "pixels", "transforms": []}


def test_it_ascends_the_log_probability(digits: Any) -> None:
    start = first()
    found = explain(
        digits.torch64, "activation_maximization", start, target=[3, 5], regularizers="l2:0.1,tv:0.2", **BARE, **WORDS
    )
    expected = by_hand(
        digits.torch64,
        start,
        lambda model, x: model(x).log_softmax(1)[[0, 1], [3, 5]],
        lambda x: (
            0.1 * (x - 0.5).square().sum((1, 2, 3))
            + 0.2 * (x.diff(dim=2).square().sum((1, 2, 3)) + x.diff(dim=3).square().sum((1, 2, 3)))
        ),
        6,
    )
    np.testing.assert_allclose(found.values, expected, atol=1e-10)
    assert isinstance(found, ImageOptimization)
    output = digits.torch64(torch.from_numpy(found.values)).softmax(1).detach().numpy()
    np.testing.assert_allclose(found.probabilities, output[[0, 1], [3, 5]])
    np.testing.assert_allclose(found.scores, np.log(found.probabilities))
    assert found.losses.shape == (6, 2) and (found.losses[-1] < found.losses[0]).all()
    assert (found.objectives, found.ended, list(found.steps)) == (("log p 3", "log p 5"), ("steps",) * 2, [6, 6])


@pytest.mark.parametrize(
    ("given", "gain"),
    [
        ({"channel": [2, 3]}, lambda maps: torch.stack([maps[0, 2].mean(), maps[1, 3].mean()])),
        ({"neuron": (3, 1, 0)}, lambda maps: maps[:, 3, 1, 0]),
        ({}, lambda maps: maps.mean((1, 2, 3))),
    ],
    ids=["channels", "neuron", "layer"],
)
def test_it_ascends_what_a_layer_returns(digits: Any, given: dict[str, Any], gain: Any) -> None:
    def of_layer(model: Any, x: Any) -> Any:
        return gain(model.conv2(model.pool(model.relu1(model.conv1(x)))))

    found = explain(digits.torch64, KEY, first(), layer="conv2", **given, **BARE, **WORDS)
    expected = by_hand(digits.torch64, first(), of_layer, lambda x: 0, 6)
    np.testing.assert_allclose(found.values, expected, atol=1e-10)
    assert found.layer == "conv2"


def test_words_and_objects_are_the_same(digits: Any) -> None:
    word = explain(digits.torch64, KEY, layer="conv2", channel=[2, 3], **SHAPE, **WORDS)
    for objective in (["conv2:2", "conv2:3"], [parts.Channel("conv2", 2), 1 * parts.Channel("conv2", 3)]):
        same = explain(digits.torch64, KEY, objective=objective, **SHAPE, **WORDS)
        np.testing.assert_array_equal(same.values, word.values)
    by_word = {
        "regularizers": "l2:0.1",
        "transforms": "pad:1,jitter:2",
        "optimizer": "adam:0.1",
        "parameterization": "fourier",
    }
    by_object = {
        "regularizers": [parts.L2(0.1)],
        "transforms": [parts.Pad(1), parts.Jitter(2)],
        "optimizer": parts.Adam(0.1),
        "parameterization": parts.Fourier(),
    }
    one, two = (explain(digits.torch64, KEY, target=1, **given, **SHAPE, **WORDS) for given in (by_word, by_object))
    np.testing.assert_array_equal(one.values, two.values)


def test_sums_and_differences(digits: Any) -> None:
    up, down = parts.Logit(3), parts.Logit(5)
    found = explain(digits.torch64, KEY, first(), objective=up - 2 * down, **BARE, **WORDS)
    expected = by_hand(digits.torch64, first(), lambda m, x: m(x)[:, 3] - 2 * m(x)[:, 5], lambda x: 0, 6)
    np.testing.assert_allclose(found.values, expected, atol=1e-10)
    assert found.objectives == ("logit 3 -2 logit 5",)


#: Calls whose images are the same for every framework's twin, in the layout of each.
SAME: dict[str, dict[str, Any]] = {
    "class": {"target": [1, 7]},
    "class in a spectrum": {"target": [1, 7], "steps": 40, "parameterization": "fourier"},
    "pixels to a mean": {
        "target": [1, 7],
        "steps": 40,
        "parameterization": "pixels",
        "baselines": "mean",
        "inputs": "mean",
    },
    "channel": {"layer": "conv2", "channel": [1, 4], "steps": 40},
    "neuron": {"layer": "conv2", "neuron": (4, 1, 0), "steps": 40},
    "several layers": {"objective": parts.Channel("conv1", 2) + parts.Neuron("conv2", (4, 1, 0)), "steps": 20},
    "diverse": {"objective": "conv2:3", "more": parts.Diversity("conv2"), "images": 2, "steps": 20},
    "render": {"method": "render", "objective": "conv2:3", "steps": 40},
}


@pytest.mark.parametrize("name", SAME)
def test_twins_give_the_same_image(digits: Any, name: str) -> None:
    words = dict(SAME[name])
    key, more = words.pop("method", KEY), words.pop("more", None)
    means = np.stack([digits.x[:2].mean(0), digits.x[2:].mean(0)]).clip(0, 1)
    for word in ("baselines", "inputs"):
        if word in words:
            words[word] = means
    if more is not None:
        words["objective"] = parts.Channel("conv2", 3) + more
    last = {k: np.moveaxis(v, 1, -1) if isinstance(v, np.ndarray) else v for k, v in words.items()}
    if "neuron" in last:
        last["neuron"] = (1, 0, 4)
    if name == "several layers":
        last["objective"] = parts.Channel("conv1", 2) + parts.Neuron("conv2", (1, 0, 4))
    shape = {} if "inputs" in words else SHAPE
    there = explain(digits.torch64, key, toolset="metannvis", seed=3, **words, **shape)
    here = explain(digits.keras64, key, toolset="metannvis", seed=3, **last)
    assert here.values.shape == (len(there.values), 8, 8, 1) and here.axes == "NHWC"
    np.testing.assert_allclose(np.moveaxis(here.values, -1, 1), there.values, atol=1e-4)
    assert there.values.std() > 0.01


def test_the_defaults_are_by_the_size(digits: Any) -> None:
    """Large images of classes, small ones of layers: a spectrum that is shifted, as ever; small ones of classes: as by hand."""
    torch.manual_seed(0)
    first_layer = torch.nn.Conv2d(1, 4, 7, stride=8)
    net = torch.nn.Sequential(first_layer, torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    net = net.double().eval()
    spectrum = {"parameterization": "fourier", "steps": 4, "seed": 4, "toolset": "metannvis"}
    for side, moves in ((64, parts.shifts(4)), (224, parts.shifts(14))):
        words = {"target": [0, 2], "shape": (1, side, side)}
        found = explain(net, KEY, **words, **{**WORDS, "steps": 4})
        np.testing.assert_array_equal(found.values, explain(net, KEY, transforms=moves, **words, **spectrum).values)
        assert explain(net, KEY, target=0, shape=(1, side, side), toolset="metannvis", deadline=60).steps == [200]
    found = explain(digits.torch64, KEY, layer="conv2", channel=1, **SHAPE, **WORDS)
    same = explain(
        digits.torch64, KEY, layer="conv2", channel=1, transforms=parts.shifts(1), **SHAPE, **spectrum | {"steps": 6}
    )
    np.testing.assert_array_equal(found.values, same.values)
    factors, keeps = torch.ones(2, dtype=torch.float64), np.log(0.98 / 0.02)

    def gain(model: Any, x: Any) -> Any:
        p = model(x).softmax(1)[[0, 1], [3, 5]]
        odds = (p / (1 - p)).log()
        factors_now = factors.clone()
        factors.copy_(factors * (0.02 * (odds.detach() - keeps).clamp(-1, 1)).exp())
        variation = x.diff(dim=2).square().sum((1, 2, 3)) + x.diff(dim=3).square().sum((1, 2, 3))
        return -(1 + (keeps - odds).exp()).log() - factors_now * 0.1 * variation

    expected = by_hand(digits.torch64, first(), gain, lambda x: 0, 6)
    found = explain(digits.torch64, KEY, first(), target=[3, 5], **WORDS)
    np.testing.assert_allclose(found.values, expected, atol=1e-10)
    assert found.objectives == ("log p 3", "log p 5")
    np.testing.assert_allclose(found.scores, np.log(found.probabilities))


def test_small_images_of_classes_from_noise_are_the_best_of_several(digits: Any) -> None:
    """Each image is that of one of three starts: of those that are sure, the one of the least total variation."""
    words = {"target": [7, 1], **WORDS, "steps": 300}
    told: list[tuple[int, int, str]] = []
    found = explain(digits.torch64, KEY, snapshots=2, progress=lambda *a: told.append(a), **SHAPE, **words)
    assert told[-1] == (900, 900, "ascent")
    rng = np.random.default_rng(4)
    rng.integers(2**63)  # what transforms would draw from
    starts = [0.5 + 0.02 * rng.uniform(-0.5, 0.5, (2, 1, 8, 8)) for _ in range(3)]
    each = [explain(digits.torch64, KEY, start, **words) for start in starts]
    rough = np.stack([sum((np.diff(e.values, axis=k) ** 2).sum((1, 2, 3)) for k in (2, 3)) for e in each])
    sure = np.stack([e.probabilities for e in each])
    for k in range(2):
        known = np.flatnonzero(sure[:, k] > 0.968)
        best = known[rough[known, k].argmin()] if len(known) else sure[:, k].argmax()
        np.testing.assert_allclose(found.values[k], each[best].values[k], atol=1e-9)
        np.testing.assert_allclose(found.probabilities[k], sure[best, k])
        np.testing.assert_allclose(found.losses[:, k], each[best].losses[:, k], atol=1e-8)
    np.testing.assert_array_equal(found.snapshots[-1], found.values)
    parted = explain(digits.torch64, KEY, batch_size=1, **SHAPE, **words)
    np.testing.assert_allclose(parted.values, found.values, atol=1e-8)


def test_small_images_of_a_sigmoid_and_of_places(digits: Any) -> None:
    """The odds of a number that is a probability of its own, and of a class at a place."""
    many = torch.nn.Sequential(digits.torch64, torch.nn.Sigmoid())
    found = explain(many, KEY, target=7, **SHAPE, **{**WORDS, "steps": 400})
    np.testing.assert_allclose(found.probabilities, 0.98, atol=0.015)
    torch.manual_seed(0)
    dense = torch.nn.Conv2d(1, 3, 3, padding=1).double().eval()
    found = explain(dense, KEY, target=[(1, 2, 3), (2, 7, 0)], **SHAPE, **{**WORDS, "steps": 5})
    assert (found.losses[4] < found.losses[0]).all()
    p = dense(torch.from_numpy(found.values)).softmax(1).detach().numpy()
    np.testing.assert_allclose(found.probabilities, [p[0, 1, 2, 3], p[1, 2, 7, 0]])


def test_an_onnx_file_gives_the_same_image(digits: Any, tmp_path: Path) -> None:
    translate(digits.torch64, "onnx", example_inputs=digits.x, dtype="float64").save(tmp_path / "net.onnx")
    words: dict[str, Any] = {"target": [1, 7], "seed": 3, "toolset": "metannvis"}
    there, here = explain(digits.torch64, KEY, **SHAPE, **words), explain(tmp_path / "net.onnx", KEY, **words)
    np.testing.assert_allclose(here.values, there.values, atol=1e-4)
    assert list(here.steps) == [500, 500]


def test_a_model_for_one_image_at_a_time(digits: Any) -> None:
    one = translate(digits.torch64, "onnx", example_inputs=digits.x[:2], dtype="float64").model
    for port in (*one.graph.input, *one.graph.output):
        port.type.tensor_type.shape.dim[0].ClearField("dim_param")
        port.type.tensor_type.shape.dim[0].dim_value = 1
    words: dict[str, Any] = {"target": [1, 7], "seed": 3, "steps": 5, "toolset": "metannvis"}
    there = explain(digits.torch64, KEY, **SHAPE, **words)
    np.testing.assert_allclose(explain(one, KEY, **words).values, there.values, atol=1e-6)
    here = explain(one, KEY, first(), **{**words, "parameterization": "pixels"})
    there = explain(digits.torch64, KEY, first(), **{**words, "parameterization": "pixels"})
    np.testing.assert_allclose(here.values, there.values, atol=1e-6)


def test_a_softmax_is_looked_behind(digits: Any) -> None:
    shown = torch.nn.Sequential(digits.torch64, torch.nn.Softmax(1))
    for objective in ("log_probability", "logit"):
        words = {"target": 2, "objective": objective, **SHAPE, **WORDS}
        np.testing.assert_array_equal(explain(shown, KEY, **words).values, explain(digits.torch64, KEY, **words).values)
    other = explain(shown, KEY, target=2, objective="output", **SHAPE, **WORDS)
    expected = explain(digits.torch64, KEY, objective=parts.LogProbability(2), **SHAPE, **WORDS)
    assert np.abs(other.values - expected.values).max() > 1e-6
    many = torch.nn.Sequential(digits.torch64, torch.nn.Sigmoid())
    found = explain(many, KEY, target=2, **SHAPE, **WORDS)
    output = many(torch.from_numpy(found.values)).detach().numpy()
    np.testing.assert_allclose(found.probabilities, output[:, 2])


def test_parts_of_the_callers(digits: Any) -> None:
    """A function of the output as target, further inputs, and what a model may draw."""
    found = explain(digits.torch64, KEY, first(), target=lambda y: y[:, 3] - y[:, 5], **BARE, **WORDS)
    expected = by_hand(digits.torch64, first(), lambda m, x: m(x)[:, 3] - m(x)[:, 5], lambda x: 0, 6)
    np.testing.assert_allclose(found.values, expected, atol=1e-10)

    class Two(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = digits.torch64

        def forward(self, x: Any, shift: Any) -> Any:
            return self.net(x + shift.reshape(-1, 1, 1, 1))

    shift = np.array([0.1, -0.1])
    both = explain(Two().eval(), KEY, first(), additional_forward_args=shift, target=3, batch_size=1, **BARE, **WORDS)
    moved = torch.from_numpy(shift).reshape(-1, 1, 1, 1)
    expected = by_hand(digits.torch64, first(), lambda m, x: m(x + moved).log_softmax(1)[:, 3], lambda x: 0, 6)
    np.testing.assert_allclose(both.values, expected, atol=1e-10)


def test_batch_size_bounds_a_pass_and_changes_nothing(digits: Any) -> None:
    rows: list[int] = []
    hook = digits.torch64.conv1.register_forward_pre_hook(lambda _, given: rows.append(len(given[0])))
    try:
        words = {"target": [0, 1, 2, 3, 4], "probability": 0.5, **SHAPE, **WORDS, "steps": 30}
        whole = explain(digits.torch64, KEY, snapshots=2, **words)
        rows.clear()
        parted = explain(digits.torch64, KEY, batch_size=2, snapshots=2, **words)
    finally:
        hook.remove()
    assert max(rows) == 2
    np.testing.assert_allclose(parted.values, whole.values, atol=1e-8)
    np.testing.assert_allclose(parted.snapshots[-1], whole.values, atol=1e-8)
    assert list(parted.steps) == list(whole.steps) and parted.ended == whole.ended
    with pytest.raises(InvalidArgumentError, match="diversity is of all 2 images together"):
        explain(digits.torch64, KEY, objective=parts.Diversity("conv2"), images=2, batch_size=1, **SHAPE, **WORDS)


def test_it_stops_at_a_probability(digits: Any) -> None:
    words = {"target": [0, 1, 0], **SHAPE, **WORDS, "steps": 60}
    found = explain(digits.torch64, KEY, probability=0.15, **words)
    assert found.ended == ("probability", "steps", "probability")
    assert (found.probabilities[[0, 2]] >= 0.15).all() > found.probabilities[1]
    assert found.steps[1] == 60 and (found.steps[[0, 2]] < 60).all()
    assert np.isnan(found.losses).sum() == sum(59 - found.steps[[0, 2]])
    before = explain(digits.torch64, KEY, **{**words, "steps": int(found.steps[2]), "probability": 1.0})
    np.testing.assert_allclose(before.values[2], found.values[2], atol=1e-9)
    assert found.snapshots is None


def test_it_ends_with_what_there_is_when_the_time_is_over(digits: Any) -> None:
    with pytest.warns(UnfitWarning, match="the time was over after"):
        found = explain(digits.torch64, KEY, target=[1, 2], deadline=0.5, **SHAPE, **{**WORDS, "steps": 10**6})
    assert found.ended == ("deadline",) * 2 and 0 < found.steps[0] < 10**6
    assert len(found.warnings) == 1
    with pytest.raises(DeadlineError):
        explain(digits.torch64, KEY, target=[1, 2], deadline=1e-9, **SHAPE, **WORDS)


def test_snapshots_and_their_bound(digits: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    found = explain(digits.keras64, KEY, target=[1, 2], snapshots=3, **WORDS)
    assert found.snapshots.shape == (3, 2, 8, 8, 1) and found.snapshot_steps == (2, 4, 6)
    np.testing.assert_array_equal(found.snapshots[-1], found.values)
    part = explain(digits.keras64, KEY, target=[1, 2], **{**WORDS, "steps": 4})
    np.testing.assert_array_equal(part.values, found.snapshots[1])
    monkeypatch.setattr(made, "MOST_BYTES", 1000)
    with pytest.raises(InvalidArgumentError, match="keep fewer"):
        explain(digits.keras64, KEY, target=[1, 2], snapshots=3, **WORDS)


def test_the_range_is_that_of_the_preprocessing(digits: Any) -> None:
    words = {"target": 1, **SHAPE, **WORDS}
    unit = explain(digits.torch64, KEY, value_range=(-1.0, 3.0), **words)
    noise = explain(digits.torch64, KEY, value_range=(-1.0, 3.0), parameterization="pixels", **words)
    assert -1 <= noise.values.min() < -0.5 and 2.5 < noise.values.max() <= 3
    np.testing.assert_allclose(unit.images, (unit.values + 1) / 4)
    colors = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()
    ).eval()
    found = explain(colors, KEY, target=1, shape=(3, 8, 8), preprocess="imagenet", **WORDS)
    low = (0 - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225])
    np.testing.assert_allclose(found.value_range[0], low, rtol=1e-5)
    assert 0 <= found.images.min() < found.images.max() <= 1


def test_tables_and_signals_have_images_too() -> None:
    table = torch.nn.Sequential(torch.nn.Linear(5, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2)).eval()
    found = explain(table, KEY, target=[0, 1], shape=(5,), **WORDS)
    assert (found.values.shape, found.axes) == ((2, 5), "NF")
    assert (found.losses[-1] <= found.losses[0]).all()
    signal = torch.nn.Sequential(
        torch.nn.Conv1d(2, 4, 3), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool1d(1), torch.nn.Flatten()
    ).eval()
    found = explain(signal, KEY, layer="0", channel=1, shape=(2, 9), regularizers="tv:0.1", **WORDS)
    assert found.values.shape == (1, 2, 9)


def test_what_cannot_be_asked(digits: Any) -> None:
    def asked(error: type[Exception], message: str, **words: Any) -> None:
        with pytest.raises(error, match=message):
            explain(digits.torch64, KEY, **{**SHAPE, **WORDS, **words})

    asked(InvalidArgumentError, "name a class")
    asked(MissingArgumentError, "channel is of a layer", channel=3)
    asked(InvalidArgumentError, "makes inputs, and noise", target=1, noise="smoothgrad")
    asked(InvalidArgumentError, "at that of a class", layer="conv2", probability=0.9)
    asked(InvalidArgumentError, "give one of them", layer="conv2", channel=3, neuron=(1, 1, 1))
    asked(InvalidArgumentError, "each say what is made large", layer="conv2", target=3)
    asked(InvalidArgumentError, "each say what is made large", objective=parts.Logit(2), target=3)
    asked(InvalidArgumentError, "3 objectives and 2 images", target=[1, 2, 3], images=2)
    asked(InvalidArgumentError, "channels 0 to 7, and no channel 8", layer="conv2", channel=8)
    asked(InvalidArgumentError, "target 10 is none of an output", target=10)
    asked(InvalidArgumentError, "an objective is|objective of", objective="conv2")
    asked(InvalidArgumentError, "no regularizer 'l3'. Close: l2", target=1, regularizers="l3")
    asked(InvalidArgumentError, "objects of metannvis_methods.visualization", target=1, regularizers=[parts.Pad(1)])
    asked(InvalidArgumentError, "not finite at step", target=1, regularizers="norm:1e300", value_range=(-1e4, 1e4))
    asked(InvalidArgumentError, "a function as target is understood by a prediction", target=lambda y: y[:, 0])
    asked(InvalidArgumentError, "further inputs of the model need inputs", target=1, additional_forward_args=np.ones(1))
    asked(LookupError, "conv9", objective="conv9:3")
    with pytest.raises(MissingArgumentError, match=r"the model does not say what it takes: give shape=…"):
        explain(digits.torch64, KEY, target=1, **WORDS)
    with pytest.raises(InvalidArgumentError, match="of images, of shape"):
        explain(torch.nn.Linear(4, 2), KEY, target=1, shape=(4,), parameterization="fourier", **WORDS)


def test_the_choice_between_toolsets(digits: Any) -> None:
    with pytest.warns(MethodChoiceWarning, match="took 'activation_maximization' of 'tf-keras-vis'"):
        assert explain(digits.keras, KEY, target=1, steps=1, seed=0).toolset == "tf-keras-vis"
    with pytest.warns(MethodChoiceWarning, match="took 'activation_maximization' of 'metannvis'"):
        assert explain(digits.torch, KEY, digits.x, target=1, steps=1, seed=0).toolset == "metannvis"
    own = explain(digits.keras, KEY, layer="conv2", channel=1, steps=1, seed=0)  # which one toolset has
    assert own.toolset == "metannvis"
    theirs = explain(digits.torch, KEY, digits.x, target=1, steps=1, seed=0, input_range=(0, 1))
    assert theirs.toolset == "tf-keras-vis"


def test_the_2022_function_runs_it(digits: Any) -> None:
    found = perform_feature_visualization(
        digits.torch64, KEY, "metannvis", exec_args={"target": [1, 2], "steps": 3, "shape": (1, 8, 8)}, seed=1
    )
    assert found.shape == (2, 1, 8, 8)


def test_rendering_is_activation_maximization_with_other_parts(digits: Any) -> None:
    words: dict[str, Any] = {"layer": "conv2", "channel": [1, 2], **SHAPE, **WORDS}
    found = explain(digits.torch64, "render", **words)
    same = explain(digits.torch64, KEY, transforms=parts.standard(8), **words)
    np.testing.assert_array_equal(found.values, same.values)
    large = explain(digits.torch64.conv1, "render", objective=parts.Output((2, 9, 9)), shape=(1, 20, 20), **WORDS)
    assert large.values.shape == (1, 1, 20, 20)
