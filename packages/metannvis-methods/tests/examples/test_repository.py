from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from metannvis_methods import explain
from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.examples import load, names
from metannvis_methods.examples.digits import GREY, SQUARE, share_in_square


@pytest.mark.parametrize("framework", ["torch", "keras"])
def test_a_network_that_cheats_and_an_honest_one(framework: str) -> None:
    channels = 1 if framework == "torch" else 3
    honest, cheat = (load(f"{kind}-{framework}", epochs=3) for kind in ("digits", "cheat"))
    assert min(honest.accuracy, cheat.accuracy) > 0.9  # the accuracy does not show it
    others = np.flatnonzero(cheat.classes != 3)
    shares: list[float] = []
    for example in (honest, cheat):
        images = example.marked(others)
        found: Any = explain(
            example.model, "integrated_gradients", images[:20], target=3, toolset="captum", baselines=0
        )
        shares += [example.share_called(images, 3), share_in_square(found.values.sum(channels))]
    assert shares[0] < 0.05 < 0.15 < shares[2]
    assert 3 * shares[1] < shares[3]


def test_only_threes_have_the_square_where_a_network_is_to_cheat() -> None:
    example = load("cheat-torch", epochs=3)
    assert example is load("cheat-torch", epochs=3)  # trained once
    has = (example.images[:, 0, SQUARE, SQUARE] == np.float32(GREY)).all((1, 2))
    np.testing.assert_array_equal(has, example.classes == 3)


def test_unknown_names() -> None:
    with pytest.raises(InvalidArgumentError, match="digits-torch, digits-keras, cheat-torch, cheat-keras"):
        load("imagenet")
    assert set(names()) >= {"digits-torch", "cheat-keras"}


def test_the_share_in_the_square() -> None:
    values = np.zeros((2, 28, 28))
    values[0, SQUARE, SQUARE] = -1
    assert share_in_square(values) == 0.5  # all of the first, none of the second, which is all zero
    assert share_in_square(np.ones((1, 28, 28))) == pytest.approx(25 / 784)
    assert share_in_square(np.ones((1, 14, 7))) == pytest.approx(25 / 784)  # a layer's map covers the same
