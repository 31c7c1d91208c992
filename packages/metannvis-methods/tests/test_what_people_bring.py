"""Models and inputs as people bring them: values as of the plain model, or an error that says what to do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from metannvis_methods import explain
from metannvis_methods.errors import InvalidArgumentError
from metannvis_translate import save_model, translate
from metannvis_translate.frameworks.requirements import require

torch = require("torch")
tf: Any = require("tensorflow")
keras: Any = require("keras")
X = np.random.default_rng(0).standard_normal((2, 3, 8, 10)).astype("float32")
LAST = np.ascontiguousarray(X.transpose(0, 2, 3, 1))
PLAIN: dict[str, dict[str, Any]] = {
    "captum": {"toolset": "captum", "abs": False, "target": 1},
    "tf-keras-vis": {
        "toolset": "tf-keras-vis",
        "gradient_modifier": None,
        "keepdims": True,
        "normalize_map": False,
        "target": 1,
    },
}


class Network(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.act, self.fc = torch.nn.Conv2d(3, 4, 3), torch.nn.Tanh(), torch.nn.Linear(4, 3)

    def forward(self, x: Any) -> Any:
        return self.fc(self.act(self.conv(x)).mean((2, 3)))


def network() -> Any:
    torch.manual_seed(0)
    return Network().eval()


def gradient(model: Any, x: np.ndarray = X) -> np.ndarray:
    """Of output 1, without any of our doings."""
    given = torch.from_numpy(x.astype("float32")).to(next(model.parameters()).dtype).requires_grad_()
    (found,) = torch.autograd.grad(model(given)[:, 1].sum(), given)
    return found.float().numpy()


def keras_network(images: str = "channels_last") -> Any:
    first = images == "channels_first"
    x = inputs = keras.Input((3, 8, 10) if first else (8, 10, 3))
    x = keras.layers.Conv2D(4, 3, activation="tanh", data_format=images)(x)
    model = keras.Model(inputs, keras.layers.Dense(3)(keras.layers.GlobalAveragePooling2D(data_format=images)(x)))
    random = np.random.default_rng(1)
    for weight in model.weights:
        weight.assign(random.standard_normal(weight.shape) * 0.5)
    return model


def keras_gradient(model: Any, x: np.ndarray) -> np.ndarray:
    given = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(given)
        output = model(given, training=False)[:, 1]
    return np.asarray(tape.gradient(output, given))


def saliency(model: Any, x: Any, toolset: str, **words: Any) -> Any:
    return explain(model, "saliency", x, **PLAIN[toolset], **words).values


# --- PyTorch models -----------------------------------------------------------------------------------------------------------


def _weight_norm(model: Any) -> Any:
    torch.nn.utils.parametrizations.weight_norm(model.conv)
    return model


def _spectral_norm(model: Any) -> Any:
    torch.nn.utils.parametrizations.spectral_norm(model.conv)
    return model.eval()


def _pruned(model: Any) -> Any:
    from torch.nn.utils import prune

    prune.l1_unstructured(model.conv, "weight", 0.5)
    return model


def _hooked(model: Any) -> Any:
    model.act.register_forward_hook(lambda module, given, output: output * 2)
    model.fc.register_forward_pre_hook(lambda module, given: (given[0] + 1,))
    return model


def _frozen(model: Any) -> Any:
    return model.requires_grad_(False)


BROUGHT: dict[str, tuple[Callable[[Any], Any], float]] = {
    "compiled": (lambda model: torch.compile(model, backend="eager"), 1e-5),
    "data parallel": (torch.nn.DataParallel, 1e-5),
    "half": (lambda model: model.half(), 1e-2),
    "bfloat16": (lambda model: model.bfloat16(), 5e-2),
    "hooked": (_hooked, 1e-5),
    "frozen": (_frozen, 1e-5),
    "weight norm": (_weight_norm, 1e-5),
    "spectral norm": (_spectral_norm, 1e-5),
    "pruned": (_pruned, 1e-5),
}


@pytest.mark.core(
    *(f"captum-{name}" for name in BROUGHT), "tf-keras-vis-hooked", "tf-keras-vis-half", "tf-keras-vis-pruned"
)
@pytest.mark.parametrize(
    ("toolset", "name"),
    [pytest.param(toolset, name, id=f"{toolset}-{name}") for toolset in PLAIN for name in BROUGHT],
)
def test_models(toolset: str, name: str) -> None:
    change, tolerance = BROUGHT[name]
    model = change(network())
    plain = change(network())
    before = {key: value.clone() for key, value in model.state_dict().items()}
    expected = gradient(plain)
    found = saliency(model, X, toolset)
    assert np.abs(found - expected).max() <= tolerance * np.abs(expected).max()
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize("method", ["saliency", "rise"])
@pytest.mark.parametrize(
    ("make", "says"),
    [
        (
            lambda: torch.nn.Sequential(torch.nn.LazyConv2d(4, 3), torch.nn.Flatten(), torch.nn.LazyLinear(3)),
            "lazy layers",
        ),
        (lambda: Network().to("meta"), "'conv.weight': it is on the device 'meta'"),
    ],
    ids=["lazy", "meta"],
)
def test_models_without_weights(make: Any, says: str, method: str) -> None:
    for toolset in ("captum", "tf-keras-vis") if method == "saliency" else ("metannvis",):
        with pytest.raises(InvalidArgumentError, match=says):
            explain(make().eval(), method, X, toolset=toolset, target=1)
    with pytest.raises(InvalidArgumentError, match=says):
        translate(make().eval(), "keras", example_inputs=X)


# --- Keras models -------------------------------------------------------------------------------------------------------------


class Subclassed(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.pool = keras.layers.Conv2D(4, 3), keras.layers.GlobalAveragePooling2D()
        self.fc = keras.layers.Dense(3)

    def call(self, x: Any) -> Any:
        return self.fc(self.pool(self.conv(x)))


@pytest.mark.parametrize("toolset", PLAIN)
@pytest.mark.parametrize(
    "make",
    [Subclassed, lambda: keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(3)])],
    ids=["subclassed", "sequential"],
)
def test_a_keras_model_that_was_not_built_has_no_weights(make: Any, toolset: str) -> None:
    """They would be drawn by the call, and what came out be of no model that anybody has."""
    model = make()
    with pytest.raises(InvalidArgumentError, match="has not been built, so it has no weights yet"):
        saliency(model, LAST, toolset)
    assert not model.built
    model(LAST)
    np.testing.assert_allclose(saliency(model, LAST, toolset), keras_gradient(model, LAST), rtol=1e-4, atol=1e-6)


def test_values_of_a_channels_first_keras_model_lie_as_its_inputs() -> None:
    model = keras_network("channels_first")
    twin = keras_network()
    expected = keras_gradient(twin, LAST).transpose(0, 3, 1, 2)
    found = explain(model, "saliency", X, **PLAIN["tf-keras-vis"])
    assert (found.axes, found.values.shape) == ("NCHW", X.shape)
    np.testing.assert_allclose(found.values, expected, rtol=1e-4, atol=1e-6)


# --- inputs -------------------------------------------------------------------------------------------------------------------

INPUTS: dict[str, Callable[[np.ndarray], Any]] = {
    "list": lambda x: x.tolist(),
    "other byte order": lambda x: x.astype(x.dtype.newbyteorder(">")),
    "long double": lambda x: x.astype(np.longdouble),
    "float64": lambda x: x.astype("float64"),
    "read only": lambda x: np.frombuffer(x.tobytes(), x.dtype).reshape(x.shape),
    "not contiguous": lambda x: np.repeat(x, 2, 3)[..., ::2],
    "needs a gradient": lambda x: torch.from_numpy(x).requires_grad_(),
    "not a leaf": lambda x: torch.from_numpy(x).requires_grad_() * 1,
    "sparse": lambda x: torch.from_numpy(x).to_sparse(),
    "channels last in memory": lambda x: torch.from_numpy(x).to(memory_format=torch.channels_last),
}
KERAS_INPUTS: dict[str, Callable[[np.ndarray], Any]] = {
    **{name: make for name, make in INPUTS.items() if name in ("list", "other byte order", "long double", "read only")},
    "constant": tf.constant,
    "variable": tf.Variable,
}


@pytest.mark.parametrize("toolset", PLAIN)
def test_inputs_of_a_pytorch_model(toolset: str) -> None:
    model = network()
    expected = gradient(model)
    for name, make in INPUTS.items():
        given = make(X)
        np.testing.assert_allclose(saliency(model, given, toolset), expected, rtol=1e-4, atol=1e-6, err_msg=name)
        assert not isinstance(given, torch.Tensor) or not given.is_leaf or given.grad is None, name


@pytest.mark.parametrize("toolset", PLAIN)
def test_inputs_of_a_keras_model(toolset: str) -> None:
    model = keras_network()
    expected = keras_gradient(model, LAST)
    for name, make in KERAS_INPUTS.items():
        np.testing.assert_allclose(saliency(model, make(LAST), toolset), expected, rtol=1e-4, atol=1e-6, err_msg=name)


def test_tensors_of_another_framework_before_there_is_a_translation() -> None:
    with pytest.raises(InvalidArgumentError, match="its inputs are tensors of another framework.*give arrays"):
        saliency(network(), tf.constant(LAST), "tf-keras-vis")


# --- files --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["my nét (copy) №1", "模型"])
@pytest.mark.parametrize("ending", ["pt2", "keras", "onnx"])
def test_files_are_called_as_people_call_them(ending: str, name: str, tmp_path: Path) -> None:
    folder = tmp_path / f"Ordner {name}"
    folder.mkdir()
    path, x, toolset = folder / f"{name}.{ending}", X, "captum"
    if ending == "keras":
        model = keras_network()
        save_model(model, path)
        x, toolset, expected = LAST, "tf-keras-vis", keras_gradient(model, LAST)
    else:
        model = network()
        expected = gradient(model)
        if ending == "onnx":
            translate(model, "onnx", example_inputs=X).save(path)
        else:
            torch.export.save(torch.export.export(model, (torch.from_numpy(X),)), path)
    np.testing.assert_allclose(saliency(path, x, toolset), expected, rtol=1e-4, atol=1e-6)
