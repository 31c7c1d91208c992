"""Dropout under masks, in each framework: where a model drops, and what a mask makes of it. One row a kind of dropout."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.models.dropout import DropoutMasks
from metannvis_methods.models.registry import adapter_for
from metannvis_translate.frameworks.requirements import require

torch = require("torch")
keras = require("keras")
nn, F = torch.nn, torch.nn.functional
layers = keras.layers

RATE = 0.25
PASSES = 200


class Called(nn.Module):
    """A function of the input, as many networks drop."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Any) -> Any:
        return self.function(x, RATE, self.training)


TORCH: dict[str, tuple[Callable[[], Any], tuple[int, ...], bool]] = {
    "Dropout": (lambda: nn.Dropout(RATE), (3, 4), False),
    "Dropout1d": (lambda: nn.Dropout1d(RATE), (3, 5), True),
    "Dropout2d": (lambda: nn.Dropout2d(RATE), (3, 4, 5), True),
    "Dropout3d": (lambda: nn.Dropout3d(RATE), (3, 2, 4, 5), True),
    "AlphaDropout": (lambda: nn.AlphaDropout(RATE), (3, 4), False),
    "FeatureAlphaDropout": (lambda: nn.FeatureAlphaDropout(RATE), (3, 4, 5), True),
    "functional.dropout": (lambda: Called(F.dropout), (3, 4), False),
    "functional.dropout2d": (lambda: Called(F.dropout2d), (3, 4, 5), True),
    "functional.alpha_dropout": (lambda: Called(F.alpha_dropout), (3, 4), False),
    "torch.dropout": (lambda: Called(torch.dropout), (3, 4), False),
}
KERAS: dict[str, tuple[Callable[[], Any], tuple[int, ...], bool]] = {
    "Dropout": (lambda: layers.Dropout(RATE), (4, 3), False),
    "Dropout with a shape of noise": (lambda: layers.Dropout(RATE, noise_shape=(None, 1, 3)), (4, 3), True),
    "SpatialDropout1D": (lambda: layers.SpatialDropout1D(RATE), (5, 3), True),
    "SpatialDropout2D": (lambda: layers.SpatialDropout2D(RATE), (4, 5, 3), True),
    "SpatialDropout3D": (lambda: layers.SpatialDropout3D(RATE), (2, 4, 5, 3), True),
    "AlphaDropout": (lambda: layers.AlphaDropout(RATE), (4, 3), False),
    "GaussianDropout": (lambda: layers.GaussianDropout(RATE), (4, 3), False),
}
ROWS = [("torch", name) for name in TORCH] + [("tensorflow", name) for name in KERAS]


def model_of(framework: str, name: str) -> tuple[Any, tuple[int, ...], bool]:
    if framework == "torch":
        make, shape, by_channel = TORCH[name]
        return nn.Sequential(make()).eval(), shape, by_channel
    make, shape, by_channel = KERAS[name]
    return keras.Sequential([keras.Input(shape), make()]), shape, by_channel


def test_every_kind_has_a_row() -> None:
    kinds = {kind.__name__ for kind in vars(nn.modules.dropout).values() if isinstance(kind, type)}
    assert kinds & set(dir(nn)) <= set(TORCH) | {"Module"}
    assert {name for name in dir(layers) if "Dropout" in name} <= set(KERAS)


@pytest.mark.parametrize(("framework", "name"), ROWS)
def test_a_mask_is_what_the_framework_draws(framework: str, name: str) -> None:
    """Mean and variance of one number, over masks of ours and over those that training draws; channels drop as a whole."""
    model, shape, by_channel = model_of(framework, name)
    adapter = adapter_for(framework)
    x = np.full((2, *shape), 1.5, np.float32)
    masks, found = None, []
    with adapter.guarded(model):
        inputs = adapter.as_inputs(model, (x,))
        masks = DropoutMasks(adapter.dropout_sites(model, inputs))
        for k in range(PASSES):
            masks.draw(np.random.default_rng(k))
            with adapter.dropping(model, masks) as thinned:
                found.append(adapter.predict(thinned, inputs)[0])
        np.testing.assert_array_equal(adapter.predict(model, inputs)[0], x)  # off again
    ours = np.stack(found)
    np.testing.assert_array_equal(ours[:, 0], ours[:, 1])  # all samples share a mask
    if framework == "torch":
        torch.manual_seed(0)
        model.train()
        theirs = np.stack([model(torch.from_numpy(x)).numpy() for _ in range(PASSES)])
    else:
        keras.utils.set_random_seed(0)
        theirs = np.stack([np.asarray(model(x, training=True)) for _ in range(PASSES)])
    assert ours[:, 0].mean() == pytest.approx(
        theirs.mean(), abs=6 * theirs.std() / np.sqrt(theirs[:, :, ..., 0].size / 8)
    )
    assert ours.std() == pytest.approx(theirs.std(), rel=0.15)
    channels = np.moveaxis(ours[:, 0], 1 if framework == "torch" else -1, 1).reshape(PASSES, 3, -1)
    assert bool((channels == channels[:, :, :1]).all()) == by_channel
    if "Gaussian" not in name:
        np.testing.assert_allclose(np.unique(ours), np.unique(theirs), rtol=1e-5)


def test_windows_of_a_sample_are_rows_of_it() -> None:
    """A network that folds places into the batch, as windowed attention does: every sample has the same masks."""

    class Folding(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.dropout = nn.Dropout(0.5)

        def forward(self, x: Any) -> Any:
            return self.dropout(x.reshape(-1, 4)).reshape(x.shape)

    model, adapter = Folding().eval(), adapter_for("torch")
    x = torch.ones(3, 5, 4)
    with adapter.guarded(model):
        sites = adapter.dropout_sites(model, (x,))
        assert [(site.call.shape, site.batch_axis) for site in sites] == [((5, 4), 0)]
        masks = DropoutMasks(sites)
        masks.draw(np.random.default_rng(0))
        with adapter.dropping(model, masks) as thinned:
            found = adapter.predict(thinned, (x,))[0]
            alone = adapter.predict(thinned, (x[:1],))[0]
    assert len(np.unique(found)) == 2
    np.testing.assert_array_equal(found, np.repeat(alone, 3, axis=0))


def test_samples_on_the_second_axis() -> None:
    model, adapter = (
        nn.Sequential(nn.TransformerEncoderLayer(8, 2, 16, 0.5, batch_first=False)).eval(),
        adapter_for("torch"),
    )

    class Turned(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = model

        def forward(self, x: Any) -> Any:
            return self.inner(x.transpose(0, 1)).transpose(0, 1)

    turned, x = Turned().eval(), torch.ones(3, 5, 8)
    with adapter.guarded(turned):
        masks = DropoutMasks(adapter.dropout_sites(turned, (x,)))
        # weights of attention have a row a sample, and a head
        assert {(site.name.endswith("self_attn"), site.batch_axis) for site in masks.sites} == {(True, 0), (False, 1)}
        masks.draw(np.random.default_rng(0))
        with adapter.dropping(turned, masks) as thinned:
            found = adapter.predict(thinned, (x,))[0]
    np.testing.assert_allclose(found, np.repeat(found[:1], 3, axis=0), atol=1e-6)
    assert adapter.dropout_left_off(turned) == []


def test_a_dropout_that_is_called_twice_has_two_masks() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.dropout = nn.Dropout(0.5)

        def forward(self, x: Any) -> Any:
            return torch.stack([self.dropout(x), self.dropout(x)], 1)

    model, adapter, x = Twice().eval(), adapter_for("torch"), torch.ones(1, 64)
    with adapter.guarded(model):
        masks = DropoutMasks(adapter.dropout_sites(model, (x,)))
        masks.draw(np.random.default_rng(0))
        with adapter.dropping(model, masks) as thinned:
            first, again = (adapter.predict(thinned, (x,))[0] for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert (first[0, 0] != first[0, 1]).any()


def test_a_graph_of_tensorflow_follows_the_masks() -> None:
    tf = require("tensorflow")
    model, adapter = keras.Sequential([keras.Input((6,)), layers.Dropout(0.5)]), adapter_for("tensorflow")
    inputs = adapter.as_inputs(model, (np.ones((2, 6), np.float32),))
    masks = DropoutMasks(adapter.dropout_sites(model, inputs))
    masks.draw(np.random.default_rng(0))
    with adapter.dropping(model, masks):
        compiled = tf.function(model)
        for k in range(3):
            masks.draw(np.random.default_rng(k))
            eager = np.asarray(model(inputs[0]))
            masks.begin_pass()
            np.testing.assert_array_equal(np.asarray(compiled(inputs[0])), eager)


def test_inputs_of_another_shape_are_refused() -> None:
    model, adapter = nn.Sequential(nn.Dropout(0.5)).eval(), adapter_for("torch")
    with adapter.guarded(model):
        masks = DropoutMasks(adapter.dropout_sites(model, (torch.ones(1, 4),)))
        masks.draw(np.random.default_rng(0))
        with adapter.dropping(model, masks) as thinned, pytest.raises(InvalidArgumentError, match="drawn for shape"):
            adapter.predict(thinned, (torch.ones(2, 5),))
