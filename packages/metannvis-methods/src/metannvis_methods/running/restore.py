"""Result restoration: a method's output as NumPy in the caller's layout."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from metannvis_methods.errors import ToolsetError
from metannvis_methods.models.arrays import to_numpy
from metannvis_methods.models.base import ModelAdapter
from metannvis_methods.models.registry import adapter_for
from metannvis_methods.registry.toolset import MethodOutput
from metannvis_methods.running.call import RunningCall
from metannvis_methods.running.convert import caller_array
from metannvis_methods.running.prepared import Prepared

if TYPE_CHECKING:
    from metannvis_translate import LayerInfo, Translation

__all__ = ["axes_to_run", "caller_inputs", "input_axes", "restore", "translation_summary"]

Array = np.ndarray[Any, Any]


def restore(
    prepared: Prepared, call: RunningCall, output: MethodOutput
) -> tuple[Array | tuple[Array | None, ...], str | tuple[str, ...]]:
    """Values and axes in the caller's layout; tuples where the toolkit gave a tuple, ``None`` for an input that was held.

    A map without channels has the caller's remaining axes in the caller's order. Values whose axes the toolset names are
    returned as they are.

    Raises
    ------
    ToolsetError
        The axes that the toolset names are not those of its values.
    """
    several = isinstance(output.values, (tuple, list))
    parts = output.values if several else (output.values,)
    pairs: list[tuple[Any, str]]
    if output.axes is not None:
        arrays = [to_numpy(value) for value in parts]
        pairs = list(zip(arrays, _declared_axes(call, output.axes, arrays), strict=True))
    else:
        back = {"layer": _from_layer, "input": _from_input, "features": _as_they_are}[output.over]
        pairs = [
            (None, "") if value is None else back(prepared, call, to_numpy(value), index, output.channels)
            for index, value in enumerate(parts, 0 if several else output.place)
        ]
    if several:
        return tuple(array for array, _ in pairs), tuple(axes for _, axes in pairs)
    return pairs[0]


def _declared_axes(call: RunningCall, axes: str | tuple[str, ...], arrays: Sequence[Array]) -> tuple[str, ...]:
    """Axes that the toolset names, one text an array."""
    named = axes if isinstance(axes, tuple) else (axes,) * len(arrays)
    if [len(letters) for letters in named] != [array.ndim for array in arrays]:
        shapes = " and ".join(str(array.shape) for array in arrays)
        raise ToolsetError(
            f"{call.spec.key} of {call.spec.toolset} returned shape {shapes} and names the axes {axes!r}"
        )
    return named


def _as_they_are(prepared: Prepared, call: RunningCall, array: Array, index: int, channels: bool) -> tuple[Array, str]:
    """Values that lie like no tensor of the model: one a group of features."""
    return array, {1: "F", 2: "NF"}.get(array.ndim, _unknown(array.ndim))


def _from_input(prepared: Prepared, call: RunningCall, array: Array, index: int, channels: bool) -> tuple[Array, str]:
    if array.shape == (0,):  # what a toolkit has for an input that it can say nothing of
        return array, ""
    # a row of features has no channels that a map could have lost
    if prepared.translation is None:
        told = prepared.described().input_axes[index : index + 1]
        channels = channels or array.ndim == len("".join(told))
        axes = _own_input_axes(prepared, index, array.ndim + (not channels))
        return array, axes if channels else _without_channels(axes)
    port = prepared.translation.inputs[index]
    channels = channels or array.ndim == len(port.source_shape)
    if channels:
        axes = port.axes if len(port.axes) == array.ndim else _unknown(array.ndim)
        return _in_source(array, port.permutation), axes
    return _reduced(array, port.permutation, port.axes, prepared.adapter)


def _from_layer(prepared: Prepared, call: RunningCall, array: Array, index: int, channels: bool) -> tuple[Array, str]:
    row = prepared.row
    if row is None:
        return array, _unknown(array.ndim)
    if prepared.translation is None:
        rank = array.ndim + (not channels)
        axes = _of_rank(_output_axes(prepared, row.source, index), rank) or prepared.adapter.layer_axes(
            prepared.source, call.layer, range(rank)
        )
        return array, axes if channels else _without_channels(axes)
    if not channels:
        return _reduced(array, row.permutation, row.source.axes, prepared.adapter)
    axes = row.source.axes if len(row.source.axes) == array.ndim else _unknown(array.ndim)
    if row.permutation is None or len(row.permutation) != array.ndim:
        return array, axes
    return _in_source(array, row.permutation), axes


def _in_source(array: Array, permutation: Sequence[int]) -> Array:
    """An array in the target's layout in the source's, which may be of one framework: axis k there is ``permutation[k]`` here.

    Raises
    ------
    ToolsetError
        It has another number of axes.
    """
    if len(permutation) != array.ndim:
        raise ToolsetError(f"values of shape {array.shape} were returned where {len(permutation)} axes are known")
    return np.ascontiguousarray(np.transpose(array, np.argsort(permutation)))


def _reduced(array: Array, permutation: Sequence[int] | None, axes: str, adapter: ModelAdapter) -> tuple[Array, str]:
    """A map that lost its channels, wherever the model that ran had them, in the order in which the source has the others."""
    rank = array.ndim + 1
    order = tuple(permutation) if permutation is not None and len(permutation) == rank else tuple(range(rank))
    letters = [axes[k] for k in order] if len(axes) == rank else []
    usual = rank - 1 if adapter.channels_last else 1
    lost = letters.index("C") if "C" in letters else usual
    left = (*order[:lost], *order[lost + 1 :])
    axes = "".join(axes[k] for k in sorted(left)) if len(axes) == rank else _unknown(array.ndim)
    return np.ascontiguousarray(np.transpose(array, np.argsort(left))), axes


def _without_channels(axes: str) -> str:
    return axes.replace("C", "") if "C" in axes else axes[:-1]


def _unknown(rank: int) -> str:
    return "N" + "?" * (rank - 1) if rank else ""


def caller_inputs(
    prepared: Prepared, call: RunningCall
) -> tuple[Array | tuple[Array, ...] | None, str | tuple[str, ...] | None]:
    """The inputs of a call in the terms of the caller's model as NumPy, and their axes."""
    if not call.inputs:
        return None, None
    arrays = tuple(caller_array(prepared, value, index) for index, value in enumerate(call.inputs))
    axes = tuple(input_axes(prepared, array, index) for index, array in enumerate(arrays))
    return (arrays, axes) if call.several else (arrays[0], axes[0])


def axes_to_run(prepared: Prepared, axes: Sequence[str]) -> tuple[str, ...]:
    """Axes of the inputs as the model that runs takes them, by those of the caller's."""
    if prepared.translation is None:
        return tuple(axes)
    orders = [tuple(port.permutation) for port in prepared.translation.inputs]
    return tuple(
        "".join(letters[k] for k in order) if len(order) == len(letters) else letters
        for letters, order in zip(axes, orders, strict=False)
    )


def input_axes(prepared: Prepared, array: Array, index: int) -> str:
    """Axes of an input of the caller's, one letter each."""
    if prepared.translation is not None:
        axes = prepared.translation.inputs[index].axes
        return axes if len(axes) == array.ndim else _unknown(array.ndim)
    return _own_input_axes(prepared, index, array.ndim)


def _own_input_axes(prepared: Prepared, index: int, rank: int) -> str:
    """Axes of an input of a model that is not translated: as it runs, else as its number of axes tells."""
    axes = prepared.described().input_axes[index : index + 1]
    return _of_rank("".join(axes), rank) or adapter_for(prepared.framework).input_axes(prepared.source, range(rank))


def _output_axes(prepared: Prepared, layer: LayerInfo, index: int) -> str:
    """Axes of one of the tensors that a layer of a model that is not translated returns."""
    if not index:
        return layer.axes
    name = f"{layer.name}#{index + 1}"
    return next((info.axes for info in prepared.described().layers if info.name == name), "")


def _of_rank(axes: str, rank: int) -> str:
    return axes if len(axes) == rank else ""


def translation_summary(translation: Translation | None) -> dict[str, Any] | None:
    """What was translated between, and the largest differences that the check found."""
    if translation is None:
        return None
    summary: dict[str, Any] = {"from": translation.source_framework, "to": translation.target_framework}
    report = translation.report
    for group in ("outputs", "gradients", "layers"):
        worst = math.nan if report is None else report.worst(group)
        summary[group] = worst if math.isfinite(worst) else None
    summary["passed"] = None if report is None else report.passed
    return summary
