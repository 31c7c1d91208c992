"""Changes in place, written as operators that make new tensors, and what they do to tensors that share their memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from metannvis_translate.frameworks.torch.exporter.stop_gradient import torch_function_disabled

if TYPE_CHECKING:
    import torch

__all__ = ["Memory", "functional_of"]

#: Views of all elements, in another shape but in the same order.
REGROUPING = {
    "view", "reshape", "flatten", "unflatten", "unsqueeze", "squeeze", "_unsafe_view", "view_as", "reshape_as",
}  # fmt: skip
#: Views that are the tensor itself.
SAME = {"alias", "detach", "contiguous", "to", "positive", "dropout"}


class _State:
    """What is known of a tensor."""

    __slots__ = ("base", "how", "source", "tensor", "value", "version")

    def __init__(self, tensor: torch.Tensor, value: Any) -> None:
        self.tensor = tensor
        self.value = value
        self.base = _Base()
        self.version = 0
        #: the tensor that this one is a view of, and the call that made it
        self.source: _State | None = None
        self.how: tuple[Any, tuple[Any, ...], dict[str, Any], int | None] | None = None


class _Base:
    """Memory that tensors share; the number of its changes."""

    __slots__ = ("held", "version")

    def __init__(self) -> None:
        self.version = 0
        self.held = False


class Memory:
    """The current value of every tensor of a recording, whatever was done to the memory that it shares with others.

    Parameters
    ----------
    recording
        Records calls: ``recorded(func, args, kwargs)``; and knows what stands for a tensor of the model: ``held(tensor)``.
    """

    def __init__(self, recording: Any) -> None:
        self.recording = recording
        #: whether a tensor that the model holds was changed
        self.is_model_changed = False
        self._states: dict[int, _State] = {}
        self._bases: dict[int, _Base] = {}
        self._twins: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    def add(
        self,
        tensor: torch.Tensor,
        value: Any,
        func: Any = None,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
        place: int | None = None,
    ) -> None:
        """A tensor that a call returned."""
        if id(tensor) in self._states:
            return  # what the call was given
        state = self._states[id(tensor)] = _State(tensor, value)
        with torch_function_disabled():
            storage = tensor.untyped_storage()._cdata
        if storage not in self._bases:
            self._bases[storage] = state.base
            return
        state.base = self._bases[storage]
        state.version = state.base.version
        for arg in args:
            source = self._states.get(id(arg))
            if source is not None and source.base is state.base:
                state.source, state.how = source, (func, args, dict(kwargs or {}), place)
                return
        raise NotImplementedError(f"{func} returns a tensor that shares the memory of another in an unknown way")

    def twin(self, tensor: torch.Tensor) -> torch.Tensor:
        """The tensor without elements that stands for one that the model holds; any other is itself."""
        if id(tensor) in self._states:
            return tensor
        if id(tensor) not in self._twins:
            twin, value = self.recording.held(tensor)
            self._twins[id(tensor)] = twin, tensor
            self.add(twin, value)
            self._states[id(twin)].base.held = True
        return self._twins[id(tensor)][0]

    def known(self, tensor: torch.Tensor) -> Any:
        """The value of a tensor that was recorded, as of when it was made."""
        state = self._states.get(id(tensor))
        return None if state is None else state.value

    def value(self, tensor: torch.Tensor) -> Any:
        """The value of a tensor as it is now."""
        return self._current(self._states[id(self.twin(tensor))]).value

    def change(self, tensor: torch.Tensor, made: torch.Tensor) -> None:
        """A tensor has become what another one is, and with it all that share its memory."""
        state = self._states[id(self.twin(tensor))]
        base = state.base
        new = [(state, self.value(made))]
        while state.source is not None:
            made = _whole(state, made)
            state = state.source
            new.append((state, self.value(made)))
        base.version += 1
        for changed, value in new:
            changed.value, changed.version = value, base.version
        self.is_model_changed = self.is_model_changed or base.held

    def _current(self, state: _State) -> _State:
        if state.version != state.base.version:
            if state.how is None:
                raise NotImplementedError("a tensor shares the memory of another in an unknown way")
            func, args, kwargs, place = state.how
            result = self.recording.recorded(func, args, kwargs)
            again = self._states[id(result if place is None else result[place])]
            state.value, state.version = again.value, state.base.version
        return state


def functional_of(func: Any) -> Callable[..., Any] | None:
    """What computes what an operator leaves in its first argument, or ``None`` if that is all too special."""
    import torch

    aten = torch.ops.aten
    name, written = (
        func._opname,
        [a for a in func._schema.arguments if a.alias_info is not None and a.alias_info.is_write],
    )
    if func.namespace != "aten" or torch.Tag.inplace_view in func.tags or written != func._schema.arguments[:1]:
        return None
    if name == "copy_":
        return _copied
    if name == "zero_":
        return lambda x: aten.zeros_like.default(x)
    packet = getattr(aten, name.removesuffix("_"), None) if name.endswith("_") and not name.endswith("__") else None
    return getattr(packet, func._overloadname, None)


def _copied(target: torch.Tensor, source: torch.Tensor, non_blocking: bool = False) -> torch.Tensor:
    import torch

    aten = torch.ops.aten
    if source.dtype != target.dtype:
        source = aten._to_copy.default(source, dtype=target.dtype)
    if tuple(source.shape) != tuple(target.shape):
        source = aten.expand.default(source, list(target.shape))
    return aten.clone.default(source)


def _whole(state: _State, part: torch.Tensor) -> torch.Tensor:
    """The tensor that another one is a view of, with this in the place of the view."""
    import torch

    aten = torch.ops.aten
    assert state.how is not None
    assert state.source is not None
    func, args, kwargs, _ = state.how
    source, name = state.source.tensor, func._opname
    given = {a.name: a.default_value for a in func._schema.arguments if a.has_default_value()}
    given |= {a.name: value for a, value in zip(func._schema.arguments, args, strict=False)} | kwargs
    if name in REGROUPING:
        return aten.reshape.default(part, list(source.shape))
    if name in SAME:
        return part
    match name:
        case "select":
            return aten.select_scatter.default(source, part, given["dim"], given["index"])
        case "slice":
            return aten.slice_scatter.default(source, part, given["dim"], given["start"], given["end"], given["step"])
        case "transpose":
            return aten.transpose.int(part, given["dim0"], given["dim1"])
        case "t" | "numpy_T" | "mT":
            return aten.transpose.int(part, -1, -2)
        case "permute":
            order = [axis % part.ndim for axis in given["dims"]]
            return aten.permute.default(part, [order.index(axis) for axis in range(part.ndim)])
        case "narrow":
            start = given["start"]
            return aten.slice_scatter.default(source, part, given["dim"], start, start + given["length"], 1)
    raise NotImplementedError(f"a view of a tensor ({func}) is changed in place")
