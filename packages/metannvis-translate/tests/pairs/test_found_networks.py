"""Small PyTorch networks that were once translated wrongly, most of them found by ``test_random_networks``, and stay right."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from metannvis_translate import UnsupportedOperatorError, check_equivalence, list_layers, translate
from torch import nn

from ..networks.torch import randomize

Forward = Callable[..., torch.Tensor | tuple[torch.Tensor, ...]]


class Net(nn.Module):
    """A function, and the modules it calls as ``self.…``."""

    def __init__(self, function: Forward, **parts: nn.Module | nn.Parameter) -> None:
        super().__init__()
        self.function = function
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, *args: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, ...]:
        return self.function(self, *args)


def free(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.ones(shape))


def _attentions(self: nn.Module, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Over windows, in each form."""
    attention = F.scaled_dot_product_attention
    some = x[:, :, :2]
    mask = torch.ones(5, 5, dtype=torch.bool).tril(-1)
    return (
        attention(x, x, x),
        attention(x, x[..., 1:, :], x[..., 1:, :], is_causal=True, scale=0.3),
        attention(x, x, x, attn_mask=mask, scale=-0.7),
        attention(x, x, x, attn_mask=0.3 * mask),
        attention(x, some, some, enable_gqa=True),
    )


#: What it is, how it is made, the shape of its input without the batch.
FOUND: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "dropout of an input": (lambda: nn.Sequential(nn.Dropout(), nn.Linear(4, 3)), (5, 4)),
    # Keras' sum takes an operand with one long axis for a bias of the last
    "sum with a mean over the axis as long as the batch": (lambda: Net(lambda s, x: x + x.mean(1, keepdim=True)), (5,)),
    "sum with a mean over two axes": (lambda: Net(lambda s, x: x.mean((1, 3), keepdim=True) + x), (4, 4, 4)),
    "sum with a parameter for an inner axis": (lambda: Net(lambda s, x: s.p + x, p=free(4, 1)), (4, 4)),
    "sum of a row and a column": (
        lambda: Net(lambda s, x: x.mean(1, keepdim=True) + x.mean(2, keepdim=True) * s.p, p=free(4, 1)),
        (4, 4),
    ),
    "group norm of as many channels as columns": (
        lambda: nn.Sequential(nn.MaxPool2d((3, 2), padding=1, dilation=2), nn.GroupNorm(1, 4)),
        (4, 4, 7),
    ),
    # PyTorch's exporter makes up a bias, of the wrong length
    "convolution over three axes without a bias": (lambda: nn.Conv3d(2, 4, 2, bias=False), (2, 4, 5, 6)),
    # PyTorch's exporters forget it
    "average with a divisor of its own": (lambda: nn.AvgPool2d((2, 3), padding=1, divisor_override=5), (5, 9, 8)),
    "average with a divisor, ceil_mode": (
        lambda: nn.AvgPool2d(2, stride=3, padding=1, ceil_mode=True, divisor_override=7),
        (2, 6, 8),
    ),
    "average over three axes with a divisor": (
        lambda: nn.AvgPool3d(2, stride=1, count_include_pad=False, padding=1, divisor_override=7),
        (2, 4, 5, 3),
    ),
    "randomised leaky ReLU": (nn.RReLU, (4, 5)),
    "attention of five axes": (lambda: Net(_attentions), (2, 4, 5, 3)),
    # once the mean of all keys
    "attention that sees nothing": (
        lambda: Net(lambda s, x: F.scaled_dot_product_attention(x, x, x, attn_mask=torch.ones(4, 4) < torch.arange(4))),
        (4, 3),
    ),
    "attention with a bias that hides all": (
        lambda: Net(
            lambda s, x: F.scaled_dot_product_attention(x, x, x, attn_mask=torch.tensor([[0.5], [-torch.inf]]).to(x))
        ),
        (2, 3),
    ),
    "softmax of six axes": (lambda: Net(lambda s, x: F.softmax(x, -1) + F.log_softmax(x, 2)), (2, 3, 2, 3, 4)),
}


@pytest.mark.parametrize("name", FOUND)
def test_exact(name: str) -> None:
    make, shape = FOUND[name]
    model = randomize(make())
    example = np.random.default_rng(0).standard_normal((2, *shape)).astype("float32")
    translation = translate(model, "keras", example_inputs=example, dtype="float64", verify=False)
    executed = {info.name for info in list_layers(model, example_inputs=example)}
    for batch in (1, 2, 5):
        inputs = np.random.default_rng(batch).standard_normal((batch, *shape))
        report = check_equivalence(model, translation, inputs, dtype="float64")
        assert report.passed, str(report)
        assert executed == {row.name for row in report.layers if row.compared}, str(report)


def test_softmax_of_six_axes_in_single_precision() -> None:
    make, shape = FOUND["softmax of six axes"]
    translation = translate(make(), "keras", example_inputs=np.ones((2, *shape), "float32"), verify=False)
    inputs = np.random.default_rng(1).standard_normal((3, *shape)).astype("float32")
    report = check_equivalence(make(), translation, inputs)
    assert report.worst("outputs") <= 1e-6


def test_a_convolution_without_bias_gets_none() -> None:
    """Zeros that nobody has would be trained."""
    for make in (nn.Conv1d, nn.Conv2d, nn.Conv3d):
        model = make(2, 3, 2, bias=False)
        shape = (2, 2, *[5] * (model.weight.ndim - 2))
        translation = translate(model, "keras", example_inputs=np.ones(shape, "float32"), verify=False)
        assert [tuple(w.shape) for w in translation.model.trainable_weights] == [(*model.weight.shape[2:], 2, 3)]


@pytest.mark.parametrize("model", [nn.AvgPool2d(2, divisor_override=3), nn.RReLU()])
def test_torchscript_refuses_what_it_would_write_wrongly(model: nn.Module) -> None:
    with pytest.raises(UnsupportedOperatorError, match="divisor_override|rrelu"):
        translate(model, "keras", example_inputs=np.ones((2, 3, 4, 4), "float32"), engine="torchscript", verify=False)


def test_a_layer_that_passes_an_input_on_is_in_the_layer_map() -> None:
    """A padding of nothing behind which there is an input."""
    model = Net(lambda self, x: torch.cat([self.pad(x).flatten(1), self.head(x).flatten(1)], 1),
                pad=nn.ZeroPad1d((0, 0)), head=nn.Linear(7, 3))  # fmt: skip
    x = np.random.default_rng(0).standard_normal((3, 2, 7))
    translation = translate(model, "keras", example_inputs=x.astype("float32"), verify=False, dtype="float64")
    report = check_equivalence(model, translation, x, dtype="float64")
    assert {row.name for row in report.layers} == {"pad", "head"}
    assert all(row.compared and row.max_rel <= 1e-12 for row in report.layers)


def test_windows_of_padding_alone_there_and_back() -> None:
    """In double precision a pool over three axes is two pools, of which neither sees a window of padding alone."""
    model = Net(lambda self, x: self.pool(x), pool=nn.MaxPool3d(2, padding=1))
    x = np.random.default_rng(0).standard_normal((2, 3, 3, 6, 4))
    there = translate(model, "keras", example_inputs=x.astype("float32"), verify=False, dtype="float64")
    given = there.to_target(x)
    back = translate(there.model, "torch", example_inputs=np.asarray(given), verify=False, dtype="float64")
    report = check_equivalence(there.model, back, np.asarray(given), dtype="float64")
    assert len(report.layers) >= 2
    assert all(row.passed and row.max_rel <= 1e-12 for row in (*report.outputs, *report.layers)), report


@pytest.mark.parametrize("batch", [1, 2, 5])
@pytest.mark.parametrize(
    "conv",
    [
        nn.Conv2d(1, 2, 2, stride=(1, 3)),
        nn.Conv2d(1, 2, 3, stride=(1, 2), padding=(1, 0)),
        nn.Conv3d(1, 2, 2, stride=(1, 1, 3)),
        nn.Conv3d(1, 2, (1, 1, 3), stride=(2, 1, 2)),
    ],
    ids=str,
)
def test_a_single_column_of_one_channel(conv: nn.Module, batch: int) -> None:
    """TensorFlow's own kernel takes what lies beyond its memory there."""
    x = np.random.default_rng(0).standard_normal((batch, 1, *(4,) * (conv.weight.ndim - 2))).astype("float32")
    translation = translate(conv.eval(), "keras", example_inputs=x[:1], verify=False)
    report = check_equivalence(conv, translation, x)
    assert report.passed and report.worst("outputs") <= 1e-5


@pytest.mark.parametrize(
    "conv",
    [
        nn.Conv1d(3, 4, 1, stride=2),
        nn.Conv2d(3, 4, 1, stride=2),
        nn.Conv2d(8, 4, 1, (2, 1), padding=1),
        nn.Conv3d(2, 4, 1, 2),
    ],
    ids=str,
)
def test_a_strided_convolution_of_single_pixels(conv: nn.Module) -> None:
    """TensorFlow's own kernel writes beyond its memory on the way to the gradient of these weights, and crashes at times."""
    x = (
        np.random.default_rng(0)
        .standard_normal((2, conv.in_channels, *(8,) * (conv.weight.ndim - 2)))
        .astype("float32")
    )
    translation = translate(nn.Sequential(conv).eval(), "keras", example_inputs=x)
    (layer,) = [layer for layer in translation.model.layers if "Conv" in type(layer).__name__]
    strides = (layer.strides,) if isinstance(layer.strides, int) else layer.strides
    assert set(strides) == {1}
    assert check_equivalence(nn.Sequential(conv), translation, x[:1]).passed
