"""Node errors: whatever goes wrong while a node is interpreted is said of that node.

Passes and converters take an operator's inputs and attributes for what the standard says they are. A file can hold anything
else that the standard's own checker lets through: an axis that there is not, shapes that do not belong together. Python's error
about it stays the cause.
"""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

from metannvis_translate.errors import InvalidModelError, MetannvisError

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = ["interpreting"]


class interpreting:  # noqa: N801  # reads as what it does; a class because it is entered once a node
    """``with interpreting(node):`` errors that are none of ours become :class:`InvalidModelError`, with the node."""

    __slots__ = ("node",)

    def __init__(self, node: ir.Node) -> None:
        self.node = node

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None or isinstance(error, MetannvisError) or not isinstance(error, Exception):
            return
        node = self.node
        name = node.name or next((value.name for value in node.outputs if value.name), "")
        operator = f"{node.domain}::{node.op_type}" if node.domain else node.op_type
        shapes = ", ".join("?" if v is None or v.shape is None else str(v.shape) for v in node.inputs[:8])
        said = str(error).strip().split("\n")[0][:300]
        raise InvalidModelError(
            f"node {name!r} ({operator}, inputs of the shapes {shapes or 'none'}) cannot be translated as it stands: "
            f"{type(error).__name__}: {said}"
        ) from error
