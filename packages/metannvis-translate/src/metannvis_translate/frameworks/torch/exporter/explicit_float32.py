"""What a model in double precision computes in single precision because its own code says so (``x.float().sin()``)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

__all__ = ["SingleCall", "calls_of", "computed_in_single"]

#: Calls that make or move numbers without rounding any; a cast rounds in one way only.
EXACT_VALUES = {
    "_to_copy", "to", "arange", "full", "full_like", "zeros", "zeros_like", "ones", "ones_like", "scalar_tensor",
    "lift_fresh_copy", "view", "reshape", "_unsafe_view", "permute", "transpose", "t", "expand", "repeat", "unsqueeze",
    "squeeze", "slice", "select", "cat", "stack", "split", "split_with_sizes", "unbind", "chunk", "index",
    "index_select", "gather", "flip", "roll", "where", "clone", "alias", "detach", "copy", "constant_pad_nd", "pad",
    "tril", "triu", "neg", "abs", "relu", "maximum", "minimum", "masked_fill",
}  # fmt: skip


@dataclass
class SingleCall:
    """A call: the operator, what it returns with the dtypes, what it is given, and the path of the module that makes it."""

    operator: Any
    returned: list[tuple[Any, torch.dtype]]
    given: list[Any]
    path: str


def calls_of(program: Any) -> Iterator[SingleCall]:
    """The calls of an exported program that return one tensor."""
    import torch

    for node in program.graph.nodes:
        value = node.meta.get("val")
        if node.op == "call_function" and isinstance(value, torch.Tensor):
            scopes = list((node.meta.get("nn_module_stack") or {}).values())
            path = scopes[-1][0].partition(".")[2] if scopes else ""
            yield SingleCall(node.target, [(node, value.dtype)], node.all_input_nodes, path)


def computed_in_single(calls: Iterable[SingleCall]) -> tuple[str, ...]:
    """Calls whose result, a rounded single, goes into a double, as ``operator: where``.

    Two frameworks round such a result differently, however exact the translation is. What only becomes an index or a
    condition does not count.
    """
    import torch

    rounded: dict[Any, frozenset[str]] = {}  # by value: the calls in single precision that it comes from
    found: dict[str, None] = {}
    for call in calls:
        before = frozenset().union(*(rounded.get(given, ()) for given in call.given))
        for value, dtype in call.returned:
            if not dtype.is_floating_point:
                continue
            if dtype == torch.float64:
                found |= dict.fromkeys(sorted(before))
                continue
            name = getattr(call.operator, "_opname", str(call.operator))
            if dtype == torch.float32 and name not in EXACT_VALUES:
                where = f"{name}: {call.path or 'the model'} computes it in float32, whatever the model's dtype (1e-8)"
                before |= {where}
            rounded[value] = before
    return tuple(found)
