"""Recurrent networks."""

from __future__ import annotations

import torch
from torch import nn

from .torch_case import Row

__all__ = ["RECURRENT"]


class Recurrent(nn.Module):
    """A recurrent layer whose outputs, batch first, are all its own."""

    def __init__(self, rnn: nn.Module) -> None:
        super().__init__()
        self.rnn = rnn

    def forward(self, x):
        if not self.rnn.batch_first:
            x = x.transpose(0, 1)
        y, last = self.rnn(x)
        states = [s.transpose(0, 1) for s in (last if isinstance(last, tuple) else (last,))]
        return (y if self.rnn.batch_first else y.transpose(0, 1), *states)


class States(nn.Module):
    """Initial states are inputs; only the last hidden state is used."""

    def __init__(self, bidirectional: bool = False) -> None:
        super().__init__()
        self.rnn = nn.LSTM(4, 3, batch_first=True, bidirectional=bidirectional)
        self.head = nn.Linear(3 * (1 + bidirectional), 2)

    def forward(self, x, h, c):
        _, (h, c) = self.rnn(x, (h.transpose(0, 1).contiguous(), c.transpose(0, 1).contiguous()))
        return self.head(h.transpose(0, 1).flatten(1)), c.transpose(0, 1)


class Learned(nn.Module):
    """A learned initial state, spread over the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.GRU(4, 3, batch_first=True)
        self.start = nn.Parameter(torch.randn(1, 1, 3))

    def forward(self, x):
        return self.rnn(x, self.start.expand(-1, x.shape[0], -1).contiguous())[0][:, -1]


class Cells(nn.Module):
    """Cells in a loop."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTMCell(4, 3)
        self.gru = nn.GRUCell(3, 5)
        self.rnn = nn.RNNCell(5, 2)

    def forward(self, x):
        state, h, g = None, None, None
        for t in range(x.shape[1]):
            state = self.lstm(x[:, t], state)
            h = self.gru(state[0], h)
            g = self.rnn(h, g)
        return torch.cat([*state, h, g], 1)


class Twice(nn.Module):
    """One layer, called twice, the second time from where the first left off."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.LSTM(4, 4, batch_first=True)

    def forward(self, x):
        y, state = self.rnn(x)
        return self.rnn(y.flip(1), state)[0]


class Tagger(nn.Module):
    """Words to tags: embedding, bidirectional layers, dense."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(20, 5, padding_idx=0)
        self.rnn = nn.LSTM(5, 4, 2, batch_first=True, bidirectional=True, dropout=0.2)
        self.head = nn.Linear(8, 3)

    def forward(self, words):
        return self.head(self.rnn(self.embed(words))[0]).log_softmax(-1)


RECURRENT: dict[str, Row] = {
    "lstm": Row(lambda: Recurrent(nn.LSTM(4, 3, 2, batch_first=True)), ((6, 4),)),
    "lstm_bidirectional": Row(lambda: Recurrent(nn.LSTM(4, 3, 2, bidirectional=True)), ((6, 4),)),
    "gru": Row(lambda: Recurrent(nn.GRU(4, 3, 2, bidirectional=True, batch_first=True)), ((6, 4),)),
    "gru_without_bias": Row(lambda: Recurrent(nn.GRU(4, 3, bias=False)), ((6, 4),)),
    "rnn": Row(lambda: Recurrent(nn.RNN(4, 3, 2, bidirectional=True)), ((6, 4),)),
    "rnn_relu": Row(lambda: Recurrent(nn.RNN(4, 3, nonlinearity="relu", batch_first=True)), ((6, 4),)),
    "lstm_states": Row(States, ((6, 4), (1, 3), (1, 3))),
    "lstm_states_bidirectional": Row(lambda: States(True), ((6, 4), (2, 3), (2, 3))),
    "gru_learned_state": Row(Learned, ((6, 4),)),
    "cells": Row(Cells, ((4, 4),)),
    "lstm_twice": Row(Twice, ((5, 4),)),
    "tagger": Row(Tagger, ((7,),), below=(20,)),
}
