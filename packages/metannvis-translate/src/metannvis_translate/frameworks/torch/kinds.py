"""Kinds of PyTorch layers: the class that a module was declared as, and the operators that it runs.

A module of an exported program is an ``InterpreterModule``, and one that TorchScript compiled a ``RecursiveScriptModule``; both
know which class they were made from, and both run the operators that the original runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from metannvis_translate.layers import ROLES as ORDER
from metannvis_translate.layers import first_role

if TYPE_CHECKING:
    import torch

__all__ = ["class_names", "convolves_over_one_axis", "kind_of", "operator_name", "role_of", "takes_indices"]

#: Operators that tell what a layer is for; ``Nd`` stands for any number of axes.
ROLES: dict[str, tuple[str, ...]] = {
    "convolution": (
        "convNd", "conv_transposeNd", "convolution", "mkldnn_convolution", "cudnn_convolution", "deform_convNd", "conv_tbc",
        "slow_convNd", "slow_conv_dilatedNd", "thnn_convNd",
    ),
    "recurrent": ("lstm", "gru", "rnn_tanh", "rnn_relu", "mkldnn_rnn_layer", "cudnn_rnn"),
    "attention": (
        "scaled_dot_product_attention", "native_multi_head_attention", "transformer_encoder_layer_fwd",
        "scaled_dot_product_flash_attention_for_cpu", "scaled_dot_product_flash_attention",
        "scaled_dot_product_efficient_attention", "scaled_dot_product_fused_attention_overrideable",
    ),
    "embedding": ("embedding", "embedding_bag"),
    "normalization": (
        "layer_norm", "native_layer_norm", "rms_norm", "fused_rms_norm", "group_norm", "native_group_norm", "batch_norm",
        "native_batch_norm", "native_batch_norm_legit", "native_batch_norm_legit_no_training", "cudnn_batch_norm",
        "instance_norm",
    ),
    "dense": ("linear", "addmm"),
}  # fmt: skip
#: The same for classes, whose operators may be written out: a program's are, an attention's where its weights are asked for.
CLASSES: dict[str, tuple[str, ...]] = {
    "recurrent": ("RNN", "LSTM", "GRU"), "attention": ("MultiheadAttention",), "normalization": ("LayerNorm", "RMSNorm"),
}  # fmt: skip
#: Classes over one spatial axis, and those over tokens or time, where only the class tells what a model of three axes means.
SIGNALS = re.compile(r"(Lazy)?(Conv|ConvTranspose|BatchNorm|InstanceNorm|(Adaptive)?(Avg|Max)Pool|LPPool)1d")
INDEXED = ("Embedding", "EmbeddingBag")


def operator_name(operator: Any) -> str:
    """Name of an operator of ``torch.ops``, of whichever overload, in place or not: ``conv1d``."""
    return str(operator._schema.name).partition("::")[2].strip("_")


def role_of(operators: Iterable[str], module: Any = None) -> str:
    """What a layer does that runs these operators, see :class:`~metannvis_translate.LayerInfo`; it may be of a known class."""
    found = first_role(ROLES, (re.sub(r"[1-3]d$", "Nd", name) for name in operators))
    known = "" if module is None else first_role(CLASSES, class_names(module))
    return min((role for role in (found, known) if role), key=ORDER.index, default="")


def class_names(module: Any) -> list[str]:
    """Names of the class that a module was declared as and, as far as that is known, of those that it inherits from."""
    declared = getattr(module, "original_name", None)
    if declared is None and hasattr(module, "type_name"):
        declared = module.type_name()
    if declared:
        return [str(declared).rpartition(".")[2].partition("@")[0]]
    return [kind.__name__ for kind in type(module).__mro__[:-1]]


def kind_of(module: torch.nn.Module) -> str:
    """Name of the class that a module was declared as; its present one where it does not say."""
    return class_names(module)[0]


def convolves_over_one_axis(model: torch.nn.Module) -> bool:
    """Whether one of its modules is of a class for signals; for models of which nothing more is known than their classes."""
    return any(SIGNALS.fullmatch(name) for module in model.modules() for name in class_names(module))


def takes_indices(model: torch.nn.Module) -> bool:
    """Whether whole numbers are looked up in it: by a module of that class, or by an operator in the graph of a program."""
    if any(name in INDEXED for module in model.modules() for name in class_names(module)):
        return True
    return any(
        role_of([operator_name(node.target)]) == "embedding"
        for module in model.modules()
        for node in getattr(getattr(module, "graph", None), "nodes", None) or ()
        if hasattr(node.target, "_schema")
    )
