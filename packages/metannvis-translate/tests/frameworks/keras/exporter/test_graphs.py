"""Whole Keras graphs: nested, shared, several inputs and outputs, subclassed; names, provenance, memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from metannvis_translate.errors import InvalidArgumentError, MissingArgumentError, UnsupportedOperatorError
from metannvis_translate.frameworks.keras.exporter.layers import keras_layer, layers
from metannvis_translate.frameworks.requirements import require
from metannvis_translate.graph.metadata import BUFFER, LAYER, exact_value

require("torch")  # before TensorFlow, see metannvis_translate.frameworks.require
keras = require("keras")

from keras import layers as L  # noqa: E402
from metannvis_translate.frameworks.keras.plugin import framework  # noqa: E402


def export(model: Any, inputs: Any = None, dtype: str | None = None) -> Any:
    return framework.export(model, inputs, dtype=dtype, progress=lambda done, total, stage: None)


def residual(name: str, channels: int, size: tuple[int | None, int | None]) -> Any:
    """A nested model with a nested model in it."""
    x = keras.Input((*size, channels))
    inner_input = keras.Input((*size, channels))
    y = L.Conv2D(channels, (3, 2), padding="same", name="conv1")(inner_input)
    inner = keras.Model(inner_input, L.BatchNormalization(name="norm")(y), name="inner")
    y = L.ReLU(name="relu")(inner(x))
    return keras.Model(x, L.Add(name="add")([x, y]), name=name)


def network(size: tuple[int | None, int | None] = (20, 28)) -> Any:
    """RGB landscape images, asymmetric padding, a nested block called twice, a shared layer."""
    image = keras.Input((*size, 3), name="image")
    x = L.ZeroPadding2D(((1, 0), (2, 1)), name="pad")(image)
    x = L.Conv2D(5, 3, strides=2, activation="relu", name="stem")(x)
    block = residual("block", 5, (None, None))
    x = block(block(x))
    drop = L.Dropout(0.3, name="drop")
    x = drop(L.MaxPooling2D(3, 2, "same", name="pool")(drop(x)))
    x = L.GlobalAveragePooling2D(name="mean")(x)
    return keras.Model(image, L.Dense(4, activation="softmax", name="out")(x), name="network")


NAMES = [
    "pad", "stem", "block/inner/conv1", "block/inner/norm", "block/inner", "block/relu", "block/add", "block",
    "block/inner/conv1:2", "block/inner/norm:2", "block/inner:2", "block/relu:2", "block/add:2", "block:2",
    "drop", "pool", "drop:2", "mean", "out",
]  # fmt: skip


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_nested_and_shared(batch: int, compare_export: Any, randomized: Any) -> None:
    model = randomized(network())
    compare_export(model, batch=batch)
    hub = compare_export(model, batch=batch, dtype="float64", tolerance=1e-9)
    assert [layer.info.name for layer in hub.layers] == NAMES
    assert [layer.info.name for layer in hub.layers if layer.info.parent] == [
        "block/inner",
        "block",
        "block/inner:2",
        "block:2",
    ]


def test_every_node_says_where_it_comes_from() -> None:
    hub = export(network())
    named = {layer.info.name for layer in hub.layers if not layer.info.parent}
    assert {node.metadata_props[LAYER] for node in hub.model.graph} == named


def test_layer_objects_are_the_callers_own() -> None:
    model = network()
    for dtype in (None, "float64"):
        ids = {layer.info.name: layer.object_id for layer in export(model, dtype=dtype).layers}
        block = model.get_layer("block")
        assert ids["block"] == ids["block:2"] == id(block)
        assert ids["block/inner/conv1:2"] == id(block.get_layer("inner").get_layer("conv1"))


def test_free_image_size(compare_export: Any, randomized: Any) -> None:
    """Strides and ``same`` padding of an image whose size is not known."""
    compare_export(randomized(network((None, None))), batch=2)


def test_shared_weights_stand_once_and_are_not_copied(randomized: Any) -> None:
    model = randomized(network())
    hub = export(model)
    initializers = hub.model.graph.initializers
    assert {name for name in initializers if name.startswith("block")} == {
        *(f"block/inner/conv1/{name}" for name in ("bias", "kernel")),
        *(f"block/inner/norm/{name}" for name in ("beta", "gamma", "moving_mean", "moving_variance")),
    }
    assert {name for name, value in initializers.items() if BUFFER in value.metadata_props} == {
        "block/inner/norm/moving_mean",
        "block/inner/norm/moving_variance",
    }
    first, second = (export(model).model.graph.initializers["stem/kernel"].const_value.numpy() for _ in range(2))
    assert np.shares_memory(first, second)
    before = first.copy()
    stem = model.get_layer("stem")
    stem.kernel.assign(stem.kernel * 2)
    np.testing.assert_array_equal(first, before)


def test_exact_values() -> None:
    image = keras.Input((4, 4, 3))
    x = L.BatchNormalization(epsilon=0.001)(image)
    x = L.LeakyReLU(0.3)(x) * 0.1
    nodes = {node.op_type: node for node in export(keras.Model(image, x)).model.graph}
    assert exact_value(nodes["BatchNormalization"], "epsilon") == 0.001
    assert exact_value(nodes["LeakyRelu"], "alpha") == float(np.float32(0.3))
    assert exact_value(nodes["Constant"], "value") == 0.1


def test_several_inputs_and_outputs(compare_export: Any, randomized: Any) -> None:
    image, vector, flag = (
        keras.Input((6, 5, 2), name="image"),
        keras.Input((4,), name="vector"),
        keras.Input((1,), name="flag", dtype="int32"),
    )
    shared = L.Dense(4, activation="tanh", name="shared")
    a = L.Dense(4, name="first")(L.Flatten(name="flat")(image))
    x = L.Concatenate(name="both")([shared(a), shared(vector)])
    y = x * keras.ops.cast(flag, "float32") + 0.5
    model = keras.Model({"image": image, "vector": vector, "flag": flag}, {"b": y, "a": x, "c": image})
    hub = compare_export(randomized(model), batch=3)
    compare_export(model, batch=3, dtype="float64", tolerance=1e-9)
    assert [port.name for port in hub.inputs] == ["flag", "image", "vector"]
    assert len({port.value for port in hub.outputs}) == len({port.name for port in hub.outputs}) == 3
    assert set(hub.unflatten([0, 1, 2])) == {"a", "b", "c"}


def test_sequential_without_input_is_built_by_the_example(compare_export: Any) -> None:
    model = keras.Sequential([L.Conv2D(3, 3, name="conv"), L.ReLU(name="relu"), L.Flatten(), L.Dense(2, name="out")])
    with pytest.raises(InvalidArgumentError, match="has not been built"):
        export(model)
    x = np.random.default_rng(0).normal(size=(2, 8, 6, 3)).astype("float32")
    model(x)
    hub = compare_export(model, batch=5)  # Keras does not hold it to the batch of its first call
    assert hub.fixed_batch is None
    assert hub.inputs[0].shape == (None, 8, 6, 3)
    fresh = keras.Sequential([L.Flatten(), L.Dense(2, name="out")])
    assert export(fresh, [x]).layers[-1].info.shape == (None, 2)


def test_fixed_batch(compare_export: Any) -> None:
    x = keras.Input((4,), batch_size=3)
    hub = compare_export(keras.Model(x, L.Dense(2)(x)), batch=3)
    assert hub.fixed_batch == 3
    assert hub.outputs[0].shape == (3, 2)


class Block(L.Layer):
    """A layer of the caller's own that holds others."""

    def __init__(self, units: int, **options: Any) -> None:
        super().__init__(**options)
        self.units = units
        self.first = L.Dense(units, name="first")
        self.norm = L.BatchNormalization(name="norm")

    def call(self, x: Any, training: Any = None) -> Any:
        return keras.ops.relu(self.norm(self.first(x), training=training)) + x

    def get_config(self) -> Any:
        return {**super().get_config(), "units": self.units}


class Scale(L.Layer):
    """A layer of the caller's own with a weight and operations."""

    def build(self, shape: Any) -> None:
        self.factor = self.add_weight(name="factor", shape=(shape[-1],))

    def call(self, x: Any) -> Any:
        return x * self.factor + 0.1


class Subclassed(keras.Model):
    """A model whose graph is its ``call``."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.one, self.two = Block(4, name="one"), Block(4, name="two")
        self.scale, self.out = Scale(name="scale"), L.Dense(3, name="out")

    def call(self, x: Any) -> Any:
        return self.out(self.scale(self.two(self.one(self.one(x)))))


def test_layers_of_the_callers_own_are_traced(compare_export: Any, randomized: Any) -> None:
    x = keras.Input((4,))
    model = randomized(keras.Model(x, Scale(name="scale")(Block(4, name="block")(x))))
    nodes = [(len(layer._inbound_nodes), len(layer._outbound_nodes)) for layer in model._flatten_layers()]
    hub = compare_export(model, batch=3)
    compare_export(model, batch=3, dtype="float64", tolerance=1e-9)
    assert [layer.info.name for layer in hub.layers] == ["block/first", "block/norm", "block", "scale"]
    assert nodes == [(len(layer._inbound_nodes), len(layer._outbound_nodes)) for layer in model._flatten_layers()]


def test_subclassed_model(compare_export: Any, randomized: Any) -> None:
    model = Subclassed()
    x = np.random.default_rng(0).normal(size=(2, 4)).astype("float32")
    model(x)
    hub = compare_export(randomized(model), batch=2, inputs=[x])
    compare_export(model, batch=2, inputs=[x], dtype="float64", tolerance=1e-9)
    assert [layer.info.name for layer in hub.layers] == [
        "one/first", "one/norm", "one", "one/first:2", "one/norm:2", "one:2", "two/first", "two/norm", "two", "scale", "out",
    ]  # fmt: skip
    with pytest.raises(MissingArgumentError, match="example_inputs"):
        export(model)


def test_functional_model_that_changes_its_call(compare_export: Any, randomized: Any) -> None:
    class Doubled(keras.Model):
        def call(self, x: Any, training: Any = None, mask: Any = None) -> Any:
            return 2 * super().call(x)

    x = keras.Input((4,))
    inner = Doubled(inputs=x, outputs=L.Dense(4, name="dense")(x), name="inner")
    y = keras.Input((4,))
    hub = compare_export(randomized(keras.Model(y, L.ReLU(name="relu")(inner(y)))), batch=2)
    assert [layer.info.name for layer in hub.layers] == ["inner/dense", "inner", "relu"]


def test_adapted_normalization(compare_export: Any) -> None:
    data = np.random.default_rng(0).normal(size=(50, 4), loc=3).astype("float32")
    layer = L.Normalization()
    layer.adapt(data)
    x = keras.Input((4,))
    model = keras.Model(x, layer(x))
    compare_export(model, batch=2)
    compare_export(model, batch=2, dtype="float64", tolerance=1e-9)


def test_converter_for_a_layer_of_the_callers_own(compare_export: Any, randomized: Any) -> None:
    @keras_layer(Scale)
    def scale(e: Any, layer: Any, x: Any) -> Any:
        return e.emit("Add", e.emit("Mul", x, e.weight_of(layer, "factor")), e.scalar(0.1, x))

    try:
        x = keras.Input((4,))
        hub = compare_export(randomized(keras.Model(x, Scale(name="scale")(x))), batch=3)
        assert [node.op_type for node in hub.model.graph] == ["Mul", "Constant", "Add"]
    finally:
        layers.remove(Scale)


def test_subclass_that_changes_what_a_layer_does_is_not_taken_for_it(compare_export: Any, randomized: Any) -> None:
    class Twice(L.Dense):
        def call(self, x: Any, training: Any = None) -> Any:
            return 2 * super().call(x)

    class Biased(L.Conv2D):
        def convolution_op(self, inputs: Any, kernel: Any) -> Any:
            return super().convolution_op(inputs, kernel) + 1

    x = keras.Input((7, 5, 3))
    model = randomized(keras.Model(x, Biased(2, 3, name="biased")(Twice(3, name="twice")(x))))
    compare_export(model, batch=2)


def test_layer_of_raw_tensorflow_is_what_tensorflow_makes_of_it(randomized: Any, compare_export: Any) -> None:
    tf = require("tensorflow")

    class Raw(L.Layer):
        def build(self, shape: Any) -> None:
            self.scale = self.add_weight(shape=(shape[-1],), name="scale")

        def call(self, x: Any) -> Any:
            rows = tf.reshape(x, [tf.shape(x)[0], -1])
            return tf.concat([tf.nn.relu(x) * self.scale, tf.broadcast_to(tf.reduce_max(rows), tf.shape(x))], axis=-1)

        def compute_output_shape(self, shape: Any) -> Any:
            return (*shape[:-1], 2 * shape[-1])

    x = keras.Input((3, 4))
    model = randomized(keras.Model(x, L.Dense(2, name="dense")(Raw(name="raw")(x))))
    hub = compare_export(model, batch=2)
    assert {layer.info.name for layer in hub.layers} >= {"raw", "dense"}


def test_model_of_raw_tensorflow_is_what_tensorflow_makes_of_it(randomized: Any, compare_export: Any) -> None:
    tf = require("tensorflow")

    class Raw(keras.Model):
        def __init__(self) -> None:
            super().__init__(name="raw")
            self.dense = L.Dense(3)

        def call(self, x: Any) -> Any:
            return tf.nn.softmax(self.dense(tf.nn.relu(x)))

    data = np.random.default_rng(0).normal(size=(2, 4)).astype("float32")
    model = Raw()
    model(data)
    hub = compare_export(randomized(model), batch=2, inputs=[data])
    assert len(hub.model.graph.initializers) == 2


def test_layer_that_changes_its_variables_is_refused() -> None:
    tf = require("tensorflow")

    class Counting(L.Layer):
        def build(self, shape: Any) -> None:
            self.count = self.add_weight(shape=(), initializer="zeros", trainable=False)

        def call(self, x: Any) -> Any:
            self.count.assign(tf.reduce_sum(x))
            return tf.nn.relu(x) + self.count

        def compute_output_shape(self, shape: Any) -> Any:
            return shape

    x = keras.Input((4,))
    model = keras.Model(x, Counting(name="counting")(x))
    with pytest.raises(UnsupportedOperatorError, match=r"Counting.*'counting'.*it changes its variables"):
        export(model)


class Counted(L.Layer):
    """Multiplies by the number of its calls."""

    def build(self, shape: Any) -> None:
        self.count = self.add_weight(shape=(), initializer="zeros", trainable=False, name="count")

    def call(self, x: Any) -> Any:
        self.count.assign_add(1.0)
        return x * self.count


class Noisy(L.Layer):
    """Adds numbers that it draws anew each time, of a shape that is known before."""

    def __init__(self) -> None:
        super().__init__()
        self.seeds = keras.random.SeedGenerator(1)

    def call(self, x: Any) -> Any:
        return x + keras.random.normal((1, 4), seed=self.seeds)


@pytest.mark.parametrize(("layer", "named"), [(Counted, "count"), (Noisy, "seed_generator_state")])
def test_a_variable_that_each_call_changes_is_named_and_kept(layer: type[L.Layer], named: str) -> None:
    x = keras.Input((4,))
    model = keras.Model(x, layer()(x))
    before = [variable.numpy().copy() for variable in model.variables]
    with pytest.raises(UnsupportedOperatorError, match=rf"each call changes a variable \(\S*{named}"):
        export(model)
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)


class Always(L.Layer):
    """Runs a layer in training mode, whatever its own mode is."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner

    def call(self, x: Any) -> Any:
        return self.inner(x, training=True)


@pytest.mark.parametrize(
    ("inner", "named"),
    [
        pytest.param(lambda: L.Dropout(0.5), "dropout", id="dropout"),
        pytest.param(lambda: L.GaussianNoise(0.5), "gaussian_noise", id="noise"),
        pytest.param(lambda: L.BatchNormalization(), "batch_normalization", id="batch-normalization"),
        pytest.param(lambda: keras.Sequential([L.Dense(4), L.Dropout(0.5)]), "sequential", id="inside-another"),
    ],
)
def test_layers_that_are_always_in_training_are_refused(inner: Callable[[], Any], named: str) -> None:
    x = keras.Input((4,))
    model = keras.Model(x, L.Dense(2)(Always(inner())(x)))
    with pytest.raises(UnsupportedOperatorError, match=rf"its call runs '{named}\S* in training mode"):
        export(model)


@pytest.mark.parametrize("inner", [lambda: L.Dropout(0), lambda: L.BatchNormalization(trainable=False)])
def test_layers_in_training_mode_that_do_as_in_inference_are_exported(inner: Callable[[], Any], evaluate: Any) -> None:
    x = keras.Input((4,))
    model = keras.Model(x, Always(inner())(x))
    data = np.random.default_rng(0).random((3, 4), np.float32)
    hub = export(model)
    found = evaluate(hub, {hub.inputs[0].value: data}, [])[hub.outputs[0].value]
    np.testing.assert_allclose(found, model.predict(data, verbose=0), rtol=1e-6)


def test_raw_tensorflow_without_converter_is_refused() -> None:
    tf = require("tensorflow")

    class Raw(L.Layer):
        def call(self, x: Any) -> Any:
            return x + tf.random.normal(tf.shape(x))

        def compute_output_shape(self, shape: Any) -> Any:
            return shape

    x = keras.Input((4,))
    model = keras.Model(x, Raw(name="raw")(x))
    with pytest.raises(UnsupportedOperatorError, match=r"Raw.*'raw'.*RandomStandardNormal.*keras_layer"):
        export(model)


def test_half_precision_is_cast_as_keras_casts(randomized: Any, evaluate: Any) -> None:
    x = keras.Input((4,))
    y = L.Dense(3, dtype="mixed_float16")(L.Dense(4, dtype="mixed_float16", activation="relu")(x))
    model = randomized(keras.Model(x, L.Activation("softmax", dtype="float32")(y)))
    hub = export(model)
    data = np.random.default_rng(0).normal(size=(2, 4)).astype("float32")
    found = evaluate(hub, {hub.inputs[0].value: data}, [])[hub.outputs[0].value]
    np.testing.assert_allclose(found, np.asarray(model(data)), atol=2e-3)
