"""Operator trace: the calls of PyTorch's operators that a model makes, recorded on tensors without elements.

The model runs once for each of two batch sizes, and what it calls has to be the same for both (:mod:`.united_trace`): a number
is then the same too, or a multiple of the batch size plus a constant. Operators stay whole that PyTorch's ONNX exporter has a
function for; others are taken apart by the decompositions that it takes. What changes a tensor in place is written as what
makes a new one (:mod:`.in_place`).
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from types import FrameType
from typing import TYPE_CHECKING, Any

from metannvis_translate.frameworks.torch.exporter.free_sizes import PRIME, FreeSize, place_of, sizes_of
from metannvis_translate.frameworks.torch.exporter.in_place import Memory, functional_of
from metannvis_translate.frameworks.torch.exporter.size_requests import size_requests
from metannvis_translate.frameworks.torch.exporter.stop_gradient import torch_function_disabled
from metannvis_translate.frameworks.torch.exporter.traced_calls import (
    Call,
    ModelChangedError,
    Size,
    Trace,
    TracedValue,
    TraceError,
)
from metannvis_translate.frameworks.torch.exporter.united_trace import united
from metannvis_translate.graph.stack_trace import is_the_users

if TYPE_CHECKING:
    import torch

__all__ = ["traced"]

#: Calls of a model that are recorded; one with more is left to another exporter, which says it better.
MOST_CALLS = 50_000


def traced(
    model: torch.nn.Module,
    names: Mapping[int, str],
    inputs: Sequence[tuple[tuple[int, ...], torch.dtype, bool]],
    batch: int,
    rules: Any,
) -> Trace:
    """What a model does, for every batch size.

    Parameters
    ----------
    model
        A module that takes tensors and returns a tuple of tensors.
    names
        Path of each of its modules by ``id``.
    inputs
        Shape and dtype of each input, and whether its first axis is the batch.
    batch
        The batch size of the second run, for which no number may be another one than the first run says.
    rules
        Which operators stay whole, how others are taken apart, and how dtypes are promoted.

    Raises
    ------
    NotImplementedError
        It does something that cannot be recorded, or not the same for both sizes.
    """
    first = _Recording(names, rules, PRIME, None)
    large = first.run(model, inputs)
    second = _Recording(names, rules, batch, first)
    trace = united(large, second.run(model, inputs), batch)
    if first.memory.is_model_changed or second.memory.is_model_changed:
        raise ModelChangedError("forward changes a tensor that the model keeps")
    return trace


class _Recording:
    """One run."""

    def __init__(self, names: Mapping[int, str], rules: Any, batch: int, before: _Recording | None) -> None:
        self.names = names
        self.rules = rules
        self.batch = batch
        self.before = before
        self.trace = Trace([])
        self.memory = Memory(self)
        #: shapes in the order in which values were made, as a later run for another size looks them up
        self.shapes: list[tuple[int | Size, ...]] = []
        #: the mode that sees the calls
        self.mode: Any = None

    def run(self, model: torch.nn.Module, inputs: Sequence[tuple[tuple[int, ...], torch.dtype, bool]]) -> Trace:
        import torch
        from torch._subclasses.fake_tensor import FakeTensorMode

        with FakeTensorMode(allow_non_fake_inputs=True), _plain_attention():
            given = []
            for shape, dtype, batched in inputs:
                tensor = torch.empty((self.batch, *shape[1:]) if batched else shape, dtype=dtype)
                value = self._value(tensor)
                self.memory.add(tensor, value)
                self.trace.inputs.append(value)
                given.append(tensor)
            with size_requests(self), torch._C._AutoDispatchBelowAutograd(), self._calls():
                outputs = model(*given)
                self.trace.outputs = [self.memory.value(tensor) for tensor in outputs]
        return self.trace

    # --- sizes --------------------------------------------------------------------------------------------------------------

    def free(self, tensor: torch.Tensor, plain: tuple[int, ...]) -> tuple[Any, ...]:
        """Sizes of a tensor as the model's own code is to see them."""
        import torch

        value = self.memory.known(tensor)
        if value is None:
            return plain
        return tuple(
            torch.SymInt(FreeSize(sizes_of(size.factor, size.offset), place_of(self.batch)))
            if isinstance(size, Size)
            else size
            for size in value.shape
        )

    def _shape(self, tensor: torch.Tensor) -> tuple[int | Size, ...]:
        with torch_function_disabled():
            plain = tuple(tensor.shape)
        if self.before is None:
            shape = tuple(_told(size) for size in plain)
        else:
            if len(self.shapes) >= len(self.before.shapes):
                raise TraceError("the model does something else for another batch size")
            shape = self.before.shapes[len(self.shapes)]
            now = [s.factor * self.batch + s.offset if isinstance(s, Size) else s for s in shape]
            if tuple(now) != plain:
                raise TraceError(f"a size depends on the batch size in another way than as a multiple of it: {plain}")
        self.shapes.append(shape)
        return shape

    def _value(self, tensor: torch.Tensor, held: torch.Tensor | None = None) -> TracedValue:
        return TracedValue(tensor.dtype, self._shape(tensor), held)

    # --- calls --------------------------------------------------------------------------------------------------------------

    def _calls(self) -> Any:
        from torch.utils._python_dispatch import TorchDispatchMode

        recording = self

        class Calls(TorchDispatchMode):
            def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
                recording.mode = self
                with torch_function_disabled():
                    return recording.called(func, args, kwargs or {})

        return Calls()

    def called(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Record a call, or those that it is made of."""
        import torch

        if func.namespace == "prim":
            return func(*args, **kwargs)
        if func._opname in ASSERTIONS:
            return None
        tags = func.tags
        if torch.Tag.nondeterministic_seeded in tags and not _is_idle(func, args, kwargs):
            raise TraceError(f"{func} draws random numbers")
        if func._opname == "detach_":
            return args[0]
        if func._schema.is_mutable:
            return self._changed(func, args, kwargs)
        apart = self.rules.apart(func, any(t.is_complex() for t in _tensors((args, kwargs))))
        if apart is not None:
            with self.mode:
                result = apart(*args, **kwargs)
            if result is NotImplemented:
                raise TraceError(f"No ONNX function found for {func!r}")
            return result
        self._check_pieces(func, args, kwargs)
        wanted = self.rules.promoted(func, args, kwargs)
        return self.recorded(func, args, kwargs) if wanted is None else self._promoted(func, wanted, args, kwargs)

    def recorded(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run an operator and record it as it stands."""
        if len(self.trace.calls) >= MOST_CALLS:
            raise TraceError(f"the model makes more than {MOST_CALLS} calls")
        given_args, given_kwargs = self._mapped(args), {key: self._mapped(value) for key, value in kwargs.items()}
        args, kwargs = self._twins(args), {key: self._twins(value) for key, value in kwargs.items()}
        result = func(*args, **kwargs)
        values = self._results(result, func, args, kwargs)
        layer, line = self._where(sys._getframe(1))
        self.trace.calls.append(Call(func, given_args, given_kwargs, values, layer, line))
        return result

    def _twins(self, item: Any) -> Any:
        """An argument with tensors without elements in the place of those that the model holds."""
        import torch

        if isinstance(item, torch.Tensor):
            return self.memory.twin(item)
        return type(item)(map(self._twins, item)) if type(item) in (tuple, list) else item

    def _results(self, result: Any, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        import torch

        if isinstance(result, torch.Tensor):
            return self._result(result, None, func, args, kwargs)
        if isinstance(result, (tuple, list)):
            return [
                self._result(item, place, func, args, kwargs) if isinstance(item, torch.Tensor) else None
                for place, item in enumerate(result)
            ]
        raise TraceError(f"{func} returns no tensor")

    def _result(self, tensor: torch.Tensor, place: int | None, func: Any, args: Any, kwargs: Any) -> TracedValue:
        value = self._value(tensor)
        self.memory.add(tensor, value, func, args, kwargs, place)
        return value

    def _mapped(self, item: Any) -> Any:
        """An argument with values in the place of tensors."""
        import torch

        if isinstance(item, torch.Tensor):
            return self.memory.value(item)
        if isinstance(item, (tuple, list)):
            return [self._mapped(entry) for entry in item]
        if isinstance(item, (torch.SymInt, torch.SymFloat, torch.SymBool)):
            raise TraceError("a free size goes into an operator in an unknown way")
        return item

    def held(self, tensor: torch.Tensor) -> tuple[torch.Tensor, TracedValue]:
        """What stands for a tensor that the model holds: one without elements, and its value."""
        import torch
        from torch._subclasses.fake_tensor import FakeTensor

        if isinstance(tensor, FakeTensor) or tensor.is_meta or type(tensor) not in (
            torch.Tensor, torch.nn.Parameter, torch.nn.Buffer
        ):  # fmt: skip
            raise TraceError("a tensor comes from nowhere")
        with torch_function_disabled():
            twin = torch.empty_strided(tuple(tensor.shape), tensor.stride(), dtype=tensor.dtype)
        return twin, TracedValue(tensor.dtype, tuple(tensor.shape), tensor)

    def _changed(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Record what changes its first argument as what makes a new tensor."""
        import torch

        pure = functional_of(func)
        if pure is None:
            raise TraceError(f"{func} changes a tensor in place in a way that is not followed")
        target = args[0]
        with self.mode:
            made = pure(target, *args[1:], **kwargs)
            if made.dtype != target.dtype:
                made = torch.ops.aten._to_copy.default(made, dtype=target.dtype)
            if tuple(made.shape) != tuple(target.shape):
                raise TraceError(f"{func} changes a shape")
            self.memory.change(target, made)
        return target

    def _promoted(self, func: Any, wanted: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Record an operator behind the casts that PyTorch makes of its own accord."""
        import torch

        new_args, new_kwargs, returned = wanted

        def cast(item: Any, dtype: Any) -> Any:
            if dtype is None:
                return item
            if isinstance(item, torch.Tensor):
                if item.dtype == dtype:
                    return item
                return self.recorded(torch.ops.prims.convert_element_type.default, (item,), {"dtype": dtype})
            if isinstance(item, (tuple, list)):
                entries = [cast(entry, dtype) for entry in item]
                return item if all(a is b for a, b in zip(entries, item, strict=True)) else entries
            if isinstance(item, (bool, int, float)) and self.rules.dtype_of(item) != dtype:
                return self.recorded(torch.ops.aten.scalar_tensor.default, (item,), {"dtype": dtype})
            return item

        changed = tuple(cast(item, dtype) for item, dtype in zip(args, new_args, strict=True))
        options = {key: cast(item, new_kwargs.get(key)) for key, item in kwargs.items()}
        if all(a is b for a, b in zip(changed, args, strict=True)) and all(options[k] is kwargs[k] for k in kwargs):
            return self.recorded(func, args, kwargs)
        func = self.rules.overload(func, changed, options)
        result = self.recorded(func, changed, options)
        if result.dtype != returned:
            result = self.recorded(torch.ops.prims.convert_element_type.default, (result,), {"dtype": returned})
        return result

    def _check_pieces(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Refuse what would cut a free axis into as many pieces as it has entries."""
        if func._opname not in PIECES:
            return
        value = self.memory.known(args[0])
        axis = kwargs.get("dim", args[PIECES[func._opname]] if len(args) > PIECES[func._opname] else 0)
        if value is not None and value.shape and isinstance(value.shape[axis], Size):
            raise TraceError(f"{func} along an axis of free size")

    def _where(self, frame: FrameType | None) -> tuple[str, tuple[str, int, str] | None]:
        """Path of the innermost module, and the innermost line of the user's, outwards from a frame."""
        path, line = None, None
        while frame is not None and (path is None or line is None):
            code = frame.f_code
            if line is None and _is_users(code.co_filename):
                line = (code.co_filename, frame.f_lineno, code.co_name)
            if code.co_name == "_call_impl" and code.co_filename == _modules_file():
                found = self.names.get(id(frame.f_locals.get("self")))
                path = found if path is None else path
                if found == "":
                    break  # the model itself: what called it is not a part of it
            frame = frame.f_back
        return path or "", line


#: Operators that only look whether something is true, which is not a part of what a model computes.
ASSERTIONS = {
    "_assert_async", "_assert_scalar", "_assert_tensor_metadata", "sym_constrain_range", "sym_constrain_range_for_size",
}  # fmt: skip
#: Operators that cut a tensor into pieces, and which of their arguments says along which axis.
PIECES = {
    "unbind": 1,
    "split": 2,
    "split_with_sizes": 2,
    "chunk": 2,
    "tensor_split": 2,
    "unsafe_split": 2,
    "unsafe_chunk": 2,
}
_USERS: dict[str, bool] = {}


def _is_users(file: str) -> bool:
    if file not in _USERS:
        _USERS[file] = is_the_users(file)
    return _USERS[file]


def _modules_file() -> str:
    import torch

    return str(torch.nn.Module._call_impl.__code__.co_filename)


def _told(size: int) -> int | Size:
    """A size of the run with the prime batch."""
    factor = round(size / PRIME)
    if factor == 0:
        return size
    return Size(factor, size - factor * PRIME)


def _tensors(item: Any) -> Iterator[torch.Tensor]:
    import torch

    if isinstance(item, torch.Tensor):
        yield item
    elif isinstance(item, (tuple, list)):
        for entry in item:
            yield from _tensors(entry)
    elif isinstance(item, dict):
        for entry in item.values():
            yield from _tensors(entry)


def _is_idle(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether an operator that may draw random numbers draws none here."""
    given = {a.name: value for a, value in zip(func._schema.arguments, args, strict=False)} | kwargs
    if given.get("p") == 0:
        return True
    if "train" in given or "training" in given:
        return not given.get("train", given.get("training"))
    return "scaled_dot_product" in func._opname and not given.get("dropout_p")


@contextlib.contextmanager
def _plain_attention() -> Iterator[None]:
    """Inside, attention is made of operators that have a meaning beyond PyTorch."""
    import torch

    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)
