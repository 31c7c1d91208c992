"""Axis meanings of Keras tensors, from the layers that they pass."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from metannvis_translate.graph.axes import image_axes
from metannvis_translate.layers import first_role

__all__ = ["Passage", "infer", "role_of"]

#: Layers with a ``data_format`` whose output is no image any more.
LEAVES_IMAGES = ("Flatten",)
#: Layers over tokens or time, whose input and output are (N, T, F).
SEQUENCES = (
    "MultiHeadAttention", "GroupedQueryAttention", "Attention", "AdditiveAttention", "LSTM", "GRU", "SimpleRNN", "RNN",
    "Bidirectional", "PositionEmbedding",
)  # fmt: skip
#: Layers along the last axis, which say that three axes are tokens where nothing else says what they are.
OVER_FEATURES = ("Dense", "EinsumDense", "LayerNormalization", "RMSNormalization")
#: Classes of layers and operations that tell what a layer is for, also one that inherits from them.
ROLES = {
    "convolution": (
        "BaseConv", "BaseConvTranspose", "BaseDepthwiseConv", "BaseSeparableConv", "Conv", "ConvTranspose", "DepthwiseConv",
        "SeparableConv", "ConvLSTM",
    ),
    "recurrent": ("RNN", "Bidirectional"),
    "attention": ("MultiHeadAttention", "GroupedQueryAttention", "Attention", "DotProductAttention"),
    "embedding": ("Embedding",),
    "normalization": ("LayerNormalization", "RMSNormalization", "GroupNormalization", "BatchNormalization"),
    "dense": ("Dense", "EinsumDense"),
}  # fmt: skip


@dataclass(frozen=True)
class Passage:
    """One call of a layer or operation: keys and ranks of the values that go in and come out."""

    operation: Any
    inputs: Sequence[tuple[int, int]]
    outputs: Sequence[tuple[int, int]]


def role_of(operation: Any) -> str:
    """What a layer does, see :class:`~metannvis_translate.LayerInfo`."""
    return first_role(ROLES, class_names_of(operation))


def class_names_of(operation: Any) -> list[str]:
    """Name of the class of a layer or operation, and of those that it inherits from."""
    return [kind.__name__ for kind in type(operation).__mro__]


def infer(passages: Iterable[Passage], ports: Sequence[tuple[int, int]], *, shapes: dict[int, Any]) -> dict[int, str]:
    """Letters by value key: N batch, C channels, D/H/W/L space, T tokens, F features."""
    passages = list(passages)
    found: dict[int, str] = {}
    _spread(passages, found, shapes)
    for key, rank in ports:
        default = {2: "NF", 3: "NTF"}.get(rank) or image_axes(rank, channels_last=True)
        if key not in found and default:
            found[key] = default
            _spread(passages, found, shapes)
    for passage in passages:
        if not set(OVER_FEATURES).isdisjoint(class_names_of(passage.operation)):
            for key, rank in passage.inputs[:1]:
                if rank == 3 and key not in found:
                    found[key] = "NTF"
                    _spread(passages, found, shapes)
    return found


def _spread(passages: Sequence[Passage], found: dict[int, str], shapes: dict[int, Any]) -> None:
    changed = True
    while changed:
        before = len(found)
        for sequence in (passages, reversed(passages)):
            for passage in sequence:
                _apply(passage, found, shapes)
        changed = len(found) > before


def _apply(passage: Passage, found: dict[int, str], shapes: dict[int, Any]) -> None:
    kind = type(passage.operation).__name__
    data_format = getattr(passage.operation, "data_format", None)

    def learn(keys: Iterable[tuple[int, int]], letters: str) -> None:
        for key, rank in keys:
            if len(letters) == rank:
                found.setdefault(key, letters)

    both = (*passage.inputs, *passage.outputs)
    if data_format in ("channels_first", "channels_last") and kind not in LEAVES_IMAGES:
        for key, rank in both:
            learn([(key, rank)], image_axes(rank, channels_last=data_format == "channels_last"))
        for key, rank in passage.outputs:
            if rank == 2:
                found.setdefault(key, "NC")
        return
    if kind in ("UpSampling1D", "ZeroPadding1D", "Cropping1D"):
        learn(both, "NLC")
    elif "Embedding" in class_names_of(passage.operation):
        learn(passage.inputs, "NT")
        learn(passage.inputs, "N")
        learn(passage.outputs, "NTF")
        learn(passage.outputs, "NF")
    elif not set(SEQUENCES).isdisjoint(class_names_of(passage.operation)):
        learn(both, "NTF")
        learn(both, "NF")
    elif kind == "Permute":
        order = (0, *passage.operation.dims)
        (source, _), (result, _) = passage.inputs[0], passage.outputs[0]
        if source in found:
            found.setdefault(result, "".join(found[source][k] for k in order))
        elif result in found:
            found[source] = "".join(found[result][order.index(k)] for k in range(len(order)))
    elif kind in ("Flatten", "Reshape", "RepeatVector"):
        learn(passage.outputs, "NF")
        learn(passage.outputs, "NTF" if kind == "RepeatVector" else "")
    elif kind == "Dense":
        known = next((found[key] for key, _ in passage.inputs if key in found), "")
        learn(
            passage.outputs,
            known[:-1] + ("C" if known[-1:] == "C" and len(known) > 2 else "F") if known else "",
        )
        if not known:
            learn(both, "NF")
    else:
        _same(both, found, shapes)


def _same(both: Sequence[tuple[int, int]], found: dict[int, str], shapes: dict[int, Any]) -> None:
    """Values of one rank that agree in their sizes, or differ along one axis only, mean the same."""
    for key, rank in both:
        if key not in found:
            continue
        for other, other_rank in both:
            if other in found or other_rank != rank:
                continue
            differing = sum(a != b for a, b in zip(shapes[key], shapes[other], strict=True))
            if differing <= 1:
                found[other] = found[key]
