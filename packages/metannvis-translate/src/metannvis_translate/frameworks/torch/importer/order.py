"""The order in which a translated graph runs."""

from __future__ import annotations

from collections.abc import Iterable

from torch import fx

__all__ = ["in_reading_order"]


def in_reading_order(graph: fx.Graph) -> None:
    """Put the nodes into the order in which somebody writes them: what is added first is computed first.

    Keras runs by depth, the deeper branch first. Relevance propagation in Captum depends on the order of two branches that
    meet, and what a method says of modules it says of the first.
    """
    nodes = list(graph.nodes)
    inputs = [node for node in nodes if node.op == "placeholder"]
    output = next(node for node in nodes if node.op == "output")
    done = dict.fromkeys(inputs)
    # what no output needs, but a layer of the source returns, comes last and as it was
    for end in (output, *nodes):
        stack = [(end, iter(end.all_input_nodes))] if end not in done else []
        while stack:
            node, operands = stack[-1]
            following = _first_of(operands, done)
            if following is None:
                done[node] = None
                stack.pop()
            else:
                stack.append((following, iter(following.all_input_nodes)))
    for node in done:
        if node not in inputs and node is not output:
            output.prepend(node)


def _first_of(operands: Iterable[fx.Node], done: dict[fx.Node, None]) -> fx.Node | None:
    return next((node for node in operands if node not in done), None)
