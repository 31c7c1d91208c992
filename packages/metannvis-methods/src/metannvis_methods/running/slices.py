"""Slices: a method for images, slice by slice along an axis of volumes. A word of ``explain``.

The model stays one of volumes: what a method is shown is the model of one slice, which stands in the volume that is explained.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.models.arrays import to_numpy
from metannvis_methods.models.base import ModelAdapter
from metannvis_methods.models.view import Within
from metannvis_methods.registry.spec import MethodSpec, Role
from metannvis_methods.registry.toolset import MethodOutput
from metannvis_methods.running.batching import part_of
from metannvis_methods.running.call import RunningCall
from metannvis_methods.running.convert import caller_array
from metannvis_methods.running.input_words import with_words
from metannvis_methods.running.prepared import Prepared

__all__ = ["check_along", "count_of_slices", "first_slice", "over_slices", "with_words_by_slice"]

Array = np.ndarray[Any, Any]
#: Arguments that lie like the input.
LYING: tuple[Role, ...] = ("baseline", "distribution", "feature_mask")
#: Arguments with a number for each axis of the input but that of the samples.
SIZES: tuple[Role, ...] = ("window", "stride")
PLACES = "DHWL"


def check_along(spec: MethodSpec, along: str | None) -> None:
    """Refuse a method that cannot go slice by slice.

    Raises
    ------
    InvalidArgumentError
        It explains a layer or a neuron, makes an input, or looks at several samples together.
    """
    if along is None:
        return
    if spec.kind != "primary" or spec.family == "optimization":
        what = "makes an input" if spec.family == "optimization" else f"explains a {spec.kind}"
        raise InvalidArgumentError(f"along is for methods that explain the input, and {spec.key} {what}: leave it out")
    if not spec.batchable:
        raise InvalidArgumentError(f"{spec.key} looks at several samples together, so it cannot go slice by slice")


def with_words_by_slice(
    call: RunningCall,
    prepared: Prepared,
    values: Sequence[Array],
    axes: Sequence[str],
    ends: Callable[[int], tuple[Any, Any] | None],
) -> RunningCall:
    """The call with words for baselines and masks as arrays in the shape of the volumes, made of each slice by itself.

    Parameters
    ----------
    values, axes, ends
        As for :func:`~metannvis_methods.running.input_words.with_words`.

    Raises
    ------
    InvalidArgumentError
        The model has several inputs, or one that is no volume with that axis.
    """
    axis = _axis_of(call, axes)
    (volume,), letters = values, axes[0][:axis] + axes[0][axis + 1 :]
    options = {
        name: _lying(value, volume.ndim, lambda x: caller_array(prepared, x, 0)) if role in LYING else value
        for name, value, role in _with_roles(call)
    }
    call = dataclasses.replace(call, call_options=options)
    parts = []
    for place in range(volume.shape[axis]):
        part = _sliced(call, axis, place, volume.ndim, lambda old, new: new)
        part = dataclasses.replace(part, words=dataclasses.replace(call.words, data=_of_data(call, axis, place)))
        here = _ends_at(ends, axis, place, volume.ndim)
        parts.append(with_words(part, (volume.take(place, axis),), (letters,), _no_prior, here).call_options)
    found: dict[str, Any] = dict(parts[0])
    for name, value, role in _with_roles(dataclasses.replace(call, call_options=parts[0])):
        if role in LYING and np.ndim(_only(value)) == volume.ndim - 1:
            together = np.stack(np.broadcast_arrays(*(_only(part[name]) for part in parts)), axis)
            found[name] = (together,) if call.several else together
        elif role in SIZES and isinstance(value, (tuple, list)):
            sizes = list(_only(value))
            if len(sizes) == volume.ndim - 2:  # as a slice has them
                sizes.insert(axis - 1, 1)
            found[name] = (tuple(sizes),) if call.several else tuple(sizes)
    return dataclasses.replace(call, call_options=found)


def over_slices(call: RunningCall, adapter: ModelAdapter, run: Callable[[RunningCall], MethodOutput]) -> MethodOutput:
    """A method's result for each slice of each sample, put together as the volumes lie.

    Parameters
    ----------
    run
        Runs a call for one slice of one sample, from the same random numbers every time.

    Raises
    ------
    InvalidArgumentError
        The method gives something else than a map of the slice.
    """
    letters = call.axes[0]
    axis, count = letters.index(str(call.words.along)), len(call.inputs[0])
    samples, channels = [], True
    for sample in range(count):
        one = part_of(call, sample, sample + 1, count)
        maps = []
        for place in range(int(one.inputs[0].shape[axis])):
            output = run(_slice_of(one, adapter, axis, place))
            values = output.values[0] if isinstance(output.values, (tuple, list)) else output.values
            array = to_numpy(values)
            channels = output.channels
            if output.over != "input" or output.axes is not None or array.ndim != len(letters) - 1 - (not channels):
                raise InvalidArgumentError(
                    f"{call.spec.key} of {call.spec.toolset} gives shape {tuple(array.shape)} for a slice, which is no map of "
                    "it: leave along out"
                )
            maps.append(array)
        before = axis - (not channels and "C" in letters[:axis])
        samples.append(np.stack(maps, before))
    whole = np.concatenate(samples)
    return MethodOutput((whole,) if call.several else whole, channels=channels)


def count_of_slices(call: RunningCall) -> int:
    """How many slices a sample has, in the terms of the model that runs; 1 without ``along``."""
    along = call.words.along
    return 1 if along is None else int(call.inputs[0].shape[call.axes[0].index(along)])


def first_slice(call: RunningCall, adapter: ModelAdapter) -> RunningCall:
    """The call for the first slice of the samples, of which no model is run."""
    return _slice_of(call, adapter, call.axes[0].index(str(call.words.along)), 0)


def _slice_of(call: RunningCall, adapter: ModelAdapter, axis: int, place: int) -> RunningCall:
    """The call for one slice, in the terms of the model that runs."""
    volume = call.inputs[0]
    part = _sliced(call, axis, place, len(volume.shape), adapter.same_kind)
    return dataclasses.replace(
        part,
        inputs=(adapter.same_kind(volume, to_numpy(volume).take(place, axis)),),
        axes=(call.axes[0][:axis] + call.axes[0][axis + 1 :],),
        within=Within(volume, axis, place),
    )


def _axis_of(call: RunningCall, axes: Sequence[str]) -> int:
    along = str(call.words.along)
    if len(axes) != 1:
        raise InvalidArgumentError(f"along={along!r} is for models with one input, and this one has {len(axes)}")
    (letters,) = axes
    if along not in letters or sum(letter in PLACES for letter in letters) < 3:
        raise InvalidArgumentError(
            f"along={along!r} is for volumes with that axis, and the input has the axes {letters}"
        )
    return letters.index(along)


def _with_roles(call: RunningCall) -> list[tuple[str, Any, Role | None]]:
    roles = {argument.name: argument.role for argument in call.spec.call}
    return [(name, value, roles.get(name)) for name, value in call.call_options.items()]


def _sliced(call: RunningCall, axis: int, place: int, rank: int, same_kind: Callable[[Any, Array], Any]) -> RunningCall:
    """The call with what lies like the volume cut to a slice; the inputs are left."""
    options = dict(call.call_options)
    for name, value, role in _with_roles(call):
        if role in LYING:

            def taken(x: Any, role: Role | None = role) -> Any:
                return same_kind(x, _taken(x, axis, place, role))

            options[name] = _lying(value, rank, taken)
        elif role in SIZES and isinstance(value, (tuple, list)) and len(_only(value)) == rank - 1:
            sizes = tuple(size for k, size in enumerate(_only(value)) if k != axis - 1)
            options[name] = (sizes,) if call.several else sizes
    return dataclasses.replace(call, call_options=options)


def _taken(value: Any, axis: int, place: int, role: Role | None) -> Array:
    array = to_numpy(value)
    array = array.take(place if array.shape[axis] > 1 else 0, axis)
    if role == "feature_mask":  # toolkits count features from 0
        array = np.unique(array, return_inverse=True)[1].reshape(array.shape)
    return array


def _lying(value: Any, rank: int, change: Callable[[Any], Any]) -> Any:
    """What lies like the volume, alone or as the only one of a tuple, changed; numbers and words as they are."""
    if isinstance(value, tuple) and len(value) == 1:
        return (_lying(value[0], rank, change),)
    return change(value) if len(getattr(value, "shape", ())) == rank else value


def _only(value: Any) -> Any:
    """The one value of the only input."""
    alone = isinstance(value, (tuple, list)) and len(value) == 1 and not isinstance(value[0], int)
    return value[0] if alone else value


def _of_data(call: RunningCall, axis: int, place: int) -> Any:
    data = call.words.data
    return None if data is None else to_numpy(_only(data)).take(place, axis)


def _ends_at(
    ends: Callable[[int], tuple[Any, Any] | None], axis: int, place: int, rank: int
) -> Callable[[int], tuple[Any, Any] | None]:
    def here(index: int) -> tuple[Any, Any] | None:
        found = ends(index)
        if found is None:
            return None
        low, high = (_taken(x, axis, place, None) if np.ndim(x) == rank else x for x in found)
        return low, high

    return here


def _no_prior(data: Array) -> Sequence[int]:
    raise InvalidArgumentError(
        "baselines='neutral' is a sample as a whole, of which no slice is known to be neutral: give baselines another word, a "
        "number or an array"
    )
