"""Classes of Captum that attribute and have no row, each with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["EXCLUDED"]

_GENERATES = "explains a text that a language model generates: a prompt and its tokenizer are no input of a model"
EXCLUDED: Mapping[str, str] = MappingProxyType(
    {
        "NoiseTunnel": "is the word noise of explain, over any method of any toolset",
        "DataLoaderAttribution": "sums over a data set: explain takes it batch by batch",
        "LLMAttribution": _GENERATES,
        "LLMGradientAttribution": _GENERATES,
        "RemoteLLMAttribution": "explains a language model on a server, which is no model that is at hand",
    }
)
