"""From the caller's words to the toolkit's, without any framework."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from metannvis_methods import MethodSpec, find_methods
from metannvis_methods.errors import InvalidArgumentError, MissingArgumentError
from metannvis_methods.running.arguments import bind, check_required
from metannvis_methods.running.target import class_index, plain_target, settle_target


def spec(key: str, toolset: str = "captum") -> MethodSpec:
    (found,) = find_methods(key, toolset)
    return found


def test_options_go_to_the_constructor_or_the_call() -> None:
    bound = bind(spec("integrated_gradients"), {"inputs": 1, "target": 3}, {"multiply_by_inputs": False, "n_steps": 7})
    assert bound.init == {"multiply_by_inputs": False}
    assert bound.call == {"n_steps": 7, "inputs": 1, "target": 3}


def test_uniform_words_become_the_toolkits() -> None:
    words = {"inputs": 1, "target": 3, "layer": "conv2", "neuron": None}
    bound = bind(spec("grad_cam", "tf-keras-vis"), words)
    assert bound.call == {"seed_input": 1, "score": 3, "penultimate_layer": "conv2"}
    bound = bind(spec("neuron_gradient"), {"inputs": 1, "layer": "a", "neuron": (0, 1)})
    assert bound.init == {"layer": "a"}
    assert bound.call == {"inputs": 1, "neuron_selector": (0, 1)}


def test_baselines_are_those_of_the_layer_where_the_method_says_so() -> None:
    bound = bind(spec("layer_feature_ablation"), {"baselines": 0.5, "feature_mask": 2})
    assert bound.call == {"layer_baselines": 0.5, "layer_mask": 2}


def test_arguments_on_the_wrong_side_find_the_right_one() -> None:
    bound = bind(
        spec("grad_cam", "tf-keras-vis"), {}, init_args={"layer": 5, "odd": 1}, exec_args={"clone": True, "odder": 2}
    )
    assert bound.init == {"odd": 1, "clone": True}
    assert bound.call == {"penultimate_layer": 5, "odder": 2}


def test_a_rows_own_defaults_give_way() -> None:
    assert bind(spec("smooth_grad", "tf-keras-vis"), {}).call == {"smooth_samples": 20}
    assert bind(spec("smooth_grad", "tf-keras-vis"), {}, {"smooth_samples": 3}).call == {"smooth_samples": 3}


def test_an_unknown_option_is_refused_with_near_misses() -> None:
    with pytest.raises(InvalidArgumentError, match=r"no option 'n_step'. Close: n_steps"):
        bind(spec("integrated_gradients"), {}, {"n_step": 7})


@pytest.mark.parametrize(
    ("key", "words", "message"),
    [
        ("saliency", {"layer": "a"}, "takes no 'layer' and has no layer variant"),
        ("saliency", {"neuron": 1}, "takes no 'neuron'"),
        ("saliency", {"baselines": 0}, "takes no 'baselines'"),
        ("layer_activation", {"target": 0}, "takes no 'target'"),
    ],
)
def test_a_word_that_the_method_has_no_use_for_is_refused(key: str, words: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        bind(spec(key), words)


def test_the_same_argument_twice_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="the same argument"):
        bind(spec("grad_cam", "tf-keras-vis"), {"layer": 1}, {"penultimate_layer": 2})


def test_missing_arguments_are_named_in_the_callers_words() -> None:
    with pytest.raises(MissingArgumentError, match="needs baselines"):
        check_required(bind(spec("gradient_shap"), {"inputs": 1}), target_may_be_found=True)
    with pytest.raises(MissingArgumentError, match=r"needs inputs, neuron \(its own name for it: neuron_selector\)"):
        check_required(bind(spec("neuron_gradient"), {}), target_may_be_found=True)
    bound = bind(spec("grad_cam", "tf-keras-vis"), {}, exec_args={"seed_input": 1})
    check_required(bound, target_may_be_found=True)
    with pytest.raises(MissingArgumentError, match=r"target \(its own name for it: score\)"):
        check_required(bound, target_may_be_found=False)


def test_class_names() -> None:
    names = ["ant", "bee", "cat"]
    assert class_index("bee", names) == 1
    assert class_index(["cat", "ant"], names) == [2, 0]
    assert class_index(2, names) == 2
    with pytest.raises(InvalidArgumentError, match=r"no label 'bea'. Close: bee"):
        class_index("bea", names)
    with pytest.raises(InvalidArgumentError, match="needs labels"):
        class_index("bee", None)


@pytest.mark.parametrize(
    ("given", "plain"),
    [
        (None, None),
        (3, 3),
        (np.int64(3), 3),
        ([1, 2], [1, 2]),
        (np.array([1, 2]), [1, 2]),
        ((1, 2), (1, 2)),
        ([(0, 1), (2, 3)], [(0, 1), (2, 3)]),
        (np.array([[0, 1], [2, 3]]), [(0, 1), (2, 3)]),
    ],
)
def test_targets_become_plain_numbers(given: Any, plain: Any) -> None:
    assert plain_target(given) == plain


@pytest.mark.parametrize("given", [1.5, "1", [0.5], (None,), np.zeros((1, 1, 1), int), True])
def test_a_target_that_is_no_whole_number_is_refused(given: Any) -> None:
    with pytest.raises(InvalidArgumentError):
        plain_target(given)


def output(*shape: int) -> np.ndarray:
    return np.arange(np.prod(shape), dtype=float).reshape(shape)


@pytest.mark.parametrize(
    ("target", "shape", "chosen", "recorded"),
    [
        (None, (2,), None, None),
        (None, (2, 1), 0, None),
        (None, (2, 3), [2, 2], [2, 2]),
        (None, (1, 3), [2], 2),
        (1, (2, 3), 1, 1),
        ([1, 0], (2, 3), [1, 0], [1, 0]),
        ((1,), (2, 3), 1, 1),
        (-1, (2, 3), 2, 2),
        ((0, 1, 2), (2, 3, 4, 5), (0, 1, 2), [0, 1, 2]),
    ],
)
def test_the_target_that_is_explained(target: Any, shape: Any, chosen: Any, recorded: Any) -> None:
    assert settle_target(target, output(*shape)) == (chosen, recorded)


@pytest.mark.parametrize(
    ("target", "shape", "error", "message"),
    [
        (3, (2, 3), InvalidArgumentError, "out of range"),
        ([1], (2, 3), InvalidArgumentError, "1 targets for 2 samples"),
        ((1, 0), (2, 3), InvalidArgumentError, "give a list"),
        (1, (2, 3, 4), InvalidArgumentError, "it takes 2 number"),
        (None, (2, 3, 4), MissingArgumentError, "a position without the batch"),
        (1, (2,), InvalidArgumentError, "single output"),
    ],
)
def test_a_target_that_the_output_has_not(target: Any, shape: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        settle_target(target, output(*shape))


@given(st.lists(st.integers(-3, 2), min_size=4, max_size=4))
def test_any_list_of_classes_in_range_is_kept(classes: list[int]) -> None:
    """Those that count from the end as the classes that they mean."""
    meant = [one % 3 for one in classes]
    assert settle_target(plain_target(np.array(classes)), output(4, 3)) == (meant, meant)
