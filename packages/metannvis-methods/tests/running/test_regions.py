"""Where in a dense output the target lies is part of the result, in the layout of the caller's model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from metannvis_methods import Explanation, SegmentationTarget, explain
from metannvis_methods.running.regions import dense_axes
from metannvis_translate.frameworks.requirements import require

torch = require("torch")
keras = require("keras")
SIZE = (6, 9)


def torch_model() -> Any:
    torch.manual_seed(1)
    return torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3, padding=1), torch.nn.Tanh()).eval()


def keras_model() -> Any:
    keras.utils.set_random_seed(1)
    x = keras.Input((*SIZE, 3))
    return keras.Model(x, keras.layers.Conv2D(4, 3, padding="same", activation="tanh")(x))


MODELS = {"torch": (torch_model, "NCHW"), "keras": (keras_model, "NHWC")}


@pytest.mark.parametrize("toolset", ["captum", "tf-keras-vis"])
@pytest.mark.parametrize("framework", MODELS)
def test_positions_and_regions(framework: str, toolset: str) -> None:
    make, axes = MODELS[framework]
    model, last = make(), axes.endswith("C")
    images = np.random.default_rng(0).standard_normal((2, *SIZE, 3)).astype("float32")
    images = images if last else images.transpose(0, 3, 1, 2)
    channel = axes.index("C")

    def at(class_: int, row: int, column: int) -> tuple[int, ...]:
        return (row, column, class_) if last else (class_, row, column)

    one = explain(model, "saliency", images, target=at(2, 4, 7), toolset=toolset)
    assert one.output_axes == axes
    assert [tuple(place) for place in np.argwhere(one.region)] == [(0, 4, 7), (1, 4, 7)]
    two = explain(model, "saliency", images, target=[at(2, 4, 7), at(1, 0, 8)], toolset=toolset)
    assert [tuple(place) for place in np.argwhere(two.region)] == [(0, 4, 7), (1, 0, 8)]
    output = model(torch.from_numpy(images)).detach().numpy() if framework == "torch" else np.asarray(model(images))
    area = explain(model, "saliency", images, target=SegmentationTarget(1), toolset=toolset)
    np.testing.assert_array_equal(area.region, output.argmax(channel) == 1)
    box = np.zeros(SIZE)
    box[1:3, 2:8] = 1
    boxed = explain(model, "saliency", images, target=SegmentationTarget(1, box), toolset=toolset)
    np.testing.assert_array_equal(boxed.region, np.stack([box, box]))


def test_they_are_saved(tmp_path: Any) -> None:
    images = np.random.default_rng(0).standard_normal((1, 3, *SIZE)).astype("float32")
    target = SegmentationTarget(1)
    found = explain(
        torch_model(), "saliency", images, target=target, toolset="captum", labels=["sky", "road", "tree", "car"]
    )
    assert found.target == "class 1 (road) where argmax, sum"
    again = Explanation.load(found.save(tmp_path / "found.npz"))
    assert again.output_axes == "NCHW"
    np.testing.assert_array_equal(again.region, found.region)


def test_outputs_of_one_place_have_none() -> None:
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 3)).eval()
    found = explain(model, "saliency", np.ones((1, 3, 2, 2), "float32"), target=1, toolset="captum")
    assert (found.region, found.output_axes) == (None, None)


@pytest.mark.parametrize(
    ("known", "shape", "last", "inputs", "axes"),
    [
        ("", (2, 5), False, [], None),
        ("", (2, 5, 8, 8), False, [], "NCHW"),
        ("", (2, 8, 8, 5), True, [], "NHWC"),
        ("NHWC", (2, 8, 8, 5), False, [], "NHWC"),
        ("N???", (2, 8, 8, 5), True, [], "NHWC"),
        ("", (2, 5, 4, 8, 8), False, [], "NCDHW"),
        ("", (2, 5, 40), False, [("NCL", (2, 1, 40))], "NCL"),
        ("", (2, 40, 5), False, [("NT", (2, 40))], "NTC"),
        ("", (2, 5, 5), False, [("NCL", (2, 1, 5))], None),  # which is which cannot be told
        ("", (2, 5, 7), True, [("NLC", (2, 40, 1))], None),
    ],
)
def test_axes_of_dense_outputs(known: str, shape: Any, last: bool, inputs: Any, axes: str | None) -> None:
    assert dense_axes(known, shape, channels_last=last, inputs=inputs) == axes
