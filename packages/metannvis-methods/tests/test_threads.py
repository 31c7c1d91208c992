"""Several threads, and calls from within calls. The whole table: ``tox -e threads``."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from metannvis_methods import explain, finish_execution_with_layer, list_methods, perform_attribution
from metannvis_methods.registry.table import Registry
from metannvis_methods.running.translation_cache import Cache
from metannvis_translate.frameworks.requirements import require
from metannvis_translate.process import WAITING, exclusive

from ..threads.thread_cases import CASES, Key, at_once, called, hurried, made, model_state
from ..threads.thread_checks import faults, mixed_faults

#: One that hooks, one that draws, one of a layer, one of each other toolset.
SOME: tuple[Key, ...] = (
    ("captum", "deep_lift"),
    ("captum", "gradient_shap"),
    ("captum", "layer_conductance"),
    ("grad-cam", "eigen_grad_cam"),
    ("metannvis", "rise"),
    ("zennit", "excitation_backprop"),
    ("tf-keras-vis", "smooth_grad"),
)


def test_every_method_has_a_case() -> None:
    ours = ("captum", "grad-cam", "metannvis", "tf-keras-vis", "zennit")
    assert {(spec.toolset, spec.key) for spec in list_methods() if spec.toolset in ours} == {*CASES}


@pytest.mark.parametrize("models", [1, 4])
@pytest.mark.parametrize("framework", ["torch", "keras"])
def test_four_threads_are_as_good_as_one(framework: str, models: int) -> None:
    assert mixed_faults(SOME * 2, framework, models) == []


def test_four_threads_translate_a_model_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", logger="metannvis_methods"):
        assert faults(("captum", "saliency"), "keras", 1) == []
    made_once = [record for record in caplog.records if record.getMessage() == "translating the model to torch"]
    assert len(made_once) == 2  # by one of the threads, and for the comparison with no threads


def test_who_waits_is_told_and_then_goes_on() -> None:
    model = made("torch")
    told: list[str] = []
    waits = threading.Event()

    def progress(done: int, total: int, stage: str) -> None:
        told.append(stage)
        waits.set()

    x = np.zeros((1, 2, 6, 5), "float32")
    thread = threading.Thread(
        target=lambda: explain(model, "saliency", x, target=1, toolset="captum", progress=progress)
    )
    with exclusive():
        thread.start()
        assert waits.wait(30)
        assert thread.is_alive()
    thread.join(30)
    assert not thread.is_alive()
    assert told[:2] == [WAITING, WAITING] and set(told[2:]) == {"run"}


def test_callbacks_of_two_threads_that_explain_each_others_models() -> None:
    """With a lock for each model alone, each would wait for the other's for ever."""
    nets = [made("torch"), made("torch", seed=1)]
    x = np.random.default_rng(0).uniform(0, 1, (4, 2, 6, 5)).astype("float32")

    def nested(ours: Any, theirs: Any) -> Any:
        def progress(done: int, total: int, stage: str) -> None:
            if stage == "run":
                explain(theirs, "deep_lift", x, target=1, toolset="captum")

        return explain(ours, "saliency", x, target=1, toolset="captum", batch_size=1, progress=progress).values

    with hurried():
        found = at_once([lambda: nested(*nets), lambda: nested(*nets[::-1])])
    for values, net in zip(found, nets, strict=True):
        assert np.array_equal(values, explain(net, "saliency", x, target=1, toolset="captum", batch_size=1).values)


@pytest.mark.parametrize("framework", ["torch", "keras"])
def test_a_function_of_the_toolkit_explains_the_same_model(framework: str) -> None:
    """DeepLift's hooks are on the model while it calls the function."""
    model = made(framework)
    x = np.random.default_rng(0).uniform(0, 1, (3, 2, 6, 5) if framework == "torch" else (3, 6, 5, 2)).astype("float32")

    def inner() -> Any:
        return explain(model, "guided_backprop", x, target=1, toolset="captum").values

    seen: list[Any] = []

    def outer(look: bool) -> Any:
        def attribution(multipliers: Any, inputs: Any, baselines: Any) -> Any:
            if look:
                seen.append(inner())
            return tuple(m * (i - b) for m, i, b in zip(multipliers, inputs, baselines, strict=True))

        words = {"baselines": 0.1, "custom_attribution_func": attribution}
        return explain(model, "deep_lift", x, target=1, toolset="captum", **words).values

    alone, expected, before = outer(False), inner(), model_state(model)
    assert np.array_equal(outer(True), alone)
    assert np.array_equal(seen[0], expected)
    assert model_state(model) == before


def test_one_pending_explanation_goes_on_in_several_threads() -> None:
    model = made("torch")
    x = np.random.default_rng(0).uniform(0, 1, (3, 2, 6, 5)).astype("float32")
    with pytest.warns(match="needs a layer"):
        pending = perform_attribution(model, "layer_activation", toolset="captum", exec_args={"inputs": x})
    names = ["conv1", "relu1", "conv2", "pool"]
    expected = [finish_execution_with_layer(pending, name) for name in names]
    for _ in range(3):
        with hurried():
            found = at_once([lambda name=name: finish_execution_with_layer(pending, name) for name in names])
        for ours, alone in zip(found, expected, strict=True):
            assert np.array_equal(ours, alone)


def test_a_registry_that_is_first_asked_by_four_threads() -> None:
    for _ in range(5):
        registry = Registry()
        with hurried():
            found = at_once([registry.toolsets] * 4)
        assert [len(toolsets) for toolsets in found] == [len(found[0])] * 4
        assert found[0]


def test_what_was_made_while_the_model_changed_is_not_kept() -> None:
    cache, model, made_of = Cache(), made("torch"), []

    def make() -> object:
        made_of.append(object())
        return made_of[-1]

    assert cache.get(model, "slot", "before", make, afterwards=lambda: "after") is made_of[0]
    assert cache.get(model, "slot", "before", make, afterwards=lambda: "before") is made_of[1]
    assert cache.get(model, "slot", "before", make, afterwards=lambda: "before") is made_of[1]


@pytest.mark.parametrize(
    ("key", "framework"), [(("captum", "deep_lift"), "keras"), (("tf-keras-vis", "saliency"), "torch")]
)
def test_modes_of_the_caller_do_not_count(key: Key, framework: str, modes: dict[str, Any]) -> None:
    model = made(framework)
    expected = called(key, framework, model, 0)
    for name, mode in modes.items():
        fresh = made(framework)
        with mode():
            found = called(key, framework, fresh, 0)
        assert np.array_equal(found.values, expected.values), name
        assert found.values.dtype == expected.values.dtype, name


def test_a_symbolic_tensor_is_refused() -> None:
    tf = require("tensorflow")
    model = made("keras")
    with tf.Graph().as_default(), pytest.raises(ValueError, match="no array of numbers: Cannot convert a symbolic"):
        explain(model, "saliency", tf.ones((1, 6, 5, 2)), target=1, toolset="tf-keras-vis")


def test_a_model_made_in_inference_mode_is_refused_and_stays_whole() -> None:
    import copy

    torch = require("torch")
    with torch.inference_mode():
        model = made("torch")
        before = model_state(model)
        for toolset in ("captum", "tf-keras-vis"):
            with pytest.raises(ValueError, match=r"was made inside torch.inference_mode\(\)"):
                called((toolset, "saliency"), "torch", model, 0)
    assert model_state(model) == before
    assert called(("captum", "saliency"), "torch", copy.deepcopy(model), 0).values.any()
