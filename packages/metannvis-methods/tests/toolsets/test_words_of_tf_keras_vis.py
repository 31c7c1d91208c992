"""Objects of tf-keras-vis by word, for models of every framework: what the toolkit makes of its own objects on a native twin."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from metannvis_methods import Explanation, UnfitWarning, describe_method, explain, find_methods
from metannvis_methods.errors import InvalidArgumentError, MetannvisError, UnknownLayerError
from metannvis_methods.registry.option_words import Words
from metannvis_methods.running import request
from metannvis_methods.toolsets.load import import_quietly
from metannvis_translate import translate
from metannvis_translate.frameworks.requirements import require

torch = require("torch")
keras = require("keras")
tf = require("tensorflow")

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*The structure of `inputs`:UserWarning"
)  # the toolkit, called directly

SEED = 3
X = np.random.default_rng(0).uniform(0.1, 0.9, (2, 3, 8, 10))
X_LAST = np.ascontiguousarray(X.transpose(0, 2, 3, 1))
TARGET = [2, 0]
#: Layers as each model names them; what the twin's returns has been through its ReLU.
LAYERS = {
    "torch": {"conv1": "conv1", "relu1": "relu1", "conv2": "conv2", "relu2": "relu2"},
    "onnx": {"conv1": "node_Conv_0", "relu1": "node_Relu_2", "conv2": "node_Conv_4", "relu2": "node_Relu_6"},
    "keras": {"relu1": "conv1", "relu2": "conv2"},
}


class Network(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.relu1 = torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU()
        self.conv2, self.relu2 = torch.nn.Conv2d(4, 5, 3), torch.nn.ReLU()
        self.fc = torch.nn.Linear(5, 3)

    def forward(self, x: Any) -> Any:
        return self.fc(self.relu2(self.conv2(self.relu1(self.conv1(x)))).mean((2, 3)))


@pytest.fixture(scope="module")
def net() -> Any:
    torch.manual_seed(0)
    return Network().double().eval()


@pytest.fixture(scope="module")
def twin(net: Any) -> Any:
    """The same network in Keras, by hand."""
    x = keras.Input((8, 10, 3), dtype="float64", name="image")
    y = x
    for name, channels in (("conv1", 4), ("conv2", 5)):
        y = keras.layers.Conv2D(channels, 3, activation="relu", dtype="float64", name=name)(y)
    y = keras.layers.GlobalAveragePooling2D(dtype="float64")(y)
    model = keras.Model(x, keras.layers.Dense(3, dtype="float64", name="fc")(y))
    for name in ("conv1", "conv2"):
        layer = getattr(net, name)
        kernel, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
        model.get_layer(name).set_weights([kernel.transpose(2, 3, 1, 0), bias])
    model.get_layer("fc").set_weights([net.fc.weight.detach().numpy().T, net.fc.bias.detach().numpy()])
    return model


@pytest.fixture(scope="module")
def models(net: Any, twin: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = tmp_path_factory.mktemp("models") / "net.onnx"
    translate(net, "onnx", example_inputs=torch.from_numpy(X)).save(path)
    return {"torch": net, "onnx": path, "keras": twin}


def theirs(module: str, cls: str, **options: Any) -> Any:
    return getattr(import_quietly(f"tf_keras_vis.{module}"), cls)(**options)


def regularizer(cls: str, **options: Any) -> Any:
    return theirs("activation_maximization.regularizers", cls, **options)


def modifier(cls: str, **options: Any) -> Any:
    return theirs("activation_maximization.input_modifiers", cls, **options)


#: What an ascent is given by word, and the toolkit itself.
ASCENTS: dict[str, tuple[dict[str, Any], Callable[[], dict[str, Any]]]] = {
    "regularizers, a dict": (
        {"regularizers": {"total_variation": 10.0, "norm": {"weight": 0.3, "p": 1}}},
        lambda: {"regularizers": [regularizer("TotalVariation2D"), regularizer("Norm", weight=0.3, p=1)]},
    ),
    "regularizers, a text": (
        {"regularizers": "total_variation:2, norm:0.5"},
        lambda: {"regularizers": [regularizer("TotalVariation2D", weight=2), regularizer("Norm", weight=0.5)]},
    ),
    "regularizers, the toolkit's names": (
        {"regularizer": ["TotalVariation2D", ("Norm", {"p": 3})]},
        lambda: {"regularizers": [regularizer("TotalVariation2D"), regularizer("Norm", p=3)]},
    ),
    "regularizers, words beside objects": (
        {"regularizers": ["total_variation:3", "OBJECT"]},
        lambda: {"regularizers": [regularizer("TotalVariation2D", weight=3), regularizer("Norm", weight=2)]},
    ),
    "two of one name": (
        {"regularizers": [{"norm": {"weight": 3, "p": 1}}, {"norm": {"weight": 5, "p": 2}}]},
        lambda: {
            "regularizers": [
                regularizer("Norm", weight=3, p=1, name="first"),
                regularizer("Norm", weight=5, p=2, name="second"),
            ]
        },
    ),
    "one is off": (
        {"regularizers": {"total_variation": False, "norm": True}},
        lambda: {"regularizers": [regularizer("Norm")]},
    ),
    "jitter and rotate": (
        {"input_modifiers": ["jitter", "rotate"]},
        lambda: {"input_modifiers": [modifier("Jitter"), modifier("Rotate")]},
    ),
    "rotate2d and scale": (
        {"input_modifiers": {"rotate2d": 5, "scale": {"low": 0.8, "high": 1.2}}},
        lambda: {"input_modifiers": [modifier("Rotate2D", degree=5), modifier("Scale", low=0.8, high=1.2)]},
    ),
    "none": ({"input_modifiers": [], "regularizers": []}, dict),
    "adam": ({"optimizer": "adam:0.01"}, lambda: {"optimizer": keras.optimizers.Adam(0.01)}),
    "sgd": (
        {"optimizer": {"sgd": {"learning_rate": 0.05, "momentum": 0.9, "nesterov": True}}},
        lambda: {"optimizer": keras.optimizers.SGD(0.05, 0.9, True)},
    ),
    "a gradient's function": (
        {"gradient_modifier": "l2_normalize"},
        lambda: {
            "gradient_modifier": lambda g: g / tf.sqrt(tf.reduce_sum(g**2, axis=[1, 2, 3], keepdims=True)),
        },
    ),
    "an input's function": (
        {"activation_modifiers": {"clip": {"low": 0.3, "high": 0.6}}},
        lambda: {"activation_modifiers": lambda x: tf.clip_by_value(x, 0.3, 0.6)},
    ),
    "a layer": (
        {"model_modifier": {"extract": "relu1"}},
        lambda: {"model_modifier": theirs("utils.model_modifiers", "ExtractIntermediateLayer", index_or_name="conv1")},
    ),
}


@pytest.mark.parametrize("source", ["torch", "onnx", "keras"])
@pytest.mark.parametrize("name", ASCENTS)
def test_an_ascent_by_word_is_that_of_the_objects(name: str, source: str, models: dict[str, Any]) -> None:
    words, objects = ASCENTS[name]
    given = {"optimizer": "sgd:0.5", "input_modifiers": [], "regularizers": [], **words}
    if "OBJECT" in str(words):
        given["regularizers"] = [words["regularizers"][0], regularizer("Norm", weight=2)]
    if "model_modifier" in words:
        given["model_modifier"] = {"extract": LAYERS[source]["relu1"]}
    if "regularizer" in words:
        del given["regularizers"]
    direct = {"optimizer": keras.optimizers.SGD(0.5), "input_modifiers": [], "regularizers": None, **objects()}
    generator = np.random.default_rng(SEED)
    for one in direct["input_modifiers"]:
        one.random_generator = generator
    np.random.seed(SEED)  # noqa: NPY002  # what the toolkit draws from
    method = theirs(
        "activation_maximization",
        "ActivationMaximization",
        model=models["keras"],
        model_modifier=direct.pop("model_modifier", None),
    )
    score = theirs("utils.scores", "CategoricalScore", indices=TARGET)
    expected = np.asarray(method(score, tf.constant(X_LAST), steps=4, input_range=(0.0, 1.0), **direct))
    first = source == "torch" or source == "onnx"
    found = explain(
        models[source], "activation_maximization", X if first else X_LAST, target=TARGET, toolset="tf-keras-vis",
        seed=SEED, steps=4, input_range=(0.0, 1.0), translation={"dtype": "float64"} if first else None, **given,
    )  # fmt: skip
    values = found.values.transpose(0, 2, 3, 1) if first else found.values
    assert np.abs(values - X_LAST).max() > 1e-3
    np.testing.assert_allclose(values, expected, rtol=1e-6, atol=1e-9)


def test_axes_and_inputs_are_the_callers(models: dict[str, Any]) -> None:
    words: dict[str, Any] = {
        "target": TARGET,
        "toolset": "tf-keras-vis",
        "seed": SEED,
        "steps": 2,
        "input_range": (0.0, 1.0),
    }
    last = explain(
        models["keras"],
        "activation_maximization",
        X_LAST,
        input_modifiers={"image": ("rotate", {"degree": 9, "axes": (2, 1)})},
        **words,
    )
    first = explain(
        models["torch"],
        "activation_maximization",
        X,
        input_modifiers={"x": {"rotate": {"degree": 9, "axes": (3, 2)}}},
        translation={"dtype": "float64"},
        **words,
    )
    np.testing.assert_allclose(first.values.transpose(0, 2, 3, 1), last.values, rtol=1e-6, atol=1e-9)


def test_each_input_has_its_own() -> None:
    image, row = keras.Input((6, 6, 1), name="image"), keras.Input((4,), name="row")
    joined = keras.layers.Concatenate()([keras.layers.Flatten()(keras.layers.Conv2D(2, 3)(image)), row])
    model = keras.Model([image, row], keras.layers.Dense(3)(joined))
    x = (np.full((1, 6, 6, 1), 0.5, "float32"), np.full((1, 4), 0.5, "float32"))
    words: dict[str, Any] = {
        "target": 1, "toolset": "tf-keras-vis", "steps": 3, "seed": 1, "input_range": (0.0, 1.0), "optimizer": "sgd:1",
    }  # fmt: skip

    def ascent(**options: Any) -> Any:
        return explain(model, "activation_maximization", x, **words, **{"input_modifiers": [], **options}).values

    plain = ascent(regularizers=[])
    for by in ({"row": "norm:50"}, [[], ["norm:50"]], [None, "norm:50"]):
        found = ascent(regularizers=by)
        np.testing.assert_allclose(found[0], plain[0], rtol=1e-5, atol=1e-6)
        assert np.abs(found[1] - plain[1]).max() > 1e-2
    both = ascent(regularizers="norm:50")
    np.testing.assert_allclose(both[1], found[1], rtol=1e-5, atol=1e-6)
    assert np.abs(both[0] - plain[0]).max() > 1e-3
    squared = ascent(regularizers=[], activation_modifiers={"row": "square"})
    np.testing.assert_allclose(squared[1], plain[1] ** 2, rtol=1e-5)
    np.testing.assert_allclose(squared[0], plain[0], rtol=1e-5)
    with pytest.raises(InvalidArgumentError, match=r"total_variation is for inputs of 4 axes.* input 'row' has shape"):
        ascent(regularizers="total_variation")
    with pytest.raises(InvalidArgumentError, match="no input 'rows'. Close: row"):
        ascent(regularizers={"rows": "norm"})
    with pytest.raises(InvalidArgumentError, match="3 lists for 2 inputs"):
        ascent(regularizers=[["norm"], [], []])


def forms() -> dict[str, Any]:
    """One network, its ReLUs in every form that Keras has."""

    def made(name: str) -> Any:
        x = keras.Input((8, 10, 3), dtype="float64")
        inner = x
        for k, channels in enumerate((4, 5)):
            fused = "relu" if name == "fused" else None
            inner = keras.layers.Conv2D(channels, 3, activation=fused, dtype="float64", name=f"c{k}")(inner)
            if name == "layer":
                inner = keras.layers.ReLU(dtype="float64")(inner)
            if name == "activation":
                inner = keras.layers.Activation("relu", dtype="float64")(inner)
            if name in ("operation", "nested"):
                inner = keras.ops.relu(inner)
        y = keras.layers.Dense(3, dtype="float64")(keras.layers.GlobalAveragePooling2D(dtype="float64")(inner))
        return keras.Model(x, y)

    found = {name: made(name) for name in ("fused", "layer", "activation", "operation", "nested")}
    for model in found.values():
        model.set_weights(found["fused"].get_weights())
    outer = keras.Input((8, 10, 3), dtype="float64")
    found["nested"] = keras.Model(outer, found["nested"](outer))
    return found


def test_guided_backpropagation_of_every_form_of_a_relu(net: Any) -> None:
    plain = {"keepdims": True, "normalize_map": False, "gradient_modifier": None}
    words: dict[str, Any] = {"target": TARGET, "toolset": "tf-keras-vis"}
    own = explain(net, "saliency", X, model_modifier="guided", translation={"dtype": "float64"}, **words, **plain)
    expected = explain(net, "guided_backprop", X, target=TARGET, toolset="captum").values
    assert np.abs(expected).max() > 0
    np.testing.assert_allclose(own.values, expected, rtol=1e-9, atol=1e-12)
    guided = {name: (model, model.get_config()) for name, model in forms().items()}
    reference = explain(guided["layer"][0], "guided_backprop", X_LAST, target=TARGET, toolset="captum").values
    object_ = theirs("utils.model_modifiers", "GuidedBackpropagation")
    for name, (model, config) in guided.items():
        for by in ("guided", "GuidedBackpropagation", {"guided": {"target_activations": ["relu"]}}, object_):
            found = explain(model, "saliency", X_LAST, model_modifier=by, **words, **plain).values
            np.testing.assert_allclose(found, reference, rtol=1e-9, atol=1e-12, err_msg=f"{name}, {by}")
        assert model.get_config() == config
        again = explain(model, "saliency", X_LAST, **words, **plain).values
        assert np.abs(again - reference).max() > 1e-6
    smooth = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="tanh")])
    with pytest.warns(UnfitWarning, match="changes the gradients of relu, and the model has none"):
        explain(smooth, "saliency", np.ones((1, 4)), target=1, toolset="tf-keras-vis", model_modifier="guided")


def test_linear_outputs_of_every_form_of_an_activation(twin: Any) -> None:
    plain: dict[str, Any] = {
        "target": 1, "toolset": "tf-keras-vis", "keepdims": True, "normalize_map": False, "gradient_modifier": None,
    }  # fmt: skip
    expected = explain(twin, "saliency", X_LAST, **plain).values
    logits = twin.outputs[0]
    ends = {
        "layer": keras.layers.Softmax(dtype="float64")(logits),
        "activation": keras.layers.Activation("softmax", dtype="float64")(logits),
        "operation": keras.ops.softmax(logits),
        "sigmoid": keras.ops.sigmoid(logits),
        "moved": keras.layers.Reshape((3,), dtype="float64")(keras.layers.Softmax(dtype="float64")(logits)),
    }
    for name, end in ends.items():
        model = keras.Model(twin.inputs, end)
        for by in ("linear", "ReplaceToLinear", theirs("utils.model_modifiers", "ReplaceToLinear")):
            found = explain(model, "saliency", X_LAST, model_modifier=by, **plain).values
            np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12, err_msg=f"{name}, {by}")
        scored = explain(model, "saliency", X_LAST, model_modifier="linear", **{**plain, "target": lambda y: y[:, 1]})
        np.testing.assert_allclose(scored.values, expected, rtol=1e-9, atol=1e-12, err_msg=name)
        assert np.abs(explain(model, "saliency", X_LAST, **plain).values - expected).max() > 1e-6


@pytest.mark.parametrize("source", ["torch", "onnx"])
def test_a_layer_is_explained_by_the_callers_name_and_position(source: str, models: dict[str, Any]) -> None:
    own = explain(
        models[source], "saliency", X, target=(2, 3, 4), toolset="tf-keras-vis", model_modifier=f"extract:{LAYERS[source]['conv1']}",
        keepdims=True, normalize_map=False, gradient_modifier=None, translation={"dtype": "float64"},
    )  # fmt: skip
    expected = explain(
        models[source], "neuron_gradient", X, layer=LAYERS[source]["conv1"], neuron=(2, 3, 4), toolset="captum",
        translation=None if source == "torch" else {"dtype": "float64"},
    )  # fmt: skip
    assert np.abs(expected.values).max() > 0
    np.testing.assert_allclose(own.values, expected.values, rtol=1e-9, atol=1e-12)
    name = LAYERS[source]["conv1"]
    with pytest.raises(UnknownLayerError, match=f"Close.*{name}"):
        explain(models[source], "saliency", X, target=1, toolset="tf-keras-vis", model_modifier=f"extract:{name}1")
    words: dict[str, Any] = {"toolset": "tf-keras-vis", "model_modifier": {"extract": name}}
    with pytest.raises(InvalidArgumentError, match="instead of the model's output"):
        explain(models[source], "saliency", X, target=1, logits=True, **words)


@pytest.mark.parametrize("most", [2, 5])
def test_faster_score_cam(most: int, models: dict[str, Any]) -> None:
    config = models["keras"].get_config()  # the toolkit refuses double precision
    for layer in config["layers"]:
        layer["config"]["dtype"] = "float32"
    single = keras.Model.from_config(config)
    single.set_weights(models["keras"].get_weights())
    method = theirs("scorecam", "Scorecam", model=single)
    where = {"penultimate_layer": "conv2", "seek_penultimate_conv_layer": False}
    expected = [
        method(
            theirs("utils.scores", "CategoricalScore", indices=[target]), tf.constant(x, "float32"), max_N=most, **where
        )[0]
        for x, target in zip(X_LAST[:, None], TARGET, strict=True)
    ]  # of several samples it mixes the channels that it chooses
    for source in ("torch", "onnx"):
        layer = LAYERS[source]["relu2"]
        found = explain(models[source], "score_cam", X, target=TARGET, layer=layer, toolset="tf-keras-vis", max_N=most)
        np.testing.assert_allclose(found.values, expected, rtol=1e-4, atol=1e-5)


REPEATED: list[dict[str, Any]] = [
    {"method": "activation_maximization", "regularizers": {"total_variation": 10.0, "norm": {"weight": 0.3, "p": 1}}},
    {"method": "activation_maximization", "input_modifiers": ["jitter", ("rotate", {"axes": (2, 3)}), "scale"]},
    {"method": "activation_maximization", "optimizer": "adam:0.1", "model_modifiers": ["guided", "linear"]},
    {"method": "activation_maximization", "activation_modifiers": "sigmoid", "gradient_modifier": "sign"},
    {"method": "saliency", "gradient_modifier": "square", "model_modifier": {"extract": "node_Conv_4"}},
    {"method": "score_cam", "layer": "node_Conv_4", "max_N": 3, "activation_modifier": "abs"},
    {"method": "smooth_grad", "smooth_samples": 3, "smooth_noise": 0.3, "model_modifier": "guided"},
]


@pytest.mark.parametrize("words", REPEATED, ids=lambda words: ",".join(words))
def test_words_are_recorded(words: dict[str, Any], models: dict[str, Any], tmp_path: Path) -> None:
    given = dict(words)
    method = given.pop("method")
    if method == "activation_maximization":
        given |= {"steps": 3, "input_range": (0.0, 1.0)}
    e = explain(models["onnx"], method, X, target=TARGET, toolset="tf-keras-vis", seed=SEED, **given)
    back = Explanation.load(e.save(tmp_path / "e"))
    assert back.record is not None and back.record.lost == ()
    np.testing.assert_array_equal(back.rerun().values, e.values)


#: An option, a value that is wrong, and words of the message.
WRONG: list[tuple[str, dict[str, Any], tuple[str, ...]]] = [
    ("activation_maximization", {"regularizers": {"total_varation": 10.0}}, ("regularizers of activation_maximization", "Close: total_variation")),
    ("activation_maximization", {"regularizers": {"norm": {"wieght": 1}}}, ("norm has no option 'wieght'", "close: weight")),
    ("activation_maximization", {"regularizers": {"norm": {"p": 0}}}, ("p of norm is a whole number of at least 1, not 0",)),
    ("activation_maximization", {"regularizers": {"norm": "much"}}, ("weight of norm is a number, not 'much'",)),
    ("activation_maximization", {"regularizers": 3}, ("takes words: total_variation(weight, name)", "not 3")),
    ("activation_maximization", {"regularizers": ""}, ("no regularizer ''", "There are: total_variation, norm")),
    ("activation_maximization", {"input_modifiers": "jiter"}, ("no input modifier 'jiter'", "Close: jitter")),
    ("activation_maximization", {"input_modifiers": {"jitter": -1}}, ("jitter of jitter is a whole number of at least 1",)),
    ("activation_maximization", {"input_modifiers": {"scale": 2}}, ("scale takes options by name: low, high",)),
    ("activation_maximization", {"input_modifiers": {"rotate": {"axes": 1}}}, ("axes of rotate is two axes of the input",)),
    ("activation_maximization", {"optimizer": "adamm"}, ("no optimizer 'adamm'", "Close: adam")),
    ("activation_maximization", {"optimizer": {"adam": {"learning_rate": 0}}}, ("learning_rate of adam is a number above 0",)),
    ("activation_maximization", {"optimizer": ["adam", "sgd"]}, ("is one optimizer, not 2",)),
    ("activation_maximization", {"callbacks": "gif"}, ("gif needs path",)),
    ("activation_maximization", {"callbacks": "video"}, ("no callback 'video'", "There are: progress, print, gif")),
    ("activation_maximization", {"steps": 0}, ("steps of activation_maximization is a whole number of at least 1, not 0",)),
    ("activation_maximization", {"steps": True}, ("steps of activation_maximization is a whole number",)),
    ("activation_maximization", {"activation_modifiers": "sigmoyd"}, ("no function 'sigmoyd'", "Close: sigmoid")),
    ("activation_maximization", {"activation_modifiers": "clip"}, ("clip needs low, high",)),
    ("saliency", {"gradient_modifier": "abz"}, ("no function 'abz'", "Close: abs")),
    ("saliency", {"gradient_modifier": {"abs": 3}}, ("abs takes no options; not 3",)),
    ("saliency", {"model_modifier": "guide"}, ("no model modifier 'guide'", "Close: guided")),
    ("saliency", {"model_modifier": {"guided": "rlu"}}, ("target_activations of guided is one or several of relu",)),
    ("saliency", {"model_modifier": {"extract": 3}}, ("layer of extract is the name of a layer of the model, not 3",)),
    ("saliency", {"model_modifer": "guided"}, ("no option 'model_modifer'", "Close: model_modifier")),
    ("saliency", {"unconnected_gradients": "zeros"}, ("one of none, zero, not 'zeros'", "did you mean 'zero'")),
    ("saliency", {"smooth_samples": 2.5}, ("smooth_samples of saliency is a whole number of at least 0, not 2.5",)),
    ("smooth_grad", {"smooth_noise": -0.1}, ("smooth_noise of smooth_grad is a number of at least 0, not -0.1",)),
    ("score_cam", {"max_N": "all"}, ("max_N of score_cam is a whole number, not 'all'",)),
    ("grad_cam", {"activation_modifier": 1}, ("takes a word: abs",)),
]  # fmt: skip


@pytest.mark.parametrize(("method", "options", "says"), WRONG, ids=str)
def test_what_is_wrong_is_told_before_a_model_is_opened(
    method: str, options: dict[str, Any], says: tuple[str, ...], models: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: Any, **__: Any) -> None:
        raise RuntimeError("opened")

    monkeypatch.setattr(request, "open_source", never)
    with pytest.raises(InvalidArgumentError) as caught:
        explain(models["onnx"], method, X, target=0, toolset="tf-keras-vis", **options)
    for part in says:
        assert part in str(caught.value)


def test_an_animation_of_an_ascent(models: dict[str, Any], tmp_path: Path) -> None:
    from PIL import Image

    path = tmp_path / "ascent.gif"
    words: dict[str, Any] = {"target": 1, "toolset": "tf-keras-vis", "seed": 1, "steps": 4, "input_range": (0.0, 1.0)}
    e = explain(models["keras"], "activation_maximization", callbacks={"gif": str(path)}, **words)
    with Image.open(path) as image:
        assert (image.n_frames, image.size) == (4, (10, 8))
        image.seek(3)
        last = np.asarray(image.convert("RGB"), float) / 255
    assert np.abs(last - e.values[0]).mean() < 0.1  # a palette of 256 colours
    grey = keras.Sequential([keras.Input((5, 6, 1)), keras.layers.Flatten(), keras.layers.Dense(2)])
    explain(grey, "activation_maximization", callbacks=f"gif:{tmp_path / 'grey'}", **words)
    assert (tmp_path / "grey.gif").stat().st_size > 0
    with pytest.raises(MetannvisError, match="nowhere"):
        explain(grey, "activation_maximization", callbacks=f"gif:{tmp_path / 'nowhere' / 'a.gif'}", **words)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["ascent.gif", "grey.gif"]


def test_a_callback_prints_to_standard_error(models: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    words: dict[str, Any] = {"target": 1, "toolset": "tf-keras-vis", "seed": 1, "steps": 5, "input_range": (0.0, 1.0)}
    explain(models["keras"], "activation_maximization", callbacks="print:2", **words)
    out, err = capsys.readouterr()
    assert out == ""
    assert [line.split(":")[0] for line in err.splitlines()] == ["step 2/5", "step 4/5", "step 5/5"]


def test_an_optimizer_that_has_stepped_steps_again(models: dict[str, Any]) -> None:
    optimizer = keras.optimizers.Adam(0.1)
    words: dict[str, Any] = {"target": 1, "toolset": "tf-keras-vis", "seed": 1, "steps": 3, "input_range": (0.0, 1.0)}
    found = [explain(models["keras"], "activation_maximization", optimizer=optimizer, **words).values for _ in range(2)]
    np.testing.assert_array_equal(*found)
    assert not optimizer.variables or int(optimizer.iterations) == 0


def parts(module: str) -> dict[str, Any]:
    return {name.casefold(): value for name, value in vars(import_quietly(module)).items() if isinstance(value, type)}


def test_words_have_the_options_of_the_classes() -> None:
    (row,) = find_methods("activation_maximization", "tf-keras-vis")
    classes = {
        "regularizers": parts("tf_keras_vis.activation_maximization.regularizers"),
        "input_modifiers": parts("tf_keras_vis.activation_maximization.input_modifiers"),
        "optimizer": parts("keras.optimizers"),
    }
    for name, known in classes.items():
        takes = row.argument(name).takes  # type: ignore[union-attr]
        assert isinstance(takes, Words)
        for word in takes.words:
            cls = next(known[key.casefold()] for key in (*word.also, word.name) if key.casefold() in known)
            theirs = set(inspect.signature(cls).parameters) - {"kwargs", "name", "loss_scale_factor"}
            assert set(word.options) - {"name"} == theirs, word.name
    text = describe_method("activation_maximization")
    assert "regularizers, words: total_variation(weight, name), norm(weight, p, name)" in text


def test_a_filter_of_a_layer_may_be_beyond_its_places() -> None:
    """The target is a channel there, and the layer has more of them than rows."""
    image = keras.Input((4, 4, 1))
    model = keras.Model(image, keras.layers.Conv2D(6, 3, name="conv")(image))
    words: dict[str, Any] = {"toolset": "tf-keras-vis", "model_modifier": {"extract": "conv"}, "steps": 2, "seed": 0}
    start = np.zeros((1, 4, 4, 1), np.float32)
    assert explain(model, "activation_maximization", start, target=5, **words).values.shape == start.shape
    with pytest.raises(InvalidArgumentError, match="target 6 is out of range"):
        explain(model, "activation_maximization", start, target=6, **words)
