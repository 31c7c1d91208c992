from __future__ import annotations

import pytest
from metannvis_cli.declared import Declared, declared_inputs
from metannvis_translate import detect_framework, load_model


@pytest.mark.parametrize(
    ("name", "shape", "first"),
    [
        ("net.pt2", (None, 3, 6, 5), True),
        ("net.onnx", (None, 3, 6, 5), True),
        ("net.keras", (None, 6, 5, 3), False),
    ],
)
def test_what_files_declare(models, name, shape, first):
    model = load_model(models / name)
    (port,) = declared_inputs(model, detect_framework(model))
    assert (port.shape, port.channels_first) == (shape, first)
    assert (port.channels, port.size) == (3, (6, 5))


def test_a_module_declares_nothing_unless_the_caller_does(models, monkeypatch):
    monkeypatch.syspath_prepend(str(models))
    model = load_model(models / "net.pt", architecture="architecture:make")
    assert declared_inputs(model, "torch") == ()
    assert declared_inputs(model, "torch", (1, 3, 6, 5)) == (Declared("input", (1, 3, 6, 5), channels_first=True),)


def test_an_onnx_model_that_came_from_tensorflow_has_its_channels_last():
    from onnx import TensorProto, helper

    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 224, 200, 3])
    model = helper.make_model(helper.make_graph([], "g", [value], []))
    (port,) = declared_inputs(model, "onnx")
    assert not port.channels_first
    assert (port.channels, port.size) == (3, (224, 200))


def test_a_saved_model_declares_what_its_signature_takes(tmp_path):
    import tensorflow as tf

    module = tf.Module()
    module.scale = tf.Variable(2.0)

    @tf.function(
        input_signature=[
            tf.TensorSpec((None, 6, 5, 3), tf.float32, name="image"),
            tf.TensorSpec(None, tf.float32, name="weights"),
        ]
    )
    def scaled(image, weights):
        return {"y": image * module.scale * tf.reduce_sum(weights)}

    tf.saved_model.save(module, tmp_path / "saved", signatures=scaled)
    model = load_model(tmp_path / "saved")
    assert declared_inputs(model, "tensorflow") == (Declared("image", (None, 6, 5, 3), channels_first=False),)


def test_an_onnx_input_of_unknown_shape_is_left_out():
    from onnx import TensorProto, helper

    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in (("x", None), ("y", [2, 3]))
    ]
    model = helper.make_model(helper.make_graph([], "g", values, []))
    assert declared_inputs(model, "onnx") == (Declared("y", (2, 3), channels_first=True),)


def test_images_without_an_axis_for_channels():
    port = Declared("x", (None, 8, 9), channels_first=False)
    assert (port.is_image, port.channels, port.size) == (True, 1, (8, 9))
    assert not Declared("x", (None, 8), channels_first=False).is_image
