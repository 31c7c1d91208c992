"""Needs of methods: what a model or a call has to have for a method to say anything."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["NEEDS"]

#: By the word that rows have for it, what it is, as it stands behind "needs".
NEEDS: Mapping[str, str] = MappingProxyType(
    {
        "relu": "a ReLU, whose gradient it changes",
        "batch": "two samples or more, among which it shuffles",
        "sample": "one sample at a time",
        "baselines": "two baselines or more, over which it averages",
        "logits": "the score before a softmax or sigmoid, which is left out where it can be",
        "places": "a layer with places beside channels",
        "map": "a layer with more places than one",
        "pooling": "global average pooling and one dense layer behind the layer",
        "rules": "a rule for each module of the model",
    }
)
