"""What a model in double precision computes in single precision because its own code says so (``x.float().sin()``)."""

from __future__ import annotations

from typing import Any

__all__ = ["computed_in_single"]

#: Calls that make or move numbers without rounding any; a cast rounds in one way only.
EXACT_VALUES = {
    "_to_copy", "to", "arange", "full", "full_like", "zeros", "zeros_like", "ones", "ones_like", "scalar_tensor",
    "lift_fresh_copy", "view", "reshape", "_unsafe_view", "permute", "transpose", "t", "expand", "repeat", "unsqueeze",
    "squeeze", "slice", "select", "cat", "stack", "split", "split_with_sizes", "unbind", "chunk", "index",
    "index_select", "gather", "flip", "roll", "where", "clone", "alias", "detach", "copy", "constant_pad_nd", "pad",
    "tril", "triu", "neg", "abs", "relu", "maximum", "minimum", "masked_fill",
}  # fmt: skip


def computed_in_single(program: Any) -> tuple[str, ...]:
    """Calls of a traced program whose result, a rounded single, goes into a double, as ``operator: where``.

    Two frameworks round such a result differently, however exact the translation is. What only becomes an index or a
    condition does not count.
    """
    import torch

    rounded: dict[Any, frozenset[str]] = {}  # by node: the calls in single precision that its value comes from
    found: dict[str, None] = {}
    for node in program.graph.nodes:
        value = node.meta.get("val")
        if node.op != "call_function" or not isinstance(value, torch.Tensor) or not value.dtype.is_floating_point:
            continue
        calls = frozenset().union(*(rounded.get(given, ()) for given in node.all_input_nodes))
        if value.dtype == torch.float64:
            found |= dict.fromkeys(sorted(calls))
            continue
        name = getattr(node.target, "_opname", str(node.target))
        if value.dtype == torch.float32 and name not in EXACT_VALUES:
            scopes = list((node.meta.get("nn_module_stack") or {}).values())
            path = scopes[-1][0].partition(".")[2] if scopes else ""
            calls |= {f"{name}: {path or 'the model'} computes it in float32, whatever the model's dtype (1e-8)"}
        rounded[node] = calls
    return tuple(found)
