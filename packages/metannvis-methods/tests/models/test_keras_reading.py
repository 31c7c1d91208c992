"""Variables of Keras models that are read at once: the same memory, every way of changing them noticed, nothing kept alive."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from metannvis_methods import explain
from metannvis_methods.models.registry import adapter_for
from metannvis_translate.frameworks.requirements import require

#: Keras writes weights into files with older words of NumPy.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
#: Layers of the network, each with four variables: more than are read one by one.
DEPTH = 8


def network() -> Any:
    keras = require("keras")
    keras.utils.set_random_seed(0)
    layers: list[Any] = [keras.Input((5,))]
    for _ in range(DEPTH):
        layers += [keras.layers.Dense(5), keras.layers.BatchNormalization()]
    return keras.Sequential([*layers, keras.layers.Dense(3)])


def reading() -> Any:
    require("keras")
    import metannvis_methods.models.keras_reading as module

    return module


def ways(model: Any, tmp_path: Path) -> dict[str, Callable[[], Any]]:
    """Ways to change one variable of a model, or several."""
    keras, tf = require("keras"), require("tensorflow")
    kernel = model.layers[4].kernel
    inner, statistic = kernel._value, model.layers[1].moving_mean
    other = network()
    other.set_weights([weight + 0.5 for weight in other.get_weights()])
    other.save_weights(tmp_path / "other.weights.h5")
    ones, rows = tf.ones((5, 5)), tf.IndexedSlices(tf.ones((1, 5)), tf.constant([2]))
    larger = tf.reshape(tf.range(32.0 * 16), (32, 16))
    optimizers = [keras.optimizers.SGD(0.1), keras.optimizers.Adam(0.1)]

    def step(optimizer: Any) -> None:
        optimizer.apply([tf.ones_like(weight) for weight in model.trainable_weights], model.trainable_weights)

    def train() -> None:
        model.compile("sgd", "mse")
        model.fit(np.ones((4, 5)), np.ones((4, 3)), verbose=0)

    return {
        "assign": lambda: kernel.assign(ones),
        "assign of what it was made of": lambda: kernel.assign(larger[:5, :5]),
        "assign_add": lambda: kernel.assign_add(ones),
        "assign_sub": lambda: kernel.assign_sub(0.5 * ones),
        "the variable within": lambda: inner.assign(3 * ones),
        "raw": lambda: tf.raw_ops.AssignVariableOp(resource=inner.handle, value=7 * ones),
        "raw addition": lambda: tf.raw_ops.AssignAddVariableOp(resource=inner.handle, value=ones),
        "rows": lambda: inner.scatter_add(rows),
        "rows once more": lambda: inner.scatter_add(rows),
        "raw rows": lambda: tf.raw_ops.ResourceScatterUpdate(
            resource=inner.handle, indices=tf.constant([1]), updates=tf.fill((1, 5), 9.0)
        ),
        "one number": lambda: inner[0, 0].assign(11.0),
        "a statistic": lambda: statistic.assign(statistic + 1e-6),
        "gradient descent": lambda: step(optimizers[0]),
        "Adam": lambda: step(optimizers[1]),
        "load_weights": lambda: model.load_weights(tmp_path / "other.weights.h5"),
        "fit": train,
        "set_weights": lambda: model.set_weights([weight + 1e-3 for weight in model.get_weights()]),
        "inside a function": lambda: tf.function(lambda: inner.assign_add(ones))(),
    }


def test_every_way_of_changing_variables_is_noticed(tmp_path: Path) -> None:
    model, adapter = network(), adapter_for("tensorflow")
    seen = {adapter.fingerprint(model) for _ in range(4)}
    assert len(seen) == 1
    for number, (name, change) in enumerate(ways(model, tmp_path).items(), 2):
        change()
        seen.add(adapter.fingerprint(model))
        assert len(seen) == number, name
        assert adapter.fingerprint(model) in seen and len(seen) == number, name


def test_memory_that_is_held_is_not_written_to(tmp_path: Path) -> None:
    model, module = network(), reading()
    for name, change in ways(model, tmp_path).items():
        arrays = module.arrays_of(module.read_all(model.weights))
        before = [array.copy() for array in arrays]
        change()
        assert all(map(np.array_equal, arrays, before)), name


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
def test_what_is_read_at_once_is_what_each_holds(dtype: str) -> None:
    keras, module = require("keras"), reading()
    variables = [keras.Variable(np.arange(k + 1), dtype=dtype) for k in range(module.SEVERAL)]
    variables += [keras.Variable(k, dtype="int32") for k in range(4)] + [keras.Variable(np.zeros((0, 3)), dtype=dtype)]
    for _ in range(module.WORTH_IT + 1):
        found = module.read_all(variables)
        assert [tensor.dtype.name for tensor in found] == [variable.dtype for variable in variables]
        for tensor, variable in zip(found, variables, strict=True):
            assert np.array_equal(np.asarray(tensor), variable.numpy())
    places = [module.memory_of(module.arrays_of(tensors)) for tensors in (found, map(module.read, variables))]
    assert places[0][:-1] == places[1][:-1]  # an array of no numbers lies nowhere


def test_many_are_read_by_one_operation_and_few_or_others_by_one_each(monkeypatch: pytest.MonkeyPatch) -> None:
    tf, module = require("tensorflow"), reading()
    single: list[Any] = []
    original = module.read_variable_op

    def counted(*given: Any) -> Any:
        single.append(given)
        return original(*given)

    def singly(variables: Sequence[Any]) -> int:
        single.clear()
        for _ in range(module.WORTH_IT):
            module.read_all(variables)
        single.clear()
        module.read_all(variables)
        return len(single)

    monkeypatch.setattr(module, "read_variable_op", counted)
    weights = network().weights
    assert singly(weights) == 0
    assert singly(weights[:3]) == 3
    bare = [tf.Variable(float(k)) for k in range(40)]
    assert singly(bare) == 40
    monkeypatch.setattr(module, "_only_processors", lambda: False)
    assert singly(weights) == len(weights)


def test_within_a_tape_and_within_a_function(rgb: Any) -> None:
    tf, module = require("tensorflow"), reading()
    weights = network().trainable_weights
    for _ in range(module.WORTH_IT):
        module.read_all(weights)
    with tf.GradientTape() as tape:
        tape.watch([weight._value for weight in weights])
        module.read_all(weights)
        loss = tf.reduce_sum(weights[0] * weights[0])
    np.testing.assert_array_equal(tape.gradient(loss, weights[0]._value), 2 * weights[0].numpy())
    total = tf.function(lambda: tf.add_n([tf.reduce_sum(value) for value in module.read_all(weights)]))
    before = float(total())
    weights[0].assign_add(tf.ones_like(weights[0]))
    assert float(total()) == pytest.approx(before + 25)


def test_what_a_toolkit_writes_is_put_back() -> None:
    model, adapter = network(), adapter_for("tensorflow")
    for _ in range(3):
        before = [weight.numpy() for weight in model.weights]
        with adapter.guarded(model):
            model(np.ones((4, 5), np.float32), training=True)
            model.trainable = False
            assert not all(map(np.array_equal, before, [weight.numpy() for weight in model.weights]))
        assert all(map(np.array_equal, before, [weight.numpy() for weight in model.weights]))
        assert model.layers[0].trainable and model.layers[1].gamma.trainable


def test_a_model_that_was_read_goes_with_its_variables() -> None:
    model, adapter = network(), adapter_for("tensorflow")
    for _ in range(3):
        explain(model, "saliency", np.ones((2, 5), np.float32), target=1, toolset="tf-keras-vis")
        adapter.fingerprint(model)
    held = [weakref.ref(model), weakref.ref(model.layers[0]), weakref.ref(model.layers[0].kernel._value)]
    del model
    gc.collect()
    assert [reference() for reference in held] == [None] * 3
