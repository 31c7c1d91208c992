"""Values by role, both ways: what a value is decides how it lies."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from metannvis_translate import (
    InvalidArgumentError,
    LayerInfo,
    LayerMap,
    LayerRow,
    MissingArgumentError,
    Port,
    Translation,
    UnknownLayerError,
    translate_data,
)
from metannvis_translate.data import ROLES
from metannvis_translate.frameworks.requirements import require

LAST = (0, 2, 3, 1)


@pytest.fixture(scope="module")
def translation() -> Translation:
    require("tensorflow")
    row = LayerRow(
        LayerInfo("conv", "Conv2d", (None, 4, 5, 7), "NCHW"), LayerInfo("conv", "Conv2D", (None, 5, 7, 4), "NHWC"), LAST
    )
    return Translation(
        source=None, model=None, layers=LayerMap((row,)), report=None,
        inputs=(
            Port("image", (None, 3, 6, 8), (None, 6, 8, 3), LAST, "float32", "NCHW", "NHWC"),
            Port("meta", (None, 5), (None, 5), (0, 1), "float32", "NF", "NF"),
        ),
        outputs=(Port("mask", (None, 2, 6, 8), (None, 6, 8, 2), LAST, "float32", "NCHW", "NHWC"),),
        source_framework="torch", target_framework="tensorflow",
    )  # fmt: skip


IMAGE = np.arange(2 * 3 * 6 * 8, dtype="float32").reshape(2, 3, 6, 8)


@pytest.mark.parametrize("role", ["input", "baseline", "feature_mask"])
def test_arrays_and_tensors_of_either_side(translation, role) -> None:
    import tensorflow as tf
    import torch

    expected = IMAGE.transpose(LAST)
    for value in (IMAGE, torch.from_numpy(IMAGE), torch.from_numpy(IMAGE).requires_grad_()):
        found = translation.to_target(value, role=role)
        assert tf.is_tensor(found)
        np.testing.assert_array_equal(found, expected)
    already = tf.constant(expected)
    assert translation.to_target(already, role=role) is already
    back = translation.to_source(already, role=role)
    assert isinstance(back, torch.Tensor)
    np.testing.assert_array_equal(back, IMAGE)
    np.testing.assert_array_equal(translation.to_source(expected, role=role), IMAGE)


def test_the_shape_never_decides(translation) -> None:
    """An image whose every size is the same lies as its type says."""
    cube = np.random.default_rng(0).random((3, 3, 3, 3)).astype("float32")
    np.testing.assert_array_equal(translation.to_target(cube), cube.transpose(LAST))


def test_several_inputs_nested_and_by_name(translation) -> None:
    meta = np.ones((2, 5), "float32")
    image, other = translation.to_target((IMAGE, meta))
    assert image.shape == (2, 6, 8, 3) and other.shape == (2, 5)
    named = translation.to_target({"meta": meta, "image": IMAGE})
    assert named["image"].shape == (2, 6, 8, 3) and named["meta"].shape == (2, 5)
    assert translation.to_target([IMAGE, None])[1] is None


@pytest.mark.parametrize("value", [None, 0, 0.5, "zeros", True, len])
def test_what_has_no_layout_passes_untouched(translation, value) -> None:
    for role in ROLES:
        assert translation.to_target(value, role=role, layer="conv") is value


def test_positions_follow_the_axes(translation) -> None:
    assert translation.to_target((3, 2, 4), role="window") == (2, 4, 3)
    assert translation.to_target(((3, 2, 4), (1,)), role="stride") == ((2, 4, 3), (1,))
    assert translation.to_target((1, 2, 3), role="neuron", layer="conv") == (2, 3, 1)
    assert translation.to_target((1, slice(0, 2), 3), role="neuron", layer="conv") == (slice(0, 2), 3, 1)
    assert translation.to_target((1, 2, 3), role="target") == (2, 3, 1)
    assert translation.to_target([(1, 2, 3), (0, 4, 5)], role="target") == [(2, 3, 1), (4, 5, 0)]
    assert translation.to_target([3, 1], role="target") == [3, 1]
    assert translation.to_source((2, 3, 1), role="neuron", layer="conv") == (1, 2, 3)


def test_layer_values(translation) -> None:
    value = np.arange(2 * 4 * 5 * 7, dtype="float32").reshape(2, 4, 5, 7)
    moved = translation.to_target(value, role="layer", layer="conv")
    assert moved.shape == (2, 5, 7, 4)
    np.testing.assert_array_equal(translation.to_source(moved, role="layer_baseline", layer="conv"), value)


def test_what_cannot_be_says_why(translation) -> None:
    with pytest.raises(InvalidArgumentError, match="unknown role 'inptu'"):
        translation.to_target(IMAGE, role="inptu")
    with pytest.raises(InvalidArgumentError, match="has 3 axes .* but 4 are expected"):
        translation.to_target(IMAGE[0])
    with pytest.raises(InvalidArgumentError, match="there is no input 2"):
        translation.to_target(IMAGE, index=2)
    with pytest.raises(MissingArgumentError, match="layer="):
        translation.to_target(IMAGE, role="layer")
    with pytest.raises(InvalidArgumentError, match="2 entries"):
        translation.to_target((1, 2), role="window")
    with pytest.raises(InvalidArgumentError, match="between 'torch' and 'tensorflow'"):
        translate_data(IMAGE, "onnx", translation)
    with pytest.raises(InvalidArgumentError, match="nested lists of numbers"):
        translation.to_target(IMAGE.tolist())


def test_containers_of_containers_are_converted(translation) -> None:
    right = translation.to_target(IMAGE)
    for found in (
        translation.to_target([[IMAGE], [IMAGE]])[1][0],
        translation.to_target({"a": [{"b": IMAGE}]})["a"][0]["b"],
    ):
        assert type(found) is type(right)
        np.testing.assert_array_equal(found, right)


def test_structures_of_any_keys_and_lengths(translation) -> None:
    """Batches of a data set, in whatever they are kept: what each array is does not depend on where it lies."""
    translation = dataclasses.replace(translation, inputs=translation.inputs[:1])
    right = translation.to_target(IMAGE)
    held = {3: [IMAGE, IMAGE, IMAGE], ("a", 1): {"x": (IMAGE, None, 0.5)}, None: [{"b": [[IMAGE], [IMAGE]]}]}
    for role in ("input", "baseline", "output"):
        found = translate_data(held, "tensorflow", translation, role=role)
        assert list(found) == list(held)
        assert found["a", 1]["x"][1:] == (None, 0.5)
        arrays = [*found[3], found["a", 1]["x"][0], found[None][0]["b"][0][0], found[None][0]["b"][1][0]]
        if role != "output":
            for array in arrays:
                assert type(array) is type(right)
                np.testing.assert_array_equal(array, right)


def test_entries_of_two_inputs() -> None:
    ports = tuple(
        Port(name, (2, 3, 4), (2, 4, 3), order, "float32") for name, order in (("p", (0, 2, 1)), ("q", (0, 1, 2)))
    )
    t = Translation(None, None, LayerMap(()), None, ports, ports, "torch", "onnx")
    value = np.zeros((2, 3, 4), np.float32)
    found = translate_data([{"p": [value, value], "q": [value] * 3}, [value, value], [[value, value]] * 3], "onnx", t)
    assert [a.shape for a in found[0]["p"]] == [(2, 4, 3)] * 2
    assert [a.shape for a in found[0]["q"]] == [(2, 3, 4)] * 3
    assert [a.shape for a in found[1]] == [(2, 4, 3), (2, 3, 4)]
    assert [[a.shape for a in row] for row in found[2]] == [[(2, 4, 3), (2, 3, 4)]] * 3


def test_a_tensor_of_a_third_framework_is_refused() -> None:
    port = Port("x", (2, 3), (2, 3), (0, 1), "float32")
    t = Translation(None, None, LayerMap(()), None, (port,), (port,), "torch", "onnx")
    with pytest.raises(InvalidArgumentError, match="belongs to neither side"):
        t.to_target(require("tensorflow").zeros((2, 3)))


def test_a_layer_object_of_another_model_is_refused(translation) -> None:
    class Conv:
        name = "conv"

    with pytest.raises(UnknownLayerError, match=r"Conv\(…\)"):
        translation.layers.to_target(Conv())
    row = translation.layers.to_target("conv")
    assert translation.layers.to_target(row.source) is row


@given(st.permutations(range(4)), st.lists(st.integers(1, 4), min_size=4, max_size=4))
def test_there_and_back(order, shape) -> None:
    require("tensorflow")
    port = Port("x", tuple(shape), tuple(shape[k] for k in order), tuple(order), "float64")
    t = Translation(None, None, LayerMap(()), None, (port,), (port,), "torch", "tensorflow")
    value = np.random.default_rng(0).random(shape)
    np.testing.assert_array_equal(t.to_source(t.to_target(value)), value)
    np.testing.assert_array_equal(translate_data(translate_data(value, "keras", t), "pytorch", t), value)
