"""Shape data: how long it can get, before ONNX's own inference follows it element by element.

Inference with data propagation writes out every integer vector that is put together on the way: fifty Concats that double one
are a petabyte. Their lengths alone are a sum each.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

__all__ = ["LONGEST", "longest_vector"]

#: Elements up to which data is propagated; shapes and axes have a few each.
LONGEST = 1 << 18
#: Operators whose shape is itself shape data, so that inference may find a length on the way that was not known before.
FOLLOWED = {"ConstantOfShape", "Expand", "Reshape"}
#: Operators whose result can be of any length, whatever their inputs are.
GROWING = {*FOLLOWED, "Tile", "Range", "Pad", "Resize", "Upsample", "OneHot", "Flatten"}


def longest_vector(
    nodes: Iterable[tuple[str, Sequence[str], Sequence[str]]], known: Mapping[str, int], *, inferred: bool = False
) -> int:
    """An upper bound of the elements of all vectors that data propagation would write out.

    Parameters
    ----------
    nodes
        Operator, inputs and outputs, in the order of the graph.
    known
        Elements of vectors that are known already: of constants and inputs of one axis; 1 for what is known to have another
        number of axes, and is no shape data.
    inferred
        Shapes were inferred without data: lengths that are not known now depend on data alone.
    """
    lengths = dict(known)
    total = 0
    for operator, inputs, outputs in nodes:
        sizes = [lengths.get(name, 1) for name in inputs if name]
        length = min(sum(sizes) if operator == "Concat" else max(sizes, default=1), 1 << 62)
        if operator in (FOLLOWED if inferred else GROWING):
            length = LONGEST + 1
        for name in outputs:
            length = lengths.setdefault(name, length)
            total += length if length > 1 else 0
    return total
