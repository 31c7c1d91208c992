"""Class activation maps of layers whose output is no map with the framework's channels axis: tokens, channels last."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from metannvis_methods import compare, explain
from metannvis_methods.errors import InvalidArgumentError
from metannvis_translate.frameworks.requirements import require

torch = require("torch")
nn = torch.nn

BARE = {"captum": {}, "tf-keras-vis": {"expand_cam": False, "normalize_cam": False, "activation_modifier": None}}
TOOLSETS = list(BARE)


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.fc = nn.Linear(width, width)

    def forward(self, x: Any) -> Any:
        q, k, v = self.qkv(self.norm1(x)).chunk(3, -1)
        x = x + self.proj(nn.functional.scaled_dot_product_attention(q, k, v))
        return x + torch.tanh(self.fc(self.norm2(x)))


class Transformer(nn.Module):
    """Patches of 8, so many tokens before them, and a head that reads the first token or the mean of the patches."""

    def __init__(self, prefix: int, width: int = 12) -> None:
        super().__init__()
        self.patches, self.prefix = nn.Conv2d(3, width, 8, 8), prefix
        self.tokens = nn.Parameter(torch.randn(1, max(prefix, 1), width))
        self.blocks = nn.ModuleList([Block(width), Block(width)])
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 3)

    def forward(self, x: Any) -> Any:
        x = self.patches(x).flatten(2).transpose(1, 2)
        if self.prefix:
            x = torch.cat([self.tokens.expand(x.shape[0], -1, -1), x], 1)
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)
        return self.head(x[:, 0] if self.prefix else torch.tanh(x).mean(1))


class ChannelsLast(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.head = nn.Conv2d(3, 6, 8, 8), nn.LayerNorm(6), nn.Linear(6, 3)

    def forward(self, x: Any) -> Any:
        return self.head(torch.tanh(self.norm(self.conv(x).permute(0, 2, 3, 1))).mean((1, 2)))


@pytest.fixture
def images() -> Any:
    torch.manual_seed(3)
    return torch.randn(2, 3, 32, 48)


def made(cls: Any, *args: Any) -> Any:
    torch.manual_seed(1)
    return cls(*args).eval()


def by_hooks(model: Any, layer: str, x: Any, target: int, prefix: int) -> np.ndarray:
    """Grad-CAM on a grid of 4 × 6, by its formula."""
    seen = []
    hook = dict(model.named_modules())[layer].register_forward_hook(lambda *given: seen.append(given[2]))
    score = model(x)[:, target].sum()
    hook.remove()
    (gradient,) = torch.autograd.grad(score, seen)
    a, g = (y.reshape(2, -1, y.shape[-1])[:, prefix:].reshape(2, 4, 6, -1) for y in (seen[0], gradient))
    return (a * g.mean((1, 2), keepdim=True)).sum(-1).detach().numpy()


@pytest.mark.parametrize("toolset", TOOLSETS)
@pytest.mark.parametrize("prefix", [0, 1, 2, 5])
def test_tokens_lie_on_the_grid_of_the_patches(prefix: int, toolset: str, images: Any) -> None:
    model = made(Transformer, prefix)
    for layer in ("auto", "blocks.1.norm1"):
        e = explain(model, "grad_cam", images, target=1, layer=layer, toolset=toolset, **BARE[toolset])
        expected = by_hooks(model, e.layer, images, 1, prefix)
        assert np.abs(expected).max() > 0, e.layer
        assert (e.values.shape, e.axes) == ((2, 4, 6), "NHW")
        np.testing.assert_allclose(e.values, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())
        if layer == "auto":
            assert e.layer == ("norm" if not prefix else "blocks.1.norm1")


@pytest.mark.parametrize("toolset", TOOLSETS)
def test_channels_may_be_last(toolset: str, images: Any) -> None:
    model = made(ChannelsLast)
    e = explain(model, "grad_cam", images, target=1, layer="norm", toolset=toolset, **BARE[toolset])
    expected = by_hooks(model, "norm", images, 1, 0)
    np.testing.assert_allclose(e.values, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


class Stage(nn.Module):
    """A block of a Swin transformer: places before channels, by no layer whose axes are known."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mix = nn.Parameter(torch.randn(width, width))

    def forward(self, x: Any) -> Any:
        windows = x.reshape(x.shape[0], 2, 2, 2, 3, x.shape[-1]).permute(0, 1, 3, 2, 4, 5).reshape(-1, 6, x.shape[-1])
        windows = torch.softmax(windows @ windows.transpose(1, 2), -1) @ windows @ self.mix
        return windows.reshape(x.shape[0], 2, 2, 2, 3, -1).permute(0, 1, 3, 2, 4, 5).reshape(x.shape)


class Windows(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv, self.stage, self.head = nn.Conv2d(3, width, 8, 8), Stage(width), nn.Linear(width, 3)

    def forward(self, x: Any) -> Any:
        return self.head(torch.tanh(self.stage(self.conv(x).permute(0, 2, 3, 1))).mean((1, 2)))


@pytest.mark.parametrize("toolset", TOOLSETS)
def test_axes_that_are_not_known_are_told_by_the_grid_of_the_patches(toolset: str, images: Any) -> None:
    model = made(Windows, 7)
    e = explain(model, "grad_cam", images, target=1, layer="stage", toolset=toolset, **BARE[toolset])
    expected = by_hooks(model, "stage", images, 1, 0)
    assert e.axes == "NHW"
    np.testing.assert_allclose(e.values, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


def test_tokens_of_a_text_lie_one_after_the_other() -> None:
    """Captum would take them for channels."""

    class Text(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.norm, self.head = nn.Embedding(9, 6), nn.LayerNorm(6), nn.Linear(6, 3)

        def forward(self, ids: Any) -> Any:
            return self.head(torch.tanh(self.norm(self.embed(ids))).mean(1))

    model, ids = made(Text), torch.tensor([[1, 4, 2, 8, 3], [0, 7, 5, 5, 1]])
    seen: list[Any] = []
    hook = model.norm.register_forward_hook(lambda *given: seen.append(given[2]))
    (gradient,) = torch.autograd.grad(model(ids)[:, 1].sum(), seen)
    hook.remove()
    expected = (seen[0] * gradient.mean(1, keepdim=True)).sum(-1).detach().numpy()
    for toolset in TOOLSETS:
        e = explain(model, "grad_cam", ids, target=1, layer="norm", toolset=toolset, **BARE[toolset])
        np.testing.assert_allclose(e.values, expected, rtol=1e-4, atol=1e-6, err_msg=toolset)


@pytest.mark.parametrize("method", ["grad_cam", "grad_cam++", "layer_cam", "score_cam"])
def test_maps_of_tokens_are_as_large_as_the_image(method: str, images: Any) -> None:
    e = explain(made(Transformer, 1), method, images, target=1, layer="auto", toolset="tf-keras-vis")
    assert (e.values.shape, e.axes) == ((2, 32, 48), "NHW")
    assert np.ptp(e.values, axis=(1, 2)).min() > 0


def test_formulas_are_those_of_the_toolkit(images: Any) -> None:
    """A convolution's map, once as the toolkit has it and once as a layer whose channels are moved to the end."""
    model = made(ChannelsLast)
    for method in ("grad_cam", "grad_cam++", "layer_cam", "score_cam"):
        words = {"target": [1, 2], "toolset": "tf-keras-vis", "normalize_cam": False, "expand_cam": False}
        theirs = explain(model, method, images, layer="conv", **words).values
        ours = explain(model, method, images, layer="conv", reshape=lambda y: y, **words).values
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6 * np.abs(theirs).max(), err_msg=method)


def test_toolsets_agree_on_tokens(images: Any) -> None:
    rows = compare(made(Transformer, 2), "grad_cam", images, target=1).rows
    assert len(rows) == 3
    assert max(row["max_rel"] for row in rows) < 1e-3


@pytest.mark.parametrize("toolset", TOOLSETS)
def test_the_grid_may_be_named_or_made(toolset: str, images: Any) -> None:
    model, words = made(Transformer, 1), {"target": 1, "layer": "blocks.0.norm2", "toolset": toolset, **BARE[toolset]}
    auto = explain(model, "grad_cam", images, **words).values
    np.testing.assert_array_equal(explain(model, "grad_cam", images, reshape=(4, 6), **words).values, auto)
    seen = []

    def on_grid(tokens: Any) -> Any:
        seen.append(type(tokens))
        return tokens[:, 1:].transpose(1, 2).reshape(tokens.shape[0], -1, 4, 6)

    np.testing.assert_allclose(explain(model, "grad_cam", images, reshape=on_grid, **words).values, auto, rtol=1e-6)
    assert set(seen) == {torch.Tensor}
    assert explain(model, "grad_cam", images, reshape=(3, 8), **words).values.shape == (2, 3, 8)


@pytest.mark.filterwarnings(
    "ignore:guided_backprop changes the gradients of ReLUs", "ignore:guided_grad_cam changes the gradients"
)
def test_guided_maps_of_tokens(images: Any) -> None:
    model = made(Transformer, 1)
    e = explain(model, "guided_grad_cam", images, target=1, layer="blocks.1.norm1", toolset="captum")
    guided = explain(model, "guided_backprop", images, target=1, toolset="captum").values
    cam = np.maximum(by_hooks(model, "blocks.1.norm1", images, 1, 1), 0).repeat(8, 1).repeat(8, 2)
    np.testing.assert_allclose(e.values, guided * cam[:, None], rtol=1e-3, atol=1e-5 * np.abs(e.values).max())


WRONG = {
    "more patches than tokens": ((9, 9), "fewer than 9 × 9"),
    "no sizes": ("square", "reshape is"),
    "one size": ((4,), "reshape is"),
    "a function that loses the samples": (lambda y: y[:1], "reshape returned shape"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_grid_that_does_not_fit_is_told(wrong: str, images: Any) -> None:
    reshape, words = WRONG[wrong]
    with pytest.raises(Exception, match=words) as told:
        explain(made(Transformer, 1), "grad_cam", images, target=1, layer="norm", reshape=reshape, toolset="captum")
    assert isinstance(told.value, InvalidArgumentError) or isinstance(told.value.__cause__, InvalidArgumentError)
