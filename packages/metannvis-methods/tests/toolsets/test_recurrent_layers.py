"""Methods of Captum on layers that return more than one tensor, against derivatives by autograd."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from metannvis_methods import explain
from torch import nn


class Recurrent(nn.Module):
    """Reads the sequence or the last states of its recurrent layer."""

    def __init__(self, kind: str, reads: str, bidirectional: bool = False) -> None:
        super().__init__()
        self.rnn = getattr(nn, kind)(4, 6, 2, batch_first=True, bidirectional=bidirectional)
        self.head = nn.Linear(12 if bidirectional else 6, 3)
        self.kind, self.reads = kind, reads

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        sequence, states = self.rnn(x)
        return self.headed(sequence, states[0] if self.kind == "LSTM" else states)

    def headed(self, sequence: torch.Tensor, states: torch.Tensor) -> torch.Tensor:
        if self.reads == "mean":
            return self.head(torch.tanh(sequence).mean(1))
        both = self.rnn.bidirectional
        return self.head(torch.tanh(torch.cat([states[-2], states[-1]], 1) if both else states[-1]))


def gradients(model: Recurrent, x: torch.Tensor) -> Any:
    """Gradient times activation of the sequence, in which the last states are steps."""
    sequence = model.rnn(x)[0].detach().requires_grad_()
    states = sequence[:, -1][None]
    if model.rnn.bidirectional:
        states = torch.stack([sequence[:, -1, :6], sequence[:, 0, 6:]])
    model.headed(sequence, states)[:, 1].sum().backward()
    assert sequence.grad is not None
    return (sequence.grad * sequence).detach().numpy()


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize(("reads", "bidirectional"), [("mean", False), ("last", False), ("last", True)])
def test_gradient_of_a_recurrent_layer(kind: str, reads: str, bidirectional: bool) -> None:
    torch.manual_seed(0)
    model, x = Recurrent(kind, reads, bidirectional).eval(), torch.randn(2, 5, 4)
    expected = gradients(model, x)
    before = model(x)
    for layer in ("auto", "rnn"):
        found = explain(model, "layer_gradient_x_activation", x, layer=layer, target=1)
        assert found.layer == "rnn"
        np.testing.assert_allclose(found.values, expected, rtol=1e-5, atol=1e-7)
    assert not model.rnn._forward_hooks
    torch.testing.assert_close(model(x), before)


@pytest.mark.parametrize("method", ["layer_integrated_gradients", "layer_conductance", "layer_deep_lift"])
def test_completeness_at_a_recurrent_layer(method: str) -> None:
    """What is attributed to the sequence sums to the difference of the outputs."""
    torch.manual_seed(0)
    model, x = Recurrent("LSTM", "last").eval(), torch.randn(2, 5, 4)
    found = explain(model, method, x, layer="auto", target=1)
    difference = (model(x) - model(torch.zeros_like(x)))[:, 1].detach().numpy()
    np.testing.assert_allclose(np.asarray(found.values).sum((1, 2)), difference, rtol=2e-2)


def test_attention_that_returns_its_weights() -> None:
    class Attending(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attend = nn.MultiheadAttention(4, 2, batch_first=True)
            self.head = nn.Linear(4, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(torch.tanh(self.attend(x, x, x)[0]).mean(1))

    torch.manual_seed(0)
    model, x = Attending().eval(), torch.randn(2, 5, 4)
    tokens = model.attend(x, x, x)[0].detach().requires_grad_()
    model.head(torch.tanh(tokens).mean(1))[:, 1].sum().backward()
    assert tokens.grad is not None
    found = explain(model, "layer_gradient_x_activation", x, layer="attend", target=1)
    np.testing.assert_allclose(found.values, (tokens.grad * tokens).detach().numpy(), rtol=1e-5, atol=1e-7)
